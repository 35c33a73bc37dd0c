//! Observations of a sandbox: trees, what git says about it, leftovers, versions.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use snapback::base::Digest;

use super::Sandbox;

/// The entry at a path of a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Type letter: `f`, `l`, `d` or `?`.
    pub kind: char,
    /// Permission bits; 0 for links.
    pub mode: u32,
    /// SHA-256 of the bytes, or of the link's target.
    pub digest: Digest,
    /// Modification time in nanoseconds; 0 for folders, whose times change with their entries, and
    /// for links, whose times nothing reads.
    pub mtime: i128,
}

/// The entries of a tree by path.
pub type Tree = BTreeMap<String, Entry>;

impl Sandbox {
    /// Reads every entry of the work tree (without `.git`) whose path `wanted` accepts.
    pub fn tree_where(&self, wanted: impl Fn(&str) -> bool) -> Tree {
        let mut tree = Tree::new();
        collect(&self.root(), &self.root(), &mut tree);
        tree.retain(|path, _| wanted(path));
        tree
    }

    /// Reads every entry of the work tree, without `.git`.
    pub fn tree(&self) -> Tree {
        self.tree_where(|_| true)
    }

    /// Reads everything in the sandbox that a refused command must leave alone: work tree, index,
    /// HEAD, references, reflogs, configuration, records and journals. Left out are git's objects,
    /// the store and the lock file, which may gain unreferenced bytes, and the audit log, which
    /// records failures too.
    pub fn everything(&self) -> Tree {
        let mut tree = Tree::new();
        collect(self.top(), self.top(), &mut tree);
        let own = |path: &str| {
            [
                "/objects",
                "/snapback",
                "/snapback/ops",
                "/snapback/store",
                "/snapback/audit",
                "/snapback/lock",
            ]
            .iter()
            .any(|end| path.ends_with(end))
        };
        let below = |path: &str| {
            ["/objects/", "/snapback/store/", "/snapback/audit/"]
                .iter()
                .any(|part| path.contains(part))
        };
        tree.retain(|path, _| !path.contains(".git") || !(own(path) || below(path)));
        tree
    }

    /// Reads everything below a folder.
    pub fn tree_in(&self, folder: &str) -> Tree {
        let below = format!("{folder}/");
        self.tree_where(|path| path.starts_with(&below))
    }

    /// Reads everything that is not below a folder.
    pub fn tree_outside(&self, folder: &str) -> Tree {
        let below = format!("{folder}/");
        self.tree_where(|path| path != folder && !path.starts_with(&below))
    }

    /// Returns the records of `git status`, sorted: two letters, a space, the path.
    pub fn status(&self) -> Vec<String> {
        let text = self.git_out(&["status", "--porcelain=v1", "-z", "-uall"]);
        let mut records: Vec<String> = text
            .split('\0')
            .filter(|record| !record.is_empty())
            .map(str::to_string)
            .collect();
        records.sort();
        records
    }

    /// Lists defects of the repository itself: objects, references, leftover locks and temporary
    /// files.
    pub fn unsound(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let fsck = self.git(&["fsck", "--strict", "--full", "--no-progress"]);
        let complaints = fsck.stdout.lines().chain(fsck.stderr.lines());
        wrong.extend(
            complaints
                .filter(|line| !line.starts_with("dangling ") && !line.starts_with("notice: "))
                .map(str::to_string),
        );
        if fsck.code != 0 {
            wrong.push(format!("git fsck ended with {}", fsck.code));
        }
        // The store's locks are kernel locks on files that stay.
        wrong.extend(leftovers(&self.at(".git"), &|name| {
            name.ends_with(".lock") && name != "gc.lock"
        }));
        wrong.extend(leftovers(&self.root(), &|name| {
            name == ".snapback" || name.starts_with(".tmp-") || name.starts_with(".snapback-")
        }));
        wrong
    }

    /// Lists temporary files among snapback's own records. The store's are left to the collection.
    pub fn temporary_records(&self) -> Vec<String> {
        let own = self.at(".git/snapback");
        leftovers(&own, &|name| name.starts_with(".tmp-"))
            .into_iter()
            .filter(|line| !line.contains("/store/"))
            .collect()
    }

    /// Returns the version of a task in the registry.
    pub fn registry_version(&self, task: &str) -> Option<String> {
        self.registry_entry(task)?
            .get("version")?
            .as_str()
            .map(str::to_string)
    }

    /// Returns the entry of a task in the registry.
    pub fn registry_entry(&self, task: &str) -> Option<serde_json::Value> {
        let registry: serde_json::Value =
            serde_json::from_slice(&self.read("task_registry.json")).unwrap();
        registry
            .get("tasks")
            .unwrap_or(&registry)
            .get(task)
            .cloned()
    }

    /// Returns the version in a task's configuration.
    pub fn config_version(&self, task: &str) -> Option<String> {
        let text = String::from_utf8(self.read(&format!("tasks/{task}/config.yaml"))).unwrap();
        text.lines().find_map(|line| {
            line.strip_prefix("version: ")
                .map(|version| version.trim_matches('"').to_string())
        })
    }
}

/// Adds everything below `dir`, except `.git`, to `tree`.
pub(super) fn collect(root: &Path, dir: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap();
        if name == Path::new(".git") {
            continue;
        }
        let meta = fs::symlink_metadata(&path).unwrap();
        let (kind, bytes) = match meta.file_type() {
            kind if kind.is_dir() => ('d', Vec::new()),
            kind if kind.is_symlink() => (
                'l',
                fs::read_link(&path)
                    .unwrap()
                    .as_os_str()
                    .as_bytes()
                    .to_vec(),
            ),
            kind if kind.is_file() => ('f', fs::read(&path).unwrap()),
            _ => ('?', Vec::new()),
        };
        let mode = if kind == 'l' { 0 } else { meta.mode() & 0o7777 };
        let mtime = if kind == 'd' || kind == 'l' {
            0
        } else {
            i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())
        };
        tree.insert(
            name.to_string_lossy().into_owned(),
            Entry {
                kind,
                mode,
                digest: Digest::of(&bytes),
                mtime,
            },
        );
        if kind == 'd' {
            collect(root, &path, tree);
        }
    }
}

/// Lists the paths below `dir` whose file name marks a leftover.
fn leftovers(dir: &Path, is_one: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if is_one(&name) {
            found.push(format!("left behind: {}", path.display()));
        } else if name != ".git" && fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir()) {
            found.extend(leftovers(&path, is_one));
        }
    }
    found
}
