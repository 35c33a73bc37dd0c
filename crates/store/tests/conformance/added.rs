//! An additional backend, which counts calls, over memory. A new backend needs only a file like
//! this and a line in `all`.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use store::backend::{Area, Backend, FileName, Input, Lease, LeaseOn, MemoryBackend, Upload};

use super::Made;

/// Keeps files in memory and counts the calls.
#[derive(Default)]
struct CountingBackend {
    files: MemoryBackend,
    calls: AtomicU64,
}

impl CountingBackend {
    fn count(&self) -> &MemoryBackend {
        self.calls.fetch_add(1, Ordering::Relaxed);
        &self.files
    }
}

impl Backend for CountingBackend {
    fn location(&self, name: &FileName) -> String {
        self.files.location(name)
    }

    fn prepare(&self) -> io::Result<()> {
        self.count().prepare()
    }

    fn size(&self, name: &FileName) -> io::Result<Option<u64>> {
        self.count().size(name)
    }

    fn open(&self, name: &FileName) -> io::Result<Box<dyn Input>> {
        self.count().open(name)
    }

    fn list(&self, area: Area) -> io::Result<Vec<String>> {
        self.count().list(area)
    }

    fn stage(&self, area: Area, owner: &str) -> io::Result<Box<dyn Upload>> {
        self.count().stage(area, owner)
    }

    fn remove(&self, name: &FileName) -> io::Result<()> {
        self.count().remove(name)
    }

    fn set_aside(&self, name: &FileName) -> io::Result<Option<FileName>> {
        self.count().set_aside(name)
    }

    fn barrier(&self, area: Area) -> io::Result<()> {
        self.count().barrier(area)
    }

    fn lease(&self, on: &LeaseOn, wait: bool) -> io::Result<Option<Lease>> {
        self.count().lease(on, wait)
    }
}

/// Creates an empty store in it.
pub fn made() -> Made {
    let backend: Arc<dyn Backend> = Arc::new(CountingBackend::default());
    Made {
        name: "counting",
        other: backend.clone(),
        backend,
        dir: None,
    }
}

#[test]
fn a_whole_store_works_in_it() {
    let backend = Arc::new(CountingBackend::default());
    let store = store::ChunkStore::new(backend.clone());
    let session = store.begin();
    let stored = session.put(&mut &b"bytes"[..]).unwrap();
    drop(session.commit().unwrap());
    let mut bytes = Vec::new();
    store.read(&stored.id, &mut bytes).unwrap();
    assert_eq!(bytes, b"bytes");
    assert!(backend.calls.load(Ordering::Relaxed) > 5, "it was asked");
}
