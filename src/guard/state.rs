//! The guard's memory: one file a task below `guard/` in the state folder, written whole, synced.
//!
//! Cooldowns, counts and what is under way must survive a kill and a power cut, so they are
//! written before anything is done. A memory that cannot be read is an error, never an empty one:
//! a guard that forgot its cooldown would fire again.

use std::{io, sync::Arc, time::Duration};

use super::Error;
use crate::{
    base::{
        Fs, RelPath,
        fs::{FileLock, Hold, create_dir_all, read_limited, write_durably},
    },
    model::{
        TaskId,
        guard::{GUARD_SCHEMA, GuardState},
    },
};

/// Largest memory that is read, in bytes.
const LIMIT: u64 = 64 << 20;

/// How often a lock is tried again.
const PATIENCE: u32 = 50;
/// The pause between two attempts.
const MOMENT: Duration = Duration::from_millis(10);

/// The memory of the guard.
#[derive(Clone)]
pub struct Memory {
    fs: Arc<dyn Fs>,
}

/// Its folder below the state folder.
fn folder() -> RelPath {
    RelPath::own("guard")
}

impl Memory {
    /// The memory below a state folder; nothing is read or made yet.
    pub fn new(state: Arc<dyn Fs>) -> Self {
        Self { fs: state }
    }

    /// What is known of a task.
    ///
    /// # Errors
    /// When there is something that cannot be read.
    pub fn load(&self, task: &TaskId) -> Result<GuardState, Error> {
        let bytes = match read_limited(&*self.fs, &path(task), LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(GuardState::new(task));
            }
            bytes => bytes.map_err(|error| Error::Io(task.clone(), error))?,
        };
        let damaged = |why: String| Error::Damaged(task.clone(), why);
        let state: GuardState =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if state.schema == GUARD_SCHEMA && state.task == *task {
            Ok(state)
        } else {
            Err(damaged("it is of something else".into()))
        }
    }

    /// Writes it, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, state: &GuardState) -> Result<(), Error> {
        let bytes = serde_json::to_vec(state).expect("because plain data always renders");
        let points = (crate::records::files::FILE, crate::records::files::DIR);
        let write = || {
            if !create_dir_all(&*self.fs, &folder(), 0o700)?.is_empty() {
                self.fs
                    .sync_dir(&RelPath::root(), crate::records::files::DIR)?;
            }
            write_durably(&*self.fs, &path(&state.task), &bytes, 0o600, points)
        };
        write().map_err(|error| Error::Io(state.task.clone(), error))
    }

    /// Keeps other guards from a task until dropped.
    ///
    /// # Errors
    /// When another one is at it.
    pub fn lock(&self, task: &TaskId) -> Result<FileLock, Error> {
        let failed = |error| Error::Io(task.clone(), error);
        self.take(&format!("{task}.held"))
            .map_err(failed)?
            .ok_or_else(|| Error::Held(task.clone()))
    }

    /// Keeps other running guards from this repository until dropped.
    ///
    /// # Errors
    /// When another one runs, or nothing can be written.
    pub fn lock_all(&self) -> Result<FileLock, Error> {
        self.take(".running")
            .map_err(Error::Memory)?
            .ok_or(Error::Running)
    }

    /// Takes a kernel lock.
    fn take(&self, name: &str) -> io::Result<Option<FileLock>> {
        create_dir_all(&*self.fs, &folder(), 0o700)?;
        soon(&*self.fs, &folder().join(name))
    }
}

/// Takes a kernel lock that is free, or will be in a moment: a program that another thread starts
/// holds every lock of its parent until it has begun.
pub(super) fn soon(fs: &dyn Fs, path: &RelPath) -> io::Result<Option<FileLock>> {
    for _ in 0..PATIENCE {
        if let Some(lock) = fs.lock(path, Hold::Exclusive, false)? {
            return Ok(Some(lock));
        }
        std::thread::sleep(MOMENT);
    }
    fs.lock(path, Hold::Exclusive, false)
}

/// The file of a task.
fn path(task: &TaskId) -> RelPath {
    folder().join(format!("{task}.json"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::base::Root;

    #[test]
    fn what_cannot_be_read_is_not_forgotten() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let memory = Memory::new(Arc::new(Root::open(dir.path()).expect("it opens")));
        let task: TaskId = "T01".parse().expect("it is an id");
        assert_eq!(
            memory.load(&task).expect("there is none"),
            GuardState::new(&task)
        );
        let state = GuardState {
            version: Some("1.2.0".parse().expect("it is one")),
            ..GuardState::new(&task)
        };
        memory.save(&state).expect("it writes");
        assert_eq!(memory.load(&task).expect("it reads"), state);
        let path = dir.path().join("guard/T01.json");
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(20))
            .expect("it cuts");
        assert!(matches!(memory.load(&task), Err(Error::Damaged(..))));
        let _lock = memory.lock(&task).expect("it is free");
        assert!(matches!(memory.lock(&task), Err(Error::Held(_))));
        memory
            .lock(&"T02".parse().expect("it is an id"))
            .expect("it is free");
    }
}
