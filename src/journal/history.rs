//! The operations of a repository: lists them, finds them by id, and finds the unfinished one.
//!
//! A list reads only the journals, whose first record has a [`Summary`]; a plan is read, and its
//! digest checked, only when it is acted on or asked for.
//!
//! An operation begins only when every earlier one is finished, so only the newest folder can hold
//! an unfinished one: looking at one folder is enough, however many there are.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Error, JournalRecord, Log,
    log::{self, folder},
    pruned,
    status::{self, OperationPhase},
};
use crate::{
    base::{
        Due, Fs, RelPath,
        fs::{remove_all_unfinished, remove_tree},
        random,
    },
    model::{OpId, Operation, TaskId, operation::Summary, prune::PrunedOperation},
};

/// An operation in a list, with its phase.
pub struct OperationState {
    /// The summary shown.
    pub summary: Summary,
    /// Its current phase.
    pub phase: OperationPhase,
    /// The kind of failure that reversed it, if its audit line was still owed at its end.
    pub owed: Option<String>,
    /// True when nothing else is left of it.
    pub pruned: bool,
}

/// An operation and its status.
pub struct OpenOperation {
    /// Its plan.
    pub operation: Operation,
    /// Its current phase.
    pub phase: OperationPhase,
    /// True when the commit point was passed.
    pub committed: bool,
    /// Its journal.
    pub log: Log,
}

impl OpenOperation {
    /// Returns true when everything is recorded as done but the end, for which nobody waits.
    pub fn lost_only_its_end(&self) -> bool {
        self.committed && self.phase.lacks_only_its_end(self.operation.steps.len())
    }
}

/// Returns all ids, oldest first. Other folders are skipped.
pub fn ids(fs: &dyn Fs) -> Result<Vec<OpId>, Error> {
    let dir = RelPath::own("ops");
    let failed = |error| Error::Read(OpId::new(0, 0), error);
    if fs.stat(&dir).map_err(failed)?.is_none() {
        return Ok(Vec::new());
    }
    let names = fs.list(&dir).map_err(failed)?;
    let mut ids: Vec<OpId> = names
        .iter()
        .filter_map(|name| std::str::from_utf8(name).ok()?.parse().ok())
        .collect();
    ids.sort();
    Ok(ids)
}

/// Returns the id for the next operation.
pub fn next_id(fs: &dyn Fs) -> Result<OpId, Error> {
    Ok(OpId::new(next_counter(fs)?, u32::from_be_bytes(random())))
}

/// Returns the number for the next operation.
pub fn next_counter(fs: &dyn Fs) -> Result<u64, Error> {
    Ok(ids(fs)?.last().map_or(1, |last| last.counter() + 1))
}

/// Reads an operation; `None` when it crashed before its intent was written.
pub fn open(fs: &Arc<dyn Fs>, id: &OpId) -> Result<Option<OpenOperation>, Error> {
    let Some((log, operation)) = Log::open(fs.clone(), id)? else {
        return Ok(None);
    };
    let standing = status::of(log.records()).map_err(|why| Error::Damaged(id.clone(), why))?;
    Ok(Some(OpenOperation {
        operation,
        phase: standing.phase,
        committed: standing.committed,
        log,
    }))
}

/// Reads the summary of an operation; `None` when it crashed before its intent was written. Reads
/// the plan only for a journal of an earlier version, which wrote no summary.
pub fn summary(fs: &Arc<dyn Fs>, id: &OpId) -> Result<Option<OperationState>, Error> {
    let Some((_, chain)) = log::read(&**fs, id)? else {
        return Ok(None);
    };
    let phase = status::of(&chain.records)
        .map_err(|why| Error::Damaged(id.clone(), why))?
        .phase;
    let owed = missing_line_in(&chain.records);
    match chain.records.into_iter().next() {
        Some(JournalRecord::Begin {
            summary: Some(summary),
            ..
        }) if summary.about.id == *id => Ok(Some(OperationState {
            summary: *summary,
            phase,
            owed,
            pruned: false,
        })),
        _ => Ok(open(fs, id)?.map(|found| OperationState {
            summary: (&found.operation).into(),
            phase: found.phase,
            owed,
            pruned: false,
        })),
    }
}

