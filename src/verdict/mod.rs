//! Row 6, verdicts on versions: good, bad, held, pinned, failed, proven.
//!
//! The log of this clone is `verdicts.jsonl` in the state folder; [`refs`] shares its records with
//! other clones. The effect of a verdict on a release or a rollback is decided elsewhere.

pub mod refs;
mod summary;

use std::{
    collections::{BTreeMap, HashSet},
    io,
};

use crate::{
    base::{
        Due, Failure, Fault, Fs, Hint, Kind, RelPath, SyncPoint,
        fs::{read_limited, remove_unfinished, write_durably},
    },
    catalog,
    journal::chain::{self, Chain},
    model::{
        Operation, TaskId, VerdictRecord, Version,
        operation::{self, Publication},
        verdict::{Meant, VersionState, in_order},
    },
    site::RepoSite,
};

pub use summary::{VerdictSummary, is_of_another, listed, standings_of, summary};

/// Errors of the verdict log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be read or written.
    #[error("cannot use the verdict log")]
    Io(#[from] io::Error),
    /// The log was changed by something other than snapback.
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
                vec![Hint::say(
                    "move .git/snapback/verdicts.jsonl aside: what was shared below refs/snapback/verdicts stays, and nothing else depends on it",
                )]
            }
        }
    }
}

/// Each record of the verdict log.
pub const RECORD: SyncPoint = SyncPoint::new("verdict.record");
/// The folder that contains the verdict log.
pub const DIR: SyncPoint = SyncPoint::new("verdict.dir");
/// The points at which the verdict log syncs to disk; tests skip one at a time.
pub const SYNC_POINTS: [SyncPoint; 2] = [RECORD, DIR];

/// Returns the path of the log.
fn path() -> RelPath {
    RelPath::own("verdicts.jsonl")
}

/// Reads the log.
fn load(state: &dyn Fs) -> Result<(Chain<VerdictRecord>, Vec<u8>), Error> {
    if state.stat(&path())?.is_none() {
        return Ok((
            Chain {
                records: Vec::new(),
                last: String::new(),
                whole: 0,
            },
            Vec::new(),
        ));
    }
    let bytes = read_limited(state, &path(), 256 << 20)?;
    let chain = chain::parse(&bytes).map_err(Error::Damaged)?;
    Ok((chain, bytes))
}

/// The standing of versions, by task and version.
pub type Standings = BTreeMap<TaskId, BTreeMap<Version, VersionState>>;

/// Returns the standing of a version.
pub fn standing_of(standings: &Standings, task: &TaskId, version: &Version) -> VersionState {
    standings
        .get(task)
        .and_then(|versions| versions.get(version))
        .copied()
        .unwrap_or_default()
}

/// Records by task and version, in the order in which they count.
pub type VerdictRecords = BTreeMap<TaskId, BTreeMap<Version, Vec<VerdictRecord>>>;

/// Returns the records of this clone's log, oldest first.
pub fn own(state: &dyn Fs) -> Result<Vec<VerdictRecord>, Error> {
    Ok(load(state)?.0.records)
}

/// Merges this clone's records with the shared ones, without duplicates.
pub fn union(own: Vec<VerdictRecord>, shared: Vec<VerdictRecord>) -> VerdictRecords {
    let all: HashSet<VerdictRecord> = own.into_iter().chain(shared).collect();
    let mut records = VerdictRecords::new();
    for record in all {
        let versions = records.entry(record.task.clone()).or_default();
        let of_version = versions.entry(record.version.clone()).or_default();
        of_version.push(record);
    }
    for of_version in records.values_mut().flat_map(BTreeMap::values_mut) {
        in_order(of_version);
    }
    records
}

/// Like [`union`], without the records about a different release of the same number.
pub fn of_releases_here(
    site: &RepoSite,
    own: Vec<VerdictRecord>,
    shared: Vec<VerdictRecord>,
) -> VerdictRecords {
    let mut records = union(own, shared);
    for (task, versions) in &mut records {
        for (version, said) in versions {
            keep_meant(site, task, version, said);
        }
    }
    records
}

/// Drops records about a different release of this version. Keeps all when no release can be found,
/// and records that name no release.
pub fn keep_meant(
    site: &RepoSite,
    task: &TaskId,
    version: &Version,
    said: &mut Vec<VerdictRecord>,
) {
    if said.iter().all(|record| record.release.is_none()) {
        return;
    }
    let here = catalog::verdict::meant(site, task, version);
    said.retain(|record| Meant::may_be(record.release.as_ref(), here.as_ref()));
}

/// Returns the records of one version.
pub fn of_version<'a>(
    records: &'a VerdictRecords,
    task: &TaskId,
    version: &Version,
) -> &'a [VerdictRecord] {
    records
        .get(task)
        .and_then(|versions| versions.get(version))
        .map_or(&[], Vec::as_slice)
}

/// Derives the standing of every version from its records.
pub fn fold(records: &VerdictRecords) -> Standings {
    let versions = |versions: &BTreeMap<Version, Vec<VerdictRecord>>| {
        versions
            .iter()
            .map(|(v, r)| (v.clone(), VersionState::of(r)))
            .collect()
    };
    records
        .iter()
        .map(|(task, of)| (task.clone(), versions(of)))
        .collect()
}

/// Returns the standings by this clone's log, by task and version.
pub fn standings(state: &dyn Fs) -> Result<Standings, Error> {
    Ok(fold(&union(own(state)?, Vec::new())))
}

