//! Versions of a task, in the text that its people wrote.
//!
//! There is one order over all texts, so nobody needs to know a task's scheme to read a version.
//! Which texts a task accepts, and which version comes next, is decided by [`crate::Scheme`].
//! `version/key.rs` has the grammar and the order.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use key::{VersionKey, VersionStage};

mod key;
#[cfg(test)]
mod tests;

/// A version of a task, such as `1.2.0`, `1.3.0-rc.1`, `1.2.0-hotfix-20260224`, `1.2.0rc1` or
/// `2026.02.24`.
///
/// It is shown as it was written. Two spellings of one version, such as `1.2` and `1.2.0`, are
/// equal.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version(Arc<ParsedVersion>);

/// A text with its meaning.
struct ParsedVersion {
    text: String,
    key: VersionKey,
    /// True for a semantic version, which has three numbers without zeros before them.
    is_semantic: bool,
}

/// The error for a text that is not a version of a task.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a version: {why}")]
pub struct NotAVersion {
    /// The text.
    pub text: String,
    /// The reason.
    pub why: String,
}

/// The part of a version to raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bump {
    /// 1.2.3 -> 2.0.0
    Major,
    /// 1.2.3 -> 1.3.0
    Minor,
    /// 1.2.3 -> 1.2.4; 1.3.0-rc.1 -> 1.3.0
    Patch,
}

impl Version {
    /// Maximum length of a version's text, in bytes.
    pub const LONGEST: usize = 128;

    /// Returns an optional version in words.
    pub fn or_none(version: Option<&Self>) -> String {
        version.map_or_else(|| "no version".into(), ToString::to_string)
    }

    /// Returns the text, as it was written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// True for a semantic version (semver 2.0.0 without build metadata).
    pub fn is_semantic(&self) -> bool {
        self.0.is_semantic
    }

    /// True while the major number is 0: nothing is stable yet.
    pub fn is_initial(&self) -> bool {
        self.0.key.epoch == 0 && self.0.key.numbers.first() == Some(&0)
    }

    /// Returns the day of a hotfix (`YYYYMMDD`), if it is one.
    pub fn hotfix_day(&self) -> Option<&str> {
        match &self.0.key.stage {
            VersionStage::Hotfix(day) => Some(day),
            _ => None,
        }
    }

    /// True when the version is compatible with a configuration that says `config`: a hotfix of
    /// 1.2.0 is made from a tree that says 1.2.0.
    pub fn agrees_with_config(&self, config: &Self) -> bool {
        self == config
            || self.hotfix_day().is_some()
                && config.0.key.is_bare()
                && self.0.key.base() == config.0.key.base()
    }

    /// True for a version that comes before the one of its numbers: `1.3.0-rc.1`, `1.3rc1`,
    /// `1.3.dev2`.
    pub fn is_prerelease(&self) -> bool {
        self.0.key.is_prerelease()
    }

    /// Returns its numbers, as far as they are written.
    pub(crate) fn numbers(&self) -> &[u64] {
        &self.0.key.numbers
    }

    /// Returns the number before `!`, which is 0 when there is none.
    pub(crate) fn epoch(&self) -> u64 {
        self.0.key.epoch
    }

    /// Returns the text of its numbers: `2026.02.24` of `2026.02.24-rc1`.
    pub(crate) fn number_text(&self) -> &str {
        let end = self.0.text.find(|c: char| !c.is_ascii_digit() && c != '.');
        self.0.text[..end.unwrap_or(self.0.text.len())].trim_end_matches('.')
    }

    /// Returns by how much the first differing number exceeds that of `other`; 0 when it does not.
    pub fn ahead_of(&self, other: &Self) -> u64 {
        let count = self.numbers().len().max(other.numbers().len());
        let number = |version: &Self, at: usize| version.numbers().get(at).copied().unwrap_or(0);
        let numbers = (0..count).map(|at| (number(self, at), number(other, at)));
        let mut all = std::iter::once((self.epoch(), other.epoch())).chain(numbers);
        let differs = all.find(|(own, other)| own != other);
        differs.map_or(0, |(own, other)| own.saturating_sub(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key.order().hash(state);
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.key.order().cmp(&other.0.key.order())
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Version {
    type Err = NotAVersion;
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let wrong = |why: String| NotAVersion {
            text: text.to_string(),
            why,
        };
        if text.len() > Self::LONGEST {
            return Err(wrong(format!(
                "it is longer than {} characters",
                Self::LONGEST
            )));
        }
        if text.contains("rollback-from-v") {
            return Err(wrong(
                "`rollback-from-v` marks rollbacks and is not allowed in a version".into(),
            ));
        }
        if text.ends_with(".lock") {
            return Err(wrong("git refuses tag names that end in .lock".into()));
        }
        let semantic = semver::Version::parse(text).map_err(|error| wrong(error.to_string()));
        match VersionKey::parse(text) {
            Some(key) => Ok(Self(Arc::new(ParsedVersion {
                text: text.into(),
                key,
                is_semantic: semantic.is_ok_and(|version| version.build.is_empty()),
            }))),
            // What every scheme refuses is told in the words of the usual one.
            None => Err(semantic.err().unwrap_or_else(|| {
                wrong("build metadata (`+…`) does not order versions and is not allowed".into())
            })),
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({})", self.0.text)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.text)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0.text.clone()
    }
}

impl TryFrom<String> for Version {
    type Error = NotAVersion;
    fn try_from(text: String) -> Result<Self, NotAVersion> {
        text.parse()
    }
}
