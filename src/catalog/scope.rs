//! Which files are a task's: globs from the settings, compiled once.

use crate::{
    base::{Failure, RelPath, glob::Globs, sqlite},
    model::{Settings, TaskSpec},
};

/// The compiled globs of one task.
pub struct Scope {
    paths: Globs,
    /// The configuration, when it lies outside the paths and is no other task's.
    config: Option<RelPath>,
    exclude: Globs,
    shared: Globs,
    protect: Globs,
    large: Globs,
    large_over: Option<u64>,
    registry: RelPath,
    snapshots: RelPath,
}

impl Scope {
    /// Compiles a task's globs.
    pub fn new(settings: &Settings, task: &TaskSpec) -> Result<Self, Failure> {
        let paths = Globs::new(&task.paths)?;
        Ok(Self {
            config: own_config(settings, task, &paths),
            paths,
            exclude: Globs::new(&task.exclude)?,
            shared: Globs::new(&task.shared)?,
            protect: Globs::new(&task.protect)?,
            large: Globs::new(&task.large_files)?,
            large_over: task.large_over,
            registry: settings.registry.clone(),
            snapshots: settings.snapshots.clone(),
        })
    }

    /// The folders below which all of the task's files lie.
    pub fn dirs(&self) -> Vec<RelPath> {
        let mut dirs = self.paths.literal_prefixes();
        dirs.extend(
            self.large
                .literal_prefixes()
                .into_iter()
                .filter(|dir| !dir.is_root()),
        );
        dirs.extend(self.config.clone());
        dirs.sort();
        dirs.dedup();
        let all = dirs.clone();
        dirs.retain(|dir| !all.iter().any(|other| other != dir && dir.is_in(other)));
        dirs
    }

    /// The same, and those of these files that are not the task's.
    pub fn dirs_and<'a>(&self, files: impl IntoIterator<Item = &'a RelPath>) -> Vec<RelPath> {
        let others = files.into_iter().filter(|path| !self.owns(path)).cloned();
        self.dirs().into_iter().chain(others).collect()
    }

    /// The folders below which the shared files lie.
    pub fn shared_dirs(&self) -> Vec<RelPath> {
        self.shared.literal_prefixes()
    }

    /// True for a file of the task. What SQLite keeps beside a database is excluded with it.
    pub fn owns(&self, path: &RelPath) -> bool {
        (self.paths.matches(path) || self.config.as_ref() == Some(path))
            && !matches_with_logs(&self.exclude, path)
            && *path != self.registry
            && !path.is_in(&self.snapshots)
    }

    /// True for a file that the task shares with others.
    pub fn shares(&self, path: &RelPath) -> bool {
        self.shared.matches(path) && !self.owns(path)
    }

    /// True for a file that no rollback touches. What SQLite keeps beside a database is protected
    /// with it.
    pub fn protects(&self, path: &RelPath) -> bool {
        matches_with_logs(&self.protect, path)
    }

    /// True for a file that is kept in the store; only files that git does not track are asked
    /// about.
    pub fn is_large(&self, path: &RelPath, size: u64) -> bool {
        self.owns(path)
            && (self.large.matches(path) || self.large_over.is_some_and(|limit| size >= limit))
    }

    /// True when some of the task's files may be kept in the store.
    pub fn keeps_large(&self) -> bool {
        !self.large.is_empty() || self.large_over.is_some()
    }

    /// True for a file that the large-file globs name, whatever its size.
    pub fn names_large(&self, path: &RelPath) -> bool {
        self.owns(path) && self.large.matches(path)
    }
}

/// True for a path that matches, and for the log or journal of a database that does.
fn matches_with_logs(globs: &Globs, path: &RelPath) -> bool {
    globs.matches(path)
        || sqlite::database_of(path).is_some_and(|database| globs.matches(&database))
}

/// The task's configuration when it lies outside its paths: it is the task's all the same, unless
/// another task has it.
fn own_config(settings: &Settings, task: &TaskSpec, paths: &Globs) -> Option<RelPath> {
    let config = task
        .config
        .as_ref()
        .filter(|config| !paths.matches(config))?;
    let is_shared = settings
        .tasks
        .iter()
        .any(|other| other.id != task.id && other.config.as_ref() == Some(config));
    (!is_shared).then(|| config.clone())
}
