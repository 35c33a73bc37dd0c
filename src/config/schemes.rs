//! Which scheme the versions of a task show: those in its tags, and the one in its files.
//!
//! Only what no semantic version can be counts: a repository whose versions fit the usual scheme
//! keeps it.

use super::init::TEMPLATE;
use crate::{
    base::RelPath,
    catalog::{registry::read_small, version_place},
    model::{Scheme, TagForm, TagName, TaskId, Version, is_dated, tag_form::TagOwner},
    registry::task_config,
    site::RepoSite,
};

/// Files that make a folder a Python project.
const PYTHON: [&str; 3] = ["pyproject.toml", "setup.cfg", "setup.py"];

/// A task, as far as its versions are looked for.
pub(super) struct VersionOwner<'a> {
    pub id: &'a TaskId,
    pub dir: &'a RelPath,
    pub tag: &'a TagForm,
}

/// True for the folder of a Python project.
pub(super) fn is_python(site: &RepoSite, dir: &RelPath) -> bool {
    let is_there = |name: &&str| matches!(site.tree.stat(&dir.join(*name)), Ok(Some(_)));
    PYTHON.iter().any(is_there)
}

/// Returns the scheme of a task; `names` are those of all tags. Without `tagged`, the version in
/// its files counts, too.
pub(super) fn of_task(
    site: &RepoSite,
    task: &VersionOwner<'_>,
    names: &[&str],
    tagged: bool,
) -> Scheme {
    let owner = |owner: TagOwner<'_>| {
        let is_own = match owner {
            TagOwner::Id(id) => id == task.id.as_str(),
            TagOwner::Folder(folder) => {
                folder == task.dir.to_text() || folder.is_empty() && task.dir.is_root()
            }
            TagOwner::OfForm => true,
        };
        is_own.then(|| task.id.clone())
    };
    let readings = names
        .iter()
        .flat_map(|name| task.tag.readings(name, &owner));
    let versions = readings.filter_map(|reading| match reading {
        TagName::Release { version, .. } => Some(version),
        TagName::Marker { .. } => None,
    });
    let in_files = (!tagged).then(|| in_files(site, task.dir)).flatten();
    let versions: Vec<Version> = versions.chain(in_files).collect();
    shown_by(&versions, is_python(site, task.dir))
}

/// Returns the version in the files of a folder.
fn in_files(site: &RepoSite, dir: &RelPath) -> Option<Version> {
    let place = version_place::in_folder(&*site.tree, dir)?;
    let bytes = read_small(&*site.tree, &place.file).ok()??;
    let version = task_config::version(&bytes, &place.file, &place.key);
    version.ok().flatten()
}

/// Returns the scheme that versions show.
fn shown_by(versions: &[Version], is_python: bool) -> Scheme {
    let is_calver = |version: &&Version| Scheme::Calver.accepts(version);
    let are_dates = versions.iter().filter(is_calver).count() * 2 > versions.len();
    if are_dates && versions.iter().any(is_dated) {
        Scheme::Calver
    } else if is_python && versions.iter().any(is_pythonic) {
        Scheme::Pep440
    } else {
        Scheme::Semver
    }
}

/// True for a version that only a Python package has. One number alone may be anything.
pub(super) fn is_pythonic(version: &Version) -> bool {
    let is_number = version.as_str().bytes().all(|c| c.is_ascii_digit());
    !version.is_semantic() && !is_number && Scheme::Pep440.accepts(version)
}

/// Returns a text of settings for tasks that discovery finds without any, when their versions show
/// another scheme than the usual one.
pub(super) fn of_discovered(site: &RepoSite, names: &[&str], tagged: bool) -> Option<String> {
    let tasks = site.settings.tasks.iter().map(|task| {
        let owner = VersionOwner {
            id: &task.id,
            dir: &task.dir,
            tag: &task.tag,
        };
        (&task.id, of_task(site, &owner, names, tagged))
    });
    let schemes: Vec<(&TaskId, Scheme)> = tasks.collect();
    let first = schemes.first()?.1;
    let is_usual = |scheme: Scheme| scheme == Scheme::default();
    if schemes.iter().all(|(_, scheme)| is_usual(*scheme)) {
        return None;
    }
    if schemes.iter().all(|(_, scheme)| *scheme == first) {
        let scheme = first.word();
        return Some(format!("{TEMPLATE}\ndefaults:\n  scheme: {scheme}\n"));
    }
    let others = schemes.iter().filter(|(_, scheme)| !is_usual(*scheme));
    let lines = others.map(|(id, scheme)| format!("  {id}: {{scheme: {}}}\n", scheme.word()));
    Some(format!("{TEMPLATE}\ntasks:\n{}", lines.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_show_their_scheme() {
        let (semver, pep440, calver) = (Scheme::Semver, Scheme::Pep440, Scheme::Calver);
        for (texts, is_python, scheme) in [
            ("", true, semver),
            ("1.0.0 1.1.0", true, semver),
            ("1.0.0 1.1.0-rc.1", true, semver),
            ("1.0.0 1", true, semver),
            ("1.0 1.1", false, semver),
            ("1.0 1.1", true, pep440),
            ("1.0.0 1.1.0rc1", true, pep440),
            ("2026.02.24", false, calver),
            ("2026.02.24 2025.12.24", true, calver),
            ("20260224", false, calver),
            ("1.0.0 1.1.0 20260224", false, semver),
            ("2026.2.24", false, semver),
        ] {
            let versions: Vec<Version> = texts
                .split_whitespace()
                .map(|text| text.parse().expect("it is a version"))
                .collect();
            assert_eq!(shown_by(&versions, is_python), scheme, "{texts}");
        }
    }
}
