//! What an operation did: the one object behind the text, the JSON, the report file and the exit code.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Verification, Version, operation::OpKind};
use crate::base::{GitId, OpId, TaskId};

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All of it was done.
    Done,
    /// It failed and everything is as it was before.
    Undone,
    /// It failed and so did putting it back: a person is needed.
    Stuck,
}

/// A report, also written to `ops/<id>/report.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The operation; `None` when there was nothing to do.
    pub op: Option<OpId>,
    /// The kind of operation.
    pub kind: OpKind,
    /// The task; `None` when several were touched.
    pub task: Option<TaskId>,
    /// The active version before.
    pub from: Option<Version>,
    /// The active version after.
    pub to: Option<Version>,
    /// How it ended.
    pub outcome: Outcome,
    /// False when there was nothing to do.
    pub changed: bool,
    /// The user's reason.
    pub message: String,
    /// Who ran it, `name <email>`.
    pub who: String,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The commit it made.
    pub commit: Option<GitId>,
    /// The tag it made.
    pub tag: Option<String>,
    /// How many files changed.
    pub files_changed: usize,
    /// How many bytes were saved into the store before anything changed.
    pub saved_bytes: u64,
    /// What was verified.
    pub verification: Option<Verification>,
    /// The exit code of what stopped it, when it was put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it did not succeed, and what people should know.
    pub notes: Vec<String>,
    /// Its steps as they were done, in order; those of an earlier run are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Moment>,
}

/// A step of an operation as it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The step, or what came before the first.
    pub what: String,
    /// When it began, in milliseconds since the operation was asked for.
    pub at_ms: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How it ended.
    pub end: MomentEnd,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentEnd {
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// It was taken back.
    TakenBack,
}
