//! Manifests: what something consists of, file by file. That of a release of a task is
//! `snapshots/snapshot-<task>-v<version>.yaml`, in format 1; that of any other [`Subject`] is in
//! format 2.
//!
//! YAML, LF, UTF-8, files sorted by the bytes of their paths. The same manifest always renders to
//! the same bytes; those of a release have their SHA-256 in the tag. Manifests are untrusted when
//! read: see [`Manifest::parse`]. Hand-written ones without `schema` (the users' own example, with
//! only `path` and `checksum`) are read too. Read `manifest/wire.rs` and `manifest/wire_2.rs` for
//! the formats, `manifest/canonical.rs` for the text of format 1.

use base::{Fault, Hint, Kind, RelPath, yaml};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::{DependencyList, as_written::AsWritten};

mod canonical;
mod file;
mod subject;
mod wire;
mod wire_2;

pub use file::{ManifestFile, Role};
pub use subject::{NotAName, NotASessionId, SessionId, Subject, SubjectName, TaskVersion};

/// The format of releases.
pub const MANIFEST_SCHEMA: &str = "snapback.manifest/1";
/// The format of everything else.
pub const MANIFEST_SCHEMA_2: &str = "snapback.manifest/2";
/// How a text in the second format begins.
const BEGIN_2: &[u8] = b"schema: snapback.manifest/2\n";

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not YAML, or not of a manifest's shape.
    #[error("the manifest cannot be read")]
    Read(#[from] yaml::Error),
    /// A newer format.
    #[error(
        "the manifest has the format {0:?}; this snapback knows {MANIFEST_SCHEMA} and {MANIFEST_SCHEMA_2}"
    )]
    Schema(String),
    /// A format that no release has.
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

/// A manifest: of a release, unless it says something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest<S = TaskVersion> {
    /// What it is of.
    pub subject: S,
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

impl Manifest {
    /// Reads and checks untrusted bytes of a release: size, depth, no aliases, format, safe, sorted
    /// and unique paths of which none is a folder of another, legal modes, a tag that fits.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        match canonical::read(bytes) {
            Some(text) => text.checked(),
            None => Self::parse_yaml(bytes),
        }
    }

    /// The same by the YAML parser alone, however the text is written.
    pub fn parse_yaml(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.starts_with(BEGIN_2) {
            return Err(Error::NotOfARelease);
        }
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
}

impl<S> Manifest<S> {
    /// Finds a file.
    pub fn file(&self, path: &RelPath) -> Option<&ManifestFile> {
        self.files.iter().find(|file| file.path() == path)
    }

    /// The same manifest of another subject.
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

/// A manifest of anything.
pub type AnyManifest = Manifest<Subject>;

impl AnyManifest {
    /// Reads and checks untrusted bytes, whatever they are a manifest of.
    pub fn parse_any(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.starts_with(BEGIN_2) {
            return yaml::parse::<wire_2::Manifest>(bytes, yaml::Limits::machine())?.checked();
        }
        Ok(Manifest::parse(bytes)?.of(Subject::TaskVersion))
    }

    /// The canonical bytes; an error when it says less than its format needs, or names bytes that
    /// are kept nowhere.
    pub fn render(&self) -> Result<String, Error> {
        match &self.subject {
            Subject::TaskVersion(version) => {
                let release = self.clone().of(|_| version.clone());
                Ok(release.render())
            }
            _ => Ok(yaml::render(&wire_2::Manifest::of(self)?)),
        }
    }
}

impl Serialize for Manifest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::Manifest::of(self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
