//! Writes what a restore plans: each file beside its place, checked, then renamed into it.
//!
//! Small files are written by all cores, thousands at a time, forced to the disk together and
//! only then renamed: no crash shows half a file under its name. Large ones use all cores
//! themselves. Blocks are shared with an equal file of the same restore where the file system
//! can (reflink); hard links are never made, for a later change would show in both.

mod batches;
mod clones;

use std::{
    collections::{BTreeSet, HashMap},
    io,
    sync::atomic::{AtomicU64, Ordering},
};

use rayon::prelude::*;

use super::{
    Error,
    plan::{Plan, Task},
};
use crate::{
    base::{Failure, Fs, Output, RelPath, SyncPoint, Type, cancel},
    model::{
        FileKind, FileRecord,
        backup::{RestoreReport, Trouble},
    },
    site::RepoSite,
    source::PathStat,
    stat_cache::same,
    store,
};
use clones::doubles;

/// The bytes of a file that is restored, before it gets its name.
pub const FILE: SyncPoint = SyncPoint::new("backup.file");
/// The folders in which names changed.
pub const DIR: SyncPoint = SyncPoint::new("backup.dir");
/// The places where a restore forces bytes to the disk; the tests skip one at a time.
pub const SYNC_POINTS: [SyncPoint; 2] = [FILE, DIR];

/// What the names of files being written begin with.
pub const TEMP: &[u8] = b".snapback-restore-";
/// Larger files are written one after the other.
const SMALL: u64 = 8 << 20;

/// Why a path was not restored.
#[derive(Debug, thiserror::Error)]
enum Miss {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("it was changed meanwhile, and is left as it is")]
    Changed,
}

/// The way out.
pub struct Writer<'a> {
    site: &'a RepoSite,
    fs: &'a dyn Fs,
    /// One call syncs all: there is one file system, and it can.
    together: bool,
    nth: AtomicU64,
    bytes: AtomicU64,
}

/// A file that is written, and not in its place yet.
struct Ready<'a> {
    task: Task<'a>,
    temp: RelPath,
}

