//! Tables for people and programs: tasks, releases, operations, differences.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    LeftOut, Manifest, Version, answer::Next, dependencies::PackageChange, operation::OpKind,
    plan::FileLine, report::Outcome, verdict::Standing,
};
use crate::{GitId, OpId, TaskId};
use base::RelPath;

/// One task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskLine {
    /// The task.
    pub task: TaskId,
    /// Its name for people.
    pub title: Option<String>,
    /// The version in the registry.
    pub active: Option<Version>,
    /// The version in the config.
    pub config: Option<Version>,
    /// The newest release.
    pub newest: Option<Version>,
    /// How many releases there are.
    pub releases: usize,
    /// What was said of the active version.
    pub standing: Standing,
    /// Who said so, when that was in other clones only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said_by: Option<String>,
    /// Files that differ from the active release, including untracked ones.
    pub drift: usize,
    /// Large files of the active release whose size is right; their bytes were not read.
    #[serde(skip_serializing_if = "is_none")]
    pub unread: usize,
    /// Where the release of the active version is.
    pub released: Released,
    /// One sentence when something is wrong, else empty: "config says 1.3.0, registry 1.2.0".
    pub trouble: String,
    /// Versions whose tag was moved: what it leads to is not what was released.
    pub moved: Vec<Version>,
    /// Releases whose manifests are here and whose tags are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub untagged: Vec<Version>,
    /// Where a rollback would go by itself.
    pub way_back: WayBack,
    /// Ignored files that no release keeps.
    pub left_out: LeftOut,
}

/// Where the release of an active version is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Released {
    /// In this repository.
    #[default]
    Here,
    /// Somewhere: its manifest is here, its tag is not.
    Elsewhere,
    /// Nowhere, as far as is known.
    Never,
}

impl Released {
    /// What is wrong with that; `None` when nothing is.
    pub fn trouble(self, active: &Version) -> Option<String> {
        match self {
            Self::Here => None,
            Self::Elsewhere => Some(format!(
                "the tag of {active} is not in this clone: git fetch --tags"
            )),
            Self::Never => Some("the active version is not released".into()),
        }
    }
}

impl TaskLine {
    /// True when nothing is wrong but that the active version was never released.
    pub fn lacks_only_its_release(&self) -> bool {
        let lack = self
            .active
            .as_ref()
            .and_then(|active| self.released.trouble(active));
        self.released == Released::Never && lack.is_some_and(|lack| lack == self.trouble)
    }
}

/// Where a rollback would go by itself, and when that was last rehearsed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WayBack {
    /// The version; `None` = there is none.
    pub version: Option<Version>,
    /// The newest drill of that version, if there was one.
    pub proof: Option<Proof>,
    /// Why there is no version, when it is not that none is proven good.
    pub why: Option<String>,
    /// True when no version is older than the active one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oldest: bool,
    /// The newest older version that nobody proved, when none is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unproven: Option<Version>,
}

impl WayBack {
    /// The version that a rollback would go to: by itself, or once it is named.
    pub fn candidate(&self) -> Option<&Version> {
        self.version.as_ref().or(self.unproven.as_ref())
    }
}

/// What a drill proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// When.
    pub at: Timestamp,
    /// False when it failed.
    pub passed: bool,
    /// How long the recovery took, in milliseconds.
    pub recovery_ms: u64,
    /// True when the network was shut off by the kernel.
    pub offline: bool,
    /// Why it failed, else empty.
    pub why: String,
}

/// One release of a task.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseLine {
    /// The version.
    pub version: Version,
    /// The tag.
    pub tag: String,
    /// The commit that holds the files.
    pub commit: GitId,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub author: String,
    /// Why: the first line of the tag's message, or of the commit's.
    pub message: String,
    /// What was said of it.
    pub standing: Standing,
    /// Who said so, when that was in other clones only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said_by: Option<String>,
    /// True when it is the active one.
    pub active: bool,
    /// True when it has a manifest.
    pub manifest: bool,
}

/// One release in full.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseDetail {
    /// Its line.
    pub release: ReleaseLine,
    /// Its manifest.
    pub manifest: Option<Manifest>,
    /// Why it cannot be read, when there should be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Number of files and their size in bytes.
    pub files: usize,
    /// Size of all files in bytes.
    pub bytes: u64,
}

/// One operation.
#[derive(Debug, Clone, Serialize)]
pub struct OperationLine {
    /// Its id.
    pub id: OpId,
    /// Its kind.
    pub kind: OpKind,
    /// The task.
    pub task: Option<TaskId>,
    /// The active version before.
    pub from: Option<Version>,
    /// The active version after.
    pub to: Option<Version>,
    /// When it was planned.
    pub at: Timestamp,
    /// Who ran it.
    pub who: String,
    /// On which host.
    pub host: String,
    /// Why.
    pub message: String,
    /// How it ended; `None` while it is unfinished.
    pub outcome: Option<Outcome>,
    /// The step at which an unfinished or stuck one stands.
    pub stands_at: Option<String>,
    /// The operation that took it back.
    pub undone_by: Option<OpId>,
}

/// A line of history: a release or an operation, newest first.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HistoryLine {
    /// A release.
    Release(ReleaseLine),
    /// A rollback, undo or redo.
    Operation(OperationLine),
}

/// What differs between two versions of a task.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// The task.
    pub task: TaskId,
    /// The first version; `None` = the work tree.
    pub before: Option<Version>,
    /// The second version; `None` = the work tree.
    pub after: Option<Version>,
    /// Files that differ.
    pub code: Vec<FileLine>,
    /// The differences as a unified patch, text files only.
    pub patch: String,
    /// Configuration values that differ: key, before, after.
    pub config: Vec<(String, Option<String>, Option<String>)>,
    /// Packages that differ.
    pub packages: Vec<PackageChange>,
    /// Environment variables: name, and true when it is new, false when it goes.
    pub variables: Vec<(String, bool)>,
    /// The versions of which it is not known what they depend on: then no package and no variable
    /// is listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Version>,
    /// What is not known of how packages differ, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
}

/// What became of one tag in an adoption.
#[derive(Debug, Clone, Serialize)]
pub struct AdoptionLine {
    /// The tag's name, escaped.
    pub tag: String,
    /// The task and version it stands for.
    pub release: Option<(TaskId, Version)>,
    /// How many files the release has.
    pub files: usize,
    /// Why it was not adopted; `None` when it was (or would be).
    pub reason: Option<String>,
}

/// One thing `doctor` looked at.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorLine {
    /// What was looked at.
    pub what: String,
    /// True when it is fine.
    pub ok: bool,
    /// What was seen.
    pub seen: String,
    /// How to mend it: a command, or advice.
    pub fix: Option<Next>,
}

/// A difference between the registry, the configs and the tags.
#[derive(Debug, Clone, Serialize)]
pub struct DriftLine {
    /// The task.
    pub task: TaskId,
    /// The version in the registry.
    pub registry: Option<Version>,
    /// The version in the config.
    pub config: Option<Version>,
    /// What can be done.
    pub remedy: String,
}

/// A file that `init` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InitFile {
    /// Its path.
    pub path: RelPath,
    /// Its text before, `None` when it is new.
    pub before: Option<String>,
    /// Its text after.
    pub after: String,
}

/// Serde's test for nothing to tell.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}
