//! Actions in progress without a journal: a file in `audit/pending/` that its process keeps locked.
//!
//! The kernel releases the lock when the process dies, so a file that can be locked belongs to an
//! interrupted action: the next command writes its line and removes it. Everything here except the
//! action itself happens under the log's lock.
//!
//! A ticket is not a record of the room `records`: its lock is on the ticket's own file, and the
//! log's own syncs, which come in a fixed order, make it durable before its line.

use std::io;

use super::{Error, Trail, folder, log};
use crate::{
    base::{
        Fs, RelPath,
        fs::{FileLock, Hold, create_dir_all, is_temp, read_limited, write_durably},
    },
    model::audit::{AuditEnd, AuditResult, AuditStatement},
};

/// Maximum number of bytes read of a ticket.
const LIMIT: u64 = 1 << 20;

/// An action in progress. If dropped without its line, it counts as interrupted.
pub struct Ticket {
    trail: Trail,
    said: AuditStatement,
    path: RelPath,
    _lock: FileLock,
}

/// Returns the folder of the tickets.
fn pending() -> RelPath {
    folder().join("pending")
}

impl Ticket {
    /// Records the action before it begins.
    pub(super) fn open(trail: Trail, said: AuditStatement) -> io::Result<Self> {
        let fs = trail.fs.clone();
        create_dir_all(&*fs, &pending(), 0o700)?;
        fs.sync_dir(&folder(), log::DIR)?;
        fs.sync_dir(&RelPath::root(), log::DIR)?;
        let path = pending().join(format!("{}.json", said.what.id));
        let bytes = serde_json::to_vec(&AuditStatement {
            result: AuditEnd::Interrupted.into(),
            ..said.clone()
        })
        .expect("because plain data always renders");
        write_durably(&*fs, &path, &bytes, 0o600, (log::RECORD, log::DIR))?;
        let lock = fs
            .lock(&path, Hold::Exclusive, false)?
            .ok_or(io::ErrorKind::WouldBlock)?;
        Ok(Self {
            trail,
            said,
            path,
            _lock: lock,
        })
    }

    /// Writes the action's line.
    pub fn close(&self, result: &AuditResult) -> Result<Vec<String>, Error> {
        let fs = &*self.trail.fs;
        let _lock = self.trail.lock()?;
        let unsaid = |error| {
            if result.end == AuditEnd::Done {
                Error::Unsaid(error)
            } else {
                Error::Write(error)
            }
        };
        let notes = log::append(
            fs,
            &AuditStatement {
                result: result.clone(),
                ..self.said.clone()
            },
            None,
        )
        .map_err(unsaid)?;
        // If removal fails, the next command sees that the line exists and removes the ticket.
        let _ = fs.remove_file(&self.path);
        Ok(notes)
    }
}

/// A ticket whose process is gone.
pub(super) struct DeadTicket {
    /// The content of its line.
    pub said: AuditStatement,
    path: RelPath,
    _lock: FileLock,
}

impl DeadTicket {
    /// Removes it.
    pub fn remove(self, fs: &dyn Fs) -> io::Result<()> {
        fs.remove_file(&self.path)?;
        fs.sync_dir(&pending(), log::DIR)
    }
}

/// Returns the tickets whose processes are gone. Unreadable ones stay, and a check names them.
pub(super) fn left(fs: &dyn Fs) -> io::Result<Vec<DeadTicket>> {
    if fs.stat(&pending())?.is_none() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for name in fs.list(&pending())? {
        let path = pending().join(&name);
        if is_temp(&name) {
            // The file never got its name: the action had not begun.
            fs.remove_file(&path)?;
            continue;
        }
        let Some(lock) = fs.lock(&path, Hold::Exclusive, false)? else {
            continue;
        };
        let Ok(said) = serde_json::from_slice::<AuditStatement>(&read_limited(fs, &path, LIMIT)?)
        else {
            continue;
        };
        found.push(DeadTicket {
            said,
            path,
            _lock: lock,
        });
    }
    Ok(found)
}
