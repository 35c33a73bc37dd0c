//! Finds files to remove: tracked files that the release lacks, untracked ones listed by some
//! release of the task, and stale bytecode. Untracked files unknown to every release stay.

use std::collections::{BTreeSet, HashSet};

use super::{Comparison, RestoredFiles, TreeDifference, note};
use crate::{
    base::{Failure, RelPath, Sorted},
    catalog,
    draft::tree,
    git::{Scan, Tracked},
    model::{FileRecord, GitId, Manifest, PathChange, manifest::ManifestFile},
};

impl Comparison<'_> {
    /// Finds files to remove: tracked files that the target lacks, untracked ones that some release
    /// listed, and bytecode of changed modules.
    pub(super) fn remove(
        &self,
        wanted: &RestoredFiles<'_>,
        scan: &Scan,
        compared: &mut TreeDifference,
    ) -> Result<(), Failure> {
        let loose = scan
            .untracked
            .iter()
            .map(|path| (path, false))
            .chain(scan.ignored.iter().map(|path| (path, true)));
        let loose: Vec<(&RelPath, bool)> =
            loose.filter(|(path, _)| self.scope.owns(path)).collect();
        self.remove_tracked(wanted, &scan.tracked, compared)?;
        // A file removed from the index is listed on both sides.
        let known = Sorted::new(scan.tracked.iter().map(|file| (&file.path, ())));
        let candidates: Vec<&RelPath> = loose
            .iter()
            .filter(|(path, ignored)| {
                !wanted.contains(path)
                    && !known.contains(path)
                    && (!ignored || self.scope.names_large(path))
            })
            .map(|(path, _)| *path)
            .collect();
        self.remove_loose(candidates, compared)?;
        self.drop_bytecode(&loose, compared)
    }

    /// Removes tracked files that the target lacks, in work tree, commit and index.
    fn remove_tracked(
        &self,
        wanted: &RestoredFiles<'_>,
        tracked: &[Tracked],
        compared: &mut TreeDifference,
    ) -> Result<(), Failure> {
        for file in tracked
            .iter()
            .filter(|file| !wanted.contains(&file.path) && self.scope.owns(&file.path))
        {
            if self.protects(&file.path, compared) {
                continue;
            }
            if self.scope.holds_merge_lines(&*self.site.tree, &file.path) {
                compared.protected.push(file.path.clone());
                continue;
            }
            let blob = file.index.as_ref().map(|entry| &entry.id);
            if let Some(before) = self.existing(&file.path, blob)? {
                compared.unsynced.extend(blob.cloned());
                compared.files.push(PathChange {
                    path: file.path.clone(),
                    before: Some(before),
                    after: None,
                });
            }
            note(&mut compared.tree, &file.path, file.head.clone(), None);
            note(&mut compared.index, &file.path, file.index.clone(), None);
        }
        Ok(())
    }

    /// Removes untracked files that some release listed; reports the others, which stay.
    fn remove_loose(
        &self,
        candidates: Vec<&RelPath>,
        compared: &mut TreeDifference,
    ) -> Result<(), Failure> {
        let listed = self.listed(&candidates);
        for path in candidates {
            if self.protects(path, compared) {
                continue;
            }
            match self.existing(path, None)?.filter(|_| listed.contains(path)) {
                Some(before) => compared.files.push(PathChange {
                    path: path.clone(),
                    before: Some(before),
                    after: None,
                }),
                None => compared.untracked.push(path.clone()),
            }
        }
        Ok(())
    }

    /// Records what is at a path now.
    fn existing(
        &self,
        path: &RelPath,
        blob: Option<&GitId>,
    ) -> Result<Option<FileRecord>, Failure> {
        Ok(tree::existing(
            &*self.site.tree,
            &self.site.git,
            path,
            blob,
        )?)
    }

    /// Returns the paths that some release of the task listed as its own.
    fn listed(&self, candidates: &[&RelPath]) -> BTreeSet<RelPath> {
        let mut listed = BTreeSet::new();
        if candidates.is_empty() {
            return listed;
        }
        let mut take = |manifest: &Manifest| {
            let own = manifest.files.iter().filter(|file| file.is_restored());
            let paths: HashSet<&RelPath> = own.map(ManifestFile::path).collect();
            listed.extend(
                candidates
                    .iter()
                    .filter(|path| paths.contains(*path))
                    .map(|path| (*path).clone()),
            );
        };
        for release in self.releases.of(&self.task.id) {
            if let Ok(found) = catalog::manifests::load(self.site, release) {
                take(&found.manifest);
            }
        }
        listed
    }

    /// Removes the bytecode of changed Python modules: Python accepts a cache whose second and size
    /// match the source, so after a quick rewrite of equal size the old code would run.
    fn drop_bytecode(
        &self,
        loose: &[(&RelPath, bool)],
        compared: &mut TreeDifference,
    ) -> Result<(), Failure> {
        let changed: BTreeSet<(RelPath, Vec<u8>)> = compared
            .files
            .iter()
            .filter_map(|file| {
                let stem = file.path.name().strip_suffix(b".py")?;
                Some((
                    file.path.parent().join("__pycache__"),
                    [stem, b"."].concat(),
                ))
            })
            .collect();
        for (path, _) in loose
            .iter()
            .filter(|(path, _)| path.name().ends_with(b".pyc") && !self.scope.protects(path))
        {
            let folder = path.parent();
            let stale = changed
                .iter()
                .any(|(dir, stem)| *dir == folder && path.name().starts_with(stem));
            if let Some(before) = stale
                .then(|| self.existing(path, None))
                .transpose()?
                .flatten()
            {
                compared.untracked.retain(|other| other != *path);
                compared.files.push(PathChange {
                    path: (*path).clone(),
                    before: Some(before),
                    after: None,
                });
                compared.bytecode += 1;
            }
        }
        Ok(())
    }
}
