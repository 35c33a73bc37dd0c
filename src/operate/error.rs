//! Errors that stop an operation before it begins, or prevent its completion.

use std::path::PathBuf;

use crate::{
    base::{Fault, Hint, Kind, RelPath},
    model::{Advice, TaskId, operation::OpKind},
};

/// Errors that stop an operation before it begins, or prevent its completion.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The plan shown differs from what would be done now.
    #[error("the repository changed after the plan was shown")]
    PlanOutOfDate,
    /// A user's file has the name of the staging folder.
    #[error("{0} is in the work tree, and snapback needs this name while it changes files")]
    StageTaken(RelPath),
    /// The operation belongs to another work tree.
    #[error("the unfinished operation belongs to the work tree {0}")]
    OtherWorkTree(String),
    /// A plan read back would write a path that no plan of its kind writes.
    #[error(
        "operation {op} would write {path}, {why}: its plan or the settings were changed since it was made"
    )]
    NotItsOwn {
        /// The operation's short id.
        op: String,
        /// The path.
        path: RelPath,
        /// The reason: what the path is instead.
        why: &'static str,
        /// True for a finished operation that was to be undone.
        is_over: bool,
    },
    /// A plan read back would move a reference, or give a verdict, that no plan of its kind does.
    #[error(
        "operation {op} would change {name}, {why}: its plan or the settings were changed since it was made"
    )]
    NotItsName {
        /// The operation's short id.
        op: String,
        /// The reference or verdict.
        name: String,
        /// The reason: what the name is instead.
        why: &'static str,
        /// True for a finished operation that was to be undone.
        is_over: bool,
    },
    /// This work tree is not on the branch that an unfinished operation commits to.
    #[error("operation {op} commits to {branch}, which HEAD is not on")]
    OtherBranch {
        /// The operation's short id.
        op: String,
        /// The branch's full name.
        branch: String,
    },
    /// The disk has less free space than will certainly be written.
    #[error("there is not enough room in {}: {needed} are needed, {free} are free", place.display())]
    NoSpace {
        /// A folder on the disk.
        place: PathBuf,
        /// The space needed.
        needed: String,
        /// The free space.
        free: String,
    },
    /// Variables required by the settings are not set.
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
    /// The operation could not be reversed because it had been published.
    #[error(
        "operation {0} could no longer be taken back, because what it did is published; it is complete now"
    )]
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
    /// Returns hints for an operation that is unfinished, finished, or not its own.
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
            // Whether these can be undone is stated in their own output.
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
