//! The audit log as data: one line per operation, anchors in tag messages, and the findings of a
//! check of the log.
//!
//! A line never holds program output or the value of a variable. Of a failure only the kind is
//! kept; the user's reason is truncated, and the login is removed from every URL.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::{TaskId, operation::Person};
use base::Digest;

/// Format of a line.
pub const AUDIT_SCHEMA: &str = "snapback.audit/1";

/// Prefix of the line in a tag's message that names a line of the audit log.
pub const AUDIT_TRAILER: &str = "Snapback-Audit: ";

/// The identity of whoever acted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// git's `user.name`, when it is set.
    pub name: Option<String>,
    /// git's `user.email`, when it is set.
    pub email: Option<String>,
    /// The operating system's user name, when there is one.
    pub user: Option<String>,
    /// The operating system's user id.
    pub uid: u32,
    /// The host name.
    pub host: String,
}

/// The action that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedAction {
    /// The id of the operation, or of the action when it is not a journalled operation.
    pub id: String,
    /// The kind: `rollback`, `create-snapshot`, `mark bad`, `store put`, …
    pub kind: String,
    /// The command that ended an unfinished operation: `op resume` or `op abort`.
    pub by: Option<String>,
    /// The task; `None` when none or several are affected.
    pub task: Option<TaskId>,
    /// The active version before.
    pub from: Option<Version>,
    /// The active version after; for a verdict, the version it is about.
    pub to: Option<Version>,
    /// Anything else affected: the name of a stored folder, or the operation that is undone.
    pub about: Option<String>,
}

/// The channel through which a command was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// By a person at a terminal.
    Terminal,
    /// By a continuous-integration system (`CI` is set).
    Ci,
    /// By a git hook.
    Hook,
    /// By a program.
    Script,
    /// By the guard.
    Guard,
    /// By a program that uses the library.
    #[default]
    Library,
}

/// Who requested something, and through which channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The person; `None` = the user that git reports.
    pub person: Option<Person>,
    /// The channel.
    pub via: Via,
    /// The command, shown to processes that wait for this one.
    pub command: String,
}

impl Default for Actor {
    fn default() -> Self {
        Self {
            person: None,
            via: Via::default(),
            command: "library".into(),
        }
    }
}

/// The place where a command was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The channel.
    pub via: Via,
    /// Name of the linked work tree; `None` in the main one.
    pub tree: Option<String>,
    /// The folder below the work tree, empty at its top.
    pub dir: String,
}

/// The outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditEnd {
    /// It was completed.
    Done,
    /// It failed before anything was changed, or reports itself what it left behind.
    Failed,
    /// It failed or was aborted, and everything was restored.
    PutBack,
    /// It could not be restored and needs manual work. Another line follows when it is resolved.
    Stuck,
    /// The process died in the middle of it; what it did is unknown.
    Interrupted,
}

impl AuditEnd {
    /// Returns the word for display.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::PutBack => "put back",
            Self::Stuck => "stuck",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The outcome and the kind of failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditResult {
    /// The outcome.
    pub end: AuditEnd,
    /// The kind of the failure: `bad`, `missing`, `cancelled`, …
    pub error: Option<String>,
}

impl From<AuditEnd> for AuditResult {
    fn from(end: AuditEnd) -> Self {
        Self { end, error: None }
    }
}

/// The contents of a line, apart from its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditStatement {
    /// Time when it ended; for interrupted actions, when it began.
    pub at: Timestamp,
    /// The identity of whoever acted.
    pub who: Identity,
    /// The action.
    pub what: AuditedAction,
    /// The reason that was given.
    pub why: String,
    /// The place.
    pub from: Origin,
    /// The outcome.
    pub result: AuditResult,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// [`AUDIT_SCHEMA`].
    pub schema: String,
    /// Its number, starting at 1.
    pub seq: u64,
    /// Its contents.
    #[serde(flatten)]
    pub said: AuditStatement,
    /// The digest of the whole previous line; `None` for the first.
    pub prev: Option<Digest>,
    /// The digest of this line without this field.
    pub hash: Digest,
}

/// The position of a line in one log, as named in tag messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchor {
    /// The log: the first 16 hex digits of the digest of its first line.
    pub log: String,
    /// The number of the line.
    pub seq: u64,
    /// The digest of the whole line.
    pub line: Digest,
}

impl Anchor {
    /// Returns the trailer for a tag's message.
    pub fn trailer(&self) -> String {
        format!(
            "{AUDIT_TRAILER}{} {} {}\n",
            self.log,
            self.seq,
            self.line.hex()
        )
    }

    /// Reads the anchor in a tag's message; the last one when there are several.
    pub fn in_message(message: &str) -> Option<Self> {
        let line = message
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix(AUDIT_TRAILER))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let [log, seq, hex] = words[..] else {
            return None;
        };
        let is_id = log.len() == 16 && log.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        Some(Self {
            log: is_id.then(|| log.into())?,
            seq: seq.parse().ok()?,
            line: Digest::from_hex(hex).ok()?,
        })
    }
}

/// A defect of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditFinding {
    /// The line number, counted from the beginning of the log; `None` when the line is gone.
    pub line: Option<u64>,
    /// The defect in words.
    pub what: String,
    /// The tag that proves it.
    pub tag: Option<String>,
}

/// The result of a check of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditCheck {
    /// Number of lines.
    pub lines: u64,
    /// Number of files that hold them.
    pub segments: usize,
    /// Number of anchors of this log in tags.
    pub anchors: usize,
    /// The last line, as a tag created now would name it.
    pub head: Option<Anchor>,
    /// The defects; empty for an intact log.
    pub findings: Vec<AuditFinding>,
    /// Notes for the user that prove nothing.
    pub notes: Vec<String>,
}

impl AuditCheck {
    /// True when there are no defects.
    pub fn is_good(&self) -> bool {
        self.findings.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_read_as_they_are_written_and_nothing_else_is() {
        let anchor = Anchor {
            log: "0123456789abcdef".into(),
            seq: 7,
            line: Digest::of(b"line"),
        };
        let message = format!("text\n\nSnapback-Task: T01\n{}", anchor.trailer());
        assert_eq!(Anchor::in_message(&message), Some(anchor));
        for other in [
            "",
            "Snapback-Audit: ",
            "Snapback-Audit: x 1 y",
            "Snapback-Audit: 0123456789abcdef 1",
            "no trailer",
        ] {
            assert_eq!(Anchor::in_message(other), None, "{other:?}");
        }
    }
}
