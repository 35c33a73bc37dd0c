//! Row 3, the content-addressed store: large files of releases and the copies that make undo safe.
//!
//! The port is [`Store`] and [`Session`]; [`objects`] is its durable form, one file an object.
//! What is put is visible and durable only when the session is committed. Nothing is ever read
//! without being checked against its id. The only room that names `zstd`.

#[cfg_attr(not(test), expect(dead_code, reason = "the pipeline that cuts files comes next"))]
mod chunker;
mod format;
pub mod objects;

use std::io::{self, Read, Write};

use crate::base::{Digest, Fault, Hint, Kind, ObjectId};

pub use objects::ObjectStore;

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object is not there.
    #[error("the store has no object {0}")]
    Missing(ObjectId),
    /// The object's bytes are not what its id says.
    #[error("the stored object {id} is damaged: {why}")]
    Damaged {
        /// The object.
        id: ObjectId,
        /// What was seen.
        why: String,
    },
    /// Reading what is to be stored failed.
    #[error("cannot read what is to be stored")]
    Read(#[source] io::Error),
    /// Writing into the store failed; what was put is not in it.
    #[error("cannot write into the store")]
    Write(#[source] io::Error),
    /// Reading the store failed.
    #[error("cannot read the store")]
    Io(#[source] io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing(_) | Self::Read(_) | Self::Write(_) | Self::Io(_) => Kind::Missing,
            Self::Damaged { .. } => Kind::Bad,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Write(error) if error.kind() == io::ErrorKind::StorageFull => vec![Hint::say("make room on the disk and try again")],
            Self::Missing(_) | Self::Damaged { .. } => {
                vec![Hint::run("see which releases need it", &["snapback", "verify-snapshot", "--all", "--deep"])]
            }
            _ => Vec::new(),
        }
    }
}

/// What was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The object's id: what manifests name.
    pub id: ObjectId,
    /// SHA-256 of the plain bytes.
    pub digest: Digest,
    /// Number of plain bytes.
    pub size: u64,
    /// Number of bytes that the store grew by; 0 when it had the object.
    pub grown: u64,
}

/// A content-addressed store of byte strings of any size. Memory use does not grow with them.
pub trait Store: Send + Sync {
    /// Begins a session of puts.
    fn begin(&self) -> Result<Box<dyn Session + '_>, Error>;
    /// The number of plain bytes of an object, `None` when it is not there.
    fn size(&self, id: &ObjectId) -> Result<Option<u64>, Error>;
    /// Writes an object's bytes. They are checked as they flow: on an error, what was written
    /// must be thrown away.
    fn read(&self, id: &ObjectId, into: &mut dyn Write) -> Result<u64, Error>;

    /// Reads and checks an object without keeping its bytes.
    fn verify(&self, id: &ObjectId) -> Result<u64, Error> {
        self.read(id, &mut io::sink())
    }
}

/// A session of puts; dropped without commit, it leaves nothing behind.
pub trait Session: Send {
    /// Puts everything a reader yields. Not durable, not visible before the commit.
    fn put(&mut self, from: &mut dyn Read) -> Result<Stored, Error>;
    /// Makes everything that was put durable and visible.
    fn commit(self: Box<Self>) -> Result<(), Error>;
}
