//! A file of a manifest: its record and its role in the release. A hand-written manifest may give
//! only its path.

use base::{Digest, RelPath};
use serde::{Deserialize, Serialize};

use crate::{
    GitId, ObjectId,
    as_written::AsWritten,
    file_record::{FileKind, FileRecord},
    operation::TreeEntry,
};

/// The role of a file in the release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// A file of the task.
    #[default]
    Source,
    /// The task's configuration.
    Config,
    /// The registry: only the task's entry counts.
    Registry,
    /// A file that other tasks also use: recorded, restored only on request.
    Shared,
    /// A file whose bytes are in the store.
    Large,
}

/// One file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// Its role in the release.
    pub role: FileRole,
    facts: FileFacts,
}

/// The known facts about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FileFacts {
    Whole(FileRecord),
    ByHand(Box<HandWritten>),
}

/// A file as hand-written in a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HandWritten {
    pub(super) path: RelPath,
    pub(super) checksum: AsWritten<Digest>,
    pub(super) size: Option<u64>,
    pub(super) kind: Option<FileKind>,
    pub(super) blob: Option<GitId>,
    pub(super) object: Option<ObjectId>,
}

impl ManifestFile {
    /// Creates a fully described file. Its digest is that of the bytes that git or the store keeps.
    pub fn new(role: FileRole, record: FileRecord) -> Self {
        Self {
            role,
            facts: FileFacts::Whole(record),
        }
    }

    /// Creates a hand-written file.
    pub(super) fn by_hand(role: FileRole, written: HandWritten) -> Self {
        Self {
            role,
            facts: FileFacts::ByHand(Box::new(written)),
        }
    }

    /// Returns its record; `None` for a hand-written file.
    pub fn record(&self) -> Option<&FileRecord> {
        match &self.facts {
            FileFacts::Whole(record) => Some(record),
            FileFacts::ByHand(_) => None,
        }
    }

    /// Like [`Self::record`], but mutable.
    pub fn record_mut(&mut self) -> Option<&mut FileRecord> {
        match &mut self.facts {
            FileFacts::Whole(record) => Some(record),
            FileFacts::ByHand(_) => None,
        }
    }

    /// Returns its path.
    pub fn path(&self) -> &RelPath {
        match &self.facts {
            FileFacts::Whole(record) => &record.path,
            FileFacts::ByHand(written) => &written.path,
        }
    }

    /// Returns the SHA-256 of the bytes that git or the store keeps.
    pub fn digest(&self) -> Option<Digest> {
        match &self.facts {
            FileFacts::Whole(record) => Some(record.digest),
            FileFacts::ByHand(written) => written.checksum.value(),
        }
    }

    /// Returns the digest as written in the manifest; any text in a hand-written one.
    pub fn checksum(&self) -> String {
        match &self.facts {
            FileFacts::Whole(record) => record.digest.to_string(),
            FileFacts::ByHand(written) => written.checksum.to_string(),
        }
    }

    /// Returns the number of those bytes.
    pub fn size(&self) -> Option<u64> {
        match &self.facts {
            FileFacts::Whole(record) => Some(record.size),
            FileFacts::ByHand(written) => written.size,
        }
    }

    /// Returns its type.
    pub fn kind(&self) -> Option<FileKind> {
        match &self.facts {
            FileFacts::Whole(record) => Some(record.kind),
            FileFacts::ByHand(written) => written.kind,
        }
    }

    /// True for a symbolic link.
    pub fn is_link(&self) -> bool {
        self.kind() == Some(FileKind::Link)
    }

    /// Returns the git blob.
    pub fn blob(&self) -> Option<&GitId> {
        match &self.facts {
            FileFacts::Whole(record) => record.location.blob(),
            FileFacts::ByHand(written) => written.blob.as_ref(),
        }
    }

    /// Returns the stored object.
    pub fn object(&self) -> Option<&ObjectId> {
        match &self.facts {
            FileFacts::Whole(record) => record.location.object(),
            FileFacts::ByHand(written) => written.object.as_ref(),
        }
    }

    /// True when both are listed with the same bytes.
    pub fn has_same_bytes(&self, other: &Self) -> bool {
        match (&self.facts, &other.facts) {
            (FileFacts::Whole(one), FileFacts::Whole(other)) => one.digest == other.digest,
            // A hand-written checksum need not be a digest.
            _ => self.checksum() == other.checksum(),
        }
    }

    /// True when both are listed with the same bytes and kind.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.has_same_bytes(other)
    }

    /// True when a rollback restores it by default.
    pub fn is_restored(&self) -> bool {
        matches!(
            self.role,
            FileRole::Source | FileRole::Config | FileRole::Large
        )
    }

    /// Returns its entry in git's tree and index; `None` when git does not keep it, or its kind is
    /// unknown.
    pub fn entry(&self) -> Option<TreeEntry> {
        Some(TreeEntry {
            id: self.blob()?.clone(),
            mode: self.kind()?.into(),
        })
    }

    /// True when the entry of git's tree or index is exactly this file.
    pub fn is_entry(&self, entry: &TreeEntry) -> bool {
        self.blob() == Some(&entry.id) && self.kind().is_some_and(|kind| entry.mode == kind.into())
    }
}