/// Returns when the last line of an operation's journal was written, to the second; for a finished
/// one, the time it ended.
///
/// # Errors
/// Fails when it cannot be looked at.
pub fn written(fs: &dyn Fs, id: &OpId) -> Result<Option<Timestamp>, Error> {
    let stat = fs
        .stat(&folder(id).join("journal.jsonl"))
        .map_err(|error| Error::Read(id.clone(), error))?;
    Ok(stat.and_then(|stat| Timestamp::from_second(stat.mtime.0).ok()))
}

/// Returns the failure kind of an operation whose audit line was owed when it ended.
fn missing_line_in(records: &[JournalRecord]) -> Option<String> {
    let owed = records.iter().rev().take(2).find_map(|record| {
        if let JournalRecord::Owed { error } = record {
            Some(error)
        } else {
            None
        }
    });
    owed.filter(|_| {
        matches!(
            records.last(),
            Some(JournalRecord::Finished { done: false })
        )
    })
    .cloned()
}

/// Returns the newest operation if its audit line was owed at its end. Only the newest can owe one:
/// no operation begins before the line is written.
pub fn missing_audit_line(fs: &Arc<dyn Fs>) -> Result<Option<OperationState>, Error> {
    for id in ids(&**fs)?.iter().rev() {
        if let Some(listed) = summary(fs, id)? {
            return Ok(Some(listed).filter(|listed| listed.owed.is_some()));
        }
    }
    Ok(None)
}

/// Returns the unfinished operation, if there is one.
pub fn unfinished(fs: &Arc<dyn Fs>) -> Result<Option<OpenOperation>, Error> {
    for id in ids(&**fs)?.iter().rev() {
        match summary(fs, id)? {
            None => {}
            Some(OperationState {
                phase: OperationPhase::Finished { .. },
                ..
            }) => return Ok(None),
            Some(_) => return open(fs, id),
        }
    }
    Ok(None)
}

/// Returns the operations that have a folder and never began, newest first, each with its plan if
/// that can be read.
///
/// # Errors
/// Fails when the folder of operations cannot be read.
pub fn unbegun(fs: &dyn Fs) -> Result<Vec<(OpId, Option<Operation>)>, Error> {
    let ids = ids(fs)?.into_iter().rev();
    let unbegun = ids.take_while(|id| matches!(log::read(fs, id), Ok(None)));
    Ok(unbegun
        .map(|id| {
            let plan = log::plan_of_unbegun(fs, &id);
            (id, plan)
        })
        .collect())
}

/// Removes the folders of operations that crashed before they began, newest first; they had changed
/// nothing. Also removes leftover temporary files beside the newest journal. Call only under the
/// lock.
pub fn sweep(fs: &dyn Fs) -> Result<(), Error> {
    for id in ids(fs)?.iter().rev() {
        let dir = folder(id);
        let failed = |error| Error::Write(id.clone(), error);
        if matches!(log::read(fs, id), Ok(None)) {
            remove_tree(fs, &dir).map_err(failed)?;
            continue;
        }
        return remove_all_unfinished(fs, &dir).map_err(failed);
    }
    Ok(())
}

/// Adds the journal before that of operation `op` to a barrier: nobody waited for the record of its
/// end.
pub(super) fn take_along_end_before(fs: &Arc<dyn Fs>, op: &OpId, due: &Due) -> Result<(), Error> {
    let Some(id) = ids(&**fs)?.into_iter().rfind(|id| id < op) else {
        return Ok(());
    };
    let fs = fs.clone();
    due.file(move || {
        let journal = folder(&id).join("journal.jsonl");
        let synced = fs
            .append(&journal)
            .and_then(|mut file| file.sync(log::RECORD));
        Ok(synced.map_err(|error| Error::Write(id, error))?)
    });
    Ok(())
}

