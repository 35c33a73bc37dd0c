//! Reports of `store put`, `restore`, `list` and `drop`.

use jiff::Timestamp;
use serde::Serialize;

use crate::ObjectId;
use base::RelPath;

/// A path that was skipped or failed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathTrouble {
    /// The path, below the folder.
    pub path: RelPath,
    /// The reason.
    pub why: String,
}

/// Folders stored under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// The name.
    pub name: String,
    /// Time of the put.
    pub at: Timestamp,
    /// The folders.
    pub folders: Vec<String>,
    /// Number of files.
    pub files: u64,
    /// Number of their bytes.
    pub bytes: u64,
    /// The object that the name refers to.
    pub object: ObjectId,
    /// Reason why it cannot be read; `None` when it can.
    pub trouble: Option<String>,
}

/// The result of a put.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PutReport {
    /// The name.
    pub name: String,
    /// False when the name already refers to the same files, or nothing was named.
    pub changed: bool,
    /// False when files failed and the readable rest was not to be named.
    pub named: bool,
    /// Number of files.
    pub files: u64,
    /// Number of their bytes.
    pub bytes: u64,
    /// Number of symbolic links and empty folders.
    pub others: u64,
    /// Number of files that were read.
    pub read_files: u64,
    /// Number of their bytes.
    pub read_bytes: u64,
    /// Number of bytes that the store grew by.
    pub grown: u64,
    /// Paths that are not a file, link or folder.
    pub skipped: Vec<PathTrouble>,
    /// Paths that could not be read.
    pub failed: Vec<PathTrouble>,
    /// Duration in milliseconds.
    pub duration_ms: u64,
}

/// The result of a restore, or of its dry run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The name.
    pub name: String,
    /// Number of paths in the listing.
    pub total: u64,
    /// Paths that were already correct.
    pub right: u64,
    /// Paths that were missing.
    pub missing: u64,
    /// Paths whose bytes differed.
    pub differing: u64,
    /// Paths whose mode or time alone differed.
    pub touched: u64,
    /// Paths in the folder that are not in the listing.
    pub extra: u64,
    /// How many of these and of the SQLite logs were removed.
    pub removed: u64,
    /// Logs and journals that are not in the listing and that SQLite would apply to databases in
    /// it.
    pub beside: Vec<RelPath>,
    /// Number of bytes that were written.
    pub bytes: u64,
    /// Files that share their blocks with another restored file.
    pub cloned: u64,
    /// The name under which overwritten and removed files are kept.
    pub kept_as: Option<String>,
    /// Number of failed paths whose stored bytes are damaged or missing.
    pub damaged: u64,
    /// Paths that could not be restored and are unchanged.
    pub failed: Vec<PathTrouble>,
    /// Duration in milliseconds.
    pub duration_ms: u64,
}
