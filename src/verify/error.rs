//! Errors that stop an engine after a verification failed.

use crate::{
    base::{Fault, Hint, Kind},
    model::{Advice, TaskId, Version},
};

/// The reason why an engine stops.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The commit of a release does not match its manifest.
    #[error("{tag} is damaged: {problems}")]
    Damaged {
        /// The tag.
        tag: String,
        /// The problems.
        problems: String,
        /// The task.
        task: TaskId,
    },
    /// Verification reversed the operation.
    #[error("{version} does not hold up: {problems}")]
    NotVerified {
        /// The version.
        version: Version,
        /// The failed checks.
        problems: String,
    },
    /// The checks of a new version failed, so it got no tag.
    #[error("{version} is not released: {problem}")]
    NotReleased {
        /// The task.
        task: TaskId,
        /// The version.
        version: Version,
        /// The failed check.
        problem: String,
    },
    /// The files do not match the state before the first version.
    #[error("what was there before could not be brought back: {0}")]
    NotRestored(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Bad
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Damaged { task, .. } => vec![
                Advice::VerifyTask { task: task.clone() }.because("see which versions are whole"),
            ],
            Self::NotVerified { .. } => {
                vec![Hint::say(
                    "see the checks above; `--on-verify-fail keep` leaves the version in place although it fails",
                )]
            }
            Self::NotReleased { task, .. } => vec![
                Advice::ReleaseFailing { task: task.clone() }
                    .because("mend it, or release it all the same, recorded as failed"),
            ],
            Self::NotRestored(_) => {
                vec![Advice::ListOperations.because("see what was tried")]
            }
        }
    }
}
