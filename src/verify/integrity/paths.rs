//! Classifies the paths of a version and of the work tree: which must be as released, and which are
//! extra. Paths that stay in a rollback, are left out of a sparse checkout, or part of a foreign
//! database never count against the version.

use crate::{
    base::{Fs, RelPath, Sorted, Type},
    catalog::{Scope, databases::is_lone_log},
    git::{Scan, Tracked, WorkState},
    model::{Manifest, manifest::ManifestFile},
};

/// The classified paths of a version and of the work tree.
pub struct Paths<'a> {
    fs: &'a dyn Fs,
    scope: &'a Scope,
    /// Files equal to their index entry.
    clean: Sorted<'a, &'a Tracked>,
    /// The task's files outside the sparse checkout.
    left_out: Sorted<'a, ()>,
    /// The paths in the manifest.
    listed: Sorted<'a, ()>,
}

impl<'a> Paths<'a> {
    /// Classifies the paths.
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

    /// Returns true where git's own stat cache proves that a file is as released.
    pub fn is_clean(&self, file: &ManifestFile) -> bool {
        let entry = self
            .clean
            .get(file.path())
            .and_then(|tracked| tracked.index.as_ref());
        entry.is_some_and(|entry| file.is_entry(entry))
    }

    /// Returns true for part of a database that does not belong to the version.
    fn is_lone(&self, path: &RelPath) -> bool {
        is_lone_log(self.fs, path, |database| self.listed.contains(database))
    }

    /// Returns true for a file that must be as released.
    pub fn wants(&self, file: &ManifestFile) -> bool {
        let path = file.path();
        let stays = || self.scope.stays(path) || self.left_out.contains(path) || self.is_lone(path);
        file.is_restored() && !stays()
    }

    /// Returns the number of the version's files outside the sparse checkout.
    pub fn absent(&self, manifest: &Manifest) -> usize {
        manifest
            .files
            .iter()
            .filter(|file| file.is_restored() && self.left_out.contains(file.path()))
            .count()
    }

    /// Returns the task's tracked files that the version does not list, as far as they count.
    pub fn extras(&self, scan: &Scan, counts: impl Fn(&Tracked) -> bool) -> Vec<RelPath> {
        scan.tracked
            .iter()
            .filter(|tracked| counts(tracked) && self.is_extra(tracked))
            .map(|tracked| tracked.path.clone())
            .collect()
    }

    /// Returns true for an existing tracked file of the task that is not listed.
    fn is_extra(&self, tracked: &Tracked) -> bool {
        let path = &tracked.path;
        let is_own = || self.scope.owns(path) && !self.scope.stays(path) && !self.is_lone(path);
        !self.listed.contains(path)
            && is_own()
            && !self.scope.holds_merge_lines(self.fs, path)
            && tracked.state != WorkState::Missing
            && tracked.state != WorkState::LeftOut
            // A folder in place of a file is not an extra file; its contents are checked
            // separately.
            && !(tracked.state == WorkState::TypeChanged && self.is_folder(path))
    }

    /// Returns true for a folder.
    fn is_folder(&self, path: &RelPath) -> bool {
        self.fs
            .stat(path)
            .ok()
            .flatten()
            .is_some_and(|stat| stat.kind == Type::Dir)
    }
}
