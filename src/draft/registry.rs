//! The edit of a task's registry entry in the three places where git keeps a file: the commit,
//! the index and the work tree. Each keeps what else is in it, so other tasks' uncommitted
//! entries stay uncommitted.

use super::{Draft, FileDraft, Kept, NewBlob, tree};
use crate::{
    base::{Failure, RelPath, TaskId},
    catalog::registry as read,
    git::{Attributes, Converter, Tracked},
    ground::Ground,
    model::{
        Operation, Version,
        operation::{RegistryChange, TreeChange, TreeEntry},
        plan::{FileLine, Letter},
    },
    registry::Registry,
};

/// The edit.
pub struct RegistryEdit {
    /// The registry.
    pub path: RelPath,
    /// The change of the work tree; `None` when the entry is right already.
    pub file: Option<FileDraft>,
    /// The change of the commit's tree; `None` when git does not track the registry.
    pub tree: Option<TreeChange>,
    /// The change of the index.
    pub index: Option<TreeChange>,
    /// Blobs to be written.
    pub blobs: Vec<NewBlob>,
    /// The git form of the committed registry after the edit, when it is committed.
    pub committed: Option<(TreeEntry, Vec<u8>)>,
    /// The plan's line.
    pub line: Option<FileLine>,
    /// The version that the work tree's registry names before the edit.
    pub was: Option<Version>,
}

/// Describes the edit that sets (or, with `None`, removes) the task's version.
pub fn edit(ground: &Ground, task: &TaskId, version: Option<&Version>) -> Result<RegistryEdit, Failure> {
    let path = &ground.settings.registry;
    let scan = ground.git.scan(std::slice::from_ref(path))?;
    let tracked = scan.tracked.into_iter().find(|tracked| tracked.path == *path);
    let ignored = scan.ignored.contains(path);
    let converter = ground.git.converter(Attributes::WorkTree)?;
    let mut edit =
        RegistryEdit { path: path.clone(), file: None, tree: None, index: None, blobs: Vec::new(), committed: None, line: None, was: None };
    let in_tree = work_tree(ground, task, version, tracked.as_ref(), &mut edit)?;
    if ignored && tracked.is_none() {
        return Ok(edit);
    }
    let (head, index) = tracked.map_or((None, None), |tracked| (tracked.head, tracked.index));
    let committed = in_git(ground, &converter, task, version, head.as_ref(), &in_tree)?;
    let staged = if index == head { committed.clone() } else { in_git(ground, &converter, task, version, index.as_ref(), &in_tree)? };
    edit.blobs = [&committed, &staged].into_iter().map(|(_, bytes)| NewBlob::Bytes(bytes.clone())).collect();
    let change = |before: Option<TreeEntry>, after: &TreeEntry| {
        (before.as_ref() != Some(after)).then(|| TreeChange { path: path.clone(), before, after: Some(after.clone()) })
    };
    edit.tree = change(head, &committed.0);
    edit.index = change(index, &staged.0);
    edit.committed = Some(committed);
    Ok(edit)
}

/// Describes the inverse of an operation's edit: a place that is as the operation left it gets
/// its bytes from before again, also when that was no file; where others have moved on, only the
/// task's entry goes back, in each place to what that place said.
pub fn back(ground: &Ground, task: &TaskId, operation: &Operation, change: &RegistryChange) -> Result<RegistryEdit, Failure> {
    let path = &ground.settings.registry;
    let mut edit = edit(ground, task, change.before.as_ref())?;
    (edit.tree, edit.index, edit.committed) = (None, None, None);
    edit.blobs.clear();
    let scan = ground.git.scan(std::slice::from_ref(path))?;
    let (head, index) =
        scan.tracked.into_iter().find(|tracked| tracked.path == *path).map_or((None, None), |tracked| (tracked.head, tracked.index));
    match operation.path_changes().find(|done| done.path == *path) {
        None => (edit.file, edit.line) = (None, None),
        Some(done) => {
            let now = tree::existing(&*ground.tree, &ground.git, path, index.as_ref().map(|entry| &entry.id))?;
            let is_as_left = match (&now, &done.after) {
                (Some(now), Some(after)) => now.state.same(after),
                (now, after) => now.is_none() && after.is_none(),
            };
            if is_as_left {
                if let Some(line) = edit.line.as_mut().filter(|_| done.before.is_none()) {
                    line.letter = Letter::D;
                }
                edit.file = Some(FileDraft { path: path.clone(), before: now, after: done.before.clone().map(Kept::already) });
            }
        }
    }
    if let Some(publication) = operation.publication() {
        edit.tree = back_in_git(ground, task, &publication.tree, head, &mut edit.blobs)?;
        edit.index = back_in_git(ground, task, &publication.index, index, &mut edit.blobs)?;
    }
    Ok(edit)
}

