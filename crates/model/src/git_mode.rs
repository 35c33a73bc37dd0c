//! The mode of a path in git's trees and index, and its spelling in octal digits.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::file_record::FileKind;

/// The mode of an entry of a tree or of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GitMode {
    /// A regular file: `100644`.
    File,
    /// An executable file: `100755`.
    Executable,
    /// A symbolic link: `120000`.
    Link,
    /// A submodule: `160000`.
    Submodule,
    /// A folder: `040000`.
    Folder,
    /// Bits found in an index that git itself never writes.
    Other(u32),
}

/// Bits of the modes that git writes.
const KNOWN: [(u32, GitMode); 5] = [
    (0o100_644, GitMode::File),
    (0o100_755, GitMode::Executable),
    (0o120_000, GitMode::Link),
    (0o160_000, GitMode::Submodule),
    (0o040_000, GitMode::Folder),
];

impl GitMode {
    /// Returns the mode with these bits.
    pub fn of_bits(bits: u32) -> Self {
        let known = KNOWN.into_iter().find(|(known, _)| *known == bits);
        known.map_or(Self::Other(bits), |(_, mode)| mode)
    }

    /// Returns its bits.
    pub fn bits(self) -> u32 {
        match self {
            Self::Other(bits) => bits,
            mode => {
                let known = KNOWN.into_iter().find(|(_, known)| *known == mode);
                known.expect("because every other mode is known").0
            }
        }
    }

    /// Returns the file kind; `None` for a submodule and for modes that git does not write.
    pub fn kind(self) -> Option<FileKind> {
        match self {
            Self::File => Some(FileKind::File),
            Self::Executable => Some(FileKind::Executable),
            Self::Link => Some(FileKind::Link),
            Self::Folder => Some(FileKind::Folder),
            Self::Submodule | Self::Other(_) => None,
        }
    }

    /// Returns the kind if git keeps it as a blob: a file or link.
    pub fn blob_kind(self) -> Option<FileKind> {
        self.kind().filter(|kind| *kind != FileKind::Folder)
    }
}

impl From<FileKind> for GitMode {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::File => Self::File,
            FileKind::Executable => Self::Executable,
            FileKind::Link => Self::Link,
            FileKind::Folder => Self::Folder,
        }
    }
}

impl fmt::Display for GitMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06o}", self.bits())
    }
}

/// The error for a text that is not a git mode.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no mode of git, six octal digits")]
pub struct NotAGitMode(pub String);

impl FromStr for GitMode {
    type Err = NotAGitMode;
    fn from_str(text: &str) -> Result<Self, NotAGitMode> {
        let bits = u32::from_str_radix(text, 8).ok();
        bits.map(Self::of_bits)
            .filter(|mode| mode.to_string() == text)
            .ok_or_else(|| NotAGitMode(text.to_string()))
    }
}

impl Serialize for GitMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GitMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_git_writes_them() {
        for (text, mode) in [
            ("100644", GitMode::File),
            ("100755", GitMode::Executable),
            ("120000", GitMode::Link),
            ("160000", GitMode::Submodule),
            ("040000", GitMode::Folder),
            ("100664", GitMode::Other(0o100_664)),
        ] {
            assert_eq!(text.parse::<GitMode>().expect("it is one"), mode);
            assert_eq!(mode.to_string(), text);
            assert_eq!(GitMode::of_bits(mode.bits()), mode);
            if let Some(kind) = mode.kind() {
                assert_eq!(GitMode::from(kind), mode);
            }
        }
        for text in [
            "", "100 644", "+100644", "0100644", "40000", "10064x", "1006448",
        ] {
            assert!(text.parse::<GitMode>().is_err(), "{text}");
        }
    }
}
