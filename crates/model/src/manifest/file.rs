//! A file of a manifest: its record and what it is to the release. In a manifest that a person
//! wrote it may lack all but its path.

use base::{Digest, RelPath};
use serde::{Deserialize, Serialize};

use crate::{
    GitId, ObjectId,
    as_written::AsWritten,
    file_record::{FileKind, FileRecord},
    operation::TreeEntry,
};

/// What a file is to the release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A file of the task.
    #[default]
    Source,
    /// The task's configuration.
    Config,
    /// The registry: only the task's entry counts.
    Registry,
    /// A file that other tasks use too: recorded, restored only when asked.
    Shared,
    /// A file whose bytes lie in the store.
    Large,
}

/// One file of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    /// What it is to the release.
    pub role: Role,
    facts: Facts,
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Facts {
    Whole(FileRecord),
    ByHand(Box<HandWritten>),
}

/// What a person wrote of a file.
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
    /// A file of which everything is known. Its digest is that of the bytes that git, or the
    /// store, keeps.
    pub fn new(role: Role, record: FileRecord) -> Self {
        Self {
            role,
            facts: Facts::Whole(record),
        }
    }

    /// A file as a person listed it.
    pub(super) fn by_hand(role: Role, written: HandWritten) -> Self {
        Self {
            role,
            facts: Facts::ByHand(Box::new(written)),
        }
    }

    /// Its record; `None` when a person wrote less than that.
    pub fn record(&self) -> Option<&FileRecord> {
        match &self.facts {
            Facts::Whole(record) => Some(record),
            Facts::ByHand(_) => None,
        }
    }

    /// The same, to be completed.
    pub fn record_mut(&mut self) -> Option<&mut FileRecord> {
        match &mut self.facts {
            Facts::Whole(record) => Some(record),
            Facts::ByHand(_) => None,
        }
    }

    /// Its path.
    pub fn path(&self) -> &RelPath {
        match &self.facts {
            Facts::Whole(record) => &record.path,
            Facts::ByHand(written) => &written.path,
        }
    }

    /// SHA-256 of the bytes that git, or the store, keeps.
    pub fn digest(&self) -> Option<Digest> {
        match &self.facts {
            Facts::Whole(record) => Some(record.digest),
            Facts::ByHand(written) => written.checksum.value(),
        }
    }

    /// The digest as the manifest writes it, which may be any text where a person wrote it.
    pub fn checksum(&self) -> String {
        match &self.facts {
            Facts::Whole(record) => record.digest.to_string(),
            Facts::ByHand(written) => written.checksum.to_string(),
        }
    }

    /// Size of those bytes.
    pub fn size(&self) -> Option<u64> {
        match &self.facts {
            Facts::Whole(record) => Some(record.size),
            Facts::ByHand(written) => written.size,
        }
    }

    /// What lies there.
    pub fn kind(&self) -> Option<FileKind> {
        match &self.facts {
            Facts::Whole(record) => Some(record.kind),
            Facts::ByHand(written) => written.kind,
        }
    }

    /// True for a symbolic link.
    pub fn is_link(&self) -> bool {
        self.kind() == Some(FileKind::Link)
    }

    /// The git blob.
    pub fn blob(&self) -> Option<&GitId> {
        match &self.facts {
            Facts::Whole(record) => record.location.blob(),
            Facts::ByHand(written) => written.blob.as_ref(),
        }
    }

    /// The stored object.
    pub fn object(&self) -> Option<&ObjectId> {
        match &self.facts {
            Facts::Whole(record) => record.location.object(),
            Facts::ByHand(written) => written.object.as_ref(),
        }
    }

    /// True when both are listed with the same bytes.
    pub fn has_same_bytes(&self, other: &Self) -> bool {
        match (&self.facts, &other.facts) {
            (Facts::Whole(one), Facts::Whole(other)) => one.digest == other.digest,
            // What a person wrote need not be a digest.
            _ => self.checksum() == other.checksum(),
        }
    }

    /// True when both are listed with the same bytes and kind.
    pub fn is_same(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.has_same_bytes(other)
    }

    /// True when a rollback restores it without being asked.
    pub fn is_restored(&self) -> bool {
        matches!(self.role, Role::Source | Role::Config | Role::Large)
    }

    /// Its entry in git's tree and index; `None` when git does not keep it, or nobody knows as
    /// what.
    pub fn entry(&self) -> Option<TreeEntry> {
        Some(TreeEntry {
            id: self.blob()?.clone(),
            mode: self.kind()?.into(),
        })
    }

    /// True when an entry of git's tree or index is this very file.
    pub fn is_entry(&self, entry: &TreeEntry) -> bool {
        self.blob() == Some(&entry.id) && self.kind().is_some_and(|kind| entry.mode == kind.into())
    }
}
