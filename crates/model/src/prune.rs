//! Pruning: the operations whose records may go, and why the others stay.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{GitId, OpId, operation::Summary, overview::OperationLine};

/// The schema of the record of pruned operations.
pub const PRUNED_SCHEMA: &str = "snapback.pruned/1";

/// The operations that may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneRule {
    /// Only those older than this.
    pub older_than: Duration,
    /// Never the newest ones of a task in a work tree: at least this many of them stay.
    pub keep_last: usize,
}

/// The reason why an operation stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepReason {
    /// The next operation gets the number after it.
    NewestOfAll,
    /// It is not old enough.
    Young,
    /// It is one of the newest of its task in its work tree.
    Newest,
    /// It is a rollback that waits to be confirmed, or came after that.
    AwaitsConfirmation,
    /// An operation that stays took it back, or brought it again.
    UndoneBy(OpId),
    /// An older operation of its task stays, and undo goes through them in order.
    OlderStays(OpId),
}

/// An operation, and why it stays.
#[derive(Debug, Clone, Serialize)]
pub struct PruneLine {
    /// The operation.
    #[serde(flatten)]
    pub operation: OperationLine,
    /// The size of its own records, in bytes.
    pub bytes: u64,
    /// Why it stays; `None` when it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<KeepReason>,
}

/// What is pruned, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct PruneReport {
    /// True when nothing was changed.
    pub dry_run: bool,
    /// The operations that go, oldest first.
    pub pruned: Vec<PruneLine>,
    /// The operations that stay, oldest first.
    pub kept: Vec<PruneLine>,
    /// The size of the records that go, in bytes.
    pub bytes: u64,
}

/// What is left of a pruned operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedOperation {
    /// What it was.
    pub summary: Summary,
    /// True when it was done, false when it was put back.
    pub done: bool,
    /// The commit that it left on its branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<GitId>,
    /// The value of its safety reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safety: Option<GitId>,
    /// Time of its pruning.
    pub pruned: Timestamp,
}

/// All pruned operations, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedOperations {
    /// [`PRUNED_SCHEMA`].
    pub schema: String,
    /// The operations.
    pub operations: Vec<PrunedOperation>,
}

impl Default for PrunedOperations {
    fn default() -> Self {
        Self {
            schema: PRUNED_SCHEMA.into(),
            operations: Vec::new(),
        }
    }
}
