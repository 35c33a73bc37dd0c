//! Small stores for tests, in a folder and in memory: contents are put, read back, damaged.
use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use snapback::{
    base::{Digest, Failure, Fs, RelPath, Root},
    model::{
        ObjectId,
        store::{CheckReport, GcReport, RepairReport},
    },
    store::{
        Check, ChunkStore, Error, Gc, Lease, Level,
        backend::{Area, Backend, FileName, LocalBackend, MemoryBackend, stage_bytes},
    },
};

/// A store of a test, and a way to its files past the store.
pub struct Shelf {
    backend: Arc<dyn Backend>,
    dir: Option<tempfile::TempDir>,
}

/// The backend of a store below a folder.
fn local(dir: &Path) -> Arc<dyn Backend> {
    let fs = Arc::new(Root::open(dir).unwrap());
    Arc::new(LocalBackend::new(fs, RelPath::own("store")))
}

impl Shelf {
    /// An empty store in a folder.
    pub fn in_folder() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            backend: local(dir.path()),
            dir: Some(dir),
        }
    }

    /// An empty store in memory.
    pub fn in_memory() -> Self {
        Self {
            backend: Arc::new(MemoryBackend::default()),
            dir: None,
        }
    }

    /// An empty store over each backend.
    pub fn each() -> [Self; 2] {
        [Self::in_folder(), Self::in_memory()]
    }

    /// True when it is in memory, where everything is quicker.
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

    /// What keeps its files.
    pub fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Its files in an area.
    pub fn names(&self, area: Area) -> Vec<FileName> {
        let names = self.backend.list(area).unwrap();
        let name = |name| FileName::new(area, name);
        names.into_iter().map(name).collect()
    }

    /// Its files that hold what it keeps.
    pub fn files(&self) -> Vec<FileName> {
        let areas = [Area::Index, Area::Log, Area::Packs];
        areas.map(|area| self.names(area)).concat()
    }

    /// Number of files in an area.
    pub fn count(&self, area: Area) -> usize {
        self.names(area).len()
    }

    /// Number of bytes of its packs.
    pub fn used(&self) -> u64 {
        let size = |name: &FileName| self.backend.size(name).unwrap().unwrap();
        self.names(Area::Packs).iter().map(size).sum()
    }

    /// The bytes of a file.
    pub fn bytes(&self, name: &FileName) -> Vec<u8> {
        self.backend.read(name, 1 << 30).unwrap()
    }

    /// Makes a file of these bytes, or changes it.
    pub fn write(&self, name: &FileName, bytes: &[u8]) {
        let staged = stage_bytes(&*self.backend, name.area, "test", bytes).unwrap();
        staged.put(name).unwrap();
    }

    /// The same files in another store over the same backend.
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

/// The id of some bytes.
pub fn id(bytes: &[u8]) -> ObjectId {
    ObjectId(Digest::of(bytes))
}

/// The ids of some contents.
pub fn ids(contents: &[Vec<u8>]) -> BTreeSet<ObjectId> {
    contents.iter().map(|bytes| id(bytes)).collect()
}

/// A store on a file system.
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

/// Reads an object whole.
pub fn read(store: &ChunkStore, id: &ObjectId) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    store.read(id, &mut bytes).map(|_| bytes)
}

/// Collects; sessions are not waited for.
pub fn gc(store: &ChunkStore, roots: &BTreeSet<ObjectId>) -> Result<GcReport, Failure> {
    store.gc(&|| Ok(roots.clone()), GC, &|_| ())
}

/// How [`gc`] collects.
pub const GC: Gc = Gc {
    dry_run: false,
    patience: Duration::ZERO,
    seconds: 1,
};

/// Checks.
pub fn check(
    store: &ChunkStore,
    roots: &BTreeSet<ObjectId>,
    level: Level,
) -> Result<CheckReport, Failure> {
    store.check(
        roots,
        Check {
            level,
            budget: None,
            seconds: 1,
        },
        &|_| (),
    )
}

/// Repairs with what lies elsewhere.
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
