//! Rollbacks that wait to be confirmed: a file for each task below `confirm/` in the state folder.
//!
//! The file is durable before the rollback begins. The process that watches it holds a kernel lock,
//! which ends with the process. So others can see whether the file is still watched.

use std::{io, sync::Arc};

use super::Error;
use crate::{
    base::Fs,
    model::{
        TaskId,
        confirm::{AwaitingConfirmation, CONFIRM_SCHEMA},
    },
    records::{self, JsonRecord, LockWait, RecordFiles, RecordLock, Records},
};

impl JsonRecord for AwaitingConfirmation {
    const LIMIT: u64 = 64 << 10;
    const SCHEMA: Option<&'static str> = Some(CONFIRM_SCHEMA);

    fn schema(&self) -> Option<&str> {
        Some(&self.schema)
    }

    fn is_key(key: &str) -> bool {
        key.parse::<TaskId>().is_ok()
    }

    fn belongs_to(&self, key: &str) -> bool {
        self.task.as_str() == key
    }
}

/// The records of rollbacks that wait to be confirmed.
#[derive(Clone)]
pub struct Confirmations {
    records: Records<'static, AwaitingConfirmation>,
}

impl Confirmations {
    /// Returns the records below a state folder, without reading or creating anything.
    pub fn new(state: Arc<dyn Fs>) -> Self {
        Self {
            records: Records::new(RecordFiles::new(state), "confirm"),
        }
    }

    /// Returns the tasks that have a record.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn tasks(&self) -> io::Result<Vec<TaskId>> {
        let keys = self.records.list()?;
        let mut tasks: Vec<TaskId> = keys.iter().filter_map(|key| key.parse().ok()).collect();
        tasks.sort();
        Ok(tasks)
    }

    /// Returns the record of a task.
    ///
    /// # Errors
    /// When the record exists and cannot be read.
    pub fn load(&self, task: &TaskId) -> Result<Option<AwaitingConfirmation>, Error> {
        self.records
            .load(task.as_str())
            .map_err(|error| match error {
                records::Error::Io(error) => Error::Io(task.clone(), error),
                records::Error::Damaged(why) => Error::Unconfirmable(task.clone(), why),
            })
    }

    /// Writes a record, durably.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn save(&self, pending: &AwaitingConfirmation) -> Result<(), Error> {
        self.records
            .save(pending.task.as_str(), pending)
            .map_err(|error| Error::Io(pending.task.clone(), error))
    }

    /// Removes a record, durably. Returns false when there was none.
    ///
    /// # Errors
    /// When the record exists and cannot be removed.
    pub fn remove(&self, task: &TaskId) -> Result<bool, Error> {
        self.records
            .remove(task.as_str())
            .map_err(|error| Error::Io(task.clone(), error))
    }

    /// Takes the lock for watching a task, until dropped; `None` when it is already held.
    ///
    /// # Errors
    /// When the lock cannot be taken.
    pub fn watch(&self, task: &TaskId) -> Result<Option<RecordLock>, Error> {
        self.records
            .lock(&format!("{task}.watched"), LockWait::No)
            .map_err(|error| Error::Io(task.clone(), error))
    }

    /// Takes the lock for ending the waiting, until dropped; `None` when it is already held.
    ///
    /// # Errors
    /// When the lock cannot be taken.
    pub fn end(&self, task: &TaskId) -> Result<Option<RecordLock>, Error> {
        self.records
            .lock(&format!("{task}.held"), LockWait::Moment)
            .map_err(|error| Error::Io(task.clone(), error))
    }
}
