//! Reads files into a session of the store: small ones in batches by all cores, large ones one
//! after the other, databases in use through a consistent copy.
//!
//! A file is accepted only when it looked the same before and after it was read; otherwise it is
//! read again, three times at most. Memory: a batch a core, whatever the number of files.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rayon::prelude::*;

use super::sqlite;
use crate::{
    base::{
        Failure, Fs, RelPath, Stat, Type, cancel,
        sqlite::{self as sqlite_files, MAGIC, side},
    },
    model::ObjectId,
    source::PathStat,
    stat_cache::same,
    store::{self, PutSession, StoredObject},
};

/// Limits of a batch: number of files, and of bytes.
const BATCH: (usize, u64) = (64, 4 << 20);
/// Files up to this size are read whole.
const SMALL: u64 = 8 << 20;
/// The name of the file that is locked while copies are made.
const LOCK: &str = "lock";
/// How often a file that changes is read.
const TRIES: usize = 3;

/// The outcome for a file.
#[derive(Debug, Clone)]
pub enum IntakeResult {
    /// It is in the session.
    Stored {
        /// Its bytes.
        object: ObjectId,
        /// Its state, equal before and after the read.
        stat: Stat,
        /// True for the copy of a database in use.
        database: bool,
    },
    /// It is no longer there.
    Gone,
    /// It could not be read.
    Failed(String),
}

/// The reader of files into a session.
pub struct FileIntake<'a> {
    /// The port through which the files are read.
    pub fs: &'a dyn Fs,
    /// The top of `fs` as a path, for SQLite.
    pub top: &'a Path,
    /// Where copies of databases in use are made; `None` takes every file as it is.
    pub copies: Option<PathBuf>,
    /// The session that receives the files.
    pub session: &'a PutSession,
    /// Called with the number of bytes that are done.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// How many bytes the store grew by.
    pub grown: AtomicU64,
}

/// A file that cannot be taken in, or a store that cannot take it.
enum ReadFailure {
    File(IntakeResult),
    /// It is not as it was seen: it has to be read again.
    Changed,
    Store(Failure),
}

impl From<io::Error> for ReadFailure {
    fn from(error: io::Error) -> Self {
        Self::File(if error.kind() == io::ErrorKind::NotFound {
            IntakeResult::Gone
        } else {
            IntakeResult::Failed(error.to_string())
        })
    }
}

impl From<store::Error> for ReadFailure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Read(error) => error.into(),
            other => Self::Store(other.into()),
        }
    }
}

/// Returns the outcome of a file; only the store's own failure is passed on as an error.
fn settle(result: Result<IntakeResult, ReadFailure>) -> Result<IntakeResult, Failure> {
    match result {
        Ok(got) | Err(ReadFailure::File(got)) => Ok(got),
        Err(ReadFailure::Changed) => Ok(IntakeResult::Failed(format!(
            "it changed {TRIES} times while it was read"
        ))),
        Err(ReadFailure::Store(failure)) => Err(failure),
    }
}

