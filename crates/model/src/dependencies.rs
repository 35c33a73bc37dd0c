//! The dependency list of a release: names and versions, never secrets or values.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use base::{Digest, RelPath};

/// The dependencies of a release, as recorded in its manifest. Every list is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyList {
    /// Installed or locked Python packages, `name==version`, names normalised (PEP 503).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub python_packages: Vec<String>,
    /// Source of `python_packages`: an environment's folder or a lock file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_source: Option<RelPath>,
    /// Locked Node packages, `name@version`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_packages: Vec<String>,
    /// Locked crates, `name@version`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cargo_packages: Vec<String>,
    /// Names of environment variables that the task uses, never their values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment_variables: Vec<String>,
    /// Lock and requirement files, with the digest of their bytes in git.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lockfiles: Vec<LockFile>,
    /// Set when the list is otherwise empty: dependencies were searched for and none exist.
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
    /// True when its packages are not listed, because it is not understood or another lock file
    /// takes precedence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
}

/// Ecosystems whose packages are listed, with the separator between name and version.
const ECOSYSTEMS: [(&str, &str); 3] = [("python", "=="), ("node", "@"), ("cargo", "@")];

/// Supported Node lock files; the first one present takes precedence.
pub const NODE_LOCKS: [&str; 4] = [
    "npm-shrinkwrap.json",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
];

/// One package that differs between two lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PackageChange {
    /// `python`, `node` or `cargo`.
    pub ecosystem: &'static str,
    /// The package.
    pub name: String,
    /// The version before, `None` when it is new.
    pub before: Option<String>,
    /// The version after, `None` when it is removed.
    pub after: Option<String>,
}

impl DependencyList {
    /// True when nothing is recorded.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True when any package is recorded.
    pub fn has_packages(&self) -> bool {
        !(self.python_packages.is_empty()
            && self.node_packages.is_empty()
            && self.cargo_packages.is_empty())
    }

    /// Describes unknown differences between two lists, a sentence each: lock files that differ and
    /// whose packages are missing from one of the lists, and lock files that prevent an ecosystem
    /// from being compared.
    pub fn unknown_changes(before: &Self, after: &Self) -> Vec<String> {
        let both = [(before, after), (after, before)];
        let differ = both.iter().flat_map(|(a, b)| {
            a.lockfiles
                .iter()
                .filter(|file| file.unread && !b.lockfiles.contains(file))
        });
        let same = both
            .iter()
            .flat_map(|(a, b)| ECOSYSTEMS.iter().flat_map(|(name, _)| a.hidden(name, b)));
        let differ: BTreeSet<&RelPath> = differ.map(|file| &file.path).collect();
        let same: BTreeSet<&RelPath> = same.filter(|path| !differ.contains(path)).collect();
        let words = differ.iter().map(|path| {
            format!("{path} differs; its packages are not read, so they are not listed")
        });
        words
            .chain(Self::changes_beside(before, after))
            .chain(same.iter().map(|path| {
                format!(
                    "the packages of {path} are not read, so what differs from them is not listed"
                )
            }))
            .collect()
    }

    /// Describes differing lock files over which another one takes precedence, a sentence each:
    /// their packages are not listed. A differing environment already shows what changed.
    pub fn changes_beside(before: &Self, after: &Self) -> Vec<String> {
        let both = [before, after];
        let is_same = |path: &RelPath| {
            both[0].lock_file(path).map(|file| &file.checksum)
                == both[1].lock_file(path).map(|file| &file.checksum)
        };
        let paths: BTreeSet<&RelPath> = both
            .iter()
            .flat_map(|list| &list.lockfiles)
            .map(|file| &file.path)
            .collect();
        let one = |path: &&RelPath| {
            let mut listed = both
                .iter()
                .filter_map(|list| Some((list, list.lock_file(path)?)));
            let deciding = listed
                .try_fold(None, |_, (list, file)| list.decides_beside(file).map(Some))
                .flatten()?;
            let says_itself = both.iter().all(|list| list.lock_file(deciding).is_none())
                && before.python_packages != after.python_packages;
            (!says_itself).then(|| {
                format!("{path} differs; its packages are not listed (those of {deciding} are)")
            })
        };
        paths
            .iter()
            .filter(|path| !is_same(path))
            .filter_map(one)
            .collect()
    }

    /// Returns the record of a lock file.
    fn lock_file(&self, path: &RelPath) -> Option<&LockFile> {
        self.lockfiles.iter().find(|file| file.path == *path)
    }

