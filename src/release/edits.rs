//! Sets the version of a release in the task's configuration, in lock files that repeat it and in
//! the registry, and lists the registry in the manifest.

use super::files::ReleaseFiles;
use crate::{
    base::{Digest, Failure, RelPath},
    catalog::{
        locks::{self, TaskLock},
        registry as read,
    },
    draft::{
        NewBlob,
        registry::{self, RegistryEdit},
        tree,
    },
    git::Attributes,
    model::{
        FileKind, FileRecord, GitId, PathChange, TaskSpec, Version,
        manifest::{FileRole, ManifestFile},
        operation::{TreeChange, TreeEntry},
    },
    registry::{lock_file, task_config},
    site::RepoSite,
};

/// Maximum size of a file beside the release in git, in bytes.
const LIMIT: u64 = 64 << 20;

/// Sets the version in both.
pub fn set_versions(
    site: &RepoSite,
    task: &TaskSpec,
    version: &Version,
    head: &GitId,
    found: &mut ReleaseFiles,
) -> Result<(), Failure> {
    set_in_config(site, task, version, head, found)?;
    set_in_locks(site, task, version, head, found)?;
    let edit = registry::edit(site, &task.id, Some(version))?;
    add_registry(site, edit, found);
    Ok(())
}

/// Sets the version in the configuration: in the work tree's bytes and in the commit's entry.
fn set_in_config(
    site: &RepoSite,
    task: &TaskSpec,
    version: &Version,
    head: &GitId,
    found: &mut ReleaseFiles,
) -> Result<(), Failure> {
    let Some(path) = &task.config else {
        return Ok(());
    };
    let Some(bytes) = read::read_small(&*site.tree, path)? else {
        return Ok(());
    };
    let edited = task_config::with_version(&bytes, path, &task.version_key, version)?;
    if edited == bytes {
        return Ok(());
    }
    note_version(task, version, &bytes, found);
    let edit =
        |bytes: &[u8]| task_config::with_version(bytes, path, &task.version_key, version).ok();
    set_in_file(site, (path, &edit), edited, head, found)
}

/// Sets the version in the lock files that repeat it; the plan names one where it cannot be set.
fn set_in_locks(
    site: &RepoSite,
    task: &TaskSpec,
    version: &Version,
    head: &GitId,
    found: &mut ReleaseFiles,
) -> Result<(), Failure> {
    for TaskLock { path, entry } in locks::of_task(&*site.tree, task) {
        let stays = |error: &dyn std::fmt::Display| {
            format!(
                "the version in {path} stays as it is, which the package manager may refuse: {error}"
            )
        };
        let bytes = match read::read_small(&*site.tree, &path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue,
            Err(error) => {
                found.notes.push(stays(&error));
                continue;
            }
        };
        match lock_file::with_version(&bytes, &path, &entry, version) {
            Ok(Some(edited)) => {
                note_line(&path, format!("version {version}"), &bytes, found);
                let edit = |bytes: &[u8]| {
                    let edited = lock_file::with_version(bytes, &path, &entry, version);
                    edited.ok().flatten()
                };
                set_in_file(site, (&path, &edit), edited, head, found)?;
            }
            Ok(None) => {}
            Err(error) => found.notes.push(stays(&error)),
        }
    }
    Ok(())
}

/// Sets the version in the bytes of a file; `None` when it cannot be set or says so already.
type Edit<'a> = dyn Fn(&[u8]) -> Option<Vec<u8>> + 'a;

