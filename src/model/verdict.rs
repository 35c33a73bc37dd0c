//! Verdicts on versions: good, bad, held, pinned. Append-only records; the newest one counts.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::base::{OpId, TaskId};

/// What was said of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Levels 1 and 2 (and 3 where a smoke command is set) passed.
    Proven,
    /// A person says it is good.
    Good,
    /// A person or the guard says it is bad: never a default target.
    Bad,
    /// It was rolled back from: automation must not bring it back.
    Held,
    /// The hold was lifted.
    Released,
    /// It must stay restorable whatever the retention rules say.
    Pinned,
    /// The pin was taken off.
    Unpinned,
}

/// One record of `verdicts.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictRecord {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// What was said.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// Who said it.
    pub who: String,
    /// When.
    pub at: Timestamp,
    /// The operation that said it, if any; makes the record idempotent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<OpId>,
}

/// What all records together say of one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "four independent facts, each with its own record")]
pub struct Standing {
    /// It passed its verification.
    pub proven: bool,
    /// A person called it good.
    pub good: bool,
    /// It was called bad.
    pub bad: bool,
    /// It was rolled back from.
    pub held: bool,
    /// It must stay.
    pub pinned: bool,
}

impl Standing {
    /// Folds the records of one version, oldest first.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a VerdictRecord>) -> Self {
        let mut standing = Self::default();
        for record in records {
            match record.verdict {
                Verdict::Proven => standing.proven = true,
                Verdict::Good => (standing.good, standing.bad, standing.held) = (true, false, false),
                Verdict::Bad => (standing.good, standing.bad) = (false, true),
                Verdict::Held => standing.held = true,
                Verdict::Released => standing.held = false,
                Verdict::Pinned => standing.pinned = true,
                Verdict::Unpinned => standing.pinned = false,
            }
        }
        standing
    }

    /// True when a rollback may choose it by itself.
    pub fn may_be_default_target(self) -> bool {
        (self.proven || self.good) && !self.bad && !self.held
    }

    /// One word for tables: bad, held, good, proven or unknown.
    pub fn word(self) -> &'static str {
        match self {
            Self { bad: true, .. } => "bad",
            Self { held: true, .. } => "held",
            Self { good: true, .. } => "good",
            Self { proven: true, .. } => "proven",
            _ => "unknown",
        }
    }
}
