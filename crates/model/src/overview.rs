//! Tables for users and programs: tasks, releases, operations, differences.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    IgnoredFiles, Manifest, Version, dependencies::PackageChange, operation::OpKind,
    plan::FileLine, report::Outcome, verdict::VersionState,
};
use crate::{GitId, OpId, TaskId};
use base::{Hint, RelPath};

/// A line about one task.
#[derive(Debug, Clone, Serialize)]
pub struct TaskLine {
    /// The task.
    pub task: TaskId,
    /// Its display name.
    pub title: Option<String>,
    /// The version in the registry.
    pub active: Option<Version>,
    /// The version in the config.
    pub config: Option<Version>,
    /// The newest release.
    pub newest: Option<Version>,
    /// Number of releases.
    pub releases: usize,
    /// The standing of the active version.
    pub standing: VersionState,
    /// Who gave the verdicts, when they come from other clones only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said_by: Option<String>,
    /// Number of files that differ from the active release, including untracked ones.
    pub drift: usize,
    /// Number of large files of the active release with the right size and unread bytes.
    #[serde(skip_serializing_if = "is_none")]
    pub unread: usize,
    /// The location of the release of the active version.
    pub released: ReleasePlace,
    /// A sentence about a problem, else empty: "config says 1.3.0, registry 1.2.0".
    pub trouble: String,
    /// Versions whose tag was moved, so that it no longer points to the release.
    pub moved: Vec<Version>,
    /// Releases whose manifests are present but whose tags are missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub untagged: Vec<Version>,
    /// The version that a rollback would choose by default.
    pub way_back: WayBack,
    /// Ignored files that no release keeps.
    pub left_out: IgnoredFiles,
}

/// The location of the release of an active version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleasePlace {
    /// In this repository.
    #[default]
    Here,
    /// Elsewhere: its manifest is here, its tag is not.
    Elsewhere,
    /// Nowhere, as far as known.
    Never,
}

/// The problem of a task without any version.
pub const UNRELEASED: &str = "it was never released";

impl ReleasePlace {
    /// Returns the problem with that, if any.
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
    /// True when the only problem is that the active version was never released.
    pub fn lacks_only_its_release(&self) -> bool {
        let lack = self
            .active
            .as_ref()
            .and_then(|active| self.released.trouble(active));
        let lack = lack.unwrap_or_else(|| UNRELEASED.to_string());
        self.released == ReleasePlace::Never && lack == self.trouble
    }
}

/// The version that a rollback would choose by default, and its last rehearsal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WayBack {
    /// The version; `None` when there is none.
    pub version: Option<Version>,
    /// The newest drill of that version, if any.
    pub proof: Option<DrillProof>,
    /// Why there is no version, unless it is only that none is proven good.
    pub why: Option<String>,
    /// True when no version is older than the active one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oldest: bool,
    /// The newest unproven older version, when none is proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unproven: Option<Version>,
}

impl WayBack {
    /// Returns the version that a rollback would go to, by default or when named.
    pub fn candidate(&self) -> Option<&Version> {
        self.version.as_ref().or(self.unproven.as_ref())
    }
}

/// The result of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DrillProof {
    /// Time of the drill.
    pub at: Timestamp,
    /// False when it failed.
    pub passed: bool,
    /// Duration of the recovery, in milliseconds.
    pub recovery_ms: u64,
    /// True when the kernel blocked the network.
    pub offline: bool,
    /// Why it failed, else empty.
    pub why: String,
}

/// A line about one release of a task.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseLine {
    /// The version.
    pub version: Version,
    /// The tag.
    pub tag: String,
    /// The commit that holds the files.
    pub commit: GitId,
    /// Time of the release.
    pub at: Timestamp,
    /// Who made it.
    pub author: String,
    /// The reason: first line of the tag's message, or of the commit's.
    pub message: String,
    /// Its standing.
    pub standing: VersionState,
    /// Who gave the verdicts, when they come from other clones only.
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
    /// Its line in the table.
    pub release: ReleaseLine,
    /// Its manifest.
    pub manifest: Option<Manifest>,
    /// Why the manifest cannot be read, when there should be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Number of files.
    pub files: usize,
    /// Total size of the files in bytes.
    pub bytes: u64,
}

/// A line about one operation.
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
    /// Time when it was planned.
    pub at: Timestamp,
    /// Who ran it.
    pub who: String,
    /// The host.
    pub host: String,
    /// The reason.
    pub message: String,
    /// The outcome; `None` while it is unfinished.
    pub outcome: Option<Outcome>,
    /// The step at which an unfinished or stuck operation stopped.
    pub stands_at: Option<String>,
    /// The operation that undid it.
    pub undone_by: Option<OpId>,
    /// True when it was pruned, and cannot be undone any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pruned: bool,
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

/// The differences between two versions of a task.
#[derive(Debug, Clone, Serialize)]
pub struct VersionDifference {
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
    /// Environment variables: name, and true when it is new, false when it is removed.
    pub variables: Vec<(String, bool)>,
    /// Versions with unknown dependencies; then no packages and variables are listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<Version>,
    /// Unknown differences between packages, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlisted: Vec<String>,
}

/// The result of adopting one tag.
#[derive(Debug, Clone, Serialize)]
pub struct AdoptionLine {
    /// The tag's name, escaped.
    pub tag: String,
    /// The task and version that it names.
    pub release: Option<(TaskId, Version)>,
    /// Number of files of the release.
    pub files: usize,
    /// Reason why it was not adopted; `None` when it was (or would be).
    pub reason: Option<String>,
}

/// One check made by `doctor`.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorLine<F = Hint> {
    /// What was looked at.
    pub what: String,
    /// True when it is fine.
    pub ok: bool,
    /// Description of what was found.
    pub seen: String,
    /// How to mend it.
    pub fix: Option<F>,
}

impl DoctorLine {
    /// The same with how to mend it in words.
    pub fn said<F>(self, say: impl Fn(Hint) -> F) -> DoctorLine<F> {
        DoctorLine {
            what: self.what,
            ok: self.ok,
            seen: self.seen,
            fix: self.fix.map(say),
        }
    }
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
    /// A suggested remedy.
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

/// What `init` would do.
#[derive(Debug, Clone, Default)]
pub struct InitPlan {
    /// The files that it would write.
    pub files: Vec<InitFile>,
    /// Patterns of data in the tasks' folders that no release keeps.
    pub left_out: Vec<String>,
    /// What it leaves to a person, with how to do it.
    pub remarks: Vec<String>,
}

/// Tells serde to skip a zero count.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}
