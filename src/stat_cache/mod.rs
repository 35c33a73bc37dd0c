//! Row 2, the known contents of files, so that unchanged files need not be read again.
//!
//! [`Cache`] is the format: one file per folder, for thousands of files in path order.
//! [`KnownFiles`] are the work-tree files that the store keeps; git's index remembers the others.
//! Metadata proves that a file's bytes are known only if its times are fine-grained, if it was read
//! after the clock tick of its last change (git's "racy" rule), and if nobody had it open for
//! writing meanwhile ([`crate::base::Witness`]). [`KnownFiles::watched`] needs no metadata.

mod cache;
mod known_files;
mod watched;

use crate::base::{Stat, times};

pub use cache::{Cache, KnownFile};
pub use known_files::{FileToRead, KnownFiles};
pub use watched::WORTH_WATCHING;

/// What distinguishes one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// Its length in bytes.
    pub size: u64,
    /// The time its bytes changed, in seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// The time anything about it changed, which cannot be set back.
    pub ctime: (i64, u32),
    /// Its inode.
    pub ino: u64,
    /// The device of the inode.
    pub dev: u64,
}

impl FileState {
    /// Returns true when the file cannot have changed unnoticed since it was read; `began` is when
    /// reading began.
    pub fn is_settled(&self, began: (i64, u32)) -> bool {
        times::is_settled(self.mtime, self.ctime, began)
    }
}

impl From<&Stat> for FileState {
    fn from(stat: &Stat) -> Self {
        Self {
            size: stat.size,
            mtime: stat.mtime,
            ctime: stat.ctime,
            ino: stat.ino,
            dev: stat.dev,
        }
    }
}

/// Returns true when two `lstat` results show the file in the same state.
pub fn same(a: &Stat, b: &Stat) -> bool {
    a.kind == b.kind && FileState::from(a) == FileState::from(b)
}
