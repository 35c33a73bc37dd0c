//! Pushing to a remote; pushing, fetching and listing verdicts.

use super::App;
use crate::{
    base::Failure,
    git::Hooks,
    model::{Report, TaskId, VerdictRecord},
    operate::share,
    push::{self, Beyond, PushResult},
    verdict,
};

impl App {
    /// Queries the remote, once, before a release that is to be pushed there.
    ///
    /// # Errors
    /// Fails when there is no remote, when it cannot be queried, and when its branch has commits
    /// that are not here, so that a push would be refused.
    pub fn look_beyond(&self, task: &TaskId, named: &str) -> Result<Beyond, Failure> {
        push::look_beyond(&self.site, task, named)
    }

    /// Pushes the result of an operation, or an earlier result if there was nothing left to do: the
    /// branch, its tag, and the verdicts on the task's versions, atomically.
    ///
    /// # Errors
    /// Fails when there is no remote, when the remote or a hook refuses, and when Git LFS files
    /// would be pushed without their bytes.
    pub fn push(&self, report: &Report, named: &str, hooks: Hooks) -> Result<PushResult, Failure> {
        push::push(&self.site, report, named, hooks)
    }

    /// Returns the tag for a report: the new one, or the one of the release or rollback that
    /// earlier brought the task to this version.
    pub fn tag_of(&self, report: &Report) -> Result<Option<String>, Failure> {
        push::tag_of(&self.site, report)
    }

    /// Returns why a push was refused, by the remote's current state, as an error with hints.
    pub fn way_out(&self, report: &Report, named: &str) -> Option<push::Error> {
        push::way_out(&self.site, report, named)
    }

    /// Returns the remote that a push goes to, for display.
    pub fn push_place(&self, named: &str) -> String {
        push::push_place(&self.site, named)
    }

    /// Returns the command that shares a branch and a tag; empty when the destination is unclear.
    pub fn share(&self, tag: Option<&str>, named: Option<&str>) -> Vec<String> {
        share::words(&self.site, tag, named)
    }

    /// Pushes the verdicts; returns their number, how many are new there, and the remote. Conflicts
    /// are impossible, because each verdict has a name of its own. Without a named remote they go
    /// where `git push` goes.
    pub fn push_verdicts(&self, remote: Option<&str>) -> Result<(usize, usize, String), Failure> {
        push::verdicts::push(&self.site, remote)
    }

    /// Returns the remote that verdicts go to: the named one, or the default one for pushes.
    ///
    /// # Errors
    /// Fails when there is none.
    pub fn verdicts_remote(&self, remote: Option<&str>) -> Result<String, Failure> {
        push::verdicts::remote_or_default(&self.site, remote)
    }

    /// Fetches the verdicts of others; returns how many are new, and the remote. Without a named
    /// remote they come from where [`App::push_verdicts`] pushes them.
    pub fn fetch_verdicts(&self, remote: Option<&str>) -> Result<(usize, String), Failure> {
        push::verdicts::fetch(&self.site, remote)
    }

    /// Returns the verdicts on some tasks, or on all, newest last, and the ignored shared ones.
    pub fn verdicts(&self, tasks: &[TaskId]) -> Result<(Vec<VerdictRecord>, Vec<String>), Failure> {
        verdict::listed(&self.site, tasks)
    }

    /// Returns true for a record about a different release of the same number.
    pub fn is_of_another(&self, record: &VerdictRecord) -> bool {
        verdict::is_of_another(&self.site, record)
    }
}
