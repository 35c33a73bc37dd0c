//! Which files belong to a task: globs from the settings, compiled once.

use super::{merge_lines, registry::LIMIT};
use crate::{
    base::{Failure, Fs, RelPath, Stat, Type, fs::read_limited, glob::Globs, sqlite},
    model::{Settings, TaskSpec},
};

/// The compiled globs of one task.
pub struct Scope {
    paths: Globs,
    /// The configuration, if it lies outside the paths and belongs to no other task.
    config: Option<RelPath>,
    exclude: Globs,
    shared: Globs,
    protect: Globs,
    large: Globs,
    large_over: Option<u64>,
    registry: RelPath,
    snapshots: RelPath,
    /// The attributes by which git merges these two.
    merge_lines: String,
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
            merge_lines: merge_lines::of(&settings.registry, &settings.snapshots),
        })
    }

    /// Returns the folders that contain all of the task's files.
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

    /// Like [`Self::dirs`], plus those of `files` that do not belong to the task.
    pub fn dirs_and<'a>(&self, files: impl IntoIterator<Item = &'a RelPath>) -> Vec<RelPath> {
        let others = files.into_iter().filter(|path| !self.owns(path)).cloned();
        self.dirs().into_iter().chain(others).collect()
    }

    /// Returns the folders that contain the shared files.
    pub fn shared_dirs(&self) -> Vec<RelPath> {
        self.shared.literal_prefixes()
    }

    /// Returns true for a file of the task. A database's companion files are excluded with it.
    pub fn owns(&self, path: &RelPath) -> bool {
        (self.paths.matches(path) || self.config.as_ref() == Some(path))
            && !self.excludes(path)
            && *path != self.registry
            && !path.is_in(&self.snapshots)
    }

    /// Returns true for a file that the settings leave out of the task.
    pub fn excludes(&self, path: &RelPath) -> bool {
        matches_with_logs(&self.exclude, path)
    }

    /// Returns true for a file that the task shares with others.
    pub fn shares(&self, path: &RelPath) -> bool {
        self.shared.matches(path) && !self.owns(path)
    }

    /// Returns true for a file that no rollback touches. A database's companion files are protected
    /// with it.
    pub fn protects(&self, path: &RelPath) -> bool {
        matches_with_logs(&self.protect, path)
    }

    /// Returns true for a file that stays as it is in a rollback: a protected one, and the rules at
    /// the top that say what git ignores. Ignored files stay, too, so with the rules of an older
    /// version the next release would take in secrets.
    pub fn stays(&self, path: &RelPath) -> bool {
        self.protects(path) || self.holds_ignore_rules(path)
    }

    /// Returns true for the rules that say what git ignores in the whole repository.
    pub fn holds_ignore_rules(&self, path: &RelPath) -> bool {
        path.as_bytes() == b".gitignore"
    }

    /// Returns true for the attributes at the top when nothing is in them but what `init` writes:
    /// no version has to list them, and they stay in a rollback.
    pub fn holds_merge_lines(&self, tree: &dyn Fs, path: &RelPath) -> bool {
        let is_same =
            |stat: Stat| stat.kind == Type::File && stat.size == self.merge_lines.len() as u64;
        path.as_bytes() == b".gitattributes"
            && tree.stat(path).ok().flatten().is_some_and(is_same)
            && read_limited(tree, path, LIMIT)
                .is_ok_and(|bytes| bytes == self.merge_lines.as_bytes())
    }

    /// Returns true for a file that is kept in the store; call only for files that git does not
    /// track.
    pub fn is_large(&self, path: &RelPath, size: u64) -> bool {
        self.owns(path)
            && (self.large.matches(path) || self.large_over.is_some_and(|limit| size >= limit))
    }

    /// Returns true when some of the task's files may be kept in the store.
    pub fn keeps_large(&self) -> bool {
        !self.large.is_empty() || self.large_over.is_some()
    }

    /// Returns true for a file that matches the large-file globs, whatever its size.
    pub fn names_large(&self, path: &RelPath) -> bool {
        self.owns(path) && self.large.matches(path)
    }
}

/// Returns true for a matching path, and for the log or journal of a matching database.
fn matches_with_logs(globs: &Globs, path: &RelPath) -> bool {
    globs.matches(path)
        || sqlite::database_of(path).is_some_and(|database| globs.matches(&database))
}

/// Returns the task's configuration if it lies outside its paths: it belongs to the task unless
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
