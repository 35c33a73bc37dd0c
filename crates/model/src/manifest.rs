//! Manifests: what something consists of, file by file. That of a release of a task is
//! `snapshots/snapshot-<task>-v<version>.yaml`.
//!
//! YAML, LF, UTF-8, files sorted by the bytes of their paths. The same manifest always renders
//! to the same bytes, and those bytes' SHA-256 stands in the tag. Manifests are untrusted when
//! read: see [`Manifest::parse`]. Hand-written ones without `schema` (the users' own example,
//! with only `path` and `checksum`) are read too. Read `manifest/wire.rs` for the format,
//! `manifest/canonical.rs` for the text.

use base::{Fault, Hint, Kind, RelPath, yaml};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{DependencyList, TagName, Version};
use crate::{GitId, TaskId, as_written::AsWritten};

mod canonical;
mod file;
mod wire;

pub use file::{ManifestFile, Role};

/// The format that is written.
pub const MANIFEST_SCHEMA: &str = "snapback.manifest/1";

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not YAML, or not of a manifest's shape.
    #[error("the manifest cannot be read")]
    Read(#[from] yaml::Error),
    /// A newer format.
    #[error("the manifest has the format {0:?}; this snapback knows {MANIFEST_SCHEMA}")]
    Schema(String),
    /// Readable, but it breaks a rule.
    #[error("the manifest breaks a rule: {0}")]
    Rule(String),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Bad
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Schema(_) => vec![Hint::say("install a newer snapback")],
            _ => vec![Hint::say(
                "the tag's commit still holds the files; compare with `git show` before you trust this manifest",
            )],
        }
    }
}

/// A manifest of a version of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is of.
    pub subject: TaskVersion,
    /// When it was made.
    pub created_at: AsWritten<Timestamp>,
    /// Why it was made.
    pub message: Option<String>,
    /// Its files, sorted by the bytes of their paths.
    pub files: Vec<ManifestFile>,
    /// What it depends on.
    pub dependencies: DependencyList,
    /// True when a person wrote it: it names no format, and may leave nearly everything out.
    pub by_hand: bool,
}

/// A version of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskVersion {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The commit that holds the files (an abbreviation in hand-written manifests).
    pub commit: AsWritten<GitId>,
    /// The version that was active before.
    pub previous: Option<Version>,
    /// True when the tag is older than its manifest.
    pub adopted: bool,
    /// Files that had other line ends in the work tree than git gives back.
    pub line_ends: Vec<RelPath>,
}

impl TaskVersion {
    /// Its tag.
    pub fn tag(&self) -> TagName {
        TagName::release(&self.task, &self.version)
    }

    /// True when it is this version of this task.
    pub fn is(&self, task: &TaskId, version: &Version) -> bool {
        (&self.task, &self.version) == (task, version)
    }
}

impl Manifest {
    /// Reads and checks untrusted bytes: size, depth, no aliases, format, safe, sorted and
    /// unique paths of which none is a folder of another, legal modes, a tag that fits.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        match canonical::read(bytes) {
            Some(text) => text.checked(),
            None => Self::parse_yaml(bytes),
        }
    }

    /// The same by the YAML parser alone, however the text is written.
    pub fn parse_yaml(bytes: &[u8]) -> Result<Self, Error> {
        yaml::parse::<wire::Manifest>(bytes, yaml::Limits::machine())?.checked()
    }

    /// What [`Manifest::parse`] would read as the dependencies; `None` when it does not know them.
    /// The files of a text in the canonical form are passed over unread: for bytes that a digest
    /// vouches for.
    pub fn parse_dependencies(bytes: &[u8]) -> Result<Option<DependencyList>, Error> {
        let manifest = match canonical::read_without_files(bytes) {
            Some(manifest) => manifest,
            None => Self::parse(bytes)?,
        };
        Ok(manifest
            .knows_dependencies()
            .then_some(manifest.dependencies))
    }

    /// What [`Manifest::parse`] would read as the subject and the time; the files are passed over
    /// the same way.
    pub fn parse_subject(bytes: &[u8]) -> Result<(TaskVersion, AsWritten<Timestamp>), Error> {
        match canonical::read_metadata(bytes) {
            Some(metadata) => Ok(metadata.into_parts()),
            None => Self::parse(bytes).map(|manifest| (manifest.subject, manifest.created_at)),
        }
    }

    /// The canonical bytes.
    pub fn render(&self) -> String {
        canonical::render(self)
    }

    /// False when nobody looked for the dependencies: the manifest was made from a tag, by a
    /// program that did not read them, or written by hand without them. An empty list then says
    /// nothing.
    pub fn knows_dependencies(&self) -> bool {
        !self.dependencies.is_empty() || !(self.subject.adopted || self.by_hand)
    }

    /// Finds a file.
    pub fn file(&self, path: &RelPath) -> Option<&ManifestFile> {
        self.files.iter().find(|file| file.path() == path)
    }
}

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::Manifest::of(self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
