//! The health of a repository and its tasks: findings with levels, worst first.

use jiff::Timestamp;
use serde::Serialize;

use super::{LeftOut, Version, answer::Next, overview::WayBack};
use crate::TaskId;

/// A severity, ordered from best to worst. Unknown is worse than a warning, because it may hide
/// anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Fine.
    #[default]
    Ok,
    /// It needs attention; a rollback would still work.
    Warning,
    /// It could not be checked.
    Unknown,
    /// A rollback would fail, or the active version is known to be bad.
    Critical,
}

impl Level {
    /// Returns the state of the Nagios plugin interface: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    pub fn nagios(self) -> i32 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Critical => "critical",
        }
    }
}

/// A problem found by a health check.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Stable name of the check: `state`, `operation`, `registry`, `standing`, `objects`,
    /// `way_back`, `unverified`, `drift`, `left_out`, `signing`, `store`, `disk`, `inodes`.
    pub check: &'static str,
    /// Its severity.
    pub level: Level,
    /// Description of what was found.
    pub seen: String,
    /// A suggested fix.
    pub fix: Option<Next>,
}

/// The health of one task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskHealth {
    /// The task.
    pub task: TaskId,
    /// Its display name.
    pub title: Option<String>,
    /// The worst level of its findings.
    pub level: Level,
    /// The active version.
    pub active: Option<Version>,
    /// True when the active version is proven or marked good.
    pub verified: bool,
    /// Time of the newest release.
    pub released_at: Option<Timestamp>,
    /// Number of releases.
    pub releases: usize,
    /// Number of files that differ from the active release.
    pub drift: usize,
    /// The version that a rollback would choose by default.
    pub way_back: WayBack,
    /// Ignored files that no release keeps.
    pub left_out: LeftOut,
    /// Its problems, worst first.
    pub findings: Vec<Finding>,
}

/// The space on a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Total number of bytes.
    pub bytes: u64,
    /// Number of bytes that this user can still write.
    pub free: u64,
    /// Total number of inodes; 0 when the file system does not count them.
    pub inodes: u64,
    /// Number of free inodes.
    pub inodes_free: u64,
}

/// The health of a repository and all of its tasks.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// Time of the check.
    pub at: Timestamp,
    /// The worst level of all findings.
    pub level: Level,
    /// True when every byte was read.
    pub deep: bool,
    /// Problems of the repository as a whole, worst first.
    pub repository: Vec<Finding>,
    /// The tasks, worst first.
    pub tasks: Vec<TaskHealth>,
    /// True when an operation did not finish.
    pub unfinished: bool,
    /// The disk of the state folder, if available.
    pub disk: Option<Disk>,
    /// Number of bytes in the store, if it can be read.
    pub stored: Option<u64>,
    /// Duration of the check, in milliseconds.
    pub duration_ms: u64,
}

impl Health {
    /// Returns the number of tasks with a level.
    pub fn count(&self, level: Level) -> usize {
        self.tasks.iter().filter(|task| task.level == level).count()
    }

    /// Returns every finding with its task, worst first; repository findings before those of tasks.
    pub fn findings(&self) -> Vec<(Option<&TaskId>, &Finding)> {
        let own = self.repository.iter().map(|finding| (None, finding));
        let of_tasks = self.tasks.iter().flat_map(|task| {
            task.findings
                .iter()
                .map(|finding| (Some(&task.task), finding))
        });
        let mut all: Vec<_> = own.chain(of_tasks).collect();
        all.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.level));
        all
    }
}
