//! Manifests: the contents of something, file by file. A task release has the manifest
//! `snapshots/snapshot-<task>-v<version>.yaml` in format 1; any other [`Subject`] has one in format
//! 2.
//!
//! YAML, LF, UTF-8, files sorted by the bytes of their paths. The same manifest always renders to
//! the same bytes; the tag of a release holds their SHA-256. Manifests are untrusted when read: see
//! [`Manifest::parse`]. Hand-written ones without `schema` (like the users' own example, with only
//! `path` and `checksum`) are read too. Read `manifest/wire.rs` and `manifest/wire_2.rs` for the
//! formats, `manifest/canonical.rs` for the text of format 1.

use std::collections::BTreeMap;

use base::{Fault, Hint, Kind, RelPath, yaml};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{DependencyList, GitId, ObjectId, as_written::AsWritten};

mod canonical;
mod file;
mod subject;
mod wire;
mod wire_2;

pub use file::{FileRole, ManifestFile};
pub use subject::{NotAName, NotASessionId, SessionId, Subject, SubjectName, TaskVersion};

/// Format for releases.
pub const MANIFEST_SCHEMA: &str = "snapback.manifest/1";
/// Format for everything else.
pub const MANIFEST_SCHEMA_2: &str = "snapback.manifest/2";
/// First bytes of a text in format 2.
const BEGIN_2: &[u8] = b"schema: snapback.manifest/2\n";

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not YAML, or not shaped like a manifest.
    #[error("the manifest cannot be read")]
    Read(#[from] yaml::Error),
    /// A newer format.
    #[error(
        "the manifest has the format {0:?}; this snapback knows {MANIFEST_SCHEMA} and {MANIFEST_SCHEMA_2}"
    )]
    Schema(String),
    /// A format that is not for releases.
    #[error("the manifest has the format {MANIFEST_SCHEMA_2:?}: it is not that of a release")]
    NotOfARelease,
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

/// A manifest; of a release unless another subject type is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest<S = TaskVersion> {
    /// Its subject.
    pub subject: S,
    /// Time when it was created.
    pub created_at: AsWritten<Timestamp>,
    /// Reason for its creation.
    pub message: Option<String>,
    /// Its files, sorted by the bytes of their paths.
    pub files: Vec<ManifestFile>,
    /// Its dependencies.
    pub dependencies: DependencyList,
    /// True when it is hand-written: it names no format, and may omit nearly everything.
    pub by_hand: bool,
}

impl Manifest {
    /// The most bytes that are read: those of a million files with usual names. A text that is
    /// not canonical is left to the YAML parser, which reads less.
    pub const MAX_BYTES: usize = 256 << 20;

    /// First bytes of each file in the canonical text.
    pub const FILE_BEGINS: &[u8] = canonical::FILE_BEGINS.as_bytes();

    /// Reads and checks untrusted bytes of a release: size, depth, no aliases, format, safe, sorted
    /// and unique paths of which none is a folder of another, legal modes, and a matching tag.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        match canonical::read(bytes) {
            Some(text) => text.checked(),
            None => Self::parse_yaml(bytes),
        }
    }

    /// Like [`Self::parse`], but always uses the YAML parser.
    pub fn parse_yaml(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.starts_with(BEGIN_2) {
            return Err(Error::NotOfARelease);
        }
        yaml::parse::<wire::ManifestText>(bytes, yaml::YamlLimits::machine())?.checked()
    }

    /// Reads the dependencies as [`Manifest::parse`] would; `None` when the manifest does not know
    /// them. The files of a canonical text are skipped unread, so use it only for bytes with a
    /// verified digest.
    pub fn parse_dependencies(bytes: &[u8]) -> Result<Option<DependencyList>, Error> {
        let manifest = match canonical::read_without_files(bytes) {
            Some(manifest) => manifest,
            None => Self::parse(bytes)?,
        };
        Ok(manifest
            .knows_dependencies()
            .then_some(manifest.dependencies))
    }

    /// Reads the subject and the time as [`Manifest::parse`] would; files are skipped in the same
    /// way.
    pub fn parse_subject(bytes: &[u8]) -> Result<(TaskVersion, AsWritten<Timestamp>), Error> {
        match canonical::read_metadata(bytes) {
            Some(metadata) => Ok(metadata.into_parts()),
            None => Self::parse(bytes).map(|manifest| (manifest.subject, manifest.created_at)),
        }
    }

    /// Returns the canonical text.
    pub fn render(&self) -> String {
        canonical::render(self, canonical::ReleaseIds::default())
    }

    /// Like [`Self::render`], with the commit of the release and the stored objects of its large
    /// files, which are known only when they are written.
    pub fn render_written(&self, commit: &GitId, objects: &BTreeMap<RelPath, ObjectId>) -> String {
        let ids = canonical::ReleaseIds {
            commit: Some(commit),
            objects: Some(objects),
        };
        canonical::render(self, ids)
    }

    /// Returns the size that the text of [`Self::render_written`] will have, in bytes, and that of
    /// its larger part before or behind the files, which the YAML parser reads. Any commit of the
    /// repository stands in for one that is not made yet.
    pub fn written_size(&self, commit: Option<&GitId>) -> (usize, usize) {
        canonical::written_size(self, commit)
    }

    /// False when dependencies were never searched for: the manifest was created from a tag, by a
    /// program that did not read them, or by hand without them. An empty list then means nothing.
    pub fn knows_dependencies(&self) -> bool {
        !self.dependencies.is_empty() || !(self.subject.adopted || self.by_hand)
    }
}

impl<S> Manifest<S> {
    /// Returns the file at a path.
    pub fn file(&self, path: &RelPath) -> Option<&ManifestFile> {
        self.files.iter().find(|file| file.path() == path)
    }

    /// Converts the manifest to another subject.
    fn of<T>(self, subject: impl FnOnce(S) -> T) -> Manifest<T> {
        Manifest {
            subject: subject(self.subject),
            created_at: self.created_at,
            message: self.message,
            files: self.files,
            dependencies: self.dependencies,
            by_hand: self.by_hand,
        }
    }
}

/// A manifest of any subject.
pub type AnyManifest = Manifest<Subject>;

impl AnyManifest {
    /// Reads and checks an untrusted manifest of any subject.
    pub fn parse_any(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.starts_with(BEGIN_2) {
            return yaml::parse::<wire_2::ManifestText2>(bytes, yaml::YamlLimits::machine())?
                .checked();
        }
        Ok(Manifest::parse(bytes)?.of(Subject::TaskVersion))
    }

    /// Returns the canonical text; an error when the manifest lacks data that its format needs, or
    /// names bytes that are stored nowhere.
    pub fn render(&self) -> Result<String, Error> {
        match &self.subject {
            Subject::TaskVersion(version) => {
                let release = self.clone().of(|_| version.clone());
                Ok(release.render())
            }
            _ => Ok(yaml::render(&wire_2::ManifestText2::of(self)?)),
        }
    }
}

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::ManifestText::of(self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
