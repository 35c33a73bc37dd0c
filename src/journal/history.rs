//! The operations of a repository: listed, found by id, and which of them is unfinished.
//!
//! An operation begins only when every earlier one is finished, so only the newest folder can
//! hold an unfinished one: looking at one folder is enough, however many there are.

use std::sync::Arc;

use super::{
    Error, Log,
    log::folder,
    status::{self, Phase},
};
use crate::{
    base::{Fs, OpId, RelPath, SyncPoint},
    model::Operation,
};

/// An operation and where it stands.
pub struct Found {
    /// Its plan.
    pub operation: Operation,
    /// What is to be done with it.
    pub phase: Phase,
    /// True when the commit point was passed.
    pub committed: bool,
    /// Its journal.
    pub log: Log,
}

/// All ids, oldest first. Folders that are no operation's are passed over.
pub fn ids(fs: &dyn Fs) -> Result<Vec<OpId>, Error> {
    let dir = RelPath::own("ops");
    let failed = |error| Error::Read(OpId::new(0, 0), error);
    if fs.stat(&dir).map_err(failed)?.is_none() {
        return Ok(Vec::new());
    }
    let names = fs.list(&dir).map_err(failed)?;
    let mut ids: Vec<OpId> = names.iter().filter_map(|name| std::str::from_utf8(name).ok()?.parse().ok()).collect();
    ids.sort();
    Ok(ids)
}

/// The id that the next operation gets.
pub fn next_id(fs: &dyn Fs, random: u32) -> Result<OpId, Error> {
    Ok(OpId::new(ids(fs)?.last().map_or(1, |last| last.counter() + 1), random))
}

/// Reads one operation; `None` when it crashed before its intent was written.
pub fn open(fs: &Arc<dyn Fs>, id: &OpId) -> Result<Option<Found>, Error> {
    let Some((log, operation)) = Log::open(fs.clone(), id)? else { return Ok(None) };
    let standing = status::of(log.records()).map_err(|why| Error::Damaged(id.clone(), why))?;
    Ok(Some(Found { operation, phase: standing.phase, committed: standing.committed, log }))
}

/// The unfinished operation, if there is one.
pub fn unfinished(fs: &Arc<dyn Fs>) -> Result<Option<Found>, Error> {
    for id in ids(&**fs)?.iter().rev() {
        if let Some(found) = open(fs, id)? {
            return Ok((!matches!(found.phase, Phase::Finished { .. })).then_some(found));
        }
    }
    Ok(None)
}

/// Removes the folders of operations that crashed before their intent was written, newest first;
/// nothing had been changed by them. The last record of the newest that has one is made durable:
/// the next operation stands on it, but whoever wrote it may have been killed before the sync.
/// Only under the lock.
pub fn sweep(fs: &dyn Fs) -> Result<(), Error> {
    for id in ids(fs)?.iter().rev() {
        let dir = folder(id);
        let failed = |error| Error::Write(id.clone(), error);
        let journal = dir.join("journal.jsonl");
        if fs.stat(&journal).map_err(failed)?.is_some() {
            return fs.append(&journal).and_then(|mut file| file.sync(SyncPoint::JournalRecord)).map_err(failed);
        }
        for name in fs.list(&dir).map_err(failed)? {
            fs.remove_file(&dir.join(name)).map_err(failed)?;
        }
        fs.remove_dir(&dir).map_err(failed)?;
    }
    Ok(())
}

/// Finds an operation by its id, its short id or a prefix of that.
pub fn find(fs: &dyn Fs, text: &str) -> Result<OpId, Error> {
    let ids = ids(fs)?;
    let mut hits = ids.iter().filter(|id| id.to_string() == text || (!text.is_empty() && id.short().starts_with(text)));
    match (hits.next(), hits.next()) {
        (Some(id), None) => Ok(id.clone()),
        _ => Err(Error::NotFound(text.into())),
    }
}
