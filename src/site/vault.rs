//! Where bytes and records are kept: store, state folder with journal and records, audit log, lock.
//! A repository has one below its git folder; any folder can be one.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    audit::Trail,
    base::{
        Fs, RelPath, Root,
        fs::create_dir_all,
        lock::{self, Holder, Lock},
    },
    store::ChunkStore,
};

/// Where bytes and records are kept. Clones are of the same vault.
#[derive(Clone)]
pub struct Vault {
    /// The state folder: journal, records and, below `store`, the store.
    pub state: Arc<dyn Fs>,
    /// Where that is.
    pub state_path: PathBuf,
    /// The store.
    pub store: Arc<ChunkStore>,
}

impl Vault {
    /// The vault of an opened state folder.
    pub fn new(state: Arc<dyn Fs>, state_path: PathBuf) -> Self {
        let store = Arc::new(ChunkStore::local(state.clone(), RelPath::own("store")));
        Self {
            state,
            state_path,
            store,
        }
    }

    /// Makes a folder a vault, private to its user; one that is a vault already stays as it is.
    ///
    /// # Errors
    /// When the folder is not there, or nothing can be made in it.
    pub fn init(folder: PathBuf) -> std::io::Result<Self> {
        let root = Root::open(&folder)?;
        create_dir_all(&root, &RelPath::own("ops"), 0o700)?;
        Ok(Self::new(Arc::new(root), folder))
    }

    /// Takes the lock of operations, waiting for at most this long.
    ///
    /// # Errors
    /// When somebody else has it.
    pub fn take_lock(&self, holder: &Holder, wait: Duration) -> Result<Lock, lock::Error> {
        Lock::take(&self.state_path.join("lock"), holder, wait)
    }

    /// The audit log.
    pub fn audit(&self) -> Trail {
        Trail::new(self.state.clone())
    }
}
