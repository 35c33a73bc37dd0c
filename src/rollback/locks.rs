//! Sets the version in lock files outside the release that repeat it, such as the `Cargo.lock` of
//! a workspace of which the task is one crate. A lock file of the release comes back with it.

use crate::{
    base::Failure,
    catalog::{
        Scope,
        locks::{self, TaskLock},
        registry::read_small,
    },
    draft::{Draft, NewBlob, tree},
    model::{
        FileRecord, Manifest, PathChange, TaskSpec, Version,
        operation::{TreeChange, TreeEntry},
        plan::{FileLine, Letter},
    },
    registry::{Error, lock_file},
    site::RepoSite,
};

/// Maximum size of a lock file in git, in bytes.
const LIMIT: u64 = 64 << 20;

/// Adds the edits of the lock files; the plan names one that cannot be edited.
pub(super) fn set(
    site: &RepoSite,
    (task, scope): (&TaskSpec, &Scope),
    target: &Manifest,
    draft: &mut Draft,
) -> Result<(), Failure> {
    for lock in locks::of_task(&*site.tree, task) {
        let goes = draft.files.iter().any(|file| file.path == lock.path);
        if goes || target.file(&lock.path).is_some() || scope.protects(&lock.path) {
            continue;
        }
        let edit = LockEdit {
            site,
            lock: &lock,
            version: &target.subject.version,
        };
        edit.add_to(draft)?;
    }
    draft.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// An edit of one lock file, in the three places where git keeps it.
struct LockEdit<'a> {
    site: &'a RepoSite,
    lock: &'a TaskLock,
    version: &'a Version,
}

impl LockEdit<'_> {
    /// Adds the edit to a draft.
    fn add_to(&self, draft: &mut Draft) -> Result<(), Failure> {
        let (site, path) = (self.site, &self.lock.path);
        let scan = site.git.scan(std::slice::from_ref(path))?;
        let tracked = scan.tracked.into_iter().find(|found| found.path == *path);
        let (head, index) = tracked.map_or((None, None), |found| (found.head, found.index));
        let stays = |error: &dyn std::fmt::Display| {
            format!("the version in {path} stays, which the package manager may refuse: {error}")
        };
        let bytes = match read_small(&*site.tree, path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(()),
            Err(error) => {
                draft.plan.notes.push(stays(&error));
                return Ok(());
            }
        };
        let edited = match self.edited(&bytes) {
            Ok(edited) => edited,
            Err(error) => {
                draft.plan.notes.push(stays(&error));
                return Ok(());
            }
        };
        if let Some(edited) = edited {
            let blob = index.as_ref().map(|entry| &entry.id);
            let before = tree::existing(&*site.tree, &site.git, path, blob)?;
            let usual = 0o666 & !site.umask;
            let mode = before.as_ref().map_or(usual, |record| record.mode);
            draft.plan.files.push(FileLine {
                path: path.clone(),
                letter: Letter::M,
                added: Some(1),
                removed: Some(1),
                size: edited.len() as u64,
                large: false,
                note: format!("version {}", self.version),
            });
            draft.files.push(PathChange {
                path: path.clone(),
                before,
                after: Some(FileRecord::with_bytes(path.clone(), mode, edited)),
            });
        }
        let in_head = self.in_git(head.as_ref(), &mut draft.blobs)?;
        let in_index = self.in_git(index.as_ref(), &mut draft.blobs)?;
        if let Some(commit) = &mut draft.commit {
            commit.tree.extend(in_head);
            draft.index.extend(in_index);
        }
        Ok(())
    }

    /// Returns the change of git's copy; `None` when there is none, or it cannot be edited.
    fn in_git(
        &self,
        entry: Option<&TreeEntry>,
        blobs: &mut Vec<NewBlob>,
    ) -> Result<Option<TreeChange>, Failure> {
        let Some(entry) = entry else {
            return Ok(None);
        };
        let bytes = self.site.git.read_blob_within(&entry.id, LIMIT)?;
        let Ok(Some(edited)) = self.edited(&bytes) else {
            return Ok(None);
        };
        let id = self.site.git.blob_id(&edited);
        let mode = entry.mode;
        blobs.push(NewBlob::Bytes(edited));
        Ok(Some(TreeChange {
            path: self.lock.path.clone(),
            before: Some(entry.clone()),
            after: Some(TreeEntry { mode, id }),
        }))
    }

    /// Returns the bytes with the version.
    fn edited(&self, bytes: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        lock_file::with_version(bytes, &self.lock.path, &self.lock.entry, self.version)
    }
}
