//! The registry in the three places where git keeps a file: commit, index, work tree.

use super::Error;
use crate::{
    base::{Failure, Fs, RelPath, Type, fs::read_limited},
    git::Repo,
    model::{GitId, Settings, TaskId, TaskSpec, Version},
    registry::{Registry, task_config},
    site::RepoSite,
};

/// Maximum size of a registry or configuration, in bytes.
pub const LIMIT: u64 = 16 << 20;

/// Reads a small file of the work tree; `None` when it does not exist.
pub fn read_small(tree: &dyn Fs, path: &RelPath) -> Result<Option<Vec<u8>>, Error> {
    let failed = |source| Error::Read {
        path: path.clone(),
        source,
    };
    match tree.stat(path).map_err(failed)? {
        None => Ok(None),
        Some(stat) if stat.kind == Type::Symlink => Err(Error::Linked(path.clone())),
        Some(_) => read_limited(tree, path, LIMIT).map(Some).map_err(failed),
    }
}

/// Reads the work tree's registry; `None` when there is none.
pub fn in_tree(tree: &dyn Fs, settings: &Settings) -> Result<Option<Registry>, Failure> {
    Ok(read_small(tree, &settings.registry)?
        .map(|bytes| Registry::parse(&bytes))
        .transpose()?)
}

/// Returns a task's version in the work tree's registry.
pub fn entry(
    tree: &dyn Fs,
    settings: &Settings,
    task: &TaskId,
) -> Result<Option<Version>, Failure> {
    let registry = in_tree(tree, settings)?;
    let version = registry
        .map(|registry| registry.version(task))
        .transpose()?;
    Ok(version.flatten())
}

/// The registry, as far as it is readable. All tasks share this file, so problems with it are
/// reported but block no task's rollback.
pub struct ReadRegistry {
    /// The registry; `None` when it is missing or unreadable.
    pub registry: Option<Registry>,
    /// Why it is unreadable.
    pub trouble: Option<Failure>,
}

/// Reads the work tree's registry.
pub fn seen(tree: &dyn Fs, settings: &Settings) -> ReadRegistry {
    match in_tree(tree, settings) {
        Ok(registry) => ReadRegistry {
            registry,
            trouble: None,
        },
        Err(failure) => ReadRegistry {
            registry: None,
            trouble: Some(failure),
        },
    }
}

/// The active version of a task, as far as it is known, with the reading problems.
#[derive(Debug, Default)]
pub struct Active {
    /// The registry's version, otherwise the configuration's.
    pub version: Option<Version>,
    /// Messages about unreadable files.
    pub trouble: Vec<String>,
}

/// Like [`active_version`], but tolerates unreadable files.
pub fn active(site: &RepoSite, task: &TaskSpec) -> Active {
    let ReadRegistry { registry, trouble } = seen(&*site.tree, &site.settings);
    let mut active = active_seen(registry.as_ref(), &*site.tree, task);
    let trouble = trouble.map(|failure| trouble_of(site, &failure));
    active.trouble.splice(0..0, trouble);
    active
}

/// Like `active`, given the registry already read.
pub fn active_seen(registry: Option<&Registry>, tree: &dyn Fs, task: &TaskSpec) -> Active {
    let mut active = Active::default();
    match registry
        .map(|registry| registry.version(&task.id))
        .transpose()
    {
        Ok(version) => active.version = version.flatten(),
        Err(error) => active.trouble.push(Failure::from(error).to_string()),
    }
    if active.version.is_none() {
        match config_version(tree, task) {
            Ok(version) => active.version = version,
            Err(failure) => active.trouble.push(failure.to_string()),
        }
    }
    active
}

/// Returns the registry if readable; a problem is a warning, as it belongs to no single task.
pub fn told(site: &RepoSite) -> Option<Registry> {
    let ReadRegistry { registry, trouble } = seen(&*site.tree, &site.settings);
    if let Some(failure) = trouble {
        site.warn(trouble_of(site, &failure));
    }
    registry
}

/// Returns a task's version as far as it is known; problems are warnings.
pub fn active_told(site: &RepoSite, task: &TaskSpec) -> Option<Version> {
    let Active { version, trouble } = active(site, task);
    for line in trouble {
        site.warn(line);
    }
    version
}

/// Describes a problem of the registry and its remedy in one line.
pub fn trouble_of(site: &RepoSite, failure: &Failure) -> String {
    let hint = failure.hints().into_iter().next();
    let mend = hint.map(|hint| match site.command_of(&hint) {
        None => hint.why,
        Some(command) => format!("{}: {command}", hint.why),
    });
    let path = &site.settings.registry;
    format!("{path}: {failure} ({})", mend.unwrap_or_default())
}

/// Reads a registry from a blob.
pub fn in_blob(git: &Repo, blob: &GitId) -> Result<Registry, Failure> {
    Ok(Registry::parse(&git.read_blob_within(blob, LIMIT)?)?)
}

/// Returns the version in the task's configuration file in the work tree.
pub fn config_version(tree: &dyn Fs, task: &TaskSpec) -> Result<Option<Version>, Failure> {
    let Some(path) = &task.config else {
        return Ok(None);
    };
    let Some(bytes) = read_small(tree, path)? else {
        return Ok(None);
    };
    let key = &task.version_key;
    Ok(task_config::version_of(&bytes, path, key, task.scheme)?)
}

/// Returns the active version: the registry's, otherwise the configuration's.
pub fn active_version(
    tree: &dyn Fs,
    settings: &Settings,
    task: &TaskSpec,
) -> Result<Option<Version>, Failure> {
    active_by(in_tree(tree, settings)?.as_ref(), tree, task)
}

/// Like [`active_version`], given the registry already read.
pub fn active_by(
    registry: Option<&Registry>,
    tree: &dyn Fs,
    task: &TaskSpec,
) -> Result<Option<Version>, Failure> {
    match registry
        .map(|registry| registry.version(&task.id))
        .transpose()?
        .flatten()
    {
        Some(version) => Ok(Some(version)),
        None => config_version(tree, task),
    }
}

/// Returns new bytes of a registry with one task's version set, or its entry removed.
pub fn with_version(
    registry: &Registry,
    task: &TaskId,
    version: Option<&Version>,
) -> Result<Vec<u8>, Failure> {
    Ok(match version {
        Some(version) => registry.with_version(task, version)?,
        None => registry.without_task(task)?,
    })
}
