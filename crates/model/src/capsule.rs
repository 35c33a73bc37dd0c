//! What an escape capsule holds: `capsule.json`, its first member. Untrusted when read.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Version, operation::GitMode, report::Moment};
use crate::TaskId;
use base::{Digest, RelPath};

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
/// Most files that a capsule holds.
const MOST_FILES: usize = 4_000_000;

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    /// [`CAPSULE_SCHEMA`].
    pub schema: String,
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// The tag of the release.
    pub tag: String,
    /// The commit of the release.
    pub commit: String,
    /// When it was released, RFC 3339.
    pub released_at: String,
    /// The digest of the release manifest, `manifest.yaml`.
    pub manifest: Digest,
    /// The files, sorted by the bytes of their paths.
    pub files: Vec<CapsuleFile>,
    /// Python wheels.
    pub wheels: Vec<Wheel>,
    /// Packages (`name==version`) whose wheels were not found.
    pub missing: Vec<String>,
    /// [`PAPERS`] of the program that made it; those that knew of none wrote none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub papers: Option<u32>,
}

/// A file or symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapsuleFile {
    /// Where it goes.
    pub path: RelPath,
    /// git's mode: `100644`, `100755` or `120000`.
    pub mode: GitMode,
    /// Size of its bytes; of a link, of its target.
    pub size: u64,
    /// Digest of its bytes; of a link, of its target.
    pub sha256: Digest,
    /// The digest in the manifest, when the work tree gets other bytes than git keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Digest>,
    /// The target of a link: text, or `bytes:` and hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
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
    pub tag: String,
    /// The commit of the release.
    pub commit: String,
    /// When it was released, RFC 3339.
    pub released_at: String,
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
            tag: listing.tag.clone(),
            commit: listing.commit.clone(),
            released_at: listing.released_at.clone(),
            manifest: listing.manifest,
            files: listing.files.len(),
            links: listing.files.iter().filter(|file| file.is_link()).count(),
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
    /// True for a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode == "120000"
    }

    /// The target of a link.
    pub fn target_bytes(&self) -> Option<Vec<u8>> {
        let text = self.target.as_ref()?;
        let Some(hex) = text.strip_prefix("bytes:") else {
            return Some(text.clone().into_bytes());
        };
        let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        hex.as_bytes().chunks(2).map(digit).collect()
    }

    /// Where its bytes are in the capsule; `nth` is its place in the list. Names that some shell,
    /// `tar` or `sha256sum` may take for something else are kept under a number.
    pub fn member(&self, nth: usize) -> Vec<u8> {
        let path = self.path.as_bytes();
        let plain = std::str::from_utf8(path)
            .is_ok_and(|text| !text.chars().any(|c| c.is_control() || c == '\\'));
        if plain {
            [b"tree/", path].concat()
        } else {
            format!("odd/{:06}", nth + 1).into_bytes()
        }
    }
}

/// The text of a link's target; [`CapsuleFile::target_bytes`] is its inverse.
pub fn target_text(target: &[u8]) -> String {
    use std::fmt::Write;
    match std::str::from_utf8(target) {
        Ok(text) if !text.starts_with("bytes:") => text.to_string(),
        _ => target.iter().fold(String::from("bytes:"), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
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
        let listing: Self = serde_json::from_slice(bytes)
            .map_err(|error| format!("its list cannot be read: {error}"))?;
        listing.check()?;
        Ok(listing)
    }

    fn check(&self) -> Result<(), String> {
        if self.schema != CAPSULE_SCHEMA {
            return Err(format!(
                "it has the format {:?}; this snapback knows {CAPSULE_SCHEMA}",
                self.schema
            ));
        }
        if self.files.len() > MOST_FILES {
            return Err("it lists more files than any release has".into());
        }
        for pair in self.files.windows(2) {
            if pair[0].path >= pair[1].path {
                return Err(format!(
                    "its files are not sorted, or {} is listed twice",
                    pair[1].path
                ));
            }
        }
        let paths: BTreeSet<&RelPath> = self.files.iter().map(|file| &file.path).collect();
        for file in &self.files {
            let path = &file.path;
            if path.is_root() || path.ancestors().any(|above| paths.contains(&above)) {
                return Err(format!("a file or link is listed as a folder of {path}"));
            }
            if !matches!(&*file.mode, "100644" | "100755" | "120000") {
                return Err(format!("{path} has the mode {:?}", file.mode));
            }
            let target = file.target_bytes();
            if file.is_link() != target.is_some()
                || target
                    .is_some_and(|target| target.contains(&0) || Digest::of(&target) != file.sha256)
            {
                return Err(format!(
                    "{path} is listed as a link without its target, or with another one"
                ));
            }
        }
        let is_name = |name: &str| {
            name.ends_with(".whl")
                && !name.starts_with(['.', '-'])
                && name
                    .bytes()
                    .all(|c| c.is_ascii_alphanumeric() || b"._-+!".contains(&c))
        };
        let names: BTreeSet<&String> = self.wheels.iter().map(|wheel| &wheel.name).collect();
        if names.len() < self.wheels.len() {
            return Err("a wheel is listed twice".into());
        }
        match self.wheels.iter().find(|wheel| !is_name(&wheel.name)) {
            Some(wheel) => Err(format!("{:?} is no name of a wheel", wheel.name)),
            None => Ok(()),
        }
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
            .map(|file| file.size)
            .chain(self.wheels.iter().map(|wheel| wheel.size));
        sizes
            .into_iter()
            .try_fold(0u64, |sum, size| sum.checked_add(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_round_trip_and_those_that_leave_are_known() {
        for target in [&b"a b"[..], b"\xff\n", b"bytes:61", "舆情".as_bytes()] {
            let file = CapsuleFile {
                path: RelPath::own("x"),
                mode: "120000".into(),
                size: 1,
                sha256: Digest::of(target),
                released: None,
                target: Some(target_text(target)),
            };
            assert_eq!(file.target_bytes().as_deref(), Some(target));
        }
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
