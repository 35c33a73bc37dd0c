//! A put session: chunks that the store does not have go into new packs, and one commit makes all
//! of them durable and visible. Several threads may put at the same time.
//!
//! A session holds its own lease until the result of [`PutSession::commit`] is dropped; meanwhile
//! no collection drops anything it relies on. Nothing is touched before the first byte arrives.
//! Read `ingest.rs` next for how a large file is cut and stored.

use std::{
    collections::{HashMap, HashSet},
    io::Read,
    sync::{
        Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{
    ChunkStore, Error, Lease, StoredObject,
    backend::FileName,
    commit::{self, EnteredSession},
    format::{
        BlobId, BlobKind,
        file::{Chunk, FileObject, MAX_CHUNKS},
    },
    generation::Generation,
    index::{BlobPlace, data, list},
    ingest,
    packer::{FinishedPack, Packer},
};
use base::Digest;
use model::ObjectId;

/// Known chunks whose id ends in this byte (one in 256) are read as a sample.
const SAMPLE: u8 = 0;

/// A put session. Dropped without a commit, it leaves nothing behind. Threads may share it.
pub struct PutSession {
    store: ChunkStore,
    packers: Mutex<Vec<Packer>>,
    packed: Mutex<Vec<FinishedPack>>,
    seen: Mutex<HashSet<BlobId>>,
    trusted: Mutex<HashMap<Digest, bool>>,
    grown: AtomicU64,
    /// True when every known chunk is read, not a sample.
    reads_all: AtomicBool,
    failed: Mutex<bool>,
    /// Allows one large file at a time, which uses every core by itself.
    pub(super) large: Mutex<()>,
    /// Held while the session enters the store, at the first put.
    entering: Mutex<()>,
    /// Dropped last: while the lease is held, the files are not taken for those of a dead session.
    entered: OnceLock<EnteredSession>,
}

/// Locks a mutex whose holders never panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("because no holder panics")
}

impl PutSession {
    /// Creates a session that has touched nothing yet.
    pub(super) fn new(store: ChunkStore) -> Self {
        Self {
            store,
            packers: Mutex::default(),
            packed: Mutex::default(),
            seen: Mutex::default(),
            trusted: Mutex::default(),
            grown: AtomicU64::new(0),
            reads_all: AtomicBool::new(false),
            failed: Mutex::default(),
            large: Mutex::default(),
            entering: Mutex::default(),
            entered: OnceLock::new(),
        }
    }

    /// Enters the store: takes the session's lease and opens the commit it builds on.
    fn enter(&self) -> Result<&EnteredSession, Error> {
        if let Some(entered) = self.entered.get() {
            return Ok(entered);
        }
        let _one = lock(&self.entering);
        if let Some(entered) = self.entered.get() {
            return Ok(entered);
        }
        let entered = commit::enter(&self.store)?;
        Ok(self.entered.get_or_init(|| entered))
    }

    /// Stores the new ones among these chunks; `ids` are their digests.
    pub(super) fn store_chunks(
        &self,
        ids: &[Digest],
        chunks: &[&[u8]],
    ) -> Result<Vec<Chunk>, Error> {
        let fresh = ids
            .iter()
            .zip(chunks)
            .map(|(id, bytes)| (data(*id), *bytes));
        self.store_blobs(fresh)?;
        let chunk = |(id, bytes): (&Digest, &&[u8])| Chunk {
            id: *id,
            len: u32::try_from(bytes.len()).expect("because chunks are small"),
        };
        Ok(ids.iter().zip(chunks).map(chunk).collect())
    }

    /// Stores the list of a file's chunks.
    pub(super) fn store_file(&self, digest: Digest, file: &FileObject) -> Result<(), Error> {
        if file.chunks.len() > MAX_CHUNKS {
            return Err(Error::TooLarge { size: file.size });
        }
        self.store_blobs([(list(digest), &file.encode()[..])].into_iter())
    }

    /// Stores the blobs that the store does not have.
    fn store_blobs<'b>(
        &self,
        blobs: impl Iterator<Item = (BlobId, &'b [u8])>,
    ) -> Result<(), Error> {
        let mut packer = None;
        for (blob, bytes) in blobs {
            let is_new = self.claim(blob, bytes).inspect_err(|_| {
                // It is claimed but not stored: nothing may rely on it.
                *lock(&self.failed) = true;
            })?;
            if !is_new {
                continue;
            }
            let mut open = match packer.take() {
                Some(open) => open,
                None => self.packer()?,
            };
            match open.append(blob, bytes) {
                Ok(grown) => self.grown.fetch_add(grown, Ordering::Relaxed),
                Err(error) => {
                    *lock(&self.failed) = true;
                    return Err(Error::Write(error));
                }
            };
            if open.is_full() {
                self.finish(open)?;
            } else {
                packer = Some(open);
            }
        }
        lock(&self.packers).extend(packer);
        Ok(())
    }

    /// Returns a pack that no other thread appends to.
    fn packer(&self) -> Result<Packer, Error> {
        if let Some(packer) = lock(&self.packers).pop() {
            return Ok(packer);
        }
        Packer::new(&*self.store.backend, &self.enter()?.name).map_err(Error::Write)
    }

    /// Completes a pack.
    fn finish(&self, packer: Packer) -> Result<(), Error> {
        match packer.finish() {
            Ok(done) => lock(&self.packed).push(done),
            Err(error) => {
                *lock(&self.failed) = true;
                return Err(Error::Write(error));
            }
        }
        Ok(())
    }

    /// True when this thread must store the blob: the store does not have it, and no other thread
    /// of the session is about to store it.
    fn claim(&self, blob: BlobId, bytes: &[u8]) -> Result<bool, Error> {
        let generation = &self.enter()?.generation;
        if !lock(&self.seen).insert(blob) {
            return Ok(false);
        }
        match blob.kind {
            BlobKind::Data => Ok(!self.has(generation, blob)?),
            BlobKind::File => Ok(!self.has_list(generation, blob, bytes)?),
        }
    }

    /// True when the store has a usable list of this name. A list is named by its file's digest, so
    /// another version of the chunker may have written one with other cuts: it is usable as long as
    /// all of its own chunks exist. The chunks of `bytes` have been put by this session.
    fn has_list(&self, generation: &Generation, blob: BlobId, bytes: &[u8]) -> Result<bool, Error> {
        if !self.has(generation, blob)? {
            return Ok(false);
        }
        let id = ObjectId(blob.id);
        match self.store.packs.file(generation, &id) {
            Ok(Some(file))
                if file.encode() == bytes || self.has_chunks(generation, &file, None)? =>
            {
                Ok(true)
            }
            // Of two lists with the same name, one would hide the other.
            Ok(Some(_)) => Err(Error::Damaged {
                id,
                why: "its list has other cuts than now, and some of their chunks are missing"
                    .into(),
            }),
            // An unreadable list is not relied on.
            Ok(None) | Err(Error::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// True when the store verifiably has the blob, and no collection is about to drop it.
    fn has(&self, generation: &Generation, blob: BlobId) -> Result<bool, Error> {
        if generation.index.is_dead(blob) {
            return Ok(false);
        }
        for place in generation.index.find(blob).map_err(Error::Io)? {
            if self.proves(&place, blob)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// True when the store has the file's list and all of its chunks.
    fn has_file(&self, generation: &Generation, id: &ObjectId) -> Result<bool, Error> {
        if !self.has(generation, list(id.0))? {
            return Ok(false);
        }
        // An unreadable list is not relied on; `check` reports the damage.
        let Ok(Some(file)) = self.store.packs.file(generation, id) else {
            return Ok(false);
        };
        self.has_chunks(generation, &file, None)
    }

    /// True when the store has all chunks of the list, besides those of another one.
    fn has_chunks(
        &self,
        generation: &Generation,
        file: &FileObject,
        besides: Option<&FileObject>,
    ) -> Result<bool, Error> {
        let others = besides.iter().flat_map(|file| &file.chunks);
        let others: HashSet<Digest> = others.map(|chunk| chunk.id).collect();
        for chunk in &file.chunks {
            if !others.contains(&chunk.id) && !self.has(generation, data(chunk.id))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads every chunk that the store has already before relying on it, and stores it anew where
    /// it is damaged: for bytes of which the last other copy is about to go.
    pub fn read_all_known(&self) {
        self.reads_all.store(true, Ordering::Relaxed);
    }

    /// True when the blob's pack has its full size and, for blobs that are read, nothing damaged
    /// the blob.
    fn proves(&self, place: &BlobPlace, blob: BlobId) -> Result<bool, Error> {
        let known = lock(&self.trusted).get(&place.pack.id).copied();
        let whole = match known {
            Some(whole) => whole,
            None => {
                let size = self.store.backend.size(&FileName::pack(&place.pack.id));
                let whole = size.map_err(Error::Io)? == Some(place.pack.size);
                lock(&self.trusted).insert(place.pack.id, whole);
                whole
            }
        };
        let is_read = self.reads_all.load(Ordering::Relaxed) || blob.id.bytes()[31] == SAMPLE;
        if !whole || !is_read {
            return Ok(whole);
        }
        Ok(matches!(
            self.store.packs.is_undamaged(place, blob),
            Ok(true)
        ))
    }

    /// Returns how many bytes the packs have grown by so far.
    pub fn grown(&self) -> u64 {
        self.grown.load(Ordering::Relaxed)
    }

    /// Completes all open packs in parallel.
    fn finish_all(&self) -> Result<Vec<FinishedPack>, Error> {
        use rayon::prelude::*;
        if *lock(&self.failed) {
            return Err(Error::Failed);
        }
        let open = std::mem::take(&mut *lock(&self.packers));
        open.into_par_iter()
            .try_for_each(|packer| self.finish(packer))?;
        Ok(std::mem::take(&mut *lock(&self.packed)))
    }
}

impl PutSession {
    /// Puts everything that a reader yields. Not durable or visible before the commit.
    pub fn put(&self, from: &mut dyn Read) -> Result<StoredObject, Error> {
        ingest::put(self, from)
    }

    /// Puts several in-memory contents of at most 8 MiB each; faster than one by one.
    pub fn put_small(&self, contents: &[&[u8]]) -> Result<Vec<StoredObject>, Error> {
        ingest::put_small(self, contents)
    }

    /// Returns which objects this session may rely on, because the store has them or the session
    /// has put them; the others must be put. Cheap: it asks the indexes, checks that packs exist,
    /// and reads a sample of the chunks.
    pub fn holds(&self, objects: &[ObjectId]) -> Result<Vec<bool>, Error> {
        use rayon::prelude::*;
        let generation = &self.enter()?.generation;
        let held = |id: &ObjectId| {
            let was_put = [data(id.0), list(id.0)]
                .iter()
                .any(|blob| lock(&self.seen).contains(blob));
            Ok(was_put || self.has(generation, data(id.0))? || self.has_file(generation, id)?)
        };
        objects.par_iter().with_min_len(256).map(held).collect()
    }

    /// True when this session may rely on an object, given that the caller reads all of another one
    /// before anything is made of that: what both consist of is not read here.
    pub fn holds_beside(&self, id: &ObjectId, other: Option<&ObjectId>) -> Result<bool, Error> {
        let generation = &self.enter()?.generation;
        let list_of = |id: &ObjectId| self.store.packs.file(generation, id).unwrap_or_default();
        match list_of(id).filter(|_| other.is_some()) {
            Some(file) => {
                let other = other.and_then(list_of);
                Ok(self.has(generation, list(id.0))?
                    && self.has_chunks(generation, &file, other.as_ref())?)
            }
            None => Ok(self.holds(&[*id])?[0]),
        }
    }

    /// Makes everything that was put durable and visible. Keep the lease until whatever names the
    /// objects is durable too: before that, a collection would consider them unneeded.
    pub fn commit(self) -> Result<Lease, Error> {
        self.commit_with(&[])
    }

    /// Like [`PutSession::commit`], and atomically names objects or, with `None`, removes their
    /// names: a collection keeps named objects.
    pub fn commit_with(self, roots: &[(String, Option<ObjectId>)]) -> Result<Lease, Error> {
        if !roots.is_empty() {
            self.enter()?;
        }
        let packed = self.finish_all()?;
        let Some(entered) = self.entered.into_inner() else {
            return Ok(Lease::none());
        };
        if !packed.is_empty() || !roots.is_empty() {
            commit::publish(&self.store, packed, roots)?;
        }
        Ok(entered.lease)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backend::MemoryBackend;

    #[test]
    fn a_list_with_other_cuts_is_relied_on_only_while_its_chunks_are_there() {
        let bytes: Vec<u8> = (0..60_000_u32)
            .flat_map(|n| Digest::of(&n.to_le_bytes()).bytes()[..8].to_vec())
            .collect();
        let (digest, parts) = (Digest::of(&bytes), [&bytes[..1000], &bytes[1000..]]);
        for there in [true, false] {
            let store = ChunkStore::new(Arc::new(MemoryBackend::default()));
            let early = store.begin();
            let chunk = |part: &[u8]| Chunk {
                id: Digest::of(part),
                len: u32::try_from(part.len()).expect("it is small"),
            };
            let file = FileObject {
                chunker: 1,
                cutter: 0,
                size: bytes.len() as u64,
                chunks: parts.map(chunk).to_vec(),
            };
            early.store_file(digest, &file).expect("it stores");
            if there {
                early
                    .store_chunks(&parts.map(Digest::of), &parts)
                    .expect("it stores");
            }
            drop(early.commit().expect("it commits"));
            let late = store.begin();
            let put = late.put(&mut &bytes[..]);
            assert_eq!(put.is_ok(), there, "{put:?}");
            if there {
                drop(late.commit().expect("it commits"));
                let mut read = Vec::new();
                store
                    .read(&ObjectId(digest), &mut read)
                    .expect("it can be read");
                assert!(read == bytes, "what was put comes back");
            } else {
                assert!(
                    matches!(put, Err(Error::Damaged { .. })),
                    "nobody is told that it is stored"
                );
            }
        }
    }

    #[test]
    fn sessions_with_the_same_name_do_not_wait_for_each_other() {
        // Simulates two containers whose processes have the same id.
        let backend = Arc::new(MemoryBackend::default());
        let [one, other] = [(); 2].map(|()| ChunkStore::new(backend.clone()));
        let (first, second) = (one.begin(), other.begin());
        first.put(&mut &b"first"[..]).expect("it stores");
        second.put(&mut &b"second"[..]).expect("it stores");
        drop(first.commit().expect("it commits"));
        drop(second.commit().expect("it commits"));
        for text in [&b"first"[..], b"second"] {
            let mut read = Vec::new();
            one.read(&ObjectId(Digest::of(text)), &mut read)
                .expect("it can be read");
            assert!(read == text);
        }
    }
}
