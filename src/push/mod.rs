//! Row 11, push: sends what an operation made to where `git push` goes, after checking the remote.
//!
//! A push changes nothing here except the references of verdicts; the remote itself reports what it
//! accepted. [`verdicts`] pushes and fetches verdicts on versions.

mod error;
pub mod verdicts;

use std::collections::BTreeMap;

use crate::{
    base::{Failure, secret},
    catalog::{self, releases, tasks},
    git::{Attributes, Hooks, PushTarget, branch_name},
    hooks::install,
    journal::history,
    model::{
        GitId, Report, TagName, TaskId, Version,
        hooks::HookEvent,
        operation::{OpKind, RefChange},
        overview::OperationLine,
        report::Outcome,
        tag,
    },
    operate::operations,
    site::RepoSite,
};

pub use error::Error;

/// The state of a task and of the branch at a remote.
#[derive(Debug, Clone)]
pub struct Beyond {
    /// The target of a push.
    pub target: PushTarget,
    /// The target's branch, if it exists.
    pub branch: Option<GitId>,
    /// The versions with a tag there that is missing or different here, each with its place.
    pub elsewhere: BTreeMap<Version, String>,
}

/// The result of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushResult {
    /// The target, without secrets.
    pub remote: String,
    /// False when the remote already had everything.
    pub is_new: bool,
}

