//! A stored release: data that checks need is read once, on demand. The work tree is not inspected.

use std::sync::{Arc, OnceLock};

use super::{Commands, evidence::TaskVariables, readiness::Readiness};
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

/// How much of a stored release is proved, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Its manifest is the one named by its tag, for comparison with files elsewhere.
    Manifest,
    /// Its commit holds what the manifest lists, because it is about to be restored.
    Commit,
    /// Its tag and the copies of its manifest are the original ones, and its objects exist.
    Present,
    /// Every byte is read and hashed.
    Deep,
}

/// A stored release.
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
    /// The demand on its signature.
    pub demand: Demand,
    /// True when a missing tag counts even though its second reference exists.
    pub lost_tag_counts: bool,
    found: OnceLock<Arc<Found>>,
    entries: OnceLock<Vec<(RelPath, TreeEntry)>>,
}

impl<'a> KeptRelease<'a> {
    /// Returns a release from which nothing was read yet, with no demand on its signature.
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

    /// Reads its manifest. The caller must first check the signature that vouches for it; nothing
    /// is parsed before.
    pub fn load(&self) -> Result<&Arc<Found>, Failure> {
        if let Some(found) = self.found.get() {
            return Ok(found);
        }
        let found = manifests::load(self.site, self.release)?;
        Ok(self.found.get_or_init(|| found))
    }

    /// Returns its manifest and peeled tag, once read.
    pub fn found(&self) -> Option<&Arc<Found>> {
        self.found.get()
    }

    /// Returns how its manifest was found: by the tag, or by the second reference if that is gone.
    pub fn chain(&self, found: &Found) -> String {
        let Release { task, version, .. } = self.release;
        let by = if self.release.lost {
            TagName::keep_reference(task, version)
        } else {
            format!("tag {}", self.release.tag)
        };
        format!("{by} -> commit {} -> manifest", found.tag.commit.short())
    }

    /// Scans the folders of its task in the work tree.
    pub(super) fn look(&self) -> Result<Scan, Failure> {
        Ok(self.site.git.scan(&self.scope.dirs())?)
    }

    /// Returns the input of level 4; `commands` are the ones its owner agreed to.
    pub(super) fn readiness<'b>(
        &'b self,
        manifest: &'b Manifest,
        variables: &'b TaskVariables,
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

    /// Returns the commit's entries for the task and for other files listed in the manifest.
    pub(super) fn entries(&self, found: &Found) -> Result<&[(RelPath, TreeEntry)], Failure> {
        if let Some(entries) = self.entries.get() {
            return Ok(entries);
        }
        let entries = entries(self.site, &self.scope, found)?;
        Ok(self.entries.get_or_init(|| entries))
    }
}

/// Returns the commit's entries for the task and for other files listed in the manifest.
pub(super) fn entries(
    site: &RepoSite,
    scope: &Scope,
    found: &Found,
) -> Result<Vec<(RelPath, TreeEntry)>, Failure> {
    let dirs = scope.dirs_and(found.manifest.files.iter().map(|file| file.path()));
    Ok(site.git.entries(&found.tag.commit, &dirs)?)
}
