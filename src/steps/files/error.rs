//! Errors of a change of files.

use std::io;

use crate::{
    base::{Failure, Fault, Hint, Kind, RelPath},
    materialise::write::WriteError,
    model::Advice,
};

/// An error that stops a change of files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file system call failed.
    #[error("cannot {doing} {path}")]
    Io {
        /// The attempted action.
        doing: &'static str,
        /// The path.
        path: RelPath,
        /// The system's error.
        source: io::Error,
    },
    /// A path is a mount point: nothing can be renamed onto it.
    #[error("{path} is a mount of its own, and no file can take its place")]
    Mounted {
        /// The mount point.
        path: RelPath,
    },
    /// A mount that holds staged files is gone.
    #[error(
        "{path} was a mount of its own when this began, and is none now: files of this operation are on it"
    )]
    Unmounted {
        /// The path of the former mount.
        path: RelPath,
    },
    /// A directory, device, FIFO or socket stands where a file should.
    #[error("{path} is {what} now, and a file must go there")]
    InTheWay {
        /// The path.
        path: RelPath,
        /// The kind of thing that stands there.
        what: &'static str,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Io { .. } | Self::Unmounted { .. } => Kind::Missing,
            Self::InTheWay { .. } | Self::Mounted { .. } => Kind::Refused,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::InTheWay { path, .. } => vec![Hint::say(format!(
                "move {path} out of the way and try again"
            ))],
            Self::Mounted { path } => vec![
                Hint::run("take the mount away", &["umount", &path.to_string()]),
                Hint::say(format!(
                    "or name {path} in the task's `protect`: then no rollback touches it"
                )),
            ],
            Self::Unmounted { path } => vec![
                Hint::run("mount it again", &["mount", &path.to_string()]),
                Advice::FinishOperation.because("then finish the operation"),
            ],
            Self::Io { source, path, .. } if source.kind() == io::ErrorKind::CrossesDevices => {
                vec![Hint::say(format!(
                    "{path} and the work tree lie on different file systems: name it in the task's `protect`"
                ))]
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                vec![Hint::say("make room on the disk and try again")]
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                vec![Hint::say("make the folder writable for you and try again")]
            }
            Self::Io { .. } => Vec::new(),
        }
    }
}

/// Makes an [`Error::Io`] from a system error.
pub(super) fn failed<'a>(
    doing: &'static str,
    path: &'a RelPath,
) -> impl Fn(io::Error) -> Error + 'a {
    move |source| Error::Io {
        doing,
        path: path.clone(),
        source,
    }
}

/// Returns the failure for a file that was not staged.
pub(super) fn unwritten(error: WriteError) -> Failure {
    match error {
        WriteError::File {
            doing,
            path,
            source,
        } => Error::Io {
            doing,
            path,
            source,
        }
        .into(),
        WriteError::Bytes(failure) => failure,
    }
}
