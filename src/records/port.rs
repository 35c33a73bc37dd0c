//! Where records lie, as those who keep them see it: folders, names, bytes and locks.
//!
//! Nothing here speaks of files, so that a database can stand behind it as well: a folder is a
//! column, a name a key, a write a transaction, a lock a lease of the process.

use std::{any::Any, io};

/// A lock on a name; dropping it frees it, and so does the death of the process.
pub type RecordLock = Box<dyn Any + Send + Sync>;

/// What to do while another process has a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockWait {
    /// Give up at once.
    No,
    /// Try for half a second: a program that another thread starts holds every lock of its parent
    /// until it has begun.
    Moment,
    /// Wait until it is free.
    Forever,
}

/// Keeps bytes under names in folders.
pub trait RecordPort: Send + Sync {
    /// The names in a folder, sorted; none when there is no such folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn names(&self, folder: &str) -> io::Result<Vec<String>>;

    /// What is kept under a name, at most `limit` bytes; `None` when nothing is.
    ///
    /// # Errors
    /// When it cannot be read, or is larger.
    fn read(&self, folder: &str, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>>;

    /// Keeps bytes under a name: after a crash there is what was there before or all of them, and
    /// all of them once this has returned.
    ///
    /// # Errors
    /// When they cannot be written; what was there before still is then.
    fn write(&self, folder: &str, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes names, durably; returns how many were there.
    ///
    /// # Errors
    /// When one cannot be removed; the others are gone then.
    fn remove(&self, folder: &str, names: &[String]) -> io::Result<usize>;

    /// Takes the lock of a name, which may be that of nothing else; `None` when another process
    /// has it.
    ///
    /// # Errors
    /// When it cannot be taken.
    fn lock(&self, folder: &str, name: &str, wait: LockWait) -> io::Result<Option<RecordLock>>;
}
