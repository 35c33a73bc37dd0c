//! Verdicts, pushed to others and fetched from them.

use super::App;
use crate::{
    base::Failure,
    git::Hooks,
    model::{TaskId, VerdictRecord},
    operate::{self, Operator},
    verdict::{
        self,
        refs::{self, PREFIX},
    },
};

impl App {
    /// The verdicts of some tasks, or of all, the newest last; and the shared ones that are
    /// ignored.
    pub fn verdicts(&self, tasks: &[TaskId]) -> Result<(Vec<VerdictRecord>, Vec<String>), Failure> {
        verdict::listed(&self.site, tasks)
    }

    /// True for what was said of another release of the number than the one that is here.
    pub fn is_of_another(&self, record: &VerdictRecord) -> bool {
        verdict::is_of_another(&self.site, record)
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
        let what = operate::deed_about("verdicts fetch", &crate::base::secret::clean_text(&remote));
        Operator::new(&self.site).witnessed(what, "", || {
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
