//! Row 3, the audit log: one line an operation, chained, so that any change of it shows.
//!
//! The lines lie in `audit/000001.jsonl`, … below the state folder, which all work trees of a
//! repository share. Each line is canonical JSON with the digest of the whole line before and
//! its own ([`mod@line`]); a segment that has grown past a mebibyte is followed by a new one, and
//! the chain goes on in it. No segment is ever deleted by snapback. A chain cannot show that its
//! end was cut off, so tags name the newest line of their time, and [`check`] compares.
//!
//! A journalled operation writes its line just before its journal's last record, by the journal's
//! own rules; everything else that changes something holds a [`Ticket`] meanwhile, whose file says
//! what is under way: a crash leaves either the line or what the next command writes it from.
//! Appending takes a kernel lock. What stands in the log, damaged or not, is never changed:
//! the chain goes on over damage, and a line that was cut short by a crash is moved aside.

pub mod check;
pub mod line;
mod log;
mod ticket;

use std::{io, sync::Arc};

use crate::{
    base::{
        Fault, Fs, Hint, Kind, RelPath,
        fs::{FileLock, Hold},
    },
    model::{
        Advice,
        audit::{Anchor, Entry, Said},
    },
};

pub use log::{DIR, RECORD, SEGMENT_LIMIT, SYNC_POINTS, Segment};
pub use ticket::Ticket;

/// What can go wrong with the audit log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A line cannot be written.
    #[error("cannot write the audit log")]
    Write(#[source] io::Error),
    /// It cannot be read.
    #[error("cannot read the audit log")]
    Read(#[source] io::Error),
    /// What was done has no line yet.
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

/// Whether a line may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// Its operation is new, so it cannot.
    New,
    /// A run before this one may have written it: then it is made durable, and none is added.
    PerhapsThere,
}

/// The audit log of a repository.
#[derive(Clone)]
pub struct Trail {
    fs: Arc<dyn Fs>,
}

/// Its folder below the state folder.
fn folder() -> RelPath {
    RelPath::own("audit")
}

impl Trail {
    /// The log below a state folder; nothing is read or made yet.
    pub fn new(state: Arc<dyn Fs>) -> Self {
        Self { fs: state }
    }

    /// Appends a line, durable when this returns, and the lines of acts that were interrupted
    /// before it. Returns what people should know: that something was moved aside.
    pub fn append(&self, said: &Said, once: Once) -> Result<Vec<String>, Error> {
        let _lock = self.lock()?;
        let mut notes = self.settle()?;
        let there = |entry: &Entry| {
            (&entry.said.what.id, entry.said.result.end) == (&said.what.id, said.result.end)
        };
        if once == Once::PerhapsThere && self.find(there)? {
            log::sync(&*self.fs).map_err(Error::Write)?;
            return Ok(notes);
        }
        notes.extend(log::append(&*self.fs, said).map_err(Error::Write)?);
        Ok(notes)
    }

    /// Writes down what is about to be done, before it is.
    pub fn begin(&self, said: Said) -> Result<(Ticket, Vec<String>), Error> {
        let _lock = self.lock()?;
        let notes = self.settle()?;
        Ok((
            Ticket::open(self.clone(), said).map_err(Error::Write)?,
            notes,
        ))
    }

    /// Writes the lines of what was interrupted. Only under the lock.
    fn settle(&self) -> Result<Vec<String>, Error> {
        let mut notes = Vec::new();
        for left in ticket::left(&*self.fs).map_err(Error::Write)? {
            if !self.find(|entry| entry.said.what.id == left.said.what.id)? {
                notes.extend(log::append(&*self.fs, &left.said).map_err(Error::Write)?);
            }
            left.remove(&*self.fs).map_err(Error::Write)?;
        }
        Ok(notes)
    }

    /// True when some line is so. Lines that cannot be read are passed over.
    fn find(&self, wanted: impl Fn(&Entry) -> bool) -> Result<bool, Error> {
        Ok(self.entries()?.0.iter().any(wanted))
    }

    /// All lines that can be read, oldest first, and how many cannot.
    pub fn entries(&self) -> Result<(Vec<Entry>, u64), Error> {
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

    /// The files of the log, in order.
    pub fn segments(&self) -> Result<Vec<Segment>, Error> {
        log::read(&*self.fs).map_err(Error::Read)
    }

    /// What was moved aside: ends of lines that a crash had cut short.
    pub fn moved_aside(&self) -> Result<Vec<String>, Error> {
        log::moved_aside(&*self.fs).map_err(Error::Read)
    }

    /// The newest line, for the message of a tag; `None` for an empty log.
    pub fn head(&self) -> Result<Option<Anchor>, Error> {
        log::head(&*self.fs).map_err(Error::Read)
    }

    /// Waits for whoever appends.
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
