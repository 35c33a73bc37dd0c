//! The verdict log, `verdicts.jsonl` in the state folder: what was said of versions.

use std::{collections::BTreeMap, io};

use serde_json::Value;

use crate::{
    base::{
        Failure, Fault, Fs, Hint, Kind, RelPath, SyncPoint, TaskId,
        fs::{read_limited, write_durably},
    },
    journal::{
        Step,
        chain::{self, Chain},
    },
    model::{VerdictRecord, Version, verdict::Standing},
};

/// What can go wrong with the verdict log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read or written.
    #[error("cannot use the verdict log")]
    Io(#[from] io::Error),
    /// It was changed by something else than snapback.
    #[error("the verdict log is damaged: {0}")]
    Damaged(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Io(_) => Kind::Missing,
            Self::Damaged(_) => Kind::Bad,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Io(_) => Vec::new(),
            Self::Damaged(_) => {
                vec![Hint::say("move .git/snapback/verdicts.jsonl aside; verdicts begin anew, nothing else depends on them")]
            }
        }
    }
}

/// Where the log is.
fn path() -> RelPath {
    RelPath::own("verdicts.jsonl")
}

/// Reads the log.
fn load(state: &dyn Fs) -> Result<(Chain<VerdictRecord>, Vec<u8>), Error> {
    if state.stat(&path())?.is_none() {
        return Ok((Chain { records: Vec::new(), last: String::new(), whole: 0 }, Vec::new()));
    }
    let bytes = read_limited(state, &path(), 256 << 20)?;
    let chain = chain::parse(&bytes).map_err(Error::Damaged)?;
    Ok((chain, bytes))
}

/// What was said of versions, by task and version.
pub type Standings = BTreeMap<TaskId, BTreeMap<Version, Standing>>;

/// All verdicts, by task and version.
pub fn standings(state: &dyn Fs) -> Result<Standings, Error> {
    let mut records: BTreeMap<TaskId, BTreeMap<Version, Vec<&VerdictRecord>>> = BTreeMap::new();
    let chain = load(state)?.0;
    for record in &chain.records {
        records.entry(record.task.clone()).or_default().entry(record.version.clone()).or_default().push(record);
    }
    let fold = |versions: BTreeMap<Version, Vec<&VerdictRecord>>| versions.into_iter().map(|(v, r)| (v, Standing::of(r))).collect();
    Ok(records.into_iter().map(|(task, versions)| (task, fold(versions))).collect())
}

/// Appends records that are not there yet (same operation, version and verdict), durably. What a
/// killed run left, and what a failed sync may have lost, is written anew with the whole log.
pub fn append(state: &dyn Fs, records: &[VerdictRecord]) -> Result<(), Error> {
    let (log, bytes) = load(state)?;
    let there = |new: &VerdictRecord| new.op.is_some() && log.records.contains(new);
    let (mut text, mut last) = (String::new(), log.last.clone());
    for record in records.iter().filter(|record| !there(record)) {
        let (line, digits) = chain::render(&last, record);
        text += &line;
        last = digits;
    }
    let replace = |with: &str| {
        let all = [&bytes[..log.whole], with.as_bytes()].concat();
        write_durably(state, &path(), &all, 0o600, (SyncPoint::VerdictRecord, SyncPoint::VerdictDir))
    };
    if log.whole == 0 || log.whole < bytes.len() || records.iter().any(there) {
        return Ok(replace(&text)?);
    }
    let append = || -> io::Result<()> {
        let mut file = state.append(&path())?;
        file.write_all(text.as_bytes())?;
        file.sync(SyncPoint::VerdictRecord)
    };
    // What a failure leaves at the end of the file is unknown.
    Ok(append().inspect_err(|_| drop(replace("")))?)
}

/// The step.
pub struct Verdicts<'a> {
    state: &'a dyn Fs,
    records: &'a [VerdictRecord],
}

impl<'a> Verdicts<'a> {
    /// The step that writes these records.
    pub fn new(state: &'a dyn Fs, records: &'a [VerdictRecord]) -> Self {
        Self { state, records }
    }
}

impl Step for Verdicts<'_> {
    fn name(&self) -> &'static str {
        "verdicts"
    }

    fn prepare(&mut self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn apply(&mut self, _prepared: &Value) -> Result<(), Failure> {
        Ok(append(self.state, self.records)?)
    }

    /// Verdicts come after the commit point, so there is nothing that could be taken back.
    fn undo(&mut self, _prepared: &Value) -> Result<(), Failure> {
        Ok(())
    }
}
