//! What keeps anything from being done at a site.

use std::{path::PathBuf, sync::Arc};

use crate::base::{Fault, Hint, Kind};

/// What keeps anything from being done at a site.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state folder cannot be used.
    #[error("cannot use {path}")]
    State {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What is needed of the settings cannot be used.
    #[error(transparent)]
    Settings(Arc<dyn Fault>),
    /// An operation changes a folder that is not known here.
    #[error("no folder is known here by the name {0}")]
    NoRoot(String),
    /// What is kept in a repository is wanted where there is none.
    #[error("{0} is kept in a git repository, and this is none")]
    NoRepository(String),
    /// Something that changes the world came to that in a dry run.
    #[error("a dry run changes nothing, and this cannot be shown without doing it")]
    DryRun,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::State { .. } => Kind::Missing,
            Self::Settings(error) => error.kind(),
            Self::NoRoot(_) => Kind::NotFound,
            Self::NoRepository(_) => Kind::NoRepository,
            Self::DryRun => Kind::Refused,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::State { .. } => vec![Hint::say(
                "see that you may write there, and that the disk is not full or read-only",
            )],
            Self::Settings(error) => error.hints(),
            Self::NoRoot(_) | Self::NoRepository(_) => Vec::new(),
            Self::DryRun => vec![Hint::say("leave --dry-run out to do it")],
        }
    }
}
