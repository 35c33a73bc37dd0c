//! Small stores for tests: contents that look random, put and read back.
use std::{collections::BTreeSet, sync::Arc, time::Duration};

use snapback::{
    base::{Digest, Failure, Fs, RelPath},
    model::{
        ObjectId,
        store::{CheckReport, GcReport, RepairReport},
    },
    store::{Check, ChunkStore, Error, Gc, Lease, Level},
};

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
