//! The readable files of a repository: the work tree's or, if not checked out, the commit's.
//!
//! A bare repository has the files of HEAD's commit and nowhere to write. In a sparse work tree,
//! paths that are left out have their state in HEAD. Otherwise the work tree itself is read. The
//! bytes of a commit are those that git stores; times are 0, and a submodule is [`Type::Other`].

use std::{
    io::{self, Cursor, Read},
    sync::Arc,
};

use gix::{
    ObjectId,
    index::{File, entry::Flags},
    objs::{
        Kind,
        tree::{EntryKind, EntryMode},
    },
};

use super::{Error, Repo, repo::git_id, walk::entries_at};
use base::{
    Fs, RelPath, Root, Stat, Type,
    look::{Layered, ReadFs, RefusedFs},
};
use model::GitId;

impl Repo {
    /// Returns the files that a command reads.
    pub fn files(&self) -> Result<Arc<dyn Fs>, Error> {
        let committed = || -> Result<CommitFiles, Error> {
            let tree = self
                .head_commit()?
                .map(|commit| self.tree_of(&commit))
                .transpose()?;
            Ok(CommitFiles {
                repo: self.clone(),
                tree,
            })
        };
        if self.is_bare() {
            let why = Error::Bare {
                dir: self.git_dir().to_path_buf(),
            }
            .to_string();
            return Ok(Arc::new(Layered {
                look: committed()?,
                below: RefusedFs::new(io::ErrorKind::ReadOnlyFilesystem, why),
            }));
        }
        let open = || {
            let failed = |source| Error::File {
                doing: "opening",
                path: self.work_tree().to_path_buf(),
                source,
            };
            Root::open(self.work_tree()).map_err(failed)
        };
        if !self.is_sparse() {
            return Ok(Arc::new(open()?));
        }
        let look = Sparse {
            root: open()?,
            index: self.read_index(true)?,
            committed: committed()?,
        };
        Ok(Arc::new(Layered {
            look,
            below: open()?,
        }))
    }

    /// Returns the files of a commit, for readers that know nothing of git.
    pub fn files_of(&self, commit: &GitId) -> Result<impl Fs + use<>, Error> {
        let look = CommitFiles {
            repo: self.clone(),
            tree: Some(self.tree_of(commit)?),
        };
        Ok(Layered {
            look,
            below: RefusedFs::new(io::ErrorKind::Unsupported, "a commit is never written to"),
        })
    }

    /// True when parts of the tree may be missing from the work tree.
    pub fn is_sparse(&self) -> bool {
        self.with(|repo| {
            repo.config_snapshot()
                .boolean("core.sparseCheckout")
                .unwrap_or(false)
        })
    }
}

/// The files of a commit; of none on an unborn branch.
struct CommitFiles {
    repo: Repo,
    tree: Option<ObjectId>,
}

/// Converts a git error to an I/O error.
fn of_files(error: Error) -> io::Error {
    io::Error::other(error)
}

impl CommitFiles {
    fn find(&self, path: &RelPath) -> io::Result<Option<(EntryMode, ObjectId)>> {
        self.tree
            .map(|tree| self.repo.find_in_tree(tree, path))
            .transpose()
            .map(Option::flatten)
            .map_err(of_files)
    }

    fn blob(&self, path: &RelPath, is_right: fn(EntryMode) -> bool) -> io::Result<Vec<u8>> {
        let found = self.find(path)?.ok_or(io::ErrorKind::NotFound)?;
        if !is_right(found.0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{path} is something else in the commit"),
            ));
        }
        self.repo
            .read_object(&git_id(&found.1), Kind::Blob)
            .map_err(of_files)
    }
}

