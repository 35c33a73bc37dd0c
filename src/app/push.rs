//! What an operation made, pushed: where `git push` goes, after a look at what is there.

use std::collections::BTreeMap;

use super::{App, Error};
use crate::{
    base::{Failure, GitId, TaskId, secret},
    git::{PushTarget, branch_name},
    model::{Report, TagName, Version},
    steps::shared,
};

/// What a remote has of a task and of the branch.
#[derive(Debug, Clone)]
pub struct Beyond {
    /// Where a push would go.
    pub target: PushTarget,
    /// Its branch, when it has one.
    pub branch: Option<GitId>,
    /// The versions of the task that it has tags of and this clone not, each with where.
    pub elsewhere: BTreeMap<Version, String>,
}

impl App {
    /// Looks at the remote before a release that is to be pushed there: one question.
    ///
    /// # Errors
    /// When there is no remote, when it cannot be asked, and when the branch there has commits that are
    /// not here: a push would be refused.
    pub fn look_beyond(&self, task: &TaskId, named: &str) -> Result<Beyond, Failure> {
        let beyond = self.ask_remote(task, named)?;
        if let Some(commit) = &beyond.branch
            && !self.ground.git.is_built_on(commit)?
        {
            let PushTarget { remote, there, .. } = &beyond.target;
            return Err(Error::Behind { remote: secret::clean_text(remote), branch: branch_name(there).into() }.into());
        }
        Ok(beyond)
    }

    /// What the remote has.
    fn ask_remote(&self, task: &TaskId, named: &str) -> Result<Beyond, Failure> {
        let git = &self.ground.git;
        let target = git.push_target(Some(named))?;
        let found = git.remote_refs(&target.remote, &[target.there.clone(), format!("refs/tags/{task}-v*")])?;
        let place = format!("its tag is at {}", secret::clean_text(&target.remote));
        let mut elsewhere = BTreeMap::new();
        for name in found.keys().filter_map(|name| name.strip_prefix("refs/tags/")) {
            let parsed = TagName::parse(name, |id| self.ground.settings.knows(id));
            let Some(TagName::Release { task: id, version }) = parsed.filter(|name| name.task() == task) else { continue };
            if git.find_ref(&TagName::release(&id, &version).reference())?.is_none() {
                elsewhere.insert(version, place.clone());
            }
        }
        Ok(Beyond { branch: found.get(&target.there).cloned(), target, elsewhere })
    }

    /// Pushes what an operation made: the branch, its tag, and what is said of the task's versions,
    /// all or nothing. Returns where to.
    ///
    /// # Errors
    /// When there is no remote, or it refuses.
    pub fn push(&self, report: &Report, named: &str) -> Result<String, Failure> {
        let git = &self.ground.git;
        let target = git.push_target(Some(named))?;
        let mut refs = vec![format!("{}:{}", target.branch, target.there)];
        refs.extend(report.tag.iter().map(|tag| format!("refs/tags/{tag}")));
        if let Some(task) = &report.task {
            refs.extend(self.verdicts_to_share(task)?);
        }
        git.push(&target.remote, &refs)?;
        Ok(target.remote)
    }

    /// The references of what is said of a task's versions; what was only written down here gets its own.
    fn verdicts_to_share(&self, task: &TaskId) -> Result<Vec<String>, Failure> {
        let _lock = self.lock()?;
        let own = crate::steps::verdicts::own(&*self.ground.state)?;
        if let Err(failure) = shared::publish(&self.ground.git, Some(task), &own) {
            self.ground.warn(shared::not_shared(&failure));
        }
        shared::names(&self.ground.git, Some(task))
    }

    /// Why a push was refused, as far as the remote says it now: a way out for people.
    pub fn way_out(&self, report: &Report, named: &str) -> Option<Error> {
        let task = report.task.as_ref()?;
        let beyond = self.ask_remote(task, named).ok()?;
        let git = &self.ground.git;
        let remote = secret::clean_text(&beyond.target.remote);
        if let Some(tag) = &report.tag {
            let name = format!("refs/tags/{tag}");
            let there = git.remote_refs(&beyond.target.remote, std::slice::from_ref(&name)).ok()?;
            let here = git.find_ref(&name).ok()?;
            if there.get(&name).is_some_and(|there| Some(there) != here.as_ref()) {
                return Some(Error::TagThere { tag: tag.clone(), remote });
            }
        }
        let behind = beyond.branch.is_some_and(|commit| !git.is_built_on(&commit).unwrap_or(true));
        behind.then(|| Error::Behind { remote, branch: branch_name(&beyond.target.there).into() })
    }

    /// The words of the command that shares a branch and a tag; none when there is no saying where.
    pub fn share(&self, tag: Option<&str>, named: Option<&str>) -> Vec<String> {
        let Ok(target) = self.ground.git.push_target(named) else { return Vec::new() };
        let remote = secret::clean_text(&target.remote);
        let mut words: Vec<String> = ["git", "push"].map(String::from).to_vec();
        words.extend(tag.map(|_| "--atomic".into()));
        words.extend([remote, target.refspec()]);
        words.extend(tag.map(String::from));
        words
    }
}
