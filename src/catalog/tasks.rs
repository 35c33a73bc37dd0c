//! The tasks of a site and their releases, by the names users type. Broken tags are skipped with a
//! warning.

use super::{
    Error,
    releases::{self, Releases},
};
use crate::{
    base::{Failure, text},
    model::{TaskId, TaskSpec, Version},
    site::RepoSite,
};

/// Returns the settings of a task.
///
/// # Errors
/// Fails when there is no such task, or its settings are invalid.
pub fn spec<'a>(site: &'a RepoSite, id: &TaskId) -> Result<&'a TaskSpec, Failure> {
    site.settings
        .task(id)
        .ok_or_else(|| not_usable(site, id.as_str()))
}

/// Finds a task by the text typed.
///
/// # Errors
/// Fails as [`spec`] does.
pub fn find(site: &RepoSite, typed: &str) -> Result<TaskId, Failure> {
    let id = typed.parse::<TaskId>().ok();
    id.filter(|id| site.settings.task(id).is_some())
        .ok_or_else(|| not_usable(site, typed))
}

/// Returns why a task does not exist or cannot be used.
fn not_usable(site: &RepoSite, typed: &str) -> Failure {
    let flawed = typed.parse().ok().map(|id| site.refuse_flawed(&id));
    if let Some(Err(flaw)) = flawed {
        return flaw.into();
    }
    let ids = site.settings.tasks.iter().map(|task| task.id.as_str());
    let near = text::did_you_mean(typed, ids);
    Error::UnknownTask {
        task: text::escape(typed.as_bytes()),
        near: near.into_iter().map(String::from).collect(),
    }
    .into()
}

/// Returns the task whose folder contains the opened folder.
pub fn here(site: &RepoSite) -> Option<TaskId> {
    let here = site.git.prefix();
    let inside = |task: &&TaskSpec| !task.dir.is_root() && here.is_in(&task.dir);
    let task = site.settings.tasks.iter().find(inside);
    task.map(|task| task.id.clone())
}

/// Returns all releases of all tasks.
///
/// # Errors
/// Fails when the tags cannot be read.
pub fn all_releases(site: &RepoSite) -> Result<Releases, Failure> {
    releases::all(&site.git, &site.settings).inspect(|releases| name_broken(site, releases))
}

/// Returns all releases of all tasks, each tag resolved.
///
/// # Errors
/// Fails when the tags cannot be read.
pub fn followed_releases(site: &RepoSite) -> Result<Releases, Failure> {
    releases::all_followed(&site.git, &site.settings)
        .inspect(|releases| name_broken(site, releases))
}

/// Returns the tagged releases of one task.
///
/// # Errors
/// Fails when the tags cannot be read.
pub fn tagged_releases(site: &RepoSite, task: &TaskId) -> Result<Releases, Failure> {
    releases::of_task(&site.git, &site.settings, task)
        .inspect(|releases| name_broken(site, releases))
}

/// Returns the releases of one task, including those whose tag was deleted.
///
/// # Errors
/// Fails when the references cannot be read.
pub fn releases_of(site: &RepoSite, task: &TaskId) -> Result<Releases, Failure> {
    let mut releases = tagged_releases(site, task)?;
    releases.add_lost(&site.git, &site.settings, task)?;
    Ok(releases)
}

/// Returns one release of a task; all of the task's when its tag was deleted.
///
/// # Errors
/// Fails when the references cannot be read.
pub fn release_of(site: &RepoSite, task: &TaskId, version: &Version) -> Result<Releases, Failure> {
    let found = releases::one(&site.git, &site.settings, task, version)?;
    if found.by_task.is_empty() {
        releases_of(site, task)
    } else {
        Ok(found)
    }
}

/// Warns about tags that are broken or do not point to a commit.
fn name_broken(site: &RepoSite, releases: &Releases) {
    for tag in &releases.broken_tags {
        site.warn_once(format!(
            "{} is broken and passed over: {}",
            tag.name, tag.why
        ));
    }
    for (name, why) in &releases.misnamed {
        site.warn_once(format!("{name} is no release and passed over: {why}"));
    }
    for (task, counts, other) in &releases.doubled {
        site.warn_once(format!(
            "{counts} and {other} are tags of the same version of {task}: {counts} counts"
        ));
    }
    for (name, _, why) in &releases.misfits {
        site.warn_once(format!("{name} is no release and passed over: {why}"));
    }
}
