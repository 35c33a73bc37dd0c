//! Reads the index file, once for as long as it is the same file.
//!
//! A command reads the index a dozen times, and reading one of 50,000 files takes a while. git and
//! snapback replace the index by a rename, so a file with the same inode and times is the same
//! index; it is held open, so that its inode cannot be reused.

use std::{
    fs::{self, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    sync::{Arc, PoisonError},
};

use gix::index::{
    File,
    decode::Options,
    entry::{Flags, Mode, Stat},
};

use super::{Error, Repo, error::During, tree::entry_kind};
use base::{Digest, RelPath};

/// The identity of an index file: device, inode, size, mtime and ctime.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

/// The most recently read index file, with what is known about it.
pub(super) struct CachedIndex {
    handle: fs::File,
    stamp: Stamp,
    /// The parsed index, and whether its checksum was verified.
    index: Option<(Arc<File>, bool)>,
    digest: Option<Digest>,
}

impl Repo {
    /// Reads the index file; a missing one is empty. `trusting` skips its checksum.
    pub(super) fn read_index(&self, trusting: bool) -> Result<Arc<File>, Error> {
        let read = || {
            let file =
                File::at_or_default(self.index_path(), self.hash(), trusting, Options::default())
                    .during("reading the index")?;
            self.expanded(file).map(Arc::new)
        };
        let found = self.with_index_file(|seen| {
            if let Some((index, _)) = seen
                .index
                .as_ref()
                .filter(|(_, checked)| *checked || trusting)
            {
                return Ok(index.clone());
            }
            let index = read()?;
            // The file was opened by name and may have been replaced.
            let same = fs::symlink_metadata(self.index_path())
                .is_ok_and(|found| stamp(&found) == seen.stamp);
            seen.index = same.then(|| (index.clone(), !trusting));
            Ok(index)
        })?;
        found.map_or_else(read, Ok)
    }

    /// Expands the folder entries of a sparse index into entries for their files, all of which are
    /// left out of the work tree.
    fn expanded(&self, mut index: File) -> Result<File, Error> {
        let is_folder = |entry: &gix::index::Entry| entry.mode == Mode::DIR;
        let mut files = Vec::new();
        for folder in index.entries().iter().filter(|entry| is_folder(entry)) {
            let path = folder
                .path(&index)
                .strip_suffix(b"/")
                .unwrap_or(folder.path(&index));
            let path = RelPath::parse(path).map_err(super::walk::bad_path)?;
            files.extend(self.files_of_tree(folder.id, &path)?);
        }
        if files.is_empty() {
            return Ok(index);
        }
        index.remove_entries(|_, _, entry| is_folder(entry));
        for (path, entry) in files {
            let mode =
                entry_kind(&entry).map(|kind| Mode::from(gix::objs::tree::EntryMode::from(kind)));
            let mode = mode.ok_or_else(|| Error::PathChanged {
                path: path.clone(),
                place: "the index",
            })?;
            index.dangerously_push_entry(
                Stat::default(),
                self.oid(&entry.id)?,
                Flags::SKIP_WORKTREE,
                mode,
                path.as_bstr(),
            );
        }
        index.sort_entries();
        Ok(index)
    }

    /// Returns the digest of the index file; `None` if there is none.
    pub(super) fn index_digest(&self) -> Result<Option<Digest>, Error> {
        self.with_index_file(|seen| {
            if let Some(digest) = seen.digest {
                return Ok(digest);
            }
            let mut bytes = Vec::new();
            let read = io::Seek::rewind(&mut &seen.handle)
                .and_then(|()| (&seen.handle).read_to_end(&mut bytes));
            read.map_err(|source| self.index_failed(source))?;
            Ok(*seen.digest.insert(Digest::of(&bytes)))
        })
    }

    /// Calls `call` with the state of the current index file; `None` if there is no file.
    fn with_index_file<T>(
        &self,
        call: impl FnOnce(&mut CachedIndex) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut slot = self
            .seen_index()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let handle = match fs::File::open(self.index_path()) {
            Ok(handle) => handle,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                *slot = None;
                return Ok(None);
            }
            Err(source) => return Err(self.index_failed(source)),
        };
        let stamp = stamp(
            &handle
                .metadata()
                .map_err(|source| self.index_failed(source))?,
        );
        let seen = match slot.take().filter(|seen| seen.stamp == stamp) {
            Some(same) => same,
            None => CachedIndex {
                handle,
                stamp,
                index: None,
                digest: None,
            },
        };
        call(slot.insert(seen)).map(Some)
    }

    fn index_failed(&self, source: io::Error) -> Error {
        Error::File {
            doing: "reading",
            path: self.index_path().to_path_buf(),
            source,
        }
    }
}

/// Returns the stamp of a file.
fn stamp(found: &Metadata) -> Stamp {
    (
        found.dev(),
        found.ino(),
        found.size(),
        (found.mtime(), found.mtime_nsec()),
        (found.ctime(), found.ctime_nsec()),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;
    use super::*;

    #[test]
    fn it_is_read_once_and_again_when_it_was_replaced() {
        let sandbox = Sandbox::new();
        let repo = sandbox.repo();
        assert_eq!(
            (
                repo.read_index(true).unwrap().entries().len(),
                repo.index_digest().unwrap()
            ),
            (0, None)
        );
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        let trusted = repo.read_index(true).unwrap();
        let checked = repo.read_index(false).unwrap();
        assert!(
            !Arc::ptr_eq(&trusted, &checked),
            "a checksum that was skipped is compared when it is asked for"
        );
        assert!(Arc::ptr_eq(&checked, &repo.read_index(true).unwrap()));
        let digest = |bytes: Vec<u8>| Some(Digest::of(&bytes));
        assert_eq!(
            repo.index_digest().unwrap(),
            digest(std::fs::read(sandbox.path(".git/index")).unwrap())
        );
        for (n, name) in ["b", "c", "d"].iter().enumerate() {
            sandbox.write(name, b"1\n");
            sandbox.git(&["add", name]);
            assert_eq!(repo.read_index(true).unwrap().entries().len(), n + 2);
            assert_eq!(
                repo.index_digest().unwrap(),
                digest(std::fs::read(sandbox.path(".git/index")).unwrap())
            );
        }
        sandbox.remove(sandbox.path(".git/index"));
        assert_eq!(
            (
                repo.read_index(false).unwrap().entries().len(),
                repo.index_digest().unwrap()
            ),
            (0, None)
        );
    }
}
