//! Finds what `init` would write into an opened repository, and the data that no release keeps.

use super::{init_files, shape};
use crate::{
    base::{Failure, Globs, RelPath, sqlite},
    catalog::{Scope, version_place},
    git::Scan,
    model::{Settings, overview::InitPlan},
    site::RepoSite,
};

/// Returns what `init` would do in the repository that holds a folder.
pub fn init_files_of(site: &RepoSite) -> Result<InitPlan, Failure> {
    site.refuse_flaws()?;
    let scan = site.git.scan(&[RelPath::root()]).unwrap_or_default();
    let tracks = |globs: &Globs| {
        scan.tracked
            .iter()
            .any(|tracked| globs.matches(&tracked.path))
    };
    let found = shape::found_settings(site, false)?;
    let settings = found
        .as_ref()
        .map_or(&*site.settings, |found| &found.settings);
    let text = found.as_ref().map(|found| found.text.as_str());
    let left_out = data_left_out(site, settings, &scan)?;
    let (files, unread) = init_files(site.git.work_tree(), settings, text, tracks, &left_out)?;
    let tree = &*site.tree;
    let mut remarks = found
        .as_ref()
        .map_or(Vec::new(), |found| found.remarks.clone());
    remarks.extend(unread);
    let of_files = settings
        .tasks
        .iter()
        .map(|task| version_place::remarks(tree, task));
    remarks.extend(of_files.flatten());
    Ok(InitPlan {
        files,
        left_out,
        remarks,
    })
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
