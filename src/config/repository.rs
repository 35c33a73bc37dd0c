//! The settings of an opened repository: its file, its registry, and what its tags and history say
//! about tasks that no longer exist.

use std::{cell::OnceCell, path::Path, sync::Arc};

use super::{ConfigSource, Error, Kinds, LoadedConfig, file_name, load};
use crate::{
    base::{Failure, RelPath},
    catalog,
    git::Repo,
    model::TaskId,
    site::{Options, ReadSettings, RepoSite},
};

/// Opens the repository that holds a folder, with its settings, and warns of suspicious ones.
///
/// # Errors
/// When there is no repository, or its settings or its state folder cannot be used.
pub fn open(dir: &Path, options: Options) -> Result<RepoSite, Failure> {
    open_with(dir, options, Kinds::ALL)
}

/// Opens a repository with settings that may name these kinds of channels and sources of metrics.
///
/// # Errors
/// When there is no repository, or its settings or its state folder cannot be used.
pub fn open_with(dir: &Path, options: Options, kinds: Kinds<'_>) -> Result<RepoSite, Failure> {
    let git = Arc::new(Repo::discover(dir)?);
    let (read, warnings) = of_repository(&git, &options, kinds)?;
    let site = RepoSite::open(git, read, options)?;
    for warning in warnings {
        site.warn(warning);
    }
    Ok(site)
}

/// Reads the settings of a repository, with warnings about suspicious ones.
///
/// # Errors
/// When a mistake is in a part that affects every task.
fn of_repository(
    git: &Repo,
    options: &Options,
    kinds: Kinds<'_>,
) -> Result<(ReadSettings, Vec<String>), Failure> {
    let (tree, explicit) = (git.files()?, options.config.as_deref());
    let loaded = load(
        ConfigSource {
            tree: &*tree,
            explicit,
            kinds,
            only: &options.only,
        },
        |path| catalog::registry::read_small(&*tree, path).ok().flatten(),
        |path| catalog::lost::tasks(git, path),
        is_released(git),
    );
    let LoadedConfig {
        settings,
        mut warnings,
        flaws,
    } = loaded.map_err(|error| with_committed(error, git))?;
    warnings.extend(flaws.iter().map(crate::site::Flaw::sentence));
    let read = ReadSettings {
        settings,
        flaws,
        file: file_name(git.work_tree(), explicit),
    };
    Ok((read, warnings))
}

/// Returns a check whether a task has a release; the tags are listed once, on the first use.
fn is_released(git: &Repo) -> impl Fn(&TaskId) -> bool {
    let tags = OnceCell::new();
    move |id| {
        let prefix = format!("{id}-v");
        let tags = tags.get_or_init(|| git.tags().unwrap_or_default().whole);
        let at = tags.partition_point(|tag| tag.name.as_slice() < prefix.as_bytes());
        let next = tags.get(at);
        next.is_some_and(|tag| tag.name.starts_with(prefix.as_bytes()))
    }
}

/// Adds to a mistake that stops every task how to restore the file as it was committed.
fn with_committed(error: Error, git: &Repo) -> Error {
    error.with_committed(|path: &RelPath| {
        let head = git.head_commit().ok()??;
        git.read_blob_within(&git.entry(&head, path).ok()??.id, 1 << 20)
            .ok()
    })
}
