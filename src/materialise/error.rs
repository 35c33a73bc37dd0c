//! Errors of putting files into a folder.

use std::{io, path::PathBuf};

use crate::base::{Fault, Hint, Kind};

/// An error that keeps files from being put into a folder.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder to fill is not empty, or is not a folder.
    #[error("{0} exists and is not an empty folder")]
    NotEmpty(PathBuf),
    /// A whole folder should replace this one, and cannot.
    #[error("{path} cannot be replaced by a new folder: {why}")]
    Fixed {
        /// The folder.
        path: PathBuf,
        /// The reason.
        why: &'static str,
    },
    /// The files need more room than the disk has.
    #[error("it would take {needed}, and {path} has {free} free; nothing was restored")]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// The space needed, in words.
        needed: String,
        /// The free space, in words.
        free: String,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {path}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
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
