//! The audit log as data: one line an operation, anchors in the messages of tags, and what a
//! check of the log found.
//!
//! A line never holds what a program printed nor the value of a variable: of a failure only its
//! kind is kept, and the user's own reason is cut and loses the login of every URL.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::{TaskId, operation::Person};
use base::Digest;

/// The format of a line.
pub const AUDIT_SCHEMA: &str = "snapback.audit/1";

/// The line of a tag's message that names a line of the audit log.
pub const AUDIT_TRAILER: &str = "Snapback-Audit: ";

/// Who acted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// git's `user.name`, when it is set.
    pub name: Option<String>,
    /// git's `user.email`, when it is set.
    pub email: Option<String>,
    /// The name of the system's user, when it has one.
    pub user: Option<String>,
    /// The number of the system's user.
    pub uid: u32,
    /// The host.
    pub host: String,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The id of the operation, or of the act when it is no journalled operation.
    pub id: String,
    /// What kind: `rollback`, `create-snapshot`, `mark bad`, `store put`, …
    pub kind: String,
    /// How an unfinished operation was ended: `op resume` or `op abort`.
    pub by: Option<String>,
    /// The task; `None` when none or several are touched.
    pub task: Option<TaskId>,
    /// The active version before.
    pub from: Option<Version>,
    /// The active version after; the version that a verdict speaks of.
    pub to: Option<Version>,
    /// What else is touched: the name of a stored folder, the operation that is taken back.
    pub about: Option<String>,
}

/// From where a command was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// By a person at a terminal.
    Terminal,
    /// By a continuous-integration system (`CI` is set).
    Ci,
    /// By a hook of git.
    Hook,
    /// By a program.
    Script,
    /// By the guard.
    Guard,
    /// By a program that uses the library.
    #[default]
    Library,
}

/// Who asked for something, and through what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Who; `None` = whoever git says the user is.
    pub person: Option<Person>,
    /// Through what.
    pub via: Via,
    /// The command, for whoever has to wait for this one.
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

/// Where a command was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// By whom or what.
    pub via: Via,
    /// The linked work tree's name; `None` in the main one.
    pub tree: Option<String>,
    /// The folder below the work tree, empty at its top.
    pub dir: String,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It was done.
    Done,
    /// It failed before anything was changed, or says itself what it left.
    Failed,
    /// It failed or was aborted, and everything is as it was before.
    PutBack,
    /// It could not be put back: a person is needed. Another line follows when it is.
    Stuck,
    /// The process ended in the middle of it; what it did is not known.
    Interrupted,
}

impl End {
    /// The word for people.
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

/// How it ended, and the kind of failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub end: End,
    /// The kind of the failure: `bad`, `missing`, `cancelled`, …
    pub error: Option<String>,
}

impl From<End> for Ended {
    fn from(end: End) -> Self {
        Self { end, error: None }
    }
}

/// What a line says, apart from its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// When it ended; when it began, for what was interrupted.
    pub at: Timestamp,
    /// Who.
    pub who: Identity,
    /// What.
    pub what: Deed,
    /// The reason that was given.
    pub why: String,
    /// From where.
    pub from: Origin,
    /// How it ended.
    pub result: Ended,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`AUDIT_SCHEMA`].
    pub schema: String,
    /// Its number; the first is 1.
    pub seq: u64,
    /// What it says.
    #[serde(flatten)]
    pub said: Said,
    /// The digest of the whole line before; `None` for the first.
    pub prev: Option<Digest>,
    /// The digest of this line without this field.
    pub hash: Digest,
}

/// The place of a line in one log, as tag messages name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchor {
    /// Which log: the first 16 hex digits of the digest of its first line.
    pub log: String,
    /// The number of the line.
    pub seq: u64,
    /// The digest of the whole line.
    pub line: Digest,
}

impl Anchor {
    /// The trailer of a tag's message.
    pub fn trailer(&self) -> String {
        format!(
            "{AUDIT_TRAILER}{} {} {}\n",
            self.log,
            self.seq,
            self.line.hex()
        )
    }

    /// The anchor in a tag's message, the last one when there are several.
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

/// Something that is wrong with the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The number of the line, counted from the beginning of the log; `None` when it is gone.
    pub line: Option<u64>,
    /// What is wrong, in words.
    pub what: String,
    /// The tag that proves it.
    pub tag: Option<String>,
}

/// What a check of the log found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AuditCheck {
    /// How many lines there are.
    pub lines: u64,
    /// How many files they lie in.
    pub segments: usize,
    /// How many anchors of this log there are in tags.
    pub anchors: usize,
    /// The last line, as a tag made now would name it.
    pub head: Option<Anchor>,
    /// What is wrong; nothing for a whole log.
    pub findings: Vec<Finding>,
    /// What people should know that proves nothing.
    pub notes: Vec<String>,
}

impl AuditCheck {
    /// True when nothing is wrong.
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