/// Returns true when the log has any of these records, by operation, version and verdict.
///
/// # Errors
/// When the log cannot be read.
pub fn is_said(state: &dyn Fs, records: &[VerdictRecord]) -> Result<bool, Error> {
    let (log, _) = load(state)?;
    let is_there = |new: &VerdictRecord| {
        new.op.is_some() && log.records.iter().any(|old| old.says_the_same(new))
    };
    Ok(records.iter().any(is_there))
}

/// Appends new records (by operation, version and verdict), durably, or at the barrier if there is
/// one. Rewrites the whole log if a
/// killed run left a torn line, or a failed sync may have lost one. Each record gets the number
/// after those of its version, including shared ones, and a proof names the failures that it mends.
pub fn append(
    state: &dyn Fs,
    records: &[VerdictRecord],
    shared: &[VerdictRecord],
    due: Option<&Due>,
) -> Result<(), Error> {
    let (log, bytes) = load(state)?;
    let there = |new: &VerdictRecord| {
        new.op.is_some() && log.records.iter().any(|old| old.says_the_same(new))
    };
    let (mut text, mut last) = (String::new(), log.last.clone());
    let mut new: Vec<VerdictRecord> = Vec::new();
    for record in records.iter().filter(|record| !there(record)) {
        let mut record = record.clone();
        if record.seq.is_none() {
            let all = union(
                log.records.iter().chain(&new).cloned().collect(),
                shared.to_vec(),
            );
            record = record.in_knowledge_of(of_version(&all, &record.task, &record.version));
        }
        let (line, digits) = chain::render(&last, &record);
        new.push(record);
        text += &line;
        last = digits;
    }
    let replace = |with: &str| {
        let all = [&bytes[..log.whole], with.as_bytes()].concat();
        write_durably(state, &path(), &all, 0o600, (RECORD, DIR))
    };
    if log.whole == 0 || log.whole < bytes.len() || records.iter().any(there) {
        return Ok(replace(&text)?);
    }
    let append = || -> io::Result<()> {
        remove_unfinished(state, &path())?;
        let mut file = state.append(&path())?;
        file.write_all(text.as_bytes())?;
        match due {
            Some(due) => {
                due.file(move || Ok(file.sync(RECORD).map_err(Error::Io)?));
                Ok(())
            }
            None => file.sync(RECORD),
        }
    };
    // A failure leaves the end of the file in an unknown state.
    Ok(append().inspect_err(|_| drop(replace("")))?)
}

/// Records verdicts of one task, and shares them. A failure to share is only a warning: they are
/// recorded, and the task's next ones take them along.
pub fn write(site: &RepoSite, records: &[VerdictRecord]) -> Result<(), Failure> {
    let Some(task) = records.first().map(|record| &record.task) else {
        return Ok(());
    };
    keep(site, records)?;
    share(site, task);
    Ok(())
}

/// Shares the recorded verdicts of a task. A failure is only a warning.
pub fn share(site: &RepoSite, task: &TaskId) {
    if let Err(failure) = own(&*site.state)
        .map_err(Failure::from)
        .and_then(|all| refs::publish(&site.git, Some(task), &all))
    {
        site.warn(refs::not_shared(&failure));
    }
}

/// Records verdicts of one task without changing references; the next ones, or a push, share them.
pub fn keep(site: &RepoSite, records: &[VerdictRecord]) -> Result<(), Failure> {
    let Some(task) = records.first().map(|record| &record.task) else {
        return Ok(());
    };
    Ok(append(
        &*site.state,
        records,
        &said_elsewhere(site, task)?,
        None,
    )?)
}

/// Returns the shared records of a task; warns and returns none when they cannot be read.
pub fn said_elsewhere(site: &RepoSite, task: &TaskId) -> Result<Vec<VerdictRecord>, Error> {
    let own = own(&*site.state)?;
    let unread = |failure| {
        site.warn(format!(
            "what others said of versions cannot be read: {failure}"
        ));
        refs::Shared::default()
    };
    Ok(refs::read(&site.git, Some(task), &own)
        .unwrap_or_else(unread)
        .records)
}

/// Adds an operation's verdicts to its publication: their references move together with the branch,
/// and no second pack is written. Where that is impossible, the verdict step shares them.
pub fn join_publication(site: &RepoSite, operation: &mut Operation) -> Result<(), Failure> {
    let (Some(task), true) = (
        operation.about.task.clone(),
        operation.publication().is_some(),
    ) else {
        return Ok(());
    };
    let known = union(own(&*site.state)?, said_elsewhere(site, &task)?);
    let records = operation.steps.iter_mut().map(|step| match step {
        operation::Step::Verdicts(records) => records.as_mut_slice(),
        operation::Step::Proven(record) => std::slice::from_mut(record),
        _ => &mut [],
    });
    let mut new = Vec::new();
    for record in records
        .flatten()
        .filter(|record| record.is_shared() && record.seq.is_none())
    {
        let before = of_version(&known, &task, &record.version)
            .iter()
            .chain(&new)
            .filter(|other| other.version == record.version);
        *record = record.in_knowledge_of(&before.cloned().collect::<Vec<_>>());
        new.push(record.clone());
    }
    if new.is_empty() {
        return Ok(());
    }
    let mut refs = refs::missing(&site.git, Some(&task), &new)?;
    // An invalid name must not stop the operation.
    refs.retain(|change| {
        let alone = Publication {
            refs: vec![change.clone()],
            ..Publication::default()
        };
        site.git.check_publication(&alone).is_ok()
    });
    if let Some(publication) = operation.publication_mut() {
        publication.refs.splice(0..0, refs);
    }
    Ok(())
}
