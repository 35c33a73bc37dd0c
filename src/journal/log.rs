//! The journal file `ops/<id>/journal.jsonl`: one chained and checksummed record per line.
//!
//! [`super::chain`] defines the line format. A truncated last line is the trace of a crash: it is
//! dropped, because a record counts only once it is synced. The first three records, from the
//! summary to [`JournalRecord::Ready`], are written together and become durable by the barrier
//! before the first step: a journal that lacks one of them is of an operation that never began.
//! Opening a journal writes nothing, so it can be read while another process appends;
//! [`Log::settle`] must precede any recovery.

use std::{collections::BTreeMap, io, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Error, chain, plan, reserve};
use crate::{
    base::{
        Digest, Due, Fs, Output, RelPath, SyncPoint, at_once,
        failure::is_disk_full,
        fs::{create_dir_all, publish, read_limited, write_aside, write_durably},
    },
    model::{OpId, Operation, operation::Summary},
};

/// The first records of an operation's journal, and the bytes of the reserve.
pub const JOURNAL_FILE: SyncPoint = SyncPoint::new("journal.journal-file");
/// Each later record.
pub const RECORD: SyncPoint = SyncPoint::new("journal.record");
/// The folders that contain journals.
pub const JOURNAL_DIR: SyncPoint = SyncPoint::new("journal.journal-dir");
/// The points at which the journal syncs to disk; tests skip one at a time.
pub const SYNC_POINTS: [SyncPoint; 3] = [JOURNAL_FILE, RECORD, JOURNAL_DIR];

/// One record of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum JournalRecord {
    /// The intent. In journals of version 1 the operation exists from here on.
    Begin {
        /// SHA-256 of the plan.
        plan: Digest,
        /// The summary for lists; absent in the oldest journals.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        summary: Option<Box<Summary>>,
        /// 1: the plan is in `plan.json`, and nothing is prepared. 2: [`JournalRecord::Plan`] and
        /// [`JournalRecord::Ready`] follow.
        #[serde(default = "first", skip_serializing_if = "is_first")]
        version: u32,
    },
    /// The plan, see [`super::plan`].
    Plan {
        /// Its packed text.
        packed: String,
    },
    /// From here on the operation exists: its first barrier has been passed, or nothing is changed.
    Ready {
        /// The before-images of the steps that are prepared by then, after their numbers.
        prepared: Vec<(usize, serde_json::Value)>,
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
            Self::Plan { .. } => "plan",
            Self::Ready { .. } => "ready",
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

/// Returns the first version of journals.
fn first() -> u32 {
    1
}

/// Returns true for the first version of journals.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_first(version: &u32) -> bool {
    *version == 1
}

/// The version that is written.
const VERSION: u32 = 2;

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

/// Reads the lines and records of an operation's journal. `None` when it crashed before it began.
pub(super) fn read(fs: &dyn Fs, op: &OpId) -> Result<Option<JournalLines>, Error> {
    let path = folder(op).join("journal.jsonl");
    let failed = |error| Error::Read(op.clone(), error);
    if fs.stat(&path).map_err(failed)?.is_none() {
        return Ok(None);
    }
    let lines = read_limited(fs, &path, plan::LIMIT).map_err(failed)?;
    match chain::parse(&lines) {
        Ok(chain) if is_begun(&chain.records) => return Ok(Some((lines, chain))),
        Ok(_) => {}
        // A crash leaves zeros for whatever of the first records had not reached the disk.
        Err(_) if lines.contains(&0) && !is_begun(&before_zeros(&lines)) => {}
        Err(why) => return Err(Error::Damaged(op.clone(), why)),
    }
    // Whatever has a report was begun and is over, and a plan of its own was written before the
    // journal.
    for name in ["report.json", "plan.json"] {
        if fs.stat(&folder(op).join(name)).map_err(failed)?.is_some() {
            let why = "its first records are not whole".to_string();
            return Err(Error::Damaged(op.clone(), why));
        }
    }
    Ok(None)
}

