//! The journal file: `ops/<id>/journal.jsonl`, one chained and checksummed record a line.
//!
//! The form of a line is in [`super::chain`]. A last line that is cut short is what a crash
//! leaves: it is dropped, because a record counts only once it is synced. The plan lies beside
//! it in `plan.json`, and its digest in the first record.

use std::{io, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Error, chain};
use crate::{
    base::{
        Digest, Fs, OpId, RelPath, SyncPoint,
        fs::{create_dir_all, read_limited, write_durably},
    },
    model::Operation,
};

/// One record of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// The intent: from here on the operation exists.
    Begin {
        /// SHA-256 of `plan.json`.
        plan: Digest,
    },
    /// A step may be applied in part from here on.
    Started {
        /// Its number.
        step: usize,
        /// Its before-image.
        prepared: serde_json::Value,
    },
    /// A step is applied.
    Done {
        /// Its number.
        step: usize,
        /// True when the operation can only go forward now.
        #[serde(default)]
        commit_point: bool,
    },
    /// The operation goes back.
    TurnedBack {
        /// Why.
        why: String,
    },
    /// A step is taken back.
    Undone {
        /// Its number.
        step: usize,
    },
    /// A step could not be taken back.
    Stuck {
        /// Its number.
        step: usize,
        /// What its undo said.
        why: String,
    },
    /// A person asked to go on with a stuck operation.
    TriedAgain,
    /// It is over.
    Finished {
        /// True when all steps are done, false when all were taken back.
        done: bool,
    },
}

impl Record {
    /// Its name.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::Started { .. } => "started",
            Self::Done { .. } => "done",
            Self::TurnedBack { .. } => "turned back",
            Self::Undone { .. } => "undone",
            Self::Stuck { .. } => "stuck",
            Self::TriedAgain => "tried again",
            Self::Finished { .. } => "finished",
        }
    }
}

/// Largest plan or journal that is read: 1 GiB is far above 50,000 files.
const LIMIT: u64 = 1 << 30;

/// The journal of one operation, open for appending.
pub struct Log {
    fs: Arc<dyn Fs>,
    op: OpId,
    dir: RelPath,
    last: String,
    records: Vec<Record>,
}

/// The folder of an operation below the state folder.
pub fn folder(op: &OpId) -> RelPath {
    RelPath::own(format!("ops/{op}"))
}

impl Log {
    /// Writes down an intent: folder, plan and first record, durable when this returns.
    pub fn begin(fs: Arc<dyn Fs>, operation: &Operation) -> Result<Self, Error> {
        let op = operation.id.clone();
        let failed = |error| Error::Write(op.clone(), error);
        let plan = serde_json::to_vec_pretty(operation).expect("because plain data always renders");
        let dir = folder(&op);
        create_dir_all(&*fs, &dir, 0o700).map_err(failed)?;
        write_durably(&*fs, &dir.join("plan.json"), &plan, 0o600, (SyncPoint::PlanFile, SyncPoint::JournalDir)).map_err(failed)?;
        for above in [dir.parent(), RelPath::root()] {
            fs.sync_dir(&above, SyncPoint::JournalDir).map_err(failed)?;
        }
        let first = Record::Begin { plan: Digest::of(&plan) };
        let (line, last) = chain::render("", &first);
        let points = (SyncPoint::JournalFile, SyncPoint::JournalDir);
        write_durably(&*fs, &dir.join("journal.jsonl"), line.as_bytes(), 0o600, points).map_err(failed)?;
        Ok(Self { fs, op, dir, last, records: vec![first] })
    }

    /// Opens the journal of an operation and its plan. `None` when there was a crash before the
    /// intent was written: then nothing had been changed.
    pub fn open(fs: Arc<dyn Fs>, op: &OpId) -> Result<Option<(Self, Operation)>, Error> {
        let dir = folder(op);
        let path = dir.join("journal.jsonl");
        let failed = |error| Error::Read(op.clone(), error);
        if fs.stat(&path).map_err(failed)?.is_none() {
            return Ok(None);
        }
        let bytes = read_limited(&*fs, &path, LIMIT).map_err(failed)?;
        let chain::Chain { records, last, whole } = chain::parse(&bytes).map_err(|why| Error::Damaged(op.clone(), why))?;
        let plan = read_limited(&*fs, &dir.join("plan.json"), LIMIT).map_err(failed)?;
        let damaged = |why: &str| Error::Damaged(op.clone(), why.to_string());
        match records.first() {
            Some(Record::Begin { plan: digest }) if *digest == Digest::of(&plan) => {}
            _ => return Err(damaged("its plan is not the one that was begun")),
        }
        let operation: Operation = serde_json::from_slice(&plan).map_err(|error| damaged(&error.to_string()))?;
        let log = Self { fs, op: op.clone(), dir, last, records };
        if whole < bytes.len() {
            log.rewrite(&bytes[..whole]).map_err(|error| Error::Write(op.clone(), error))?;
        }
        Ok(Some((log, operation)))
    }

    /// Appends a record; it is durable when this returns.
    pub fn append(&mut self, record: Record) -> Result<(), Error> {
        let (line, last) = chain::render(&self.last, &record);
        let write = || -> io::Result<()> {
            let mut file = self.fs.append(&self.dir.join("journal.jsonl"))?;
            file.write_all(line.as_bytes())?;
            file.sync(SyncPoint::JournalRecord)
        };
        write().map_err(|error| Error::Write(self.op.clone(), error))?;
        self.last = last;
        self.records.push(record);
        Ok(())
    }

    /// The records so far, oldest first.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The operation.
    pub fn op(&self) -> &OpId {
        &self.op
    }

    /// Drops a torn last line, so that the next record does not grow onto it.
    fn rewrite(&self, whole: &[u8]) -> io::Result<()> {
        write_durably(&*self.fs, &self.dir.join("journal.jsonl"), whole, 0o600, (SyncPoint::JournalFile, SyncPoint::JournalDir))
    }
}
