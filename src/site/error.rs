//! Errors that stop an operation at a site.

use std::{path::PathBuf, sync::Arc};

use crate::base::{Fault, Hint, Kind};

/// Errors that stop an operation at a site.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state folder cannot be used.
    #[error("cannot use {path}")]
    State {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Required settings are unusable.
    #[error(transparent)]
    Settings(Arc<dyn Fault>),
    /// An operation changes a folder that is unknown here.
    #[error("no folder is known here by the name {0}")]
    NoRoot(String),
    /// Something stored in a repository is needed where there is none.
    #[error("{0} is kept in a git repository, and this is none")]
    NoRepository(String),
    /// A dry run reached an action that would change something.
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
