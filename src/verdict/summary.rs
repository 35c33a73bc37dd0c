//! Combines the verdicts of this clone and of others.

use std::collections::{BTreeMap, HashSet};

use super::{Standings, VerdictRecords, refs};
use crate::{
    base::Failure,
    catalog::{self, tasks},
    model::{
        TaskId, Verdict, VerdictRecord, Version,
        verdict::{Meant, VersionState, unmended},
    },
    site::RepoSite,
};

/// The standing of versions, and its author where it comes only from other clones.
pub struct VerdictSummary {
    /// The standings by all records together.
    pub standings: Standings,
    /// The author of a version's standing, when it comes from other clones only.
    pub elsewhere: BTreeMap<(TaskId, Version), String>,
}

impl VerdictSummary {
    /// Returns the author of a version's standing, when it comes from other clones only.
    pub fn by(&self, task: &TaskId, version: &Version) -> Option<String> {
        self.elsewhere
            .get(&(task.clone(), version.clone()))
            .cloned()
    }
}

/// Returns the author of a version's standing, unless a record of this clone gives the same.
fn speaker(records: &[VerdictRecord], own: &HashSet<VerdictRecord>) -> Option<String> {
    let of = |verdict: Verdict| {
        records
            .iter()
            .filter(|record| record.verdict == verdict)
            .collect::<Vec<_>>()
    };
    let deciding = match VersionState::of(records).word() {
        "bad" => of(Verdict::Bad),
        "failed" => [unmended(records), of(Verdict::Damaged)].concat(),
        "held" => of(Verdict::Held),
        "good" => of(Verdict::Good),
        "proven" => of(Verdict::Proven),
        _ => Vec::new(),
    };
    let is_own = deciding.iter().any(|record| own.contains(*record));
    deciding
        .last()
        .filter(|_| !is_own)
        .map(|record| record.who.clone())
}

/// Returns all verdicts, here and shared, in the order in which they count, and the ignored shared
/// ones, which are also warned about once. Of one task if named.
fn records_of(
    site: &RepoSite,
    task: Option<&TaskId>,
) -> Result<(VerdictRecords, Vec<String>), Failure> {
    let (own, shared) = own_and_shared(site, task)?;
    Ok((super::union(own, shared.records), shared.ignored))
}

/// Returns the standings by all verdicts together, of one task if named. A moved tag does not point
/// to what was released, so that version counts as failed in any case.
pub fn summary(site: &RepoSite, task: Option<&TaskId>) -> Result<VerdictSummary, Failure> {
    let (own, shared) = own_and_shared(site, task)?;
    let here: HashSet<VerdictRecord> = own.iter().cloned().collect();
    let records = super::of_releases_here(site, own, shared.records);
    let all = records.iter().flat_map(|(task, versions)| {
        versions
            .iter()
            .map(move |(version, said)| (task, version, said))
    });
    let elsewhere = all.filter_map(|(task, version, said)| {
        Some(((task.clone(), version.clone()), speaker(said, &here)?))
    });
    let mut summary = VerdictSummary {
        elsewhere: elsewhere.collect(),
        standings: super::fold(&records),
    };
    let releases = task.map_or_else(
        || tasks::all_releases(site),
        |task| tasks::tagged_releases(site, task),
    )?;
    for (task, version) in releases.moved(&site.git, task)? {
        summary.elsewhere.remove(&(task.clone(), version.clone()));
        summary
            .standings
            .entry(task)
            .or_default()
            .entry(version)
            .or_default()
            .failed = true;
    }
    Ok(summary)
}

/// Returns the standings of one task's versions by all verdicts together.
pub fn standings_of(site: &RepoSite, task: &TaskId) -> Result<Standings, Failure> {
    Ok(summary(site, Some(task))?.standings)
}

/// Returns the verdicts of this clone, and the shared ones.
fn own_and_shared(
    site: &RepoSite,
    task: Option<&TaskId>,
) -> Result<(Vec<VerdictRecord>, refs::Shared), Failure> {
    // Another user's state folder: shared verdicts can still be read.
    let mut own = if site.is_closed() {
        Vec::new()
    } else {
        super::own(&*site.state)?
    };
    own.retain(|record| task.is_none_or(|task| record.task == *task));
    let shared = refs::read(&site.git, task, &own)?;
    if let Some(first) = shared.ignored.first() {
        let more = shared.ignored.len() - 1;
        let more = if more == 0 {
            String::new()
        } else {
            format!(" (and {more} more: `snapback verdicts list`)")
        };
        site.warn(format!("a shared verdict is ignored: {first}{more}"));
    }
    Ok((own, shared))
}

/// Returns the verdicts of some tasks, or of all, newest last, and the ignored shared ones.
pub fn listed(
    site: &RepoSite,
    tasks: &[TaskId],
) -> Result<(Vec<VerdictRecord>, Vec<String>), Failure> {
    let (records, ignored) = records_of(site, None)?;
    let wanted = records
        .into_iter()
        .filter(|(task, _)| tasks.is_empty() || tasks.contains(task));
    Ok((
        wanted
            .flat_map(|(_, versions)| versions.into_values().flatten())
            .collect(),
        ignored,
    ))
}

/// Returns true for a record about a different release of the same number.
pub fn is_of_another(site: &RepoSite, record: &VerdictRecord) -> bool {
    let here = catalog::verdict::meant(site, &record.task, &record.version);
    !Meant::may_be(record.release.as_ref(), here.as_ref())
}
