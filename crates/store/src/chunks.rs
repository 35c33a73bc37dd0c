//! The store: chunks of files in packs, on top of any backend.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Error, PutSession,
    backend::{Area, Backend, LocalBackend},
    fetch::{Packs, ProvedBy},
    files::newest,
    format::file::FileObject,
    generation::Generation,
    index::{Damage, data, list},
    legacy::Legacy,
    restore,
};
use base::{Fs, RelPath};
use model::ObjectId;

/// A content-addressed store of byte strings of any size. Memory use does not depend on their size.
/// It is created at the first put. Clones share the same store.
#[derive(Clone)]
pub struct ChunkStore {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) packs: Arc<Packs>,
    pub(super) legacy: Legacy,
    opened: Arc<Mutex<Option<Arc<Generation>>>>,
    numbers: Arc<AtomicU64>,
}

impl ChunkStore {
    /// Creates a handle to the store in a backend.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            legacy: Legacy::new(backend.clone()),
            packs: Arc::new(Packs::new(backend.clone())),
            backend,
            opened: Arc::default(),
            numbers: Arc::default(),
        }
    }

    /// Creates a handle to the store below a folder of a file system.
    pub fn local(fs: Arc<dyn Fs>, dir: RelPath) -> Self {
        Self::new(Arc::new(LocalBackend::new(fs, dir)))
    }

    /// True when nothing was ever put, or everything has been removed.
    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        let areas = [
            Area::Log,
            Area::Packs,
            Area::Index,
            Area::Staging,
            Area::Legacy,
        ];
        for area in areas {
            if !self.backend.list(area).map_err(Error::Io)?.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns the commit that was opened last, or opens the newest.
    pub(super) fn generation(&self) -> Result<Arc<Generation>, Error> {
        let mut opened = self.opened.lock().expect("because no holder panics");
        if let Some(generation) = &*opened {
            return Ok(generation.clone());
        }
        let generation = Arc::new(Generation::open(&*self.backend).map_err(Error::Io)?);
        *opened = Some(generation.clone());
        Ok(generation)
    }

    /// Returns the newest commit.
    pub(super) fn refresh(&self) -> Result<Arc<Generation>, Error> {
        let known = self.generation()?;
        let newest = newest(&*self.backend).map_err(Error::Io)?;
        if known.record.sequence == newest && known.index.damage.is_empty() {
            return Ok(known);
        }
        self.forget();
        self.generation()
    }

    /// Forgets the opened commit because a newer one exists.
    pub(super) fn forget(&self) {
        *self.opened.lock().expect("because no holder panics") = None;
    }

    /// Describes the damage in the newest commit that shows on opening it, with the file of each.
    pub fn damage(&self) -> Result<Vec<String>, Error> {
        let generation = self.refresh()?;
        let text =
            |damage: &Damage| format!("{}: {}", self.backend.location(&damage.file), damage.why);
        Ok(generation.index.damage.iter().map(text).collect())
    }

    /// Returns a number that this process has not used for a file yet.
    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Runs something on the opened commit, and again on newer ones while an object is missing or
    /// damaged: another process may have put it, or a collection moved it.
    pub(super) fn with_newest<T>(
        &self,
        mut run: impl FnMut(&Generation) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut generation = self.generation()?;
        loop {
            match run(&generation) {
                Err(error @ (Error::Missing(_) | Error::Damaged { .. })) => {
                    generation = self.newer(&generation)?.ok_or(error)?;
                }
                other => return other,
            }
        }
    }

    /// Returns the newest commit if it is not the known one.
    pub(super) fn newer(&self, known: &Generation) -> Result<Option<Arc<Generation>>, Error> {
        let newest = self.refresh()?;
        Ok((newest.hash != known.hash).then_some(newest))
    }

    /// Returns the list of an object's chunks, or `None` for an object of one chunk.
    fn resolve(&self, generation: &Generation, id: &ObjectId) -> Result<Option<FileObject>, Error> {
        if !generation
            .index
            .find(data(id.0))
            .map_err(Error::Io)?
            .is_empty()
        {
            return Ok(None);
        }
        match self.packs.file(generation, id)? {
            Some(file) => Ok(Some(file)),
            None => Err(Error::Missing(*id)),
        }
    }
}

