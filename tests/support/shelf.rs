//! Small test stores in a folder and in memory, with helpers to put, read and damage contents.
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use snapback::{
    base::{Digest, Failure, Fs, RelPath, Root},
    model::{
        ObjectId,
        store::{CheckReport, GcReport, RepairReport},
    },
    store::{
        CheckDepth, CheckOptions, ChunkStore, Error, Gc, Lease,
        backend::{Area, Backend, FileName, LocalBackend, MemoryBackend, stage_bytes},
    },
};

/// A test store, with direct access to its files.
pub struct Shelf {
    backend: Arc<dyn Backend>,
    dir: Option<tempfile::TempDir>,
}

/// Returns the backend of a store below a folder.
fn local(dir: &Path) -> Arc<dyn Backend> {
    let fs = Arc::new(Root::open(dir).unwrap());
    Arc::new(LocalBackend::new(fs, RelPath::own("store")))
}

impl Shelf {
    /// Creates an empty store in a folder.
    pub fn in_folder() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            backend: local(dir.path()),
            dir: Some(dir),
        }
    }

    /// Creates an empty store in memory.
    pub fn in_memory() -> Self {
        Self {
            backend: Arc::new(MemoryBackend::default()),
            dir: None,
        }
    }

    /// Creates an empty store over each backend.
    pub fn each() -> [Self; 2] {
        [Self::in_folder(), Self::in_memory()]
    }

    /// Returns whether the store is in memory, where everything is faster.
    pub fn is_in_memory(&self) -> bool {
        self.dir.is_none()
    }

    /// Opens the store, as another process would.
    pub fn open(&self) -> ChunkStore {
        ChunkStore::new(match &self.dir {
            Some(dir) => local(dir.path()),
            None => self.backend.clone(),
        })
    }

    /// Returns the backend that holds the store's files.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Lists the store's files in an area.
    pub fn names(&self, area: Area) -> Vec<FileName> {
        let names = self.backend.list(area).unwrap();
        let name = |name| FileName::new(area, name);
        names.into_iter().map(name).collect()
    }

    /// Lists the files that hold the store's contents.
    pub fn files(&self) -> Vec<FileName> {
        let areas = [Area::Index, Area::Log, Area::Packs];
        areas.map(|area| self.names(area)).concat()
    }

    /// Counts the files in an area.
    pub fn count(&self, area: Area) -> usize {
        self.names(area).len()
    }

    /// Sums the bytes of the packs.
    pub fn used(&self) -> u64 {
        let size = |name: &FileName| self.backend.size(name).unwrap().unwrap();
        self.names(Area::Packs).iter().map(size).sum()
    }

    /// Returns the bytes of a file.
    pub fn bytes(&self, name: &FileName) -> Vec<u8> {
        self.backend.read(name, 1 << 30).unwrap()
    }

    /// Creates or overwrites a file.
    pub fn write(&self, name: &FileName, bytes: &[u8]) {
        let staged = stage_bytes(&*self.backend, name.area, "test", bytes).unwrap();
        staged.put(name).unwrap();
    }

    /// Copies the files to another store over the same kind of backend.
    pub fn copy(&self) -> Self {
        let copy = if self.is_in_memory() {
            Self::in_memory()
        } else {
            Self::in_folder()
        };
        copy.backend.prepare().unwrap();
        for name in self.files() {
            copy.write(&name, &self.bytes(&name));
        }
        copy
    }
}

/// Returns the id of some bytes.
pub fn id(bytes: &[u8]) -> ObjectId {
    ObjectId(Digest::of(bytes))
}

/// Returns the ids of some contents.
pub fn ids(contents: &[Vec<u8>]) -> BTreeSet<ObjectId> {
    contents.iter().map(|bytes| id(bytes)).collect()
}

/// Opens a store on a file system.
pub fn open(fs: &Arc<dyn Fs>) -> ChunkStore {
    ChunkStore::local(fs.clone(), RelPath::own("store"))
}

/// Puts contents in one session.
pub fn put(store: &ChunkStore, contents: &[Vec<u8>]) -> Result<Lease, Error> {
    let session = store.begin();
    for bytes in contents {
        session.put(&mut &bytes[..])?;
    }
    session.commit()
}

/// Reads a whole object.
pub fn read(store: &ChunkStore, id: &ObjectId) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    store.read(id, &mut bytes).map(|_| bytes)
}

/// Collects garbage without waiting for sessions.
pub fn gc(store: &ChunkStore, roots: &BTreeSet<ObjectId>) -> Result<GcReport, Failure> {
    store.gc(&|| Ok(roots.clone()), GC, &|_| ())
}

/// The options of [`gc`].
pub const GC: Gc = Gc {
    dry_run: false,
    patience: Duration::ZERO,
    seconds: 1,
};

/// Checks a store.
pub fn check(
    store: &ChunkStore,
    roots: &BTreeSet<ObjectId>,
    level: CheckDepth,
) -> Result<CheckReport, Failure> {
    store.check(
        roots,
        CheckOptions {
            level,
            budget: None,
            seconds: 1,
        },
        &|_| (),
    )
}

/// Repairs a store with copies from elsewhere.
pub fn repair(
    store: &ChunkStore,
    roots: &BTreeSet<ObjectId>,
    elsewhere: &[Vec<u8>],
) -> Result<RepairReport, Failure> {
    let candidates = |wanted: &ObjectId| -> Vec<Box<dyn std::io::Read>> {
        let fits = elsewhere.iter().filter(|bytes| id(bytes) == *wanted);
        fits.map(|bytes| Box::new(std::io::Cursor::new(bytes.clone())) as Box<dyn std::io::Read>)
            .collect()
    };
    store.repair(roots, &candidates, &|_| ())
}
