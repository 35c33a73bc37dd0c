//! What was said of versions, here and elsewhere: listed, pushed, fetched.

use super::{App, audit};
use crate::{
    base::{Failure, TaskId},
    model::VerdictRecord,
    steps::{
        shared::{self, PREFIX},
        verdicts::{self, Records},
    },
};

impl App {
    /// All verdicts, here and shared, in the order in which they count; and what is ignored of the
    /// shared ones, which is said once as a warning too. Of one task when it is named.
    pub(super) fn verdict_records(&self, task: Option<&TaskId>) -> Result<(Records, Vec<String>), Failure> {
        let mut own = verdicts::own(&*self.ground.state)?;
        own.retain(|record| task.is_none_or(|task| record.task == *task));
        let shared = shared::read(&self.ground.git, task, &own)?;
        if let Some(first) = shared.ignored.first() {
            let more = shared.ignored.len() - 1;
            let more = if more == 0 { String::new() } else { format!(" (and {more} more: `snapback verdicts list`)") };
            self.ground.warn(format!("a shared verdict is ignored: {first}{more}"));
        }
        Ok((verdicts::union(own, shared.records), shared.ignored))
    }

    /// The verdicts of some tasks, or of all, the newest last; and the shared ones that are ignored.
    pub fn verdicts(&self, tasks: &[TaskId]) -> Result<(Vec<VerdictRecord>, Vec<String>), Failure> {
        let (records, ignored) = self.verdict_records(None)?;
        let wanted = records.into_iter().filter(|(task, _)| tasks.is_empty() || tasks.contains(task));
        Ok((wanted.flat_map(|(_, versions)| versions.into_values().flatten()).collect(), ignored))
    }

    /// Pushes the verdicts; returns how many there are. Nothing can conflict: each has a name of its own.
    pub fn push_verdicts(&self, remote: &str) -> Result<usize, Failure> {
        let _lock = self.lock()?;
        shared::publish(&self.ground.git, None, &verdicts::own(&*self.ground.state)?)?;
        let names = shared::names(&self.ground.git, None)?;
        if !names.is_empty() {
            self.ground.git.push(remote, &[format!("{PREFIX}*:{PREFIX}*")])?;
        }
        Ok(names.len())
    }

    /// Fetches the verdicts of others; returns how many are new. A name that is there already is
    /// never given another meaning.
    pub fn fetch_verdicts(&self, remote: &str) -> Result<usize, Failure> {
        let _lock = self.lock()?;
        let before = shared::names(&self.ground.git, None)?.len();
        let what = audit::deed_about("verdicts fetch", &crate::base::secret::clean_text(remote));
        self.witnessed(what, "", || Ok(self.ground.git.fetch(remote, &[format!("{PREFIX}*:{PREFIX}*")])?))?;
        Ok(shared::names(&self.ground.git, None)?.len().saturating_sub(before))
    }
}
