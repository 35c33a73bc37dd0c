//! The files of a commit behind the file-system port, for readers that know nothing of git.
//!
//! Only reading: every other method is `Unsupported`. Bytes are those that git stores. Times are 0
//! and links are not followed; a submodule is [`Type::Other`].

use std::io::{self, Cursor, Read};

use gix::objs::tree::{EntryKind, EntryMode};

use super::{Error, Repo, repo::git_id};
use crate::base::{
    Fs, GitId, Input, Output, RelPath, Stat, SyncPoint, Type,
    fs::{FileLock, Hold},
};

/// The files of one commit.
pub struct CommitFiles<'a> {
    repo: &'a Repo,
    tree: gix::ObjectId,
}

impl Repo {
    /// The files of a commit, to be read through the port.
    pub fn files_of(&self, commit: &GitId) -> Result<CommitFiles<'_>, Error> {
        Ok(CommitFiles { repo: self, tree: self.tree_of(commit)? })
    }
}

impl CommitFiles<'_> {
    /// What lies at a path.
    fn find(&self, path: &RelPath) -> io::Result<Option<(Type, u32, GitId)>> {
        let slot = if path.is_root() {
            Some((EntryKind::Tree.into(), self.tree))
        } else {
            self.repo.find_in_tree(self.tree, path).map_err(io::Error::other)?
        };
        Ok(slot.map(|(mode, id): (EntryMode, _)| {
            let (kind, bits) = match mode.kind() {
                EntryKind::Tree => (Type::Dir, 0o755),
                EntryKind::Blob => (Type::File, 0o644),
                EntryKind::BlobExecutable => (Type::File, 0o755),
                EntryKind::Link => (Type::Symlink, 0o777),
                EntryKind::Commit => (Type::Other, 0),
            };
            (kind, bits, git_id(&id))
        }))
    }

    /// The bytes of the blob at a path that is of this type.
    fn bytes(&self, path: &RelPath, wanted: Type) -> io::Result<Vec<u8>> {
        match self.find(path)? {
            None => Err(io::ErrorKind::NotFound.into()),
            Some((kind, _, id)) if kind == wanted => self.repo.read_blob(&id).map_err(io::Error::other),
            Some(_) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }
}

/// The answer to whatever would write.
fn read_only<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Fs for CommitFiles<'_> {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        let Some((kind, mode, id)) = self.find(path)? else { return Ok(None) };
        let size = if kind == Type::File { self.repo.header(&id).map_err(io::Error::other)?.map_or(0, |(_, size)| size) } else { 0 };
        Ok(Some(Stat { kind, mode, size, mtime: (0, 0), ctime: (0, 0), ino: 0, dev: 0, uid: 0, gid: 0, links: 1 }))
    }

    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.bytes(path, Type::File)?)))
    }

    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        self.bytes(path, Type::Symlink)
    }

    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        match self.find(dir)? {
            None => Err(io::ErrorKind::NotFound.into()),
            Some((Type::Dir, _, id)) => {
                let names = self.repo.oid(&id).and_then(|id| self.repo.each_entry(id, |_, name, _| Ok(name.to_vec())));
                names.map_err(io::Error::other)
            }
            Some(_) => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn create(&self, _: &RelPath, _: u32) -> io::Result<Box<dyn Output>> {
        read_only()
    }

    fn open_input(&self, _: &RelPath) -> io::Result<Box<dyn Input>> {
        read_only()
    }

    fn lock(&self, _: &RelPath, _: Hold, _: bool) -> io::Result<Option<FileLock>> {
        read_only()
    }

    fn append(&self, _: &RelPath) -> io::Result<Box<dyn Output>> {
        read_only()
    }

    fn symlink(&self, _: &[u8], _: &RelPath) -> io::Result<()> {
        read_only()
    }

    fn create_dir(&self, _: &RelPath, _: u32) -> io::Result<()> {
        read_only()
    }

    fn rename(&self, _: &RelPath, _: &RelPath) -> io::Result<()> {
        read_only()
    }

    fn exchange(&self, _: &RelPath, _: &RelPath) -> io::Result<()> {
        read_only()
    }

    fn remove_file(&self, _: &RelPath) -> io::Result<()> {
        read_only()
    }

    fn remove_dir(&self, _: &RelPath) -> io::Result<()> {
        read_only()
    }

    fn sync_dir(&self, _: &RelPath, _: SyncPoint) -> io::Result<()> {
        read_only()
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
        let kind = |text: &str| files.stat(&path(text)).expect("it reads").map(|stat| (stat.kind, stat.size));
        assert_eq!((kind("tasks"), kind("top"), kind("absent/x")), (Some((Type::Dir, 0)), Some((Type::File, 4)), None));
        let mut text = String::new();
        files.open(&path("top")).expect("it opens").read_to_string(&mut text).expect("it reads");
        assert_eq!(text, "top\n");
        assert_eq!(files.list(&RelPath::root()).expect("it lists"), [b"tasks".to_vec(), b"top".to_vec()]);
        assert!(files.open(&path("tasks")).is_err() && files.list(&path("top")).is_err());
        assert!(files.remove_file(&path("top")).is_err());
    }
}
