//! The health of a repository and its tasks: findings with a level, worst first.

use jiff::Timestamp;
use serde::Serialize;

use super::{LeftOut, Version, answer::Next, overview::WayBack};
use crate::TaskId;

/// How bad something is. The order is from best to worst: what could not be looked at is worse
/// than what wants attention, for it may hide anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Fine.
    #[default]
    Ok,
    /// It wants attention; a rollback would still work.
    Warning,
    /// It could not be looked at.
    Unknown,
    /// A rollback would fail, or what runs is known to be bad.
    Critical,
}

impl Level {
    /// The state of the Nagios plugin interface: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    pub fn nagios(self) -> i32 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Critical => "critical",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Stable word for what was looked at: `state`, `operation`, `registry`, `standing`, `objects`,
    /// `way_back`, `unverified`, `drift`, `left_out`, `signing`, `store`, `disk`, `inodes`.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was seen.
    pub seen: String,
    /// What can be done.
    pub fix: Option<Next>,
}

/// One task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskHealth {
    /// The task.
    pub task: TaskId,
    /// Its name for people.
    pub title: Option<String>,
    /// The worst level of its findings.
    pub level: Level,
    /// The active version.
    pub active: Option<Version>,
    /// True when the active version is proven or called good.
    pub verified: bool,
    /// When the newest release was made.
    pub released_at: Option<Timestamp>,
    /// How many releases there are.
    pub releases: usize,
    /// Files that differ from the active release.
    pub drift: usize,
    /// Where a rollback would go by itself.
    pub way_back: WayBack,
    /// Ignored files that no release keeps.
    pub left_out: LeftOut,
    /// What is wrong, worst first.
    pub findings: Vec<Finding>,
}

/// A disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Bytes in all.
    pub bytes: u64,
    /// Bytes that this user can still write.
    pub free: u64,
    /// Inodes in all; 0 where the file system does not count them.
    pub inodes: u64,
    /// Inodes that are free.
    pub inodes_free: u64,
}

/// The whole.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// When it was looked at.
    pub at: Timestamp,
    /// The worst level of all.
    pub level: Level,
    /// True when every byte was read.
    pub deep: bool,
    /// What is wrong with the repository as a whole, worst first.
    pub repository: Vec<Finding>,
    /// The tasks, worst first.
    pub tasks: Vec<TaskHealth>,
    /// True when an operation did not finish.
    pub unfinished: bool,
    /// The disk of the state folder, when it can be asked.
    pub disk: Option<Disk>,
    /// Bytes of the store, when it can be read.
    pub stored: Option<u64>,
    /// How long looking took, in milliseconds.
    pub duration_ms: u64,
}

impl Health {
    /// How many tasks have a level.
    pub fn count(&self, level: Level) -> usize {
        self.tasks.iter().filter(|task| task.level == level).count()
    }

    /// Every finding with its task, worst first; those of the repository before those of tasks.
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
