//! Errors that prevent reading or exporting a release.

use std::path::PathBuf;

use crate::{
    base::{Fault, Hint, Kind, RelPath},
    model::{Advice, TaskId},
};

/// Errors that prevent reading or exporting a release.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The release has no such file.
    #[error("{task} {version} has no file {path}")]
    NoSuchFile {
        /// The task.
        task: TaskId,
        /// The version.
        version: String,
        /// The file.
        path: RelPath,
    },
    /// A file outside the repository cannot be written or read.
    #[error("cannot use {0}")]
    Outside(PathBuf, #[source] std::io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Outside(..) => Kind::Missing,
            Self::NoSuchFile { .. } => Kind::NotFound,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::NoSuchFile { task, version, .. } => {
                vec![
                    Advice::SeeVersion {
                        task: task.clone(),
                        version: version.clone(),
                    }
                    .because("see its files"),
                ]
            }
            Self::Outside(..) => Vec::new(),
        }
    }
}
