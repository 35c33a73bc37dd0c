//! Sets a version in a file beside a task's own, such as the lock file of a workspace, in the three
//! places where git keeps it: the commit, the index and the work tree. Each keeps its other
//! content, so nobody's uncommitted work is committed, and other tasks' versions stay.

use super::{Draft, NewBlob, tree};
use crate::{
    base::{Failure, RelPath},
    catalog::registry::read_small,
    model::{
        FileRecord, Operation, PathChange,
        operation::{TreeChange, TreeEntry},
        plan::{FileLine, Letter},
    },
    registry::Error,
    site::RepoSite,
};

/// Maximum size of such a file in git: 64 MiB.
const LIMIT: u64 = 64 << 20;

/// Returns the bytes with the version; `None` when they say it already.
pub type SetVersion<'a> = dyn Fn(&[u8]) -> Result<Option<Vec<u8>>, Error> + 'a;

/// A file beside a task that says the task's version.
pub struct FileBeside<'a> {
    /// The repository.
    pub site: &'a RepoSite,
    /// The file.
    pub path: &'a RelPath,
    /// What the plan says of the change.
    pub note: String,
    /// Sets the version.
    pub set: &'a SetVersion<'a>,
}

/// The changes of such a file.
#[derive(Default)]
pub struct BesideEdit {
    /// The change of the work tree; `None` when it says the version already.
    pub file: Option<PathChange>,
    /// The change of the commit's tree; `None` also when git does not track the file.
    pub tree: Option<TreeChange>,
    /// The change of the index.
    pub index: Option<TreeChange>,
    /// Blobs to write.
    pub blobs: Vec<NewBlob>,
    /// The line in the plan.
    pub line: Option<FileLine>,
    /// Why a place stays as it is.
    pub left: Vec<(&'static str, Error)>,
}

/// What git has of the file.
type InGit = (Option<TreeEntry>, Option<TreeEntry>);

impl FileBeside<'_> {
    /// Describes the edit that sets the version. A work tree's file that cannot be edited stays as
    /// it is everywhere.
    ///
    /// # Errors
    /// Fails when git cannot be read.
    pub fn edit(&self) -> Result<BesideEdit, Failure> {
        let mut edit = BesideEdit::default();
        let in_git = self.in_git()?;
        if self.edit_file(in_git.1.as_ref(), &mut edit)? {
            edit.tree = self.edit_entry(in_git.0, "HEAD", &mut edit)?;
            edit.index = self.edit_entry(in_git.1, "the index", &mut edit)?;
        }
        Ok(edit)
    }

    /// Describes the inverse of an operation's edit: a place as the operation left it gets its
    /// earlier bytes; where others have changed it since, only the version is set.
    ///
    /// # Errors
    /// Fails when git cannot be read.
    pub fn back(&self, operation: &Operation) -> Result<BesideEdit, Failure> {
        let mut edit = BesideEdit::default();
        let in_git = self.in_git()?;
        let is_it = |change: &&TreeChange| change.path == *self.path;
        if let Some(done) = operation
            .path_changes()
            .find(|done| done.path == *self.path)
        {
            let blob = in_git.1.as_ref().map(|entry| &entry.id);
            let now = tree::existing(&*self.site.tree, &self.site.git, self.path, blob)?;
            if FileRecord::same_at(now.as_ref(), done.after.as_ref()) {
                let lines = self.lines_of_version()?;
                edit.line = Some(self.line(lines, now.as_ref().map_or(0, |now| now.size)));
                edit.file = Some(PathChange {
                    path: self.path.clone(),
                    before: now,
                    after: done.before.clone(),
                });
            } else {
                self.edit_file(in_git.1.as_ref(), &mut edit)?;
            }
        }
        let Some(publication) = operation.publication() else {
            return Ok(edit);
        };
        if let Some(done) = publication.tree.iter().find(is_it) {
            edit.tree = self.entry_back(done, in_git.0, "HEAD", &mut edit)?;
        }
        if let Some(done) = publication.index.iter().find(is_it) {
            edit.index = self.entry_back(done, in_git.1, "the index", &mut edit)?;
        }
        Ok(edit)
    }

    /// Returns how many lines of the work tree's file say the version.
    fn lines_of_version(&self) -> Result<u32, Failure> {
        let bytes = read_small(&*self.site.tree, self.path)?.unwrap_or_default();
        let edited = (self.set)(&bytes).ok().flatten();
        Ok(edited.map_or(0, |edited| changed_lines(&bytes, &edited)))
    }

    /// Returns the entries of HEAD and of the index.
    fn in_git(&self) -> Result<InGit, Failure> {
        let scan = self.site.git.scan(std::slice::from_ref(self.path))?;
        let mut tracked = scan.tracked.into_iter();
        let found = tracked.find(|found| found.path == *self.path);
        Ok(found.map_or((None, None), |found| (found.head, found.index)))
    }

