//! The storage of records as its users see it: folders, names, bytes and locks.
//!
//! Nothing here mentions files, so that a database could implement it as well: a folder becomes a
//! column, a name a key, a write a transaction, a lock a lease of the process.

use std::{any::Any, io};

/// A lock on a name, released when it is dropped or the process dies.
pub type RecordLock = Box<dyn Any + Send + Sync>;

/// What to do while another process holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockWait {
    /// Give up at once.
    No,
    /// Retry for half a second: a program started by another thread holds every lock of its parent
    /// until it has begun.
    Moment,
    /// Wait until it is free.
    Forever,
}

/// Stores bytes under names in folders.
pub trait RecordPort: Send + Sync {
    /// Returns the names in a folder, sorted; none when the folder does not exist.
    ///
    /// # Errors
    /// Fails when the folder cannot be read.
    fn names(&self, folder: &str) -> io::Result<Vec<String>>;

    /// Reads the bytes under a name, at most `limit` bytes; `None` when there are none.
    ///
    /// # Errors
    /// Fails when they cannot be read, or exceed the limit.
    fn read(&self, folder: &str, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>>;

    /// Stores bytes under a name, atomically: a crash leaves either the old bytes or all of the new
    /// ones. Durable on return.
    ///
    /// # Errors
    /// Fails when they cannot be written; the old bytes are then unchanged.
    fn write(&self, folder: &str, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Removes names, durably; returns how many existed.
    ///
    /// # Errors
    /// Fails when one cannot be removed; the others are removed nevertheless.
    fn remove(&self, folder: &str, names: &[String]) -> io::Result<usize>;

    /// Takes the lock of a name that is used for nothing else; `None` when another process holds
    /// it.
    ///
    /// # Errors
    /// Fails when it cannot be taken.
    fn lock(&self, folder: &str, name: &str, wait: LockWait) -> io::Result<Option<RecordLock>>;
}
