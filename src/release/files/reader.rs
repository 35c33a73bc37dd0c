//! Reads files into the form that git stores. Bytes whose blob the previous manifest lists are not
//! hashed again, and a file that git's stat cache vouches for is not read. Writes nothing.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::{
    base::{Digest, Failure, RelPath},
    catalog::{Error, Scope, capture},
    draft::{NewBlob, tree::all_bytes},
    git::{self, Converter, Scan, Tracked, WorkState},
    model::{FileKind, FileRecord, GitId, GitMode, operation::TreeEntry},
    site::RepoSite,
};

/// One examined file.
pub(super) struct ReleaseFileState {
    pub(super) path: RelPath,
    pub(super) head: Option<TreeEntry>,
    pub(super) index: Option<TreeEntry>,
    pub(super) now: Option<FileInGit>,
    /// True when the index's stat data may be outdated.
    pub(super) stale: bool,
    /// True when it was read.
    pub(super) read: bool,
}

/// The form in which git stores a file of the work tree.
pub(super) struct FileInGit {
    pub(super) record: FileRecord,
    pub(super) blob: Option<NewBlob>,
    pub(super) sync: bool,
    /// False when a checkout would produce other line ends.
    pub(super) exact: bool,
}

/// Reads files into the form that git stores.
pub(super) struct ReleaseReader<'a> {
    pub(super) site: &'a RepoSite,
    pub(super) converter: &'a Converter,
    pub(super) known: &'a HashMap<&'a GitId, (Digest, u64)>,
}

