//! What keeps a comparison from beginning: repositories of their own in the way, files that are not
//! the task's, and names that are one on this file system. Nothing is changed and nothing is noted
//! here.

use std::collections::HashMap;

use super::{Comparison, Wanted};
use crate::{
    base::{Failure, RelPath},
    git::Scan,
    model::manifest::{ManifestFile, Role},
    rollback::Error,
};

impl Comparison<'_> {
    /// The repositories of their own in the task's folders, which stay as they are; one that lies
    /// where a file of the version must go is in the way.
    pub(super) fn nested(&self, wanted: &Wanted<'_>, scan: &Scan) -> Result<Vec<RelPath>, Failure> {
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

    /// A manifest reaches only the task's own folders, whoever wrote it. What the settings
    /// exclude by now may still come back: it was the task's when it was released.
    pub(super) fn check_scope(&self, wanted: &Wanted<'_>) -> Result<(), Failure> {
        let (dirs, settings) = (self.scope.dirs(), &self.site.settings);
        let own = |path: &RelPath| {
            let inside = dirs.iter().any(|dir| path.is_in(dir))
                && *path != settings.registry
                && !path.is_in(&settings.snapshots);
            self.scope.owns(path) || inside
        };
        match wanted
            .values()
            .find(|file| file.role != Role::Shared && !own(file.path()))
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

    /// Paths that are one on a file system that folds case.
    pub(super) fn check_twins(&self, wanted: &Wanted<'_>) -> Result<(), Failure> {
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
