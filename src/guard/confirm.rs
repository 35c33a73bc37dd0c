//! Rollbacks that wait to be confirmed: a file a task below `confirm/` in the state folder.
//!
//! The file is durable before the rollback begins. Whoever watches it holds a kernel lock, which
//! goes with its process: so that everybody sees whether somebody still does.

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

/// The records.
#[derive(Clone)]
pub struct Confirmations {
    records: Records<'static, AwaitingConfirmation>,
}

impl Confirmations {
    /// The records below a state folder; nothing is read or made yet.
    pub fn new(state: Arc<dyn Fs>) -> Self {
        Self {
            records: Records::new(RecordFiles::new(state), "confirm"),
        }
    }

    /// The tasks that have one.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn tasks(&self) -> io::Result<Vec<TaskId>> {
        let keys = self.records.list()?;
        let mut tasks: Vec<TaskId> = keys.iter().filter_map(|key| key.parse().ok()).collect();
        tasks.sort();
        Ok(tasks)
    }

    /// The record of a task.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn load(&self, task: &TaskId) -> Result<Option<AwaitingConfirmation>, Error> {
        self.records
            .load(task.as_str())
            .map_err(|error| match error {
                records::Error::Io(error) => Error::Io(task.clone(), error),
                records::Error::Damaged(why) => Error::Unconfirmable(task.clone(), why),
            })
    }

    /// Writes it, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, pending: &AwaitingConfirmation) -> Result<(), Error> {
        self.records
            .save(pending.task.as_str(), pending)
            .map_err(|error| Error::Io(pending.task.clone(), error))
    }

    /// Removes it, durably; false when there was none.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(&self, task: &TaskId) -> Result<bool, Error> {
        self.records
            .remove(task.as_str())
            .map_err(|error| Error::Io(task.clone(), error))
    }

    /// Becomes the one who watches a task, until dropped; `None` when somebody does already.
    ///
    /// # Errors
    /// When it cannot be locked.
    pub fn watch(&self, task: &TaskId) -> Result<Option<RecordLock>, Error> {
        self.records
            .lock(&format!("{task}.watched"), LockWait::No)
            .map_err(|error| Error::Io(task.clone(), error))
    }

    /// Becomes the one who ends the waiting, until dropped; `None` when somebody is at it.
    ///
    /// # Errors
    /// When it cannot be locked.
    pub fn end(&self, task: &TaskId) -> Result<Option<RecordLock>, Error> {
        self.records
            .lock(&format!("{task}.held"), LockWait::Moment)
            .map_err(|error| Error::Io(task.clone(), error))
    }
}
