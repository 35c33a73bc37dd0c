//! What an operation made, pushed: where `git push` goes, after a look at what is there.

use std::collections::BTreeMap;

use super::{App, Error};
use crate::{
    base::{Failure, secret},
    catalog::{self, tasks},
    git::{Attributes, Hooks, PushTarget, branch_name},
    journal::history,
    model::{
        GitId, Report, TagName, TaskId, Version,
        hooks::HookEvent,
        operation::{OpKind, RefChange},
        overview::OperationLine,
        report::Outcome,
    },
    operate::share,
    verdict::refs,
};

/// What a remote has of a task and of the branch.
#[derive(Debug, Clone)]
pub struct Beyond {
    /// Where a push would go.
    pub target: PushTarget,
    /// Its branch, when it has one.
    pub branch: Option<GitId>,
    /// The versions of the task that it has tags of and this clone not, or other ones, each with
    /// where.
    pub elsewhere: BTreeMap<Version, String>,
}

/// What a push came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// Where it went, without secrets.
    pub remote: String,
    /// False when the remote had all of it already.
    pub is_new: bool,
}

impl App {
    /// Looks at the remote before a release that is to be pushed there: one question.
    ///
    /// # Errors
    /// When there is no remote, when it cannot be asked, and when the branch there has commits that
    /// are not here: a push would be refused.
    pub fn look_beyond(&self, task: &TaskId, named: &str) -> Result<Beyond, Failure> {
        let beyond = self.ask_remote(task, named)?;
        if let Some(commit) = &beyond.branch
            && !self.site.git.is_built_on(commit)?
        {
            let PushTarget { remote, there, .. } = &beyond.target;
            return Err(Error::Behind {
                remote: secret::clean_text(remote),
                branch: branch_name(there).into(),
            }
            .into());
        }
        Ok(beyond)
    }

    /// What the remote has.
    fn ask_remote(&self, task: &TaskId, named: &str) -> Result<Beyond, Failure> {
        let git = &self.site.git;
        let target = git.push_target(Some(named))?;
        let found = git.remote_refs(
            &target.remote,
            &[target.there.clone(), format!("refs/tags/{task}-v*")],
        )?;
        let remote = secret::clean_text(&target.remote);
        let mut elsewhere = BTreeMap::new();
        for (name, there) in &found {
            let Some(name) = name.strip_prefix("refs/tags/") else {
                continue;
            };
            let parsed = TagName::parse(name, |id| self.site.settings.knows(id));
            let Some(TagName::Release { task: id, version }) =
                parsed.filter(|name| name.task() == task)
            else {
                continue;
            };
            match git.find_ref(&TagName::release(&id, &version).reference())? {
                Some(here) if here == *there => None,
                Some(_) => elsewhere.insert(version, format!("another tag of it is at {remote}")),
                None => elsewhere.insert(version, format!("its tag is at {remote}")),
            };
        }
        Ok(Beyond {
            branch: found.get(&target.there).cloned(),
            target,
            elsewhere,
        })
    }

    /// Pushes what an operation made, or what was made before where there was nothing left to do:
    /// the branch, its tag, and what is said of the task's versions, all or nothing.
    ///
    /// # Errors
    /// When there is no remote, when it or a hook refuses, and when files of Git LFS would go
    /// without their bytes.
    pub fn push(&self, report: &Report, named: &str, hooks: Hooks) -> Result<Pushed, Failure> {
        let git = &self.site.git;
        let target = git.push_target(Some(named))?;
        let tag = self.tag_of(report)?;
        let is_there = || self.is_there(&target, tag.as_deref());
        let is_new = report.changed || !is_there()?;
        let mut refs = vec![format!("{}:{}", target.branch, target.there)];
        refs.extend(tag.iter().map(|tag| format!("refs/tags/{tag}")));
        if let Some(task) = &report.task {
            self.check_uploaded(task, &target, hooks)?;
            refs.extend(self.verdicts_to_share(task)?);
        }
        let remote = secret::clean_text(&target.remote);
        match git
            .push(&target.remote, &refs, hooks)
            .map_err(Failure::from)
        {
            // The remote took it, and then something else went wrong.
            Err(failure) if !failure.is_stop() && is_there().unwrap_or(false) => {
                self.site.warn(format!(
                    "{remote} has it, although the push ended with an error: {failure}"
                ));
                Ok(Pushed { remote, is_new })
            }
            Err(failure) => Err(failure),
            Ok(_) => Ok(Pushed { remote, is_new }),
        }
    }

    /// The tag that goes with a report: the one that was made, or the one of the release or
    /// rollback that brought the task there before.
    pub fn tag_of(&self, report: &Report) -> Result<Option<String>, Failure> {
        let (Some(task), Some(version), false) = (&report.task, &report.to, report.changed) else {
            return Ok(report.tag.clone());
        };
        let git = &self.site.git;
        let name = match report.kind {
            OpKind::CreateSnapshot => Some(TagName::release(task, version).reference()),
            OpKind::Rollback => self.marker_of(task, version)?,
            _ => None,
        };
        let is_here = |name: &String| git.find_ref(name).is_ok_and(|found| found.is_some());
        Ok(name
            .filter(is_here)
            .and_then(|name| name.strip_prefix("refs/tags/").map(String::from)))
    }

