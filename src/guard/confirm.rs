//! Rollbacks that wait to be confirmed: a file a task below `confirm/` in the state folder.
//!
//! The file is durable before the rollback begins. Whoever watches it holds a kernel lock, which
//! goes with its process: so that everybody sees whether somebody still does.

use std::{io, sync::Arc};

use super::{Error, state::soon};
use crate::{
    base::{
        Fs, RelPath,
        fs::{FileLock, Hold, create_dir_all, read_limited, write_durably},
    },
    model::{
        TaskId,
        confirm::{CONFIRM_SCHEMA, Pending},
    },
};

/// Largest record that is read, in bytes.
const LIMIT: u64 = 64 << 10;

/// The records.
#[derive(Clone)]
pub struct Confirmations {
    fs: Arc<dyn Fs>,
}

/// Their folder below the state folder.
fn folder() -> RelPath {
    RelPath::own("confirm")
}

/// The file of a task.
fn path(task: &TaskId) -> RelPath {
    folder().join(format!("{task}.json"))
}

impl Confirmations {
    /// The records below a state folder; nothing is read or made yet.
    pub fn new(state: Arc<dyn Fs>) -> Self {
        Self { fs: state }
    }

    /// The tasks that have one.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn tasks(&self) -> io::Result<Vec<TaskId>> {
        if self.fs.stat(&folder())?.is_none() {
            return Ok(Vec::new());
        }
        let names = self.fs.list(&folder())?;
        let task = |name: &Vec<u8>| {
            std::str::from_utf8(name)
                .ok()?
                .strip_suffix(".json")?
                .parse()
                .ok()
        };
        let mut tasks: Vec<TaskId> = names.iter().filter_map(task).collect();
        tasks.sort();
        Ok(tasks)
    }

    /// The record of a task.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    pub fn load(&self, task: &TaskId) -> Result<Option<Pending>, Error> {
        let bytes = match read_limited(&*self.fs, &path(task), LIMIT) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|error| Error::Io(task.clone(), error))?,
        };
        match serde_json::from_slice::<Pending>(&bytes) {
            Ok(pending) if pending.schema == CONFIRM_SCHEMA && pending.task == *task => {
                Ok(Some(pending))
            }
            Ok(_) => Err(Error::Unconfirmable(
                task.clone(),
                "it is of something else".into(),
            )),
            Err(error) => Err(Error::Unconfirmable(task.clone(), error.to_string())),
        }
    }

    /// Writes it, durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, pending: &Pending) -> Result<(), Error> {
        let bytes = serde_json::to_vec_pretty(pending).expect("because plain data always renders");
        let points = (crate::records::files::FILE, crate::records::files::DIR);
        let write = || {
            create_dir_all(&*self.fs, &folder(), 0o700)?;
            self.fs
                .sync_dir(&RelPath::root(), crate::records::files::DIR)?;
            write_durably(&*self.fs, &path(&pending.task), &bytes, 0o600, points)
        };
        write().map_err(|error| Error::Io(pending.task.clone(), error))
    }

    /// Removes it, durably; false when there was none.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(&self, task: &TaskId) -> Result<bool, Error> {
        let remove = || match self.fs.remove_file(&path(task)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
            Ok(()) => self
                .fs
                .sync_dir(&folder(), crate::records::files::DIR)
                .map(|()| true),
        };
        remove().map_err(|error| Error::Io(task.clone(), error))
    }

    /// Becomes the one who watches a task, until dropped; `None` when somebody does already.
    ///
    /// # Errors
    /// When it cannot be locked.
    pub fn watch(&self, task: &TaskId) -> Result<Option<FileLock>, Error> {
        let lock = self.fs.lock(
            &folder().join(format!("{task}.watched")),
            Hold::Exclusive,
            false,
        );
        lock.map_err(|error| Error::Io(task.clone(), error))
    }

    /// Becomes the one who ends the waiting, until dropped; `None` when somebody is at it.
    ///
    /// # Errors
    /// When it cannot be locked.
    pub fn end(&self, task: &TaskId) -> Result<Option<FileLock>, Error> {
        soon(&*self.fs, &folder().join(format!("{task}.held")))
            .map_err(|error| Error::Io(task.clone(), error))
    }
}
