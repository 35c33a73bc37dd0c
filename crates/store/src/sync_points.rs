//! The places where the store syncs data to disk; the tests skip one at a time.

use base::SyncPoint;

/// The bytes of a pack of stored chunks, before it gets its name.
pub const PACK_FILE: SyncPoint = SyncPoint::new("store.pack-file");
/// The folder that holds the names of packs.
pub const PACK_DIR: SyncPoint = SyncPoint::new("store.pack-dir");
/// The bytes of an index file, before it gets its name.
pub const INDEX_FILE: SyncPoint = SyncPoint::new("store.index-file");
/// The folder that holds the names of index files.
pub const INDEX_DIR: SyncPoint = SyncPoint::new("store.index-dir");
/// The bytes of a record of the commit log, before it gets its name.
pub const COMMIT_FILE: SyncPoint = SyncPoint::new("store.commit-file");
/// The folder that holds the records of the commit log; syncing it makes a session durable.
pub const COMMIT_DIR: SyncPoint = SyncPoint::new("store.commit-dir");

/// All sync points of the store.
pub const SYNC_POINTS: [SyncPoint; 6] = [
    PACK_FILE,
    PACK_DIR,
    INDEX_FILE,
    INDEX_DIR,
    COMMIT_FILE,
    COMMIT_DIR,
];
