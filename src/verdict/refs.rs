//! Verdicts shared by clones: one small record per reference, below `refs/snapback/verdicts/`.
//!
//! The name is `<task>/<version>/<id of the blob>`, and the reference points to that blob: so one
//! name has the same content in every clone, plain `git push` and `git fetch` build the union, and
//! nothing needs merging. A record is always written to the log in the state folder first; missing
//! references are added together with the next one. Fetched records are untrusted: an invalid one
//! is left out and reported. A record by a newer program, with an unknown word or format, does not
//! count but is passed on.

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{
    base::{Due, Failure, text},
    git::{self, Repo},
    model::{
        GitId, TaskId, Verdict, VerdictRecord, Version,
        operation::{Publication, RefChange},
    },
};

/// The prefix of the references.
pub const PREFIX: &str = "refs/snapback/verdicts/";
/// The format of a record, and the prefix of newer formats.
const SCHEMA: &str = "snapback.verdict/1";
const ANY_SCHEMA: &str = "snapback.verdict/";
/// Maximum size of a record, in bytes.
const LARGEST: u64 = 16 << 10;
/// Maximum number of records read; far more than real use produces.
const MOST: usize = 20_000;

/// A record as stored in its blob: one line of JSON.
#[derive(Serialize, Deserialize)]
struct RecordLine {
    schema: String,
    #[serde(flatten)]
    record: VerdictRecord,
}

/// The content of the references.
#[derive(Debug, Default)]
pub struct Shared {
    /// The valid records.
    pub records: Vec<VerdictRecord>,
    /// The invalid references, with reasons for the user.
    pub ignored: Vec<String>,
    /// The valid references, and those of newer programs, by name.
    names: BTreeSet<String>,
}

/// The reason why a reference is left out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SkippedRef {
    /// It is invalid, for this reason.
    #[error("{0}")]
    Wrong(String),
    /// A newer program wrote it, in this format.
    #[error("its format is {0:?}, which only a newer snapback reads")]
    Newer(String),
}

impl From<String> for SkippedRef {
    fn from(why: String) -> Self {
        Self::Wrong(why)
    }
}

/// The format of a record, read before the rest.
#[derive(Deserialize)]
struct RecordHeader {
    schema: String,
}

/// Renders the bytes of a record's blob.
fn render(record: &VerdictRecord) -> String {
    let line = RecordLine {
        schema: SCHEMA.into(),
        record: record.clone(),
    };
    serde_json::to_string(&line).expect("because plain data always renders") + "\n"
}

/// Returns the name of a record's reference.
fn name_of(record: &VerdictRecord, blob: &GitId) -> String {
    format!("{PREFIX}{}/{}/{blob}", record.task, record.version)
}

/// Returns the prefix of a task's references, or of all.
fn below(task: Option<&TaskId>) -> String {
    task.map_or_else(|| PREFIX.to_string(), |task| format!("{PREFIX}{task}/"))
}

/// Returns the name of a record's reference.
pub fn reference(git: &Repo, record: &VerdictRecord) -> String {
    name_of(record, &git.blob_id(render(record).as_bytes()))
}

/// Returns true when a record has its reference here.
pub fn is_there(git: &Repo, record: &VerdictRecord) -> bool {
    let found = git.find_ref(&reference(git, record));
    found.is_ok_and(|found| found.is_some())
}

/// Reads the shared records, of one task if named. Records in `own` are known, so their blobs are
/// not read.
pub fn read(git: &Repo, task: Option<&TaskId>, own: &[VerdictRecord]) -> Result<Shared, Failure> {
    let below = below(task);
    let names = git.ref_names_below(&below)?;
    let own = own
        .iter()
        .filter(|record| record.is_shared() && task.is_none_or(|task| record.task == *task));
    let own: HashMap<String, &VerdictRecord> =
        own.map(|record| (reference(git, record), record)).collect();
    let mut shared = Shared::default();
    if let Some(more) = names.len().checked_sub(MOST + 1) {
        shared.ignored.push(format!(
            "{} references below {below}: only {MOST} records are read",
            more + 1
        ));
    }
    for name in names.into_iter().take(MOST) {
        let found = || {
            git.find_ref(&name)
                .map_err(|error| SkippedRef::Wrong(Failure::from(error).to_string()))
        };
        let read = || parse(git, &name, found()?.as_ref());
        match own
            .get(&name)
            .map_or_else(read, |record| Ok((*record).clone()))
        {
            Ok(record) => {
                shared.records.push(record);
                shared.names.insert(name);
            }
            Err(why) => {
                shared
                    .ignored
                    .push(format!("{}: {why}", text::escape(name.as_bytes())));
                if matches!(why, SkippedRef::Newer(_)) {
                    shared.names.insert(name);
                }
            }
        }
    }
    Ok(shared)
}

/// Reads one record; the error says what is wrong with it.
fn parse(git: &Repo, name: &str, blob: Option<&GitId>) -> Result<VerdictRecord, SkippedRef> {
    let Some(blob) = blob else {
        return Err("it leads nowhere".to_string().into());
    };
    let bytes = || match git.read_blob_within(blob, LARGEST) {
        Err(git::Error::OtherObject(_, why)) => Err(format!("it is no record: {why}")),
        read => read.map_err(|error| Failure::from(error).to_string()),
    };
    record_of(name, blob, bytes)
}

