//! Safe relative paths: the only kind of path that may name a file below a [`Root`](super::Root).
//!
//! Paths from files, git trees and command lines are untrusted. [`RelPath::parse`] refuses
//! everything that could leave the tree or reach into `.git` or `.snapback`, in every spelling that
//! some file system equates with them (git's t1014 list). Names are bytes, not text.

use std::{ffi::OsStr, fmt, os::unix::ffi::OsStrExt, path::Path};

use bstr::{BStr, BString, ByteSlice};
use serde::{Deserialize, Serialize, de};

/// A validated relative path of `/`-separated bytes. Empty only for [`RelPath::root`].
///
/// Its text form (in YAML and JSON) is the path itself if that is UTF-8 and does not begin with
/// `bytes:`, else `bytes:` and hex digits, so that every name round-trips.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RelPath(BString);

/// The reason why a path was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unsafe path {path:?}: {why}")]
pub struct UnsafePath {
    /// The path, escaped.
    pub path: String,
    /// The rule that it breaks.
    pub why: &'static str,
}

/// Longest accepted path, in bytes, including a final NUL (Linux `PATH_MAX`).
const PATH_MAX: usize = 4096;
/// Longest accepted name, in bytes.
const NAME_MAX: usize = 255;
/// Most names in a path: trees and folders are traversed recursively, and each level of a walk
/// holds a folder open.
const DEPTH_MAX: usize = 256;
const TOO_DEEP: &str = "it is deeper than 256 folders";
const TOO_LONG: &str = "it is longer than 4095 bytes";
const HOLDS_NUL: &str = "it holds a NUL byte";
/// The characters that HFS+ ignores in comparisons of names (git's `next_hfs_char`).
const HFS_IGNORED: [char; 16] = [
    '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
    '\u{202e}', '\u{206a}', '\u{206b}', '\u{206c}', '\u{206d}', '\u{206e}', '\u{206f}', '\u{feff}',
];

/// Returns the folder that contains a system path.
pub fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

impl RelPath {
    /// Validates an untrusted path.
    pub fn parse(path: impl AsRef<[u8]>) -> Result<Self, UnsafePath> {
        let bytes = path.as_ref();
        match reason_to_refuse(bytes) {
            None => Ok(Self(bytes.into())),
            Some(why) => Err(UnsafePath {
                path: bytes.as_bstr().to_string(),
                why,
            }),
        }
    }

    /// Returns the root itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// Makes a path chosen by snapback, which may lie in a reserved folder. Never for input.
    pub fn own(path: impl Into<Vec<u8>>) -> Self {
        Self(BString::from(path.into()))
    }

