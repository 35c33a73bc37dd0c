//! The operations that were pruned: their folders are gone, and one short record has what lists
//! still show of them.

use std::sync::Arc;

use super::{
    Error,
    log::{JOURNAL_DIR, folder},
};
use crate::{
    base::{Fs, RelPath, fs::remove_tree},
    model::{
        OpId,
        prune::{PRUNED_SCHEMA, PrunedOperation, PrunedOperations},
    },
    records::{self, JsonRecord, RecordFiles, Records},
};

/// The key of the record.
const KEY: &str = "pruned";

impl JsonRecord for PrunedOperations {
    const LIMIT: u64 = 256 << 20;
    const SCHEMA: Option<&'static str> = Some(PRUNED_SCHEMA);
    const IS_PRETTY: bool = false;

    fn schema(&self) -> Option<&str> {
        Some(&self.schema)
    }

    fn is_key(key: &str) -> bool {
        key == KEY
    }
}

/// Returns the record's place in a state folder.
fn records(state: &Arc<dyn Fs>) -> Records<'static, PrunedOperations> {
    Records::new(RecordFiles::new(state.clone()), "history")
}

/// Returns the pruned operations, oldest first.
///
/// # Errors
/// Fails when their record cannot be read.
pub fn all(state: &Arc<dyn Fs>) -> Result<Vec<PrunedOperation>, Error> {
    let loaded = records(state).load(KEY).map_err(|error| match error {
        records::Error::Io(error) => Error::ReadPruned(error),
        records::Error::Damaged(why) => Error::DamagedPruned(why),
    })?;
    Ok(loaded.unwrap_or_default().operations)
}

/// Adds operations to the record, durably. One that it has already stays as it is.
///
/// # Errors
/// Fails when the record cannot be read or written.
pub fn add(state: &Arc<dyn Fs>, new: Vec<PrunedOperation>) -> Result<(), Error> {
    let mut all = PrunedOperations {
        operations: all(state)?,
        ..PrunedOperations::default()
    };
    all.operations.extend(new);
    all.operations
        .sort_by(|a, b| a.summary.about.id.cmp(&b.summary.about.id));
    all.operations
        .dedup_by(|later, earlier| later.summary.about.id == earlier.summary.about.id);
    records(state).save(KEY, &all).map_err(Error::WritePruned)
}

/// Returns the only pruned operation whose id is this text, or whose short id begins with it.
///
/// # Errors
/// Fails when the record cannot be read.
pub fn find(state: &Arc<dyn Fs>, text: &str) -> Result<Option<PrunedOperation>, Error> {
    let is_meant = |id: &OpId| id.to_string() == text || id.short().starts_with(text);
    let mut hits = all(state)?
        .into_iter()
        .filter(|pruned| !text.is_empty() && is_meant(&pruned.summary.about.id));
    Ok(hits.next().filter(|_| hits.next().is_none()))
}

/// The beginning of the name of an operation's folder that is being removed.
const GOING: &str = ".pruned-";

/// Removes the folders of operations, each at once and all of them durably, and what an earlier,
/// killed removal left. Call only under the lock.
///
/// # Errors
/// Fails when one cannot be removed; each of the others is there or not.
pub fn remove(fs: &dyn Fs, ops: &[OpId]) -> Result<(), Error> {
    let dir = RelPath::own("ops");
    for id in ops {
        let failed = |error| Error::Write(id.clone(), error);
        fs.rename(&folder(id), &dir.join(format!("{GOING}{id}")))
            .map_err(failed)?;
    }
    let failed = |error| Error::Write(OpId::new(0, 0), error);
    fs.sync_dir(&dir, JOURNAL_DIR).map_err(failed)?;
    for name in fs.list(&dir).map_err(failed)? {
        if name.starts_with(GOING.as_bytes()) {
            remove_tree(fs, &dir.join(&name)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Returns the size of an operation's own records, in bytes.
///
/// # Errors
/// Fails when they cannot be looked at.
pub fn bytes(fs: &dyn Fs, id: &OpId) -> Result<u64, Error> {
    let failed = |error| Error::Read(id.clone(), error);
    let dir = folder(id);
    let mut bytes = 0;
    for name in fs.list(&dir).map_err(failed)? {
        let stat = fs.stat(&dir.join(&name)).map_err(failed)?;
        bytes += stat.map_or(0, |stat| stat.size);
    }
    Ok(bytes)
}
