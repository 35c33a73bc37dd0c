//! Row 2, what files held when they were last read, so that those that look the same need no
//! reading.
//!
//! [`Cache`] is the format: one file a folder, for thousands of files in order of their paths.
//! [`KnownFiles`] are the files of the work tree that the store keeps; git's index remembers the
//! others. A look at a file proves that its bytes are known only where its times are fine, and
//! only when it was read after the tick of the clock in which it was last changed (git's "racy"
//! rule).

mod cache;
mod known_files;

use crate::base::{Stat, times};

pub use cache::{Cache, Known};
pub use known_files::KnownFiles;

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// Its length in bytes.
    pub size: u64,
    /// When its bytes changed, in seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// When anything of it changed, as nobody can set back.
    pub ctime: (i64, u32),
    /// Its inode.
    pub ino: u64,
    /// The device of that.
    pub dev: u64,
}

impl FileState {
    /// True when the file cannot have been changed, without showing it, since it was read;
    /// `began` is when that began.
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

/// True when two looks at a file found it in the same state.
pub fn same(a: &Stat, b: &Stat) -> bool {
    a.kind == b.kind && FileState::from(a) == FileState::from(b)
}