/// Validates the record behind a reference name, from untrusted bytes; they are requested only when
/// the name is valid.
///
/// # Errors
/// Returns what is wrong, for the user.
pub fn record_of(
    name: &str,
    blob: &GitId,
    bytes: impl FnOnce() -> Result<Vec<u8>, String>,
) -> Result<VerdictRecord, SkippedRef> {
    let parts: Vec<&str> = name
        .strip_prefix(PREFIX)
        .unwrap_or_default()
        .split('/')
        .collect();
    let [task, version, id] = parts[..] else {
        return Err("its name has not the form <task>/<version>/<id>"
            .to_string()
            .into());
    };
    if id != blob.as_str() {
        return Err("it leads to another object than its name says"
            .to_string()
            .into());
    }
    let bytes = bytes()?;
    let no_record = |error: serde_json::Error| format!("it is no record: {error}");
    let RecordHeader { schema } = serde_json::from_slice(&bytes).map_err(no_record)?;
    if schema != SCHEMA {
        let format = text::escape(schema.as_bytes());
        let number = schema
            .strip_prefix(ANY_SCHEMA)
            .and_then(|number| number.parse().ok());
        return Err(if number.is_some_and(|number: u32| number > 1) {
            SkippedRef::Newer(format)
        } else {
            format!("its format is {format:?}").into()
        });
    }
    let RecordLine { record, .. } = serde_json::from_slice(&bytes).map_err(no_record)?;
    let same: Result<(TaskId, Version), ()> = task
        .parse()
        .map_err(drop)
        .and_then(|task| Ok((task, version.parse().map_err(drop)?)));
    if same != Ok((record.task.clone(), record.version.clone())) {
        return Err(format!("it speaks of {} {}", record.task, record.version).into());
    }
    match record.verdict {
        // A newer program may combine its own word with anything.
        Verdict::Unknown(_) => Ok(record),
        Verdict::Damaged | Verdict::Whole => Err(
            "what the storage of another clone holds says nothing of this one"
                .to_string()
                .into(),
        ),
        _ if render(&record).as_bytes() != bytes => {
            Err("it is not written as such a record is".to_string().into())
        }
        _ => Ok(record),
    }
}

/// Returns the references that these records still lack, of one task if named; writes their blobs.
pub fn missing(
    git: &Repo,
    task: Option<&TaskId>,
    records: &[VerdictRecord],
) -> Result<Vec<RefChange>, Failure> {
    let there = git.ref_names_below(&below(task))?;
    let mut refs: Vec<RefChange> = Vec::new();
    for record in records
        .iter()
        .filter(|record| record.is_shared() && task.is_none_or(|task| record.task == *task))
    {
        let text = render(record);
        let name = name_of(record, &git.blob_id(text.as_bytes()));
        // A record that could not be read back is kept only here.
        if text.len() as u64 > LARGEST
            || there.contains(&name)
            || refs.iter().any(|change| change.name == name)
        {
            continue;
        }
        refs.push(RefChange {
            name,
            before: None,
            after: git.write_blob(text.as_bytes())?,
        });
    }
    Ok(refs)
}

/// Creates, durably, a reference for every record that has none yet, of one task if named. May run
/// again after a kill.
pub fn publish(
    git: &Repo,
    task: Option<&TaskId>,
    records: &[VerdictRecord],
) -> Result<(), Failure> {
    let refs = missing(git, task, records)?;
    if refs.is_empty() {
        return Ok(());
    }
    let blobs: Vec<GitId> = refs.iter().map(|change| change.after.clone()).collect();
    let publication = Publication {
        refs,
        log_message: "snapback: verdicts".into(),
        ..Publication::default()
    };
    let scratch = scratch(git);
    let due = Due::default();
    git.require_synced(&blobs)?;
    git.stage_objects("verdicts", &due)?;
    let prepared = git
        .prepare_publication(&publication, &scratch, &due)
        .map_err(Failure::from)
        .and_then(|prepared| due.pass().map(|()| prepared));
    // What did not reach the disk must never get a name.
    let prepared = prepared.inspect_err(|_| git.drop_objects())?;
    git.name_objects(&due)?;
    due.pass()?;
    git.remove_replaced()?;
    git.publish(&publication, &prepared, &scratch, true)?;
    git.clear_scratch(&scratch);
    Ok(())
}

/// Removes leftovers of a killed [`publish`]. Call only under the lock.
pub fn sweep(git: &Repo) {
    git.sweep_publication(PREFIX, &scratch(git));
}

/// Returns the staging folder of a publication.
fn scratch(git: &Repo) -> PathBuf {
    git.common_dir().join("snapback").join("verdict-refs")
}

/// Returns the full names of the references of one task, or of all.
pub fn names(git: &Repo, task: Option<&TaskId>) -> Result<Vec<String>, Failure> {
    Ok(read(git, task, &[])?.names.into_iter().collect())
}

/// Returns the warning for records that could not be shared.
pub fn not_shared(failure: &Failure) -> String {
    format!(
        "it is written down here, but not yet where others can fetch it ({failure}); `snapback verdicts push` tries again"
    )
}
