//! Edits a task's registry entry in the three places where git keeps a file: the commit, the index
//! and the work tree. Each keeps its other content, so other tasks' uncommitted entries stay
//! uncommitted.

use super::{Draft, NewBlob, tree};
use crate::{
    base::{Failure, Kind, RelPath},
    catalog::registry as read,
    git::{Attributes, Converter, Tracked},
    model::{
        FileRecord, GitMode, Operation, PathChange, TaskId, Version,
        operation::{RegistryChange, TreeChange, TreeEntry},
        plan::{FileLine, Letter},
    },
    registry::Registry,
    site::RepoSite,
};

/// The word for the work tree's registry.
const WORK_TREE: &str = "the work tree";

/// An edit of a registry entry.
pub struct RegistryEdit {
    /// The registry.
    pub path: RelPath,
    /// The change of the work tree; `None` when the entry is correct already.
    pub file: Option<PathChange>,
    /// The change of the commit's tree; `None` when git does not track the registry.
    pub tree: Option<TreeChange>,
    /// The change of the index.
    pub index: Option<TreeChange>,
    /// Blobs to write.
    pub blobs: Vec<NewBlob>,
    /// The git form of the committed registry after the edit, if committed.
    pub committed: Option<(TreeEntry, Vec<u8>)>,
    /// The line in the plan.
    pub line: Option<FileLine>,
    /// The version in the work tree's registry before the edit.
    pub was: Option<Version>,
    /// Why a place stays unchanged, one line per place; only from [`edit_where_possible`].
    pub left: Vec<String>,
}

/// What to do where the registry cannot be edited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unfit {
    /// Fail.
    Refuse,
    /// Leave that place unchanged.
    Leave,
}

/// Describes the edit that sets (or, with `None`, removes) the task's version.
pub fn edit(
    site: &RepoSite,
    task: &TaskId,
    version: Option<&Version>,
) -> Result<RegistryEdit, Failure> {
    describe(site, task, version, Unfit::Refuse)
}

/// Like [`edit`], for a rollback: a place that cannot be edited stays unchanged and is reported.
pub fn edit_where_possible(
    site: &RepoSite,
    task: &TaskId,
    version: Option<&Version>,
) -> Result<RegistryEdit, Failure> {
    describe(site, task, version, Unfit::Leave)
}

/// Describes the edit.
fn describe(
    site: &RepoSite,
    task: &TaskId,
    version: Option<&Version>,
    unfit: Unfit,
) -> Result<RegistryEdit, Failure> {
    let path = &site.settings.registry;
    let scan = site.git.scan(std::slice::from_ref(path))?;
    let tracked = scan
        .tracked
        .into_iter()
        .find(|tracked| tracked.path == *path);
    let ignored = scan.ignored.contains(path);
    let converter = site.git.converter(Attributes::WorkTree)?;
    let mut edit = RegistryEdit::of_nothing(path.clone());
    let in_tree = work_tree(site, task, version, tracked.as_ref(), &mut edit);
    let in_tree = unfit.take(site, in_tree, WORK_TREE, &mut edit)?;
    if ignored && tracked.is_none() {
        return Ok(edit);
    }
    let (head, index) = tracked.map_or((None, None), |tracked| (tracked.head, tracked.index));
    let entry = EntryEdit {
        site,
        converter: &converter,
        task,
        version,
        in_tree: in_tree.as_deref(),
    };
    let committed = entry.in_git(head.as_ref());
    let committed = unfit.take(site, committed, "HEAD", &mut edit)?.flatten();
    let staged = if index == head {
        committed.clone()
    } else {
        let staged = entry.in_git(index.as_ref());
        unfit.take(site, staged, "the index", &mut edit)?.flatten()
    };
    edit.blobs = [&committed, &staged]
        .into_iter()
        .flatten()
        .map(|(_, bytes)| NewBlob::Bytes(bytes.clone()))
        .collect();
    let change = |before: Option<TreeEntry>, after: Option<&(TreeEntry, Vec<u8>)>| {
        let (after, _) = after.filter(|(after, _)| before.as_ref() != Some(after))?;
        Some(TreeChange {
            path: path.clone(),
            before,
            after: Some(after.clone()),
        })
    };
    edit.tree = change(head, committed.as_ref());
    edit.index = change(index, staged.as_ref());
    edit.committed = committed;
    Ok(edit)
}

