//! Row 6, materialise: described files put into a folder. Nothing else writes them.
//!
//! [`mod@write`] writes one file: its bytes, checked on the way, then owner, mode and time, synced.
//! Three modules fill a folder. [`fresh`] makes a whole folder beside its place and renames it, all
//! or nothing; [`aside`] writes each file beside its place and renames it there; [`journaled`]
//! stages the files of an operation, which a step swaps with what is there. [`leftovers`] names
//! what is being written, and sweeps what killed runs left.

pub mod aside;
mod error;
pub mod fresh;
pub mod journaled;
pub mod leftovers;
pub mod write;

use std::path::Path;

pub use error::Error;

/// Space that stays free on a disk on which a folder is filled, in bytes.
pub const RESERVE: u64 = 64 << 20;

/// Returns the bytes free for this user on the disk of a folder; `None` when it does not say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Returns the free space on the disk of a folder, when that is too little for this many bytes and
/// the [`RESERVE`].
pub fn too_little(folder: &Path, bytes: u64) -> Option<u64> {
    free_bytes(folder).filter(|free| *free < bytes.saturating_add(RESERVE))
}
