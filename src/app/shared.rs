//! What was said of versions, here and elsewhere: judged, listed, pushed, fetched.

use std::collections::{BTreeMap, HashSet};

use super::{App, audit};
use crate::{
    base::Failure,
    catalog,
    git::Hooks,
    model::{
        TaskId, Verdict, VerdictRecord, Version,
        verdict::{Meant, Standing, unmended},
    },
    verdict::{
        self, Records, Standings,
        refs::{self, PREFIX},
    },
};

/// What was said of versions, and by whom where nothing of this clone says so.
pub(super) struct Judged {
    /// What all records together say.
    pub standings: Standings,
    /// Who said what counts of a version, when that was in other clones only.
    pub elsewhere: BTreeMap<(TaskId, Version), String>,
}

impl Judged {
    /// Who said so of a version, when that was in other clones only.
    pub fn by(&self, task: &TaskId, version: &Version) -> Option<String> {
        self.elsewhere
            .get(&(task.clone(), version.clone()))
            .cloned()
    }
}

/// Who gave a version its word, unless a record of this clone does.
fn speaker(records: &[VerdictRecord], own: &HashSet<String>) -> Option<String> {
    let of = |verdict: Verdict| {
        records
            .iter()
            .filter(|record| record.verdict == verdict)
            .collect::<Vec<_>>()
    };
    let deciding = match Standing::of(records).word() {
        "bad" => of(Verdict::Bad),
        "failed" => [unmended(records), of(Verdict::Damaged)].concat(),
        "held" => of(Verdict::Held),
        "good" => of(Verdict::Good),
        "proven" => of(Verdict::Proven),
        _ => Vec::new(),
    };
    let is_own = deciding.iter().any(|record| own.contains(&record.mark()));
    deciding
        .last()
        .filter(|_| !is_own)
        .map(|record| record.who.clone())
}

impl App {
    /// All verdicts, here and shared, in the order in which they count; and what is ignored of the
    /// shared ones, which is said once as a warning too. Of one task when it is named.
    fn verdict_records(&self, task: Option<&TaskId>) -> Result<(Records, Vec<String>), Failure> {
        let (own, shared) = self.own_and_shared(task)?;
        Ok((verdict::union(own, shared.records), shared.ignored))
    }

    /// What all verdicts together say, of one task when it is named. What a tag that was moved
    /// leads to is not what was released: that failed, whatever was said.
    pub(super) fn judged(&self, task: Option<&TaskId>) -> Result<Judged, Failure> {
        let (own, shared) = self.own_and_shared(task)?;
        let here: HashSet<String> = own.iter().map(VerdictRecord::mark).collect();
        let records = verdict::of_releases_here(&self.site.git, own, shared.records);
        let all = records.iter().flat_map(|(task, versions)| {
            versions
                .iter()
                .map(move |(version, said)| (task, version, said))
        });
        let elsewhere = all.filter_map(|(task, version, said)| {
            Some(((task.clone(), version.clone()), speaker(said, &here)?))
        });
        let mut judged = Judged {
            elsewhere: elsewhere.collect(),
            standings: verdict::fold(&records),
        };
        let releases =
            task.map_or_else(|| self.all_releases(), |task| self.tagged_releases(task))?;
        for (task, version) in releases.moved(&self.site.git, task)? {
            judged.elsewhere.remove(&(task.clone(), version.clone()));
            judged
                .standings
                .entry(task)
                .or_default()
                .entry(version)
                .or_default()
                .failed = true;
        }
        Ok(judged)
    }

    /// The verdicts of this clone, and the shared ones.
    fn own_and_shared(
        &self,
        task: Option<&TaskId>,
    ) -> Result<(Vec<VerdictRecord>, refs::Shared), Failure> {
        // Somebody else's state folder: what was shared can be read all the same.
        let mut own = if self.site.is_closed() {
            Vec::new()
        } else {
            verdict::own(&*self.site.state)?
        };
        own.retain(|record| task.is_none_or(|task| record.task == *task));
        let shared = refs::read(&self.site.git, task, &own)?;
        if let Some(first) = shared.ignored.first() {
            let more = shared.ignored.len() - 1;
            let more = if more == 0 {
                String::new()
            } else {
                format!(" (and {more} more: `snapback verdicts list`)")
            };
            self.site
                .warn(format!("a shared verdict is ignored: {first}{more}"));
        }
        Ok((own, shared))
    }

    /// The verdicts of some tasks, or of all, the newest last; and the shared ones that are
    /// ignored.
    pub fn verdicts(&self, tasks: &[TaskId]) -> Result<(Vec<VerdictRecord>, Vec<String>), Failure> {
        let (records, ignored) = self.verdict_records(None)?;
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

    /// True for what was said of another release of the number than the one that is here.
    pub fn is_of_another(&self, record: &VerdictRecord) -> bool {
        let here = catalog::verdict::meant(&self.site.git, &record.task, &record.version);
        !Meant::may_be(record.release.as_ref(), here.as_ref())
    }

    /// Pushes the verdicts; returns how many there are, how many are new there, and where. Nothing
    /// can conflict: each has a name of its own. Without a named remote they go where `git push`
    /// goes.
    pub fn push_verdicts(&self, remote: Option<&str>) -> Result<(usize, usize, String), Failure> {
        let remote = self.remote_or_default(remote)?;
        let _lock = self.site.lock()?;
        refs::publish(&self.site.git, None, &verdict::own(&*self.site.state)?)?;
        let names = refs::names(&self.site.git, None)?;
        let all = [format!("{PREFIX}*:{PREFIX}*")];
        let new = if names.is_empty() {
            0
        } else {
            self.site.git.push(&remote, &all, Hooks::Skip)?
        };
        Ok((names.len(), new, remote))
    }

    /// Fetches the verdicts of others; returns how many are new, and from where. A name that is
    /// there already is never given another meaning. Without a named remote they come from where
    /// [`App::push_verdicts`] brings them.
    pub fn fetch_verdicts(&self, remote: Option<&str>) -> Result<(usize, String), Failure> {
        let remote = self.remote_or_default(remote)?;
        let _lock = self.site.lock()?;
        let before = refs::names(&self.site.git, None)?.len();
        let what = audit::deed_about("verdicts fetch", &crate::base::secret::clean_text(&remote));
        self.witnessed(what, "", || {
            Ok(self
                .site
                .git
                .fetch(&remote, &[format!("{PREFIX}*:{PREFIX}*")])?)
        })?;
        Ok((
            refs::names(&self.site.git, None)?
                .len()
                .saturating_sub(before),
            remote,
        ))
    }

    /// The named remote, or the one of a push.
    fn remote_or_default(&self, named: Option<&str>) -> Result<String, Failure> {
        named.map_or_else(
            || Ok(self.site.git.push_remote()?),
            |named| Ok(named.to_string()),
        )
    }
}