    /// Appends a name chosen by snapback.
    pub fn join(&self, name: impl AsRef<[u8]>) -> Self {
        let mut path = BString::from(Vec::with_capacity(self.0.len() + 1 + name.as_ref().len()));
        path.extend_from_slice(&self.0);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_ref());
        Self(path)
    }

    /// Appends an untrusted name.
    pub fn child(&self, name: &[u8]) -> Result<Self, UnsafePath> {
        let whole = self.join(name);
        let why = match name {
            _ if name.contains(&0) => Some(HOLDS_NUL),
            _ if name.contains(&b'/') => Some("a name holds '/'"),
            _ if whole.0.len() >= PATH_MAX => Some(TOO_LONG),
            _ if is_too_deep(&whole.0) => Some(TOO_DEEP),
            _ => reason_to_refuse_name(name),
        };
        match why {
            None => Ok(whole),
            Some(why) => Err(UnsafePath {
                path: whole.to_string(),
                why,
            }),
        }
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes as a byte string.
    pub fn as_bstr(&self) -> &BStr {
        self.0.as_bstr()
    }

    /// Returns the path for the operating system.
    pub fn as_os(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// True for the root itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the containing folder (the root for a top-level name) and the last name.
    pub fn split(&self) -> (RelPath, &[u8]) {
        match self.0.rfind_byte(b'/') {
            Some(at) => (Self(self.0[..at].into()), &self.0[at + 1..]),
            None => (Self::root(), &self.0),
        }
    }

    /// Returns the containing folder; the root for a top-level name.
    pub fn parent(&self) -> RelPath {
        self.split().0
    }

    /// Returns the last name.
    pub fn name(&self) -> &[u8] {
        self.0
            .rfind_byte(b'/')
            .map_or(&self.0[..], |at| &self.0[at + 1..])
    }

    /// Iterates over all containing folders, nearest first, without the root.
    pub fn ancestors(&self) -> impl Iterator<Item = RelPath> {
        let mut at = self.parent();
        std::iter::from_fn(move || {
            (!at.is_root()).then(|| {
                let above = at.parent();
                std::mem::replace(&mut at, above)
            })
        })
    }

    /// True when `self` is `folder` or lies below it.
    pub fn is_in(&self, folder: &RelPath) -> bool {
        folder.is_root()
            || self.0 == folder.0
            || (self.0.len() > folder.0.len()
                && self.0.starts_with(&folder.0)
                && self.0[folder.0.len()] == b'/')
    }

    /// Returns the form for YAML and JSON; [`RelPath::from_text`] is the inverse.
    pub fn to_text(&self) -> String {
        match self.0.to_str() {
            Ok(text) if !text.starts_with("bytes:") => text.to_string(),
            _ => {
                use fmt::Write;
                let mut hex = String::from("bytes:");
                for byte in self.0.iter() {
                    let _ = write!(hex, "{byte:02x}");
                }
                hex
            }
        }
    }

    /// Parses and validates the form of YAML and JSON.
    pub fn from_text(text: &str) -> Result<Self, UnsafePath> {
        let Some(hex) = text.strip_prefix("bytes:") else {
            return Self::parse(text);
        };
        let wrong = || UnsafePath {
            path: text.to_string(),
            why: "bytes: must be followed by pairs of hex digits",
        };
        if hex.len() % 2 != 0 || !hex.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let byte = |pair: &[u8]| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|p| u8::from_str_radix(p, 16).ok())
        };
        let bytes = hex
            .as_bytes()
            .chunks_exact(2)
            .map(byte)
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(wrong)?;
        Self::parse(bytes)
    }
}

/// Returns the rule that a path breaks, if any.
fn reason_to_refuse(path: &[u8]) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.len() >= PATH_MAX {
        return Some(TOO_LONG);
    }
    if path.contains(&0) {
        return Some(HOLDS_NUL);
    }
    if is_too_deep(path) {
        return Some(TOO_DEEP);
    }
    if path[0] == b'/' {
        return Some("it is absolute");
    }
    path.split(|byte| *byte == b'/')
        .find_map(reason_to_refuse_name)
}

/// True when a path has more than [`DEPTH_MAX`] names.
fn is_too_deep(path: &[u8]) -> bool {
    // Nearly every path is too short to need counting.
    path.len() >= 2 * DEPTH_MAX && path.iter().filter(|byte| **byte == b'/').count() >= DEPTH_MAX
}

/// Returns the rule that one name of a path breaks, if any.
fn reason_to_refuse_name(name: &[u8]) -> Option<&'static str> {
    match name {
        b"" => return Some("it holds an empty name"),
        b"." | b".." => return Some("it holds '.' or '..'"),
        _ if name.len() > NAME_MAX => return Some("it holds a name longer than 255 bytes"),
        _ => {}
    }
    // Fast path: an ASCII name with another first character cannot be one of the spellings below.
    if name.is_ascii() && !matches!(name[0], b'.' | b'g' | b'G' | b's' | b'S') {
        return None;
    }
    // A backslash is a separator on Windows, and `:` begins a stream name on NTFS.
    let first = name
        .split(|byte| matches!(byte, b'\\' | b':'))
        .next()
        .unwrap_or(name);
    for part in [name, first] {
        if is_spelling_of(part, ".git", "git~1") {
            return Some("it reaches into .git");
        }
        if is_spelling_of(part, ".snapback", "snapba~1") {
            return Some("it reaches into .snapback, which is reserved");
        }
    }
    None
}

