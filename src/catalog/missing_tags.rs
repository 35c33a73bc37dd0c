//! Releases whose manifests are in the branch but whose tags are missing: a clone without tags, a
//! shallow checkout in a pipeline, a squash merge.

use std::collections::BTreeMap;

use super::{releases::Releases, tasks, untagged};
use crate::{
    base::{Failure, Hint, text},
    git,
    model::{TagName, TaskId, Version},
    site::RepoSite,
};

/// The missing tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingTags {
    /// The task, if the question was about one.
    task: Option<TaskId>,
    /// The number of manifests in the branch.
    pub manifests: usize,
    /// The releases without a tag, by task and ascending version.
    pub releases: Vec<(TaskId, Version)>,
}

impl MissingTags {
    /// Returns the sentence for the user; `None` when nothing is missing.
    pub fn sentence(&self) -> Option<String> {
        let (task, version) = self.releases.last()?;
        let manifests = || text::count(self.manifests, "manifest");
        Some(if self.releases.len() == self.manifests {
            match &self.task {
                Some(task) => format!(
                    "this clone has no release tags of {task} although snapshots/ has {}",
                    manifests()
                ),
                None => format!(
                    "this clone has no release tags although snapshots/ has {}",
                    manifests()
                ),
            }
        } else {
            let more = if self.releases.len() == 1 {
                String::new()
            } else {
                format!(" and {} more", self.releases.len() - 1)
            };
            format!(
                "{task} {version}{more} of {} has a manifest here and no tag",
                text::count(self.manifests, "release")
            )
        })
    }

    /// Returns true when this release is one of them.
    pub fn has(&self, task: &TaskId, version: &Version) -> bool {
        self.of(task).any(|missing| missing == version)
    }

    /// Returns the releases of one task, ascending.
    pub fn of(&self, task: &TaskId) -> impl Iterator<Item = &Version> {
        self.releases
            .iter()
            .filter(move |(id, _)| id == task)
            .map(|(_, version)| version)
    }

    /// Returns the releases of a task that are possible rollback targets from a version.
    pub fn older(&self, task: &TaskId, active: Option<&Version>) -> Vec<Version> {
        self.of(task)
            .filter(|version| active.is_none_or(|active| *version < active))
            .cloned()
            .collect()
    }
}

/// Returns the sentence that the tags of these releases are missing here.
pub fn not_here(versions: &[Version]) -> String {
    let named: Vec<String> = versions
        .iter()
        .rev()
        .take(3)
        .map(ToString::to_string)
        .collect();
    let more = if versions.len() > 3 {
        format!(" and {} more", versions.len() - 3)
    } else {
        String::new()
    };
    let (are, their) = if versions.len() == 1 {
        ("is", "its tag is")
    } else {
        ("are", "their tags are")
    };
    format!(
        "{}{more} {are} released, but {their} not in this clone",
        named.join(", ")
    )
}

/// Returns the hint on fetching tags.
pub fn fetch_tags() -> Hint {
    Hint::run("bring the tags here", &["git", "fetch", "--tags"])
}

/// Returns the releases that have a manifest in HEAD but no tag in this clone, of one task if
/// named.
///
/// # Errors
/// Fails when HEAD or the tags cannot be read.
pub fn missing(site: &RepoSite, task: Option<&TaskId>) -> Result<MissingTags, Failure> {
    let releases = match task {
        Some(task) => tasks::tagged_releases(site, task)?,
        None => tasks::all_releases(site)?,
    };
    beside(site, &releases, task)
}

/// Like [`missing`], given the releases already read.
pub fn beside(
    site: &RepoSite,
    releases: &Releases,
    task: Option<&TaskId>,
) -> Result<MissingTags, Failure> {
    let mut found = MissingTags {
        task: task.cloned(),
        ..MissingTags::default()
    };
    for (_, one) in by_task(site, releases, task)? {
        found.manifests += one.manifests;
        found.releases.extend(one.releases);
    }
    Ok(found)
}

/// Like [`beside`], for each task by itself, or only for one.
///
/// # Errors
/// Fails when HEAD or a reference cannot be read.
pub fn by_task(
    site: &RepoSite,
    releases: &Releases,
    only: Option<&TaskId>,
) -> Result<BTreeMap<TaskId, MissingTags>, Failure> {
    let in_head = untagged::in_head(&site.git, &site.settings)?.into_iter();
    let wanted = in_head.filter(|(id, _)| only.is_none_or(|only| only == id));
    wanted
        .map(|(id, versions)| {
            let mut found = MissingTags {
                task: Some(id.clone()),
                manifests: versions.len(),
                releases: Vec::new(),
            };
            for version in versions.into_keys() {
                // A release whose tag was deleted here is still kept by its second reference.
                let kept = || match site.git.find_ref(&TagName::keep_reference(&id, &version)) {
                    Err(git::Error::BrokenRef(_)) => Ok(None),
                    found => found,
                };
                if releases.find(&id, &version).is_err() && kept()?.is_none() {
                    found.releases.push((id.clone(), version));
                }
            }
            Ok((id, found))
        })
        .collect()
}