    /// The tag that the task's newest operation made, when that is the rollback to a version.
    fn marker_of(&self, task: &TaskId, version: &Version) -> Result<Option<String>, Failure> {
        let of_task = |op: &OperationLine| {
            op.task.as_ref() == Some(task) && op.outcome == Some(Outcome::Done)
        };
        let newest = self.operations()?.into_iter().find(of_task);
        let Some(op) =
            newest.filter(|op| op.kind == OpKind::Rollback && op.to.as_ref() == Some(version))
        else {
            return Ok(None);
        };
        let made = history::open(&self.site.state, &op.id)?.map(|found| found.operation);
        let refs = made
            .iter()
            .filter_map(|made| made.publication())
            .flat_map(|publication| &publication.refs);
        let is_tag = |change: &&RefChange| change.name.starts_with("refs/tags/");
        Ok(refs.filter(is_tag).map(|change| change.name.clone()).next())
    }

    /// True when a remote has the branch as it is here, and a tag.
    fn is_there(&self, target: &PushTarget, tag: Option<&str>) -> Result<bool, Failure> {
        let tag = tag.map(|tag| format!("refs/tags/{tag}"));
        let names: Vec<(String, String)> = tag
            .into_iter()
            .map(|tag| (tag.clone(), tag))
            .chain([(target.branch.clone(), target.there.clone())])
            .collect();
        let git = &self.site.git;
        let there = git.remote_refs(
            &target.remote,
            &names
                .iter()
                .map(|(_, there)| there.clone())
                .collect::<Vec<_>>(),
        )?;
        for (name, other) in &names {
            if git.find_ref(name)?.as_ref() != there.get(other) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Refuses a push of files of Git LFS when nothing would upload their bytes: that is done by
    /// the pre-push hook of git-lfs, and of whoever calls it. git itself sends what stands for
    /// them.
    fn check_uploaded(
        &self,
        task: &TaskId,
        target: &PushTarget,
        hooks: Hooks,
    ) -> Result<(), Failure> {
        let git = &self.site.git;
        let (Some(head), spec) = (git.find_ref("HEAD")?, tasks::spec(&self.site, task)?) else {
            return Ok(());
        };
        let rules = git.converter(Attributes::Commit(&head))?;
        if rules.is_trivial() {
            return Ok(());
        }
        let scope = catalog::Scope::new(&self.site.settings, spec)?;
        let entries = git.entries(&head, &scope.dirs())?;
        let large: Vec<_> = entries
            .iter()
            .filter(|(path, _)| scope.owns(path) && rules.is_lfs(path).unwrap_or(false))
            .collect();
        let Some((first, _)) = large.first() else {
            return Ok(());
        };
        if hooks == Hooks::Run && self.has_own_pre_push()? {
            return Ok(());
        }
        let (remote, branch) = (
            secret::clean_text(&target.remote),
            branch_name(&target.branch).into(),
        );
        Err(Error::NotUploaded {
            first: first.clone(),
            count: large.len(),
            remote,
            branch,
        }
        .into())
    }

    /// True when git runs a pre-push hook that is not snapback's.
    fn has_own_pre_push(&self) -> Result<bool, Failure> {
        use std::os::unix::fs::PermissionsExt;
        let is_program = |path: &String| {
            let found = std::fs::metadata(self.work_tree().join(path));
            found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let beside = self
            .hooks()?
            .hooks
            .into_iter()
            .find(|line| line.event == HookEvent::PrePush)
            .and_then(|line| line.beside);
        let listed = || self.site.git.listed_hooks(HookEvent::PrePush.name());
        // git lists a hook that is a file with a name of its own words.
        Ok(beside.as_ref().is_some_and(is_program)
            || (self.site.git.runs_configured_hooks()
                && listed()
                    .iter()
                    .any(|name| !name.contains("snapback") && !name.contains(' '))))
    }

    /// The references of what is said of a task's versions; what was only written down here gets
    /// its own.
    fn verdicts_to_share(&self, task: &TaskId) -> Result<Vec<String>, Failure> {
        let _lock = self.site.lock()?;
        let own = crate::verdict::own(&*self.site.state)?;
        if let Err(failure) = refs::publish(&self.site.git, Some(task), &own) {
            self.site.warn(refs::not_shared(&failure));
        }
        refs::names(&self.site.git, Some(task))
    }

    /// Why a push was refused, as far as the remote says it now: a way out for people.
    pub fn way_out(&self, report: &Report, named: &str) -> Option<Error> {
        let (task, tag) = (report.task.as_ref()?, self.tag_of(report).ok()?);
        let beyond = self.ask_remote(task, named).ok()?;
        let git = &self.site.git;
        let remote = secret::clean_text(&beyond.target.remote);
        if let Some(tag) = &tag {
            let name = format!("refs/tags/{tag}");
            let there = git
                .remote_refs(&beyond.target.remote, std::slice::from_ref(&name))
                .ok()?;
            let here = git.find_ref(&name).ok()?;
            if there
                .get(&name)
                .is_some_and(|there| Some(there) != here.as_ref())
            {
                return Some(Error::TagThere {
                    tag: tag.clone(),
                    remote,
                });
            }
        }
        let behind = beyond
            .branch
            .is_some_and(|commit| !git.is_built_on(&commit).unwrap_or(true));
        behind.then(|| Error::Behind {
            remote,
            branch: branch_name(&beyond.target.there).into(),
        })
    }

    /// The remote that a push goes to, for people.
    pub fn push_place(&self, named: &str) -> String {
        let target = self.site.git.push_target(Some(named));
        target.map_or_else(
            |_| "the remote".into(),
            |target| secret::clean_text(&target.remote),
        )
    }

    /// The words of the command that shares a branch and a tag; none when there is no saying where.
    pub fn share(&self, tag: Option<&str>, named: Option<&str>) -> Vec<String> {
        share::words(&self.site, tag, named)
    }
}