/// Makes the end of the operation before `newest` durable, and writes it again if a power cut took
/// it while that one began. Call only under the lock.
///
/// # Errors
/// Fails when its journal cannot be read or written.
pub(super) fn mend_end_before(fs: &Arc<dyn Fs>, newest: &OpId) -> Result<(), Error> {
    let older = ids(&**fs)?.into_iter().rev().filter(|id| id < newest);
    for id in older {
        let Some(mut found) = open(fs, &id)? else {
            continue;
        };
        if found.lost_only_its_end() {
            found.log.append(JournalRecord::Finished { done: true })?;
        } else {
            // A sync of it may have failed since: only a new file is certain to be on the disk.
            found.log.settle()?;
        }
        break;
    }
    Ok(())
}

/// Removes the folder of an operation that is not begun after all. What stays is swept later.
pub(super) fn forget(fs: &dyn Fs, id: &OpId) {
    let _ = remove_tree(fs, &folder(id));
}

/// The word for the newest operation that was done.
pub const LATEST: &str = "latest";

/// Finds an operation by its id, its short id or a prefix of that, or as [`LATEST`].
pub fn find(fs: &Arc<dyn Fs>, text: &str) -> Result<OpId, Error> {
    let ids = ids(&**fs)?;
    if text == LATEST {
        for id in ids.iter().rev() {
            let Some((_, chain)) = log::read(&**fs, id)? else {
                continue;
            };
            if status::of(&chain.records)
                .is_ok_and(|standing| standing.phase == (OperationPhase::Finished { done: true }))
            {
                return Ok(id.clone());
            }
        }
        return Err(Error::NotFound(text.into()));
    }
    let mut hits = ids
        .iter()
        .filter(|id| id.to_string() == text || (!text.is_empty() && id.short().starts_with(text)));
    match (hits.next(), hits.next()) {
        (Some(id), None) => Ok(id.clone()),
        (Some(_), Some(_)) => Err(Error::NotFound(text.into())),
        (None, _) => Err(missing(fs, text)?),
    }
}

/// Returns why there is no operation of this name.
///
/// # Errors
/// Fails when the record of pruned operations cannot be read.
pub fn missing(fs: &Arc<dyn Fs>, text: &str) -> Result<Error, Error> {
    Ok(match pruned::find(fs, text)? {
        Some(found) => Error::Pruned {
            op: found.summary.about.id,
            on: found.pruned.strftime("%Y-%m-%d").to_string(),
        },
        None => Error::NotFound(text.into()),
    })
}

/// Returns what lists show of all operations, pruned ones included, oldest first.
///
/// # Errors
/// Fails when one of them cannot be read.
pub fn all(fs: &Arc<dyn Fs>) -> Result<Vec<OperationState>, Error> {
    let mut all: Vec<OperationState> = pruned::all(fs)?.into_iter().map(Into::into).collect();
    let ids = ids(&**fs)?;
    // A crash in the middle of a pruning leaves some in both places.
    all.retain(|pruned| ids.binary_search(&pruned.summary.about.id).is_err());
    for id in ids {
        all.extend(summary(fs, &id)?);
    }
    all.sort_by(|a, b| a.summary.about.id.cmp(&b.summary.about.id));
    // Of one after which another began, only the record of its end can be missing: it is over.
    for older in all.iter_mut().rev().skip(1) {
        if older.phase.lacks_only_its_end(older.summary.steps.len()) {
            older.phase = OperationPhase::Finished { done: true };
        }
    }
    Ok(all)
}

/// Returns the first operation of a list, oldest first, whose journal lost more than the record of
/// its end: none begins while another is unfinished, so only the newest can be.
pub fn cut_short(all: &[OperationState]) -> Option<&OpId> {
    let (_, older) = all.split_last()?;
    let is_open = |found: &&OperationState| !matches!(found.phase, OperationPhase::Finished { .. });
    older
        .iter()
        .find(is_open)
        .map(|found| &found.summary.about.id)
}

impl From<PrunedOperation> for OperationState {
    fn from(pruned: PrunedOperation) -> Self {
        Self {
            summary: pruned.summary,
            phase: OperationPhase::Finished { done: pruned.done },
            owed: None,
            pruned: true,
        }
    }
}

