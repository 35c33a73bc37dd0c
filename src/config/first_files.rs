//! Finds what `init` would write into an opened repository, and the data that no release keeps.

use super::{init_files, shape};
use crate::{
    base::{Failure, Globs, RelPath, sqlite},
    catalog::Scope,
    git::Scan,
    model::{Settings, overview::InitFile},
    site::RepoSite,
};

/// Returns the files that `init` would write into the repository that holds a folder. Also returns
/// patterns of databases and data in the tasks' folders that no release keeps with the current
/// settings.
pub fn init_files_of(site: &RepoSite) -> Result<(Vec<InitFile>, Vec<String>), Failure> {
    site.refuse_flaws()?;
    let scan = site.git.scan(&[RelPath::root()]).unwrap_or_default();
    let tracks = |globs: &Globs| {
        scan.tracked
            .iter()
            .any(|tracked| globs.matches(&tracked.path))
    };
    let found = shape::found_settings(site, false)?;
    let (settings, text) = match &found {
        Some((settings, text)) => (settings, Some(text.as_str())),
        None => (&*site.settings, None),
    };
    let data = data_left_out(site, settings, &scan)?;
    let files = init_files(site.git.work_tree(), settings, text, tracks, &data)?;
    Ok((files, data))
}

/// Returns patterns of data in the tasks' folders that neither git nor the store keeps.
fn data_left_out(
    site: &RepoSite,
    settings: &Settings,
    scan: &Scan,
) -> Result<Vec<String>, Failure> {
    let tasks = settings.tasks.iter();
    let scopes = tasks.map(|task| Scope::new(settings, task));
    let scopes: Vec<Scope> = scopes.collect::<Result<_, _>>()?;
    let is_left_out = |path: &&RelPath| {
        scopes
            .iter()
            .any(|scope| scope.owns(path) && !scope.names_large(path))
    };
    let files = scan
        .untracked
        .iter()
        .chain(&scan.ignored)
        .filter(is_left_out);
    Ok(super::data_patterns(files, |path| {
        sqlite::is_database(&*site.tree, path).unwrap_or(false)
    }))
}
