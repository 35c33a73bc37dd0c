//! The journal file `ops/<id>/journal.jsonl`: one chained and checksummed record per line.
//!
//! [`super::chain`] defines the line format. A truncated last line is the trace of a crash: it is
//! dropped, because a record counts only once it is synced. The plan lies beside it in `plan.json`,
//! and its digest in the first record. Opening a journal writes nothing, so it can be read while
//! another process appends; [`Log::settle`] must precede any recovery.

use std::{io, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Error, chain, reserve};
use crate::{
    base::{
        Digest, Fs, RelPath, SyncPoint, at_once,
        failure::is_disk_full,
        fs::{create_dir_all, publish, read_limited, write_aside, write_durably},
    },
    model::{OpId, Operation, operation::Summary},
};

/// The bytes of an operation's plan, and of the reserve.
pub const PLAN_FILE: SyncPoint = SyncPoint::new("journal.plan-file");
/// The first record of an operation's journal.
pub const JOURNAL_FILE: SyncPoint = SyncPoint::new("journal.journal-file");
/// Each later record.
pub const RECORD: SyncPoint = SyncPoint::new("journal.record");
/// The folders that contain plans and journals.
pub const JOURNAL_DIR: SyncPoint = SyncPoint::new("journal.journal-dir");
/// The points at which the journal syncs to disk; tests skip one at a time.
pub const SYNC_POINTS: [SyncPoint; 4] = [PLAN_FILE, JOURNAL_FILE, RECORD, JOURNAL_DIR];

/// One record of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum JournalRecord {
    /// The intent: from here on the operation exists.
    Begin {
        /// SHA-256 of `plan.json`.
        plan: Digest,
        /// The summary for lists; absent in journals of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<Box<Summary>>,
    },
    /// From here on, a step may be partly applied.
    Started {
        /// Its number.
        step: usize,
        /// Its before-image.
        prepared: serde_json::Value,
    },
    /// A step has been applied.
    Done {
        /// Its number.
        step: usize,
        /// True when the operation can only go forward from here on.
        #[serde(default)]
        commit_point: bool,
    },
    /// The operation is being reversed.
    TurnedBack {
        /// The reason.
        why: String,
    },
    /// A step has been undone.
    Undone {
        /// Its number.
        step: usize,
    },
    /// A step could not be undone.
    Stuck {
        /// Its number.
        step: usize,
        /// The error of its undo.
        why: String,
    },
    /// A user asked to retry a stuck operation.
    TriedAgain,
    /// The operation is about to finish, but its audit line could not be written; reversal does not
    /// wait for it. The next command writes the line.
    Owed {
        /// The kind of the failure that reversed it.
        error: String,
    },
    /// The operation is finished.
    Finished {
        /// True when all steps are done, false when all were undone.
        done: bool,
    },
}

impl JournalRecord {
    /// Returns its name.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::Started { .. } => "started",
            Self::Done { .. } => "done",
            Self::TurnedBack { .. } => "turned back",
            Self::Undone { .. } => "undone",
            Self::Stuck { .. } => "stuck",
            Self::TriedAgain => "tried again",
            Self::Owed { .. } => "owed",
            Self::Finished { .. } => "finished",
        }
    }
}

/// Maximum size of a plan or journal: 1 GiB is far more than 50,000 files need.
const LIMIT: u64 = 1 << 30;

/// The journal of one operation, open for appending.
pub struct Log {
    fs: Arc<dyn Fs>,
    op: OpId,
    dir: RelPath,
    last: String,
    records: Vec<JournalRecord>,
    /// The lines of written records.
    lines: Vec<u8>,
    /// The lines of noted records, which are written with the next appended record.
    noted: Vec<u8>,
    /// The state of the file.
    file: LogFileState,
}

/// The state of a journal's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogFileState {
    /// It holds exactly the records, durably.
    Settled,
    /// It was read: its end may be torn, or not on disk yet.
    Read,
    /// Writing it failed, and so did replacing it.
    Lost,
}

/// Returns the folder of an operation below the state folder.
pub fn folder(op: &OpId) -> RelPath {
    RelPath::own(format!("ops/{op}"))
}

/// The lines of a journal, and its records.
pub(super) type JournalLines = (Vec<u8>, chain::Chain<JournalRecord>);

/// Reads the lines and records of an operation's journal, without its plan. `None` when it crashed
/// before the intent was written.
pub(super) fn read(fs: &dyn Fs, op: &OpId) -> Result<Option<JournalLines>, Error> {
    let path = folder(op).join("journal.jsonl");
    let failed = |error| Error::Read(op.clone(), error);
    if fs.stat(&path).map_err(failed)?.is_none() {
        return Ok(None);
    }
    let lines = read_limited(fs, &path, LIMIT).map_err(failed)?;
    let chain = chain::parse(&lines).map_err(|why| Error::Damaged(op.clone(), why))?;
    Ok(Some((lines, chain)))
}

