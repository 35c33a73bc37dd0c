//! The registry as it is in the three places where git keeps a file: commit, index, work tree.

use super::Error;
use crate::{
    base::{Failure, Fs, RelPath, Type, fs::read_limited},
    git::Repo,
    model::{GitId, Settings, TaskId, TaskSpec, Version},
    registry::{Registry, task_config},
    site::RepoSite,
};

/// Largest registry or configuration that is read, in bytes.
pub const LIMIT: u64 = 16 << 20;

/// The bytes of a small file of the work tree; `None` when there is none.
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

/// The registry of the work tree; an empty one when there is none.
pub fn in_tree(tree: &dyn Fs, settings: &Settings) -> Result<Option<Registry>, Failure> {
    Ok(read_small(tree, &settings.registry)?
        .map(|bytes| Registry::parse(&bytes))
        .transpose()?)
}

/// What the registry of the work tree says of a task.
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

/// The registry as far as it can be read. All tasks share this file, so its trouble is told and
/// keeps no task from going back.
pub struct Seen {
    /// The registry; `None` when there is none, or none that can be read.
    pub registry: Option<Registry>,
    /// Why it cannot be read.
    pub trouble: Option<Failure>,
}

/// Looks at the registry of the work tree.
pub fn seen(tree: &dyn Fs, settings: &Settings) -> Seen {
    match in_tree(tree, settings) {
        Ok(registry) => Seen {
            registry,
            trouble: None,
        },
        Err(failure) => Seen {
            registry: None,
            trouble: Some(failure),
        },
    }
}

/// Which version of a task is active, as far as that can be told, and what could not be read.
#[derive(Debug, Default)]
pub struct Active {
    /// The registry's version, else the configuration's.
    pub version: Option<Version>,
    /// What could not be read.
    pub trouble: Vec<String>,
}

/// [`active_version`], by what can be read.
pub fn active(site: &RepoSite, task: &TaskSpec) -> Active {
    let Seen { registry, trouble } = seen(&*site.tree, &site.settings);
    let mut active = active_seen(registry.as_ref(), &*site.tree, task);
    let trouble = trouble.map(|failure| trouble_of(site, &failure));
    active.trouble.splice(0..0, trouble);
    active
}

/// The same by a registry that was looked at.
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

/// The registry as far as it can be read; trouble is a warning, for no task's own.
pub fn told(site: &RepoSite) -> Option<Registry> {
    let Seen { registry, trouble } = seen(&*site.tree, &site.settings);
    if let Some(failure) = trouble {
        site.warn(trouble_of(site, &failure));
    }
    registry
}

/// Which version a task has, as far as that can be told; trouble is a warning.
pub fn active_told(site: &RepoSite, task: &TaskSpec) -> Option<Version> {
    let Active { version, trouble } = active(site, task);
    for line in trouble {
        site.warn(line);
    }
    version
}

/// What is wrong with the registry, and what mends it, in one line.
pub fn trouble_of(site: &RepoSite, failure: &Failure) -> String {
    let hint = failure.hints().into_iter().next();
    let mend = hint.map(|hint| match site.command_of(&hint) {
        None => hint.why,
        Some(command) => format!("{}: {command}", hint.why),
    });
    let path = &site.settings.registry;
    format!("{path}: {failure} ({})", mend.unwrap_or_default())
}

/// The registry of a blob.
pub fn in_blob(git: &Repo, blob: &GitId) -> Result<Registry, Failure> {
    Ok(Registry::parse(&git.read_blob_within(blob, LIMIT)?)?)
}

/// The version in the task's configuration file in the work tree.
pub fn config_version(tree: &dyn Fs, task: &TaskSpec) -> Result<Option<Version>, Failure> {
    let Some(path) = &task.config else {
        return Ok(None);
    };
    let Some(bytes) = read_small(tree, path)? else {
        return Ok(None);
    };
    Ok(task_config::version(&bytes, path, &task.version_key)?)
}

/// The active version: the registry's, else the configuration's.
pub fn active_version(
    tree: &dyn Fs,
    settings: &Settings,
    task: &TaskSpec,
) -> Result<Option<Version>, Failure> {
    active_by(in_tree(tree, settings)?.as_ref(), tree, task)
}

/// [`active_version`] by a registry that was read.
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

/// New bytes of a registry with one task's version set, or its entry removed.
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