impl ReleaseReader<'_> {
    /// Reads indexed files and small untracked ones, in parallel.
    pub(super) fn read_all(
        &self,
        scope: &Scope,
        scan: &Scan,
        small: &[RelPath],
    ) -> Vec<Result<ReleaseFileState, Failure>> {
        let tracked: Vec<&Tracked> = scan
            .tracked
            .iter()
            .filter(|tracked| scope.owns(&tracked.path))
            .collect();
        // A file that was staged as deleted but still exists is an untracked file known to HEAD.
        let unstaged = tracked.iter().filter(|tracked| tracked.index.is_none());
        let in_head: HashMap<&RelPath, &TreeEntry> = unstaged
            .filter_map(|tracked| Some((&tracked.path, tracked.head.as_ref()?)))
            .collect();
        let there: HashSet<&RelPath> = small.iter().collect();
        let total = (tracked.len() + small.len()) as u64;
        let tracked: Vec<&Tracked> = tracked
            .into_iter()
            .filter(|tracked| !there.contains(&tracked.path))
            .collect();
        // Do not collect into one result: rayon would build the list in parts and move them.
        self.site.work("reading", total, false, || {
            let tracked = tracked.par_iter().map(|tracked| self.tracked(tracked));
            tracked
                .chain(
                    small
                        .par_iter()
                        .map(|path| self.untracked(path, in_head.get(path).copied())),
                )
                .collect()
        })
    }

    /// Examines a file that the index or HEAD knows.
    fn tracked(&self, tracked: &Tracked) -> Result<ReleaseFileState, Failure> {
        let now = match (&tracked.state, &tracked.index) {
            (WorkState::Clean | WorkState::LeftOut, Some(entry)) => {
                Some(self.clean(&tracked.path, entry)?)
            }
            (WorkState::Missing, _) | (_, None) => None,
            (WorkState::TypeChanged, _) => {
                self.refuse_special(&tracked.path)?;
                None
            }
            _ => self.read(&tracked.path, tracked.index.as_ref())?,
        };
        self.site.progress(1);
        let stale = tracked.state == WorkState::Maybe;
        let read = !matches!(tracked.state, WorkState::Clean | WorkState::LeftOut);
        Ok(ReleaseFileState {
            path: tracked.path.clone(),
            head: tracked.head.clone(),
            index: tracked.index.clone(),
            now,
            stale,
            read,
        })
    }

    /// Refuses devices, FIFOs and sockets; a folder in place of a file counts as a removal.
    fn refuse_special(&self, path: &RelPath) -> Result<(), Error> {
        match capture::stat(&*self.site.tree, path)?.map(|stat| stat.kind) {
            Some(crate::base::Type::Other) => Err(Error::NotAFile {
                path: path.clone(),
                what: "a device, FIFO or socket",
            }),
            _ => Ok(()),
        }
    }

    /// Examines a file that is not in the index, but may be in HEAD.
    fn untracked(
        &self,
        path: &RelPath,
        head: Option<&TreeEntry>,
    ) -> Result<ReleaseFileState, Failure> {
        let now = self.read(path, None)?;
        self.site.progress(1);
        Ok(ReleaseFileState {
            path: path.clone(),
            head: head.cloned(),
            index: None,
            now,
            stale: false,
            read: true,
        })
    }

    /// Examines a file that equals its index entry.
    fn clean(&self, path: &RelPath, entry: &TreeEntry) -> Result<FileInGit, Failure> {
        let known = self.known.get(&entry.id).copied();
        let (digest, size) = match known {
            Some(known) => known,
            None => read_of(&self.site.git.read_blob(&entry.id)?),
        };
        let now = if entry.mode == GitMode::Link || self.converter.is_plain(path)? {
            None
        } else {
            capture::stat(&*self.site.tree, path)?
        };
        let in_git = || self.site.git.read_blob(&entry.id);
        let exact = match now {
            Some(now) => self
                .converter
                .comes_back(path, (now.size, None), (size, &in_git))?,
            None => true,
        };
        let kind = entry.mode.blob_kind().unwrap_or(FileKind::File);
        Ok(FileInGit {
            record: FileRecord::of_blob(path.clone(), kind, (digest, size), entry.id.clone()),
            blob: None,
            sync: known.is_none(),
            exact,
        })
    }

    /// Examines a file that must be read.
    fn read(
        &self,
        path: &RelPath,
        index: Option<&TreeEntry>,
    ) -> Result<Option<FileInGit>, Failure> {
        let Some(now) = capture::read(&*self.site.tree, path)? else {
            return Ok(None);
        };
        let link = now.record.is_link();
        let indexed = index.and_then(|entry| entry.mode.blob_kind());
        let kind = match indexed {
            // Without an executable bit in the file system, the index decides.
            Some(kind) if !link && kind != FileKind::Link && !self.site.git.trusts_file_mode() => {
                kind
            }
            _ => now.record.kind,
        };
        if !link && self.converter.is_lfs(path)? && !self.stays(path, now.bytes.as_ref())? {
            return Ok(Some(self.as_pointer(&now.record, kind)));
        }
        let bytes = all_bytes(&*self.site.tree, now)?;
        let (in_git, exact) = if link {
            (bytes, true)
        } else {
            self.in_git(path, bytes)?
        };
        let id = self.site.git.blob_id(&in_git);
        let blob =
            (!self.site.git.sees_object(&id)).then(|| NewBlob::FromTree(path.clone(), id.clone()));
        let sync = blob.is_none();
        Ok(Some(FileInGit {
            record: FileRecord::of_blob(path.clone(), kind, read_of(&in_git), id),
            blob,
            sync,
            exact,
        }))
    }

    /// Returns the form in which git stores a Git LFS file: its pointer.
    fn as_pointer(&self, now: &FileRecord, kind: FileKind) -> FileInGit {
        let pointer = git::Repo::lfs_pointer(&now.digest, now.size);
        let (path, id) = (now.path.clone(), self.site.git.blob_id(&pointer));
        FileInGit {
            record: FileRecord::of_blob(path.clone(), kind, read_of(&pointer), id.clone()),
            blob: Some(NewBlob::Lfs(path, id)),
            sync: false,
            exact: true,
        }
    }

    /// Returns the bytes that git stores for a file, and whether a checkout restores exactly these.
    fn in_git(&self, path: &RelPath, bytes: Vec<u8>) -> Result<(Vec<u8>, bool), Failure> {
        if self.converter.is_plain(path)? {
            return Ok((bytes, true));
        }
        let in_git = self.converter.to_git(path, bytes.clone())?;
        let exact = self.converter.comes_back(
            path,
            (bytes.len() as u64, Some(&bytes)),
            (in_git.len() as u64, &|| Ok(in_git.clone())),
        )?;
        Ok((in_git, exact))
    }

    /// Returns true when git stores the bytes of a Git LFS file unchanged: an empty file, or a
    /// pointer whose object was never fetched.
    fn stays(&self, path: &RelPath, bytes: Option<&Vec<u8>>) -> Result<bool, Failure> {
        let Some(bytes) = bytes.filter(|bytes| bytes.len() < 1024) else {
            return Ok(false);
        };
        Ok(self.converter.to_git(path, bytes.clone())? == *bytes)
    }
}

/// Returns digest and size of bytes.
fn read_of(bytes: &[u8]) -> (Digest, u64) {
    (Digest::of(bytes), bytes.len() as u64)
}
