//! Restores file by file: each file is written beside its place, checked, then renamed into it.
//!
//! Small files are written by all cores, thousands at a time, forced to the disk together and only
//! then renamed, so no crash shows half a file under its name. Each large file uses all cores.
//! Blocks are shared with an equal file of the same work where the file system can (reflink). Hard
//! links are never made, because a later change would show in both files.

mod batches;
mod clones;

use std::{
    collections::{BTreeSet, HashMap},
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use rayon::prelude::*;

use super::{
    Error, leftovers,
    write::{self, Counting, FileOptions, WriteError},
};
use crate::{
    base::{Digest, Failure, Fs, RelPath, Stat, SyncPoint, Type, Witness, cancel},
    model::{
        FileKind, FileRecord,
        backup::{PathTrouble, RestoreReport},
    },
    site::Bytes,
    stat_cache::same,
    store,
};
use clones::doubles;

/// Size limit of a small file, in bytes; larger files are written one after the other.
const SMALL: u64 = 8 << 20;

/// A file or link to be written.
#[derive(Debug, Clone, Copy)]
pub struct AsideTask<'a> {
    /// The content to be written.
    pub record: &'a FileRecord,
    /// The present state of the path.
    pub now: Option<Stat>,
}

/// A file that was read, and to which nobody writes unnoticed from then on.
pub struct SeenFile {
    /// The digest of its bytes.
    pub digest: Digest,
    /// What proves that it still has them.
    pub witness: Box<dyn Witness>,
}

/// Files that were read, by path.
pub type SeenFiles = HashMap<RelPath, SeenFile>;

/// The work to be done below a folder.
pub struct Work<'a> {
    /// Paths to be written.
    pub write: &'a [AsideTask<'a>],
    /// Files of which only the mode or the time is wrong.
    pub touch: &'a [AsideTask<'a>],
    /// Files and links to be removed if they are still as they were seen.
    pub remove: Vec<(&'a RelPath, &'a Stat)>,
    /// Folders to be removed if they are empty by then, deepest first.
    pub remove_folders: &'a [RelPath],
    /// Leftovers of an earlier run that was killed.
    pub leftovers: &'a [RelPath],
    /// True when everything below the folder is on one file system.
    pub one_device: bool,
    /// Files to be overwritten that were not read again when they were kept.
    pub seen: &'a SeenFiles,
}

impl Work<'_> {
    /// Returns the number of bytes to be written.
    pub fn bytes(&self) -> u64 {
        self.write.iter().map(|task| size(task.record)).sum()
    }
}

/// The reason why a path was not written.
enum Miss {
    Io(io::Error),
    Bytes(Failure),
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<WriteError> for Miss {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::File { source, .. } => Self::Io(source),
            WriteError::Bytes(failure) => Self::Bytes(failure),
        }
    }
}

/// Returns the miss for a path that another process changed first.
fn changed() -> Miss {
    Miss::Io(io::Error::other(
        "it was changed meanwhile, and is left as it is",
    ))
}

/// The writer below a root, file by file.
pub struct Aside<'a> {
    fs: &'a dyn Fs,
    from: &'a dyn Bytes,
    /// The sync points of files and of folders.
    syncs: (SyncPoint, SyncPoint),
    progress: &'a (dyn Fn(u64) + Sync),
    /// True when one call syncs all: there is one file system, and it supports that.
    together: bool,
    seen: Option<&'a SeenFiles>,
    nth: AtomicU64,
    bytes: AtomicU64,
}

/// A file that is written but not yet in its place.
struct WrittenFile<'a> {
    task: AsideTask<'a>,
    temp: RelPath,
}

