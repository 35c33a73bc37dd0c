//! What a drill found: a rehearsed return to a version, in an empty place, with its measured time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Status, Verification, Version, overview::Proof, verdict::Meant};
use crate::TaskId;
use base::RelPath;

/// The format that is written.
pub const DRILL_SCHEMA: &str = "snapback.drill/1";

/// The check whether a rollback would be done in the work tree, which is no part of the version.
pub const WAY: &str = "configuration.way";

/// A file that other tasks use too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// The file.
    pub path: RelPath,
    /// The other tasks, sorted.
    pub tasks: Vec<TaskId>,
}

/// A part of a recovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// `read`, `restore`, `environment`, `verify` or `smoke`.
    pub name: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What it did.
    pub what: String,
}

/// How the network was kept away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// True when the kernel shut it off, false when only proxies led nowhere.
    pub shut_off: bool,
    /// In words.
    pub how: String,
}

/// A report, kept as `drills/reports/<task>/<number>-<version>-<random>.json` in the state folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillReport {
    /// [`DRILL_SCHEMA`].
    pub schema: String,
    /// The task.
    pub task: TaskId,
    /// The version that was returned to.
    pub version: Version,
    /// The release that was returned to: a number may be released anew. Older reports name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<Meant>,
    /// The version that was active.
    pub active: Option<Version>,
    /// When it began.
    pub at: Timestamp,
    /// Who ran it, `name <email>`.
    pub who: String,
    /// On which host.
    pub host: String,
    /// True when everything that was checked holds, and nothing was left out.
    pub passed: bool,
    /// Why not, else empty.
    pub why: String,
    /// From the beginning to the end of the smoke test, in milliseconds.
    pub recovery_ms: u64,
    /// Its parts, in order.
    pub phases: Vec<Phase>,
    /// Number of files that were restored.
    pub files: usize,
    /// Number of their bytes.
    pub bytes: u64,
    /// How the network was kept away.
    pub network: Network,
    /// What was checked.
    pub verification: Verification,
    /// Files that the return would change and that other tasks use too.
    pub radius: Vec<Touched>,
    /// Shared files that are not what the version expects, in words.
    pub drift: Vec<String>,
    /// One-way doors between the version and the active one, in words.
    pub doors: Vec<String>,
    /// What people should know.
    pub notes: Vec<String>,
}

impl DrillReport {
    /// What it proves.
    pub fn proof(&self) -> Proof {
        Proof {
            at: self.at,
            passed: self.passed,
            recovery_ms: self.recovery_ms,
            offline: self.network.shut_off,
            why: self.why.clone(),
        }
    }

    /// True when it says something of the version. What lay in the way of a rollback at that moment
    /// is looked at anew whenever somebody asks, and what was left out proves nothing and disproves
    /// nothing.
    pub fn is_of_version(&self) -> bool {
        self.passed || self.verification.problems().any(|check| check.id != WAY)
    }

    /// The worst status, where what was left out is inconclusive.
    pub fn status(&self) -> Status {
        if self.passed {
            Status::Pass
        } else {
            self.verification.status().max(Status::Inconclusive)
        }
    }
}