    /// Returns the environment or lock file whose packages are listed instead of those of a
    /// readable lock file. Requirement files may form one list, so none of them replaces another.
    fn decides_beside(&self, file: &LockFile) -> Option<&RelPath> {
        let rank = |path: &RelPath| {
            NODE_LOCKS
                .iter()
                .position(|name| name.as_bytes() == path.name())
        };
        match ecosystem_of(&file.path).filter(|_| !file.unread)? {
            "python" => self
                .python_source
                .as_ref()
                .filter(|source| !is_one_list(source, &file.path)),
            "node" => {
                let best = self
                    .lockfiles
                    .iter()
                    .filter(|other| !other.unread)
                    .min_by_key(|other| rank(&other.path).unwrap_or(usize::MAX))?;
                (rank(&best.path) < rank(&file.path))
                    .then_some(&best.path)
                    .filter(|best| rank(best).is_some())
            }
            _ => None,
        }
    }

    /// Returns the packages that differ, ordered by ecosystem and name. Ecosystems whose packages
    /// are unknown to one of the lists are omitted: their differences would be invented.
    pub fn changes(before: &Self, after: &Self) -> Vec<PackageChange> {
        let known = ECOSYSTEMS
            .iter()
            .filter(|(name, _)| before.knows(name, after) && after.knows(name, before));
        known
            .flat_map(|(name, sign)| {
                changes_of(name, before.packages(name), after.packages(name), sign)
            })
            .collect()
    }

    /// True when this list's packages of an ecosystem are known, as far as they are in the other
    /// one.
    pub fn knows(&self, ecosystem: &str, other: &Self) -> bool {
        self.hidden(ecosystem, other).next().is_none()
    }

    /// Returns the lock files that hide packages of an ecosystem: not read here, and either read
    /// for the other list, or the only ones here.
    fn hidden(&self, ecosystem: &str, other: &Self) -> impl Iterator<Item = &RelPath> {
        let is_alone = self.packages(ecosystem).is_empty() && !other.packages(ecosystem).is_empty();
        let is_read = |file: &LockFile| {
            other
                .lockfiles
                .iter()
                .any(|known| known.path == file.path && !known.unread)
        };
        let hides = move |file: &&LockFile| {
            file.unread
                && ecosystem_of(&file.path) == Some(ecosystem)
                && (is_alone || is_read(file))
        };
        self.lockfiles.iter().filter(hides).map(|file| &file.path)
    }

    /// Returns the packages of an ecosystem.
    fn packages(&self, ecosystem: &str) -> &[String] {
        match ecosystem {
            "python" => &self.python_packages,
            "node" => &self.node_packages,
            _ => &self.cargo_packages,
        }
    }
}

/// True when two Python lock files may form one list: same name, or both requirement files.
fn is_one_list(source: &RelPath, path: &RelPath) -> bool {
    let is_requirements = |path: &RelPath| {
        path.name().ends_with(b".txt") && !path.name().windows(4).any(|part| part == b"lock")
    };
    source.name() == path.name() || (is_requirements(source) && is_requirements(path))
}

/// Returns the ecosystem of a lock file, judging by its name.
fn ecosystem_of(path: &RelPath) -> Option<&'static str> {
    let name = std::str::from_utf8(path.name()).ok()?;
    match name {
        "Cargo.lock" => Some("cargo"),
        "npm-shrinkwrap.json"
        | "package-lock.json"
        | "pnpm-lock.yaml"
        | "yarn.lock"
        | "bun.lock"
        | "bun.lockb"
        | "deno.lock" => Some("node"),
        "uv.lock" | "poetry.lock" | "pdm.lock" | "Pipfile.lock" | "pixi.lock"
        | "environment.yml" | "environment.yaml" => Some("python"),
        _ if name.ends_with(".txt")
            || ["requirements", "pylock", "conda-"]
                .iter()
                .any(|begin| name.starts_with(begin)) =>
        {
            Some("python")
        }
        _ => None,
    }
}

/// Returns the differences in one ecosystem. A name may have several versions (Node, Cargo).
fn changes_of(
    ecosystem: &'static str,
    before: &[String],
    after: &[String],
    sign: &str,
) -> Vec<PackageChange> {
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
        .map(|(name, (before, after))| PackageChange {
            ecosystem,
            name: name.into(),
            before: join(before),
            after: join(after),
        })
        .collect()
}
