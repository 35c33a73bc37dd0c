//! The dependency list of a release: names and versions, never a secret, never a value.

use serde::{Deserialize, Serialize};

use crate::base::{Digest, RelPath};

/// What a release depends on, as recorded in its manifest. Every list is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyList {
    /// Installed or locked Python packages, `name==version`, names normalised (PEP 503).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub python_packages: Vec<String>,
    /// Where `python_packages` was read from: an environment's folder or a lock file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_source: Option<RelPath>,
    /// Locked Node packages, `name@version`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_packages: Vec<String>,
    /// Locked crates, `name@version`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cargo_packages: Vec<String>,
    /// Names of environment variables that the task uses; never a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_variables: Vec<String>,
    /// Lock and requirement files, with the digest of their bytes in git.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lockfiles: Vec<LockFile>,
    /// Set where the list would say nothing otherwise: it was looked for, and there is nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub none_found: bool,
}

/// A lock or requirement file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LockFile {
    /// Its path.
    pub path: RelPath,
    /// SHA-256 of its bytes.
    pub checksum: Digest,
    /// True when its packages are not in the lists: it is not understood, or not the one that decides.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
}

/// One package that differs between two lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// `python`, `node` or `cargo`.
    pub ecosystem: &'static str,
    /// The package.
    pub name: String,
    /// The version before, `None` when it is new.
    pub before: Option<String>,
    /// The version after, `None` when it goes.
    pub after: Option<String>,
}

impl DependencyList {
    /// True when nothing is recorded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True when some package is recorded.
    pub fn has_packages(&self) -> bool {
        !(self.python_packages.is_empty() && self.node_packages.is_empty() && self.cargo_packages.is_empty())
    }

    /// The lock files that differ and whose packages are not in one of the lists.
    pub fn unread_changes<'a>(before: &'a Self, after: &'a Self) -> Vec<&'a RelPath> {
        let both = [(before, after), (after, before)];
        let differ = both.iter().flat_map(|(a, b)| a.lockfiles.iter().filter(|file| file.unread && !b.lockfiles.contains(file)));
        let mut paths: Vec<&RelPath> = differ.map(|file| &file.path).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// The packages that differ, in the order of ecosystems and names.
    pub fn changes(before: &Self, after: &Self) -> Vec<PackageChange> {
        let lists = [
            ("python", &before.python_packages, &after.python_packages, "=="),
            ("node", &before.node_packages, &after.node_packages, "@"),
            ("cargo", &before.cargo_packages, &after.cargo_packages, "@"),
        ];
        lists.into_iter().flat_map(|(ecosystem, before, after, sign)| changes_of(ecosystem, before, after, sign)).collect()
    }
}

/// The differences of one ecosystem. A name may have several versions (Node, Cargo).
fn changes_of(ecosystem: &'static str, before: &[String], after: &[String], sign: &str) -> Vec<PackageChange> {
    use std::collections::BTreeMap;
    let mut by_name: BTreeMap<&str, (Vec<&str>, Vec<&str>)> = BTreeMap::new();
    for package in before.iter().filter(|p| !after.contains(p)) {
        let (name, version) = package.rsplit_once(sign).unwrap_or((package, ""));
        by_name.entry(name).or_default().0.push(version);
    }
    for package in after.iter().filter(|p| !before.contains(p)) {
        let (name, version) = package.rsplit_once(sign).unwrap_or((package, ""));
        by_name.entry(name).or_default().1.push(version);
    }
    let join = |versions: Vec<&str>| (!versions.is_empty()).then(|| versions.join(", "));
    by_name
        .into_iter()
        .map(|(name, (before, after))| PackageChange { ecosystem, name: name.into(), before: join(before), after: join(after) })
        .collect()
}
