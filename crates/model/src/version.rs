//! Versions of a task: semantic versions without build metadata, and hotfixes that sort after.
//!
//! Semver 2.0.0 orders `1.2.0-hotfix-20260224` before `1.2.0`, like every pre-release. The users'
//! documents mean a repair of 1.2.0, so here a hotfix sorts just after its base.

use std::{cmp::Ordering, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A version of a task, such as `1.2.0`, `1.3.0-rc.1` or `1.2.0-hotfix-20260224`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version(semver::Version);

/// The error for a text that is not a version of a task.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
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
    /// Returns an optional version in words.
    pub fn or_none(version: Option<&Self>) -> String {
        version.map_or_else(|| "no version".into(), ToString::to_string)
    }

    /// Returns the version of a first release: 0.1.0.
    pub fn first() -> Self {
        Self(semver::Version::new(0, 1, 0))
    }

    /// True while the major number is 0: nothing is stable yet.
    pub fn is_initial(&self) -> bool {
        self.0.major == 0
    }

    /// Returns the day of a hotfix (`YYYYMMDD`), if it is one.
    pub fn hotfix_day(&self) -> Option<&str> {
        let day = self.0.pre.as_str().strip_prefix("hotfix-")?;
        (day.len() == 8 && day.bytes().all(|c| c.is_ascii_digit())).then_some(day)
    }

    /// True when the version is compatible with a configuration that says `config`: a hotfix of
    /// 1.2.0 is made from a tree that says 1.2.0.
    pub fn agrees_with_config(&self, config: &Self) -> bool {
        let base = |version: &Self| (version.0.major, version.0.minor, version.0.patch);
        self == config
            || self.hotfix_day().is_some() && config.0.pre.is_empty() && base(self) == base(config)
    }

    /// True for a pre-release other than a hotfix.
    pub fn is_prerelease(&self) -> bool {
        !self.0.pre.is_empty() && self.hotfix_day().is_none()
    }

    /// Returns by how much the first differing number exceeds that of `other`; 0 when it does not.
    pub fn ahead_of(&self, other: &Self) -> u64 {
        let parts = |version: &Self| [version.0.major, version.0.minor, version.0.patch];
        let differs = parts(self)
            .into_iter()
            .zip(parts(other))
            .find(|(own, other)| own != other);
        differs.map_or(0, |(own, other)| own.saturating_sub(other))
    }

    /// Returns the next version; `None` when the number to raise is already the largest possible.
    pub fn bumped(&self, bump: Bump) -> Option<Self> {
        let (major, minor, patch) = (self.0.major, self.0.minor, self.0.patch);
        let next = match bump {
            Bump::Major => semver::Version::new(major.checked_add(1)?, 0, 0),
            Bump::Minor => semver::Version::new(major, minor.checked_add(1)?, 0),
            Bump::Patch if self.is_prerelease() => semver::Version::new(major, minor, patch),
            Bump::Patch => semver::Version::new(major, minor, patch.checked_add(1)?),
        };
        Some(Self(next))
    }

    /// Returns the sort key: base, then pre-release < release < hotfix.
    fn key(&self) -> (u64, u64, u64, u8, Option<&str>) {
        let rank = if self.is_prerelease() {
            0
        } else {
            1 + u8::from(self.hotfix_day().is_some())
        };
        (
            self.0.major,
            self.0.minor,
            self.0.patch,
            rank,
            self.hotfix_day(),
        )
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key()
            .cmp(&other.key())
            .then_with(|| self.0.cmp(&other.0))
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
        if text.len() > 128 {
            return Err(wrong("it is longer than 128 characters".into()));
        }
        let version = semver::Version::parse(text).map_err(|error| wrong(error.to_string()))?;
        if !version.build.is_empty() {
            return Err(wrong(
                "build metadata (`+…`) does not order versions and is not allowed".into(),
            ));
        }
        if version.pre.contains("rollback-from-v") {
            return Err(wrong(
                "`rollback-from-v` marks rollbacks and is not allowed in a version".into(),
            ));
        }
        if text.ends_with(".lock") {
            return Err(wrong("git refuses tag names that end in .lock".into()));
        }
        Ok(Self(version))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = NotAVersion;
    fn try_from(text: String) -> Result<Self, NotAVersion> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("it is a version")
    }

    #[test]
    fn order_is_numeric_and_a_hotfix_comes_after_its_base() {
        let sorted = [
            "1.2.0-rc.1",
            "1.2.0",
            "1.2.0-hotfix-20260224",
            "1.2.0-hotfix-20260301",
            "1.2.1",
            "1.10.0",
        ];
        for pair in sorted.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn bumps() {
        let bumped = |text: &str, bump| version(text).bumped(bump).map(|next| next.to_string());
        assert_eq!(bumped("1.2.3", Bump::Minor).as_deref(), Some("1.3.0"));
        assert_eq!(bumped("1.3.0-rc.1", Bump::Patch).as_deref(), Some("1.3.0"));
        assert_eq!(
            bumped("1.2.0-hotfix-20260224", Bump::Patch).as_deref(),
            Some("1.2.1")
        );
        for (bump, last) in [
            (Bump::Major, [u64::MAX, 0, 0]),
            (Bump::Minor, [0, u64::MAX, 0]),
            (Bump::Patch, [0, 0, u64::MAX]),
        ] {
            let last = last.map(|number| number.to_string()).join(".");
            assert_eq!(bumped(&last, bump), None, "{last} is the last one");
            assert_eq!(
                bumped(&format!("{last}-rc.1"), Bump::Patch),
                Some(last),
                "it has the number already"
            );
        }
    }

    #[test]
    fn what_is_not_a_version() {
        for text in [
            "",
            "1.2",
            "v1.2.0",
            "1.02.0",
            "1.2.0+5",
            "1.2.0-rollback-from-v1",
            "1.2.0-x.lock",
            "99999999999999999999.0.0",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
