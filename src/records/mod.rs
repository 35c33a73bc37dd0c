//! Row 2, records: small texts that snapback keeps one at a time, each under a name in a folder.
//!
//! [`Records`] are JSON records of one type with a limit and, where the format has one, a schema.
//! Whatever is saved is durable when the call returns. Where records lie is behind [`RecordPort`],
//! which knows folders, names and locks but no files; [`RecordFiles`] is the port over a folder of
//! the disk, [`PrivateFolder`] one that only its owner may write to.
//!
//! Deliberately absent: what a record means, and every sentence about it. A room that keeps
//! records says what their damage is to it, and decides whether one record may hide another.

pub mod files;
pub mod port;
pub mod private;

use std::{io, marker::PhantomData, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

pub use files::{RecordFiles, SYNC_POINTS};
pub use port::{LockWait, RecordLock, RecordPort};
pub use private::PrivateFolder;

/// The end of the name of every JSON record; what is before it is the record's key.
const JSON: &str = ".json";

/// Why a record that is there was not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system could not read it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not what is kept under its key.
    #[error("{0}")]
    Damaged(String),
}

/// A type that is kept as JSON records.
pub trait JsonRecord: Serialize + DeserializeOwned {
    /// Largest record that is read, in bytes.
    const LIMIT: u64;
    /// The schema that every record names; `None` for a format without one.
    const SCHEMA: Option<&'static str> = None;
    /// True when a record is written for people too, over many lines.
    const IS_PRETTY: bool = true;

    /// The schema that this record names.
    fn schema(&self) -> Option<&str> {
        None
    }

    /// True for a key that a record of this type can have.
    fn is_key(_key: &str) -> bool {
        true
    }

    /// True when this is the record of that key.
    fn belongs_to(&self, _key: &str) -> bool {
        true
    }

    /// Its text.
    fn encode(&self) -> Vec<u8> {
        let text = if Self::IS_PRETTY {
            serde_json::to_vec_pretty(self)
        } else {
            serde_json::to_vec(self)
        };
        text.expect("because plain data always renders")
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When it is no record of this type, in words.
    fn decode(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }
}

/// All records of a folder.
#[derive(Debug)]
pub struct RecordSet<T> {
    /// Those that can be read, each with its key, in the order of [`Records::list`].
    pub whole: Vec<(String, T)>,
    /// The others: they hide none of the rest.
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
    /// The records of a folder; the empty name is the port's own folder. Nothing is read or made.
    pub fn new(port: impl RecordPort + 'p, folder: impl Into<String>) -> Self {
        Self {
            port: Arc::new(port),
            folder: folder.into(),
            of: PhantomData,
        }
    }

    /// The record of a key; `None` when there is none.
    ///
    /// # Errors
    /// When there is one that cannot be read, or is of something else.
    pub fn load(&self, key: &str) -> Result<Option<T>, Error> {
        let text = self.port.read(&self.folder, &name_of(key), T::LIMIT)?;
        text.map(|text| read(key, &text)).transpose()
    }

    /// Keeps a record in place of the one that the key had. Durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written; the earlier one is still there then.
    pub fn save(&self, key: &str, record: &T) -> io::Result<()> {
        self.port
            .write(&self.folder, &name_of(key), &record.encode())
    }

    /// The keys that have a record. Numbers at their beginning order them, then their texts.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> io::Result<Vec<String>> {
        let names = self.port.names(&self.folder)?;
        let key = |name: String| {
            let key = name.strip_suffix(JSON)?;
            T::is_key(key).then(|| key.to_string())
        };
        let mut keys: Vec<String> = names.into_iter().filter_map(key).collect();
        // Numbers are written with leading zeros up to a width, and grow wider after it.
        let digits = |key: &String| key.bytes().take_while(u8::is_ascii_digit).count();
        keys.sort_by(|a, b| (digits(a), a).cmp(&(digits(b), b)));
        Ok(keys)
    }

    /// Every record. One that is removed meanwhile is left out.
    ///
    /// # Errors
    /// When the folder cannot be read.
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

    /// Removes a record, durably; false when there was none.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn remove(&self, key: &str) -> io::Result<bool> {
        Ok(self.port.remove(&self.folder, &[name_of(key)])? > 0)
    }

    /// Removes the first records in the order of [`Records::list`] until no more than `most` are
    /// left; those that may not go stay, however many there are.
    ///
    /// # Errors
    /// When one cannot be removed; the others are gone then.
    pub fn prune(&self, most: usize, may_go: impl Fn(&str) -> bool) -> io::Result<()> {
        let keys = self.list()?;
        let excess = keys.len().saturating_sub(most);
        let old = keys.iter().filter(|key| may_go(key)).take(excess);
        let names: Vec<String> = old.map(|key| name_of(key)).collect();
        self.port.remove(&self.folder, &names).map(drop)
    }

    /// Takes a lock of this name, which goes with its process; `None` when another one has it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn lock(&self, name: &str, wait: LockWait) -> io::Result<Option<RecordLock>> {
        self.port.lock(&self.folder, name, wait)
    }
}

/// The name of a key's record.
fn name_of(key: &str) -> String {
    format!("{key}{JSON}")
}

/// Reads the text that was found under a key.
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
