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
        beside::{BesideEdit, FileBeside, SetVersion},
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

/// Sets the version in the configuration.
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
    let set = |bytes: &[u8]| {
        let edited = task_config::with_version(bytes, path, &task.version_key, version)?;
        Ok(Some(edited).filter(|edited| edited != bytes))
    };
    let note = version_note(task, version, &bytes);
    if !is_listed(path, found) {
        let lines = found.lines.len();
        let edit = add_beside(site, (path, &set), note, found)?;
        if found.lines.len() > lines {
            let shared = locks::shared_version(&site.settings, task);
            found.notes.extend(shared);
        }
        // Without its version in the commit the release would not be what it says.
        return match edit.left.into_iter().next() {
            Some((_, error)) => Err(error.into()),
            None => Ok(()),
        };
    }
    let Some(edited) = set(&bytes)? else {
        return Ok(());
    };
    note_line(path, note, &bytes, found);
    set_in_file(site, path, edited, head, found)
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
        let set = |bytes: &[u8]| lock_file::with_version(bytes, &path, &entry, version);
        let note = format!("version {version}");
        if !is_listed(&path, found) {
            if let Some(note) = locks::owned_by_other(&site.settings, task, &path)? {
                found.notes.push(note);
                continue;
            }
            let edit = add_beside(site, (&path, &set), note, found)?;
            found.notes.extend(edit.notes(&path));
            continue;
        }
        let Some(bytes) = read::read_small(&*site.tree, &path)? else {
            continue;
        };
        match set(&bytes) {
            Ok(Some(edited)) => {
                note_line(&path, note, &bytes, found);
                set_in_file(site, &path, edited, head, found)?;
            }
            Ok(None) => {}
            Err(error) => found.notes.push(format!(
                "the version in {path} stays as it is, which the package manager may refuse: {error}"
            )),
        }
    }
    Ok(())
}

/// Returns true for a file of the release.
fn is_listed(path: &RelPath, found: &ReleaseFiles) -> bool {
    found.entries.iter().any(|file| file.path() == path)
}

/// Sets the version in a file beside the release; returns what stays as it is.
fn add_beside(
    site: &RepoSite,
    (path, set): (&RelPath, &SetVersion<'_>),
    note: String,
    found: &mut ReleaseFiles,
) -> Result<BesideEdit, Failure> {
    let mut edit = FileBeside {
        site,
        path,
        note,
        set,
    }
    .edit()?;
    found.edits.extend(edit.file.take());
    found.tree.extend(edit.tree.take());
    found.index.extend(edit.index.take());
    found.blobs.append(&mut edit.blobs);
    found.lines.extend(edit.line.take());
    Ok(edit)
}

/// Replaces a file of the release: the work tree's bytes, and the entry of commit and index.
fn set_in_file(
    site: &RepoSite,
    path: &RelPath,
    edited: Vec<u8>,
    head: &GitId,
    found: &mut ReleaseFiles,
) -> Result<(), Failure> {
    let converter = site.git.converter(Attributes::WorkTree)?;
    let in_git = converter.to_git(path, edited.clone())?;
    let id = site.git.blob_id(&in_git);
    let kind = list_edited(path, &in_git, &id, found).unwrap_or(FileKind::File);
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
    let after = TreeEntry {
        mode: kind.into(),
        id,
    };
    replace_in_git(path, (in_head, in_index), &after, found);
    found.blobs.push(NewBlob::Bytes(in_git));
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

/// Returns what the plan says of the change of the configuration's version.
fn version_note(task: &TaskSpec, version: &Version, bytes: &[u8]) -> String {
    let config = task.config.as_ref();
    let was = config.and_then(|path| task_config::version(bytes, path, &task.version_key).ok());
    let was = Version::or_none(was.flatten().as_ref());
    format!("{}: {was} -> {version}", task.version_key)
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
