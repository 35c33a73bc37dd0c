//! The scheme of a task's versions: which texts it accepts, and which version comes next.
//!
//! Nothing needs a scheme to read or compare versions ([`Version`] has one order); it is asked when
//! a tag is taken for a release, when a version is typed for one, and when the next is counted.

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Version, version::Bump, version::NotAVersion};

mod calver;
#[cfg(test)]
mod tests;

pub use calver::is_dated;

/// How the versions of a task are written, ordered and counted.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Scheme {
    /// Three numbers: `1.2.0`, `1.3.0-rc.1`, and hotfixes, `1.2.0-hotfix-20260224`.
    #[default]
    Semver,
    /// As Python packages have them: `1.2`, `1.2.0rc1`, `1.2.0.post1`, `2!1.0`.
    Pep440,
    /// Dates: `2026.02.24`, `2026.2`, `26.02.1`, `20260224`.
    Calver,
}

/// What the next version of a task is counted from, beside the version before it.
#[derive(Debug, Clone, Copy)]
pub struct VersionCount<'a> {
    /// The scheme of the task.
    pub scheme: Scheme,
    /// The day of the release.
    pub today: Date,
    /// The versions of the task, which show how it writes dates.
    pub known: &'a [&'a Version],
}

/// The reason why there is no next version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoNextVersion {
    /// The number to raise is the largest possible.
    #[error("the number to raise in {0} is the largest one possible")]
    Largest(Version),
    /// The scheme has no such number.
    #[error("a version that is a date, such as {0}, has no {1} number")]
    NotOfDates(Version, &'static str),
}

impl Scheme {
    /// Every scheme, the usual one first.
    pub const ALL: [Self; 3] = [Self::Semver, Self::Pep440, Self::Calver];
    /// Maximum length of a version that is not a semantic one, in bytes.
    const LONGEST: usize = 100;

    /// Returns the word for it in settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Semver => "semver",
            Self::Pep440 => "pep440",
            Self::Calver => "calver",
        }
    }

    /// True for a version that a task of this scheme can have.
    pub fn accepts(self, version: &Version) -> bool {
        match self {
            Self::Semver => version.is_semantic(),
            Self::Pep440 | Self::Calver => self.check(version).is_ok(),
        }
    }

    /// Refuses a version that no task of this scheme has.
    ///
    /// # Errors
    /// Returns the reason.
    pub fn check(self, version: &Version) -> Result<(), NotAVersion> {
        let text = version.as_str();
        let why = match self {
            Self::Semver if version.is_semantic() => None,
            Self::Semver => Some(why_not_semantic(text)),
            _ if text.len() > Self::LONGEST => {
                Some(format!("it is longer than {} characters", Self::LONGEST))
            }
            Self::Pep440 if text.contains('-') => Some(why_not_pep440(version)),
            Self::Pep440 => None,
            Self::Calver => calver::why_not(version).map(String::from),
        };
        why.map_or(Ok(()), |why| {
            Err(NotAVersion {
                text: text.into(),
                why: format!("{why} (scheme {})", self.word()),
            })
        })
    }

    /// Parses a version that a task of this scheme can have.
    ///
    /// # Errors
    /// Returns the reason why it is none.
    pub fn parse(self, text: &str) -> Result<Version, NotAVersion> {
        let version: Version = text.parse()?;
        self.check(&version).map(|()| version)
    }
}

impl VersionCount<'_> {
    /// Returns the version of a first release: 0.1.0, or the date.
    pub fn first(&self) -> Version {
        let text = match self.scheme {
            Scheme::Semver | Scheme::Pep440 => "0.1.0".into(),
            Scheme::Calver => self.today.strftime("%Y.%m.%d").to_string(),
        };
        text.parse().expect("because it is a version")
    }

    /// Returns the version after another one. Without `bump`, what the scheme usually raises: the
    /// last of three numbers, or the date.
    ///
    /// # Errors
    /// Fails when a number is the largest possible, or the scheme has no such number.
    pub fn next(&self, base: &Version, bump: Option<Bump>) -> Result<Version, NoNextVersion> {
        let next = match self.scheme {
            Scheme::Calver => calver::next(base, bump, self)?,
            Scheme::Semver | Scheme::Pep440 => raised(base, bump.unwrap_or(Bump::Patch)),
        };
        next.and_then(|text| text.parse().ok())
            .ok_or_else(|| NoNextVersion::Largest(base.clone()))
    }
}

/// Returns the text of the version with a number raised. It has as many numbers as before, and at
/// least the one that is raised.
fn raised(base: &Version, bump: Bump) -> Option<String> {
    let mut numbers = base.numbers().to_vec();
    let at = match bump {
        Bump::Major => 0,
        Bump::Minor => 1,
        Bump::Patch => 2,
    };
    // A pre-release already has the number of what it leads to.
    if bump != Bump::Patch || !base.is_prerelease() {
        numbers.resize(numbers.len().max(at + 1), 0);
        numbers[at] = numbers[at].checked_add(1)?;
        numbers[at + 1..].fill(0);
    }
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let numbers = numbers.join(".");
    Some(match base.epoch() {
        0 => numbers,
        epoch => format!("{epoch}!{numbers}"),
    })
}

/// Returns why a version is no semantic one.
fn why_not_semantic(text: &str) -> String {
    match semver::Version::parse(text) {
        Err(error) => error.to_string(),
        Ok(_) => "build metadata (`+…`) does not order versions and is not allowed".into(),
    }
}

/// Returns why a version with a `-` is no Python version, and how to write it.
fn why_not_pep440(version: &Version) -> String {
    let numbers = version.number_text();
    if version.hotfix_day().is_some() {
        return format!("PEP 440 has no hotfixes; a repair is {numbers}.post1");
    }
    format!("PEP 440 writes it without `-`, such as {numbers}rc1 or {numbers}.post1")
}