impl FileIntake<'_> {
    /// Takes files in; returns the outcome of each. They should be sorted: neighbours then lie
    /// beside each other in the store.
    pub fn take(&self, files: &[&PathStat]) -> Result<Vec<IntakeResult>, Failure> {
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for (nth, file) in files.iter().enumerate() {
            if file.in_use || file.stat.size > SMALL {
                large.push(nth);
            } else {
                small.push(nth);
            }
        }
        let mut got = vec![IntakeResult::Gone; files.len()];
        let batches = batches(files, &small);
        let done: Vec<_> = batches
            .par_iter()
            .with_max_len(1)
            .map_init(Vec::new, |buffer, batch| self.batch(files, batch, buffer))
            .collect();
        for (batch, done) in batches.iter().zip(done) {
            for (nth, one) in batch.iter().zip(done?) {
                got[*nth] = one;
            }
        }
        for nth in large {
            cancel::check()?;
            got[nth] = settle(self.one(files[nth]))?;
            // A file that was given up half-way does not count as a file that cannot be read.
            cancel::check()?;
            (self.progress)(files[nth].stat.size);
        }
        Ok(got)
    }

    /// Takes a batch of small files in.
    fn batch(
        &self,
        files: &[&PathStat],
        batch: &[usize],
        buffer: &mut Vec<u8>,
    ) -> Result<Vec<IntakeResult>, Failure> {
        cancel::check()?;
        buffer.clear();
        let mut read = Vec::with_capacity(batch.len());
        for nth in batch {
            let begin = buffer.len();
            let stat = self.read(files[*nth], buffer);
            if stat.is_err() {
                buffer.truncate(begin);
            }
            read.push((stat, begin..buffer.len()));
        }
        let contents: Vec<&[u8]> = read
            .iter()
            .filter(|(stat, _)| stat.is_ok())
            .map(|(_, range)| &buffer[range.clone()])
            .collect();
        let mut stored = self.session.put_small(&contents)?.into_iter();
        let mut got = Vec::with_capacity(batch.len());
        let mut bytes = 0;
        for (nth, (stat, range)) in batch.iter().zip(read) {
            bytes += range.len() as u64;
            got.push(match stat {
                Ok(stat) => self.stored(
                    &stored.next().expect("because each content was stored"),
                    stat,
                    false,
                ),
                // It grew, or keeps changing: it is read alone, with more tries.
                Err(ReadFailure::Changed) => settle(self.one(files[*nth]))?,
                Err(refusal) => settle(Err(refusal))?,
            });
        }
        (self.progress)(bytes);
        Ok(got)
    }

    /// Reads a small file once.
    fn read(&self, file: &PathStat, buffer: &mut Vec<u8>) -> Result<Stat, ReadFailure> {
        let after = self.fs.read_into(&file.path, file.stat.size, buffer)?;
        if same(&file.stat, &after) {
            Ok(after)
        } else {
            Err(ReadFailure::Changed)
        }
    }

    /// Takes one file in, however often it has to be read.
    fn one(&self, file: &PathStat) -> Result<IntakeResult, ReadFailure> {
        // A journal that was seen may be gone by now: its transaction is over, the next will come.
        let mut live = file.in_use || self.has_journal(&file.path);
        let mut before = file.stat;
        for _ in 0..TRIES {
            if let Some(copies) = self
                .copies
                .as_ref()
                .filter(|_| live && self.is_sqlite(&file.path))
            {
                match self.database(file, copies) {
                    Err(ReadFailure::File(IntakeResult::Gone)) => {}
                    other => return other,
                }
            }
            let stored = self
                .session
                .put(&mut cancel::Stoppable(self.fs.open(&file.path)?))?;
            let after = self
                .fs
                .stat(&file.path)?
                .ok_or(ReadFailure::File(IntakeResult::Gone))?;
            if same(&before, &after) && stored.size == after.size {
                return Ok(self.stored(&stored, after, false));
            }
            before = self
                .fs
                .stat(&file.path)?
                .filter(|stat| stat.kind == Type::File)
                .ok_or(ReadFailure::File(IntakeResult::Gone))?;
            live = true;
        }
        Err(ReadFailure::Changed)
    }

    /// Notes what was stored.
    fn stored(&self, stored: &StoredObject, stat: Stat, database: bool) -> IntakeResult {
        self.grown.fetch_add(stored.grown, Ordering::Relaxed);
        IntakeResult::Stored {
            object: stored.id,
            stat: Stat {
                size: stored.size,
                ..stat
            },
            database,
        }
    }

    /// Returns true for a database beside which SQLite keeps its log or journal.
    pub fn is_database(&self, path: &RelPath) -> bool {
        self.has_journal(path) && self.is_sqlite(path)
    }

    /// Returns true for a file beside which SQLite would find a log or journal.
    fn has_journal(&self, path: &RelPath) -> bool {
        sqlite_files::LIVE_ENDS
            .iter()
            .any(|end| matches!(self.fs.stat(&side(path, end)), Ok(Some(_))))
    }

    /// Returns true for a file that begins like a SQLite file.
    fn is_sqlite(&self, path: &RelPath) -> bool {
        let mut begin = [0; MAGIC.len()];
        self.fs
            .open(path)
            .is_ok_and(|mut file| file.read_exact(&mut begin).is_ok())
            && begin == *MAGIC
    }

    /// Takes the copy of a database in; `Gone` when its files have to be taken as they are.
    fn database(&self, file: &PathStat, copies: &Path) -> Result<IntakeResult, ReadFailure> {
        let _lock = enter(copies)?;
        let copy = tempfile::NamedTempFile::new_in(copies)?;
        match sqlite::copy(&self.top.join(file.path.as_os()), copy.path()) {
            Ok(()) => {}
            // A pair that no process writes to is as good as a copy: its owner rolls it back.
            Err(sqlite::Error::Unfinished) => return Err(ReadFailure::File(IntakeResult::Gone)),
            Err(error) => return Err(ReadFailure::File(IntakeResult::Failed(chain(&error)))),
        }
        let stored = self.session.put(&mut copy.reopen()?)?;
        Ok(self.stored(&stored, file.stat, true))
    }
}

/// Returns the text of an error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

/// Returns the right to make copies: a shared lock on the returned file. The only holder removes
/// what killed holders left behind.
fn enter(copies: &Path) -> io::Result<File> {
    std::fs::create_dir_all(copies)?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(copies.join(LOCK))?;
    if lock.try_lock().is_ok() {
        for entry in std::fs::read_dir(copies)? {
            let entry = entry?;
            if entry.file_name() != LOCK {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a scratch file outside every tree that the port guards"
                )]
                let _ = std::fs::remove_file(entry.path());
            }
        }
        lock.unlock()?;
    }
    lock.lock_shared()?;
    Ok(lock)
}

/// Splits files into batches.
fn batches(files: &[&PathStat], small: &[usize]) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut bytes = u64::MAX;
    for nth in small {
        let size = files[*nth].stat.size;
        match batches
            .last_mut()
            .filter(|batch| batch.len() < BATCH.0 && bytes.saturating_add(size) <= BATCH.1)
        {
            Some(batch) => {
                batch.push(*nth);
                bytes += size;
            }
            None => {
                batches.push(vec![*nth]);
                bytes = size;
            }
        }
    }
    batches
}
