//! Row 3, the audit log: one line per operation, chained, so that any change of it shows.
//!
//! Lines are stored in `audit/000001.jsonl`, … below the state folder, which all work trees of a
//! repository share. Each line is canonical JSON with its own digest and that of the whole previous
//! line ([`mod@line`]); a segment larger than one mebibyte is followed by a new one, which
//! continues the chain. snapback never deletes a segment. A chain cannot reveal that its end was
//! cut off, so tags record the newest line at their time, and [`check`] compares.
//!
//! A journalled operation writes its line just before its journal's last record, by the journal's
//! own rules. Every other change holds a [`Ticket`], a file that describes the action in progress:
//! a crash leaves either the line or the ticket from which the next command writes it. Appending
//! takes a kernel lock. Existing log bytes, damaged or not, are never changed: the chain continues
//! after damage, and a line truncated by a crash is moved aside.

pub mod check;
pub mod line;
mod log;
mod ticket;

use std::{io, sync::Arc};

use crate::{
    base::{
        Due, Fault, Fs, Hint, Kind, RelPath,
        fs::{FileLock, Hold, remove_all_unfinished},
    },
    model::{
        Advice,
        audit::{Anchor, AuditEntry, AuditStatement},
    },
};

pub use log::{DIR, RECORD, SEGMENT_LIMIT, SYNC_POINTS, Segment};
pub use ticket::Ticket;

/// Errors of the audit log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line cannot be written.
    #[error("cannot write the audit log")]
    Write(#[source] io::Error),
    /// The log cannot be read.
    #[error("cannot read the audit log")]
    Read(#[source] io::Error),
    /// The action is done, but its line is not written yet.
    #[error(
        "what was to be done is done, but its line in the audit log could not be written; the next command writes it"
    )]
    Unsaid(#[source] io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Missing
    }

    fn hints(&self) -> Vec<Hint> {
        let room = "make room on the disk and see that .git/snapback/audit can be written";
        match self {
            Self::Read(_) => Vec::new(),
            _ => vec![
                Hint::say(room),
                Advice::VerifyAudit.because("see that the log is whole"),
            ],
        }
    }
}

/// Tells whether the line may already exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendMode {
    /// The operation is new, so it cannot.
    New,
    /// An earlier run may have written it; then it is made durable and no line is added.
    PerhapsThere,
}

/// The audit log of a repository.
#[derive(Clone)]
pub struct Trail {
    fs: Arc<dyn Fs>,
}

/// Returns the log's folder below the state folder.
fn folder() -> RelPath {
    RelPath::own("audit")
}

impl Trail {
    /// Returns the log below a state folder; reads and creates nothing.
    pub fn new(state: Arc<dyn Fs>) -> Self {
        Self { fs: state }
    }

    /// Appends a line, durable on return, after the lines of actions that were interrupted earlier.
    /// Returns notes for the user, such as that a torn end was moved aside.
    pub fn append(&self, said: &AuditStatement, once: AppendMode) -> Result<Vec<String>, Error> {
        self.append_at(said, once, None)
    }

    /// Like [`Trail::append`], durable after the barrier if there is one.
    pub fn append_at(
        &self,
        said: &AuditStatement,
        once: AppendMode,
        due: Option<&Due>,
    ) -> Result<Vec<String>, Error> {
        let _lock = self.lock()?;
        let mut notes = self.settle()?;
        let there = |entry: &AuditEntry| {
            (&entry.said.what.id, entry.said.result.end) == (&said.what.id, said.result.end)
        };
        if once == AppendMode::PerhapsThere && self.find(there)? {
            log::sync(&*self.fs).map_err(Error::Write)?;
            return Ok(notes);
        }
        notes.extend(log::append(&*self.fs, said, due).map_err(Error::Write)?);
        Ok(notes)
    }

    /// Records an action before it begins.
    pub fn begin(&self, said: AuditStatement) -> Result<(Ticket, Vec<String>), Error> {
        let _lock = self.lock()?;
        let notes = self.settle()?;
        Ok((
            Ticket::open(self.clone(), said).map_err(Error::Write)?,
            notes,
        ))
    }

    /// Writes the lines of interrupted actions. Call only under the lock.
    fn settle(&self) -> Result<Vec<String>, Error> {
        remove_all_unfinished(&*self.fs, &folder()).map_err(Error::Write)?;
        let mut notes = Vec::new();
        for left in ticket::left(&*self.fs).map_err(Error::Write)? {
            if !self.find(|entry| entry.said.what.id == left.said.what.id)? {
                notes.extend(log::append(&*self.fs, &left.said, None).map_err(Error::Write)?);
            }
            left.remove(&*self.fs).map_err(Error::Write)?;
        }
        Ok(notes)
    }

    /// Returns true when some entry matches. Unreadable lines are skipped.
    fn find(&self, wanted: impl Fn(&AuditEntry) -> bool) -> Result<bool, Error> {
        Ok(self.entries()?.0.iter().any(wanted))
    }

    /// Returns all readable entries, oldest first, and the number of unreadable lines.
    pub fn entries(&self) -> Result<(Vec<AuditEntry>, u64), Error> {
        let (mut entries, mut damaged) = (Vec::new(), 0);
        for segment in self.segments()? {
            for raw in segment.lines() {
                match line::parse(raw) {
                    Ok(entry) => entries.push(entry),
                    Err(_) => damaged += 1,
                }
            }
        }
        Ok((entries, damaged))
    }

    /// Returns the files of the log, in order.
    pub fn segments(&self) -> Result<Vec<Segment>, Error> {
        log::read(&*self.fs).map_err(Error::Read)
    }

    /// Returns the names of moved-aside files: line ends that a crash had truncated.
    pub fn moved_aside(&self) -> Result<Vec<String>, Error> {
        log::moved_aside(&*self.fs).map_err(Error::Read)
    }

    /// Returns the newest line, for the message of a tag; `None` for an empty log.
    pub fn head(&self) -> Result<Option<Anchor>, Error> {
        log::head(&*self.fs).map_err(Error::Read)
    }

    /// Takes the log's lock, waiting for other writers.
    fn lock(&self) -> Result<FileLock, Error> {
        let open = || -> io::Result<FileLock> {
            log::make_folder(&*self.fs)?;
            self.fs
                .lock(&folder().join("lock"), Hold::Exclusive, true)?
                .ok_or_else(|| io::ErrorKind::WouldBlock.into())
        };
        open().map_err(Error::Write)
    }
}