impl ChunkStore {
    /// Begins a put session.
    pub fn begin(&self) -> PutSession {
        PutSession::new(self.clone())
    }

    /// Returns the number of plain bytes of an object, `None` when it does not exist.
    pub fn size(&self, id: &ObjectId) -> Result<Option<u64>, Error> {
        let size = |generation: &Generation| {
            if let Some(place) = generation
                .index
                .find(data(id.0))
                .map_err(Error::Io)?
                .first()
            {
                return Ok(u64::from(place.plain));
            }
            if generation
                .index
                .find(list(id.0))
                .map_err(Error::Io)?
                .is_empty()
            {
                return Err(Error::Missing(*id));
            }
            Ok(self
                .packs
                .file(generation, id)?
                .ok_or(Error::Missing(*id))?
                .size)
        };
        match self.with_newest(size) {
            Ok(size) => Ok(Some(size)),
            Err(Error::Missing(_)) => self.legacy.size(id),
            Err(error) => Err(error),
        }
    }

    /// Returns the objects that the newest commit names, with their names.
    pub fn named(&self) -> Result<Vec<(String, ObjectId)>, Error> {
        let generation = self.refresh()?;
        Ok(generation
            .record
            .roots
            .iter()
            .map(|root| (root.name.clone(), ObjectId(root.id)))
            .collect())
    }

    /// Reads and checks an object, discarding its bytes.
    pub fn verify(&self, id: &ObjectId) -> Result<u64, Error> {
        self.read(id, &mut io::sink())
    }

    /// Writes an object's bytes. They are checked while streaming: on an error, the output must be
    /// discarded.
    pub fn read(&self, id: &ObjectId, into: &mut dyn Write) -> Result<u64, Error> {
        self.read_proved_by(ProvedBy::Chunks, id, into)
    }

    /// Like [`ChunkStore::read`], for a caller who computes the digest of all bytes and compares it
    /// with the object's: that digest alone proves them, at half the cost.
    pub fn read_to_prove(&self, id: &ObjectId, into: &mut dyn Write) -> Result<u64, Error> {
        self.read_proved_by(ProvedBy::Caller, id, into)
    }

    fn read_proved_by(
        &self,
        proof: ProvedBy,
        id: &ObjectId,
        into: &mut dyn Write,
    ) -> Result<u64, Error> {
        let mut into = CountingWriter {
            inner: into,
            count: 0,
        };
        let mut generation = self.generation()?;
        loop {
            match self.read_from(&generation, (id, proof), &mut into) {
                // Nothing was written yet, so it may be retried on the newest commit.
                Err(error @ (Error::Missing(_) | Error::Damaged { .. })) if into.count == 0 => {
                    match self.newer(&generation)? {
                        Some(newer) => generation = newer,
                        None if matches!(error, Error::Missing(missing) if missing == *id) => {
                            return self.legacy.read(id, &mut into);
                        }
                        None => return Err(error),
                    }
                }
                other => return other,
            }
        }
    }

    /// Reads an object as of one commit.
    pub(super) fn read_from(
        &self,
        generation: &Generation,
        (id, proof): (&ObjectId, ProvedBy),
        into: &mut dyn Write,
    ) -> Result<u64, Error> {
        if let Some(file) = self.resolve(generation, id)? {
            return restore::write(self, generation, (&file, proof), into);
        }
        let bytes = self.packs.fetch(generation, data(id.0))?;
        into.write_all(&bytes).map_err(Error::Output)?;
        Ok(bytes.len() as u64)
    }
}

/// Counts the bytes written: after the first byte no retry is possible.
struct CountingWriter<'a> {
    inner: &'a mut dyn Write,
    count: u64,
}

impl Write for CountingWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
