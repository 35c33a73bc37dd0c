//! The result of verification: checks in four levels, and one verdict for all of them.

use serde::{Deserialize, Serialize};

use super::Version;
use crate::TaskId;
use base::Hint;

/// How a check ended. The order is from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It holds.
    Pass,
    /// It does not apply or was not asked for.
    Skipped,
    /// It could not be run; never counted as a pass.
    Inconclusive,
    /// It does not hold.
    Fail,
}

impl Status {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skipped => "skipped",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

/// How one check of one level ended, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Stable name, `<level word>.<what>`, for example `integrity.files`.
    pub id: String,
    /// 1 integrity, 2 configuration, 3 smoke, 4 production readiness.
    pub level: u8,
    /// How it ended.
    pub status: Status,
    /// What was seen, one fact a line; at most 100 lines.
    pub evidence: Vec<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What to do about it, most useful first; said with the answer, not kept.
    #[serde(skip)]
    pub hints: Vec<Hint>,
}

impl CheckResult {
    /// The copy of the manifest in the branch or the work tree is the one that the tag names.
    pub const COPY: &str = "integrity.copy";
    /// The branch has no manifest of another release of the same number.
    pub const NUMBER: &str = "integrity.number";

    /// True for what is wrong with a copy of the manifest alone: the release is what its tag names.
    pub fn is_of_copy(&self) -> bool {
        [Self::COPY, Self::NUMBER].contains(&self.id.as_str())
    }
}

/// All checks on one version of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The task.
    pub task: TaskId,
    /// The version it was checked against.
    pub version: Version,
    /// The checks, in the order of their levels.
    pub checks: Vec<CheckResult>,
}

/// The check that an undo or redo has when it arrived at what was there before and is no release.
pub const AS_RELEASED: &str = "integrity.as_released";
/// The check that names files which somebody changed after a release took them in.
pub const MEANWHILE: &str = "integrity.meanwhile";

/// The words for levels 1 to 4.
pub const LEVEL_WORDS: [&str; 4] = ["integrity", "configuration", "smoke", "readiness"];

impl Verification {
    /// The worst status of a level; `Skipped` when the level has no check.
    pub fn level(&self, level: u8) -> Status {
        worst(self.checks.iter().filter(|check| check.level == level))
    }

    /// The worst status of all.
    pub fn status(&self) -> Status {
        worst(self.checks.iter())
    }

    /// True when no check failed and none was inconclusive.
    pub fn is_good(&self) -> bool {
        self.status() <= Status::Skipped
    }

    /// What somebody changed in the work tree after the release took its files in, a line a file.
    pub fn meanwhile(&self) -> &[String] {
        self.checks
            .iter()
            .find(|check| check.id == MEANWHILE)
            .map_or(&[], |check| &check.evidence)
    }

    /// The checks that failed or were inconclusive.
    pub fn problems(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks
            .iter()
            .filter(|check| check.status > Status::Skipped)
    }
}

/// The worst status; a pass beats skipped, so that one passing check makes a level pass.
fn worst<'a>(checks: impl Iterator<Item = &'a CheckResult>) -> Status {
    let (mut worst, mut passed) = (Status::Skipped, false);
    for check in checks {
        worst = worst.max(check.status);
        passed |= check.status == Status::Pass;
    }
    if worst == Status::Skipped && passed {
        Status::Pass
    } else {
        worst
    }
}