impl<'a> Aside<'a> {
    /// Creates the writer below the root of a port. `from` proves bytes as it reads them;
    /// `progress` is told of the bytes.
    pub fn new(
        fs: &'a dyn Fs,
        from: &'a dyn Bytes,
        syncs: (SyncPoint, SyncPoint),
        progress: &'a (dyn Fn(u64) + Sync),
    ) -> Self {
        Self {
            fs,
            from,
            syncs,
            progress,
            together: false,
            seen: None,
            nth: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Does the work. One bad file does not stop the others.
    ///
    /// # Errors
    /// When the written files cannot be forced to the disk, or the run was stopped.
    pub fn run(mut self, work: &Work<'a>, report: &mut RestoreReport) -> Result<(), Failure> {
        self.seen = Some(work.seen);
        // Tested before anything depends on the answer.
        self.together = work.one_device && self.fs.sync_all(self.syncs.0).is_ok();
        for path in work.leftovers {
            let _ = self.fs.remove_file(path);
        }
        let mut dirs = BTreeSet::new();
        let tasks = self.make_folders(work, &mut dirs, report);
        self.write_all(tasks, report)?;
        self.touch(work, report);
        for (path, then) in &work.remove {
            match self.remove(path, then) {
                Ok(()) => report.removed += 1,
                Err(miss) => note(report, path, &miss),
            }
            dirs.insert(path.parent());
        }
        for dir in work.remove_folders {
            // A folder that is not empty stays.
            if self.fs.remove_dir(dir).is_ok() {
                dirs.remove(dir);
                dirs.insert(dir.parent());
            }
        }
        report.bytes = self.bytes.load(Ordering::Relaxed);
        self.sync_names(work, dirs)
    }

    /// Makes the missing folders; returns the tasks that can be written into them.
    fn make_folders<'p>(
        &self,
        work: &Work<'p>,
        dirs: &mut BTreeSet<RelPath>,
        report: &mut RestoreReport,
    ) -> Vec<AsideTask<'p>> {
        let mut made: HashMap<RelPath, Result<(), String>> = HashMap::new();
        let mut tasks = Vec::with_capacity(work.write.len());
        for task in work.write {
            let is_folder = task.record.kind == FileKind::Folder;
            let dir = if is_folder {
                task.record.path.clone()
            } else {
                task.record.path.parent()
            };
            let known = made.contains_key(&dir);
            let ready = made.entry(dir.clone()).or_insert_with(|| {
                let created = crate::base::fs::create_dir_all(self.fs, &dir, 0o777)
                    .map_err(|error| error.to_string())?;
                dirs.extend(created.iter().map(RelPath::parent));
                Ok(())
            });
            match ready {
                Err(why) => report.failed.push(PathTrouble {
                    path: task.record.path.clone(),
                    why: why.clone(),
                }),
                Ok(()) if is_folder => {}
                Ok(()) => {
                    tasks.push(*task);
                    if !known {
                        dirs.insert(dir);
                    }
                }
            }
        }
        tasks
    }

