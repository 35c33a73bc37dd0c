//! What keeps files from being put into a folder.

use std::{io, path::PathBuf};

use crate::base::{Fault, Hint, Kind};

/// What keeps files from being put into a folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder to fill has something in it, or is none.
    #[error("{0} exists and is not an empty folder")]
    NotEmpty(PathBuf),
    /// A whole folder takes the place of this one, and cannot.
    #[error("{path} cannot be replaced by a new folder: {why}")]
    Fixed {
        /// The folder.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The files need more than the disk has room for.
    #[error("it would take {needed}, and {path} has {free} free; nothing was restored")]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// In words.
        needed: String,
        /// In words.
        free: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Written bytes could not be forced to the disk.
    #[error("what was restored may not be on the disk: forcing it there failed")]
    Sync(#[source] io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotEmpty(_) | Self::Fixed { .. } => Kind::Refused,
            Self::NoRoom { .. } | Self::Io { .. } | Self::Sync(_) => Kind::Missing,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::NotEmpty(_) | Self::Fixed { .. } => {
                vec![Hint::say("name a folder that does not exist yet")]
            }
            Self::NoRoom { .. } => vec![Hint::say("restore into a folder on another disk")],
            Self::Io { .. } | Self::Sync(_) => Vec::new(),
        }
    }
}
