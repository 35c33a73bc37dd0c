//! The result of an operation: the common source of the text, the JSON, the report file and the
//! exit code.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Verification, Version, kept::SavedEdit, operation::OpKind};
use crate::{GitId, OpId, TaskId};
use base::Digest;

/// Separator between a report and the digest of its text, in `report.json`.
const CHECKSUM: &str = ",\n  \"checksum\": \"";
/// End of that file.
const END: &str = "\"\n}";

/// The error for a damaged report.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Damaged(String);

/// The outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was completed.
    Done,
    /// It failed and everything was restored.
    Undone,
    /// It failed and so did restoring: manual work is needed.
    Stuck,
}

/// A report, also written to `ops/<id>/report.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The operation; `None` when there was nothing to do.
    pub op: Option<OpId>,
    /// The kind of operation.
    pub kind: OpKind,
    /// The task; `None` when several were affected.
    pub task: Option<TaskId>,
    /// The active version before.
    pub from: Option<Version>,
    /// The active version after.
    pub to: Option<Version>,
    /// The outcome.
    pub outcome: Outcome,
    /// False when there was nothing to do.
    pub changed: bool,
    /// The user's reason.
    pub message: String,
    /// Who ran it, `name <email>`.
    pub who: String,
    /// Time when it began.
    pub at: Timestamp,
    /// Duration in milliseconds.
    pub duration_ms: u64,
    /// The commit that it created.
    pub commit: Option<GitId>,
    /// The tag that it created.
    pub tag: Option<String>,
    /// Number of files that changed.
    pub files_changed: usize,
    /// Number of bytes saved into the store before anything changed.
    pub saved_bytes: u64,
    /// The result of the verification.
    pub verification: Option<Verification>,
    /// The exit code of the error that stopped it, when it was rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Reasons for a failure, and other notes for the user.
    pub notes: Vec<String>,
    /// Its steps in the order they were done; those of an earlier run are unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<StepTime>,
    /// The words of the command that shares it; empty when the destination is unknown. Never
    /// stored, because the settings may differ when the report is read.
    #[serde(skip)]
    pub share: Vec<String>,
    /// Files with foreign edits during the operation, and what happened to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<SavedEdit>,
    /// True when a release was undone, which only a new release can redo.
    #[serde(skip)]
    pub of_release: bool,
}

impl Report {
    /// Creates the report of something of this kind that changed nothing and did nothing else
    /// worth reporting.
    pub fn new(kind: OpKind, at: Timestamp) -> Self {
        Self {
            op: None,
            kind,
            task: None,
            from: None,
            to: None,
            outcome: Outcome::Done,
            changed: false,
            message: String::new(),
            who: String::new(),
            at,
            duration_ms: 0,
            commit: None,
            tag: None,
            files_changed: 0,
            saved_bytes: 0,
            verification: None,
            exit_code: None,
            notes: Vec::new(),
            timeline: Vec::new(),
            share: Vec::new(),
            kept: Vec::new(),
            of_release: false,
        }
    }
}

impl Report {
    /// Returns the stored text: JSON whose last field is the digest of the text without that field.
    pub fn render(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("because plain data always renders");
        let body = text
            .strip_suffix("\n}")
            .expect("because a report has fields");
        format!("{body}{CHECKSUM}{}{END}", Digest::of(text.as_bytes()))
    }

    /// Reads a stored report; old reports have no checksum.
    ///
    /// # Errors
    /// When the text is damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, Damaged> {
        let text = std::str::from_utf8(bytes).map_err(|error| Damaged(error.to_string()))?;
        let whole = match text
            .strip_suffix(END)
            .and_then(|text| text.rsplit_once(CHECKSUM))
        {
            Some((body, checksum)) => {
                let whole = format!("{body}\n}}");
                if Digest::of(whole.as_bytes()).to_string() != checksum {
                    return Err(Damaged("it has the wrong checksum".into()));
                }
                whole
            }
            None => text.to_string(),
        };
        let fields: serde_json::Value =
            serde_json::from_str(&whole).map_err(|error| Damaged(error.to_string()))?;
        let report: Self =
            Self::deserialize(&fields).map_err(|error| Damaged(error.to_string()))?;
        // A misplaced checksum shows up as an unknown field.
        let known = serde_json::to_value(&report).expect("because plain data always renders");
        let is_known = |field: &String| {
            known.get(field).is_some()
                || ["exit_code", "timeline", "kept"].contains(&field.as_str())
        };
        match fields
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.keys())
            .find(|field| !is_known(field))
        {
            Some(field) => Err(Damaged(format!("it holds {field:?}"))),
            None => Ok(report),
        }
    }
}

/// A step of an operation as it was executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTime {
    /// The step, or the work before the first one.
    pub what: String,
    /// Time when it began, in milliseconds since the operation was requested.
    pub at_ms: u64,
    /// Duration in milliseconds.
    pub took_ms: u64,
    /// The outcome.
    pub end: MomentEnd,
}

/// The outcome of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentEnd {
    /// It was completed.
    Done,
    /// It failed.
    Failed,
    /// It was rolled back.
    TakenBack,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            op: None,
            kind: OpKind::Rollback,
            task: Some("T01".parse().expect("it is an id")),
            from: Some("1.1.0".parse().expect("it is a version")),
            to: None,
            outcome: Outcome::Done,
            changed: true,
            message: "a \"reason\",\n  \"checksum\": \"x\"\n}".into(),
            who: "Li <li@example.com>".into(),
            at: Timestamp::UNIX_EPOCH,
            duration_ms: 7,
            commit: None,
            tag: None,
            files_changed: 2,
            saved_bytes: 0,
            verification: None,
            exit_code: None,
            notes: vec!["one".into()],
            timeline: vec![StepTime {
                what: "files".into(),
                at_ms: 0,
                took_ms: 1,
                end: MomentEnd::Done,
            }],
            share: Vec::new(),
            kept: Vec::new(),
            of_release: false,
        }
    }

    #[test]
    fn a_report_comes_back_and_old_ones_without_a_checksum_do_too() {
        assert_eq!(
            Report::parse(report().render().as_bytes()).expect("it is whole"),
            report()
        );
        let old = serde_json::to_vec_pretty(&report()).expect("it renders");
        assert_eq!(Report::parse(&old).expect("it is whole"), report());
        let json: serde_json::Value =
            serde_json::from_str(&report().render()).expect("it stays JSON");
        assert!(
            json["checksum"]
                .as_str()
                .is_some_and(|text| text.starts_with("sha256:")),
            "{json}"
        );
    }

    #[test]
    fn every_byte_changed_in_every_way_is_noticed() {
        let whole = report().render().into_bytes();
        for at in 0..whole.len() {
            for value in 0..=255 {
                let mut bytes = whole.clone();
                bytes[at] = value;
                assert!(
                    bytes == whole || Report::parse(&bytes).is_err(),
                    "byte {at} as {value}"
                );
            }
            assert!(Report::parse(&whole[..at]).is_err(), "cut at {at}");
        }
        assert!(Report::parse(&[&whole[..], b"\n"].concat()).is_err());
    }
}
