//! The settings of an opened repository: its file, its registry, and what its tags and its history
//! say of tasks that are not there any more.

use std::{cell::OnceCell, path::Path, sync::Arc};

use super::{ConfigSource, Error, Kinds, LoadedConfig, file_name, load};
use crate::{
    base::{Failure, RelPath},
    catalog,
    git::Repo,
    model::TaskId,
    site::{Options, ReadSettings, RepoSite},
};

/// Opens the repository that holds a folder, with its settings; warns of what looks wrong in them.
///
/// # Errors
/// When there is no repository, or its settings or its state folder cannot be used.
pub fn open(dir: &Path, options: Options) -> Result<RepoSite, Failure> {
    open_with(dir, options, Kinds::ALL)
}

/// The same with settings that may name these kinds of channels and sources of metrics.
///
/// # Errors
/// When there is no repository, or its settings or its state folder cannot be used.
pub fn open_with(dir: &Path, options: Options, kinds: Kinds<'_>) -> Result<RepoSite, Failure> {
    let git = Arc::new(Repo::discover(dir)?);
    let (read, warnings) = of_repository(&git, options.config.as_deref(), kinds)?;
    let site = RepoSite::open(git, read, options)?;
    for warning in warnings {
        site.warn(warning);
    }
    Ok(site)
}

/// Reads the settings of a repository, and what looks wrong in them.
///
/// # Errors
/// When every task takes from what is wrong.
fn of_repository(
    git: &Repo,
    explicit: Option<&Path>,
    kinds: Kinds<'_>,
) -> Result<(ReadSettings, Vec<String>), Failure> {
    let tree = git.files()?;
    let loaded = load(
        ConfigSource {
            tree: &*tree,
            explicit,
            kinds,
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

/// Says of a task whether it has a release; the tags are listed once, when somebody asks.
fn is_released(git: &Repo) -> impl Fn(&TaskId) -> bool {
    let tags = OnceCell::new();
    move |id| {
        let prefix = format!("{id}-v");
        let tags = tags.get_or_init(|| git.tags().unwrap_or_default().whole);
        tags.iter()
            .any(|tag| tag.name.starts_with(prefix.as_bytes()))
    }
}

/// A mistake that stops every task, with how the file comes back as it was committed.
fn with_committed(error: Error, git: &Repo) -> Error {
    error.with_committed(|path: &RelPath| {
        let head = git.head_commit().ok()??;
        git.read_blob_within(&git.entry(&head, path).ok()??.id, 1 << 20)
            .ok()
    })
}
