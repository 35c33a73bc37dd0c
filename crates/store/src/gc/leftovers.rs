//! Files that nothing names: what interrupted work left.

use std::{collections::HashSet, io};

use super::sessions;
use crate::{
    ChunkStore, Error,
    backend::{Area, FileName, LeaseOn},
    files::pack_ids,
    generation::Generation,
};
use base::Digest;

/// How much interrupted work left.
#[derive(Debug, Clone, Copy, Default)]
pub struct Leftovers {
    /// Number of files.
    pub files: usize,
    /// Number of bytes of the packs and staged files among them.
    pub bytes: u64,
}

/// Counts what a collection would remove first. Staged files count only if nobody commits right
/// now, which alone shows whose they are.
pub fn look(store: &ChunkStore, generation: &Generation) -> io::Result<Leftovers> {
    let mut files = unnamed(store, generation)?;
    if !store.backend.list(Area::Staging)?.is_empty()
        && let Ok(Some(_alone)) = store.backend.lease(&LeaseOn::Commit, false)
    {
        files.extend(sessions::orphans(store)?);
    }
    measure(store, &files)
}

/// Removes packs and index files that the newest commit does not name, and staged files of dead
/// sessions. The caller holds the commit lease, so nobody is about to name any of them.
pub fn sweep(store: &ChunkStore) -> Result<Leftovers, Error> {
    let newest = store.sound()?;
    let mut files = unnamed(store, &newest).map_err(Error::Io)?;
    sessions::live(store).map_err(Error::Write)?;
    files.extend(sessions::orphans(store).map_err(Error::Io)?);
    let swept = measure(store, &files).map_err(Error::Io)?;
    for name in &files {
        store.backend.remove(name).map_err(Error::Write)?;
        if let Ok(id) = Digest::from_hex(&name.name) {
            store.packs.forget(&id);
        }
    }
    Ok(swept)
}

/// Returns packs and index files that a commit does not name.
fn unnamed(store: &ChunkStore, generation: &Generation) -> io::Result<Vec<FileName>> {
    let packs: HashSet<Digest> = generation.index.packs().map(|pack| pack.id).collect();
    let mut files: Vec<FileName> = pack_ids(&*store.backend)?
        .iter()
        .filter(|id| !packs.contains(id))
        .map(FileName::pack)
        .collect();
    let record = &generation.record;
    let named: HashSet<String> = record
        .segments
        .iter()
        .chain(&record.dead)
        .map(|file| file.id.hex())
        .collect();
    let indexes = store.backend.list(Area::Index)?;
    let indexes = indexes.into_iter().filter(|name| !named.contains(name));
    files.extend(indexes.map(|name| FileName::new(Area::Index, name)));
    Ok(files)
}

fn measure(store: &ChunkStore, files: &[FileName]) -> io::Result<Leftovers> {
    let mut found = Leftovers {
        files: files.len(),
        bytes: 0,
    };
    for name in files.iter().filter(|name| name.area != Area::Index) {
        found.bytes += store.backend.size(name)?.unwrap_or(0);
    }
    Ok(found)
}
