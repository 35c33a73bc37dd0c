//! The guard's memory: a file for each task in `guard/` of the state folder, written whole, synced.
//!
//! Cooldowns, counts and actions under way must survive a kill and a power cut, so they are
//! written before anything is done. A memory that cannot be read is an error, never an empty one:
//! a guard that forgot its cooldown would fire again.

use std::{io, sync::Arc};

use super::Error;
use crate::{
    base::Fs,
    model::{
        TaskId,
        guard::{GUARD_SCHEMA, GuardState},
    },
    records::{self, JsonRecord, LockWait, RecordFiles, RecordLock, Records},
};

impl JsonRecord for GuardState {
    const LIMIT: u64 = 64 << 20;
    const SCHEMA: Option<&'static str> = Some(GUARD_SCHEMA);
    const IS_PRETTY: bool = false;

    fn schema(&self) -> Option<&str> {
        Some(&self.schema)
    }

    fn belongs_to(&self, key: &str) -> bool {
        self.task.as_str() == key
    }
}

/// The memory of the guard.
#[derive(Clone)]
pub struct Memory {
    records: Records<'static, GuardState>,
}

impl Memory {
    /// Returns the memory below a state folder, without reading or creating anything.
    pub fn new(state: Arc<dyn Fs>) -> Self {
        Self {
            records: Records::new(RecordFiles::new(state), "guard"),
        }
    }

    /// Returns the memory of a task.
    ///
    /// # Errors
    /// When the memory exists and cannot be read.
    pub fn load(&self, task: &TaskId) -> Result<GuardState, Error> {
        match self.records.load(task.as_str()) {
            Ok(state) => Ok(state.unwrap_or_else(|| GuardState::new(task))),
            Err(records::Error::Io(error)) => Err(Error::Io(task.clone(), error)),
            Err(records::Error::Damaged(why)) => Err(Error::Damaged(task.clone(), why)),
        }
    }

    /// Writes the memory of a task, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, state: &GuardState) -> Result<(), Error> {
        self.records
            .save(state.task.as_str(), state)
            .map_err(|error| Error::Io(state.task.clone(), error))
    }

    /// Locks a task against other guards until dropped.
    ///
    /// # Errors
    /// When another guard holds the task.
    pub fn lock(&self, task: &TaskId) -> Result<RecordLock, Error> {
        let failed = |error| Error::Io(task.clone(), error);
        self.take(&format!("{task}.held"))
            .map_err(failed)?
            .ok_or_else(|| Error::Held(task.clone()))
    }

    /// Locks this repository against other running guards until dropped.
    ///
    /// # Errors
    /// When another guard runs, or nothing can be written.
    pub fn lock_all(&self) -> Result<RecordLock, Error> {
        self.take(".running")
            .map_err(Error::Memory)?
            .ok_or(Error::Running)
    }

    fn take(&self, name: &str) -> io::Result<Option<RecordLock>> {
        self.records.lock(name, LockWait::Moment)
    }
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