/// Returns a task's newest operation after number `after` that satisfies the condition.
///
/// # Errors
/// Fails when an operation cannot be read.
pub fn newest(
    fs: &Arc<dyn Fs>,
    task: &TaskId,
    after: u64,
    wanted: impl Fn(&OperationState) -> bool,
) -> Result<Option<OperationState>, Error> {
    let ids = ids(&**fs)?;
    for id in ids.iter().rev().take_while(|id| id.counter() > after) {
        if let Some(listed) = summary(fs, id)?
            && listed.summary.about.task.as_ref() == Some(task)
            && wanted(&listed)
        {
            return Ok(Some(listed));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::{Due, Root};

    fn operation() -> Operation {
        let json = r#"{"schema": "snapback.operation/1", "id": "op-000001-00000007", "kind": "rollback", "task": "T01", "from": "1.1.0",
            "to": "1.0.0", "message": "it lost money", "who": {"name": "Ada", "email": "ada@example.org"}, "host": "desk",
            "worktree": "/w", "at": "2026-02-24T05:10:00Z", "steps": [{"files": []}, {"verify": {"version": null}}]}"#;
        let mut operation: Operation =
            serde_json::from_str(&json.replace("op-000001-00000007", &OpId::new(1, 7).to_string()))
                .expect("a plan");
        operation.steps.reverse();
        operation
    }

    #[test]
    fn a_list_reads_no_plan_unless_the_journal_is_an_old_one() {
        let dir = tempfile::tempdir().unwrap();
        let fs: Arc<dyn Fs> = Arc::new(Root::open(dir.path()).unwrap());
        let operation = operation();
        let (id, expected) = (operation.about.id.clone(), Summary::from(&operation));
        assert_eq!(expected.steps, ["verify", "files"]);
        drop(Log::begin(fs.clone(), &operation, BTreeMap::new(), &Due::default()).unwrap());
        let (journal, plan) = (
            folder(&id).join("journal.jsonl"),
            folder(&id).join("plan.json"),
        );
        let bytes = serde_json::to_vec(&operation).unwrap();
        let listed = summary(&fs, &id).unwrap().unwrap();
        assert_eq!(
            (listed.summary, listed.phase),
            (
                expected.clone(),
                OperationPhase::Forward {
                    done: 0,
                    started: None
                }
            )
        );
        assert_eq!(open(&fs, &id).unwrap().unwrap().operation, operation);
        let whole = crate::base::fs::read_limited(&*fs, &journal, 1 << 20).unwrap();
        let third = whole.split_inclusive(|byte| *byte == b'\n').nth(2).unwrap();
        let put = |name: &RelPath, bytes: &[u8]| {
            let _ = fs.remove_file(name);
            fs.create(name, 0o600).unwrap().write_all(bytes).unwrap();
        };
        let whole_but = &whole[..whole.len() - third.len()];
        for torn in [&b""[..], &[0; 8], &whole[..9], whole_but] {
            put(&journal, torn);
            assert!(summary(&fs, &id).unwrap().is_none(), "it never began");
            assert!(open(&fs, &id).unwrap().is_none(), "it never began");
        }
        let zeros = [&vec![0; whole_but.len()][..], third].concat();
        put(&journal, &zeros);
        assert!(summary(&fs, &id).unwrap().is_none(), "it never began");
        let first = JournalRecord::Begin {
            plan: crate::base::Digest::of(&bytes),
            summary: None,
            version: 1,
        };
        let (line, _) = crate::journal::chain::render("", &first);
        assert!(
            !line.contains("summary"),
            "it is what earlier versions wrote: {line}"
        );
        put(&journal, line.as_bytes());
        assert!(
            matches!(open(&fs, &id), Err(Error::Read(..))),
            "whoever acts on it needs its plan"
        );
        put(&plan, &bytes);
        assert_eq!(summary(&fs, &id).unwrap().unwrap().summary, expected);
        put(&plan, b"{}");
        assert!(matches!(summary(&fs, &id), Err(Error::Damaged(..))));
    }
}
