//! A file: its path, its type and content, and where its bytes are. This is the only description of
//! a file in the code.
//!
//! Manifests, plans, capsules, folder listings and git trees are converted to records when read and
//! back when written, each in its own wire module. No I/O, and nothing that is specific to one
//! format.

use base::{Digest, RelPath, Stat, Type};

use crate::{GitId, ObjectId, operation::TreeEntry};

/// The type of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A regular file that its owner may execute.
    Executable,
    /// A symbolic link; its bytes are its target.
    Link,
    /// A folder.
    Folder,
}

impl FileKind {
    /// Returns the kind of a regular file with these permission bits.
    pub fn of_mode(mode: u32) -> Self {
        if mode & 0o100 == 0 {
            Self::File
        } else {
            Self::Executable
        }
    }

    /// Returns the permission bits of a path when only its kind is known.
    pub fn mode(self) -> u32 {
        match self {
            Self::File => 0o644,
            Self::Executable | Self::Folder => 0o755,
            Self::Link => 0o777,
        }
    }
}

/// The place where the bytes of a file, or the target of a link, can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A git blob, byte for byte.
    Blob(GitId),
    /// An object of the content-addressed store.
    Object(ObjectId),
    /// An object of the store: the copy of a SQLite database that was in use, including its log.
    Database(ObjectId),
    /// A Git LFS object below `<git common dir>/lfs/objects`.
    Lfs(Digest),
    /// Inside the record itself.
    Inline(Vec<u8>),
    /// Only in the file that the record describes, in its tree or capsule.
    Here,
}

impl Location {
    /// Returns the object of the store, if any.
    pub fn object(&self) -> Option<&ObjectId> {
        match self {
            Self::Object(object) | Self::Database(object) => Some(object),
            _ => None,
        }
    }

    /// Returns the git blob, if any.
    pub fn blob(&self) -> Option<&GitId> {
        match self {
            Self::Blob(blob) => Some(blob),
            _ => None,
        }
    }
}

/// A file, link or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// Path below the root of its tree.
    pub path: RelPath,
    /// Its type.
    pub kind: FileKind,
    /// Number of bytes; for a link, of its target.
    pub size: u64,
    /// SHA-256 of the bytes; for a link, of its target.
    pub digest: Digest,
    /// Permission bits (`0o7777` masked); the default of its kind when they were not recorded.
    pub mode: u32,
    /// Modification time: seconds and nanoseconds since 1970; `None` = not recorded.
    pub mtime: Option<(i64, u32)>,
    /// Location of the bytes.
    pub location: Location,
}

impl FileRecord {
    /// Creates the record of a regular file and stores its bytes inside.
    pub fn with_bytes(path: RelPath, mode: u32, bytes: Vec<u8>) -> Self {
        Self {
            path,
            kind: FileKind::of_mode(mode),
            size: bytes.len() as u64,
            digest: Digest::of(&bytes),
            mode,
            mtime: None,
            location: Location::Inline(bytes),
        }
    }

    /// Creates a record from the `lstat` of a path, and the digest and number of bytes read there.
    pub fn of_stat(
        path: RelPath,
        stat: &Stat,
        (digest, size): (Digest, u64),
        location: Location,
    ) -> Self {
        Self {
            path,
            kind: match stat.kind {
                Type::Symlink => FileKind::Link,
                Type::Dir => FileKind::Folder,
                Type::File | Type::Other => FileKind::of_mode(stat.mode),
            },
            size,
            digest,
            mode: stat.mode,
            mtime: Some(stat.mtime),
            location,
        }
    }

    /// Creates the record of a link from its `lstat` and its target.
    pub fn of_link(path: RelPath, stat: &Stat, target: Vec<u8>) -> Self {
        let read = (Digest::of(&target), target.len() as u64);
        Self::of_stat(path, stat, read, Location::Inline(target))
    }

    /// Creates the record of a file as git keeps it.
    pub fn of_blob(
        path: RelPath,
        kind: FileKind,
        (digest, size): (Digest, u64),
        id: GitId,
    ) -> Self {
        Self {
            path,
            kind,
            size,
            digest,
            mode: kind.mode(),
            mtime: None,
            location: Location::Blob(id),
        }
    }

    /// Returns its entry in git's tree and index; `None` when git does not keep its bytes.
    pub fn entry(&self) -> Option<TreeEntry> {
        Some(TreeEntry {
            mode: self.kind.into(),
            id: self.location.blob()?.clone(),
        })
    }

    /// Returns a copy with another location of its bytes.
    pub fn kept_at(&self, location: Location) -> Self {
        Self {
            path: self.path.clone(),
            location,
            ..*self
        }
    }

    /// True for a regular file.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, FileKind::File | FileKind::Executable)
    }

    /// True for a symbolic link.
    pub fn is_link(&self) -> bool {
        self.kind == FileKind::Link
    }

    /// Returns the target of a link, if the record holds it.
    pub fn target(&self) -> Option<&[u8]> {
        match &self.location {
            Location::Inline(target) if self.is_link() => Some(target),
            _ => None,
        }
    }

    /// True when both have the same bytes, type and permission bits.
    pub fn same(&self, other: &Self) -> bool {
        let types = [self, other].map(|record| match record.kind {
            FileKind::Executable => FileKind::File,
            kind => kind,
        });
        types[0] == types[1]
            && self.digest == other.digest
            && (self.is_link() || self.mode == other.mode)
    }

    /// Like [`Self::same`], for two places that may be empty.
    pub fn same_at(here: Option<&Self>, there: Option<&Self>) -> bool {
        match (here, there) {
            (Some(here), Some(there)) => here.same(there),
            (here, there) => here.is_none() && there.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: FileKind, mode: u32) -> FileRecord {
        FileRecord {
            kind,
            mode,
            ..FileRecord::with_bytes(RelPath::own("a"), mode, b"x".to_vec())
        }
    }

    #[test]
    fn files_are_the_same_by_type_bytes_and_permissions() {
        let file = record(FileKind::File, 0o644);
        assert!(file.same(&FileRecord {
            location: Location::Here,
            mtime: Some((1, 2)),
            ..file.clone()
        }));
        assert!(!file.same(&record(FileKind::File, 0o600)));
        assert!(!file.same(&record(FileKind::Link, 0o644)));
        assert!(!file.same(&FileRecord {
            digest: Digest::of(b"y"),
            ..file.clone()
        }));
        // Git may call a file executable although its file system has no such bit.
        assert!(file.same(&record(FileKind::Executable, 0o644)));
        assert!(record(FileKind::Link, 0o777).same(&record(FileKind::Link, 0o755)));
        assert!(FileRecord::same_at(None, None) && !FileRecord::same_at(Some(&file), None));
    }

    #[test]
    fn the_bits_of_a_kind_give_the_kind() {
        for kind in [FileKind::File, FileKind::Executable] {
            assert_eq!(FileKind::of_mode(kind.mode()), kind);
        }
    }
}
