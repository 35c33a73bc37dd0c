//! Conditions that stop a comparison before it begins: nested repositories in the way, files
//! outside the task, and names that coincide on this file system. Changes and notes nothing.

use std::collections::HashMap;

use super::{Comparison, RestoredFiles};
use crate::{
    base::{Failure, RelPath},
    git::Scan,
    model::manifest::{FileRole, ManifestFile},
    rollback::Error,
};

impl Comparison<'_> {
    /// Returns the nested repositories in the task's folders, which stay as they are; refuses one
    /// in the place of a file of the version.
    pub(super) fn nested(
        &self,
        wanted: &RestoredFiles<'_>,
        scan: &Scan,
    ) -> Result<Vec<RelPath>, Failure> {
        let all: Vec<&RelPath> = scan.submodules.iter().chain(&scan.nested).collect();
        let needs = |file: &&&ManifestFile| {
            all.iter().any(|nested| file.path().is_in(nested)) && !self.scope.protects(file.path())
        };
        if let Some(file) = wanted.values().find(needs) {
            let place = all
                .iter()
                .find(|nested| file.path().is_in(nested))
                .map_or_else(String::new, ToString::to_string);
            let needed = self.target.manifest.subject.version.to_string();
            return Err(Error::InTheWay {
                path: place,
                what: "a git repository of its own".into(),
                needed,
            }
            .into());
        }
        Ok(all
            .into_iter()
            .filter(|path| self.scope.owns(path))
            .cloned()
            .collect())
    }

    /// Refuses a manifest that reaches outside the task's folders, whoever wrote it. Files that the
    /// settings exclude by now may be restored: they belonged to the task when it was released.
    pub(super) fn check_scope(&self, wanted: &RestoredFiles<'_>) -> Result<(), Failure> {
        let (dirs, settings) = (self.scope.dirs(), &self.site.settings);
        let own = |path: &RelPath| {
            let inside = dirs.iter().any(|dir| path.is_in(dir))
                && *path != settings.registry
                && !path.is_in(&settings.snapshots);
            self.scope.owns(path) || inside
        };
        match wanted
            .values()
            .find(|file| file.role != FileRole::Shared && !own(file.path()))
        {
            None => Ok(()),
            Some(file) => {
                let version = self.target.manifest.subject.version.clone();
                Err(Error::OutOfScope {
                    path: file.path().clone(),
                    task: self.task.id.clone(),
                    version,
                }
                .into())
            }
        }
    }

    /// Refuses paths that coincide on a file system that folds case.
    pub(super) fn check_twins(&self, wanted: &RestoredFiles<'_>) -> Result<(), Failure> {
        if !self.site.git.folds_case() {
            return Ok(());
        }
        let mut folded: HashMap<String, &RelPath> = HashMap::new();
        for path in wanted.paths() {
            let key = String::from_utf8_lossy(path.as_bytes()).to_lowercase();
            if let Some(twin) = folded.insert(key, path) {
                return Err(Error::CaseTwins(twin.to_string(), path.to_string()).into());
            }
        }
        Ok(())
    }
}
