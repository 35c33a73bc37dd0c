//! Makes a consistent copy of a SQLite database while others write to it, through SQLite's own
//! backup interface (sqlite.org/backup.html). The only file that names `rusqlite`.
//!
//! The source is opened for reading only: no recovery, no checkpoint, no change to the user's
//! files. All pages are read in one step inside one read transaction: the copy is what was
//! committed at one moment, and in WAL mode writers do not wait.

use std::{path::Path, time::Duration};

use rusqlite::{
    Connection, ErrorCode, OpenFlags,
    backup::{Backup, StepResult},
};

/// How long to wait for a writer that holds the whole database.
const BUSY: Duration = Duration::from_secs(10);
/// How often a copy is tried.
const TRIES: u32 = 20;

/// The reason why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Files beside the database have to be rolled back first, which only its owner may do.
    #[error("its last writer did not finish")]
    Unfinished,
    /// A writer never let go of it.
    #[error("the database is busy")]
    Busy,
    /// SQLite reported an error.
    #[error("SQLite cannot read the database")]
    Sqlite(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::ReadOnly) => Self::Unfinished,
            _ => Self::Sqlite(error),
        }
    }
}

/// Copies a database into an empty file. No link is followed; nothing is synced.
pub fn copy(database: &Path, into: &Path) -> Result<(), Error> {
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let from = Connection::open_with_flags(database, flags | OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    from.busy_timeout(BUSY)?;
    let mut to = Connection::open_with_flags(into, flags | OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    to.execute_batch("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;")?;
    let backup = Backup::new(&from, &mut to)?;
    for nth in 0..TRIES {
        match backup.step(-1)? {
            StepResult::Done => return Ok(()),
            // The timeout above does not reach every lock that a step takes.
            _ => std::thread::sleep(Duration::from_millis(10 << nth.min(6))),
        }
    }
    Err(Error::Busy)
}
