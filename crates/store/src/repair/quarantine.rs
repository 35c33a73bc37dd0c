//! Where damaged files go: out of use, and kept for a person.

use std::io;

use crate::{ChunkStore, Error, generation::read_record, layout::FILE_MODE, sync};
use base::{Failure, RelPath, fs::create_dir_all};

/// A free name in the quarantine for a file, whose folder is made.
fn place(store: &ChunkStore, path: &RelPath) -> io::Result<RelPath> {
    let dir = store.layout.quarantine();
    create_dir_all(&*store.fs, &dir, 0o700)?;
    let (folder, name) = path.split();
    let base = [folder.name(), b"-", name].concat();
    let mut place = dir.join(&base);
    for nth in 1.. {
        if store.fs.stat(&place)?.is_none() {
            break;
        }
        place = dir.join([&base[..], format!(".{nth}").as_bytes()].concat());
    }
    Ok(place)
}

/// Makes the names in the quarantine durable: what lies there may be the only bytes of something.
pub fn settle(store: &ChunkStore) -> Result<(), Error> {
    let dir = store.layout.quarantine();
    if store.fs.stat(&dir).map_err(Error::Io)?.is_none() {
        return Ok(());
    }
    let sync = |dir: &RelPath| store.fs.sync_dir(dir, sync::PACK_DIR).map_err(Error::Write);
    sync(&dir)?;
    sync(&dir.parent())
}

/// Moves a file into the quarantine; nothing when it is not there.
pub fn take(store: &ChunkStore, path: &RelPath) -> Result<Option<String>, Error> {
    if store.fs.stat(path).map_err(Error::Io)?.is_none() {
        return Ok(None);
    }
    let target = place(store, path).map_err(Error::Write)?;
    store.fs.rename(path, &target).map_err(Error::Write)?;
    Ok(Some(target.to_string()))
}

/// Copies a file into the quarantine; nothing when it is not there.
pub fn copy(store: &ChunkStore, path: &RelPath) -> Result<Option<String>, Error> {
    if store.fs.stat(path).map_err(Error::Io)?.is_none() {
        return Ok(None);
    }
    let target = place(store, path).map_err(Error::Write)?;
    let mut from = store.fs.open(path).map_err(Error::Io)?;
    let mut into = store.fs.create(&target, FILE_MODE).map_err(Error::Write)?;
    io::copy(&mut from, &mut into).map_err(Error::Write)?;
    into.sync(sync::PACK_FILE).map_err(Error::Write)?;
    Ok(Some(target.to_string()))
}

/// Moves away the records that are damaged or do not belong to the chain of the newest one.
pub fn broken_records(store: &ChunkStore) -> Result<Vec<String>, Failure> {
    let mut moved = Vec::new();
    let mut wanted = None;
    let sequences = store.layout.sequences(&*store.fs).map_err(Error::Io)?;
    for sequence in sequences.into_iter().rev() {
        let read = read_record(&*store.fs, &store.layout, sequence).map_err(Error::Io)?;
        match read {
            Ok((record, hash)) if wanted.is_none_or(|wanted| wanted == hash) => {
                wanted = Some(record.previous);
            }
            _ => moved.extend(take(store, &store.layout.record(sequence))?),
        }
    }
    Ok(moved)
}
