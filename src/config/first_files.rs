//! What `init` would write into an opened repository, and the data in it that no release keeps.

use super::init_files;
use crate::{
    base::{Failure, Globs, RelPath, sqlite},
    catalog::Scope,
    git::Scan,
    model::overview::InitFile,
    site::RepoSite,
};

/// The files that `init` would write into the repository that holds a folder, and patterns of
/// databases and data in the tasks' folders that no release keeps by the settings that are
/// there.
pub fn init_files_of(site: &RepoSite) -> Result<(Vec<InitFile>, Vec<String>), Failure> {
    site.refuse_flaws()?;
    let scan = site.git.scan(&[RelPath::root()]).unwrap_or_default();
    let tracks = |globs: &Globs| {
        scan.tracked
            .iter()
            .any(|tracked| globs.matches(&tracked.path))
    };
    let data = data_left_out(site, &scan)?;
    Ok((
        init_files(site.git.work_tree(), &site.settings, tracks, &data)?,
        data,
    ))
}

/// Patterns of databases and data in the tasks' folders that neither git nor the store keeps.
fn data_left_out(site: &RepoSite, scan: &Scan) -> Result<Vec<String>, Failure> {
    let scopes = site
        .settings
        .tasks
        .iter()
        .map(|task| Scope::new(&site.settings, task));
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
