//! Work-tree files that the store keeps, with their known digests.

use std::{
    collections::BTreeMap,
    io::Read,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{Cache, FileState, KnownFile, watched::WatchedFiles};
use crate::{
    base::{Digest, Fs, RelPath, Stat, Type, Witness, clock, times},
    model::ObjectId,
};

/// Number of bytes that take longer to read than a tick of the file system's clock.
const WORTH_WAITING: u64 = 16 << 20;

/// Entries not used for this many runs are forgotten.
const RUNS: u32 = 256;

/// Work-tree files that the store keeps, with their digests at the last read. Opened on first use.
pub struct KnownFiles {
    tree: Arc<dyn Fs>,
    state: Arc<dyn Fs>,
    folder: PathBuf,
    trusts_ctime: bool,
    opened: Mutex<Option<OpenCache>>,
    /// The files that this process watches.
    pub watched: WatchedFiles,
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

/// A file that is about to be read, and to which nobody writes meanwhile.
pub struct FileToRead {
    state: FileState,
    /// When it was looked at.
    began: (i64, u32),
    witness: Box<dyn Witness>,
}

impl FileToRead {
    /// Reads the file itself: its path may lead to another one for a moment, where a folder above
    /// it is moved.
    pub fn open(&self) -> Box<dyn Read + Send> {
        self.witness.open()
    }

    /// Returns the state of the file itself.
    pub fn stat(&self) -> std::io::Result<Stat> {
        self.witness.stat()
    }

    /// True when nobody has written to it since, and it is still at its path.
    fn is_as_it_was(&self, tree: &dyn Fs, path: &RelPath) -> bool {
        let is_same = |stat: &Stat| FileState::from(stat) == self.state;
        let there = tree.stat(path).ok().flatten();
        self.witness.is_unwritten() && there.as_ref().is_some_and(is_same)
    }
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
            watched: WatchedFiles::default(),
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

    /// Returns the digest of a file that this process watches, or whose metadata is unchanged since
    /// the last read.
    pub fn digest(&self, path: &RelPath, stat: &Stat) -> Option<Digest> {
        self.watched
            .digest(stat)
            .or_else(|| self.remembered(path, stat))
    }

    /// Returns the digest of a file whose metadata is unchanged since the last read.
    fn remembered(&self, path: &RelPath, stat: &Stat) -> Option<Digest> {
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

    /// Does [`KnownFiles::digest`] for a file that is to be replaced, with its state: it is watched
    /// from before its metadata is compared until the end of the operation.
    pub fn digest_from_now(&self, path: &RelPath) -> Option<(Stat, Digest)> {
        let witness = self.tree.witness(path).ok().flatten()?;
        let stat = witness.stat().ok()?;
        if self.tree.stat(path).ok().flatten() != Some(stat) {
            return None;
        }
        let digest = self.digest(path, &stat)?;
        self.watched.add(None, witness, digest);
        Some((stat, digest))
    }

    /// Prepares for a file to be read and remembered; `None` where somebody may write to it
    /// meanwhile.
    pub fn watch(&self, path: &RelPath) -> Option<FileToRead> {
        let began = clock::of_files();
        let witness = self.tree.witness(path).ok().flatten()?;
        let stat = witness.stat().ok()?;
        Some(FileToRead {
            state: FileState::from(&stat),
            began,
            witness,
        })
    }

    /// Remembers the digest of a file that was read by [`FileToRead::open`]; false when it is not
    /// as it was, or not at its path.
    pub fn learn(&self, path: &RelPath, read: &FileToRead, digest: Digest) -> bool {
        let is_as_it_was = read.is_as_it_was(&*self.tree, path);
        if is_as_it_was {
            self.remember(path, read.state, read.began, digest);
        }
        is_as_it_was
    }

    /// Does [`KnownFiles::learn`] for a file that is to be replaced: it is watched until the
    /// operation ends.
    pub fn learn_and_watch(&self, path: &RelPath, read: FileToRead, digest: Digest) -> bool {
        let is_as_it_was = self.learn(path, &read, digest);
        if is_as_it_was {
            self.watched.add(None, read.witness, digest);
        }
        is_as_it_was
    }

    /// Remembers the digest of a file in this state, if every change after `looked` will show.
    fn remember(&self, path: &RelPath, state: FileState, looked: (i64, u32), digest: Digest) {
        self.with(|opened| {
            let Some(cache) = &opened.cache else { return };
            if state.dev != opened.dev || !state.is_settled(looked) {
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

    /// Remembers the files that this process wrote and watched since. Waits for the end of the tick
    /// in which they got their names, if reading them again would take longer.
    fn remember_written(&self) {
        let written: Vec<(RelPath, Stat, Digest)> = self.written_now();
        let now = clock::of_files();
        let open = written.iter().filter_map(|(_, stat, _)| {
            let rest = times::until_settled(stat.mtime, stat.ctime, now)?;
            (!rest.is_zero()).then_some((stat.size, rest))
        });
        let (sizes, rests): (Vec<u64>, Vec<Duration>) = open.unzip();
        if sizes.iter().sum::<u64>() >= WORTH_WAITING {
            std::thread::sleep(rests.into_iter().max().unwrap_or_default());
        }
        let looked = clock::of_files();
        for (path, stat, digest) in self.written_now() {
            self.remember(&path, FileState::from(&stat), looked, digest);
        }
    }

    /// Returns the files that this process wrote and to which nobody has written since.
    fn written_now(&self) -> Vec<(RelPath, Stat, Digest)> {
        let written = self.watched.written().into_iter();
        let now = written.filter_map(|(path, digest)| {
            let stat = self.tree.stat(&path).ok().flatten()?;
            let is_watched = self.watched.digest(&stat) == Some(digest);
            is_watched.then_some((path, stat, digest))
        });
        now.collect()
    }

    /// Saves what was learned, for the next run, and watches no file any longer.
    ///
    /// # Errors
    /// Fails when it cannot be written: the next run reads the files again, and is still correct.
    pub fn save(&self) -> std::io::Result<()> {
        self.remember_written();
        self.watched.let_go();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Root;

    #[test]
    fn what_is_read_is_the_watched_file_wherever_its_path_leads() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let root = Arc::new(Root::open(dir.path()).expect("it opens"));
        for name in ["here", "there"] {
            root.create_dir(&RelPath::own(name), 0o700)
                .expect("it is made");
            let mut file = root.create(&RelPath::own(format!("{name}/file")), 0o600);
            let file = file.as_mut().expect("it is made");
            file.write_all(name.as_bytes()).expect("it is written");
        }
        let swap = || root.exchange(&RelPath::own("here"), &RelPath::own("there"));
        let known = KnownFiles::new(root.clone(), root.clone(), dir.path().into(), true);
        let path = RelPath::own("here/file");
        let Some(watched) = known.watch(&path) else {
            return println!("skipped: no lease on this file system");
        };
        let mut bytes = Vec::new();
        swap().expect("it can");
        assert!(!watched.is_as_it_was(&*root, &path), "another one is there");
        watched.open().read_to_end(&mut bytes).expect("it reads");
        swap().expect("it can");
        assert!(watched.is_as_it_was(&*root, &path) && bytes == b"here");
    }
}
