//! Where the bytes of a file can be read from: git, the store, or Git LFS.

use std::io::{self, Write};

use super::RepoSite;
use crate::{
    base::{Digest, Failure, Fault, Hasher, Hashing, Kind},
    model::{FileState, Source},
};

/// Bytes that are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kept bytes do not have the digest that was recorded.
    #[error("the kept bytes have the digest {found}, not {expected}")]
    Differ {
        /// What was recorded.
        expected: Digest,
        /// What was read.
        found: Digest,
    },
    /// The bytes cannot be read or written.
    #[error("cannot copy bytes")]
    Io(#[from] io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Differ { .. } => Kind::Bad,
            Self::Io(_) => Kind::Missing,
        }
    }
}

/// Reads the bytes that a [`Source`] names.
pub trait Bytes: Send + Sync {
    /// Writes the bytes; on an error, what was written must be thrown away.
    fn copy(&self, source: &Source, into: &mut dyn Write) -> Result<(), Failure>;
}

impl Bytes for RepoSite {
    fn copy(&self, source: &Source, into: &mut dyn Write) -> Result<(), Failure> {
        match source {
            Source::Blob(id) => match self.git.recall(id) {
                Some(bytes) => into.write_all(&bytes).map_err(Error::Io)?,
                None => into
                    .write_all(&self.git.read_blob(id)?)
                    .map_err(Error::Io)?,
            },
            Source::Object(id) => {
                self.store.read(id, into)?;
            }
            Source::Lfs(oid) => {
                let mut file = std::fs::File::open(self.git.lfs_path(oid)).map_err(Error::Io)?;
                io::copy(&mut file, into).map_err(Error::Io)?;
            }
        }
        Ok(())
    }
}

/// Writes the bytes of a file state and checks their digest on the way.
pub fn copy_checked(
    bytes: &dyn Bytes,
    state: &FileState,
    into: &mut dyn Write,
) -> Result<(), Failure> {
    let mut hasher = Hasher::default();
    bytes.copy(
        &state.source,
        &mut Hashing {
            into,
            hasher: &mut hasher,
        },
    )?;
    let found = hasher.finish();
    if found == state.digest {
        Ok(())
    } else {
        Err(Error::Differ {
            expected: state.digest,
            found,
        }
        .into())
    }
}