/// Returns what an operation that never began had planned, if its journal has that.
pub(super) fn plan_of_unbegun(fs: &dyn Fs, op: &OpId) -> Option<Operation> {
    let path = folder(op).join("journal.jsonl");
    let lines = read_limited(fs, &path, plan::LIMIT).ok()?;
    plan_of(fs, op, &before_zeros(&lines)).ok()
}

/// Returns true when the first barrier of an operation may have been passed.
fn is_begun(records: &[JournalRecord]) -> bool {
    match records {
        [JournalRecord::Begin { version: 1, .. }, ..] => true,
        _ => matches!(records.get(2), Some(JournalRecord::Ready { .. })),
    }
}

/// Returns the records before the first byte that is zero.
fn before_zeros(lines: &[u8]) -> Vec<JournalRecord> {
    let end = lines.iter().position(|byte| *byte == 0);
    chain::parse(&lines[..end.unwrap_or(lines.len())])
        .map(|chain| chain.records)
        .unwrap_or_default()
}

/// Returns the plan that a journal names, from the journal or from the file beside it.
fn plan_of(fs: &dyn Fs, op: &OpId, records: &[JournalRecord]) -> Result<Operation, Error> {
    let damaged = |why: &str| Error::Damaged(op.clone(), why.to_string());
    let bytes = match records.get(1) {
        Some(JournalRecord::Plan { packed }) => {
            plan::unpack(packed).map_err(|error| damaged(&error.to_string()))?
        }
        _ => read_limited(fs, &folder(op).join("plan.json"), plan::LIMIT)
            .map_err(|error| Error::Read(op.clone(), error))?,
    };
    match records.first() {
        Some(JournalRecord::Begin { plan: digest, .. }) if *digest == Digest::of(&bytes) => {}
        _ => return Err(damaged("its plan is not the one that was begun")),
    }
    serde_json::from_slice(&bytes).map_err(|error| damaged(&error.to_string()))
}

impl Log {
    /// Writes an intent: folder, plan and the before-images of the prepared steps. It is durable
    /// after the barrier.
    pub fn begin(
        fs: Arc<dyn Fs>,
        operation: &Operation,
        prepared: BTreeMap<usize, serde_json::Value>,
        due: &Due,
    ) -> Result<Self, Error> {
        let op = operation.about.id.clone();
        let failed = |error| Error::Write(op.clone(), error);
        let plan = serde_json::to_vec(operation).expect("because plain data always renders");
        let dir = folder(&op);
        reserve::fill(&*fs).map_err(failed)?;
        create_dir_all(&*fs, &dir, 0o700).map_err(failed)?;
        let records = vec![
            JournalRecord::Begin {
                plan: Digest::of(&plan),
                summary: Some(Box::new(operation.into())),
                version: VERSION,
            },
            JournalRecord::Plan {
                packed: plan::pack(&plan),
            },
            JournalRecord::Ready {
                prepared: prepared.into_iter().collect(),
            },
        ];
        let (mut last, mut lines) = (String::new(), Vec::new());
        for record in &records {
            let (line, digits) = chain::render(&last, record);
            lines.extend_from_slice(line.as_bytes());
            last = digits;
        }
        let log = Self {
            fs,
            op,
            dir,
            last,
            records,
            lines,
            noted: Vec::new(),
            file: LogFileState::Settled,
        };
        log.create(due)?;
        Ok(log)
    }

    /// Creates the file of a new journal.
    fn create(&self, due: &Due) -> Result<(), Error> {
        let failed = |error| Error::Write(self.op.clone(), error);
        let path = self.dir.join("journal.jsonl");
        let mut file = self.fs.create(&path, 0o600).map_err(failed)?;
        file.write_all(&self.lines).map_err(failed)?;
        self.sync_at(file, JOURNAL_FILE, due);
        for dir in [&self.dir, &self.dir.parent(), &RelPath::root()] {
            let (fs, op, dir) = (self.fs.clone(), self.op.clone(), dir.clone());
            due.folder(format!("journal:{dir}"), move || {
                let synced = fs.sync_dir(&dir, JOURNAL_DIR);
                synced.map_err(|error| Error::Write(op, error).into())
            });
        }
        Ok(())
    }