impl Unfit {
    /// Returns the value, or `None` and a line where that place stays unchanged.
    fn take<T>(
        self,
        site: &RepoSite,
        result: Result<T, Failure>,
        place: &str,
        edit: &mut RegistryEdit,
    ) -> Result<Option<T>, Failure> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(failure)
                if self == Self::Leave
                    && !matches!(
                        failure.kind(),
                        Kind::Cancelled(_) | Kind::TimeLimit | Kind::Bug
                    ) =>
            {
                let why = read::trouble_of(site, &failure);
                edit.left.push(format!(
                    "in {place} the entry is not set, and every byte stays: {why}"
                ));
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Describes the inverse of an operation's edit. A place still as the operation left it gets its
/// earlier bytes back, even if it was no file; where others have changed it since, only the task's
/// entry is reset, in each place to its own earlier value.
pub fn back(
    site: &RepoSite,
    task: &TaskId,
    operation: &Operation,
    change: &RegistryChange,
) -> Result<RegistryEdit, Failure> {
    let path = &site.settings.registry;
    // An entry that the operation could not set has no earlier bytes; it is corrected now.
    let (was_left, before) = (operation.leaves_registry(), entry_before(operation, change));
    let mut edit = edit_where_possible(site, task, before)?;
    (edit.tree, edit.index, edit.committed) = (None, None, None);
    edit.blobs.clear();
    edit.left.retain(|line| line.contains(WORK_TREE));
    let scan = site.git.scan(std::slice::from_ref(path))?;
    let (head, index) = scan
        .tracked
        .into_iter()
        .find(|tracked| tracked.path == *path)
        .map_or((None, None), |tracked| (tracked.head, tracked.index));
    match operation.path_changes().find(|done| done.path == *path) {
        None if was_left && before.is_some() => {}
        None => {
            (edit.file, edit.line) = (None, None);
            edit.left.clear();
        }
        Some(done) => {
            let now = tree::existing(
                &*site.tree,
                &site.git,
                path,
                index.as_ref().map(|entry| &entry.id),
            )?;
            if FileRecord::same_at(now.as_ref(), done.after.as_ref()) {
                if let Some(line) = edit.line.as_mut().filter(|_| done.before.is_none()) {
                    line.letter = Letter::D;
                }
                edit.file = Some(PathChange {
                    path: path.clone(),
                    before: now,
                    after: done.before.clone(),
                });
                edit.left.clear();
            }
        }
    }
    if let Some(publication) = operation.publication() {
        let (mut blobs, places) = (
            Vec::new(),
            [
                (&publication.tree, head, "HEAD"),
                (&publication.index, index, "the index"),
            ],
        );
        let [tree, index] = places.map(|(changes, now, place)| {
            let back = back_in_git(site, task, changes, now, &mut blobs);
            Unfit::Leave.take(site, back, place, &mut edit)
        });
        (edit.tree, edit.index, edit.blobs) = (tree?.flatten(), index?.flatten(), blobs);
    }
    Ok(edit)
}

/// Returns the entry before an operation; if it was unreadable, the task's version then.
pub fn entry_before<'a>(
    operation: &'a Operation,
    change: &'a RegistryChange,
) -> Option<&'a Version> {
    if operation.leaves_registry() {
        operation.about.from.as_ref()
    } else {
        change.before.as_ref()
    }
}

/// Inverts what an operation changed in the commit or the index.
fn back_in_git(
    site: &RepoSite,
    task: &TaskId,
    changes: &[TreeChange],
    now: Option<TreeEntry>,
    blobs: &mut Vec<NewBlob>,
) -> Result<Option<TreeChange>, Failure> {
    let path = &site.settings.registry;
    let Some(done) = changes.iter().find(|change| change.path == *path) else {
        return Ok(None);
    };
    let after = match &now {
        _ if now == done.after => done.before.clone(),
        // The registry was removed from git meanwhile, so there is no entry to correct.
        None => None,
        Some(entry) => {
            let was = done.before.as_ref().map(|entry| {
                read::in_blob(&site.git, &entry.id)?
                    .version(task)
                    .map_err(Failure::from)
            });
            let bytes = read::with_version(
                &read::in_blob(&site.git, &entry.id)?,
                task,
                was.transpose()?.flatten().as_ref(),
            )?;
            let id = site.git.blob_id(&bytes);
            blobs.push(NewBlob::Bytes(bytes));
            Some(TreeEntry {
                mode: entry.mode,
                id,
            })
        }
    };
    Ok((now != after).then(|| TreeChange {
        path: path.clone(),
        before: now,
        after,
    }))
}

