//! Work-tree files that the store keeps, with their known digests.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Cache, FileState, KnownFile};
use crate::{
    base::{Digest, Fs, RelPath, Stat, Type, clock, times},
    model::ObjectId,
};

/// Smaller files that were changed a moment ago are read again rather than written back first.
const WORTH_WRITING_BACK: u64 = 1 << 20;

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

/// A file that is about to be read, of which every later change will show.
#[derive(Debug, Clone, Copy)]
pub struct WatchedFile {
    state: FileState,
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
        let top = top.filter(|_| self.trusts_ctime && self.tree.shows_maps());
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

    /// Prepares for a file to be read and remembered; `None` when a later change of it might not
    /// show in its metadata, also a change through a memory map.
    pub fn watch(&self, path: &RelPath) -> Option<WatchedFile> {
        let began = clock::of_files();
        let stat = self.tree.stat(path).ok().flatten()?;
        let state = FileState::from(&stat);
        let is_here = self.with(|opened| opened.cache.is_some() && stat.dev == opened.dev);
        if !is_here || stat.kind != Type::File || !state.is_settled(began) {
            return None;
        }
        let is_certain = times::is_written_back(state.mtime, state.ctime, began)
            || (state.size >= WORTH_WRITING_BACK && self.tree.write_back(path).is_ok());
        is_certain.then_some(WatchedFile { state })
    }

    /// Remembers the digest of a file that was read after [`KnownFiles::watch`].
    pub fn learn(&self, path: &RelPath, watched: Option<WatchedFile>, digest: Digest) {
        let Some(WatchedFile { state }) = watched else {
            return;
        };
        let now = self.tree.stat(path).ok().flatten();
        if now.is_none_or(|now| FileState::from(&now) != state) {
            return;
        }
        self.with(|opened| {
            let Some(cache) = &opened.cache else { return };
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
