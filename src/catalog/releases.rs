//! The releases of a task, read from its tags.

use std::collections::BTreeMap;

use super::Error;
use crate::{
    base::{Failure, GitId, TaskId, text},
    git::{Repo, TagRef},
    model::{TagName, Version},
};

/// A release: a tag that was parsed. Nothing is peeled yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// What the tag's reference holds: a tag object or a commit.
    pub tag_id: GitId,
    /// True when the tag was deleted and only its second reference is left.
    pub lost: bool,
}

impl Release {
    /// The tag's name.
    pub fn tag(&self) -> String {
        TagName::release(&self.task, &self.version).to_string()
    }
}

/// All releases of all tasks that `is_task` knows, and the markers, by task.
#[derive(Debug, Default)]
pub struct Releases {
    /// By task, then by version in rising order.
    pub by_task: BTreeMap<TaskId, BTreeMap<Version, Release>>,
    /// The names of rollback markers.
    pub markers: Vec<TagName>,
}

/// Reads all tags once.
pub fn all(git: &Repo, is_task: impl Fn(&TaskId) -> bool) -> Result<Releases, Failure> {
    Ok(of_tags(git.tags()?, is_task))
}

/// The releases and markers of one task. Tags of other tasks are not read.
pub fn of_task(git: &Repo, task: &TaskId, is_task: impl Fn(&TaskId) -> bool) -> Result<Releases, Failure> {
    let mut found = of_tags(git.tags_beginning_with(&format!("{task}-v"))?, is_task);
    // An id may go on where another one ends: `T01-v2` is a task beside `T01`.
    found.by_task.retain(|id, _| id == task);
    found.markers.retain(|marker| marker.task() == task);
    Ok(found)
}

/// One release that has a tag: the tags are not listed. Empty when there is none.
pub fn one(git: &Repo, task: &TaskId, version: &Version) -> Result<Releases, Failure> {
    let mut found = Releases::default();
    if let Some(tag_id) = git.find_ref(&TagName::release(task, version).reference())? {
        let release = Release { task: task.clone(), version: version.clone(), tag_id, lost: false };
        found.by_task.entry(task.clone()).or_default().insert(version.clone(), release);
    }
    Ok(found)
}

/// The releases and markers among some tags.
fn of_tags(tags: Vec<TagRef>, is_task: impl Fn(&TaskId) -> bool) -> Releases {
    let mut found = Releases::default();
    for tag in tags {
        let Some(name) = std::str::from_utf8(&tag.name).ok().and_then(|name| TagName::parse(name, &is_task)) else { continue };
        match name {
            TagName::Release { task, version } => {
                let release = Release { task: task.clone(), version: version.clone(), tag_id: tag.id, lost: false };
                found.by_task.entry(task).or_default().insert(version, release);
            }
            marker @ TagName::Marker { .. } => found.markers.push(marker),
        }
    }
    found
}

impl Releases {
    /// The releases of one task, in rising order.
    pub fn of(&self, task: &TaskId) -> impl DoubleEndedIterator<Item = &Release> {
        self.by_task.get(task).into_iter().flat_map(BTreeMap::values)
    }

    /// Adds the releases of a task whose tag was deleted: their second reference still has them.
    pub fn add_lost(&mut self, git: &Repo, task: &TaskId) -> Result<(), Failure> {
        let below = format!("refs/snapback/keep/{task}/");
        for (name, tag_id) in git.refs_below(&below)? {
            let Some(version) = name.strip_prefix(&below).and_then(|rest| rest.parse::<Version>().ok()) else { continue };
            let release = Release { task: task.clone(), version: version.clone(), tag_id, lost: true };
            self.by_task.entry(task.clone()).or_default().entry(version).or_insert(release);
        }
        Ok(())
    }

    /// Finds a release; the error suggests others.
    pub fn find(&self, task: &TaskId, version: &Version) -> Result<&Release, Error> {
        self.by_task.get(task).and_then(|versions| versions.get(version)).ok_or_else(|| self.unknown(task, &version.to_string()))
    }

    /// The error for a version that does not exist.
    pub fn unknown(&self, task: &TaskId, typed: &str) -> Error {
        let names: Vec<String> = self.of(task).rev().map(|release| release.version.to_string()).collect();
        let mut near: Vec<String> = text::did_you_mean(typed, names.iter().map(String::as_str)).into_iter().map(String::from).collect();
        if near.is_empty() {
            near = names.into_iter().take(3).collect();
        }
        Error::UnknownVersion { task: task.clone(), version: text::escape(typed.as_bytes()), near }
    }
}
