//! Row 3, the change engine: the one way in which snapback changes the world.
//!
//! An operation is a list of [`JournalStep`]s. For each one the [`Runner`] asks for its
//! before-image (`prepare`), writes `Started` to the synced journal, applies it, writes `Done`. A
//! failure unwinds the steps in reverse; a crash is finished or unwound by the next run; an undo
//! that fails ends as `Stuck`, which needs a person. Where an operation stands is derived from its
//! records by the pure function [`status::of`]; there is no state field that could go stale.
//!
//! Deliberately absent: clocks, locks by file content, retries of failed syncs, and any way to
//! change a record once written. Read [`status`] next, then [`runner`].

pub mod chain;
pub mod history;
pub mod log;
pub mod reserve;
pub mod runner;
pub mod status;

use crate::{
    base::{Failure, Fault, Hint, Kind},
    model::{Advice, OpId},
};

pub use log::{Log, Record, SYNC_POINTS};
pub use runner::{Ended, Ending, Runner, Witness};
pub use status::{Phase, of as status_of};

/// A step of an operation as the journal runs it: does and takes back one kind of change.
///
/// `apply` and `undo` must be idempotent: after a crash they run again on a world in which they
/// may have been done in part, in whole or not at all.
pub trait JournalStep {
    /// Its name in the journal and in messages.
    fn name(&self) -> &str;
    /// Checks that it can be applied and returns what `apply` and `undo` will need after a crash.
    /// Changes nothing that a user can see.
    fn prepare(&mut self) -> Result<serde_json::Value, Failure>;
    /// Does it.
    fn apply(&mut self, prepared: &serde_json::Value) -> Result<(), Failure>;
    /// Takes it back, whether it was done in part, in whole or not at all.
    fn undo(&mut self, prepared: &serde_json::Value) -> Result<(), Failure>;
    /// Drops what only `undo` needed; runs when all steps are done, perhaps again after a crash.
    fn finish(&mut self, _prepared: &serde_json::Value) -> Result<(), Failure> {
        Ok(())
    }
    /// True when, once it is done, the operation can only go forward.
    fn is_commit_point(&self) -> bool {
        false
    }
    /// For a commit point: true when the world has seen it, although it is not recorded as done:
    /// that record is only as durable as the one that follows.
    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(false)
    }
}

/// What can go wrong in the engine itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal cannot be written; whether its last record is durable is unknown.
    #[error("cannot write the journal of operation {0}")]
    Write(OpId, #[source] std::io::Error),
    /// The journal cannot be read.
    #[error("cannot read the journal of operation {0}")]
    Read(OpId, #[source] std::io::Error),
    /// A record before the last one is damaged.
    #[error("the journal of operation {0} is damaged: {1}")]
    Damaged(OpId, String),
    /// An operation did not finish and must be dealt with first.
    #[error("operation {} did not finish", .0.short())]
    Unfinished(OpId),
    /// A step could not be taken back.
    #[error("operation {op} is stuck at its step `{step}`: {why}")]
    Stuck {
        /// The operation's short id.
        op: String,
        /// The step whose undo failed.
        step: String,
        /// What the undo said.
        why: String,
    },
    /// There is no such operation.
    #[error("there is no operation {0:?}")]
    NotFound(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Write(..) | Self::Read(..) => Kind::Missing,
            Self::Damaged(..) | Self::Stuck { .. } => Kind::Stuck,
            Self::Unfinished(_) => Kind::Refused,
            Self::NotFound(_) => Kind::NotFound,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Unfinished(_) => vec![
                Advice::FinishOperation.because("finish it"),
                Advice::AbortOperation.because("go back to how it was"),
            ],
            Self::Stuck { op, .. } => vec![
                Advice::SeeOperation { op: op.clone() }
                    .because("see what it was doing and where your bytes are"),
                Advice::AbortOperation.because("mend the cause, then try again"),
            ],
            Self::Damaged(op, _) => {
                vec![Advice::SeeOperation { op: op.short() }.because("see what is left of it")]
            }
            Self::NotFound(_) => vec![Advice::ListOperations.because("see all operations")],
            _ => Vec::new(),
        }
    }
}
