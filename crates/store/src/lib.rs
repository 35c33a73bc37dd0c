//! Row 2, the content-addressed store: large files of releases and the copies that make undo safe.
//!
//! [`ChunkStore`] keeps chunks of files in packs, on top of a [`backend`]. Puts are visible and
//! durable only once their session is committed, and every read is checked against its id. The
//! store is not a port: only the place of the bytes varies, which is the backend's job. This is the
//! only room that names `zstd`. Read `format/` for file contents, `backend/` for where files lie,
//! `session.rs` and `ingest.rs` for the write path, `fetch.rs` and `restore.rs` for the read path,
//! and `commit.rs` for commits.

pub mod backend;
mod check;
mod chunker;
mod chunks;
mod commit;
mod fetch;
mod files;
pub mod format;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
mod gc;
mod generation;
mod index;
mod ingest;
mod legacy;
mod packer;
mod presence;
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
use model::{Advice, ObjectId};

pub use backend::Lease;
pub use check::{CheckDepth, CheckOptions};
pub use chunks::ChunkStore;
pub use gc::{Gc, GcProgress, LiveObjects};
pub use presence::PresenceLook;
pub use repair::Candidates;
pub use session::PutSession;
pub use sync_points::SYNC_POINTS;

/// Errors of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object does not exist.
    #[error("the store has no object {0}")]
    Missing(ObjectId),
    /// The object's bytes do not match its id.
    #[error("the stored object {id} is damaged: {why}")]
    Damaged {
        /// The object.
        id: ObjectId,
        /// Description of the damage.
        why: String,
    },
    /// Reading the data to be stored failed.
    #[error("cannot read what is to be stored")]
    Read(#[source] io::Error),
    /// Writing into the store failed; the data that was put is not in it.
    #[error("cannot write into the store")]
    Write(#[source] io::Error),
    /// Writing to the place where stored data was to go failed.
    #[error("cannot write there what the store has")]
    Output(#[source] io::Error),
    /// Reading the store failed.
    #[error("cannot read the store")]
    Io(#[source] io::Error),
    /// A file has more chunks than a list can hold.
    #[error("a file of {size} bytes is too large for the store")]
    TooLarge {
        /// Number of bytes.
        size: u64,
    },
    /// A collection or a repair is already running.
    #[error("another collection or repair of the store is at work")]
    Collecting,
    /// The store is damaged. Nothing is discarded while it is uncertain what is needed.
    #[error("the store is damaged, so nothing is collected: {file}: {why}")]
    Unsound {
        /// The file or object.
        file: String,
        /// Description of the damage.
        why: String,
    },
    /// An earlier write of the session failed; nothing from the session is kept.
    #[error("the session of the store has failed already")]
    Failed,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing(_)
            | Self::Read(_)
            | Self::Write(_)
            | Self::Output(_)
            | Self::Io(_)
            | Self::Failed => Kind::Missing,
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
            Self::Output(error) if error.kind() == io::ErrorKind::StorageFull => {
                vec![Hint::say(
                    "make room where it goes, or name a place on another disk",
                )]
            }
            Self::Missing(_) | Self::Damaged { .. } => {
                vec![Advice::VerifyAll.because("see which releases need it")]
            }
            Self::Unsound { .. } => vec![Advice::RepairStore.because("heal what can be healed")],
            Self::Collecting => vec![Hint::say("wait for it")],
            _ => Vec::new(),
        }
    }
}

/// The result of a put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredObject {
    /// The object's id, as named by manifests.
    pub id: ObjectId,
    /// SHA-256 of the plain bytes.
    pub digest: Digest,
    /// Number of plain bytes.
    pub size: u64,
    /// Number of bytes that the store grew by; 0 when it already had the object.
    pub grown: u64,
}
