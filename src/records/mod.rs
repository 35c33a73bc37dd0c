//! Row 2, records: small texts that snapback keeps one at a time, each under a name in a folder.
//!
//! [`Records`] are JSON records of one type with a size limit and, where the format has one, a
//! schema. A saved record is durable when the call returns. [`RecordPort`] hides the storage: it
//! knows folders, names and locks but no files. [`RecordFiles`] implements the port over a folder
//! on disk, and [`PrivateFolder`] is one that only its owner may write to.
//!
//! Deliberately absent: the meaning of a record, and every message about it. The room that keeps
//! records defines what damage to them means, and decides whether one record may hide another.

pub mod files;
pub mod port;
pub mod private;

use std::{io, marker::PhantomData, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

pub use files::{RecordFiles, SYNC_POINTS};
pub use port::{LockWait, RecordLock, RecordPort};
pub use private::PrivateFolder;

/// The suffix of every JSON record's name; the rest is the record's key.
const JSON: &str = ".json";

/// Reasons why an existing record was not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system could not read it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Its content is not what belongs under its key.
    #[error("{0}")]
    Damaged(String),
}

/// A type stored as JSON records.
pub trait JsonRecord: Serialize + DeserializeOwned {
    /// Maximum size of a record, in bytes.
    const LIMIT: u64;
    /// The schema that every record names; `None` for a format without one.
    const SCHEMA: Option<&'static str> = None;
    /// True when records are also for human readers: written on several lines.
    const IS_PRETTY: bool = true;

    /// Returns the schema that this record names.
    fn schema(&self) -> Option<&str> {
        None
    }

    /// Returns true for a valid key of this record type.
    fn is_key(_key: &str) -> bool {
        true
    }

    /// Returns true when this record belongs under the key.
    fn belongs_to(&self, _key: &str) -> bool {
        true
    }

    /// Encodes the record as text.
    fn encode(&self) -> Vec<u8> {
        let text = if Self::IS_PRETTY {
            serde_json::to_vec_pretty(self)
        } else {
            serde_json::to_vec(self)
        };
        text.expect("because plain data always renders")
    }

    /// Decodes a record from text.
    ///
    /// # Errors
    /// Fails when it is not a record of this type; the error is a message.
    fn decode(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }
}

/// All records of a folder.
#[derive(Debug)]
pub struct RecordSet<T> {
    /// The readable records, each with its key, in the order of [`Records::list`].
    pub whole: Vec<(String, T)>,
    /// The damaged ones, which hide none of the others.
    pub damaged: Vec<(String, Error)>,
}

/// The JSON records of one type in one folder.
pub struct Records<'p, T> {
    port: Arc<dyn RecordPort + 'p>,
    folder: String,
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Records<'_, T> {
    fn clone(&self) -> Self {
        Self {
            port: self.port.clone(),
            folder: self.folder.clone(),
            of: PhantomData,
        }
    }
}

impl<'p, T: JsonRecord> Records<'p, T> {
    /// Returns the records of a folder, "" being the port's own folder. Reads and creates nothing.
    pub fn new(port: impl RecordPort + 'p, folder: impl Into<String>) -> Self {
        Self {
            port: Arc::new(port),
            folder: folder.into(),
            of: PhantomData,
        }
    }

    /// Loads the record of a key; `None` when there is none.
    ///
    /// # Errors
    /// Fails when it cannot be read, or does not belong under the key.
    pub fn load(&self, key: &str) -> Result<Option<T>, Error> {
        let text = self.port.read(&self.folder, &name_of(key), T::LIMIT)?;
        text.map(|text| read(key, &text)).transpose()
    }

    /// Saves a record, replacing an earlier one with the same key. Durable on return.
    ///
    /// # Errors
    /// Fails when it cannot be written; the earlier one is then unchanged.
    pub fn save(&self, key: &str, record: &T) -> io::Result<()> {
        self.port
            .write(&self.folder, &name_of(key), &record.encode())
    }

    /// Lists the keys that have a record, ordered by their leading numbers, then by text.
    ///
    /// # Errors
    /// Fails when the folder cannot be read.
    pub fn list(&self) -> io::Result<Vec<String>> {
        let names = self.port.names(&self.folder)?;
        let key = |name: String| {
            let key = name.strip_suffix(JSON)?;
            T::is_key(key).then(|| key.to_string())
        };
        let mut keys: Vec<String> = names.into_iter().filter_map(key).collect();
        // Numbers have leading zeros up to a fixed width, and can become wider.
        let digits = |key: &String| key.bytes().take_while(u8::is_ascii_digit).count();
        keys.sort_by(|a, b| (digits(a), a).cmp(&(digits(b), b)));
        Ok(keys)
    }

    /// Loads every record. One that is removed meanwhile is left out.
    ///
    /// # Errors
    /// Fails when the folder cannot be read.
    pub fn all(&self) -> io::Result<RecordSet<T>> {
        let (mut whole, mut damaged) = (Vec::new(), Vec::new());
        for key in self.list()? {
            match self.load(&key) {
                Ok(Some(record)) => whole.push((key, record)),
                Ok(None) => {}
                Err(error) => damaged.push((key, error)),
            }
        }
        Ok(RecordSet { whole, damaged })
    }

    /// Removes a record, durably; returns false when there was none.
    ///
    /// # Errors
    /// Fails when it exists and cannot be removed.
    pub fn remove(&self, key: &str) -> io::Result<bool> {
        Ok(self.port.remove(&self.folder, &[name_of(key)])? > 0)
    }

    /// Removes the first records in the order of [`Records::list`] until at most `most` are left;
    /// those for which `may_go` is false always stay.
    ///
    /// # Errors
    /// Fails when a record cannot be removed; the others are removed nevertheless.
    pub fn prune(&self, most: usize, may_go: impl Fn(&str) -> bool) -> io::Result<()> {
        let keys = self.list()?;
        let excess = keys.len().saturating_sub(most);
        let old = keys.iter().filter(|key| may_go(key)).take(excess);
        let names: Vec<String> = old.map(|key| name_of(key)).collect();
        self.port.remove(&self.folder, &names).map(drop)
    }

    /// Takes a named lock, released when the process ends; `None` when another process holds it.
    ///
    /// # Errors
    /// Fails when it cannot be created.
    pub fn lock(&self, name: &str, wait: LockWait) -> io::Result<Option<RecordLock>> {
        self.port.lock(&self.folder, name, wait)
    }
}

/// Returns the name of a key's record.
fn name_of(key: &str) -> String {
    format!("{key}{JSON}")
}

/// Decodes the text found under a key.
fn read<T: JsonRecord>(key: &str, text: &[u8]) -> Result<T, Error> {
    let record = T::decode(text).map_err(Error::Damaged)?;
    if record.schema() == T::SCHEMA && record.belongs_to(key) {
        Ok(record)
    } else {
        Err(Error::Damaged("it is of something else".into()))
    }
}

#[cfg(test)]
mod tests;
