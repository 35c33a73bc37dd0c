//! Packages: the folders that a package manager has files in, and the names that they give
//! themselves.

use crate::{
    base::RelPath,
    catalog::registry::read_small,
    model::ids::is_of_word,
    registry::task_config::{self, value_at},
    site::RepoSite,
};

/// Deepest folder that is looked at as a package, in names.
const DEPTH: usize = 4;
/// Folders in which no package is a task.
const FOREIGN: [&[u8]; 8] = [
    b"node_modules",
    b"vendor",
    b"third_party",
    b"target",
    b"testdata",
    b"fixtures",
    b"tests",
    b"examples",
];
/// Files that make a folder a package.
pub(super) const PACKAGE_MARKS: [&[u8]; 7] = [
    b"package.json",
    b"Cargo.toml",
    b"pyproject.toml",
    b"go.mod",
    b"Chart.yaml",
    b"pom.xml",
    b"setup.cfg",
];

/// True for a folder that is not deep and in no folder of foreign code.
pub(super) fn is_own(dir: &RelPath) -> bool {
    let mut names = dir.as_bytes().split(|byte| *byte == b'/');
    depth(dir) <= DEPTH && !names.any(|name| FOREIGN.contains(&name) || name.starts_with(b"."))
}

/// Returns the number of names in a path.
pub(super) fn depth(dir: &RelPath) -> usize {
    if dir.is_root() {
        0
    } else {
        dir.as_bytes().split(|byte| *byte == b'/').count()
    }
}

/// Returns the name that a package gives itself.
pub(super) fn package_name(site: &RepoSite, file: &RelPath) -> Option<String> {
    let key = match file.name() {
        b"Cargo.toml" => "package.name",
        b"pyproject.toml" => "project.name",
        b"package.json" | b"Chart.yaml" => "name",
        b"pom.xml" => "project.artifactId",
        b"setup.cfg" => "metadata.name",
        _ => return None,
    };
    value_at(&values_of(site, file), key).map(String::from)
}

/// Returns the values of a file; none when it cannot be read.
pub(super) fn values_of(site: &RepoSite, file: &RelPath) -> Vec<(String, String)> {
    let bytes = read_small(&*site.tree, file).ok().flatten();
    let values = bytes.and_then(|bytes| task_config::values(&bytes, file).ok());
    values.unwrap_or_default()
}

/// Returns a name with signs that no id has replaced.
pub(super) fn clean(name: &str) -> String {
    let is_usual = |c: char| is_of_word(c) || "._-".contains(c);
    let name: String = name
        .chars()
        .map(|c| if is_usual(c) { c } else { '-' })
        .collect();
    name.trim_matches(['-', '.']).to_string()
}