    /// Writes all files and links.
    fn write_all(
        &self,
        tasks: Vec<AsideTask<'_>>,
        report: &mut RestoreReport,
    ) -> Result<(), Failure> {
        let (later, tasks) = doubles(tasks);
        let (large, mut small): (Vec<_>, Vec<_>) = tasks
            .into_iter()
            .partition(|task| size(task.record) > SMALL);
        let firsts = report.failed.len();
        self.write_large(&large, report)?;
        if !later.is_empty() {
            self.write_small(&small, report)?;
            let failed: BTreeSet<RelPath> = report.failed[firsts..]
                .iter()
                .map(|trouble| trouble.path.clone())
                .collect();
            let rest = self.clone_all(later, &failed, report);
            let (large, rest): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|task| size(task.record) > SMALL);
            self.write_large(&large, report)?;
            small = rest;
        }
        self.write_small(&small, report)
    }

    /// Writes large files, one after the other.
    fn write_large(
        &self,
        tasks: &[AsideTask<'_>],
        report: &mut RestoreReport,
    ) -> Result<(), Failure> {
        for task in tasks {
            cancel::check()?;
            if let Err(miss) = self.write_one(task) {
                note(report, &task.record.path, &miss);
            }
        }
        Ok(())
    }

    /// Writes one file or link, synced by itself, and puts it in its place.
    fn write_one(&self, task: &AsideTask<'_>) -> Result<(), Miss> {
        let ready = WrittenFile {
            task: *task,
            temp: self.temp(&task.record.path),
        };
        self.write(task.record, &ready.temp, true)
            .and_then(|()| self.place(&ready))
            .inspect_err(|_| drop(self.fs.remove_file(&ready.temp)))
    }

    /// Writes a file or link under a temporary name. The store checks every byte on its way.
    fn write(&self, record: &FileRecord, temp: &RelPath, alone: bool) -> Result<(), Miss> {
        if record.is_link() {
            return Ok(write::link(self.fs, temp, (record, self.from))?);
        }
        let how = FileOptions {
            is_bulk: alone,
            ..self.how(record, alone)
        };
        let n = write::create(self.fs, temp, &how, |into| {
            let mut into = Counting { into, count: 0 };
            self.from.copy(record, &mut into)?;
            Ok(into.count)
        })?;
        if n != record.size {
            let why = "the listing gives it another size than the store";
            return Err(io::Error::other(why).into());
        }
        self.bytes.fetch_add(n, Ordering::Relaxed);
        (self.progress)(n);
        Ok(())
    }

    /// Returns how a file is written; a file that is not `alone` is synced with many others.
    fn how(&self, record: &FileRecord, alone: bool) -> FileOptions {
        FileOptions {
            sync: (alone || !self.together).then_some(self.syncs.0),
            ..FileOptions::of(record)
        }
    }

    /// Renames a written file to its place, unless that place was changed in the meantime.
    fn place(&self, ready: &WrittenFile<'_>) -> Result<(), Miss> {
        let path = &ready.task.record.path;
        match ready.task.now {
            Some(then) => {
                let is_same = self.fs.stat(path)?.is_some_and(|now| same(&then, &now));
                let seen = self.seen.and_then(|seen| seen.get(path));
                if !is_same || seen.is_some_and(|seen| !seen.witness.is_unwritten()) {
                    return Err(changed());
                }
                Ok(self.fs.rename(&ready.temp, path)?)
            }
            None => match self.fs.rename_new(&ready.temp, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(changed()),
                other => Ok(other?),
            },
        }
    }

    /// Sets mode and time of files whose bytes are right.
    fn touch(&self, work: &Work<'_>, report: &mut RestoreReport) {
        let touch = |task: &AsideTask<'_>| -> Result<(), Miss> {
            let path = &task.record.path;
            if !self
                .fs
                .stat(path)?
                .zip(task.now)
                .is_some_and(|(now, then)| same(&then, &now))
            {
                return Err(changed());
            }
            match self.fs.append(path) {
                Ok(mut file) => Ok(self.how(task.record, false).finish(&mut *file)?),
                // The file is not writable, or is being run: a new file takes its place.
                Err(_) => self.write_one(task),
            }
        };
        let touched: Vec<_> = work.touch.par_iter().with_min_len(16).map(touch).collect();
        for (task, touched) in work.touch.iter().zip(touched) {
            if let Err(miss) = touched {
                note(report, &task.record.path, &miss);
            }
        }
    }

    /// Removes a file that was kept in the store, if it is unchanged.
    fn remove(&self, path: &RelPath, then: &Stat) -> Result<(), Miss> {
        match self.fs.stat(path)? {
            Some(now) if same(then, &now) || now.kind == Type::Symlink => {
                Ok(self.fs.remove_file(path)?)
            }
            Some(_) => Err(changed()),
            None => Ok(()),
        }
    }

    /// Forces the names to the disk.
    fn sync_names(&self, work: &Work<'_>, dirs: BTreeSet<RelPath>) -> Result<(), Failure> {
        let synced = if self.together && !(dirs.is_empty() && work.touch.is_empty()) {
            self.fs.sync_all(self.syncs.1)
        } else {
            dirs.into_iter()
                .collect::<Vec<_>>()
                .par_iter()
                .try_for_each(|dir| self.fs.sync_dir(dir, self.syncs.1))
        };
        synced.map_err(|error| Error::Sync(error).into())
    }

    /// Returns an unused name beside a path.
    fn temp(&self, path: &RelPath) -> RelPath {
        leftovers::aside(path, self.nth.fetch_add(1, Ordering::Relaxed))
    }
}

/// Notes a path that was not written.
fn note(report: &mut RestoreReport, path: &RelPath, miss: &Miss) {
    let why = match miss {
        Miss::Io(error) => error.to_string(),
        Miss::Bytes(failure) => failure.to_string(),
    };
    if let Miss::Bytes(failure) = miss
        && let Some(store::Error::Missing(_) | store::Error::Damaged { .. }) = failure.find_cause()
    {
        report.damaged += 1;
    }
    report.failed.push(PathTrouble {
        path: path.clone(),
        why,
    });
}

/// Returns the number of bytes of a file; 0 for links and folders.
fn size(record: &FileRecord) -> u64 {
    if record.is_file() { record.size } else { 0 }
}
