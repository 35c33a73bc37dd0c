//! Detects a running `git commit`: its hooks may call snapback, and it may hold the index.
//!
//! git tells its hooks which index it will commit (`GIT_INDEX_FILE`), and expects HEAD to be
//! unchanged when they return. A release or rollback from such a hook would move the branch, so
//! that the commit fails, and would change an index that is about to be replaced. After the commit
//! (`post-commit` and the like) both are settled.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use super::{Error, Repo, disk};

/// How many ancestor processes are inspected.
const MOST: usize = 64;

impl Repo {
    /// Refuses to change anything while git is making a commit here.
    pub(super) fn check_no_commit_runs(&self) -> Result<(), Error> {
        // `git commit <path>` and `git commit -a` hold this lock while their hooks run, whatever
        // index they name: below one, waiting is pointless.
        let (hook, lock) = (hook_above(), disk::lock_of(&self.git_dir().join("index")));
        if hook.is_some() {
            disk::check_absent(&lock)
        } else {
            disk::check_absent_soon(&lock)
        }?;
        let Some(index) = std::env::var_os("GIT_INDEX_FILE") else {
            return Ok(());
        };
        let own = self.is_own_index(&index);
        match hook {
            Some(hook) if own && hook.starts_with("post-") => Ok(()),
            Some(hook) => Err(Error::CommitRuns { hook }),
            None => Err(Error::OtherIndex {
                index: PathBuf::from(index),
            }),
        }
    }

    /// True when a variable names the index of this work tree.
    fn is_own_index(&self, index: &OsStr) -> bool {
        let named = self.work_tree().join(index);
        let real = |path: &Path| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
        let own = self.git_dir().join("index");
        real(&named).is_some_and(|named| Some(named) == real(&own))
    }
}

/// Returns the git hook that started this process, directly or indirectly; `commit` if only git
/// itself is found, because a hook may be any command since git 2.54.
fn hook_above() -> Option<String> {
    let (mut pid, mut below_git) = (std::os::unix::process::parent_id(), false);
    for _ in 0..MOST {
        let Some(words) = words_of(pid) else { break };
        let name = |word: &OsString| {
            Path::new(word)
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default()
        };
        if let Some(hook) = words
            .iter()
            .take(3)
            .map(name)
            .find(|name| HOOKS.contains(&name.as_str()))
        {
            return Some(hook);
        }
        below_git |= words.first().map(name).is_some_and(|name| name == "git");
        let Some(parent) = parent_of(pid) else { break };
        pid = parent;
    }
    below_git.then(|| "commit".into())
}

/// The hooks that git runs around a commit.
const HOOKS: [&str; 9] = [
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "pre-merge-commit",
    "applypatch-msg",
    "pre-applypatch",
    "post-commit",
    "post-merge",
    "post-rewrite",
];

/// Returns the command line of a process.
fn words_of(pid: u32) -> Option<Vec<OsString>> {
    use std::os::unix::ffi::OsStringExt;
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(
        bytes
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect(),
    )
}

/// Returns the parent of a process.
fn parent_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent: u32 = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))?
        .trim()
        .parse()
        .ok()?;
    (parent > 1).then_some(parent)
}
