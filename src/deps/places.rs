//! Finds lock files in the task's folder, the folders below it, or the root.
//!
//! The first of the three that has a file of an ecosystem decides; the others are not read. In the
//! task only files of the release count: a lock file that git ignores is not restored by a
//! rollback, so recording it would make every verification fail.

use crate::base::{RelPath, Type};

use super::{CollectedTask, Error};

/// Folders of installed packages, whose lock files say nothing about the task.
const INSTALLED: [&[u8]; 6] = [
    b"node_modules",
    b"site-packages",
    b".venv",
    b"venv",
    b"vendor",
    b"target",
];

/// Maximum number of links followed in a row.
const LINKS: usize = 40;

/// Returns the deciding files of one ecosystem, sorted. `is_lock` is given the file's name.
pub(super) fn lock_files(
    task: &CollectedTask<'_>,
    is_lock: impl Fn(&str) -> bool,
) -> Result<Vec<RelPath>, Error> {
    lock_paths(task, |path| {
        std::str::from_utf8(path.name()).is_ok_and(&is_lock)
    })
}

/// Like [`lock_files`], but `is_lock` is given the path.
pub(super) fn lock_paths(
    task: &CollectedTask<'_>,
    is_lock: impl Fn(&RelPath) -> bool,
) -> Result<Vec<RelPath>, Error> {
    let in_task = || {
        task.files
            .iter()
            .filter(|path| is_lock(path) && !is_installed(path))
    };
    let mut found = existing(
        task,
        in_task().filter(|path| path.parent() == *task.dir).cloned(),
    )?;
    if found.is_empty() {
        found = existing(task, in_task().cloned())?;
    }
    if found.is_empty() && !task.dir.is_root() {
        let root = RelPath::root();
        let names = task.fs.list(&root).map_err(|source| Error::Read {
            path: root.clone(),
            source,
        })?;
        let paths = names
            .into_iter()
            .filter_map(|name| RelPath::parse(name).ok());
        found = existing(task, paths.filter(&is_lock))?;
    }
    found.sort_unstable();
    Ok(found)
}

/// Returns the paths that are regular files, or links to regular files inside the work tree.
fn existing(
    task: &CollectedTask<'_>,
    paths: impl Iterator<Item = RelPath>,
) -> Result<Vec<RelPath>, Error> {
    let mut files = Vec::new();
    for path in paths {
        if file_at(task, &path)?.is_some() {
            files.push(path);
        }
    }
    Ok(files)
}

/// Returns the regular file at a path, following links inside the work tree.
pub(super) fn file_at(task: &CollectedTask<'_>, path: &RelPath) -> Result<Option<RelPath>, Error> {
    let failed = |source| Error::Read {
        path: path.clone(),
        source,
    };
    let mut at = path.clone();
    for _ in 0..LINKS {
        match task.fs.stat(&at).map_err(failed)?.map(|stat| stat.kind) {
            Some(Type::File) => return Ok(Some(at)),
            Some(Type::Symlink) => {}
            _ => return Ok(None),
        }
        let target = task.fs.read_link(&at).map_err(failed)?;
        match std::str::from_utf8(&target)
            .ok()
            .and_then(|target| resolve(&at.parent(), target))
        {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// Returns true for a link, wherever it leads.
pub(super) fn is_link(task: &CollectedTask<'_>, path: &RelPath) -> Result<bool, Error> {
    let stat = task.fs.stat(path).map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })?;
    Ok(stat.is_some_and(|stat| stat.kind == Type::Symlink))
}

/// Returns true below a folder of installed packages.
pub(super) fn is_installed(path: &RelPath) -> bool {
    path.as_bytes()
        .split(|byte| *byte == b'/')
        .any(|name| INSTALLED.contains(&name))
}

/// Resolves `target` (which may contain `.` and `..`) from the folder `from`; `None` when it leaves
/// the work tree or is not a safe path.
pub(super) fn resolve(from: &RelPath, target: &str) -> Option<RelPath> {
    if target.starts_with('/') {
        return None;
    }
    let mut names: Vec<&[u8]> = from
        .as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
        .collect();
    for name in target.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            name => names.push(name.as_bytes()),
        }
    }
    RelPath::parse(names.join(&b'/')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_resolved_inside_the_tree_only() {
        let from = RelPath::own("tasks/T01");
        let text = |target| resolve(&from, target).map(|path| path.to_text());
        assert_eq!(text("a.txt"), Some("tasks/T01/a.txt".into()));
        assert_eq!(text("./../T02//a.txt"), Some("tasks/T02/a.txt".into()));
        assert_eq!(text("../../../a.txt"), None);
        assert_eq!(text("/etc/passwd"), None);
        assert_eq!(text("../../.git/config"), None);
    }
}