impl ReadFs for CommitFiles {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        let Some((mode, id)) = self.find(path)? else {
            return Ok(None);
        };
        let (kind, bits) = match mode.kind() {
            EntryKind::Tree => (Type::Dir, 0o755),
            EntryKind::Blob => (Type::File, 0o644),
            EntryKind::BlobExecutable => (Type::File, 0o755),
            EntryKind::Link => (Type::Symlink, 0o777),
            EntryKind::Commit => (Type::Other, 0),
        };
        let is_blob = matches!(kind, Type::File | Type::Symlink);
        let size = if is_blob {
            self.repo
                .header(&git_id(&id))
                .map_err(of_files)?
                .map_or(0, |(_, size)| size)
        } else {
            0
        };
        Ok(Some(Stat {
            kind,
            mode: bits,
            size,
            mtime: (0, 0),
            ctime: (0, 0),
            ino: 0,
            dev: 0,
            uid: 0,
            gid: 0,
            links: 1,
        }))
    }

    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(
            self.blob(path, |mode| mode.is_blob())?,
        )))
    }

    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        self.blob(path, |mode| mode.is_link())
    }

    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        if self.tree.is_none() && dir.is_root() {
            return Ok(Vec::new());
        }
        match self.find(dir)? {
            Some((mode, id)) if mode.is_tree() => Ok(self
                .repo
                .folder_entries(id)
                .map_err(of_files)?
                .into_keys()
                .collect()),
            Some(_) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// A sparse work tree: its own files, and the commit's for paths that are left out.
struct Sparse {
    root: Root,
    index: Arc<File>,
    committed: CommitFiles,
}

impl Sparse {
    /// True when the index marks a path, or something below it, as left out.
    fn is_left_out(&self, path: &RelPath) -> bool {
        let (here, below) = entries_at(&self.index, path);
        here.iter()
            .chain(below)
            .any(|entry| entry.flags.contains(Flags::SKIP_WORKTREE))
    }

    /// True when a path is read from the commit.
    fn is_away(&self, path: &RelPath) -> io::Result<bool> {
        Ok(self.root.stat(path)?.is_none() && self.is_left_out(path))
    }
}

impl ReadFs for Sparse {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        match self.root.stat(path)? {
            None if self.is_left_out(path) => self.committed.stat(path),
            found => Ok(found),
        }
    }

    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        if self.is_away(path)? {
            self.committed.open(path)
        } else {
            self.root.open(path)
        }
    }

    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        if self.is_away(path)? {
            self.committed.read_link(path)
        } else {
            self.root.read_link(path)
        }
    }

    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        if self.is_away(dir)? {
            return self.committed.list(dir);
        }
        let mut names = self.root.list(dir)?;
        let committed = self.committed.list(dir).unwrap_or_default();
        names.extend(
            committed
                .into_iter()
                .filter(|name| self.is_left_out(&dir.join(name))),
        );
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Sandbox, *};

    #[test]
    fn a_commit_is_read_as_a_folder_is() {
        let sandbox = Sandbox::new();
        sandbox.write("tasks/T01/a", b"one\n");
        sandbox.write("top", b"top\n");
        sandbox.commit("first");
        let commit = sandbox.id("HEAD");
        sandbox.write("top", b"changed\n");
        let repo = sandbox.repo();
        let files = repo.files_of(&commit).expect("it is a commit");
        let path = |text: &str| RelPath::parse(text).expect("it is honest");
        let kind = |text: &str| {
            files
                .stat(&path(text))
                .expect("it reads")
                .map(|stat| (stat.kind, stat.size))
        };
        assert_eq!(
            (kind("tasks"), kind("top"), kind("absent/x")),
            (Some((Type::Dir, 0)), Some((Type::File, 4)), None)
        );
        let mut text = String::new();
        files
            .open(&path("top"))
            .expect("it opens")
            .read_to_string(&mut text)
            .expect("it reads");
        assert_eq!(text, "top\n");
        assert_eq!(
            files.list(&RelPath::root()).expect("it lists"),
            [b"tasks".to_vec(), b"top".to_vec()]
        );
        assert!(files.open(&path("tasks")).is_err() && files.list(&path("top")).is_err());
        assert!(
            files.remove_file(&path("top")).is_err() && files.create(&path("new"), 0o644).is_err()
        );
    }
}
