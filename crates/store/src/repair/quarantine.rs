//! The quarantine: damaged files are taken out of use, and kept for manual inspection.

use crate::{
    ChunkStore, Error,
    backend::{Area, FileName, Upload},
    commit,
    files::sequences,
    generation::read_record,
};
use base::Failure;

/// Number of bytes copied at once.
const PIECE: usize = 1 << 20;

/// Makes the names in the quarantine durable: these files may be the only copy of some bytes.
pub fn settle(store: &ChunkStore) -> Result<(), Error> {
    let barrier = store.backend.barrier(Area::Quarantine);
    barrier.map_err(Error::Write)
}

/// Moves a file into the quarantine; returns its new location, or `None` when it did not exist.
pub fn take(store: &ChunkStore, name: &FileName) -> Result<Option<String>, Error> {
    let target = store.backend.set_aside(name).map_err(Error::Write)?;
    Ok(target.map(|target| store.backend.location(&target)))
}

/// Copies a file into the quarantine; returns the copy's location, or `None` when it did not exist.
pub fn copy(store: &ChunkStore, name: &FileName) -> Result<Option<String>, Error> {
    let backend = &store.backend;
    if backend.size(name).map_err(Error::Io)?.is_none() {
        return Ok(None);
    }
    let target = name.aside(&backend.list(Area::Quarantine).map_err(Error::Io)?);
    let mut into = backend
        .stage(Area::Quarantine, &commit::committer())
        .map_err(Error::Write)?;
    copy_bytes(store, name, &mut *into)?;
    into.finish()
        .and_then(|staged| staged.put_new(&target))
        .map_err(Error::Write)?;
    Ok(Some(backend.location(&target)))
}

/// Copies the bytes of a file.
fn copy_bytes(store: &ChunkStore, name: &FileName, into: &mut dyn Upload) -> Result<(), Error> {
    let from = store.backend.open(name).map_err(Error::Io)?;
    let (mut piece, mut at) = (vec![0; PIECE], 0);
    loop {
        match from.read_at(at, &mut piece).map_err(Error::Io)? {
            0 => return Ok(()),
            n => {
                into.write_all(&piece[..n]).map_err(Error::Write)?;
                at += n as u64;
            }
        }
    }
}

/// Quarantines records that are damaged or not part of the newest record's chain.
pub fn broken_records(store: &ChunkStore) -> Result<Vec<String>, Failure> {
    let mut moved = Vec::new();
    let mut wanted = None;
    let sequences = sequences(&*store.backend).map_err(Error::Io)?;
    for sequence in sequences.into_iter().rev() {
        let read = read_record(&*store.backend, sequence).map_err(Error::Io)?;
        match read {
            Ok((record, hash)) if wanted.is_none_or(|wanted| wanted == hash) => {
                wanted = Some(record.previous);
            }
            _ => moved.extend(take(store, &FileName::record(sequence))?),
        }
    }
    Ok(moved)
}
