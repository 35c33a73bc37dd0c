//! Releases whose manifests are in the branch and whose tags are not here: a clone without tags, a
//! shallow checkout of a pipeline, a squash merge.

use super::App;
use crate::{
    base::{Failure, TaskId},
    catalog::{releases::Releases, untagged},
    model::{TagName, Version, overview::DoctorLine},
};

/// What is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingTags {
    /// How many manifests of tasks the branch has.
    pub manifests: usize,
    /// The releases without a tag, by task and rising version.
    pub releases: Vec<(TaskId, Version)>,
}

impl MissingTags {
    /// The sentence for people; `None` when nothing is missing.
    pub fn sentence(&self) -> Option<String> {
        let (task, version) = self.releases.last()?;
        let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        Some(if self.releases.len() == self.manifests {
            format!("this clone has no release tags although snapshots/ has {}", count(self.manifests, "manifest"))
        } else {
            let more = if self.releases.len() == 1 { String::new() } else { format!(" and {} more", self.releases.len() - 1) };
            format!("{task} {version}{more} of {} has a manifest here and no tag", count(self.manifests, "release"))
        })
    }

    /// True when this release is one of them.
    pub fn has(&self, task: &TaskId, version: &Version) -> bool {
        self.releases.iter().any(|(id, missing)| id == task && missing == version)
    }
}

impl App {
    /// The releases that HEAD has manifests of and this clone no tags. Of one task when it is named.
    ///
    /// # Errors
    /// When HEAD or the tags cannot be read.
    pub fn missing_tags(&self, task: Option<&TaskId>) -> Result<MissingTags, Failure> {
        let releases = match task {
            Some(task) => self.tagged_releases(task)?,
            None => self.all_releases()?,
        };
        self.missing_beside(&releases, task)
    }

    /// [`App::missing_tags`] by releases that were read.
    pub(super) fn missing_beside(&self, releases: &Releases, task: Option<&TaskId>) -> Result<MissingTags, Failure> {
        let mut found = MissingTags::default();
        for (id, versions) in untagged::in_head(&self.ground.git, &self.ground.settings)? {
            if task.is_some_and(|task| *task != id) {
                continue;
            }
            found.manifests += versions.len();
            for version in versions.into_keys() {
                // A release whose tag was deleted here is kept by its second reference.
                let kept = || self.ground.git.find_ref(&TagName::keep_reference(&id, &version));
                if releases.find(&id, &version).is_err() && kept()?.is_none() {
                    found.releases.push((id.clone(), version));
                }
            }
        }
        Ok(found)
    }

    /// What `doctor` says of tags and history.
    pub(super) fn look_at_tags(&self) -> Vec<DoctorLine> {
        let line = |what: &str, seen: String, fix: &str| DoctorLine { what: what.into(), ok: false, seen, fix: Some(fix.into()) };
        let tags = match self.missing_tags(None) {
            Ok(missing) => missing.sentence().map(|seen| line("tags", seen, "git fetch --tags")),
            Err(failure) => Some(line("tags", failure.to_string(), "git fsck --full")),
        };
        let shallow = self.ground.git.is_shallow().then(|| {
            let seen = "this clone is shallow: older commits are not here, and releases on them cannot be checked or counted from";
            line("history", seen.into(), "git fetch --unshallow --tags")
        });
        tags.into_iter().chain(shallow).collect()
    }
}
