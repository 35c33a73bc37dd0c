//! The dependency list of a release, and the files it shares with other tasks.

use super::files::Found;
use crate::{
    base::{Digest, Failure, GitId, RelPath},
    catalog::Scope,
    deps::{self, facts::Facts},
    git::Attributes,
    ground::Ground,
    model::{
        DependencyList, TaskSpec,
        manifest::{FileEntry, Role},
    },
};

/// Collects the list, and adds the shared files to the release's entries.
pub fn collect(ground: &Ground, task: &TaskSpec, scope: &Scope, head: &GitId, found: &mut Found) -> Result<DependencyList, Failure> {
    let own = || found.entries.iter().filter(|file| file.is_restored());
    let files: Vec<RelPath> = own().map(|file| file.path.clone()).collect();
    let converter = ground.git.converter(Attributes::WorkTree)?;
    let edited = |path: &RelPath| found.read.contains(path) || found.edits.iter().any(|file| file.path == *path);
    // A file of Git LFS is not what its blob is; what other conversions change says the same.
    let is_blob = |path: &RelPath| converter.is_plain(path).is_ok_and(|plain| plain) || converter.is_lfs(path).is_ok_and(|lfs| !lfs);
    let blob = |file| Some(file).filter(|file: &&FileEntry| !edited(&file.path) && is_blob(&file.path))?.blob.as_ref();
    let of = deps::Task {
        fs: &*ground.tree,
        dir: &task.dir,
        files: &files,
        venv: task.venv.as_ref(),
        variables: &task.environment_variables,
        known: deps::Known {
            blobs: &own().map(blob).collect::<Vec<_>>(),
            id: &|bytes| Some(ground.git.blob_id(bytes)),
            facts: &Facts::load(&*ground.state, &task.id),
        },
    };
    let deps::Found { mut list, warnings, sources, facts } = deps::collect_all(&of)?;
    found.notes.extend(warnings);
    found.facts = facts;
    in_git_form(&mut list, found);
    let imported = deps::shared::imports_with(&*ground.tree, &files, &sources);
    let shared = shared_entries(ground, scope, head, &imported)?;
    let known: std::collections::HashSet<RelPath> = shared.iter().map(|file| file.path.clone()).collect();
    let own: std::collections::HashSet<&RelPath> =
        found.entries.iter().map(|file| &file.path).filter(|path| known.contains(*path)).collect();
    let added: Vec<FileEntry> = shared.into_iter().filter(|file| !own.contains(&file.path)).collect();
    found.entries.extend(added);
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