/// True when some file system equates `name` with `reserved` (case, HFS+ and NTFS rules).
fn is_spelling_of(name: &[u8], reserved: &str, short: &str) -> bool {
    if name.is_ascii() {
        // Nearly every name: no copy is needed.
        let kept = name.trim_end_with(|c| matches!(c, ' ' | '.'));
        return kept.eq_ignore_ascii_case(reserved.as_bytes())
            || kept.eq_ignore_ascii_case(short.as_bytes());
    }
    let folded: String = name
        .to_str_lossy()
        .chars()
        .filter(|c| !HFS_IGNORED.contains(c))
        .collect();
    let folded = folded.trim_end_matches([' ', '.']).to_lowercase();
    folded == reserved || folded == short
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::text::escape(&self.0))
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for RelPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn honest_paths_pass_and_round_trip() {
        for path in [
            &b"a"[..],
            b"tasks/T01/config.yaml",
            b"a b\nc",
            b"\xff\xfe/x",
            b".gitignore",
            b".github/x",
            b"bytes:x",
            b"git",
            b"...",
            b"a.",
        ] {
            let parsed = RelPath::parse(path).expect("it is honest");
            assert_eq!(
                RelPath::from_text(&parsed.to_text()).expect("it round-trips"),
                parsed
            );
        }
    }

    #[test]
    fn hostile_paths_are_refused() {
        let long = vec![b'a'; 256];
        let hostile: [&[u8]; 34] = [
            b"",
            b"/",
            b"/etc/passwd",
            b"..",
            b"a/..",
            b"a/../../x",
            b".",
            b"a/./b",
            b"a//b",
            b"a/",
            b"\0",
            b"a\0b",
            b".git",
            b".git/config",
            b"a/.git/hooks/x",
            b".GIT",
            b".Git/x",
            b".git ",
            b".git.",
            b".git. .",
            b".git::$INDEX_ALLOCATION",
            b".git\\foo",
            b"git~1",
            b"GIT~1/x",
            ".g\u{200c}it".as_bytes(),
            ".gi\u{feff}t/x".as_bytes(),
            b".snapback",
            b".Snapback/x",
            b".snapback.",
            b"snapba~1",
            b"x/.snapback/y",
            b".git:x",
            &long,
            b"..\0",
        ];
        for path in hostile {
            assert!(RelPath::parse(path).is_err(), "{:?}", path.as_bstr());
        }
        assert!(RelPath::parse(vec![b'a'; 5000]).is_err());
        let deep = |names: usize| vec!["a"; names].join("/");
        assert!(RelPath::parse(deep(256)).is_ok() && RelPath::parse(deep(257)).is_err());
        assert!(
            RelPath::own(deep(255)).child(b"a").is_ok()
                && RelPath::own(deep(256)).child(b"a").is_err()
        );
        for name in [&b"a/b"[..], b"..", b"", b"a\0", b".git", &vec![b'a'; 256]] {
            assert!(
                RelPath::own("d").child(name).is_err(),
                "{:?}",
                name.as_bstr()
            );
        }
        assert!(
            RelPath::own(vec!["a".repeat(250); 16].join("/"))
                .child("a".repeat(100).as_bytes())
                .is_err(),
            "the whole is too long"
        );
        assert!(
            RelPath::from_text("bytes:2e2e").is_err(),
            "hex cannot smuggle '..'"
        );
        assert!(RelPath::from_text("bytes:zz").is_err());
    }

    #[test]
    fn being_in_a_folder_is_not_a_prefix_of_text() {
        let path = |text: &str| RelPath::parse(text).expect("it is honest");
        assert!(path("tasks/T01/x").is_in(&path("tasks/T01")));
        assert!(!path("tasks/T010/x").is_in(&path("tasks/T01")));
        assert_eq!(
            path("a/b/c")
                .ancestors()
                .map(|p| p.to_text())
                .collect::<Vec<_>>(),
            ["a/b", "a"]
        );
    }
}
