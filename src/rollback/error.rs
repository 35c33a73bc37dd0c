//! What stops a rollback, undo or redo: one variant a reason, each with its exit code. What helps
//! against each is in [`hints`](super::hints).

use crate::{
    base::{Fault, Hint, Kind, RelPath},
    catalog::missing_tags::not_here,
    git,
    model::{TaskId, Version, operation::OpKind},
    policy::target::NoTarget,
};

/// What stops a rollback.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `--from` is not the active version.
    #[error("{task} is at {active}{}, not at {from}", if Some(active) == to.as_ref() { " already" } else { "" })]
    StaleFrom {
        /// The task.
        task: TaskId,
        /// The active version, or "no version".
        active: String,
        /// What was expected.
        from: Version,
        /// Where it should go, when there is such a version.
        to: Option<String>,
    },
    /// Nobody said where to go, and what the task is at cannot be read.
    #[error(
        "which version of {task} is active cannot be read, so the version to go to must be named: {why}"
    )]
    ActiveUnknown {
        /// The task.
        task: TaskId,
        /// What cannot be read.
        why: String,
    },
    /// No version is chosen by itself.
    #[error("{}", no_target(task, why))]
    NoGoodVersion {
        /// The task.
        task: TaskId,
        /// Why not.
        why: NoTarget,
        /// True when there is a remote: others may have proved one, and said so there.
        others: bool,
    },
    /// The manifest lists a file that is not the task's.
    #[error("the manifest of {task} {version} lists {path}, which is not a file of {task}")]
    OutOfScope {
        /// The file.
        path: RelPath,
        /// The task.
        task: TaskId,
        /// The target.
        version: Version,
    },
    /// Something stands where a file must go.
    #[error("{path} is {what} now, and {needed} has a file there")]
    InTheWay {
        /// Where.
        path: String,
        /// What it is.
        what: String,
        /// The target, in words.
        needed: String,
    },
    /// Two paths of the target are one on a file system that folds case.
    #[error("{0} and {1} differ only by case, and the work tree's file system takes them for one")]
    CaseTwins(String, String),
    /// A reason is asked for by the settings.
    #[error("a reason is needed: the settings say `require_reason`")]
    NoReason,
    /// Going back would pass a one-way door.
    #[error("going back from {from} to {to} passes a one-way door: {}", .doors.join("; "))]
    OneWay {
        /// The task.
        task: TaskId,
        /// The active version.
        from: String,
        /// The target.
        to: String,
        /// The doors, in words.
        doors: Vec<String>,
    },
    /// Somebody took the target back.
    #[error("{task} {version} was taken back: it is {word}")]
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
    /// The signature is not what is demanded.
    #[error("{tag} is not signed as it must be: {found}")]
    Signature {
        /// The tag.
        tag: String,
        /// What was found.
        found: String,
    },
    /// A later operation of the task stands on the one to take back.
    #[error(
        "operation {later} of {task} came after {op}; taking back only {op} would mix two versions"
    )]
    NotTheLast {
        /// The operation that was asked for.
        op: String,
        /// The one to take back first.
        later: String,
        /// The other work tree in which that was done.
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
        /// The version that it left.
        left: String,
        /// The version that it began at.
        before: Option<String>,
        /// True when that is held.
        held: bool,
    },
    /// There is nothing to take back.
    #[error("there is nothing to {0}")]
    NothingTo(&'static str),
    /// Nobody named the release that an undo would take back, and nobody is there to be asked.
    #[error(
        "the newest operation is the release {tag}, and where nobody can be asked a release is taken back only by its name"
    )]
    ReleaseNotNamed {
        /// The release's tag.
        tag: String,
    },
    /// A rollback's commit has no branch.
    #[error("a rollback makes a commit, and there is no branch for it")]
    NoBranch(#[source] git::Error),
    /// A release cannot be taken back.
    #[error("the release {op} of {task} cannot be taken back: {why}")]
    ReleaseStays {
        /// Its short id.
        op: String,
        /// The task.
        task: TaskId,
        /// Why not.
        why: String,
    },
    /// The operation to take back was done in another work tree.
    #[error("the operation was done in the work tree {place}, whose files it changed")]
    DoneElsewhere {
        /// Which.
        place: String,
        /// The operation's short id.
        op: String,
        /// An undo, or the redo of one.
        kind: OpKind,
    },
    /// A word that names no version.
    #[error("{text:?} names no version of {task}: {why}")]
    NoSuchVersion {
        /// The task.
        task: TaskId,
        /// What was typed.
        text: String,
        /// Why not.
        why: String,
    },
    /// Releases whose manifests are here and whose tags are not.
    #[error("{task} {}", not_here(versions))]
    TagsNotHere {
        /// The task.
        task: TaskId,
        /// The versions, rising.
        versions: Vec<Version>,
    },
    /// The operation cannot be taken back.
    #[error("operation {op} ({kind}) cannot be taken back{why}")]
    CannotUndo {
        /// Its short id.
        op: String,
        /// Its kind.
        kind: &'static str,
        /// Why not.
        why: &'static str,
    },
}

/// Why no version is chosen by itself.
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
