//! The paths of a version and of the work tree, told apart: which must be as released, which are
//! there besides. What the settings protect, what a sparse checkout leaves out and what belongs to
//! a database of somebody else is never counted against the version.

use crate::{
    base::{Fs, RelPath, Sorted, Type},
    catalog::{Scope, databases::is_lone_log},
    git::{Scan, Tracked, WorkState},
    model::{Manifest, manifest::ManifestFile},
};

/// The paths of a version and of the work tree, told apart.
pub struct Paths<'a> {
    fs: &'a dyn Fs,
    scope: &'a Scope,
    /// What is equal to its index entry.
    clean: Sorted<'a, &'a Tracked>,
    /// The task's files that a sparse checkout leaves out.
    left_out: Sorted<'a, ()>,
    /// What the manifest lists.
    listed: Sorted<'a, ()>,
}

impl<'a> Paths<'a> {
    /// Sorts them.
    pub fn of(fs: &'a dyn Fs, scope: &'a Scope, manifest: &'a Manifest, scan: &'a Scan) -> Self {
        let of_state = |state| {
            scan.tracked
                .iter()
                .filter(move |tracked| tracked.state == state)
        };
        let clean = of_state(WorkState::Clean).map(|tracked| (&tracked.path, tracked));
        let left_out = of_state(WorkState::LeftOut).filter(|tracked| scope.owns(&tracked.path));
        Self {
            fs,
            scope,
            clean: Sorted::new(clean),
            left_out: Sorted::new(left_out.map(|tracked| (&tracked.path, ()))),
            listed: Sorted::new(manifest.files.iter().map(|file| (file.path(), ()))),
        }
    }

    /// True where git's own stat cache proves that a file is as released.
    pub fn is_clean(&self, file: &ManifestFile) -> bool {
        let entry = self
            .clean
            .get(file.path())
            .and_then(|tracked| tracked.index.as_ref());
        entry.is_some_and(|entry| file.is_entry(entry))
    }

    /// True for part of a database that is none of the version's.
    fn is_lone(&self, path: &RelPath) -> bool {
        is_lone_log(self.fs, path, |database| self.listed.contains(database))
    }

    /// True for a file that must be as released.
    pub fn wants(&self, file: &ManifestFile) -> bool {
        let path = file.path();
        let stays =
            || self.scope.protects(path) || self.left_out.contains(path) || self.is_lone(path);
        file.is_restored() && !stays()
    }

    /// How many files of the version a sparse checkout leaves out.
    pub fn absent(&self, manifest: &Manifest) -> usize {
        manifest
            .files
            .iter()
            .filter(|file| file.is_restored() && self.left_out.contains(file.path()))
            .count()
    }

    /// The task's tracked files that the version does not list.
    pub fn extras(&self, scan: &Scan) -> Vec<RelPath> {
        scan.tracked
            .iter()
            .filter(|tracked| self.is_extra(tracked))
            .map(|tracked| tracked.path.clone())
            .collect()
    }

    /// True for a tracked file that is there, is the task's, and is not listed.
    fn is_extra(&self, tracked: &Tracked) -> bool {
        let path = &tracked.path;
        let is_own = || self.scope.owns(path) && !self.scope.protects(path) && !self.is_lone(path);
        !self.listed.contains(path)
            && is_own()
            && tracked.state != WorkState::Missing
            && tracked.state != WorkState::LeftOut
            // A folder in place of a file is no file too many; what is in it is looked at by
            // itself.
            && !(tracked.state == WorkState::TypeChanged && self.is_folder(path))
    }

    /// True for a folder.
    fn is_folder(&self, path: &RelPath) -> bool {
        self.fs
            .stat(path)
            .ok()
            .flatten()
            .is_some_and(|stat| stat.kind == Type::Dir)
    }
}