    /// Syncs the file at the next barrier.
    fn sync_at(&self, mut file: Box<dyn Output>, point: SyncPoint, due: &Due) {
        let op = self.op.clone();
        due.file(move || {
            let synced = file.sync(point);
            synced.map_err(|error| Error::Write(op, error).into())
        });
    }

    /// Opens an operation's journal and plan. `None` when it crashed before the intent was written;
    /// then it had changed nothing.
    pub fn open(fs: Arc<dyn Fs>, op: &OpId) -> Result<Option<(Self, Operation)>, Error> {
        let dir = folder(op);
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
        let operation = plan_of(&*fs, op, &records)?;
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
        .and_then(|()| {
            at_once(&[self.dir.parent(), RelPath::root()], |dir| {
                self.fs.sync_dir(dir, JOURNAL_DIR)
            })
        })
        .map_err(|error| Error::Write(self.op.clone(), error))
    }

    /// Appends a record; it is durable on return. After an error the record is not in the journal
    /// and others can follow; if even that could not be ensured, all later calls fail.
    pub fn append(&mut self, record: JournalRecord) -> Result<(), Error> {
        let (line, last) = chain::render(&self.last, &record);
        self.write_all(&line, None)?;
        self.last = last;
        self.records.push(record);
        Ok(())
    }

    /// Appends a record that a power cut may take: it is not forced to the disk.
    pub fn append_unsynced(&mut self, record: JournalRecord) -> Result<(), Error> {
        self.note(record);
        let due = Due::default();
        self.write_noted(&due)?;
        due.forget();
        Ok(())
    }

    /// Notes a record that may be lost: it is written together with the next one.
    pub fn note(&mut self, record: JournalRecord) {
        let (line, last) = chain::render(&self.last, &record);
        self.noted.extend_from_slice(line.as_bytes());
        self.last = last;
        self.records.push(record);
    }

    /// Writes the noted records, which are durable after the barrier.
    pub fn write_noted(&mut self, due: &Due) -> Result<(), Error> {
        if self.noted.is_empty() {
            Ok(())
        } else {
            self.write_all("", Some(due))
        }
    }

    /// Forgets what the file holds, because a sync of it failed: the next record replaces it.
    pub fn distrust(&mut self) {
        if self.file == LogFileState::Settled {
            self.file = LogFileState::Read;
        }
    }

    /// Writes the noted records, followed by a line; durable on return unless a barrier follows.
    fn write_all(&mut self, line: &str, due: Option<&Due>) -> Result<(), Error> {
        self.settle()?;
        let lines = [&self.noted, line.as_bytes()].concat();
        match self.write(&lines, due) {
            Err(error) if is_disk_full(&error) && self.file == LogFileState::Settled => {
                self.free_reserve();
                self.write(&lines, due)
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
    fn write(&mut self, lines: &[u8], due: Option<&Due>) -> io::Result<()> {
        let write = || -> io::Result<()> {
            let mut file = self.fs.append(&self.dir.join("journal.jsonl"))?;
            file.write_all(lines)?;
            match due {
                Some(due) => {
                    self.sync_at(file, RECORD, due);
                    Ok(())
                }
                None => file.sync(RECORD),
            }
        };
        let result = write();
        if let Err(error) = &result {
            let full = is_disk_full(error);
            if self.replace().is_err() && !(full && self.free_reserve() && self.replace().is_ok()) {
                self.file = LogFileState::Lost;
                // Nobody may take the record for written either.
                let path = self.dir.join("journal.jsonl");
                let _ = write_aside(&*self.fs, &path, &self.lines, 0o600, None)
                    .and_then(|()| publish(&*self.fs, &path));
            }
        }
        result
    }

    /// Returns the records so far, oldest first.
    pub fn records(&self) -> &[JournalRecord] {
        &self.records
    }

    /// Returns the file system that it is on.
    pub(super) fn files(&self) -> &Arc<dyn Fs> {
        &self.fs
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
