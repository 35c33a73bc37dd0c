//! Sets the version in files beside the release that repeat it: the `Cargo.lock` of a workspace of
//! which the task is one crate, and a configuration that is not part of the release. What is part
//! of the release comes back with it.

use crate::{
    base::{Failure, RelPath},
    catalog::{
        Scope,
        locks::{self, TaskLock},
    },
    draft::{
        Draft,
        beside::{BesideEdit, FileBeside},
    },
    model::{Manifest, Operation, TaskSpec, Version},
    registry::{Error, lock_file, task_config},
    site::RepoSite,
};

/// Adds the edits; the plan names a file that cannot be edited.
pub(super) fn set(
    site: &RepoSite,
    (task, scope): (&TaskSpec, &Scope),
    target: &Manifest,
    draft: &mut Draft,
) -> Result<(), Failure> {
    let version = &target.subject.version;
    for beside in all(site, task) {
        let path = beside.path();
        let goes = draft.files.iter().any(|file| file.path == *path);
        let stays =
            scope.protects(path) || (matches!(beside, Beside::Config(..)) && scope.excludes(path));
        if goes || stays || target.file(path).is_some() {
            continue;
        }
        if let Beside::Lock(lock) = &beside
            && let Some(note) = locks::owned_by_other(&site.settings, task, &lock.path)?
        {
            draft.plan.notes.push(note);
            continue;
        }
        let edit = beside.with(site, version, |file| file.edit())?;
        let is_config = matches!(beside, Beside::Config(..));
        if is_config && edit.line.is_some() {
            let shared = locks::shared_version(&site.settings, task);
            draft.plan.notes.extend(shared);
        }
        edit.add_to(path, draft);
    }
    Ok(())
}

/// Returns those among the paths of an operation whose other content is not the task's.
pub(super) fn touched(
    site: &RepoSite,
    (task, scope): (&TaskSpec, &Scope),
    operation: &Operation,
) -> Vec<Beside> {
    let is_touched = |beside: &Beside| {
        let path = beside.path();
        let mut changes = operation.path_changes();
        !scope.owns(path) && changes.any(|change| change.path == *path)
    };
    all(site, task).into_iter().filter(is_touched).collect()
}

/// A file that says the version of a task.
pub(super) enum Beside {
    /// The configuration, and the key in it.
    Config(RelPath, String),
    /// A lock file.
    Lock(TaskLock),
}

/// Returns the files that say the version of a task.
fn all(site: &RepoSite, task: &TaskSpec) -> Vec<Beside> {
    let config = task.config.iter();
    let config = config.map(|path| Beside::Config(path.clone(), task.version_key.clone()));
    let locks = locks::of_task(&*site.tree, task).into_iter();
    config.chain(locks.map(Beside::Lock)).collect()
}

impl Beside {
    pub(super) fn path(&self) -> &RelPath {
        match self {
            Self::Config(path, _) => path,
            Self::Lock(lock) => &lock.path,
        }
    }

    /// Describes the inverse of what an operation changed in the file.
    pub(super) fn back(
        &self,
        site: &RepoSite,
        version: &Version,
        operation: &Operation,
    ) -> Result<BesideEdit, Failure> {
        self.with(site, version, |file| file.back(operation))
    }

    /// Describes an edit of the file to a version.
    fn with(
        &self,
        site: &RepoSite,
        version: &Version,
        describe: impl Fn(&FileBeside<'_>) -> Result<BesideEdit, Failure>,
    ) -> Result<BesideEdit, Failure> {
        describe(&FileBeside {
            site,
            path: self.path(),
            note: format!("version {version}"),
            set: &|bytes| self.set(bytes, version),
        })
    }

    /// Returns the bytes with the version; `None` when they say it already.
    fn set(&self, bytes: &[u8], version: &Version) -> Result<Option<Vec<u8>>, Error> {
        match self {
            Self::Config(path, key) => {
                // A configuration without a version names none afterwards, either.
                if task_config::version(bytes, path, key)?.is_none_or(|now| now == *version) {
                    return Ok(None);
                }
                task_config::with_version(bytes, path, key, version).map(Some)
            }
            Self::Lock(lock) => lock_file::with_version(bytes, &lock.path, &lock.entry, version),
        }
    }
}