/// Queries the remote, once, before a release that is to be pushed there.
///
/// # Errors
/// Fails when there is no remote, when it cannot be queried, and when its branch has commits that
/// are not here, so that a push would be refused.
pub fn look_beyond(site: &RepoSite, task: &TaskId, named: &str) -> Result<Beyond, Failure> {
    let beyond = ask_remote(site, task, named)?;
    if let Some(commit) = &beyond.branch
        && !site.git.is_built_on(commit)?
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

/// Queries the remote.
fn ask_remote(site: &RepoSite, task: &TaskId, named: &str) -> Result<Beyond, Failure> {
    let git = &site.git;
    let target = git.push_target(Some(named))?;
    let beginnings = site.settings.tag_beginnings(task).into_iter();
    let mut wanted = vec![target.there.clone()];
    wanted.extend(beginnings.map(|beginning| format!("refs/tags/{beginning}*")));
    let found = git.remote_refs(&target.remote, &wanted)?;
    let remote = secret::clean_text(&target.remote);
    let mut elsewhere = BTreeMap::new();
    for (name, there) in &found {
        let Some(name) = name.strip_prefix("refs/tags/") else {
            continue;
        };
        let Some(TagName::Release { version, .. }) = site.settings.tag_of(task, name) else {
            continue;
        };
        match git.find_ref(&tag::reference(name))? {
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

/// Pushes what an operation made, or what was made earlier if there was nothing left to do: the
/// branch, its tag, and the verdicts on the task's versions, all or nothing.
///
/// # Errors
/// Fails when there is no remote, when it or a hook refuses, and when Git LFS files would go
/// without their bytes.
pub fn push(
    site: &RepoSite,
    report: &Report,
    named: &str,
    hooks: Hooks,
) -> Result<PushResult, Failure> {
    let git = &site.git;
    let target = git.push_target(Some(named))?;
    let tag = tag_of(site, report)?;
    let is_there = || is_there(site, &target, tag.as_deref());
    let is_new = report.changed || !is_there()?;
    let mut refs = vec![format!("{}:{}", target.branch, target.there)];
    refs.extend(tag.iter().map(|tag| format!("refs/tags/{tag}")));
    if let Some(task) = &report.task {
        check_uploaded(site, task, &target, hooks)?;
        refs.extend(verdicts::to_share(site, task)?);
    }
    let remote = secret::clean_text(&target.remote);
    match git
        .push(&target.remote, &refs, hooks)
        .map_err(Failure::from)
    {
        // The remote accepted it, and then something else failed.
        Err(failure) if !failure.is_stop() && is_there().unwrap_or(false) => {
            site.warn(format!(
                "{remote} has it, although the push ended with an error: {failure}"
            ));
            Ok(PushResult { remote, is_new })
        }
        Err(failure) => Err(failure),
        Ok(_) => Ok(PushResult { remote, is_new }),
    }
}

/// Returns the tag for a report: the new one, or the one of the release or rollback that earlier
/// brought the task to this version.
pub fn tag_of(site: &RepoSite, report: &Report) -> Result<Option<String>, Failure> {
    let (Some(task), Some(version), false) = (&report.task, &report.to, report.changed) else {
        return Ok(report.tag.clone());
    };
    let git = &site.git;
    let name = match report.kind {
        OpKind::CreateSnapshot => releases::one(git, &site.settings, task, version)?
            .of(task)
            .next()
            .map(|release| tag::reference(&release.tag)),
        OpKind::Rollback => marker_of(site, task, version)?,
        _ => None,
    };
    let is_here = |name: &String| git.find_ref(name).is_ok_and(|found| found.is_some());
    Ok(name
        .filter(is_here)
        .and_then(|name| name.strip_prefix("refs/tags/").map(String::from)))
}

/// Returns the tag of the task's newest operation, if that is the rollback to this version.
fn marker_of(site: &RepoSite, task: &TaskId, version: &Version) -> Result<Option<String>, Failure> {
    let of_task =
        |op: &OperationLine| op.task.as_ref() == Some(task) && op.outcome == Some(Outcome::Done);
    let newest = operations::all(site)?.into_iter().find(of_task);
    let Some(op) =
        newest.filter(|op| op.kind == OpKind::Rollback && op.to.as_ref() == Some(version))
    else {
        return Ok(None);
    };
    let made = history::open(&site.state, &op.id)?.map(|found| found.operation);
    let refs = made
        .iter()
        .filter_map(|made| made.publication())
        .flat_map(|publication| &publication.refs);
    let is_tag = |change: &&RefChange| change.name.starts_with("refs/tags/");
    Ok(refs.filter(is_tag).map(|change| change.name.clone()).next())
}

/// Returns true when a remote has the branch as it is here, and the tag.
fn is_there(site: &RepoSite, target: &PushTarget, tag: Option<&str>) -> Result<bool, Failure> {
    let tag = tag.map(|tag| format!("refs/tags/{tag}"));
    let names: Vec<(String, String)> = tag
        .into_iter()
        .map(|tag| (tag.clone(), tag))
        .chain([(target.branch.clone(), target.there.clone())])
        .collect();
    let git = &site.git;
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

/// Refuses a push of Git LFS files when nothing would upload their bytes. That is the job of
/// git-lfs's pre-push hook, or of another hook that calls it; git itself sends only the pointers.
fn check_uploaded(
    site: &RepoSite,
    task: &TaskId,
    target: &PushTarget,
    hooks: Hooks,
) -> Result<(), Failure> {
    let git = &site.git;
    let (Some(head), spec) = (git.find_ref("HEAD")?, tasks::spec(site, task)?) else {
        return Ok(());
    };
    let rules = git.converter(Attributes::Commit(&head))?;
    if rules.is_trivial() {
        return Ok(());
    }
    let scope = catalog::Scope::new(&site.settings, spec)?;
    let entries = git.entries(&head, &scope.dirs())?;
    let large: Vec<_> = entries
        .iter()
        .filter(|(path, _)| scope.owns(path) && rules.is_lfs(path).unwrap_or(false))
        .collect();
    let Some((first, _)) = large.first() else {
        return Ok(());
    };
    if hooks == Hooks::Run && has_own_pre_push(site)? {
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

/// Returns true when git runs a pre-push hook that is not snapback's.
fn has_own_pre_push(site: &RepoSite) -> Result<bool, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let is_program = |path: &String| {
        let found = std::fs::metadata(site.git.work_tree().join(path));
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let beside = install::status(site)?
        .hooks
        .into_iter()
        .find(|line| line.event == HookEvent::PrePush)
        .and_then(|line| line.beside);
    let listed = || site.git.listed_hooks(HookEvent::PrePush.name());
    // git lists a hook file under a phrase with blanks, and a configured hook under its name.
    Ok(beside.as_ref().is_some_and(is_program)
        || (site.git.runs_configured_hooks()
            && listed()
                .iter()
                .any(|name| !name.contains("snapback") && !name.contains(' '))))
}

/// Returns why a push was refused, by the remote's current state, as an error with hints.
pub fn way_out(site: &RepoSite, report: &Report, named: &str) -> Option<Error> {
    let (task, tag) = (report.task.as_ref()?, tag_of(site, report).ok()?);
    let beyond = ask_remote(site, task, named).ok()?;
    let git = &site.git;
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

/// Returns the remote that a push goes to, for display.
pub fn push_place(site: &RepoSite, named: &str) -> String {
    let target = site.git.push_target(Some(named));
    target.map_or_else(
        |_| "the remote".into(),
        |target| secret::clean_text(&target.remote),
    )
}