impl Log {
    /// Writes an intent: folder, plan and first record, durable on return.
    pub fn begin(fs: Arc<dyn Fs>, operation: &Operation) -> Result<Self, Error> {
        let op = operation.about.id.clone();
        let failed = |error| Error::Write(op.clone(), error);
        let plan = serde_json::to_vec_pretty(operation).expect("because plain data always renders");
        let dir = folder(&op);
        reserve::fill(&*fs).map_err(failed)?;
        create_dir_all(&*fs, &dir, 0o700).map_err(failed)?;
        let first = JournalRecord::Begin {
            plan: Digest::of(&plan),
            summary: Some(Box::new(operation.into())),
        };
        let (line, last) = chain::render("", &first);
        let (plan_file, journal) = (dir.join("plan.json"), dir.join("journal.jsonl"));
        let files = [
            (&plan_file, &plan[..], PLAN_FILE),
            (&journal, line.as_bytes(), JOURNAL_FILE),
        ];
        at_once(&files, |(path, bytes, point)| {
            write_aside(&*fs, path, bytes, 0o600, Some(*point))
        })
        .map_err(failed)?;
        publish(&*fs, &plan_file).map_err(failed)?;
        at_once(&[&dir, &dir.parent(), &RelPath::root()], |dir| {
            fs.sync_dir(dir, JOURNAL_DIR)
        })
        .map_err(failed)?;
        // A journal under its final name always has a plan.
        publish(&*fs, &journal)
            .and_then(|()| fs.sync_dir(&dir, JOURNAL_DIR))
            .map_err(failed)?;
        Ok(Self {
            fs,
            op,
            dir,
            last,
            records: vec![first],
            lines: line.into_bytes(),
            noted: Vec::new(),
            file: LogFileState::Settled,
        })
    }

    /// Opens an operation's journal and plan. `None` when it crashed before the intent was written;
    /// then it had changed nothing.
    pub fn open(fs: Arc<dyn Fs>, op: &OpId) -> Result<Option<(Self, Operation)>, Error> {
        let dir = folder(op);
        let failed = |error| Error::Read(op.clone(), error);
        let Some((
            mut lines,
            chain::Chain {
                records,
                last,
                whole,
            },
        )) = read(&*fs, op)?
        else {
            return Ok(None);
        };
        let plan = read_limited(&*fs, &dir.join("plan.json"), LIMIT).map_err(failed)?;
        let damaged = |why: &str| Error::Damaged(op.clone(), why.to_string());
        match records.first() {
            Some(JournalRecord::Begin { plan: digest, .. }) if *digest == Digest::of(&plan) => {}
            _ => return Err(damaged("its plan is not the one that was begun")),
        }
        let operation: Operation =
            serde_json::from_slice(&plan).map_err(|error| damaged(&error.to_string()))?;
        lines.truncate(whole);
        Ok(Some((
            Self {
                fs,
                op: op.clone(),
                dir,
                last,
                records,
                lines,
                noted: Vec::new(),
                file: LogFileState::Read,
            },
            operation,
        )))
    }

    /// Makes what was read durable, and nothing else, before it is acted on: a killed process may
    /// have left records that are not yet on disk, or half a record.
    pub fn settle(&mut self) -> Result<(), Error> {
        match self.file {
            LogFileState::Settled => return Ok(()),
            LogFileState::Read => {}
            LogFileState::Lost => {
                return Err(Error::Write(
                    self.op.clone(),
                    io::Error::other("an earlier write failed"),
                ));
            }
        }
        match self.replace() {
            Err(error) if is_disk_full(&error) && self.free_reserve() => self.replace(),
            other => other,
        }
        .map_err(|error| Error::Write(self.op.clone(), error))
    }

    /// Appends a record; it is durable on return. After an error the record is not in the journal
    /// and others can follow; if even that could not be ensured, all later calls fail.
    pub fn append(&mut self, record: JournalRecord) -> Result<(), Error> {
        let (line, last) = chain::render(&self.last, &record);
        self.write_all(&line)?;
        self.last = last;
        self.records.push(record);
        Ok(())
    }

    /// Notes a record that may be lost: it is written and synced together with the next one.
    pub fn note(&mut self, record: JournalRecord) {
        let (line, last) = chain::render(&self.last, &record);
        self.noted.extend_from_slice(line.as_bytes());
        self.last = last;
        self.records.push(record);
    }

    /// Makes noted records durable.
    pub fn write_noted(&mut self) -> Result<(), Error> {
        if self.noted.is_empty() {
            Ok(())
        } else {
            self.write_all("")
        }
    }

    /// Writes the noted records, followed by a line.
    fn write_all(&mut self, line: &str) -> Result<(), Error> {
        self.settle()?;
        let lines = [&self.noted, line.as_bytes()].concat();
        match self.write(&lines) {
            Err(error) if is_disk_full(&error) && self.file == LogFileState::Settled => {
                self.free_reserve();
                self.write(&lines)
            }
            other => other,
        }
        .map_err(|error| Error::Write(self.op.clone(), error))?;
        self.noted.clear();
        self.lines.extend_from_slice(&lines);
        Ok(())
    }

    /// Releases the space reserved for recovery; returns false when there is none.
    pub fn free_reserve(&self) -> bool {
        reserve::free(&*self.fs)
    }

    /// Writes lines. A failure leaves the end of the file in an unknown state, and a failed sync is
    /// never retried: the file is replaced by a fresh one without the new lines.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let write = || -> io::Result<()> {
            let mut file = self.fs.append(&self.dir.join("journal.jsonl"))?;
            file.write_all(lines)?;
            file.sync(RECORD)
        };
        let result = write();
        if let Err(error) = &result {
            let full = is_disk_full(error);
            if self.replace().is_err() && !(full && self.free_reserve() && self.replace().is_ok()) {
                self.file = LogFileState::Lost;
            }
        }
        result
    }

    /// Returns the records so far, oldest first.
    pub fn records(&self) -> &[JournalRecord] {
        &self.records
    }

    /// Returns the operation's id.
    pub fn op(&self) -> &OpId {
        &self.op
    }

    /// Replaces the file with a fresh one that holds the same records.
    fn replace(&mut self) -> io::Result<()> {
        let points = (JOURNAL_FILE, JOURNAL_DIR);
        write_durably(
            &*self.fs,
            &self.dir.join("journal.jsonl"),
            &self.lines,
            0o600,
            points,
        )?;
        self.file = LogFileState::Settled;
        Ok(())
    }
}
