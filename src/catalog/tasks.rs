//! The tasks of a site and their releases, as people name them. A tag that leads nowhere is passed
//! over, and not without a word.

use super::{
    Error,
    releases::{self, Releases},
};
use crate::{
    base::{Failure, text},
    model::{TaskId, TaskSpec, Version},
    site::RepoSite,
};

/// The settings of a task.
///
/// # Errors
/// When there is no such task, or its settings cannot be used.
pub fn spec<'a>(site: &'a RepoSite, id: &TaskId) -> Result<&'a TaskSpec, Failure> {
    site.settings
        .task(id)
        .ok_or_else(|| not_usable(site, id.as_str()))
}

/// Finds a task by what was typed.
///
/// # Errors
/// Those of [`spec`].
pub fn find(site: &RepoSite, typed: &str) -> Result<TaskId, Failure> {
    let id = typed.parse::<TaskId>().ok();
    id.filter(|id| site.settings.task(id).is_some())
        .ok_or_else(|| not_usable(site, typed))
}

/// Why there is no task of this name, or none that can be used.
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

/// The task whose folder the opened folder is in.
pub fn here(site: &RepoSite) -> Option<TaskId> {
    let here = site.git.prefix();
    let inside = |task: &&TaskSpec| !task.dir.is_root() && here.is_in(&task.dir);
    let task = site.settings.tasks.iter().find(inside);
    task.map(|task| task.id.clone())
}

/// All releases of all tasks.
///
/// # Errors
/// When the tags cannot be read.
pub fn all_releases(site: &RepoSite) -> Result<Releases, Failure> {
    releases::all(&site.git, &site.settings).inspect(|releases| name_broken(site, releases))
}

/// The releases of one task that have a tag.
///
/// # Errors
/// When the tags cannot be read.
pub fn tagged_releases(site: &RepoSite, task: &TaskId) -> Result<Releases, Failure> {
    releases::of_task(&site.git, &site.settings, task)
        .inspect(|releases| name_broken(site, releases))
}

/// The releases of one task, those whose tag was deleted too.
///
/// # Errors
/// When the references cannot be read.
pub fn releases_of(site: &RepoSite, task: &TaskId) -> Result<Releases, Failure> {
    let mut releases = tagged_releases(site, task)?;
    releases.add_lost(&site.git, task)?;
    Ok(releases)
}

/// One release of a task; all that there are when its tag was deleted.
///
/// # Errors
/// When the references cannot be read.
pub fn release_of(site: &RepoSite, task: &TaskId, version: &Version) -> Result<Releases, Failure> {
    let found = releases::one(&site.git, &site.settings, task, version)?;
    if found.by_task.is_empty() {
        releases_of(site, task)
    } else {
        Ok(found)
    }
}

/// Names the tags that lead nowhere, or to no commit.
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
}
