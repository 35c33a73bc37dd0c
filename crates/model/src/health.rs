//! The health of a repository and its tasks: findings with levels, worst first.

use jiff::Timestamp;
use serde::Serialize;

use super::{IgnoredFiles, Version, overview::WayBack};
use crate::TaskId;
use base::Hint;

/// A severity, ordered from best to worst. Unknown is worse than a warning, because it may hide
/// anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthLevel {
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

impl HealthLevel {
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

/// One thing that is not as it should be. What can be done about it is a hint, until whoever talks
/// to people puts it into words.
#[derive(Debug, Clone, Serialize)]
pub struct HealthFinding<F = Hint> {
    /// Stable word for what was looked at: `state`, `operation`, `registry`, `standing`, `objects`,
    /// `way_back`, `unverified`, `drift`, `left_out`, `signing`, `store`, `disk`, `inodes`.
    pub check: &'static str,
    /// Its severity.
    pub level: HealthLevel,
    /// Description of what was found.
    pub seen: String,
    /// What can be done.
    pub fix: Option<F>,
}

impl HealthFinding {
    /// The same with what can be done in words.
    fn said<F>(self, say: &impl Fn(Hint) -> F) -> HealthFinding<F> {
        HealthFinding {
            check: self.check,
            level: self.level,
            seen: self.seen,
            fix: self.fix.map(say),
        }
    }
}

/// The health of one task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskHealth<F = Hint> {
    /// The task.
    pub task: TaskId,
    /// Its display name.
    pub title: Option<String>,
    /// The worst level of its findings.
    pub level: HealthLevel,
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
    pub left_out: IgnoredFiles,
    /// What is wrong, worst first.
    pub findings: Vec<HealthFinding<F>>,
}

impl TaskHealth {
    /// The same with what can be done in words.
    fn said<F>(self, say: &impl Fn(Hint) -> F) -> TaskHealth<F> {
        TaskHealth {
            task: self.task,
            title: self.title,
            level: self.level,
            active: self.active,
            verified: self.verified,
            released_at: self.released_at,
            releases: self.releases,
            drift: self.drift,
            way_back: self.way_back,
            left_out: self.left_out,
            findings: said(self.findings, say),
        }
    }
}

/// Findings with what can be done in words.
fn said<F>(findings: Vec<HealthFinding>, say: &impl Fn(Hint) -> F) -> Vec<HealthFinding<F>> {
    findings
        .into_iter()
        .map(|finding| finding.said(say))
        .collect()
}

/// The space on a disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DiskHealth {
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
pub struct Health<F = Hint> {
    /// When it was looked at.
    pub at: Timestamp,
    /// The worst level of all findings.
    pub level: HealthLevel,
    /// True when every byte was read.
    pub deep: bool,
    /// What is wrong with the repository as a whole, worst first.
    pub repository: Vec<HealthFinding<F>>,
    /// The tasks, worst first.
    pub tasks: Vec<TaskHealth<F>>,
    /// True when an operation did not finish.
    pub unfinished: bool,
    /// The disk of the state folder, if available.
    pub disk: Option<DiskHealth>,
    /// Number of bytes in the store, if it can be read.
    pub stored: Option<u64>,
    /// Duration of the check, in milliseconds.
    pub duration_ms: u64,
}

impl Health {
    /// The same with what can be done in words.
    pub fn said<F>(self, say: impl Fn(Hint) -> F) -> Health<F> {
        let tasks = self.tasks.into_iter().map(|task| task.said(&say));
        Health {
            at: self.at,
            level: self.level,
            deep: self.deep,
            tasks: tasks.collect(),
            repository: said(self.repository, &say),
            unfinished: self.unfinished,
            disk: self.disk,
            stored: self.stored,
            duration_ms: self.duration_ms,
        }
    }
}

impl<F> Health<F> {
    /// How many tasks have a level.
    pub fn count(&self, level: HealthLevel) -> usize {
        self.tasks.iter().filter(|task| task.level == level).count()
    }

    /// Every finding with its task, worst first; those of the repository before those of tasks.
    pub fn findings(&self) -> Vec<(Option<&TaskId>, &HealthFinding<F>)> {
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
