//! Sets the version of a release where it is written: in the task's configuration and in the
//! registry, and lists the registry in the manifest.

use std::borrow::Cow;

use super::files::ReleaseFiles;
use crate::{
    base::{Digest, Failure, RelPath},
    catalog::registry as read,
    draft::{
        FileDraft, NewBlob,
        registry::{self, RegistryEdit},
        tree,
    },
    git::Attributes,
    model::{
        GitId, TaskSpec, Version,
        manifest::{FileEntry, Role},
        operation::{TreeChange, TreeEntry},
    },
    registry::task_config,
    site::RepoSite,
};

/// The mode that git gives a file which is not executable.
const REGULAR: &str = "100644";

/// Sets the version in both.
pub fn set_versions(
    site: &RepoSite,
    task: &TaskSpec,
    version: &Version,
    head: &GitId,
    found: &mut ReleaseFiles,
) -> Result<(), Failure> {
    set_in_config(site, task, version, head, found)?;
    let edit = registry::edit(site, &task.id, Some(version))?;
    add_registry(site, edit, found);
    Ok(())
}

/// Sets it in the configuration: the work tree's bytes and the entry of the commit.
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
    let converter = site.git.converter(Attributes::WorkTree)?;
    let in_git = converter.to_git(path, edited.clone())?;
    let id = site.git.blob_id(&in_git);
    let listed_mode = list_edited(path, &in_git, &id, found);
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
    // What git ignores stays out of it: only the file itself gets the version.
    if listed_mode.is_some() || in_index.is_some() {
        let mode = listed_mode.unwrap_or_else(|| REGULAR.into());
        let after = TreeEntry { mode, id };
        replace_in_git(path, (in_head, in_index), &after, found);
        found.blobs.push(NewBlob::Bytes(in_git));
    }
    let kept_mode = before
        .as_ref()
        .map_or(0o666 & !site.umask, |kept| kept.state.mode);
    note_version(task, version, &bytes, found);
    found.edits.push(FileDraft {
        path: path.clone(),
        before,
        after: Some(tree::with_bytes(kept_mode, edited)),
    });
    Ok(())
}

/// Lists the edited file in the manifest, in place of what was read; returns its mode, `None` when
/// it is no part of the release.
fn list_edited(
    path: &RelPath,
    in_git: &[u8],
    id: &GitId,
    found: &mut ReleaseFiles,
) -> Option<Cow<'static, str>> {
    let file = found.entries.iter_mut().find(|file| file.path == *path)?;
    (file.checksum, file.size, file.blob) = (
        Digest::of(in_git).to_string(),
        Some(in_git.len() as u64),
        Some(id.clone()),
    );
    Some(file.mode.clone().unwrap_or_else(|| REGULAR.into()))
}

/// Puts the edited file in the commit and the index, in place of what was read.
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

/// Says in the plan that the configuration's version changes.
fn note_version(task: &TaskSpec, version: &Version, bytes: &[u8], found: &mut ReleaseFiles) {
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
fn add_registry(site: &RepoSite, edit: RegistryEdit, found: &mut ReleaseFiles) {
    found.edits.extend(edit.file);
    found.edits.sort_by(|a, b| a.path.cmp(&b.path));
    found.tree.extend(edit.tree);
    found.index.extend(edit.index);
    found.blobs.extend(edit.blobs);
    found.lines.extend(edit.line);
    if let Some((entry, bytes)) = edit.committed {
        found.entries.push(FileEntry {
            path: site.settings.registry.clone(),
            checksum: Digest::of(&bytes).to_string(),
            size: Some(bytes.len() as u64),
            mode: Some(entry.mode),
            role: Role::Registry,
            blob: Some(entry.id),
            object: None,
        });
    }
}
