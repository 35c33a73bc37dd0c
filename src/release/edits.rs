//! Sets the version of a release where it is written: in the task's configuration and in the
//! registry, and lists the registry in the manifest.

use super::files::Found;
use crate::{
    base::{Digest, Failure, GitId},
    catalog::registry as read,
    draft::{
        FileDraft, NewBlob,
        registry::{self, RegistryEdit},
        tree,
    },
    git::Attributes,
    ground::Ground,
    model::{
        TaskSpec, Version,
        manifest::{FileEntry, Role},
        operation::{TreeChange, TreeEntry},
    },
    registry::task_config,
};

/// Sets the version in both.
pub fn set_versions(
    ground: &Ground,
    task: &TaskSpec,
    version: &Version,
    head: &GitId,
    found: &mut Found,
) -> Result<(), Failure> {
    set_in_config(ground, task, version, head, found)?;
    let edit = registry::edit(ground, &task.id, Some(version))?;
    add_registry(ground, edit, found);
    Ok(())
}

/// Sets it in the configuration: the work tree's bytes and the entry of the commit.
fn set_in_config(
    ground: &Ground,
    task: &TaskSpec,
    version: &Version,
    head: &GitId,
    found: &mut Found,
) -> Result<(), Failure> {
    let Some(path) = &task.config else {
        return Ok(());
    };
    let Some(bytes) = read::read_small(&*ground.tree, path)? else {
        return Ok(());
    };
    let edited = task_config::with_version(&bytes, path, &task.version_key, version)?;
    if edited == bytes {
        return Ok(());
    }
    let converter = ground.git.converter(Attributes::WorkTree)?;
    let in_git = converter.to_git(path, edited.clone())?;
    let id = ground.git.blob_id(&in_git);
    let listed = found.entries.iter_mut().find(|file| file.path == *path);
    let is_listed = listed.is_some();
    let mode = listed
        .as_ref()
        .and_then(|file| file.mode.clone())
        .unwrap_or_else(|| "100644".into());
    if let Some(file) = listed {
        (file.checksum, file.size, file.blob) = (
            Digest::of(&in_git).to_string(),
            Some(in_git.len() as u64),
            Some(id.clone()),
        );
    }
    let entry = TreeEntry { mode, id };
    let in_head = ground.git.entry(head, path)?;
    let in_index = ground
        .git
        .scan(std::slice::from_ref(path))?
        .tracked
        .into_iter()
        .find(|tracked| tracked.path == *path)
        .and_then(|tracked| tracked.index);
    let before = tree::existing(
        &*ground.tree,
        &ground.git,
        path,
        in_index.as_ref().map(|entry| &entry.id),
    )?;
    // What git ignores stays out of it: only the file itself gets the version.
    if is_listed || in_index.is_some() {
        replace(
            &mut found.tree,
            TreeChange {
                path: path.clone(),
                before: in_head,
                after: Some(entry.clone()),
            },
        );
        replace(
            &mut found.index,
            TreeChange {
                path: path.clone(),
                before: in_index,
                after: Some(entry),
            },
        );
        found
            .blobs
            .retain(|blob| !matches!(blob, NewBlob::FromTree(other, _) if other == path));
        found.blobs.push(NewBlob::Bytes(in_git));
    }
    let kept_mode = before
        .as_ref()
        .map_or(0o666 & !ground.umask, |kept| kept.state.mode);
    note_version(task, version, &bytes, found);
    found.edits.push(FileDraft {
        path: path.clone(),
        before,
        after: Some(tree::with_bytes(kept_mode, edited)),
    });
    Ok(())
}

/// Says in the plan that the configuration's version changes.
fn note_version(task: &TaskSpec, version: &Version, bytes: &[u8], found: &mut Found) {
    use crate::model::plan::{FileLine, Letter};
    let Some(path) = &task.config else { return };
    let was = task_config::version(bytes, path, &task.version_key)
        .ok()
        .flatten();
    let note = format!(
        "{}: {} -> {version}",
        task.version_key,
        was.map_or_else(|| "none".into(), |was| was.to_string())
    );
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

/// Adds the registry's edit, and the registry to the manifest.
fn add_registry(ground: &Ground, edit: RegistryEdit, found: &mut Found) {
    found.edits.extend(edit.file);
    found.edits.sort_by(|a, b| a.path.cmp(&b.path));
    found.tree.extend(edit.tree);
    found.index.extend(edit.index);
    found.blobs.extend(edit.blobs);
    found.lines.extend(edit.line);
    if let Some((entry, bytes)) = edit.committed {
        found.entries.push(FileEntry {
            path: ground.settings.registry.clone(),
            checksum: Digest::of(&bytes).to_string(),
            size: Some(bytes.len() as u64),
            mode: Some(entry.mode),
            role: Role::Registry,
            blob: Some(entry.id),
            object: None,
        });
    }
}
