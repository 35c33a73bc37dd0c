//! What `store put`, `restore`, `list` and `drop` report.

use jiff::Timestamp;
use serde::Serialize;

use crate::ObjectId;
use base::RelPath;

/// A path that was left out or failed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The path, below the folder.
    pub path: RelPath,
    /// Why.
    pub why: String,
}

/// What was put under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// The name.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// The folders.
    pub folders: Vec<String>,
    /// Number of files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The object that the name stands for.
    pub object: ObjectId,
    /// Why it cannot be read; nothing when it can.
    pub trouble: Option<String>,
}

/// What a put did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PutReport {
    /// The name.
    pub name: String,
    /// False when the name stands for the same files already, or nothing was named.
    pub changed: bool,
    /// False when files failed and what could be read was not to be named.
    pub named: bool,
    /// Number of files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of symbolic links and empty folders.
    pub others: u64,
    /// Files that were read.
    pub read_files: u64,
    /// Their bytes.
    pub read_bytes: u64,
    /// Number of bytes that the store grew by.
    pub grown: u64,
    /// What is no file, link or folder.
    pub skipped: Vec<Trouble>,
    /// What could not be read.
    pub failed: Vec<Trouble>,
    /// How long it took.
    pub duration_ms: u64,
}

/// What a restore did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The name.
    pub name: String,
    /// Paths of the listing.
    pub total: u64,
    /// Paths that were right already.
    pub right: u64,
    /// Paths that were missing.
    pub missing: u64,
    /// Paths whose bytes differed.
    pub differing: u64,
    /// Paths of which only mode or time differed.
    pub touched: u64,
    /// Paths in the folder that the listing does not have.
    pub extra: u64,
    /// How many of these and of the logs were removed.
    pub removed: u64,
    /// Logs and journals that the listing does not have and that SQLite would read into databases
    /// of it.
    pub beside: Vec<RelPath>,
    /// Number of bytes that were written.
    pub bytes: u64,
    /// Files that share their blocks with another one of the restore.
    pub cloned: u64,
    /// The name under which what was overwritten or removed is kept.
    pub kept_as: Option<String>,
    /// Of the failed ones, those whose stored bytes are damaged or missing.
    pub damaged: u64,
    /// What could not be restored: it is as it was before.
    pub failed: Vec<Trouble>,
    /// How long it took.
    pub duration_ms: u64,
}
