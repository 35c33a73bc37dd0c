//! Finds local wheels in the folders where projects keep them for offline installation.

use std::path::{Path, PathBuf};

use super::installed::normalise;
use crate::base::RelPath;

/// Names of wheel folders, in a task's folder and at the top of the work tree.
const FOLDERS: [&str; 4] = ["wheels", "wheelhouse", "vendor/wheels", "vendor"];

/// Returns the existing wheel folders: for each tree in order, those of the task, then of the top.
pub fn places(trees: &[PathBuf], task: &RelPath) -> Vec<PathBuf> {
    let tops = trees
        .iter()
        .flat_map(|tree| [tree.join(task.as_os()), tree.clone()]);
    let mut found: Vec<PathBuf> = tops
        .flat_map(|top| FOLDERS.map(|folder| top.join(folder)))
        .filter(|path| path.is_dir())
        .collect();
    found.dedup();
    found
}

/// Returns the wheels of some packages (`name==version`) in these folders, sorted by name, and the
/// packages that have none. The first folder with a name counts.
pub fn find(places: &[PathBuf], packages: &[String]) -> (Vec<PathBuf>, Vec<String>) {
    let mut found: std::collections::BTreeMap<std::ffi::OsString, PathBuf> =
        std::collections::BTreeMap::new();
    for entry in places
        .iter()
        .filter_map(|place| place.read_dir().ok())
        .flatten()
        .filter_map(Result::ok)
    {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file
            && Path::new(&entry.file_name())
                .extension()
                .is_some_and(|end| end == "whl")
        {
            found
                .entry(entry.file_name())
                .or_insert_with(|| entry.path());
        }
    }
    let mut wheels = Vec::new();
    let mut missing = Vec::new();
    for package in packages {
        let of_package = |name: &&std::ffi::OsString| {
            name.to_str()
                .and_then(package_of)
                .is_some_and(|own| own == *package)
        };
        let own: Vec<&std::ffi::OsString> = found.keys().filter(of_package).collect();
        if own.is_empty() {
            missing.push(package.clone());
        }
        wheels.extend(own.into_iter().map(|name| found[name].clone()));
    }
    wheels.sort();
    wheels.dedup();
    (wheels, missing)
}

/// Returns `name==version` of a wheel's file name (PEP 427:
/// `name-version(-build)?-python-abi-platform.whl`).
fn package_of(name: &str) -> Option<String> {
    let mut parts = name.strip_suffix(".whl")?.split('-');
    let (name, version) = (parts.next()?, parts.next()?);
    (parts.count() >= 3).then(|| format!("{}=={version}", normalise(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_are_found_by_name_and_version() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let place = dir.path().join("tasks/T01/wheels");
        std::fs::create_dir_all(&place).expect("it makes a folder");
        for name in [
            "Demo_Pkg-1.0-py3-none-any.whl",
            "demo_pkg-2.0-py3-none-any.whl",
            "demo-pkg.txt",
            "broken.whl",
        ] {
            std::fs::File::create(place.join(name)).expect("it creates");
        }
        let places = places(&[dir.path().to_path_buf()], &RelPath::own("tasks/T01"));
        assert_eq!(places, std::slice::from_ref(&place));
        let (found, missing) = find(&places, &["demo-pkg==1.0".into(), "other==3".into()]);
        assert_eq!(
            (found, missing),
            (
                vec![place.join("Demo_Pkg-1.0-py3-none-any.whl")],
                vec!["other==3".to_string()]
            )
        );
    }
}
