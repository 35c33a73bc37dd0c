//! A file: its path, what lies there, and where its bytes are. The one description of a file that
//! the code has.
//!
//! Manifests, plans, capsules, listings of folders and git's trees are turned into records when
//! they are read and back when they are written, each in a wire module of its own. No I/O, and
//! nothing that only one format knows.

use base::{Digest, RelPath, Stat, Type};

use crate::{GitId, ObjectId, operation::TreeEntry};

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A regular file that its owner may run.
    Executable,
    /// A symbolic link; its bytes are its target.
    Link,
    /// A folder.
    Folder,
}

impl FileKind {
    /// The kind of a regular file with these permission bits.
    pub fn of_mode(mode: u32) -> Self {
        if mode & 0o100 == 0 {
            Self::File
        } else {
            Self::Executable
        }
    }

    /// The permission bits of a path of which only the kind is known.
    pub fn mode(self) -> u32 {
        match self {
            Self::File => 0o644,
            Self::Executable | Self::Folder => 0o755,
            Self::Link => 0o777,
        }
    }
}

/// Where the bytes of a file, or the target of a link, can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A git blob, byte for byte.
    Blob(GitId),
    /// An object of the content-addressed store.
    Object(ObjectId),
    /// An object of the store: the copy of a SQLite database that was in use. Its log is in it.
    Database(ObjectId),
    /// A Git LFS object below `<git common dir>/lfs/objects`.
    Lfs(Digest),
    /// The record itself.
    Inline(Vec<u8>),
    /// The file that the record describes, in its tree or capsule: nothing else keeps them.
    Here,
}

impl Location {
    /// The object of the store.
    pub fn object(&self) -> Option<&ObjectId> {
        match self {
            Self::Object(object) | Self::Database(object) => Some(object),
            _ => None,
        }
    }

    /// The git blob.
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
    /// Below the root of the tree that it belongs to.
    pub path: RelPath,
    /// What lies there.
    pub kind: FileKind,
    /// Number of bytes; of a link, of its target.
    pub size: u64,
    /// SHA-256 of the bytes; of a link, of its target.
    pub digest: Digest,
    /// Permission bits (`0o7777` masked); those of its kind where nobody recorded them.
    pub mode: u32,
    /// Modification time: seconds and nanoseconds since 1970; `None` = not recorded.
    pub mtime: Option<(i64, u32)>,
    /// Where the bytes are.
    pub location: Location,
}

impl FileRecord {
    /// A regular file with these very bytes, which the record holds.
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

    /// What `lstat` says of a path, and what was read there: digest and number of bytes.
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

    /// A link, by what `lstat` says of it and its target.
    pub fn of_link(path: RelPath, stat: &Stat, target: Vec<u8>) -> Self {
        let read = (Digest::of(&target), target.len() as u64);
        Self::of_stat(path, stat, read, Location::Inline(target))
    }

    /// A file as git keeps it.
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

    /// Its entry in git's tree and index; `None` when git does not keep its bytes.
    pub fn entry(&self) -> Option<TreeEntry> {
        Some(TreeEntry {
            mode: self.kind.into(),
            id: self.location.blob()?.clone(),
        })
    }

    /// The same, with its bytes somewhere else.
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

    /// The target of a link that the record holds.
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

    /// The same of two places, at which nothing may be.
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
        // Git may call a file executable whose file system keeps no such bit.
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
