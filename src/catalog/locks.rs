//! The lock files that repeat a task's version: that of its folder, or of the workspace that its
//! folder is in.

use crate::{
    base::{Failure, Fs, RelPath},
    catalog::{Scope, demands::matching, registry::read_small},
    model::{Settings, TaskSpec},
    registry::{
        lock_file::LockEntry,
        task_config::{self, value_at},
    },
};

/// A lock file that repeats a task's version.
#[derive(Debug, Clone)]
pub struct TaskLock {
    /// The file.
    pub path: RelPath,
    /// Whose version it repeats.
    pub entry: LockEntry,
}

/// The names of lock files of npm.
const NPM: [&str; 2] = ["package-lock.json", "npm-shrinkwrap.json"];
/// The names of lock files.
const NAMES: [&str; 4] = ["Cargo.lock", NPM[0], NPM[1], "uv.lock"];

/// True for a file that is named and lies like a lock file that can repeat the version of a task.
pub fn is_lock_of(task: &TaskSpec, path: &RelPath) -> bool {
    let is_named = NAMES.iter().any(|name| path.name() == name.as_bytes());
    is_named && task.dir.is_in(&path.parent())
}

/// Returns the remark that other tasks take their version from the same place as this one.
pub fn shared_version(settings: &Settings, task: &TaskSpec) -> Option<String> {
    let path = task.config.as_ref()?;
    let is_same = |other: &&TaskSpec| {
        other.id != task.id
            && other.config.as_ref() == Some(path)
            && other.version_key == task.version_key
    };
    let others = settings.tasks.iter().filter(is_same);
    let names: Vec<&str> = others.map(|other| other.id.as_str()).collect();
    let names = names.join(", ");
    (!names.is_empty()).then(|| format!("the version in {path} is also that of {names}"))
}

/// Returns the remark that a lock file is another task's, which no release and no rollback of this
/// one changes; `None` when it is nobody's.
///
/// # Errors
/// Fails when the patterns of a task are invalid.
pub fn owned_by_other(
    settings: &Settings,
    task: &TaskSpec,
    path: &RelPath,
) -> Result<Option<String>, Failure> {
    for other in settings.tasks.iter().filter(|other| other.id != task.id) {
        if Scope::new(settings, other)?.owns(path) {
            return Ok(Some(format!(
                "the version in {path} stays as it is, which the package manager may refuse: it is a file of {}; with `exclude: [\"/{path}\"]` there, it would go along",
                other.id
            )));
        }
    }
    Ok(None)
}

/// Returns the lock files that repeat the version of a task.
pub fn of_task(tree: &dyn Fs, task: &TaskSpec) -> Vec<TaskLock> {
    let Some(config) = &task.config else {
        return Vec::new();
    };
    let found = match config.name() {
        b"Cargo.toml" => cargo(tree, config, &task.version_key),
        b"package.json" => npm(tree, config),
        // A Python project may have its version in a module.
        _ => uv(tree, &task.dir.join("pyproject.toml")),
    };
    let is_near = |lock: &TaskLock| is_lock_of(task, &lock.path);
    let found = found.filter(is_near);
    found.into_iter().collect()
}

/// Returns the `Cargo.lock` of a crate or a workspace.
fn cargo(tree: &dyn Fs, config: &RelPath, key: &str) -> Option<TaskLock> {
    let own = values(tree, config)?;
    let names = if key == "package.version" {
        vec![value_at(&own, "package.name")?.to_string()]
    } else {
        inheriting(tree, &config.parent(), &own)
    };
    let path = nearest(tree, config, "Cargo.lock")?;
    let entry = LockEntry::Cargo(names);
    Some(TaskLock { path, entry })
}

/// Returns the crates of a workspace that inherit its version.
fn inheriting(tree: &dyn Fs, dir: &RelPath, workspace: &[(String, String)]) -> Vec<String> {
    let listed = |key: &str| -> Vec<String> {
        let begin = format!("workspace.{key}[");
        let items = workspace.iter().filter(|(key, _)| key.starts_with(&begin));
        items
            .map(|(_, text)| text.trim_matches('/').to_string())
            .collect()
    };
    let left_out = listed("exclude");
    let mut folders = vec![dir.clone()];
    for member in listed("members") {
        folders.extend(matching(tree, dir, &member));
    }
    let is_left_out = |folder: &RelPath| left_out.iter().any(|out| dir.join(out) == *folder);
    folders.retain(|folder| !is_left_out(folder));
    let name = |folder: &RelPath| {
        let own = values(tree, &folder.join("Cargo.toml"))?;
        value_at(&own, "package.version.workspace")?;
        Some(value_at(&own, "package.name")?.to_string())
    };
    folders.iter().filter_map(name).collect()
}

/// Returns the `package-lock.json` of an npm package or workspace.
fn npm(tree: &dyn Fs, config: &RelPath) -> Option<TaskLock> {
    let path = NPM.iter().find_map(|name| nearest(tree, config, name))?;
    let (top, dir) = (path.parent(), config.parent());
    let folder = if top == dir {
        String::new()
    } else if top.is_root() {
        dir.to_text()
    } else {
        let below = dir.to_text();
        below
            .strip_prefix(&format!("{}/", top.to_text()))?
            .to_string()
    };
    let entry = LockEntry::Npm(folder);
    Some(TaskLock { path, entry })
}

/// Returns the `uv.lock` of a Python project or workspace.
fn uv(tree: &dyn Fs, config: &RelPath) -> Option<TaskLock> {
    let path = nearest(tree, config, "uv.lock")?;
    let own = values(tree, config)?;
    // PEP 503: runs of `-`, `_` and `.` are one dash, and case does not count.
    let name = value_at(&own, "project.name")?.to_lowercase();
    let parts: Vec<&str> = name
        .split(['-', '_', '.'])
        .filter(|part| !part.is_empty())
        .collect();
    let entry = LockEntry::Uv(parts.join("-"));
    Some(TaskLock { path, entry })
}

/// Returns the file with this name beside a file, or in the nearest folder above.
fn nearest(tree: &dyn Fs, beside: &RelPath, name: &str) -> Option<RelPath> {
    let above = beside.ancestors().chain([RelPath::root()]);
    let mut files = above.map(|dir| dir.join(name));
    files.find(|file| matches!(tree.stat(file), Ok(Some(_))))
}

/// Returns the values of a file; `None` when it cannot be read.
fn values(tree: &dyn Fs, file: &RelPath) -> Option<Vec<(String, String)>> {
    task_config::values(&read_small(tree, file).ok()??, file).ok()
}
