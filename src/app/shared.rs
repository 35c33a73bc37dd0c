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
        // Somebody else's state folder: what was shared can be read all the same.
        let mut own = if self.is_closed() { Vec::new() } else { verdicts::own(&*self.ground.state)? };
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

    /// Pushes the verdicts; returns how many there are, and where they are. Nothing can conflict: each
    /// has a name of its own. Without a named remote they go where `git push` goes.
    pub fn push_verdicts(&self, remote: Option<&str>) -> Result<(usize, String), Failure> {
        let remote = self.remote_or_default(remote)?;
        let _lock = self.lock()?;
        shared::publish(&self.ground.git, None, &verdicts::own(&*self.ground.state)?)?;
        let names = shared::names(&self.ground.git, None)?;
        if !names.is_empty() {
            self.ground.git.push(&remote, &[format!("{PREFIX}*:{PREFIX}*")])?;
        }
        Ok((names.len(), remote))
    }

    /// Fetches the verdicts of others; returns how many are new, and from where. A name that is there
    /// already is never given another meaning. Without a named remote they come from where
    /// [`App::push_verdicts`] brings them.
    pub fn fetch_verdicts(&self, remote: Option<&str>) -> Result<(usize, String), Failure> {
        let remote = self.remote_or_default(remote)?;
        let _lock = self.lock()?;
        let before = shared::names(&self.ground.git, None)?.len();
        let what = audit::deed_about("verdicts fetch", &crate::base::secret::clean_text(&remote));
        self.witnessed(what, "", || Ok(self.ground.git.fetch(&remote, &[format!("{PREFIX}*:{PREFIX}*")])?))?;
        Ok((shared::names(&self.ground.git, None)?.len().saturating_sub(before), remote))
    }

    /// The named remote, or the one of a push.
    fn remote_or_default(&self, named: Option<&str>) -> Result<String, Failure> {
        named.map_or_else(|| Ok(self.ground.git.push_remote()?), |named| Ok(named.to_string()))
    }
}
