//! The result of verification: checks in four levels, and one overall status.

use serde::{Deserialize, Serialize};

use super::Version;
use crate::TaskId;
use base::Hint;

/// The status of a check, ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It passed.
    Pass,
    /// It does not apply, was not requested, or saw what is worth a note and no fault.
    Skipped,
    /// It could not be run; never counted as a pass.
    Inconclusive,
    /// It failed.
    Fail,
}

impl Status {
    /// Returns the word for display.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Skipped => "skipped",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
        }
    }
}

/// The result of one check of one level, with evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Stable name, `<level word>.<what>`, for example `integrity.files`.
    pub id: String,
    /// 1 integrity, 2 configuration, 3 smoke, 4 production readiness.
    pub level: u8,
    /// Its status.
    pub status: Status,
    /// The evidence, one fact per line; at most 100 lines.
    pub evidence: Vec<String>,
    /// Duration in milliseconds.
    pub duration_ms: u64,
    /// Suggested actions, most useful first; shown with the answer, not stored.
    #[serde(skip)]
    pub hints: Vec<Hint>,
}

impl CheckResult {
    /// Id of the check that the manifest copy in the branch or work tree is the one the tag names.
    pub const COPY: &str = "integrity.copy";
    /// Id of the check that the branch has no manifest of another release with the same number.
    pub const NUMBER: &str = "integrity.number";

    /// True for checks of the manifest's copy only: the release itself is what its tag names.
    pub fn is_of_copy(&self) -> bool {
        [Self::COPY, Self::NUMBER].contains(&self.id.as_str())
    }
}

/// All checks of one version of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// The task.
    pub task: TaskId,
    /// The version that it was checked against.
    pub version: Version,
    /// The checks, in the order of their levels.
    pub checks: Vec<CheckResult>,
}

/// Id of the check of an undo or redo whose result is a previous state but not a release.
pub const AS_RELEASED: &str = "integrity.as_released";
/// Id of the check that lists files changed after a release had captured them.
pub const MEANWHILE: &str = "integrity.meanwhile";

/// Words for levels 1 to 4.
pub const LEVEL_WORDS: [&str; 4] = ["integrity", "configuration", "smoke", "readiness"];

impl Verification {
    /// Returns the worst status of a level; `Skipped` when the level has no check.
    pub fn level(&self, level: u8) -> Status {
        worst(self.checks.iter().filter(|check| check.level == level))
    }

    /// Returns the worst status of all checks.
    pub fn status(&self) -> Status {
        worst(self.checks.iter())
    }

    /// True when no check failed and none was inconclusive.
    pub fn is_good(&self) -> bool {
        self.status() <= Status::Skipped
    }

    /// Returns the files changed in the work tree after the release captured them, one per line.
    pub fn meanwhile(&self) -> &[String] {
        self.checks
            .iter()
            .find(|check| check.id == MEANWHILE)
            .map_or(&[], |check| &check.evidence)
    }

    /// Returns the checks that failed or were inconclusive.
    pub fn problems(&self) -> impl Iterator<Item = &CheckResult> {
        self.checks
            .iter()
            .filter(|check| check.status > Status::Skipped)
    }
}

/// Returns the worst status; a pass outranks skipped, so one passing check makes a level pass.
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