/// Edits the work tree's registry; returns its bytes after the edit.
fn work_tree(
    site: &RepoSite,
    task: &TaskId,
    version: Option<&Version>,
    tracked: Option<&Tracked>,
    edit: &mut RegistryEdit,
) -> Result<Vec<u8>, Failure> {
    let path = &site.settings.registry;
    let blob = tracked.and_then(|tracked| tracked.index.as_ref());
    let before = tree::existing(&*site.tree, &site.git, path, blob.map(|entry| &entry.id))?;
    let now = read::read_small(&*site.tree, path)?;
    let registry = now
        .as_deref()
        .map_or_else(|| Ok(Registry::empty()), Registry::parse)?;
    let was = registry.version(task)?;
    edit.was.clone_from(&was);
    let after = read::with_version(&registry, task, version)?;
    if now.as_deref() != Some(&after[..]) {
        let mode = before
            .as_ref()
            .map_or(0o666 & !site.umask, |record| record.mode);
        let say = |version: Option<&Version>| {
            version.map_or_else(|| "none".to_string(), ToString::to_string)
        };
        let letter = if before.is_some() {
            Letter::M
        } else {
            Letter::A
        };
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
        edit.file = Some(PathChange {
            path: path.clone(),
            before,
            after: Some(FileRecord::with_bytes(path.clone(), mode, after.clone())),
        });
    }
    Ok(after)
}

/// One edit of an entry, for the places in which git keeps the registry.
struct EntryEdit<'a> {
    site: &'a RepoSite,
    converter: &'a Converter,
    task: &'a TaskId,
    version: Option<&'a Version>,
    /// The work tree's registry after the edit.
    in_tree: Option<&'a [u8]>,
}

impl EntryEdit<'_> {
    /// Returns the entry and bytes of git's registry after the edit. Without one in git, uses the
    /// work tree's.
    fn in_git(&self, entry: Option<&TreeEntry>) -> Result<Option<(TreeEntry, Vec<u8>)>, Failure> {
        let git = &self.site.git;
        let bytes = match (entry, self.in_tree) {
            (Some(entry), _) => {
                read::with_version(&read::in_blob(git, &entry.id)?, self.task, self.version)?
            }
            (None, Some(in_tree)) => self
                .converter
                .to_git(&self.site.settings.registry, in_tree.to_vec())?,
            (None, None) => return Ok(None),
        };
        let mode = entry.map_or(GitMode::File, |entry| entry.mode);
        Ok(Some((
            TreeEntry {
                mode,
                id: git.blob_id(&bytes),
            },
            bytes,
        )))
    }
}

impl RegistryEdit {
    /// Returns an edit that changes nothing yet.
    fn of_nothing(path: RelPath) -> Self {
        let (file, tree, index, committed) = (None, None, None, None);
        Self {
            path,
            file,
            tree,
            index,
            blobs: Vec::new(),
            committed,
            line: None,
            was: None,
            left: Vec::new(),
        }
    }

    /// Adds the edit to a draft; afterwards the registry names `after`.
    pub fn add_to(self, draft: &mut Draft, after: Option<Version>) {
        draft.files.extend(self.file);
        draft.files.sort_by(|a, b| a.path.cmp(&b.path));
        if let Some(commit) = &mut draft.commit {
            commit.tree.extend(self.tree);
            draft.index.extend(self.index);
            draft.blobs.extend(self.blobs);
        }
        draft.plan.files.extend(self.line);
        draft.plan.notes.extend(self.left);
        draft.registry = Some(RegistryChange {
            path: self.path,
            before: self.was,
            after,
        });
    }
}