/// Replaces a file: the work tree's bytes, and the entry of commit and index if git has it. A file
/// of the release is released as it is in the work tree; one beside it gets its version in git's
/// own copies, so that nobody's uncommitted work is committed.
fn set_in_file(
    site: &RepoSite,
    (path, edit): (&RelPath, &Edit<'_>),
    edited: Vec<u8>,
    head: &GitId,
    found: &mut ReleaseFiles,
) -> Result<(), Failure> {
    let converter = site.git.converter(Attributes::WorkTree)?;
    let in_git = converter.to_git(path, edited.clone())?;
    let id = site.git.blob_id(&in_git);
    let listed = list_edited(path, &in_git, &id, found);
    let in_head = site.git.entry(head, path)?;
    let in_index = site
        .git
        .scan(std::slice::from_ref(path))?
        .tracked
        .into_iter()
        .find(|tracked| tracked.path == *path)
        .and_then(|tracked| tracked.index);
    let before = tree::existing(
        &*site.tree,
        &site.git,
        path,
        in_index.as_ref().map(|entry| &entry.id),
    )?;
    // A git-ignored file stays out of git: only the file itself gets the version.
    if let Some(kind) = listed {
        let after = TreeEntry {
            mode: kind.into(),
            id,
        };
        replace_in_git(path, (in_head, in_index), &after, found);
        found.blobs.push(NewBlob::Bytes(in_git));
    } else {
        if let Some(change) = in_copy(site, path, in_head, edit, &mut found.blobs)? {
            replace(&mut found.tree, change);
        }
        if let Some(change) = in_copy(site, path, in_index, edit, &mut found.blobs)? {
            replace(&mut found.index, change);
        }
    }
    let mode = before
        .as_ref()
        .map_or(0o666 & !site.umask, |record| record.mode);
    found.edits.push(PathChange {
        path: path.clone(),
        before,
        after: Some(FileRecord::with_bytes(path.clone(), mode, edited)),
    });
    Ok(())
}

/// Returns the change of git's copy of a file beside the release; `None` when git has none, or the
/// version cannot be set in it.
fn in_copy(
    site: &RepoSite,
    path: &RelPath,
    before: Option<TreeEntry>,
    edit: &Edit<'_>,
    blobs: &mut Vec<NewBlob>,
) -> Result<Option<TreeChange>, Failure> {
    let Some(entry) = &before else {
        return Ok(None);
    };
    let bytes = site.git.read_blob_within(&entry.id, LIMIT)?;
    let Some(edited) = edit(&bytes).filter(|edited| *edited != bytes) else {
        return Ok(None);
    };
    let id = site.git.blob_id(&edited);
    let mode = entry.mode;
    blobs.push(NewBlob::Bytes(edited));
    Ok(Some(TreeChange {
        path: path.clone(),
        after: Some(TreeEntry { mode, id }),
        before,
    }))
}

/// Lists the edited file in the manifest, replacing the entry read before; returns its kind, `None`
/// when it is not part of the release.
fn list_edited(
    path: &RelPath,
    in_git: &[u8],
    id: &GitId,
    found: &mut ReleaseFiles,
) -> Option<FileKind> {
    let mut records = found
        .entries
        .iter_mut()
        .filter_map(ManifestFile::record_mut);
    let record = records.find(|record| record.path == *path)?;
    let read = (Digest::of(in_git), in_git.len() as u64);
    *record = FileRecord::of_blob(path.clone(), record.kind, read, id.clone());
    Some(record.kind)
}

/// Puts the edited file into the commit and the index, replacing the entry read before.
fn replace_in_git(
    path: &RelPath,
    (in_head, in_index): (Option<TreeEntry>, Option<TreeEntry>),
    after: &TreeEntry,
    found: &mut ReleaseFiles,
) {
    let change = |before| TreeChange {
        path: path.clone(),
        before,
        after: Some(after.clone()),
    };
    replace(&mut found.tree, change(in_head));
    replace(&mut found.index, change(in_index));
    found
        .blobs
        .retain(|blob| !matches!(blob, NewBlob::FromTree(other, _) if other == path));
}

/// Adds the change of the configuration's version to the plan.
fn note_version(task: &TaskSpec, version: &Version, bytes: &[u8], found: &mut ReleaseFiles) {
    let Some(path) = &task.config else { return };
    let was = task_config::version(bytes, path, &task.version_key)
        .ok()
        .flatten();
    let note = format!(
        "{}: {} -> {version}",
        task.version_key,
        was.map_or_else(|| "none".into(), |was| was.to_string())
    );
    note_line(path, note, bytes, found);
}

/// Adds the change of a file to the plan.
fn note_line(path: &RelPath, note: String, bytes: &[u8], found: &mut ReleaseFiles) {
    use crate::model::plan::{FileLine, Letter};
    match found.lines.iter_mut().find(|line| line.path == *path) {
        Some(line) => line.note = note,
        None => found.lines.push(FileLine {
            path: path.clone(),
            letter: Letter::M,
            added: Some(1),
            removed: Some(1),
            size: bytes.len() as u64,
            large: false,
            note,
        }),
    }
}

/// Replaces the change of a path, or adds it.
fn replace(changes: &mut Vec<TreeChange>, change: TreeChange) {
    changes.retain(|other| other.path != change.path);
    changes.push(change);
}

/// Adds the registry's edit, and lists the registry in the manifest.
fn add_registry(site: &RepoSite, edit: RegistryEdit, found: &mut ReleaseFiles) {
    found.edits.extend(edit.file);
    found.edits.sort_by(|a, b| a.path.cmp(&b.path));
    found.tree.extend(edit.tree);
    found.index.extend(edit.index);
    found.blobs.extend(edit.blobs);
    found.lines.extend(edit.line);
    if let Some((entry, bytes)) = edit.committed {
        let kind = entry.mode.blob_kind().unwrap_or(FileKind::File);
        let read = (Digest::of(&bytes), bytes.len() as u64);
        let record = FileRecord::of_blob(site.settings.registry.clone(), kind, read, entry.id);
        found
            .entries
            .push(ManifestFile::new(FileRole::Registry, record));
    }
}
