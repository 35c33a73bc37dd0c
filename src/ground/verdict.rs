//! What is said now of the release that a number has here.

use super::Ground;
use crate::{
    base::{GitId, TaskId},
    git,
    model::{TagName, Verdict, VerdictRecord, Version},
};

impl Ground {
    /// What the tag of a release holds: a tag object or a commit.
    pub fn release_tag(&self, task: &TaskId, version: &Version) -> Result<Option<GitId>, git::Error> {
        self.git.find_ref(&TagName::release(task, version).reference())
    }

    /// A verdict on the release that is here, by whoever works here.
    pub fn verdict(&self, (task, version): (&TaskId, &Version), verdict: Verdict, reason: &str) -> VerdictRecord {
        // A machine that only looks may know no name for whoever looks.
        let who = self.git.identity().map_or_else(|_| self.host.clone(), |who| format!("{} <{}>", who.name, who.email));
        VerdictRecord {
            task: task.clone(),
            version: version.clone(),
            // A tag that cannot be read is named by whoever needs it.
            release: self.release_tag(task, version).ok().flatten(),
            verdict,
            reason: reason.into(),
            who,
            at: self.clock.now(),
            op: None,
            seq: None,
            mends: None,
        }
    }
}
