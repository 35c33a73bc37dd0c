//! Row 6, what was said of versions: good, bad, held, pinned, failed, proven.
//!
//! The log of this clone is `verdicts.jsonl` in the state folder; [`refs`] shares its records with
//! other clones. Nothing here decides what a verdict means for a release or a rollback.

pub mod refs;
mod summary;

use std::{collections::BTreeMap, io};

use crate::{
    base::{
        Failure, Fault, Fs, Hint, Kind, RelPath, SyncPoint,
        fs::{read_limited, write_durably},
    },
    catalog,
    git::Repo,
    journal::chain::{self, Chain},
    model::{
        Operation, TaskId, VerdictRecord, Version,
        operation::{self, Publication},
        verdict::{Meant, Standing, in_order},
    },
    site::RepoSite,
};

pub use summary::{VerdictSummary, is_of_another, listed, standings_of, summary};

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
                vec![Hint::say(
                    "move .git/snapback/verdicts.jsonl aside: what was shared below refs/snapback/verdicts stays, and nothing else depends on it",
                )]
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

/// What was said of versions, by task and version.
pub type Standings = BTreeMap<TaskId, BTreeMap<Version, Standing>>;

/// What was said of a version.
pub fn standing_of(standings: &Standings, task: &TaskId, version: &Version) -> Standing {
    standings
        .get(task)
        .and_then(|versions| versions.get(version))
        .copied()
        .unwrap_or_default()
}

/// Records by task and version, in the order in which they count.
pub type Records = BTreeMap<TaskId, BTreeMap<Version, Vec<VerdictRecord>>>;

/// The records of this clone's log, oldest first.
pub fn own(state: &dyn Fs) -> Result<Vec<VerdictRecord>, Error> {
    Ok(load(state)?.0.records)
}

/// The union of this clone's records and of those that are shared, each once.
pub fn union(own: Vec<VerdictRecord>, shared: Vec<VerdictRecord>) -> Records {
    let mut records = Records::new();
    for record in own.into_iter().chain(shared) {
        records
            .entry(record.task.clone())
            .or_default()
            .entry(record.version.clone())
            .or_default()
            .push(record);
    }
    for of_version in records.values_mut().flat_map(BTreeMap::values_mut) {
        of_version.sort_by_cached_key(|record| format!("{record:?}"));
        of_version.dedup();
        in_order(of_version);
    }
    records
}

/// The union without what was said of another release of the same number than the one that is here.
pub fn of_releases_here(
    git: &Repo,
    own: Vec<VerdictRecord>,
    shared: Vec<VerdictRecord>,
) -> Records {
    let mut records = union(own, shared);
    for (task, versions) in &mut records {
        for (version, said) in versions {
            keep_meant(git, task, version, said);
        }
    }
    records
}

/// Leaves out what was said of another release of the version. Where no release can be found, and
/// of records that name none, all is kept.
pub fn keep_meant(git: &Repo, task: &TaskId, version: &Version, said: &mut Vec<VerdictRecord>) {
    if said.iter().all(|record| record.release.is_none()) {
        return;
    }
    let here = catalog::verdict::meant(git, task, version);
    said.retain(|record| Meant::may_be(record.release.as_ref(), here.as_ref()));
}

/// The records of one version.
pub fn of_version<'a>(
    records: &'a Records,
    task: &TaskId,
    version: &Version,
) -> &'a [VerdictRecord] {
    records
        .get(task)
        .and_then(|versions| versions.get(version))
        .map_or(&[], Vec::as_slice)
}

/// What records say of every version.
pub fn fold(records: &Records) -> Standings {
    let versions = |versions: &BTreeMap<Version, Vec<VerdictRecord>>| {
        versions
            .iter()
            .map(|(v, r)| (v.clone(), Standing::of(r)))
            .collect()
    };
    records
        .iter()
        .map(|(task, of)| (task.clone(), versions(of)))
        .collect()
}

/// All verdicts of this clone's log, by task and version.
pub fn standings(state: &dyn Fs) -> Result<Standings, Error> {
    Ok(fold(&union(own(state)?, Vec::new())))
}

/// Appends records that are not there yet (same operation, version and verdict), durably. What a
/// killed run left, and what a failed sync may have lost, is written anew with the whole log.
/// Each gets the number after those of its version, also of the shared ones,
/// and a proof names the failures that it mends.
pub fn append(
    state: &dyn Fs,
    records: &[VerdictRecord],
    shared: &[VerdictRecord],
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
        write_durably(
            state,
            &path(),
            &all,
            0o600,
            (SyncPoint::VerdictRecord, SyncPoint::VerdictDir),
        )
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

/// Writes records of one task down, and shares them. That they cannot be shared yet is a warning:
/// they are written, and the next ones of the task take them along.
pub fn write(site: &RepoSite, records: &[VerdictRecord]) -> Result<(), Failure> {
    let Some(task) = records.first().map(|record| &record.task) else {
        return Ok(());
    };
    keep(site, records)?;
    if let Err(failure) = own(&*site.state)
        .map_err(Failure::from)
        .and_then(|all| refs::publish(&site.git, Some(task), &all))
    {
        site.warn(refs::not_shared(&failure));
    }
    Ok(())
}

/// Writes records of one task down, and changes no reference: the next ones, or a push, share them.
pub fn keep(site: &RepoSite, records: &[VerdictRecord]) -> Result<(), Failure> {
    let Some(task) = records.first().map(|record| &record.task) else {
        return Ok(());
    };
    Ok(append(&*site.state, records, &said_elsewhere(site, task)?)?)
}

/// What is shared of a task; nothing, and a warning, when it cannot be read.
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

/// Lets the publication of an operation share its verdicts: the references move in one go with the
/// branch, and no second pack is written. Where that cannot be, the step of the verdicts shares
/// them.
pub fn join_publication(site: &RepoSite, operation: &mut Operation) -> Result<(), Failure> {
    let (Some(task), true) = (
        operation.about.task.clone(),
        operation.publication().is_some(),
    ) else {
        return Ok(());
    };
    let known = union(own(&*site.state)?, said_elsewhere(site, &task)?);
    let records = operation.steps.iter_mut().filter_map(|step| {
        if let operation::Step::Verdicts(records) = step {
            Some(records)
        } else {
            None
        }
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
    // A name that cannot be must not stop the operation.
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
