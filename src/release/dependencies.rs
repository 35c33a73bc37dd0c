//! The dependency list of a release, and the files it shares with other tasks.

use super::files::Found;
use crate::{
    base::{Digest, Failure, GitId, RelPath},
    catalog::Scope,
    deps,
    ground::Ground,
    model::{
        DependencyList, TaskSpec,
        manifest::{FileEntry, Role},
    },
};

/// Collects the list, and adds the shared files to the release's entries.
pub fn collect(ground: &Ground, task: &TaskSpec, scope: &Scope, head: &GitId, found: &mut Found) -> Result<DependencyList, Failure> {
    let files: Vec<RelPath> = found.entries.iter().filter(|file| file.is_restored()).map(|file| file.path.clone()).collect();
    let of =
        deps::Task { fs: &*ground.tree, dir: &task.dir, files: &files, venv: task.venv.as_ref(), variables: &task.environment_variables };
    let deps::Found { mut list, warnings, sources } = deps::collect_all(&of)?;
    found.notes.extend(warnings);
    in_git_form(&mut list, found);
    let imported = deps::shared::imports_with(&*ground.tree, &files, &sources);
    let shared = shared_entries(ground, scope, head, &imported)?;
    let known: std::collections::HashSet<RelPath> = found.entries.iter().map(|file| file.path.clone()).collect();
    found.entries.extend(shared.into_iter().filter(|file| !known.contains(&file.path)));
    Ok(list)
}

/// Lock files are recorded with the digest of the bytes that git stores, as everything else is.
fn in_git_form(list: &mut DependencyList, found: &Found) {
    for lockfile in &mut list.lockfiles {
        let entry = found.entries.iter().find(|file| file.path == lockfile.path);
        if let Some(digest) = entry.and_then(FileEntry::digest) {
            lockfile.checksum = digest;
        }
    }
}

/// The shared files as HEAD has them; only what is committed can be expected of others.
fn shared_entries(ground: &Ground, scope: &Scope, head: &GitId, imported: &[RelPath]) -> Result<Vec<FileEntry>, Failure> {
    let mut dirs = scope.shared_dirs();
    dirs.extend(imported.iter().cloned());
    if dirs.is_empty() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    for (path, entry) in ground.git.entries(head, &dirs)? {
        let wanted = (scope.shares(&path) || imported.contains(&path)) && !scope.owns(&path);
        if !wanted || entry.mode == "160000" {
            continue;
        }
        let bytes = ground.git.read_blob(&entry.id)?;
        entries.push(FileEntry {
            path,
            checksum: Digest::of(&bytes).to_string(),
            size: Some(bytes.len() as u64),
            mode: Some(entry.mode),
            role: Role::Shared,
            blob: Some(entry.id),
            object: None,
        });
    }
    entries.dedup_by(|a, b| a.path == b.path);
    Ok(entries)
}
