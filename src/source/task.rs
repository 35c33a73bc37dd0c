//! The files of a task, as a release takes them: tracked files, new files, and those git-ignored
//! files that match the large-file globs.

use std::{collections::HashSet, path::Path};

use super::{PathStat, Selection, Source, mark_in_use};
use crate::{
    base::{Failure, Fs, RelPath, Type},
    catalog::{Error, Scope, capture, databases::is_lone_log},
    git::{Scan, WorkState},
    model::backup::PathTrouble,
    site::RepoSite,
};

/// The files of a task in the work tree.
pub struct TaskFiles<'a> {
    site: &'a RepoSite,
    scope: &'a Scope,
    scan: &'a Scan,
}

/// The untracked files of a task, sorted by path.
#[derive(Debug, Default)]
pub struct NewFiles {
    /// Files for git.
    pub small: Vec<PathStat>,
    /// Files for the store.
    pub large: Vec<PathStat>,
}

impl<'a> TaskFiles<'a> {
    /// Returns the files of the task with this scope, given a scan of its folders.
    pub fn new(site: &'a RepoSite, scope: &'a Scope, scan: &'a Scan) -> Self {
        Self { site, scope, scan }
    }

    /// Returns the untracked files: small ones for git, large ones for the store. SQLite companions
    /// of a database that is not taken belong to it, and are left out.
    ///
    /// # Errors
    /// Fails for a device, FIFO or socket, and when something cannot be inspected.
    pub fn untracked(&self) -> Result<NewFiles, Error> {
        let scope = self.scope;
        let owned = |path: &&RelPath| scope.owns(path);
        let ignored = self.scan.ignored.iter();
        let ignored = ignored.filter(|path| scope.names_large(path));
        let mut new = NewFiles::default();
        for path in self.scan.untracked.iter().filter(owned).chain(ignored) {
            let Some(file) = self.look(path)? else {
                continue;
            };
            let is_large = file.stat.kind == Type::File && scope.is_large(path, file.stat.size);
            if is_large {
                new.large.push(file);
            } else {
                new.small.push(file);
            }
        }
        self.leave_lone_logs(&mut new);
        for list in [&mut new.small, &mut new.large] {
            list.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(new)
    }

    /// Inspects a file; `None` when it is gone.
    fn look(&self, path: &RelPath) -> Result<Option<PathStat>, Error> {
        let Some(stat) = capture::stat(&*self.site.tree, path)? else {
            return Ok(None);
        };
        match stat.kind {
            Type::File | Type::Symlink => Ok(Some(PathStat {
                path: path.clone(),
                stat,
                in_use: false,
            })),
            Type::Dir | Type::Other => Err(Error::NotAFile {
                path: path.clone(),
                what: "a device, FIFO or socket",
            }),
        }
    }

    /// Removes the SQLite companions of databases that are not taken.
    fn leave_lone_logs(&self, new: &mut NewFiles) {
        let is_log = |file: &PathStat| crate::base::sqlite::database_of(&file.path).is_some();
        if !new.small.iter().chain(&new.large).any(is_log) {
            return;
        }
        let paths = new.small.iter().chain(&new.large);
        let untracked: HashSet<RelPath> = paths.map(|file| file.path.clone()).collect();
        let is_tracked = |path: &RelPath| {
            let tracked = &self.scan.tracked;
            tracked
                .binary_search_by(|tracked| tracked.path.cmp(path))
                .is_ok()
        };
        let is_part = |path: &RelPath| {
            self.scope.owns(path) && (is_tracked(path) || untracked.contains(path))
        };
        let is_taken = |file: &PathStat| !is_lone_log(&*self.site.tree, &file.path, is_part);
        new.small.retain(is_taken);
        new.large.retain(is_taken);
    }
}

impl Source for TaskFiles<'_> {
    fn kind(&self) -> &'static str {
        "task"
    }

    fn files(&self) -> &dyn Fs {
        &*self.site.tree
    }

    fn top(&self) -> &Path {
        self.site.git.work_tree()
    }

    fn choose(&self) -> Result<Selection, Failure> {
        let mut selection = Selection::default();
        let tracked = self.scan.tracked.iter();
        let there = tracked.filter(|file| {
            self.scope.owns(&file.path)
                && file.index.is_some()
                && !matches!(file.state, WorkState::Missing | WorkState::TypeChanged)
        });
        for file in there {
            match self.look(&file.path) {
                Ok(found) => selection.files.extend(found),
                Err(error) => selection.failed.push(PathTrouble {
                    path: file.path.clone(),
                    why: error.to_string(),
                }),
            }
        }
        let NewFiles { small, large } = self.untracked()?;
        selection.files.extend(small.into_iter().chain(large));
        selection.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        mark_in_use(&mut selection.files, self.scan.names());
        Ok(selection)
    }
}
