//! Data of a rollback that is undone automatically unless it is confirmed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Version;
use crate::{OpId, TaskId};
use base::clock::Moment;

/// Format of the record.
pub const CONFIRM_SCHEMA: &str = "snapback.confirm/1";

/// Longest pause between two attempts to undo a rollback.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// A rollback that awaits confirmation; written before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitingConfirmation {
    /// [`CONFIRM_SCHEMA`].
    pub schema: String,
    /// The task.
    pub task: TaskId,
    /// The version it leaves.
    pub from: Option<Version>,
    /// The version that awaits confirmation.
    pub to: Option<Version>,
    /// Time allowed for confirming it, in milliseconds.
    pub within_ms: u64,
    /// Start of that time: the end of the rollback, or its beginning while it is in progress.
    pub since: Moment,
    /// The number of the newest operation before it.
    pub after: u64,
    /// The rollback's operation; `None` while it is in progress.
    pub op: Option<OpId>,
    /// The work tree.
    pub worktree: String,
    /// Number of attempts to undo it.
    pub attempts: u32,
    /// The last failed attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedTry>,
}

/// A failed attempt to undo a rollback. It is repeated until it succeeds or a person decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTry {
    /// The reason.
    pub why: String,
    /// Time of the attempt.
    pub at: Moment,
    /// True when an alert was raised.
    pub called: bool,
}

impl AwaitingConfirmation {
    /// Returns the time allowed for confirming it.
    pub fn within(&self) -> Duration {
        Duration::from_millis(self.within_ms)
    }

    /// Returns the time left; zero when it is over. When the clock was set back, the elapsed time
    /// is unknown, so the time starts over.
    pub fn left(&self, now: &Moment) -> Duration {
        self.within()
            .saturating_sub(now.since(&self.since).unwrap_or_default())
    }

    /// True when it is too early for another attempt: the pauses get longer after each failure.
    pub fn pauses(&self, now: &Moment) -> bool {
        let pause = LONGEST_PAUSE.min(Duration::from_secs(1 << self.attempts.min(16)));
        self.failed
            .as_ref()
            .and_then(|failed| now.since(&failed.at))
            .is_some_and(|passed| passed < pause)
    }
}

/// The outcome for a rollback that awaits confirmation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// Time is left, in milliseconds.
    Waits(u64),
    /// It was undone.
    Reverted,
    /// There is nothing left to undo, for this reason.
    Dropped(String),
    /// It could not be undone now, for this reason. It will be tried again.
    Later(String),
}
