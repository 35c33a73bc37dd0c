//! What an escape capsule holds: `capsule.json`, its first member. Untrusted when read.
//!
//! Read `capsule/wire.rs` for the format and its rules.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::{Version, report::Moment};
use crate::{GitId, TagName, TaskId, as_written::AsWritten, file_record::FileRecord};
use base::{Digest, RelPath};

mod wire;

/// The format that is written.
pub const CAPSULE_SCHEMA: &str = "snapback.capsule/1";
/// The number of the form of `restore.sh` and `README.txt`; it changes whenever their text does.
pub const PAPERS: u32 = 2;
/// The member with the digests of all others, the last.
pub const SUMS: &str = "SHA256SUMS";
/// The member with the digests of the files alone.
pub const TREE_SUMS: &str = "TREE.sha256";
/// The member that is the manifest of the release.
pub const MANIFEST: &str = "manifest.yaml";

/// The list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The commit of the release.
    pub commit: GitId,
    /// When it was released (any text in hand-written manifests).
    pub released_at: AsWritten<Timestamp>,
    /// The digest of the release manifest, `manifest.yaml`.
    pub manifest: Digest,
    /// The files, sorted by the bytes of their paths.
    pub files: Vec<CapsuleFile>,
    /// Python wheels.
    pub wheels: Vec<Wheel>,
    /// Packages (`name==version`) whose wheels were not found.
    pub missing: Vec<String>,
    /// [`PAPERS`] of the program that made it; those that knew of none wrote none.
    pub papers: Option<u32>,
}

/// A file or symbolic link. Its digest is that of the bytes that the work tree gets; the record of
/// a link holds its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapsuleFile {
    /// What it is, and where it goes.
    pub record: FileRecord,
    /// The digest in the manifest, when the work tree gets other bytes than git keeps.
    pub released: Option<Digest>,
}

/// A Python wheel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// Its file name.
    pub name: String,
    /// Number of its bytes.
    pub size: u64,
    /// Their digest.
    pub sha256: Digest,
    /// True when a file of the release names that digest, or is the wheel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proven: bool,
}

/// What was made, checked or restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapsuleReport {
    /// The capsule.
    pub capsule: String,
    /// Number of its bytes; of a dry run 0.
    pub size: u64,
    /// `cat`, `gzip -dc` or `zstd -dc`.
    pub unpack: &'static str,
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The tag of the release.
    pub tag: TagName,
    /// The commit of the release.
    pub commit: GitId,
    /// When it was released.
    pub released_at: AsWritten<Timestamp>,
    /// The digest of its manifest, to be compared with the tag's.
    pub manifest: Digest,
    /// Number of files.
    pub files: usize,
    /// Of these, symbolic links.
    pub links: usize,
    /// Number of bytes of files and wheels.
    pub bytes: u64,
    /// Number of wheels.
    pub wheels: usize,
    /// Wheels that nothing in the release vouches for.
    pub unproven: Vec<String>,
    /// True when `restore.sh` and `README.txt` are, or were compared with, what this program makes.
    pub compared: bool,
    /// Packages whose wheels are not in it.
    pub missing: Vec<String>,
    /// The packages of the release, `name==version`; known when it was read.
    pub packages: Vec<String>,
    /// The folder of wheels below what was restored.
    pub wheel_folder: Option<String>,
    /// When restoring began.
    pub began_at: Option<Timestamp>,
    /// What was done, step by step.
    pub timeline: Vec<Moment>,
    /// The folder it was restored into.
    pub into: Option<String>,
    /// What was proved, one fact a line.
    pub proved: Vec<String>,
    /// What people should know.
    pub notes: Vec<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

impl CapsuleReport {
    /// About a capsule with this list.
    pub fn of(listing: &Listing, capsule: String, unpack: &'static str) -> Self {
        Self {
            capsule,
            size: 0,
            unpack,
            task: listing.task.clone(),
            version: listing.version.clone(),
            tag: listing.tag(),
            commit: listing.commit.clone(),
            released_at: listing.released_at.clone(),
            manifest: listing.manifest,
            files: listing.files.len(),
            links: listing
                .files
                .iter()
                .filter(|file| file.record.is_link())
                .count(),
            bytes: listing.bytes().unwrap_or(u64::MAX),
            wheels: listing.wheels.len(),
            unproven: listing.unproven().map(|wheel| wheel.name.clone()).collect(),
            compared: listing.is_comparable(),
            missing: listing.missing.clone(),
            packages: Vec::new(),
            wheel_folder: None,
            began_at: None,
            timeline: Vec::new(),
            into: None,
            proved: Vec::new(),
            notes: Vec::new(),
            duration_ms: 0,
        }
    }
}

impl CapsuleFile {
    /// The target of a link; of anything else nothing.
    pub fn target(&self) -> &[u8] {
        self.record.target().unwrap_or_default()
    }

    /// The digest in the manifest.
    pub fn released_digest(&self) -> Digest {
        self.released.unwrap_or(self.record.digest)
    }

    /// Where its bytes are in the capsule; `nth` is its place in the list. Names that some shell,
    /// `tar` or `sha256sum` may take for something else are kept under a number.
    pub fn member(&self, nth: usize) -> Vec<u8> {
        let path = self.record.path.as_bytes();
        let plain = std::str::from_utf8(path)
            .is_ok_and(|text| !text.chars().any(|c| c.is_control() || c == '\\'));
        if plain {
            [b"tree/", path].concat()
        } else {
            format!("odd/{:06}", nth + 1).into_bytes()
        }
    }
}

/// True when a link at `path` leads out of the tree: it is absolute, or climbs above the top.
pub fn leads_out(path: &RelPath, target: &[u8]) -> bool {
    let mut depth = path.as_bytes().iter().filter(|byte| **byte == b'/').count();
    if target.starts_with(b"/") || target.is_empty() {
        return true;
    }
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            // What lies on the way may be a link itself, so that only the way is counted.
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

impl Listing {
    /// Reads and checks untrusted bytes; an error says which rule they break.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let listing: wire::Listing = serde_json::from_slice(bytes)
            .map_err(|error| format!("its list cannot be read: {error}"))?;
        listing.checked()
    }

    /// The tag of the release.
    pub fn tag(&self) -> TagName {
        TagName::release(&self.task, &self.version)
    }

    /// True when this program makes the texts of a capsule in the form that this one has.
    pub fn is_comparable(&self) -> bool {
        self.papers == Some(PAPERS)
    }

    /// The wheels that nothing in the release vouches for.
    pub fn unproven(&self) -> impl Iterator<Item = &Wheel> {
        self.wheels.iter().filter(|wheel| !wheel.proven)
    }

    /// Number of bytes of all files and wheels; `None` when there is no such number.
    pub fn bytes(&self) -> Option<u64> {
        let sizes = self
            .files
            .iter()
            .map(|file| file.record.size)
            .chain(self.wheels.iter().map(|wheel| wheel.size));
        sizes
            .into_iter()
            .try_fold(0u64, |sum, size| sum.checked_add(size))
    }
}

impl Serialize for Listing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::Listing::of(self).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_leave_are_known() {
        let out = |path: &str, target: &str| leads_out(&RelPath::own(path), target.as_bytes());
        assert!(
            out("a", "/etc/passwd")
                && out("a", "..")
                && out("a/b", "../../x")
                && out("a/b", "c/../../../x")
                && out("a", "")
        );
        assert!(!out("a/b", "../x") && !out("a", "b/../c") && !out("a/b/c", "./../../x"));
    }
}
