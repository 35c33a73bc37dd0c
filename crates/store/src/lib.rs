//! Row 2, the content-addressed store: large files of releases and the copies that make undo safe.
//!
//! The port is [`Store`] and [`Session`]; [`ChunkStore`] keeps chunks of files in packs. What is
//! put is visible and durable only when the session is committed, and nothing is ever read
//! without being checked against its id. The only room that names `zstd`. Read `format/` for
//! what is on the disk, `session.rs` and `ingest.rs` for the way in, `fetch.rs` and
//! `restore.rs` for the way out, `commit.rs` for the one moment that counts.

mod check;
mod chunker;
mod chunks;
mod commit;
mod fetch;
pub mod format;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
mod gc;
mod generation;
mod index;
mod ingest;
mod layout;
mod legacy;
mod packer;
mod repair;
mod restore;
mod scan;
mod session;
mod stats;
pub mod stream;

use std::{
    io::{self, Read, Write},
    sync::Arc,
};

use base::{Digest, Fault, Fs, Hint, Kind, RelPath, fs::FileLock};
use model::ObjectId;

pub use check::{Check, Level};
pub use chunks::ChunkStore;
pub use gc::{Gc, Progress, Roots};
pub use index::Damage;
pub use repair::Candidates;

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
    /// A file has more chunks than a list can name.
    #[error("a file of {size} bytes is too large for the store")]
    TooLarge {
        /// Number of bytes.
        size: u64,
    },
    /// A collection or a repair is at work already.
    #[error("another collection or repair of the store is at work")]
    Collecting,
    /// Nothing is thrown away while it is not certain what is needed.
    #[error("the store is damaged, so nothing is collected: {file}: {why}")]
    Unsound {
        /// The file, or the object.
        file: String,
        /// What was seen.
        why: String,
    },
    /// An earlier write of the session failed: nothing of it is kept.
    #[error("the session of the store has failed already")]
    Failed,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing(_) | Self::Read(_) | Self::Write(_) | Self::Io(_) | Self::Failed => {
                Kind::Missing
            }
            Self::TooLarge { .. } => Kind::Refused,
            Self::Damaged { .. } | Self::Unsound { .. } => Kind::Bad,
            Self::Collecting => Kind::Locked,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Write(error) if error.kind() == io::ErrorKind::StorageFull => {
                vec![Hint::say("make room on the disk and try again")]
            }
            Self::Missing(_) | Self::Damaged { .. } => {
                vec![Hint::run(
                    "see which releases need it",
                    &["snapback", "verify-snapshot", "--all", "--deep"],
                )]
            }
            Self::Unsound { .. } => vec![Hint::run(
                "heal what can be healed",
                &["snapback", "store", "repair"],
            )],
            Self::Collecting => vec![Hint::say("wait for it")],
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

    /// The named objects of the newest commit, by name.
    fn roots(&self) -> Result<Vec<(String, ObjectId)>, Error>;

    /// Reads and checks an object without keeping its bytes.
    fn verify(&self, id: &ObjectId) -> Result<u64, Error> {
        self.read(id, &mut io::sink())
    }
}

/// A session of puts; dropped without commit, it leaves nothing behind. Threads may share it.
pub trait Session: Send + Sync {
    /// Puts everything a reader yields. Not durable, not visible before the commit.
    fn put(&self, from: &mut dyn Read) -> Result<Stored, Error>;
    /// Puts several contents that are in memory, of at most 8 MiB each: quicker than one by one.
    fn put_small(&self, contents: &[&[u8]]) -> Result<Vec<Stored>, Error>;
    /// Which of these objects the store has and this session may rely on: what is not held must
    /// be put. Cheap: indexes are asked, packs looked at, a sample of the chunks read.
    fn holds(&self, objects: &[ObjectId]) -> Result<Vec<bool>, Error>;
    /// Makes everything that was put durable and visible. Keep the lease until what names the
    /// objects is durable too: until then a collection would think that nobody needs them.
    fn commit(self: Box<Self>) -> Result<Lease, Error>;
    /// As [`Session::commit`], and names objects (or, with `None`, names them no more) in the
    /// same moment: a collection keeps named objects.
    fn commit_with(self: Box<Self>, roots: &[(String, Option<ObjectId>)]) -> Result<Lease, Error>;
}

/// Keeps what a session committed from being collected, until it is dropped.
#[must_use = "what was put can be collected as soon as the lease is dropped"]
pub struct Lease {
    held: Option<(Arc<dyn Fs>, RelPath, FileLock)>,
}

impl Lease {
    /// Of a session that put nothing.
    fn none() -> Self {
        Self { held: None }
    }

    /// Of a session with a lock on a file of its own.
    fn holding(fs: Arc<dyn Fs>, path: RelPath, lock: FileLock) -> Self {
        Self {
            held: Some((fs, path, lock)),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((fs, path, lock)) = self.held.take() {
            // While the lock is held nobody takes the file for that of a dead session. What
            // cannot be removed is swept by the next collection.
            let _ = fs.remove_file(&path);
            drop(lock);
        }
    }
}
