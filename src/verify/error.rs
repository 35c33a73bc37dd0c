//! What stops an engine after something was proved to be wrong.

use crate::{
    base::{Fault, Hint, Kind},
    model::{Advice, TaskId, Version},
};

/// Why an engine does not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The commit of a release is not what its manifest says.
    #[error("{tag} is damaged: {problems}")]
    Damaged {
        /// The tag.
        tag: String,
        /// What is wrong.
        problems: String,
        /// The task.
        task: TaskId,
    },
    /// Verification turned the operation back.
    #[error("{version} does not hold up: {problems}")]
    NotVerified {
        /// The version.
        version: Version,
        /// The failed checks.
        problems: String,
    },
    /// The files are not what they were before any version.
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
            Self::NotRestored(_) => {
                vec![Advice::ListOperations.because("see what was tried")]
            }
        }
    }
}