/// The inverse of what an operation changed in the commit or the index.
fn back_in_git(
    ground: &Ground,
    task: &TaskId,
    changes: &[TreeChange],
    now: Option<TreeEntry>,
    blobs: &mut Vec<NewBlob>,
) -> Result<Option<TreeChange>, Failure> {
    let path = &ground.settings.registry;
    let Some(done) = changes.iter().find(|change| change.path == *path) else { return Ok(None) };
    let after = match &now {
        _ if now == done.after => done.before.clone(),
        // Somebody took the registry out of git; there is no entry to put right.
        None => None,
        Some(entry) => {
            let was = done.before.as_ref().map(|entry| read::in_blob(&ground.git, &entry.id)?.version(task).map_err(Failure::from));
            let bytes = read::with_version(&read::in_blob(&ground.git, &entry.id)?, task, was.transpose()?.flatten().as_ref())?;
            let id = ground.git.blob_id(&bytes);
            blobs.push(NewBlob::Bytes(bytes));
            Some(TreeEntry { mode: entry.mode.clone(), id })
        }
    };
    Ok((now != after).then(|| TreeChange { path: path.clone(), before: now, after }))
}

/// Edits the work tree's registry; returns its bytes after the edit.
fn work_tree(
    ground: &Ground,
    task: &TaskId,
    version: Option<&Version>,
    tracked: Option<&Tracked>,
    edit: &mut RegistryEdit,
) -> Result<Vec<u8>, Failure> {
    let path = &ground.settings.registry;
    let blob = tracked.and_then(|tracked| tracked.index.as_ref());
    let before = tree::existing(&*ground.tree, &ground.git, path, blob.map(|entry| &entry.id))?;
    let now = read::read_small(&*ground.tree, path)?;
    let registry = now.as_deref().map_or_else(|| Ok(Registry::empty()), Registry::parse)?;
    let was = registry.version(task)?;
    edit.was.clone_from(&was);
    let after = read::with_version(&registry, task, version)?;
    if now.as_deref() != Some(&after[..]) {
        let mode = before.as_ref().map_or(0o666 & !ground.umask, |kept| kept.state.mode);
        let say = |version: Option<&Version>| version.map_or_else(|| "none".to_string(), ToString::to_string);
        let letter = if before.is_some() { Letter::M } else { Letter::A };
        let note = format!("{task}: {} -> {}", say(was.as_ref()), say(version));
        edit.line = Some(FileLine {
            path: path.clone(),
            letter,
            added: Some(1),
            removed: Some(u32::from(was.is_some())),
            size: after.len() as u64,
            large: false,
            note,
        });
        edit.file = Some(FileDraft { path: path.clone(), before, after: Some(tree::with_bytes(mode, after.clone())) });
    }
    Ok(after)
}

/// The entry and bytes of a registry that git keeps, after the edit. One that git does not have
/// yet becomes the work tree's.
fn in_git(
    ground: &Ground,
    converter: &Converter,
    task: &TaskId,
    version: Option<&Version>,
    entry: Option<&TreeEntry>,
    in_tree: &[u8],
) -> Result<(TreeEntry, Vec<u8>), Failure> {
    let bytes = match entry {
        Some(entry) => read::with_version(&read::in_blob(&ground.git, &entry.id)?, task, version)?,
        None => converter.to_git(&ground.settings.registry, in_tree.to_vec())?,
    };
    let mode = entry.map_or_else(|| "100644".into(), |entry| entry.mode.clone());
    Ok((TreeEntry { mode, id: ground.git.blob_id(&bytes) }, bytes))
}

impl RegistryEdit {
    /// Adds the edit, after which the registry names `after`, to a draft.
    pub fn add_to(self, draft: &mut Draft, after: Option<Version>) {
        draft.files.extend(self.file);
        draft.files.sort_by(|a, b| a.path.cmp(&b.path));
        if let Some(commit) = &mut draft.commit {
            commit.tree.extend(self.tree);
            draft.index.extend(self.index);
            draft.blobs.extend(self.blobs);
        }
        draft.plan.files.extend(self.line);
        draft.registry = Some(RegistryChange { path: self.path, before: self.was, after });
    }
}
