//! A rollback that goes back by itself unless somebody confirms it, as data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Version;
use crate::{OpId, TaskId};
use base::clock::Moment;

/// The format of the record.
pub const CONFIRM_SCHEMA: &str = "snapback.confirm/1";

/// The longest pause between two tries to take a rollback back.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// A rollback that waits to be confirmed: written before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// [`CONFIRM_SCHEMA`].
    pub schema: String,
    /// The task.
    pub task: TaskId,
    /// The version that was left.
    pub from: Option<Version>,
    /// The version that waits.
    pub to: Option<Version>,
    /// How long somebody has to confirm it, in milliseconds.
    pub within_ms: u64,
    /// Since when the time runs: the rollback's end; its beginning as long as it is under way.
    pub since: Moment,
    /// The number of the newest operation before it.
    pub after: u64,
    /// The rollback; `None` as long as it is under way.
    pub op: Option<OpId>,
    /// In which work tree.
    pub worktree: String,
    /// How often it was tried to take it back.
    pub attempts: u32,
    /// The last try that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedTry>,
}

/// A try to take a rollback back that failed. It is tried again until it works or a person decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTry {
    /// Why.
    pub why: String,
    /// When.
    pub at: Moment,
    /// True when a person was called.
    pub called: bool,
}

impl Pending {
    /// How long somebody has to confirm it.
    pub fn within(&self) -> Duration {
        Duration::from_millis(self.within_ms)
    }

    /// The time left; zero when it is over. Of a clock that was set back nobody knows, so the time
    /// begins anew.
    pub fn left(&self, now: &Moment) -> Duration {
        self.within()
            .saturating_sub(now.since(&self.since).unwrap_or_default())
    }

    /// True when it is too early to try again after a try that failed: the pauses get longer.
    pub fn pauses(&self, now: &Moment) -> bool {
        let pause = LONGEST_PAUSE.min(Duration::from_secs(1 << self.attempts.min(16)));
        self.failed
            .as_ref()
            .and_then(|failed| now.since(&failed.at))
            .is_some_and(|passed| passed < pause)
    }
}

/// What became of a rollback that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Settled {
    /// There is time left, in milliseconds.
    Waits(u64),
    /// It was taken back.
    Reverted,
    /// There is nothing to take back any more: why.
    Dropped(String),
    /// It could not be taken back now: why. It is tried again.
    Later(String),
}
