//! The release manifest, `snapshots/snapshot-<task>-v<version>.yaml`: what a release consists of.
//!
//! YAML, LF, UTF-8, files sorted by the bytes of their paths. The same manifest always renders
//! to the same bytes, and those bytes' SHA-256 stands in the tag. Manifests are untrusted when
//! read: see [`Manifest::parse`]. Hand-written ones without `schema` (the users' own example,
//! with only `path` and `checksum`) are read too. Read `manifest/canonical.rs` for the text.

use serde::{Deserialize, Serialize};

use super::{DependencyList, TagName, Version, operation::GitMode};
use crate::{GitId, ObjectId, TaskId};
use base::{Digest, Fault, Hint, Kind, RelPath, yaml};

mod canonical;

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

/// A release manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_SCHEMA`]; `None` in hand-written ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Which release this is.
    pub metadata: Metadata,
    /// Its files, sorted by the bytes of their paths.
    #[serde(default)]
    pub files: Vec<FileEntry>,
    /// What it depends on.
    #[serde(default)]
    pub dependencies: DependencyList,
}

/// Which release a manifest describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The task.
    pub task_id: TaskId,
    /// The version.
    pub version: Version,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// The commit that holds the files (an abbreviation in hand-written ones).
    pub git_commit: String,
    /// The tag.
    pub git_tag: String,
    /// The version that was active before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Version>,
    /// Why it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// True when the tag is older than its manifest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// Files that had other line ends in the work tree than git gives back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub line_ends: Vec<RelPath>,
}

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

/// One file of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path below the work tree.
    pub path: RelPath,
    /// `sha256:…` of the bytes that git (or the store) keeps; see [`FileEntry::digest`].
    pub checksum: String,
    /// Size of those bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// git's mode: `100644`, `100755` or `120000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<GitMode>,
    /// What it is to the release.
    #[serde(default)]
    pub role: Role,
    /// The git blob.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<GitId>,
    /// The stored object, for role large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectId>,
}

impl FileEntry {
    /// The checksum, `None` when a person wrote something that is none.
    pub fn digest(&self) -> Option<Digest> {
        self.checksum.parse().ok()
    }

    /// True when a rollback restores it without being asked.
    pub fn is_restored(&self) -> bool {
        matches!(self.role, Role::Source | Role::Config | Role::Large)
    }
}

impl Manifest {
    /// Reads and checks untrusted bytes: size, depth, no aliases, format, safe, sorted and
    /// unique paths of which none is a folder of another, legal modes, a tag that fits.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let manifest = match canonical::read(bytes) {
            Some(manifest) => manifest,
            None => yaml::parse(bytes, yaml::Limits::machine())?,
        };
        manifest.check()?;
        Ok(manifest)
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

    /// What [`Manifest::parse`] would read as the metadata; the files are passed over in the same
    /// way.
    pub fn parse_metadata(bytes: &[u8]) -> Result<Metadata, Error> {
        match canonical::read_metadata(bytes) {
            Some(metadata) => Ok(metadata),
            None => Self::parse(bytes).map(|manifest| manifest.metadata),
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
        !self.dependencies.is_empty() || !(self.metadata.adopted || self.schema.is_none())
    }

    /// Finds a file.
    pub fn file(&self, path: &RelPath) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path == *path)
    }

    /// The rules that YAML's shape does not express.
    fn check(&self) -> Result<(), Error> {
        let by_hand = match self.schema.as_deref() {
            None => true,
            Some(MANIFEST_SCHEMA) => false,
            Some(other) => return Err(Error::Schema(other.to_string())),
        };
        let meta = &self.metadata;
        let tag = TagName::release(&meta.task_id, &meta.version).to_string();
        if meta.git_tag != tag {
            return rule(format!(
                "git_tag is {:?}, but task and version make {tag:?}",
                meta.git_tag
            ));
        }
        self.check_paths(by_hand)?;
        self.files.iter().try_for_each(|file| file.check(by_hand))
    }

    /// The rules for the paths: sorted, each once, and none a folder of another.
    fn check_paths(&self, by_hand: bool) -> Result<(), Error> {
        let mut paths: Vec<&RelPath> = self.files.iter().map(|file| &file.path).collect();
        if by_hand {
            paths.sort();
        }
        for pair in paths.windows(2) {
            if pair[0] == pair[1] {
                return rule(format!("{} is listed twice", pair[0]));
            }
            if pair[0] > pair[1] {
                return rule(format!(
                    "the files are not sorted: {} comes before {}",
                    pair[0], pair[1]
                ));
            }
        }
        // The files of one folder follow each other, so each folder is looked at about once.
        let mut folder: &[u8] = b"";
        for path in &paths {
            let here = &path.as_bytes()[..path.as_bytes().len() - path.name().len()];
            if here != folder
                && path
                    .ancestors()
                    .any(|above| paths.binary_search(&&above).is_ok())
            {
                return rule(format!("a file is listed as a folder of {path}"));
            }
            folder = here;
        }
        Ok(())
    }
}

impl FileEntry {
    /// The rules for one file.
    fn check(&self, by_hand: bool) -> Result<(), Error> {
        let path = &self.path;
        if !matches!(
            self.mode.as_deref(),
            None | Some("100644" | "100755" | "120000")
        ) {
            return rule(format!("{path} has the mode {:?}", self.mode));
        }
        if by_hand {
            return Ok(());
        }
        if self.digest().is_none() {
            return rule(format!("{path} has the checksum {:?}", self.checksum));
        }
        if self.size.is_none() || self.mode.is_none() {
            return rule(format!("{path} lacks its size or mode"));
        }
        match (self.role, &self.blob, &self.object) {
            (Role::Large, None, Some(_))
            | (Role::Source | Role::Config | Role::Registry | Role::Shared, Some(_), None) => {
                Ok(())
            }
            _ => rule(format!(
                "{path} must name a stored object if its role is large, else a blob"
            )),
        }
    }
}

/// A broken rule.
fn rule<T>(text: String) -> Result<T, Error> {
    Err(Error::Rule(text))
}

#[cfg(test)]
mod tests;
