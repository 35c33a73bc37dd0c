//! Entering the store and the one moment at which a session becomes durable.
//!
//! Packs and index files are synced before they are named, their folders before the record is
//! named, and the folder of records last: a power cut before it leaves packs that nothing names,
//! after it everything is there. A failed sync ends the commit and is never retried.

use std::{
    io::{self, Write},
    sync::Arc,
};

use super::{
    ChunkStore, Error, Lease,
    format::{
        record::{FileRef, Record, Root},
        segment,
    },
    gc,
    generation::Generation,
    index::Table,
    layout::{FILE_MODE, Layout},
    packer::{Packed, remove_leftover},
    sync,
};
use base::{
    Digest, Fs, RelPath, SyncPoint,
    fs::{FileLock, Hold},
};
use model::ObjectId;

/// Packs without a segment from which on one is made.
pub const LOOSE: usize = 8;
/// Entries of a segment that is made here, and from which on one is not small.
pub const SEGMENT: usize = 1 << 20;
/// Records that are kept besides the newest.
pub const KEPT: usize = 16;

impl ChunkStore {
    /// Holds the store's lock alone: no session enters or commits meanwhile.
    pub(super) fn alone(&self) -> Result<FileLock, Error> {
        let held = self
            .fs
            .lock(&self.layout.lock(), Hold::Exclusive, true)
            .map_err(Error::Write)?;
        Ok(held.expect("because the lock was waited for"))
    }
}

/// Makes the folders, takes a lock on a file of the session's own, opens the newest commit.
pub fn enter(store: &ChunkStore) -> Result<(String, FileLock, Arc<Generation>), Error> {
    let (fs, layout) = (&*store.fs, &store.layout);
    layout.make(fs).map_err(Error::Write)?;
    // Beside other sessions, but not beside a commit or a collection that looks at sessions:
    // which sessions are older than a commit must be certain.
    let held = fs
        .lock(&layout.lock(), Hold::Shared, true)
        .map_err(Error::Write)?;
    let generation = store.refresh()?;
    let name = format!(
        "{:016x}-{}-{}",
        generation.record.sequence,
        std::process::id(),
        store.next_number()
    );
    let own = fs
        .lock(&layout.sessions().join(&name), Hold::Exclusive, true)
        .map_err(Error::Write)?;
    drop(held);
    Ok((
        name,
        own.expect("because the lock was waited for"),
        generation,
    ))
}

/// What a session holds after its commit.
pub fn lease(store: &ChunkStore, name: &str, held: FileLock) -> Lease {
    Lease::holding(store.fs.clone(), store.layout.sessions().join(name), held)
}

/// Commits what a session wrote, and changes of named roots.
pub fn publish(
    store: &ChunkStore,
    packed: &[Packed],
    roots: &[(String, Option<ObjectId>)],
) -> Result<(), Error> {
    let fs = &*store.fs;
    let _alone = store.alone()?;
    gc::sessions::sweep(store).map_err(Error::Write)?;
    let generation = store.refresh()?;
    let newest = store
        .layout
        .sequences(fs)
        .map_err(Error::Io)?
        .last()
        .copied()
        .unwrap_or(0);
    let mut record = generation.next(newest);
    for pack in packed.iter().map(|packed| packed.table.pack) {
        if !generation.index.packs().any(|known| known.id == pack.id) {
            record.packs.push(pack);
        }
    }
    for (name, id) in roots {
        set_root(&mut record.roots, name, *id);
    }
    let mut indexes = merge(&mut record, &generation, packed);
    indexes.extend(spare(&mut record, &generation, packed));
    write(store, &names(store, packed), &indexes, &record).map_err(Error::Write)?;
    store.forget();
    Ok(())
}

/// Sets or removes a root.
fn set_root(roots: &mut Vec<Root>, name: &str, id: Option<ObjectId>) {
    roots.retain(|root| root.name != name);
    roots.extend(id.map(|id| Root {
        name: name.into(),
        id: id.0,
    }));
    roots.sort_unstable();
}

/// Makes segments of the packs that have none, once they are many.
fn merge(record: &mut Record, generation: &Generation, packed: &[Packed]) -> Vec<Vec<u8>> {
    if record.packs.len() < LOOSE {
        return Vec::new();
    }
    let tables = generation
        .index
        .tables()
        .iter()
        .chain(packed.iter().map(|packed| &packed.table));
    let tables: Vec<&Table> = tables
        .filter(|table| record.packs.contains(&table.pack))
        .collect();
    record
        .packs
        .retain(|pack| !tables.iter().any(|table| table.pack == *pack));
    let segments = segments_of(tables);
    record
        .segments
        .extend(segments.iter().map(|bytes| FileRef::of(bytes)));
    segments
}