    /// Edits the work tree's file; returns false when it is not there or stays as it is.
    fn edit_file(&self, index: Option<&TreeEntry>, edit: &mut BesideEdit) -> Result<bool, Failure> {
        let read = read_small(&*self.site.tree, self.path);
        let bytes = match read {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(false),
            Err(error) => {
                let (file, why) = (self.path.to_string(), error.to_string());
                edit.left.push((WORK_TREE, Error::Shape { file, why }));
                return Ok(false);
            }
        };
        let edited = match (self.set)(&bytes) {
            Ok(Some(edited)) => edited,
            Ok(None) => return Ok(true),
            Err(error) => {
                edit.left.push((WORK_TREE, error));
                return Ok(false);
            }
        };
        let blob = index.map(|entry| &entry.id);
        let before = tree::existing(&*self.site.tree, &self.site.git, self.path, blob)?;
        let usual = 0o666 & !self.site.umask;
        let mode = before.as_ref().map_or(usual, |record| record.mode);
        edit.line = Some(self.line(changed_lines(&bytes, &edited), edited.len() as u64));
        edit.file = Some(PathChange {
            path: self.path.clone(),
            before,
            after: Some(FileRecord::with_bytes(self.path.clone(), mode, edited)),
        });
        Ok(true)
    }

    /// Edits one of git's copies; `None` when there is none, or it stays as it is.
    fn edit_entry(
        &self,
        before: Option<TreeEntry>,
        place: &'static str,
        edit: &mut BesideEdit,
    ) -> Result<Option<TreeChange>, Failure> {
        let Some(entry) = before else {
            return Ok(None);
        };
        let bytes = self.site.git.read_blob_within(&entry.id, LIMIT)?;
        let edited = match (self.set)(&bytes) {
            Ok(Some(edited)) => edited,
            Ok(None) => return Ok(None),
            Err(error) => {
                edit.left.push((place, error));
                return Ok(None);
            }
        };
        if edit.line.is_none() {
            edit.line = Some(self.line(changed_lines(&bytes, &edited), edited.len() as u64));
        }
        let id = self.site.git.blob_id(&edited);
        edit.blobs.push(NewBlob::Bytes(edited));
        Ok(Some(TreeChange {
            path: self.path.clone(),
            after: Some(TreeEntry {
                mode: entry.mode,
                id,
            }),
            before: Some(entry),
        }))
    }

    /// Inverts what an operation changed in one of git's copies.
    fn entry_back(
        &self,
        done: &TreeChange,
        now: Option<TreeEntry>,
        place: &'static str,
        edit: &mut BesideEdit,
    ) -> Result<Option<TreeChange>, Failure> {
        if now != done.after {
            return self.edit_entry(now, place, edit);
        }
        Ok(Some(TreeChange {
            path: self.path.clone(),
            before: now,
            after: done.before.clone(),
        }))
    }

    fn line(&self, lines: u32, size: u64) -> FileLine {
        FileLine {
            path: self.path.clone(),
            letter: Letter::M,
            added: Some(lines),
            removed: Some(lines),
            size,
            large: false,
            note: self.note.clone(),
        }
    }
}

/// The word for the work tree's file.
const WORK_TREE: &str = "the work tree";

/// Returns how many lines differ; an edit of versions neither adds nor removes any.
fn changed_lines(before: &[u8], after: &[u8]) -> u32 {
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes.split(|c| *c == b'\n').map(<[u8]>::to_vec).collect()
    };
    let (before, after) = (lines(before), lines(after));
    let differing = before
        .iter()
        .zip(&after)
        .filter(|(one, other)| one != other);
    u32::try_from(differing.count()).unwrap_or(u32::MAX)
}

impl BesideEdit {
    /// Returns the remarks for the plan on what stays as it is.
    pub fn notes(&self, path: &RelPath) -> Vec<String> {
        let note = |(place, error): &(&str, Error)| {
            let at = if *place == WORK_TREE {
                String::new()
            } else {
                format!(" in {place}")
            };
            format!(
                "the version in {path}{at} stays as it is, which the package manager may refuse: {error}"
            )
        };
        self.left.iter().map(note).collect()
    }

    /// Adds the edit to a draft; git's copies change only with a commit.
    pub fn add_to(self, path: &RelPath, draft: &mut Draft) {
        draft.plan.notes.extend(self.notes(path));
        if let Some(commit) = &mut draft.commit {
            commit.tree.extend(self.tree);
            draft.index.extend(self.index);
            draft.blobs.extend(self.blobs);
            draft.plan.files.extend(self.line);
        } else if self.file.is_some() {
            draft.plan.files.extend(self.line);
        }
        draft.files.extend(self.file);
        draft.files.sort_by(|a, b| a.path.cmp(&b.path));
    }
}
