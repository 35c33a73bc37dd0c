//! Row 3, the change engine: the only way in which snapback changes the world.
//!
//! An operation is a list of [`JournalStep`]s, and few barriers, each of which forces many things
//! to the disk at the same time ([`crate::base::Due`]). The [`Runner`] prepares what can be
//! prepared (new files, beside their places), writes the intent, and passes the first barrier: from
//! there on the operation exists. It applies the steps up to the commit point; the second barrier
//! makes their effects durable before anything is published, the third what was published, and the
//! last record says that it is over. A failure unwinds the steps in reverse; after a crash the next
//! run finishes or unwinds them; a failing undo ends as `Stuck`, which needs a person. The pure
//! function [`status::of`] derives an operation's status from its records; there is no state field
//! that could go stale.
//!
//! Deliberately absent: clocks, locks by file content, retries of failed syncs, and any way to
//! change a record once written. Read [`status`] next, then [`runner`].

pub mod chain;
pub mod history;
pub mod log;
pub mod plan;
pub mod pruned;
pub mod reserve;
pub mod runner;
pub mod status;

use crate::{
    base::{Due, Failure, Fault, Hint, Kind},
    model::{Advice, OpId},
};

pub use log::{JournalRecord, Log, SYNC_POINTS};
pub use runner::{Ending, Recorder, RunEnd, Runner, refuse_cut_short};
pub use status::{OperationPhase, of as status_of};

/// A step of an operation: applies and undoes one kind of change.
///
/// `apply` and `undo` must be idempotent: after a crash they run again when they may have been done
/// partly, completely or not at all. What has to be durable before the next barrier is added to
/// `due`; a step may assume nothing of the order in which it reaches the disk.
pub trait JournalStep {
    /// Returns its name in the journal and in messages.
    fn name(&self) -> &str;
    /// Checks that it can be applied, and returns the data that `apply` and `undo` will need after
    /// a crash. Changes nothing visible to users.
    fn prepare(&mut self, due: &Due) -> Result<serde_json::Value, Failure>;
    /// Applies the change.
    fn apply(&mut self, prepared: &serde_json::Value, due: &Due) -> Result<(), Failure>;
    /// Undoes the change, whether applied partly, completely or not at all.
    fn undo(&mut self, prepared: &serde_json::Value, due: &Due) -> Result<(), Failure>;
    /// Drops data that only `undo` needed; runs after all steps, perhaps again after a crash.
    fn finish(&mut self, _prepared: &serde_json::Value, _due: &Due) -> Result<(), Failure> {
        Ok(())
    }
    /// Returns true when it is prepared before the operation is written, whatever the steps before
    /// it do. Then what its preparation made belongs to an operation that may not exist yet.
    fn is_prepared_early(&self) -> bool {
        false
    }
    /// Returns true when what an earlier run prepared is whole. A power cut may have kept the
    /// record of a preparation and lost what it made.
    fn is_still_prepared(&self, _prepared: &serde_json::Value) -> Result<bool, Failure> {
        Ok(true)
    }
    /// Stages what the step needs when it is prepared, before the operation begins; durable after
    /// the same barrier.
    fn stage(&mut self, _due: &Due) -> Result<(), Failure> {
        Ok(())
    }
    /// Removes what was staged or prepared early, for an operation that is not begun after all.
    fn abandon(&mut self) {}
    /// Returns true when `undo` after a crash must know whether the step began.
    fn is_undone_by_record(&self) -> bool {
        true
    }
    /// Returns true when the operation can only go forward once this step is done.
    fn is_commit_point(&self) -> bool {
        false
    }
    /// For a commit point: returns true when its effect is visible and can only be its own, though
    /// no record says that it was started. Then the journal has lost its end.
    fn shows_unstarted(&self) -> Result<bool, Failure> {
        Ok(false)
    }
    /// For a commit point and what follows it: returns true when its effect is visible even though
    /// it is not recorded as done. That record is only as durable as the one that follows.
    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(false)
    }
}

/// Errors of the engine itself.
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
    /// What was published shows, and the records end before it began.
    #[error(
        "the journal of operation {0} is cut short: what the operation published is there, and no record says that it began to publish"
    )]
    CutShort(OpId),
    /// Later operations began, so this one ended, and its records do not say so.
    #[error("the journal of operation {} has lost its end: later operations began, so it was over", .0.short())]
    EndLost(OpId),
    /// An operation did not finish and must be resolved first.
    #[error("operation {} did not finish", .0.short())]
    Unfinished(OpId),
    /// A step could not be undone.
    #[error("operation {op} is stuck at its step `{step}`: {why}")]
    Stuck {
        /// The operation's short id.
        op: String,
        /// The step whose undo failed.
        step: String,
        /// The error of the undo.
        why: String,
    },
    /// There is no such operation.
    #[error("there is no operation {0:?}")]
    NotFound(String),
    /// It was pruned.
    #[error("operation {} was pruned on {on}: what it kept is gone, and it cannot be taken back", .op.short())]
    Pruned {
        /// The operation.
        op: OpId,
        /// The day of its pruning, in UTC.
        on: String,
    },
    /// The record of pruned operations cannot be read.
    #[error("cannot read the record of pruned operations")]
    ReadPruned(#[source] std::io::Error),
    /// The record of pruned operations cannot be written.
    #[error("cannot write the record of pruned operations")]
    WritePruned(#[source] std::io::Error),
    /// The records of an operation cannot be pruned.
    #[error("cannot remove the records of pruned operations")]
    Prune(#[source] std::io::Error),
    /// The record of pruned operations is damaged.
    #[error("the record of pruned operations, history/pruned.json, is damaged: {0}")]
    DamagedPruned(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Write(..)
            | Self::Read(..)
            | Self::ReadPruned(_)
            | Self::WritePruned(_)
            | Self::Prune(_) => Kind::Missing,
            Self::Damaged(..)
            | Self::CutShort(_)
            | Self::EndLost(_)
            | Self::Stuck { .. }
            | Self::DamagedPruned(_) => Kind::Stuck,
            Self::Unfinished(_) => Kind::Refused,
            Self::NotFound(_) | Self::Pruned { .. } => Kind::NotFound,
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
                vec![Hint::say(format!(
                    "look into .git/snapback/ops/{op}; moved out of there it is in nobody's way, \
                     and cannot be undone"
                ))]
            }
            Self::EndLost(op) => vec![Hint::say(format!(
                "move .git/snapback/ops/{op} aside: nothing else depends on it, and it cannot be undone"
            ))],
            Self::CutShort(op) => vec![
                Advice::SeeOperation { op: op.short() }.because("see what it was doing"),
                Hint::say(format!(
                    "its change stands. Compare your files with the version, then move \
                     .git/snapback/ops/{op} aside: it is then in nobody's way, and cannot be undone"
                )),
            ],
            Self::DamagedPruned(_) => vec![Hint::say(
                "move .git/snapback/history/pruned.json aside: lists then lack the pruned operations",
            )],
            Self::NotFound(_) | Self::Pruned { .. } => {
                vec![Advice::ListOperations.because("see all operations")]
            }
            _ => Vec::new(),
        }
    }
}