impl<'a> Writer<'a> {
    /// Writes below a root.
    pub fn new(site: &'a RepoSite, fs: &'a dyn Fs, one_device: bool) -> Self {
        Self {
            site,
            fs,
            together: one_device,
            nth: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Does what is planned.
    pub fn run(
        &mut self,
        plan: &Plan<'_>,
        delete: bool,
        report: &mut RestoreReport,
    ) -> Result<(), Failure> {
        if self.together {
            // Asked before anything depends on the answer.
            self.together = self.fs.sync_all(FILE).is_ok();
        }
        for path in &plan.leftovers {
            let _ = self.fs.remove_file(path);
        }
        let mut dirs = BTreeSet::new();
        let tasks = self.make_folders(plan, &mut dirs, report);
        let total = tasks.iter().map(|task| size(task.record)).sum();
        self.site.work("restoring", total, true, || {
            self.write_all(plan, tasks, report)
        })?;
        self.touch(plan, report);
        let extra = plan.extra.iter().filter(|_| delete);
        for found in plan.beside.iter().chain(extra) {
            match self.remove(found) {
                Ok(()) => report.removed += 1,
                Err(miss) => self.miss(report, &found.path, &miss),
            }
            dirs.insert(found.path.parent());
        }
        for dir in plan.extra_folders.iter().filter(|_| delete) {
            // One that is not empty stays.
            if self.fs.remove_dir(dir).is_ok() {
                dirs.remove(dir);
                dirs.insert(dir.parent());
            }
        }
        report.bytes = self.bytes.load(Ordering::Relaxed);
        self.sync_names(plan, dirs)
    }

    /// Makes the folders that are missing; returns what can be written into them.
    fn make_folders<'p>(
        &self,
        plan: &Plan<'p>,
        dirs: &mut BTreeSet<RelPath>,
        report: &mut RestoreReport,
    ) -> Vec<Task<'p>> {
        let mut made: HashMap<RelPath, Result<(), String>> = HashMap::new();
        let mut tasks = Vec::with_capacity(plan.write.len());
        for task in &plan.write {
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
                Err(why) => report.failed.push(Trouble {
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
    fn write_all<'p>(
        &self,
        plan: &Plan<'p>,
        tasks: Vec<Task<'p>>,
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
            small.clear();
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
        debug_assert!(
            plan.write.len() >= small.len(),
            "because they come from there"
        );
        self.write_small(&small, report)
    }

    /// Writes large files, one after the other.
    fn write_large(&self, tasks: &[Task<'_>], report: &mut RestoreReport) -> Result<(), Failure> {
        for task in tasks {
            cancel::check()?;
            let temp = self.temp(&task.record.path);
            let written = self.write(task.record, &temp, true).and_then(|()| {
                self.place(&Ready {
                    task: *task,
                    temp: temp.clone(),
                })
            });
            if let Err(miss) = written {
                let _ = self.fs.remove_file(&temp);
                self.miss(report, &task.record.path, &miss);
            }
        }
        Ok(())
    }

    /// Writes a file or link under a temporary name. The store checks every byte on its way.
    fn write(&self, record: &FileRecord, temp: &RelPath, large: bool) -> Result<(), Miss> {
        if let Some(target) = record.target() {
            return Ok(self.fs.symlink(target, temp)?);
        }
        let Some(object) = record.location.object() else {
            return Ok(());
        };
        let mut file = if large {
            self.fs.create_bulk(temp, 0o600)?
        } else {
            self.fs.create(temp, 0o600)?
        };
        let n = self.site.store.read(object, &mut *file)?;
        if n != size(record) {
            return Err(
                io::Error::other("the listing gives it another size than the store").into(),
            );
        }
        self.dress(&mut *file, record, large)?;
        self.bytes.fetch_add(n, Ordering::Relaxed);
        self.site.progress(n);
        Ok(())
    }

    /// Gives a written file its mode and time, and syncs it unless that is done for many at once.
    fn dress(&self, file: &mut dyn Output, record: &FileRecord, alone: bool) -> io::Result<()> {
        file.set_mode(record.mode)?;
        if let Some(mtime) = record.mtime {
            file.set_mtime(mtime)?;
        }
        if alone || !self.together {
            file.sync(FILE)
        } else {
            Ok(())
        }
    }

    /// Renames a written file to its place, unless somebody changed what is there.
    fn place(&self, ready: &Ready<'_>) -> Result<(), Miss> {
        let path = &ready.task.record.path;
        match ready.task.now {
            Some(then) => {
                if !self.fs.stat(path)?.is_some_and(|now| same(&then, &now)) {
                    return Err(Miss::Changed);
                }
                Ok(self.fs.rename(&ready.temp, path)?)
            }
            None => match self.fs.rename_new(&ready.temp, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Miss::Changed),
                other => Ok(other?),
            },
        }
    }

    /// Sets mode and time of files whose bytes are right.
    fn touch(&self, plan: &Plan<'_>, report: &mut RestoreReport) {
        let touch = |task: &Task<'_>| -> Result<(), Miss> {
            let path = &task.record.path;
            if !self
                .fs
                .stat(path)?
                .zip(task.now)
                .is_some_and(|(now, then)| same(&then, &now))
            {
                return Err(Miss::Changed);
            }
            match self.fs.append(path) {
                Ok(mut file) => Ok(self.dress(&mut *file, task.record, false)?),
                // Not writable, or being run: a new file takes its place.
                Err(_) => {
                    let temp = self.temp(path);
                    let written = self.write(task.record, &temp, true).and_then(|()| {
                        self.place(&Ready {
                            task: *task,
                            temp: temp.clone(),
                        })
                    });
                    written.inspect_err(|_| drop(self.fs.remove_file(&temp)))
                }
            }
        };
        let done: Vec<_> = plan.touch.par_iter().with_min_len(16).map(touch).collect();
        for (task, done) in plan.touch.iter().zip(done) {
            if let Err(miss) = done {
                self.miss(report, &task.record.path, &miss);
            }
        }
    }

    /// Removes what was kept, if it is as it was.
    fn remove(&self, found: &PathStat) -> Result<(), Miss> {
        match self.fs.stat(&found.path)? {
            Some(now) if same(&found.stat, &now) || now.kind == Type::Symlink => {
                Ok(self.fs.remove_file(&found.path)?)
            }
            Some(_) => Err(Miss::Changed),
            None => Ok(()),
        }
    }

    /// Forces the names to the disk.
    fn sync_names(&self, plan: &Plan<'_>, dirs: BTreeSet<RelPath>) -> Result<(), Failure> {
        let synced = if self.together && !(dirs.is_empty() && plan.touch.is_empty()) {
            self.fs.sync_all(DIR)
        } else {
            dirs.into_iter()
                .collect::<Vec<_>>()
                .par_iter()
                .try_for_each(|dir| self.fs.sync_dir(dir, DIR))
        };
        synced.map_err(|error| Error::Sync(error).into())
    }

    /// Notes a path that was not restored.
    fn miss(&self, report: &mut RestoreReport, path: &RelPath, miss: &Miss) {
        if let Miss::Store(store::Error::Missing(_) | store::Error::Damaged { .. }) = miss {
            report.damaged += 1;
        }
        report.failed.push(Trouble {
            path: path.clone(),
            why: super::intake::chain(miss),
        });
    }

    /// A name beside a path that nobody uses.
    fn temp(&self, path: &RelPath) -> RelPath {
        let nth = self.nth.fetch_add(1, Ordering::Relaxed);
        path.parent()
            .join([TEMP, format!("{}-{nth}", std::process::id()).as_bytes()].concat())
    }
}

/// Number of bytes of a file; 0 for links and folders.
fn size(record: &FileRecord) -> u64 {
    if record.is_file() { record.size } else { 0 }
}
