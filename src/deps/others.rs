//! Lock files that no other collector reads: those of other languages and tools, and those farther
//! away than the deciding one. Each is recorded by digest, so that rollbacks and verifications
//! cover it, and reported, so that the package list is not taken for complete.

use super::{Collected, CollectedTask, Collector, Error, node, places, python};
use crate::base::RelPath;

/// Collector for the lock files that the other collectors left. It runs after them.
pub(super) struct Others;

/// File names of other tools' lock files.
const NAMES: [&str; 39] = [
    "bun.lock",
    "bun.lockb",
    "deno.lock",
    "pixi.lock",
    "environment.yml",
    "environment.yaml",
    "conda-lock.yml",
    "go.mod",
    "go.sum",
    "go.work.sum",
    "Gemfile.lock",
    "gems.locked",
    "composer.lock",
    "mix.lock",
    "rebar.lock",
    "pubspec.lock",
    "Podfile.lock",
    "Package.resolved",
    "Cartfile.resolved",
    "packages.lock.json",
    "project.assets.json",
    "paket.lock",
    "gradle.lockfile",
    "flake.lock",
    "conan.lock",
    "vcpkg-configuration.json",
    "cabal.project.freeze",
    "Manifest.toml",
    "renv.lock",
    "Chart.lock",
    ".terraform.lock.hcl",
    "shard.lock",
    "dub.selections.json",
    "cpanfile.snapshot",
    "lake-manifest.json",
    "maven_install.json",
    "Godeps.json",
    "packages.config",
    "build.zig.zon",
];
/// Suffixes of such names.
const ENDS: [&str; 14] = [
    ".locked",
    ".freeze",
    ".lock",
    ".lockb",
    ".lockfile",
    "-lock.json",
    "-lock.yml",
    "-lock.yaml",
    ".lock.json",
    ".lock.yml",
    ".lock.yaml",
    ".lock.hcl",
    "requirements.txt",
    "conda-linux-64.lock",
];

impl Collector for Others {
    fn name(&self) -> &'static str {
        "others"
    }

    fn collect(&self, task: &CollectedTask<'_>, found: &mut Collected) -> Result<(), Error> {
        let mut paths: Vec<RelPath> = task
            .files
            .iter()
            .filter(|path| is_lock(path) && !places::is_installed(path))
            .cloned()
            .collect();
        if paths.is_empty() {
            paths = places::lock_paths(task, |path| is_lock(path) && !is_known(path))?;
        }
        let (mut strange, mut farther) = (Vec::new(), Vec::new());
        for path in paths {
            let Some(file) = places::file_at(task, &path)? else {
                if places::is_link(task, &path)? {
                    found.warnings.push(format!("{path} is a link that leads to no file of the repository; its packages are not recorded"));
                }
                continue;
            };
            if found.list.lockfiles.iter().any(|known| known.path == file) {
                continue;
            }
            found.lock_file(task, &path)?;
            found.unread(&path);
            if is_known(&path) {
                farther.push(path);
            } else {
                strange.push(path);
            }
        }
        found.warnings.extend(said(&strange, "not understood"));
        found
            .warnings
            .extend(said(&farther, "not read, for another one is nearer"));
        Ok(())
    }
}

/// Returns true for a file name that some tool uses for a lock file.
fn is_lock(path: &RelPath) -> bool {
    let Ok(name) = std::str::from_utf8(path.name()) else {
        return false;
    };
    let by_end = !name.starts_with('.') && ENDS.iter().any(|end| name.ends_with(end));
    is_known(path) || by_end || NAMES.contains(&name)
}

/// Returns true for a file that another collector would read.
fn is_known(path: &RelPath) -> bool {
    python::format(path).is_some() || node::is_known(path.name()) || path.name() == b"Cargo.lock"
}

/// Builds one line about some files.
fn said(paths: &[RelPath], what: &str) -> Option<String> {
    let names = paths
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    match paths.len() {
        0 => None,
        1 => Some(format!(
            "{names} is {what}; it is recorded by digest, its packages are not"
        )),
        _ => Some(format!(
            "{names} are {what}; they are recorded by digest, their packages are not"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Tree;

    #[test]
    fn what_is_not_understood_is_recorded_and_named() {
        let names = [
            "environment.yml",
            "bun.lock",
            "bun.lockb",
            "go.sum",
            "go.mod",
            "Gemfile.lock",
            "composer.lock",
            "mix.lock",
        ];
        let more = [
            "Package.resolved",
            "sub/own.lock",
            "sub/x-lock.json",
            "dev-requirements.txt",
            ".terraform.lock.hcl",
        ];
        let names: Vec<&str> = names.into_iter().chain(more).collect();
        let files: Vec<(String, &str)> = names
            .iter()
            .map(|name| (format!("t/{name}"), "x\n"))
            .collect();
        let (list, warnings) = Tree::new(&files).collect();
        assert_eq!(list.lockfiles.len(), names.len());
        assert!(list.lockfiles.iter().all(|file| file.unread), "{list:?}");
        assert_eq!(warnings.len(), 1);
        assert!(
            names.iter().all(|name| warnings[0].contains(name))
                && warnings[0].contains("are not understood"),
            "{warnings:?}"
        );
    }

    #[test]
    fn what_is_read_is_not_named_and_what_is_farther_off_is() {
        let tree = Tree::new(&[
            ("t/requirements.txt", "a==1\n"),
            ("t/sub/requirements.txt", "b==1\n"),
            ("go.sum", ""),
        ]);
        let (list, warnings) = tree.collect();
        assert_eq!(list.python_packages, ["a==1"]);
        assert_eq!(list.lockfiles.iter().filter(|file| file.unread).count(), 1);
        assert!(
            warnings[0].starts_with("t/sub/requirements.txt is not read"),
            "{warnings:?}"
        );
        let (list, warnings) = Tree::new(&[("t/main.go", ""), ("go.sum", "")]).collect();
        assert_eq!(
            (list.lockfiles.len(), warnings.len()),
            (1, 1),
            "the root's, when the task has none"
        );
        for name in [
            ".lock",
            ".x.lock",
            "lock",
            "locked.txt",
            "node_modules/a/bun.lock",
        ] {
            assert!(
                Tree::new(&[(format!("t/{name}"), "")])
                    .collect()
                    .0
                    .is_empty(),
                "{name}"
            );
        }
    }
}
