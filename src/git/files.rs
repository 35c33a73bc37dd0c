//! The files of a repository as far as they can be read: the work tree's, and where those are not
//! checked out, the commit's.
//!
//! A bare repository has the files of HEAD's commit and no place to write to. A sparse work tree has
//! what was left out of it as HEAD has it. Everybody else reads the work tree itself.

use std::{
    io::{self, Cursor, Read},
    sync::Arc,
};

use gix::{
    ObjectId,
    index::{File, entry::Flags},
    objs::{Kind, tree::EntryMode},
};

use super::{Error, Repo, repo::git_id, walk::entries_at};
use crate::base::{
    Fs, RelPath, Root, Stat, Type,
    look::{Layered, Look, Refused},
};

impl Repo {
    /// The files that a command reads.
    pub fn files(&self) -> Result<Arc<dyn Fs>, Error> {
        let tree = |repo: &Self| repo.head_commit()?.map(|commit| repo.tree_of(&commit)).transpose();
        if self.is_bare() {
            let why = Error::Bare { dir: self.git_dir().to_path_buf() }.to_string();
            let look = Committed { repo: self.clone(), tree: tree(self)? };
            return Ok(Arc::new(Layered { look, below: Refused::new(io::ErrorKind::ReadOnlyFilesystem, why) }));
        }
        let failed = |source| Error::File { doing: "opening", path: self.work_tree().to_path_buf(), source };
        let root = Root::open(self.work_tree()).map_err(failed)?;
        if !self.is_sparse() {
            return Ok(Arc::new(root));
        }
        let index = self.read_index(true)?;
        let look = Sparse {
            root: Root::open(self.work_tree()).map_err(failed)?,
            index,
            committed: Committed { repo: self.clone(), tree: tree(self)? },
        };
        Ok(Arc::new(Layered { look, below: root }))
    }

    /// True when parts of the tree may be left out of the work tree.
    pub fn is_sparse(&self) -> bool {
        self.with(|repo| repo.config_snapshot().boolean("core.sparseCheckout").unwrap_or(false))
    }
}

/// The files of a commit; `None` on an unborn branch.
struct Committed {
    repo: Repo,
    tree: Option<ObjectId>,
}

/// An error of git's, as one of files.
fn of_files(error: Error) -> io::Error {
    io::Error::other(error)
}

impl Committed {
    fn find(&self, path: &RelPath) -> io::Result<Option<(EntryMode, ObjectId)>> {
        self.tree.map(|tree| self.repo.find_in_tree(tree, path)).transpose().map(Option::flatten).map_err(of_files)
    }

    fn blob(&self, path: &RelPath, is_right: fn(EntryMode) -> bool) -> io::Result<Vec<u8>> {
        let found = self.find(path)?.ok_or(io::ErrorKind::NotFound)?;
        if !is_right(found.0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{path} is something else in the commit")));
        }
        self.repo.read_object(&git_id(&found.1), Kind::Blob).map_err(of_files)
    }
}

impl Look for Committed {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        let Some((mode, id)) = self.find(path)? else { return Ok(None) };
        let (kind, bits) = match mode {
            mode if mode.is_link() => (Type::Symlink, 0o777),
            mode if mode.is_blob() => (Type::File, if mode.is_executable() { 0o755 } else { 0o644 }),
            _ => (Type::Dir, 0o755),
        };
        let size = if kind == Type::Dir { 0 } else { self.repo.header(&git_id(&id)).map_err(of_files)?.map_or(0, |(_, size)| size) };
        Ok(Some(Stat { kind, mode: bits, size, mtime: (0, 0), ctime: (0, 0), ino: 0, dev: 0, uid: 0, gid: 0, links: 1 }))
    }

    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.blob(path, |mode| mode.is_blob())?)))
    }

    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        self.blob(path, |mode| mode.is_link())
    }

    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        if self.tree.is_none() && dir.is_root() {
            return Ok(Vec::new());
        }
        match self.find(dir)? {
            Some((mode, id)) if mode.is_tree() => Ok(self.repo.folder_entries(id).map_err(of_files)?.into_keys().collect()),
            Some(_) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// A sparse work tree: what lies there, and of what was left out, what the commit has.
struct Sparse {
    root: Root,
    index: Arc<File>,
    committed: Committed,
}

impl Sparse {
    /// True when the index says of a path, or of something below it, that it is left out.
    fn is_left_out(&self, path: &RelPath) -> bool {
        let (here, below) = entries_at(&self.index, path);
        here.iter().chain(below).any(|entry| entry.flags.contains(Flags::SKIP_WORKTREE))
    }

    /// True when a path is read from the commit.
    fn is_away(&self, path: &RelPath) -> io::Result<bool> {
        Ok(self.root.stat(path)?.is_none() && self.is_left_out(path))
    }
}

impl Look for Sparse {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        match self.root.stat(path)? {
            None if self.is_left_out(path) => self.committed.stat(path),
            found => Ok(found),
        }
    }

    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        if self.is_away(path)? { self.committed.open(path) } else { self.root.open(path) }
    }

    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        if self.is_away(path)? { self.committed.read_link(path) } else { self.root.read_link(path) }
    }

    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        if self.is_away(dir)? {
            return self.committed.list(dir);
        }
        let mut names = self.root.list(dir)?;
        let committed = self.committed.list(dir).unwrap_or_default();
        names.extend(committed.into_iter().filter(|name| self.is_left_out(&dir.join(name))));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}
