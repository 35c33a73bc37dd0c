//! Errors that stop a rollback, undo or redo: one variant per reason, each with its exit code. The
//! hints are in [`hints`](super::hints).

use crate::{
    base::{Fault, Hint, Kind, RelPath},
    catalog::missing_tags::not_here,
    git,
    model::{TaskId, Version, operation::OpKind},
    policy::target::NoTarget,
};

/// The reason why a rollback, undo or redo is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `--from` is not the active version.
    #[error("{task} is at {active}{}, not at {from}", if Some(active) == to.as_ref() { " already" } else { "" })]
    StaleFrom {
        /// The task.
        task: TaskId,
        /// The active version, or "no version".
        active: String,
        /// The expected version.
        from: Version,
        /// The target version, if it exists.
        to: Option<String>,
    },
    /// No target was given, and the active version cannot be read.
    #[error(
        "which version of {task} is active cannot be read, so the version to go to must be named: {why}"
    )]
    ActiveUnknown {
        /// The task.
        task: TaskId,
        /// The unreadable part.
        why: String,
    },
    /// No default target can be chosen.
    #[error("{}", no_target(task, why))]
    NoGoodVersion {
        /// The task.
        task: TaskId,
        /// The reason.
        why: NoTarget,
        /// True when there is a remote, where others may have shared a proof.
        others: bool,
    },
    /// The manifest lists a file outside the task.
    #[error("the manifest of {task} {version} lists {path}, which is not a file of {task}")]
    OutOfScope {
        /// The file.
        path: RelPath,
        /// The task.
        task: TaskId,
        /// The target.
        version: Version,
    },
    /// Something is in the place of a file.
    #[error("{path} is {what} now, and {needed} has a file there")]
    InTheWay {
        /// The path.
        path: String,
        /// Its kind.
        what: String,
        /// The target, as text.
        needed: String,
    },
    /// Two paths of the target coincide on a file system that folds case.
    #[error("{0} and {1} differ only by case, and the work tree's file system takes them for one")]
    CaseTwins(String, String),
    /// The settings require a reason.
    #[error("a reason is needed: the settings say `require_reason`")]
    NoReason,
    /// The rollback would cross a one-way version.
    #[error("going back from {from} to {to} passes a one-way door: {}", .doors.join("; "))]
    OneWay {
        /// The task.
        task: TaskId,
        /// The active version.
        from: String,
        /// The target.
        to: String,
        /// The one-way versions, as text.
        doors: Vec<String>,
    },
    /// The target was taken back.
    #[error("{task} {version} is {word}")]
    TakenBack {
        /// The task.
        task: TaskId,
        /// The target.
        version: Version,
        /// `bad` or `held`.
        word: &'static str,
        /// True when only the reason is missing.
        told: bool,
    },
    /// The signature does not satisfy the demand.
    #[error("{tag} is not signed as it must be: {found}")]
    Signature {
        /// The tag.
        tag: String,
        /// The result of the check.
        found: String,
    },
    /// A later operation of the task builds on the one to undo.
    #[error(
        "operation {later} of {task} came after {op}; taking back only {op} would mix two versions"
    )]
    NotTheLast {
        /// The requested operation.
        op: String,
        /// The one to undo first.
        later: String,
        /// The other work tree in which that one was done.
        place: Option<String>,
        /// The task.
        task: TaskId,
    },
    /// The task is no longer where the operation left it.
    #[error("{task} is at {active} now, and operation {op} left it at {left}")]
    MovedOn {
        /// The task.
        task: TaskId,
        /// The version that the registry names, or "no version".
        active: String,
        /// The operation.
        op: String,
        /// The version it left.
        left: String,
        /// The version it started from.
        before: Option<String>,
        /// True when the latter is held.
        held: bool,
    },
    /// There is nothing to undo or redo.
    #[error("there is nothing to {0}")]
    NothingTo(&'static str),
    /// An undo would take back a release that was not named, and nobody can be asked.
    #[error(
        "the newest operation is the release {tag}, and where nobody can be asked a release is taken back only by its name"
    )]
    ReleaseNotNamed {
        /// The release's tag.
        tag: String,
    },
    /// A rollback's commit needs a branch, and there is none.
    #[error("a rollback makes a commit, and there is no branch for it")]
    NoBranch(#[source] git::Error),
    /// A release cannot be undone.
    #[error("the release {op} of {task} cannot be taken back: {why}")]
    ReleaseStays {
        /// Its short id.
        op: String,
        /// The task.
        task: TaskId,
        /// The reason.
        why: String,
    },
    /// The operation to undo was done in another work tree.
    #[error("the operation was done in the work tree {place}, whose files it changed")]
    DoneElsewhere {
        /// That work tree.
        place: String,
        /// The operation's short id.
        op: String,
        /// An undo, or the redo of one.
        kind: OpKind,
    },
    /// The text names no version.
    #[error("{text:?} names no version of {task}: {why}")]
    NoSuchVersion {
        /// The task.
        task: TaskId,
        /// The text typed.
        text: String,
        /// The reason.
        why: String,
    },
    /// Releases whose manifests are here but whose tags are missing.
    #[error("{task} {}", not_here(versions))]
    TagsNotHere {
        /// The task.
        task: TaskId,
        /// The versions, ascending.
        versions: Vec<Version>,
    },
    /// The operation cannot be undone.
    #[error("operation {op} ({kind}) cannot be taken back{why}")]
    CannotUndo {
        /// Its short id.
        op: String,
        /// Its kind.
        kind: &'static str,
        /// The reason.
        why: &'static str,
    },
}

/// Describes why there is no default target.
fn no_target(task: &TaskId, why: &NoTarget) -> String {
    match why {
        NoTarget::Oldest(Some(active)) => {
            format!("{task} is at its oldest version, {active}: nothing older to go back to")
        }
        NoTarget::Oldest(None) => format!("{task} has no version to go back to"),
        NoTarget::Unproven { version, .. } => {
            format!("{version} is the newest older version of {task}; it was never proven here")
        }
        NoTarget::Failed(version) => {
            format!("{version} is the newest older version of {task}, and its checks failed")
        }
        NoTarget::TakenBack(version) => {
            format!("every older version of {task} is bad or held; the newest of them is {version}")
        }
        NoTarget::BelowDoor { version, floor } => {
            format!(
                "the newest good version of {task}, {version}, is below the one-way door {floor}: there is no way back without --past-floor"
            )
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Signature { .. } => Kind::Denied,
            Self::StaleFrom { .. } | Self::NotTheLast { .. } | Self::MovedOn { .. } => {
                Kind::Conflict
            }
            Self::NoGoodVersion { .. }
            | Self::NoSuchVersion { .. }
            | Self::TagsNotHere { .. }
            | Self::NothingTo(_) => Kind::NotFound,
            Self::OutOfScope { .. } => Kind::Bad,
            Self::InTheWay { .. }
            | Self::OneWay { .. }
            | Self::TakenBack { .. }
            | Self::CaseTwins(..)
            | Self::NoReason
            | Self::DoneElsewhere { .. }
            | Self::ActiveUnknown { .. }
            | Self::ReleaseStays { .. }
            | Self::ReleaseNotNamed { .. }
            | Self::NoBranch(_)
            | Self::CannotUndo { .. } => Kind::Refused,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        self.what_helps()
    }
}
