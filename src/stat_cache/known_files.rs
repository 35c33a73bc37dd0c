//! Work-tree files that the store keeps, with their known digests.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Cache, FileState, KnownFile};
use crate::{
    base::{Digest, Fs, RelPath, Stat, Type, times},
    model::ObjectId,
};

/// Entries not used for this many runs are forgotten.
const RUNS: u32 = 256;

/// Work-tree files that the store keeps, with their digests at the last read. Opened on first use.
pub struct KnownFiles {
    tree: Arc<dyn Fs>,
    state: Arc<dyn Fs>,
    folder: PathBuf,
    trusts_ctime: bool,
    opened: Mutex<Option<OpenCache>>,
}

/// The opened cache, and what was learned since.
struct OpenCache {
    /// `None` where file metadata proves nothing.
    cache: Option<Cache>,
    /// The device of the work tree: on others, times may be coarse.
    dev: u64,
    files: BTreeMap<RelPath, (FileState, KnownFile)>,
    is_changed: bool,
}

impl KnownFiles {
    /// Returns the known files of the work tree in a folder, stored below a state folder.
    /// `trusts_ctime` says whether change times are meaningful there.
    pub fn new(tree: Arc<dyn Fs>, state: Arc<dyn Fs>, folder: PathBuf, trusts_ctime: bool) -> Self {
        Self {
            tree,
            state,
            folder,
            trusts_ctime,
            opened: Mutex::default(),
        }
    }

    /// Runs a function on the opened cache.
    fn with<T>(&self, run: impl FnOnce(&mut OpenCache) -> T) -> T {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        run(opened.get_or_insert_with(|| self.open()))
    }

    fn open(&self) -> OpenCache {
        let top = self.tree.stat(&RelPath::root()).ok().flatten();
        let top = top.filter(|_| self.trusts_ctime && times::are_fine_at(&self.folder));
        let cache = top.map(|top| Cache::of(&*self.state, "work tree", &self.folder, &top));
        let mut files = BTreeMap::new();
        let read = cache.as_ref().map(|cache| {
            cache.each(|path, state, known| {
                if let Ok(path) = RelPath::parse(path) {
                    files.insert(path, (state, known));
                }
            })
        });
        if matches!(read, Some(Err(_))) {
            files.clear();
        }
        OpenCache {
            cache,
            dev: top.map_or(0, |top| top.dev),
            files,
            is_changed: false,
        }
    }

    /// Returns the digest of a file whose metadata is unchanged since the last read.
    pub fn digest(&self, path: &RelPath, stat: &Stat) -> Option<Digest> {
        self.with(|opened| {
            let run = opened.cache.as_ref()?.run;
            let (state, known) = opened.files.get_mut(path)?;
            if stat.kind != Type::File || *state != FileState::from(stat) {
                return None;
            }
            known.verified = run;
            Some(known.object.0)
        })
    }

    /// Remembers the digest of a file: `stat` is its metadata before and after reading, `began` the
    /// time reading began.
    pub fn learn(&self, path: &RelPath, (stat, began): (&Stat, (i64, u32)), digest: Digest) {
        let state = FileState::from(stat);
        self.with(|opened| {
            let Some(cache) = &opened.cache else { return };
            if stat.kind != Type::File || stat.dev != opened.dev || !state.is_settled(began) {
                return;
            }
            let known = KnownFile {
                object: ObjectId(digest),
                verified: cache.run,
            };
            opened.files.insert(path.clone(), (state, known));
            opened.is_changed = true;
        });
    }

    /// Saves what was learned, for the next run.
    ///
    /// # Errors
    /// Fails when it cannot be written: the next run reads the files again, and is still correct.
    pub fn save(&self) -> std::io::Result<()> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(opened) = opened.as_mut().filter(|opened| opened.is_changed) else {
            return Ok(());
        };
        let Some(cache) = &opened.cache else {
            return Ok(());
        };
        let files = opened.files.iter();
        let files: Vec<_> = files
            .filter(|(_, (_, known))| cache.run.wrapping_sub(known.verified) < RUNS)
            .map(|(path, (state, known))| (path, *state, *known))
            .collect();
        cache.write(&*self.state, &files)?;
        opened.is_changed = false;
        Ok(())
    }
}