/// The segments of some packs.
pub fn segments_of<'t>(tables: impl IntoIterator<Item = &'t Table>) -> Vec<Vec<u8>> {
    // Few tables are large: one pack has some hundred entries, or some ten thousand small files.
    let mut groups: Vec<Vec<&Table>> = Vec::new();
    let mut entries = usize::MAX;
    for table in tables {
        if entries.saturating_add(table.entries.len()) > SEGMENT {
            groups.push(Vec::new());
            entries = 0;
        }
        entries += table.entries.len();
        groups
            .last_mut()
            .expect("because the first table begins a group")
            .push(table);
    }
    groups.iter().map(|group| segment_of(group)).collect()
}

/// The segment of some packs.
fn segment_of(tables: &[&Table]) -> Vec<u8> {
    let packs: Vec<_> = tables.iter().map(|table| table.pack).collect();
    let mut entries = Vec::new();
    for (nth, table) in tables.iter().enumerate() {
        let pack = super::format::len_u32(nth);
        entries.extend(
            table
                .entries
                .iter()
                .map(|entry| segment::Entry::of(entry, pack)),
        );
    }
    segment::encode(&packs, &mut entries)
}

/// A pack that has the very name of one that a collection may take from was stored again by
/// this session, which relies on it: from now on the collection may not.
fn spare(record: &mut Record, generation: &Generation, packed: &[Packed]) -> Option<Vec<u8>> {
    let again = |id: &Digest| packed.iter().any(|packed| packed.table.pack.id == *id);
    if record.dead.is_none() || !generation.index.dead().packs.iter().any(again) {
        return None;
    }
    let mut dead = generation.index.dead().clone();
    dead.packs.retain(|id| !again(id));
    let bytes = dead.encode();
    record.dead = Some(FileRef::of(&bytes));
    Some(bytes)
}

/// Where packs were written, and where they belong.
pub fn names(store: &ChunkStore, packed: &[Packed]) -> Vec<(RelPath, RelPath)> {
    packed
        .iter()
        .map(|packed| {
            (
                packed.temp.clone(),
                store.layout.pack(&packed.table.pack.id),
            )
        })
        .collect()
}

/// Puts packs, index files and a record in place. The store's lock is held.
pub fn write(
    store: &ChunkStore,
    packs: &[(RelPath, RelPath)],
    indexes: &[impl AsRef<[u8]>],
    record: &Record,
) -> io::Result<()> {
    let (fs, layout) = (&*store.fs, &store.layout);
    let mut named = Vec::new();
    for bytes in indexes {
        let path = layout.index(&Digest::of(bytes.as_ref()));
        named.push((write_temp(store, bytes.as_ref(), sync::INDEX_FILE)?, path));
    }
    let temp = write_temp(store, &record.encode(), sync::COMMIT_FILE)?;
    for (temp, path) in packs.iter().chain(&named) {
        fs.rename(temp, path)?;
    }
    if !packs.is_empty() {
        fs.sync_dir(&layout.packs(), sync::PACK_DIR)?;
    }
    if !named.is_empty() {
        fs.sync_dir(&layout.indexes(), sync::INDEX_DIR)?;
    }
    fs.rename_new(&temp, &layout.record(record.sequence))?;
    fs.sync_dir(&layout.log(), sync::COMMIT_DIR)?;
    forget_old_records(fs, layout);
    Ok(())
}

/// Writes a synced file without a name. The store's lock is held.
pub fn write_temp(store: &ChunkStore, bytes: &[u8], point: SyncPoint) -> io::Result<RelPath> {
    let path = store.layout.tmp().join(format!(
        "commit-{}-{}",
        std::process::id(),
        store.next_number()
    ));
    remove_leftover(&*store.fs, &path)?;
    let mut file = store.fs.create(&path, FILE_MODE)?;
    let written = file.write_all(bytes).and_then(|()| file.sync(point));
    drop(file);
    if let Err(error) = written {
        let _ = store.fs.remove_file(&path);
        return Err(error);
    }
    Ok(path)
}

/// Drops records that nobody needs any more; what is left of them does no harm.
fn forget_old_records(fs: &dyn Fs, layout: &Layout) {
    let Ok(sequences) = layout.sequences(fs) else {
        return;
    };
    let old = sequences.len().saturating_sub(KEPT + 1);
    for sequence in &sequences[..old] {
        let _ = fs.remove_file(&layout.record(*sequence));
    }
}
