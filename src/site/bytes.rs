//! Reads the bytes of a file from where they are: git, the store, Git LFS, the work tree.

use std::io::{self, Write};

use super::{RepoSite, Site};
use crate::{
    base::{Digest, Failure, Fault, Hasher, Hashing, Hint, Kind, RelPath},
    model::{Advice, FileRecord, Location, RootName},
    store,
};

/// Errors while copying bytes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stored bytes do not have the recorded digest.
    #[error("the kept bytes have the digest {found}, not {expected}")]
    Differ {
        /// The recorded digest.
        expected: Digest,
        /// The digest found.
        found: Digest,
    },
    /// The store lacks the bytes, or has them only in part.
    #[error("the bytes of {path} cannot be restored")]
    Kept {
        /// The file.
        path: RelPath,
        /// The store's error.
        source: store::Error,
    },
    /// The bytes cannot be read or written.
    #[error("cannot copy bytes")]
    Io(#[from] io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Differ { .. } => Kind::Bad,
            Self::Kept { source, .. } => source.kind(),
            Self::Io(_) => Kind::Missing,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        let Self::Kept { source, .. } = self else {
            return Vec::new();
        };
        let missing = matches!(source, store::Error::Missing(_)).then(copy_store);
        let look = Advice::VerifyAll.because("see everything that is wrong with the releases");
        missing.into_iter().chain([look]).collect()
    }
}

/// Returns the failure for a file whose bytes the store did not give.
fn lost(record: &FileRecord, error: store::Error) -> Failure {
    match error {
        store::Error::Missing(_) | store::Error::Damaged { .. } => Error::Kept {
            path: record.path.clone(),
            source: error,
        }
        .into(),
        other => other.into(),
    }
}

/// Returns the hint on copying a store's objects into a clone.
pub fn copy_store() -> Hint {
    Hint::say(
        "copy the folder .git/snapback/store from the repository that made the release, or from a copy of this one",
    )
}

/// Reads the bytes of files from their recorded locations.
pub trait Bytes: Send + Sync {
    /// Writes the bytes; after an error, the output must be discarded. They are proved only by
    /// their digest, which the caller compares, as [`copy_checked`] does.
    fn copy(&self, record: &FileRecord, into: &mut dyn Write) -> Result<(), Failure>;
}

impl<B: Bytes + ?Sized> Bytes for &B {
    fn copy(&self, record: &FileRecord, into: &mut dyn Write) -> Result<(), Failure> {
        (**self).copy(record, into)
    }
}

impl RepoSite {
    /// Writes the bytes of a Git LFS object.
    pub fn copy_lfs(&self, oid: &Digest, into: &mut dyn Write) -> Result<(), Error> {
        let mut file = std::fs::File::open(self.git.lfs_path(oid))?;
        io::copy(&mut file, into)?;
        Ok(())
    }
}

impl Bytes for RepoSite {
    fn copy(&self, record: &FileRecord, into: &mut dyn Write) -> Result<(), Failure> {
        match &record.location {
            Location::Blob(id) => {
                let bytes = self.git.recall_or_read(id)?;
                into.write_all(&bytes).map_err(Error::Io)?;
            }
            Location::Lfs(oid) => self.copy_lfs(oid, into)?,
            _ => RootBytes(&self.site, &RootName::WorkTree).copy(record, into)?,
        }
        Ok(())
    }
}

/// The bytes of files below a root of a site, except those kept in git.
pub struct RootBytes<'a>(pub &'a Site, pub &'a RootName);

impl Bytes for RootBytes<'_> {
    fn copy(&self, record: &FileRecord, into: &mut dyn Write) -> Result<(), Failure> {
        let Self(site, root) = *self;
        let files = || Ok::<_, Failure>(&*site.roots.get(root)?.files);
        match &record.location {
            Location::Object(id) | Location::Database(id) => {
                site.store
                    .read_to_prove(id, into)
                    .map_err(|error| lost(record, error))?;
            }
            Location::Inline(bytes) => into.write_all(bytes).map_err(Error::Io)?,
            Location::Here if record.is_link() => {
                let target = files()?.read_link(&record.path).map_err(Error::Io)?;
                into.write_all(&target).map_err(Error::Io)?;
            }
            Location::Here => {
                let mut file = files()?.open(&record.path).map_err(Error::Io)?;
                io::copy(&mut file, into).map_err(Error::Io)?;
            }
            Location::Blob(_) | Location::Lfs(_) => {
                return Err(super::Error::NoRepository(record.path.to_text()).into());
            }
        }
        Ok(())
    }
}

/// Writes the bytes of a file and checks their digest.
pub fn copy_checked(
    bytes: &dyn Bytes,
    record: &FileRecord,
    into: &mut dyn Write,
) -> Result<(), Failure> {
    let mut hasher = Hasher::default();
    bytes.copy(
        record,
        &mut Hashing {
            into,
            hasher: &mut hasher,
        },
    )?;
    let found = hasher.finish();
    if found == record.digest {
        Ok(())
    } else {
        Err(Error::Differ {
            expected: record.digest,
            found,
        }
        .into())
    }
}
