//! The default target of a rollback: the newest version that is proven good.

use crate::{Version, verdict::VersionState};

/// Returns the newest version older than the active one that was proven or marked good and is
/// neither bad nor held. Not simply the previous one, which may be why somebody rolls back twice.
///
/// # Errors
/// The reason why there is none.
pub fn choose<'a>(
    active: Option<&Version>,
    versions: impl Iterator<Item = (&'a Version, VersionState)>,
) -> Result<&'a Version, NoTarget> {
    let mut older: Vec<_> = versions
        .filter(|(version, _)| active.is_none_or(|active| *version < active))
        .collect();
    older.sort_by(|a, b| a.0.cmp(b.0));
    if let Some((version, _)) = older.iter().rfind(|(_, said)| said.may_be_default_target()) {
        return Ok(version);
    }
    let Some((newest, _)) = older.last() else {
        return Err(NoTarget::Oldest(active.cloned()));
    };
    Err(
        match older.iter().rfind(|(_, said)| !said.bad && !said.held) {
            Some((version, said)) if said.failed => NoTarget::Failed((*version).clone()),
            Some((version, _)) => NoTarget::Unproven {
                version: (*version).clone(),
                is_previous: version == newest,
            },
            None => NoTarget::TakenBack((*newest).clone()),
        },
    )
}

/// The reason why there is no default target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoTarget {
    /// No version is older than the active one.
    Oldest(Option<Version>),
    /// The newest older version that is neither bad nor held was not proven or marked good.
    Unproven {
        /// That version.
        version: Version,
        /// True when it is the newest older version of all.
        is_previous: bool,
    },
    /// The checks of the newest older version that is neither bad nor held failed.
    Failed(Version),
    /// All older versions are bad or held; this is the newest of them.
    TakenBack(Version),
    /// The newest good version is below a one-way version.
    BelowDoor {
        /// That version.
        version: Version,
        /// The lowest version that can be reached without crossing it.
        floor: Version,
    },
}

impl NoTarget {
    /// Returns the version in question: the newest older one that could have been chosen.
    pub fn named(&self) -> Option<&Version> {
        match self {
            Self::Oldest(_) | Self::TakenBack(_) => None,
            Self::Unproven { version, .. }
            | Self::Failed(version)
            | Self::BelowDoor { version, .. } => Some(version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_held_and_unproven_versions_are_passed_over() {
        let version = |text: &str| -> Version { text.parse().expect("it is a version") };
        let proven = VersionState {
            proven: true,
            ..VersionState::default()
        };
        let all = [
            (version("1.0.0"), proven),
            (
                version("1.1.0"),
                VersionState {
                    good: true,
                    ..VersionState::default()
                },
            ),
            (
                version("1.2.0"),
                VersionState {
                    held: true,
                    ..proven
                },
            ),
            (
                version("1.3.0"),
                VersionState {
                    bad: true,
                    ..proven
                },
            ),
            (version("1.4.0"), VersionState::default()),
            (version("1.5.0"), proven),
        ];
        let choose = |active: &str, from: usize| {
            choose(
                Some(&version(active)),
                all[from..].iter().map(|(v, s)| (v, *s)),
            )
            .cloned()
        };
        assert_eq!(choose("1.5.0", 0), Ok(version("1.1.0")));
        assert_eq!(choose("2.0.0", 0), Ok(version("1.5.0")));
        assert_eq!(
            choose("1.0.0", 0),
            Err(NoTarget::Oldest(Some(version("1.0.0"))))
        );
        assert_eq!(
            choose("1.5.0", 4),
            Err(NoTarget::Unproven {
                version: version("1.4.0"),
                is_previous: true
            })
        );
        assert_eq!(
            choose("1.4.0", 2),
            Err(NoTarget::TakenBack(version("1.3.0")))
        );
        let failed = (
            version("1.0.0"),
            VersionState {
                failed: true,
                ..proven
            },
        );
        assert_eq!(
            super::choose(None, std::iter::once((&failed.0, failed.1))),
            Err(NoTarget::Failed(version("1.0.0")))
        );
    }
}
