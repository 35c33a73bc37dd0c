//! What was made here, pushed to a remote; verdicts, pushed, fetched and listed.

use super::App;
use crate::{
    base::Failure,
    git::Hooks,
    model::{Report, TaskId, VerdictRecord},
    operate::share,
    push::{self, Beyond, Pushed},
    verdict,
};

impl App {
    /// Looks at the remote before a release that is to be pushed there: one question.
    ///
    /// # Errors
    /// When there is no remote, when it cannot be asked, and when the branch there has commits that
    /// are not here: a push would be refused.
    pub fn look_beyond(&self, task: &TaskId, named: &str) -> Result<Beyond, Failure> {
        push::look_beyond(&self.site, task, named)
    }

    /// Pushes what an operation made, or what was made before where there was nothing left to do:
    /// the branch, its tag, and what is said of the task's versions, all or nothing.
    ///
    /// # Errors
    /// When there is no remote, when it or a hook refuses, and when files of Git LFS would go
    /// without their bytes.
    pub fn push(&self, report: &Report, named: &str, hooks: Hooks) -> Result<Pushed, Failure> {
        push::push(&self.site, report, named, hooks)
    }

    /// The tag that goes with a report: the one that was made, or the one of the release or
    /// rollback that brought the task there before.
    pub fn tag_of(&self, report: &Report) -> Result<Option<String>, Failure> {
        push::tag_of(&self.site, report)
    }

    /// Why a push was refused, as far as the remote says it now: a way out for people.
    pub fn way_out(&self, report: &Report, named: &str) -> Option<push::Error> {
        push::way_out(&self.site, report, named)
    }

    /// The remote that a push goes to, for people.
    pub fn push_place(&self, named: &str) -> String {
        push::push_place(&self.site, named)
    }

    /// The words of the command that shares a branch and a tag; none when there is no saying where.
    pub fn share(&self, tag: Option<&str>, named: Option<&str>) -> Vec<String> {
        share::words(&self.site, tag, named)
    }

    /// Pushes the verdicts; returns how many there are, how many are new there, and where. Nothing
    /// can conflict: each has a name of its own. Without a named remote they go where `git push`
    /// goes.
    pub fn push_verdicts(&self, remote: Option<&str>) -> Result<(usize, usize, String), Failure> {
        push::verdicts::push(&self.site, remote)
    }

    /// Fetches the verdicts of others; returns how many are new, and from where. Without a named
    /// remote they come from where [`App::push_verdicts`] brings them.
    pub fn fetch_verdicts(&self, remote: Option<&str>) -> Result<(usize, String), Failure> {
        push::verdicts::fetch(&self.site, remote)
    }

    /// The verdicts of some tasks, or of all, the newest last; and the shared ones that are
    /// ignored.
    pub fn verdicts(&self, tasks: &[TaskId]) -> Result<(Vec<VerdictRecord>, Vec<String>), Failure> {
        verdict::listed(&self.site, tasks)
    }

    /// True for what was said of another release of the number than the one that is here.
    pub fn is_of_another(&self, record: &VerdictRecord) -> bool {
        verdict::is_of_another(&self.site, record)
    }
}
