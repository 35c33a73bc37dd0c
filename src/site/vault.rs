//! The storage of bytes and records: store, state folder with journal and records, audit log, lock.
//! A repository has one below its git folder; any folder can be one.

use std::{path::PathBuf, sync::Arc, time::Duration};

use crate::{
    audit::Trail,
    base::{
        Fs, RelPath, Root, cancel,
        fs::create_dir_all,
        lock::{self, Holder, Lock},
    },
    store::ChunkStore,
};

/// The storage of bytes and records. Clones share the same vault.
#[derive(Clone)]
pub struct Vault {
    /// The state folder: journal, records and, below `store`, the store.
    pub state: Arc<dyn Fs>,
    /// The path of the state folder.
    pub state_path: PathBuf,
    /// The store.
    pub store: Arc<ChunkStore>,
}

impl Vault {
    /// Returns the vault in an opened state folder.
    pub fn new(state: Arc<dyn Fs>, state_path: PathBuf) -> Self {
        let store = Arc::new(ChunkStore::local(state.clone(), RelPath::own("store")));
        Self {
            state,
            state_path,
            store,
        }
    }

    /// Turns a folder into a vault, private to its user; an existing vault stays unchanged.
    ///
    /// # Errors
    /// Fails when the folder does not exist, or nothing can be created in it.
    pub fn init(folder: PathBuf) -> std::io::Result<Self> {
        let root = Root::open(&folder)?;
        create_dir_all(&root, &RelPath::own("ops"), 0o700)?;
        Ok(Self::new(Arc::new(root), folder))
    }

    /// Takes the operation lock, waiting at most `wait`.
    ///
    /// # Errors
    /// Fails when another process holds it.
    pub fn take_lock(&self, holder: &Holder, wait: Duration) -> Result<Lock, lock::Error> {
        cancel::end_by_itself();
        Lock::take(&self.state_path.join("lock"), holder, wait)
    }

    /// Returns the audit log.
    pub fn audit(&self) -> Trail {
        Trail::new(self.state.clone())
    }
}
