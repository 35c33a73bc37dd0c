//! The files that a release shares with other tasks, as they are in HEAD: others can only be
//! expected to have committed content. The work tree may differ, and may be what was tested; then a
//! note says so.

use std::collections::HashMap;

use super::files::ReleaseFiles;
use crate::{
    base::{Digest, Failure, RelPath},
    catalog::{Scope, databases::Database},
    git::{Attributes, Tracked, WorkState},
    model::{
        FileRecord, GitId,
        manifest::{FileRole, ManifestFile},
    },
    site::RepoSite,
    verify::{Checkout, is_other},
};

/// Maximum number of files named.
const NAMED: usize = 3;

/// Adds the shared files to the release's entries, and notes what the work tree has beyond them.
/// `imported` are the files that the task's sources import.
pub fn add(
    site: &RepoSite,
    scope: &Scope,
    head: &GitId,
    imported: &[RelPath],
    found: &mut ReleaseFiles,
) -> Result<(), Failure> {
    let mut dirs = scope.shared_dirs();
    dirs.extend(imported.iter().cloned());
    if dirs.is_empty() {
        return Ok(());
    }
    let is_shared =
        |path: &RelPath| (scope.shares(path) || imported.contains(path)) && !scope.owns(path);
    let own: std::collections::HashSet<RelPath> = found
        .entries
        .iter()
        .map(|file| file.path().clone())
        .collect();
    let mut shared = Vec::new();
    for (path, entry) in site.git.entries(head, &dirs)? {
        let Some(kind) = entry.mode.blob_kind() else {
            continue;
        };
        if !is_shared(&path) || own.contains(&path) {
            continue;
        }
        let bytes = site.git.read_blob(&entry.id)?;
        let read = (Digest::of(&bytes), bytes.len() as u64);
        let record = FileRecord::of_blob(path, kind, read, entry.id);
        shared.push(ManifestFile::new(FileRole::Shared, record));
    }
    shared.dedup_by(|a, b| a.path() == b.path());
    found
        .notes
        .extend(differing(site, &dirs, &is_shared, &shared)?);
    found.notes.extend(with_rows(site, &shared)?);
    found.entries.extend(shared);
    Ok(())
}

/// Returns a note about shared files that differ between work tree and HEAD, or exist only there.
fn differing(
    site: &RepoSite,
    dirs: &[RelPath],
    is_shared: &dyn Fn(&RelPath) -> bool,
    shared: &[ManifestFile],
) -> Result<Option<String>, Failure> {
    let scan = site.git.scan(dirs)?;
    let listed: HashMap<&RelPath, &ManifestFile> =
        shared.iter().map(|file| (file.path(), file)).collect();
    let converter = site.git.converter(Attributes::WorkTree)?;
    let work = Checkout {
        tree: &*site.tree,
        converter: &converter,
        file_mode: site.git.trusts_file_mode(),
        known: None,
        takes_pointers: true,
    };
    let differs = |tracked: &Tracked| {
        let Some(file) = listed.get(&tracked.path) else {
            return tracked.state != WorkState::Missing;
        };
        match tracked.state {
            WorkState::LeftOut => false,
            WorkState::Clean => tracked.index.as_ref().map(|entry| &entry.id) != file.blob(),
            _ => is_other(&work, file),
        }
    };
    let tracked = scan
        .tracked
        .iter()
        .filter(|tracked| is_shared(&tracked.path) && differs(tracked))
        .map(|tracked| &tracked.path);
    let known = |path: &RelPath| scan.tracked.iter().any(|tracked| tracked.path == *path);
    let untracked = scan
        .untracked
        .iter()
        .filter(|path| is_shared(path) && !known(path));
    let others: Vec<&RelPath> = tracked.chain(untracked).collect();
    let named: Vec<String> = others.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if others.len() > NAMED {
        format!(" and {} more", others.len() - NAMED)
    } else {
        String::new()
    };
    Ok((!others.is_empty()).then(|| {
        format!("{}{more}: recorded as HEAD has what is shared, which is not what lies in the work tree; commit it first if it belongs to the release", named.join(", "))
    }))
}

/// Returns notes about shared databases whose logs hold rows that HEAD lacks.
fn with_rows(site: &RepoSite, shared: &[ManifestFile]) -> Result<Vec<String>, Failure> {
    let tree = &*site.tree;
    let mut notes = Vec::new();
    for file in shared
        .iter()
        .filter(|file| file.size().is_some_and(crate::base::sqlite::is_sized))
    {
        let Some(database) = Database::at(tree, file.path())? else {
            continue;
        };
        if let Some((log, _)) = database.changed_by(tree, |_| true)? {
            notes.push(format!(
                "{log} changes the rows of {}, which is recorded as HEAD has it: without them",
                database.path
            ));
        }
    }
    Ok(notes)
}
