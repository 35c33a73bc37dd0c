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

/// Adds operations to the record, durably. One that an earlier, failed pruning added is replaced.
///
/// # Errors
/// Fails when the record cannot be read or written.
pub fn add(state: &Arc<dyn Fs>, new: Vec<PrunedOperation>) -> Result<(), Error> {
    let mut all = PrunedOperations {
        operations: all(state)?,
        ..PrunedOperations::default()
    };
    let is_new = |old: &PrunedOperation| {
        let id = &old.summary.about.id;
        new.iter().any(|new| new.summary.about.id == *id)
    };
    all.operations.retain(|old| !is_new(old));
    all.operations.extend(new);
    all.operations
        .sort_by(|a, b| a.summary.about.id.cmp(&b.summary.about.id));
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

/// Renames the folders of operations, durably: from here on each is pruned, or none of it. Call
/// only under the lock.
///
/// # Errors
/// Fails when one cannot be renamed; each of the others is pruned or not.
pub fn let_go(fs: &dyn Fs, ops: &[OpId]) -> Result<(), Error> {
    for id in ops {
        fs.rename(&folder(id), &going(id)).map_err(Error::Prune)?;
    }
    fs.sync_dir(&RelPath::own("ops"), JOURNAL_DIR)
        .map_err(Error::Prune)
}

/// Returns the pruned operations whose folders are not removed yet.
///
/// # Errors
/// Fails when the folder of operations cannot be read.
pub fn unremoved(fs: &dyn Fs) -> Result<Vec<OpId>, Error> {
    let dir = RelPath::own("ops");
    if fs.stat(&dir).map_err(Error::Prune)?.is_none() {
        return Ok(Vec::new());
    }
    let names = fs.list(&dir).map_err(Error::Prune)?;
    let id = |name: &Vec<u8>| {
        std::str::from_utf8(name)
            .ok()?
            .strip_prefix(GOING)?
            .parse()
            .ok()
    };
    Ok(names.iter().filter_map(id).collect())
}

/// Returns the folder of an operation that is being removed.
fn going(op: &OpId) -> RelPath {
    RelPath::own(format!("ops/{}", going_name(op)))
}

/// Returns the name of that folder.
pub fn going_name(op: &OpId) -> String {
    format!("{GOING}{op}")
}

/// Removes what is left of the folder of a pruned operation.
///
/// # Errors
/// Fails when something in it cannot be removed.
pub fn remove(fs: &dyn Fs, op: &OpId) -> Result<(), Error> {
    remove_tree(fs, &going(op)).map_err(Error::Prune)
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
