//! A release where it is kept: what a check needs of it is read once, and no earlier than it is
//! asked for. Nothing of the work tree is looked at.

use std::sync::{Arc, OnceLock};

use super::{Commands, evidence::Variables, readiness::Readiness};
use crate::{
    base::{Failure, RelPath},
    catalog::{
        Release, Scope,
        manifests::{self, Found},
    },
    git::Scan,
    model::{Manifest, TagName, TaskSpec, operation::TreeEntry, signature::Demand},
    site::RepoSite,
};

/// How much of a kept release is proved, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Its manifest is the one that its tag names: what lies elsewhere is compared with it.
    Manifest,
    /// Its commit holds what the manifest lists: it is about to be restored.
    Commit,
    /// Its tag and the copies of its manifest are as they were made, and its objects exist.
    Present,
    /// Every byte is read and hashed.
    Deep,
}

/// A release where it is kept.
pub struct KeptRelease<'a> {
    /// The ports.
    pub site: &'a RepoSite,
    /// The task.
    pub task: &'a TaskSpec,
    /// Its files.
    pub scope: Scope,
    /// The release.
    pub release: &'a Release,
    /// How much of it is proved.
    pub depth: Depth,
    /// What is demanded of its signature.
    pub demand: Demand,
    /// Whether a tag that is missing counts while its second reference is there.
    pub lost_tag_counts: bool,
    found: OnceLock<Arc<Found>>,
    entries: OnceLock<Vec<(RelPath, TreeEntry)>>,
}

impl<'a> KeptRelease<'a> {
    /// A release of which nothing was read yet, and whose signature is not looked at.
    pub fn new(
        site: &'a RepoSite,
        task: &'a TaskSpec,
        release: &'a Release,
        depth: Depth,
    ) -> Result<Self, Failure> {
        Ok(Self {
            site,
            task,
            scope: Scope::new(&site.settings, task)?,
            release,
            depth,
            demand: Demand::None,
            lost_tag_counts: true,
            found: OnceLock::new(),
            entries: OnceLock::new(),
        })
    }

    /// Reads its manifest. Nothing of it is read before whoever calls this has looked at the
    /// signature that vouches for it.
    pub fn load(&self) -> Result<&Arc<Found>, Failure> {
        if let Some(found) = self.found.get() {
            return Ok(found);
        }
        let found = manifests::load(self.site, self.release)?;
        Ok(self.found.get_or_init(|| found))
    }

    /// Its manifest and peeled tag, once they were read.
    pub fn found(&self) -> Option<&Arc<Found>> {
        self.found.get()
    }

    /// By what its manifest was found: the tag, or where that is gone its second reference.
    pub fn chain(&self, found: &Found) -> String {
        let Release { task, version, .. } = self.release;
        let by = if self.release.lost {
            TagName::keep_reference(task, version)
        } else {
            format!("tag {}", self.release.tag())
        };
        format!("{by} -> commit {} -> manifest", found.tag.commit.short())
    }

    /// What lies in the folders of its task in the work tree.
    pub(super) fn look(&self) -> Result<Scan, Failure> {
        Ok(self.site.git.scan(&self.scope.dirs())?)
    }

    /// What level 4 looks at of it; `commands` are those that its owner agreed to.
    pub(super) fn readiness<'b>(
        &'b self,
        manifest: &'b Manifest,
        variables: &'b Variables,
        is_held: bool,
        commands: Commands,
    ) -> Readiness<'b> {
        let (site, task) = (self.site, self.task);
        Readiness {
            task,
            fs: &*site.tree,
            work_tree: site.git.work_tree(),
            expected: &manifest.dependencies,
            is_held,
            variables,
            commands,
        }
    }

    /// What its commit holds of the task, and of the other files that its manifest lists.
    pub(super) fn entries(&self, found: &Found) -> Result<&[(RelPath, TreeEntry)], Failure> {
        if let Some(entries) = self.entries.get() {
            return Ok(entries);
        }
        let entries = entries(self.site, &self.scope, found)?;
        Ok(self.entries.get_or_init(|| entries))
    }
}

/// What the commit of a release holds of the task, and of the other files that the manifest lists.
pub(super) fn entries(
    site: &RepoSite,
    scope: &Scope,
    found: &Found,
) -> Result<Vec<(RelPath, TreeEntry)>, Failure> {
    let dirs = scope.dirs_and(found.manifest.files.iter().map(|file| file.path()));
    Ok(site.git.entries(&found.tag.commit, &dirs)?)
}
