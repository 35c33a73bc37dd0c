//! What stops an operation before it begins, or keeps it from being brought to its end.

use std::path::PathBuf;

use crate::{
    base::{Fault, Hint, Kind, RelPath},
    model::{Advice, TaskId, operation::OpKind},
};

/// What stops an operation before it begins, or keeps it from being brought to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The plan that was shown is not what would be done now.
    #[error("the repository changed after the plan was shown")]
    PlanOutOfDate,
    /// Something of the user's has the name that changes of files are staged under.
    #[error("{0} is in the work tree, and snapback needs this name while it changes files")]
    StageTaken(RelPath),
    /// The operation belongs to another work tree.
    #[error("the unfinished operation belongs to the work tree {0}")]
    OtherWorkTree(String),
    /// A plan that was read back would write what no plan of its kind writes.
    #[error(
        "operation {op} would write {path}, {why}: its plan or the settings were changed since it was made"
    )]
    NotItsOwn {
        /// The operation's short id.
        op: String,
        /// The path.
        path: RelPath,
        /// What it is instead.
        why: &'static str,
        /// True for an operation that is over, and was to be undone.
        is_over: bool,
    },
    /// A plan that was read back would move a name, or say a verdict, that no plan of its kind
    /// does.
    #[error(
        "operation {op} would change {name}, {why}: its plan or the settings were changed since it was made"
    )]
    NotItsName {
        /// The operation's short id.
        op: String,
        /// The reference or verdict.
        name: String,
        /// What it is instead.
        why: &'static str,
        /// True for an operation that is over, and was to be undone.
        is_over: bool,
    },
    /// The branch that an unfinished operation commits to is not that of this work tree.
    #[error("operation {op} commits to {branch}, which HEAD is not on")]
    OtherBranch {
        /// The operation's short id.
        op: String,
        /// The branch's full name.
        branch: String,
    },
    /// The disk has less room than is certainly written to it.
    #[error("there is not enough room in {}: {needed} are needed, {free} are free", place.display())]
    NoSpace {
        /// A folder of the disk.
        place: PathBuf,
        /// How much is needed.
        needed: String,
        /// How much there is.
        free: String,
    },
    /// Variables that the settings ask for are not set.
    #[error("{task} needs {}, which {} not set here (`env: variables` in its settings)", names.join(", "), if names.len() == 1 { "is" } else { "are" })]
    Unset {
        /// The task.
        task: TaskId,
        /// Their names.
        names: Vec<String>,
    },
    /// There is no unfinished operation.
    #[error("no operation is unfinished")]
    NothingUnfinished,
    /// It could not be taken back because it had been published.
    #[error("operation {0} had been published already; it is complete now")]
    WasPublished(String, OpKind),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSpace { .. } | Self::Unset { .. } => Kind::Missing,
            Self::PlanOutOfDate | Self::WasPublished(..) => Kind::Conflict,
            Self::NotItsOwn { is_over: false, .. }
            | Self::NotItsName { is_over: false, .. }
            | Self::OtherBranch { .. } => Kind::Stuck,
            Self::NotItsOwn { .. }
            | Self::NotItsName { .. }
            | Self::StageTaken(_)
            | Self::OtherWorkTree(_) => Kind::Refused,
            Self::NothingUnfinished => Kind::NotFound,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::PlanOutOfDate => vec![Hint::say("run the command again to see the new plan")],
            Self::StageTaken(path) => vec![Hint::say(format!(
                "no operation is unfinished, so it is yours: move {path} away"
            ))],
            Self::NoSpace { place, .. } => vec![
                Hint::run(
                    "see which disk is full, and make room",
                    &["df", "-h", &place.to_string_lossy()],
                ),
                Advice::SeeGarbage.because("see what the store can give back"),
            ],
            Self::Unset { .. } => vec![Hint::say(
                "set it where snapback runs, or go all the same: --on-verify-fail keep",
            )],
            _ => self.hints_on_the_unfinished(),
        }
    }
}

impl Error {
    /// What to do about an operation that is unfinished, over, or not its own.
    fn hints_on_the_unfinished(&self) -> Vec<Hint> {
        match self {
            Self::OtherBranch { branch, .. } => vec![
                Hint::run(
                    "go back to that branch",
                    &["git", "switch", branch.trim_start_matches("refs/heads/")],
                ),
                Advice::AbortOperation.because("or take the operation back"),
            ],
            Self::NotItsOwn { op, .. } | Self::NotItsName { op, .. } => vec![
                Advice::SeeOperation { op: op.clone() }.because("see what it would do"),
                Hint::say(
                    "if the settings were changed since it began, put them back as they were; if nobody of yours began it, move its folder out of .git/snapback/ops",
                ),
            ],
            Self::NothingUnfinished => {
                vec![Advice::ListOperations.because("see all operations")]
            }
            Self::OtherWorkTree(path) => vec![
                Advice::FinishOperation
                    .there(path)
                    .because("finish it there"),
            ],
            // What of these can be taken back is said of them themselves.
            Self::WasPublished(op, OpKind::Adopt | OpKind::Init | OpKind::Undo) => {
                vec![Advice::SeeOperation { op: op.clone() }.because("see what it did")]
            }
            Self::WasPublished(op, _) => {
                vec![Advice::UndoThis { what: op.clone() }.because("take it back")]
            }
            _ => Vec::new(),
        }
    }
}
