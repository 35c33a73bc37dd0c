//! Row 2, the content-addressed store: large files of releases and the copies that make undo safe.
//!
//! [`ChunkStore`] keeps chunks of files in packs, over a [`backend`]. What is put is visible and
//! durable only when the session is committed, and nothing is ever read without being checked
//! against its id. It is no port: where the bytes lie differs, and that is the backend's affair;
//! what a store does with them does not. The only room that names `zstd`. Read `format/` for what
//! is in the files, `backend/` for where they lie, `session.rs` and `ingest.rs` for the way in,
//! `fetch.rs` and `restore.rs` for the way out, `commit.rs` for the one moment that counts.

pub mod backend;
mod check;
mod chunker;
mod chunks;
mod commit;
mod fetch;
mod files;
pub mod format;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
mod gc;
mod generation;
mod index;
mod ingest;
mod legacy;
mod packer;
mod repair;
mod restore;
mod scan;
mod session;
mod stats;
pub mod stream;
pub mod sync_points;
pub mod wrap;

use std::io;

use base::{Digest, Fault, Hint, Kind};
use model::ObjectId;

pub use backend::Lease;
pub use check::{Check, Level};
pub use chunks::ChunkStore;
pub use gc::{Gc, Progress, Roots};
pub use repair::Candidates;
pub use session::PutSession;
pub use sync_points::SYNC_POINTS;

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
