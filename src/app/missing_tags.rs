//! Releases whose manifests are in the branch and whose tags are not here: a clone without tags, a
//! shallow checkout of a pipeline, a squash merge.

use super::{App, Error, doctor::bad};
use crate::{
    base::{Failure, Hint, text},
    catalog::{self, registry, releases::Releases, tasks, untagged},
    git,
    model::{TagName, TaskId, Version, overview::DoctorLine},
    rollback,
};

/// What is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingTags {
    /// The task, when one was asked about.
    task: Option<TaskId>,
    /// How many manifests of tasks the branch has.
    pub manifests: usize,
    /// The releases without a tag, by task and rising version.
    pub releases: Vec<(TaskId, Version)>,
}

impl MissingTags {
    /// The sentence for people; `None` when nothing is missing.
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

    /// True when this release is one of them.
    pub fn has(&self, task: &TaskId, version: &Version) -> bool {
        self.of(task).any(|missing| missing == version)
    }

    /// The releases of one task, rising.
    pub fn of(&self, task: &TaskId) -> impl Iterator<Item = &Version> {
        self.releases
            .iter()
            .filter(move |(id, _)| id == task)
            .map(|(_, version)| version)
    }

    /// Those of one task that could be gone back to from a version.
    pub fn older(&self, task: &TaskId, active: Option<&Version>) -> Vec<Version> {
        self.of(task)
            .filter(|version| active.is_none_or(|active| *version < active))
            .cloned()
            .collect()
    }
}

/// Says of releases that their tags are missing here.
pub(super) fn not_here(versions: &[Version]) -> String {
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

/// What brings them here.
pub fn fetch_tags() -> Hint {
    Hint::run("bring the tags here", &["git", "fetch", "--tags"])
}

/// Which of a task's releases was looked for.
enum Wanted {
    /// This one.
    This(Version),
    /// Any.
    Any,
    /// One before the active version, and after this one when it is named.
    After(Option<Version>),
}

impl App {
    /// The releases that HEAD has manifests of and this clone no tags. Of one task when it is
    /// named.
    ///
    /// # Errors
    /// When HEAD or the tags cannot be read.
    pub fn missing_tags(&self, task: Option<&TaskId>) -> Result<MissingTags, Failure> {
        let releases = match task {
            Some(task) => tasks::tagged_releases(&self.site, task)?,
            None => tasks::all_releases(&self.site)?,
        };
        self.missing_beside(&releases, task)
    }

    /// [`App::missing_tags`] by releases that were read.
    pub(super) fn missing_beside(
        &self,
        releases: &Releases,
        task: Option<&TaskId>,
    ) -> Result<MissingTags, Failure> {
        let mut found = MissingTags {
            task: task.cloned(),
            ..MissingTags::default()
        };
        for (id, versions) in untagged::in_head(&self.site.git, &self.site.settings)? {
            if task.is_some_and(|task| *task != id) {
                continue;
            }
            found.manifests += versions.len();
            for version in versions.into_keys() {
                // A release whose tag was deleted here is kept by its second reference.
                let kept = || match self
                    .site
                    .git
                    .find_ref(&TagName::keep_reference(&id, &version))
                {
                    Err(git::Error::BrokenRef(_)) => Ok(None),
                    found => found,
                };
                if releases.find(&id, &version).is_err() && kept()?.is_none() {
                    found.releases.push((id.clone(), version));
                }
            }
        }
        Ok(found)
    }

    /// A failure of permissions, with whose the files are that stand in the way; one for want of a
    /// release, with the tags that are not here.
    pub fn explain(&self, failure: Failure) -> Failure {
        self.site.explain_permissions(self.explain_by_tags(failure))
    }

    /// The failure for want of a release: where its tag only is not in this clone, that is what is
    /// said.
    pub(super) fn explain_by_tags(&self, failure: Failure) -> Failure {
        let (task, wanted) = match (
            failure.find::<catalog::Error>(),
            failure.find::<Error>(),
            failure.find::<rollback::Error>(),
        ) {
            (
                Some(catalog::Error::UnknownVersion {
                    task,
                    version,
                    near,
                }),
                ..,
            ) => match version.parse::<Version>() {
                Ok(version) if !near.is_empty() => (task, Wanted::This(version)),
                _ => (task, Wanted::Any),
            },
            (_, Some(Error::NoSuchVersion { task, .. }), _) => (task, Wanted::Any),
            (_, _, Some(rollback::Error::NoGoodVersion { task, why, .. })) => {
                (task, Wanted::After(why.named().cloned()))
            }
            _ => return failure,
        };
        let Ok(missing) = self.missing_tags(Some(task)) else {
            return failure;
        };
        let active = || {
            tasks::spec(&self.site, task).ok().and_then(|spec| {
                registry::active(&*self.site.tree, &self.site.settings, spec).version
            })
        };
        let versions: Vec<Version> = match wanted {
            Wanted::This(version) => missing
                .of(task)
                .filter(|missing| **missing == version)
                .cloned()
                .collect(),
            Wanted::Any => missing.of(task).cloned().collect(),
            Wanted::After(named) => {
                let older = missing.older(task, active().as_ref()).into_iter();
                older
                    .filter(|version| named.as_ref().is_none_or(|named| version > named))
                    .collect()
            }
        };
        if versions.is_empty() {
            failure
        } else {
            Error::TagsNotHere {
                task: task.clone(),
                versions,
            }
            .into()
        }
    }

    /// What `doctor` says of tags and history.
    pub(super) fn look_at_tags(&self) -> Vec<DoctorLine> {
        let line =
            |what: &str, seen: String, argv: &[&str]| bad(what, seen, Hint::run("mend it", argv));
        let tags = match self.missing_tags(None) {
            Ok(missing) => missing
                .sentence()
                .map(|seen| line("tags", seen, &["git", "fetch", "--tags"])),
            Err(failure) => Some(line(
                "tags",
                failure.to_string(),
                &["git", "fsck", "--full"],
            )),
        };
        let shallow = self.site.git.is_shallow().then(|| {
            let seen = "this clone is shallow: older commits are not here, and releases on them cannot be checked or counted from";
            line("history", seen.into(), &["git", "fetch", "--unshallow", "--tags"])
        });
        let broken = tasks::all_releases(&self.site)
            .map(|releases| releases.broken_tags)
            .unwrap_or_default()
            .into_iter();
        let broken = broken.map(|tag| {
            bad(
                "tags",
                format!("{} is broken: {}", tag.name, tag.why),
                tag.hints().swap_remove(0),
            )
        });
        tags.into_iter().chain(shallow).chain(broken).collect()
    }
}
