//! Node packages from lock files: npm's (versions 1 to 3), yarn's (classic and berry), pnpm's.
//!
//! Leaves out the repository's own packages (links, workspaces). When files of several managers lie
//! side by side, all are recorded by digest, and the first in this order is read:
//! npm-shrinkwrap.json, package-lock.json, pnpm-lock.yaml, yarn.lock. See [`super::node_text`] for
//! the non-JSON formats.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Collected, CollectedTask, Collector, Error, node_text, places, url};
use crate::model::dependencies::NODE_LOCKS;

/// Collector for Node lock files.
pub(super) struct NodeLocks;

/// Parses a lock file: returns the packages, or why it cannot be parsed.
type LockReader = fn(&str) -> Result<Vec<String>, String>;

/// Names and readers of the lock files, highest priority first.
const FORMATS: [(&str, LockReader); 4] = [
    (NODE_LOCKS[0], npm),
    (NODE_LOCKS[1], npm),
    (NODE_LOCKS[2], node_text::pnpm),
    (NODE_LOCKS[3], node_text::yarn),
];

impl Collector for NodeLocks {
    fn name(&self) -> &'static str {
        "node"
    }

    fn collect(&self, task: &CollectedTask<'_>, found: &mut Collected) -> Result<(), Error> {
        let rank = |name: &[u8]| {
            FORMATS
                .iter()
                .position(|(known, _)| known.as_bytes() == name)
        };
        let locks = places::lock_files(task, |name| rank(name.as_bytes()).is_some())?;
        let best = locks.iter().filter_map(|path| rank(path.name())).min();
        for path in &locks {
            found.lock_file(task, path)?;
            let Some(at) = rank(path.name()).filter(|at| Some(*at) == best) else {
                continue;
            };
            let Some(text) = found.lock_text(task, path)? else {
                continue;
            };
            match FORMATS[at].1(&text) {
                Ok(packages) => found.list.node_packages.extend(packages),
                Err(why) => found.warn(path, &why),
            }
        }
        Ok(())
    }
}

/// Returns true for a lock file that this collector reads.
pub(super) fn is_known(name: &[u8]) -> bool {
    FORMATS.iter().any(|(known, _)| known.as_bytes() == name)
}

/// Returns the reader for lock files of this name.
#[cfg(feature = "fuzz")]
pub(super) fn reader(name: &str) -> Option<LockReader> {
    FORMATS
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, reader)| reader)
}

/// npm's lock file: `packages` since version 2, `dependencies` in version 1.
#[derive(Deserialize)]
struct Npm {
    packages: Option<BTreeMap<String, NpmPackage>>,
    #[serde(default)]
    dependencies: BTreeMap<String, NpmDependency>,
}

#[derive(Deserialize)]
struct NpmPackage {
    name: Option<String>,
    version: Option<String>,
    resolved: Option<String>,
    #[serde(default)]
    link: bool,
}

#[derive(Deserialize)]
struct NpmDependency {
    version: Option<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, NpmDependency>,
}

/// Returns the packages of npm's lock file.
fn npm(text: &str) -> Result<Vec<String>, String> {
    let lock: Npm = serde_json::from_str(text).map_err(|error| {
        format!(
            "not its format, at line {} column {}",
            error.line(),
            error.column()
        )
    })?;
    let mut all = Vec::new();
    match lock.packages {
        Some(packages) => all.extend(
            packages
                .into_iter()
                .filter_map(|(path, package)| package.entry(&path)),
        ),
        None => old_dependencies(lock.dependencies, &mut all),
    }
    Ok(all)
}

impl NpmPackage {
    fn entry(self, path: &str) -> Option<String> {
        // Paths outside node_modules are the repository's own packages.
        let (_, by_path) = path.rsplit_once("node_modules/")?;
        if self.link {
            return None;
        }
        let from_git = self.resolved.filter(|resolved| resolved.starts_with("git"));
        let origin = from_git.map(|resolved| {
            let commit = resolved
                .split_once('#')
                .map(|(_, commit)| commit.to_string());
            url::origin(&resolved, commit.as_deref())
        });
        entry(
            self.name.as_deref().unwrap_or(by_path),
            &self.version?,
            &origin.unwrap_or_default(),
        )
    }
}

/// Collects the nested lists of version 1. The JSON reader limits their depth.
fn old_dependencies(dependencies: BTreeMap<String, NpmDependency>, all: &mut Vec<String>) {
    for (name, dependency) in dependencies {
        if let Some(version) = &dependency.version {
            // An alias is written as `npm:<name>@<version>`, a folder as `file:<path>`.
            let alias = version
                .strip_prefix("npm:")
                .and_then(|target| target.rsplit_once('@'));
            match alias {
                Some((name, version)) => all.extend(entry(name, version, "")),
                None if version.starts_with("file:") => {}
                None => all.extend(entry(&name, version, "")),
            }
        }
        old_dependencies(dependency.dependencies, all);
    }
}

/// Returns the recorded form, without credentials; `None` for an invalid name.
pub(super) fn entry(name: &str, version: &str, origin: &str) -> Option<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "@/._-~!'()*".contains(c);
    if name.is_empty() || name.len() > 256 || version.is_empty() || !name.chars().all(is_name) {
        return None;
    }
    let version = if url::is_url(version) {
        url::without_credentials(version)
    } else {
        version.to_string()
    };
    let is_version =
        version.len() <= 512 && !version.contains(|c: char| c.is_whitespace() || c.is_control());
    is_version.then(|| format!("{name}@{version}{origin}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npm_versions_1_to_3() {
        let v1 = r#"{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","dependencies":{"@s/b":{"version":"2.0.0"}}},
            "al":{"version":"npm:real@3.0.0"},"own":{"version":"file:own"},"g":{"version":"git+https://u:s3cret@host/g.git#abc"}}}"#;
        assert_eq!(
            npm(v1).expect("it is one"),
            [
                "a@1.0.0",
                "@s/b@2.0.0",
                "real@3.0.0",
                "g@git+https://host/g.git"
            ]
        );
        let v3 = r#"{"lockfileVersion":3,"packages":{"":{"name":"own","version":"0.1.0"},"packages/w":{"version":"0.1.0"},
            "node_modules/w":{"resolved":"packages/w","link":true},"node_modules/a":{"version":"1.0.0"},
            "node_modules/a/node_modules/@s/b":{"version":"2.0.0"},"node_modules/al":{"name":"real","version":"3.0.0"},
            "node_modules/g":{"version":"1.0.0","resolved":"git+ssh://git@host/g.git#abc"}},"dependencies":{"a":{"version":"9"}}}"#;
        assert_eq!(
            npm(v3).expect("it is one"),
            [
                "a@1.0.0",
                "@s/b@2.0.0",
                "real@3.0.0",
                "g@1.0.0 @ git+ssh://git@host/g.git@abc"
            ]
        );
    }
}
