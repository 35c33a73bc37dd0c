//! Files whose bytes this process knows for certain, because it has watched them since it read or
//! wrote them: while nobody writes to them, they need not be read again, whatever their names are
//! now. Another process knows nothing of this: a recovery reads every file.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use crate::base::{Digest, RelPath, Stat, Type, Witness};

/// Size, in bytes, from which it pays to watch a file instead of reading it again.
pub const WORTH_WATCHING: u64 = 1 << 20;

/// The watched files, by device and inode.
#[derive(Default)]
pub struct WatchedFiles(Mutex<HashMap<(u64, u64), WatchedFile>>);

/// A file, the digest of its bytes, and what proves that it still has them.
struct WatchedFile {
    /// Where it will be, if this process wrote it.
    path: Option<RelPath>,
    witness: Box<dyn Witness>,
    digest: Digest,
}

impl WatchedFiles {
    /// Adds a file that has had this digest since before its witness was called, or was read
    /// entirely since.
    pub fn add(&self, path: Option<RelPath>, witness: Box<dyn Witness>, digest: Digest) {
        let Ok(stat) = witness.stat() else { return };
        if stat.size < WORTH_WATCHING {
            return;
        }
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let file = WatchedFile {
            path,
            witness,
            digest,
        };
        files.insert((stat.dev, stat.ino), file);
    }

    /// Returns the digest of the file with this device and inode; `None` when it is not watched, or
    /// somebody may have written to it.
    pub fn digest(&self, stat: &Stat) -> Option<Digest> {
        if stat.kind != Type::File || stat.size < WORTH_WATCHING {
            return None;
        }
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (stat.dev, stat.ino);
        let file = files.get(&key)?;
        if file.witness.is_unwritten() {
            return Some(file.digest);
        }
        files.remove(&key);
        None
    }

    /// Watches no file any longer, so that the space of those without a name is free.
    pub fn let_go(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// Returns the files that this process wrote.
    pub fn written(&self) -> Vec<(RelPath, Digest)> {
        let files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = files.values();
        written
            .filter_map(|file| Some((file.path.clone()?, file.digest)))
            .collect()
    }
}
