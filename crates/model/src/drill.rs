//! The result of a drill: a rehearsed rollback in an empty place, with its measured time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Status, Verification, Version, overview::DrillProof, verdict::Meant};
use crate::TaskId;
use base::RelPath;

/// Format that is written.
pub const DRILL_SCHEMA: &str = "snapback.drill/1";

/// Id of the check that a rollback is possible in the work tree; not a property of the version.
pub const WAY: &str = "configuration.way";

/// A file that other tasks also use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// The file.
    pub path: RelPath,
    /// The other tasks, sorted.
    pub tasks: Vec<TaskId>,
}

/// A phase of a recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillPhase {
    /// `read`, `restore`, `environment`, `verify` or `smoke`.
    pub name: String,
    /// Duration in milliseconds.
    pub ms: u64,
    /// Description of what it did.
    pub what: String,
}

/// How the network was blocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// True when the kernel blocked it, false when only proxies pointed nowhere.
    pub shut_off: bool,
    /// In words.
    pub how: String,
}

/// A report, stored as `drills/reports/<task>/<number>-<version>-<random>.json` in the state
/// folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReport {
    /// [`DRILL_SCHEMA`].
    pub schema: String,
    /// The task.
    pub task: TaskId,
    /// The version that was restored.
    pub version: Version,
    /// The restored release, because a number may be released again. Absent in older reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Meant>,
    /// The version that was active.
    pub active: Option<Version>,
    /// Time when it began.
    pub at: Timestamp,
    /// Who ran it, `name <email>`.
    pub who: String,
    /// The host.
    pub host: String,
    /// True when all checks passed and none was skipped.
    pub passed: bool,
    /// The reason when it did not pass, else empty.
    pub why: String,
    /// Time from the beginning to the end of the smoke test, in milliseconds.
    pub recovery_ms: u64,
    /// Its phases, in order.
    pub phases: Vec<DrillPhase>,
    /// Number of files that were restored.
    pub files: usize,
    /// Number of their bytes.
    pub bytes: u64,
    /// How the network was blocked.
    pub network: Network,
    /// The results of the checks.
    pub verification: Verification,
    /// Files that the rollback would change and that other tasks also use.
    pub radius: Vec<Touched>,
    /// Shared files that differ from what the version expects, in words.
    pub drift: Vec<String>,
    /// One-way versions between the version and the active one, in words.
    pub doors: Vec<String>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

impl DrillReport {
    /// Returns what the report proves.
    pub fn proof(&self) -> DrillProof {
        DrillProof {
            at: self.at,
            passed: self.passed,
            recovery_ms: self.recovery_ms,
            offline: self.network.shut_off,
            why: self.why.clone(),
        }
    }

    /// True when the report is conclusive about the version. Obstacles to a rollback at that moment
    /// are checked again on demand, and skipped checks prove and disprove nothing.
    pub fn is_of_version(&self) -> bool {
        self.passed || self.verification.problems().any(|check| check.id != WAY)
    }

    /// Returns the worst status; skipped checks count as inconclusive.
    pub fn status(&self) -> Status {
        if self.passed {
            Status::Pass
        } else {
            self.verification.status().max(Status::Inconclusive)
        }
    }
}
