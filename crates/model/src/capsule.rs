//! The list of an escape capsule: `capsule.json`, its first member. Untrusted when read.
//!
//! Read `capsule/wire.rs` for the format and its rules.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::{Version, report::StepTime};
use crate::{GitId, TaskId, as_written::AsWritten, file_record::FileRecord};
use base::{Digest, RelPath};

mod wire;

/// Format that is written.
pub const CAPSULE_SCHEMA: &str = "snapback.capsule/1";
/// Version of the texts `restore.sh` and `README.txt`; changes whenever they do.
pub const PAPERS: u32 = 2;
/// Last member, with the digests of all others.
pub const SUMS: &str = "SHA256SUMS";
/// Member with the digests of the files only.
pub const TREE_SUMS: &str = "TREE.sha256";
/// Member that holds the manifest of the release.
pub const MANIFEST: &str = "manifest.yaml";

/// The list of a capsule's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapsuleListing {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The name of its tag.
    pub tag: String,
    /// The commit of the release.
    pub commit: GitId,
    /// Time of the release (any text in hand-written manifests).
    pub released_at: AsWritten<Timestamp>,
    /// The digest of the release manifest, `manifest.yaml`.
    pub manifest: Digest,
    /// The files, sorted by the bytes of their paths.
    pub files: Vec<CapsuleFile>,
    /// Python wheels.
    pub wheels: Vec<Wheel>,
    /// Packages (`name==version`) whose wheels were not found.
    pub missing: Vec<String>,
    /// [`PAPERS`] of the program that made it; `None` for programs from before it existed.
    pub papers: Option<u32>,
}

/// A file or symbolic link. Its digest is that of the bytes written to the work tree; the record of
/// a link holds its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapsuleFile {
    /// Its type, content and path.
    pub record: FileRecord,
    /// The digest in the manifest, when the work tree gets different bytes than git keeps.
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
    /// Digest of its bytes.
    pub sha256: Digest,
    /// True when a file of the release names this digest, or is the wheel.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proven: bool,
}

/// The result of making, checking or restoring a capsule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CapsuleReport {
    /// The capsule.
    pub capsule: String,
    /// Number of its bytes; 0 for a dry run.
    pub size: u64,
    /// `cat`, `gzip -dc` or `zstd -dc`.
    pub unpack: &'static str,
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The tag of the release.
    pub tag: String,
    /// The commit of the release.
    pub commit: GitId,
    /// Time of the release.
    pub released_at: AsWritten<Timestamp>,
    /// The digest of its manifest, to compare with the tag's.
    pub manifest: Digest,
    /// Number of files.
    pub files: usize,
    /// Number of symbolic links among them.
    pub links: usize,
    /// Total number of bytes of files and wheels.
    pub bytes: u64,
    /// Number of wheels.
    pub wheels: usize,
    /// Wheels that nothing in the release vouches for.
    pub unproven: Vec<String>,
    /// True when `restore.sh` and `README.txt` are this program's own, or were compared with them.
    pub compared: bool,
    /// Packages whose wheels are missing.
    pub missing: Vec<String>,
    /// The packages of the release, `name==version`; filled in when the release was read.
    pub packages: Vec<String>,
    /// The folder of wheels below the restored folder.
    pub wheel_folder: Option<String>,
    /// Time when restoring began.
    pub began_at: Option<Timestamp>,
    /// The steps that were taken.
    pub timeline: Vec<StepTime>,
    /// The target folder of the restore.
    pub into: Option<String>,
    /// The facts that were proved, one per line.
    pub proved: Vec<String>,
    /// Notes for the user.
    pub notes: Vec<String>,
    /// Duration in milliseconds.
    pub duration_ms: u64,
}

impl CapsuleReport {
    /// Creates a report about a capsule with this list.
    pub fn of(listing: &CapsuleListing, capsule: String, unpack: &'static str) -> Self {
        Self {
            capsule,
            size: 0,
            unpack,
            task: listing.task.clone(),
            version: listing.version.clone(),
            tag: listing.tag.clone(),
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
    /// Returns the target of a link; empty for anything else.
    pub fn target(&self) -> &[u8] {
        self.record.target().unwrap_or_default()
    }

    /// Returns the digest in the manifest.
    pub fn released_digest(&self) -> Digest {
        self.released.unwrap_or(self.record.digest)
    }

    /// Returns the capsule member with its bytes; `nth` is its position in the list. Names that a
    /// shell, `tar` or `sha256sum` may misinterpret are stored under a number.
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

/// True when a link at `path` leads out of the tree: it is absolute or climbs above the top.
pub fn leads_out(path: &RelPath, target: &[u8]) -> bool {
    let mut depth = path.as_bytes().iter().filter(|byte| **byte == b'/').count();
    if target.starts_with(b"/") || target.is_empty() {
        return true;
    }
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            // Path components may be links themselves, so only the depth is counted.
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

impl CapsuleListing {
    /// Reads and checks untrusted bytes; the error names the broken rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let listing: wire::CapsuleListingText = serde_json::from_slice(bytes)
            .map_err(|error| format!("its list cannot be read: {error}"))?;
        listing.checked()
    }

    /// True when this program makes a capsule's texts in the same version as this capsule has.
    pub fn is_comparable(&self) -> bool {
        self.papers == Some(PAPERS)
    }

    /// Returns the wheels that nothing in the release vouches for.
    pub fn unproven(&self) -> impl Iterator<Item = &Wheel> {
        self.wheels.iter().filter(|wheel| !wheel.proven)
    }

    /// Returns the number of bytes of all files and wheels; `None` when it overflows.
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

impl Serialize for CapsuleListing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        wire::CapsuleListingText::of(self).serialize(serializer)
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
