//! Entering the store, and the moment at which a session becomes durable.
//!
//! Packs and index files are durable before they are named, and their names before the record is
//! named. The record's name comes last: a power cut before it leaves packs that nothing names, and
//! after it everything is there. A barrier that fails ends the commit and is never retried.

use std::{io, sync::Arc};

use super::{
    ChunkStore, Error,
    backend::{Area, Backend, FileName, Lease, LeaseOn, stage_bytes},
    files::{newest, sequences},
    format::{
        record::{CommitRecord, FileRef, NamedRoot},
        segment,
    },
    gc,
    generation::Generation,
    index::Table,
    packer::{FinishedPack, NamedFile},
};
use base::Digest;
use model::ObjectId;

/// Number of packs without a segment at which one is created.
pub const LOOSE: usize = 8;
/// Number of entries per segment created here; segments with fewer count as small.
pub const SEGMENT: usize = 1 << 20;
/// Number of records kept besides the newest.
pub const KEPT: usize = 16;

impl ChunkStore {
    /// Waits for the commit lease: no one else commits and no session begins while it is held.
    pub(super) fn alone(&self) -> Result<Lease, Error> {
        self.wait_for(&LeaseOn::Commit)
    }

    /// Waits for a lease.
    fn wait_for(&self, on: &LeaseOn) -> Result<Lease, Error> {
        let held = self.backend.lease(on, true).map_err(Error::Write)?;
        Ok(held.expect("because the lease was waited for"))
    }
}

/// A session that has entered the store.
pub struct EnteredSession {
    /// Its name.
    pub name: String,
    /// While it is held, no collection drops blobs that the session relies on.
    pub lease: Lease,
    /// The commit that it builds on.
    pub generation: Arc<Generation>,
}

/// Prepares the backend, takes the lease of a new session, and opens the newest commit.
pub fn enter(store: &ChunkStore) -> Result<EnteredSession, Error> {
    store.backend.prepare().map_err(Error::Write)?;
    // Shared with other sessions, but not with a commit or a collection that looks at sessions: it
    // must be certain which sessions are older than a commit.
    let held = store.wait_for(&LeaseOn::Beginning)?;
    let generation = store.refresh()?;
    loop {
        let name = format!(
            "{:016x}-{}-{}",
            generation.record.sequence,
            std::process::id(),
            store.next_number()
        );
        let lease = store.backend.lease(&LeaseOn::Session(name.clone()), false);
        // A process in another container may have the same id and name. Waiting for it could
        // deadlock: it may hold its lease until its commit, which waits for the lease held here.
        if let Some(lease) = lease.map_err(Error::Write)? {
            drop(held);
            return Ok(EnteredSession {
                name,
                lease,
                generation,
            });
        }
    }
}

/// Commits what a session wrote, and changes to named roots.
pub fn publish(
    store: &ChunkStore,
    packed: Vec<FinishedPack>,
    roots: &[(String, Option<ObjectId>)],
) -> Result<(), Error> {
    let _alone = store.alone()?;
    gc::sessions::sweep(store).map_err(Error::Write)?;
    let generation = store.refresh()?;
    let mut record = generation.next(newest(&*store.backend).map_err(Error::Io)?);
    for pack in packed.iter().map(|packed| packed.table.pack) {
        if !generation.index.packs().any(|known| known.id == pack.id) {
            record.packs.push(pack);
        }
    }
    for (name, id) in roots {
        set_root(&mut record.roots, name, *id);
    }
    let mut indexes = merge(&mut record, &generation, &packed);
    indexes.extend(spare(&mut record, &generation, &packed));
    let packs = packed.into_iter().map(|packed| packed.split().0).collect();
    write(store, packs, &indexes, &record).map_err(Error::Write)?;
    store.forget();
    Ok(())
}

/// Sets or removes a root.
fn set_root(roots: &mut Vec<NamedRoot>, name: &str, id: Option<ObjectId>) {
    roots.retain(|root| root.name != name);
    roots.extend(id.map(|id| NamedRoot {
        name: name.into(),
        id: id.0,
    }));
    roots.sort_unstable();
}

/// Creates segments for the packs that have none, once there are many.
fn merge(
    record: &mut CommitRecord,
    generation: &Generation,
    packed: &[FinishedPack],
) -> Vec<Vec<u8>> {
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

/// Returns the segments for some packs.
pub fn segments_of<'t>(tables: impl IntoIterator<Item = &'t Table>) -> Vec<Vec<u8>> {
    // Few tables are large: a pack has some hundred entries, or some ten thousand small files.
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

/// Returns the segment for some packs.
fn segment_of(tables: &[&Table]) -> Vec<u8> {
    let packs: Vec<_> = tables.iter().map(|table| table.pack).collect();
    let mut entries = Vec::new();
    for (nth, table) in tables.iter().enumerate() {
        let pack = super::format::len_u32(nth);
        entries.extend(
            table
                .entries
                .iter()
                .map(|entry| segment::SegmentEntry::of(entry, pack)),
        );
    }
    segment::encode(&packs, &mut entries)
}

/// Spares packs that this session stored again under the name of one that a collection may take
/// from: the session relies on them, so the collection must no longer take from them.
fn spare(
    record: &mut CommitRecord,
    generation: &Generation,
    packed: &[FinishedPack],
) -> Option<Vec<u8>> {
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

/// Puts packs, index files and a record in place. The caller holds the commit lease.
pub fn write(
    store: &ChunkStore,
    packs: Vec<NamedFile>,
    indexes: &[impl AsRef<[u8]>],
    record: &CommitRecord,
) -> io::Result<()> {
    let (backend, owner) = (&*store.backend, committer());
    let mut named = Vec::new();
    for bytes in indexes {
        let bytes = bytes.as_ref();
        let staged = stage_bytes(backend, Area::Index, &owner, bytes)?;
        named.push((FileName::index(&Digest::of(bytes)), staged));
    }
    let last = stage_bytes(backend, Area::Log, &owner, &record.encode())?;
    let (new_packs, new_indexes) = (!packs.is_empty(), !named.is_empty());
    for (name, file) in packs.into_iter().chain(named) {
        file.put(&name)?;
    }
    if new_packs {
        backend.barrier(Area::Packs)?;
    }
    if new_indexes {
        backend.barrier(Area::Index)?;
    }
    last.put_new(&FileName::record(record.sequence))?;
    backend.barrier(Area::Log)?;
    forget_old_records(backend);
    Ok(())
}

/// Returns the owner name of files written while the commit lease is held.
pub fn committer() -> String {
    format!("commit-{}", std::process::id())
}

/// Removes records that are no longer needed; leftovers do no harm.
fn forget_old_records(backend: &dyn Backend) {
    let Ok(sequences) = sequences(backend) else {
        return;
    };
    let old = sequences.len().saturating_sub(KEPT + 1);
    for sequence in &sequences[..old] {
        let _ = backend.remove(&FileName::record(*sequence));
    }
}
