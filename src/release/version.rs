//! Chooses the version of a release, as a pure decision.

use super::Error;
use crate::model::{Version, VersionCount, request::NextVersion};

/// Returns the requested version; else the configuration's if newer than every release of the line;
/// else the one after the base; for a first release the configuration's or the scheme's first.
/// Hotfixes and pre-releases count by sort order. Also returns whether it was derived.
///
/// # Errors
/// Fails when no version comes after the base, and when the version is not one of the scheme.
pub fn choose(
    asked: Option<&NextVersion>,
    config: Option<&Version>,
    (released, base): (Option<&Version>, Option<&Version>),
    count: &VersionCount<'_>,
) -> Result<(Version, bool), Error> {
    let bumped = |bump| -> Result<_, Error> {
        Ok(match base {
            Some(base) => (count.next(base, bump)?, true),
            None => (config.cloned().unwrap_or_else(|| count.first()), false),
        })
    };
    let chosen = match asked {
        Some(NextVersion::Exactly(version)) => Ok((version.clone(), false)),
        Some(NextVersion::Bump(bump)) => bumped(Some(*bump)),
        // `commits::resolve` has evaluated the messages; without any, a change counts as a fix.
        Some(NextVersion::Auto) => bumped(None),
        None => match config {
            Some(config) if released.is_none_or(|released| config > released) => {
                Ok((config.clone(), false))
            }
            _ => bumped(None),
        },
    };
    let (version, is_derived) = chosen?;
    count.scheme.check(&version)?;
    Ok((version, is_derived))
}

/// No task makes this many versions between two releases: a tag that far ahead without a manifest
/// has another origin. Leaves room for dates as numbers.
const FAR: u64 = 100_000;
/// This far ahead, a release that was taken back does not count.
const FAR_AND_TAKEN_BACK: u64 = 1_000;

/// A release, as far as it matters for the next number.
#[derive(Debug, Clone, Copy)]
pub struct VersionStep<'a> {
    /// Its version.
    pub version: &'a Version,
    /// True when somebody marked it bad, or holds it.
    pub taken_back: bool,
}

/// Returns how many of these sorted releases count for the next number. A pushed tag `v999999.0.0`
/// must not determine all later versions: one far ahead of the next lower one is skipped if it has
/// no manifest or was taken back.
///
/// `has_manifest` is called only for releases that are far ahead.
pub fn counted<'a>(
    releases: usize,
    step: impl Fn(usize) -> VersionStep<'a>,
    has_manifest: impl Fn(usize) -> bool,
    active: Option<&Version>,
) -> usize {
    let mut count = releases;
    while count > 0 {
        let last = step(count - 1);
        let lower = (count > 1).then(|| step(count - 2).version);
        let Some(below) = lower
            .into_iter()
            .chain(active.filter(|active| *active < last.version))
            .max()
        else {
            break;
        };
        let ahead = last.version.ahead_of(below);
        let is_passed_over = active != Some(last.version)
            && ((ahead > FAR_AND_TAKEN_BACK && last.taken_back)
                || (ahead > FAR && !has_manifest(count - 1)));
        if !is_passed_over {
            break;
        }
        count -= 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        base::{Fault, Kind},
        model::{Scheme, version::Bump},
    };

    /// How the usual scheme counts.
    const USUAL: VersionCount<'_> = VersionCount {
        scheme: Scheme::Semver,
        today: jiff::civil::date(2026, 2, 24),
        known: &[],
    };

    fn version(text: &str) -> Version {
        text.parse().expect("it is a version")
    }

    #[test]
    fn what_is_asked_for_wins_then_the_config_then_a_bump() {
        let newest = version("1.10.0");
        let choose = |asked: Option<NextVersion>, config: &str| {
            choose(
                asked.as_ref(),
                Some(&version(config)),
                (Some(&newest), Some(&newest)),
                &USUAL,
            )
            .expect("there is a next one")
            .0
            .to_string()
        };
        assert_eq!(
            choose(Some(NextVersion::Exactly(version("9.0.0"))), "1.10.0"),
            "9.0.0"
        );
        assert_eq!(
            choose(Some(NextVersion::Bump(Bump::Minor)), "1.10.0"),
            "1.11.0"
        );
        assert_eq!(choose(None, "2.0.0"), "2.0.0");
        assert_eq!(choose(None, "1.10.0"), "1.10.1");
        assert_eq!(
            choose(None, "1.3.0"),
            "1.10.1",
            "after a rollback the config is older than the newest release"
        );
        assert_eq!(
            super::choose(None, None, (None, None), &USUAL)
                .expect("there is a first one")
                .0
                .to_string(),
            "0.1.0"
        );
    }

    /// Counts three versions that were taken back plus these: version, whether it was taken back,
    /// whether it has a manifest.
    fn counted_with(more: &[(&str, bool, bool)], active: &str) -> usize {
        let all = ["1.0.0", "1.1.0", "1.2.0"].map(version);
        let more: Vec<(Version, bool, bool)> = more
            .iter()
            .map(|(text, back, has)| (version(text), *back, *has))
            .collect();
        let step = |version, taken_back| VersionStep {
            version,
            taken_back,
        };
        let own = all.iter().map(|version| (step(version, true), false));
        let more = more
            .iter()
            .map(|(version, taken_back, has)| (step(version, *taken_back), *has));
        let steps: Vec<(VersionStep<'_>, bool)> = own.chain(more).collect();
        counted(
            steps.len(),
            |nth| steps[nth].0,
            |nth| steps[nth].1,
            Some(&version(active)),
        )
    }

    #[test]
    fn what_is_far_ahead_and_no_release_of_ours_is_not_counted() {
        assert_eq!(
            counted_with(&[], "1.2.0"),
            3,
            "a version that is bad is counted on from: its number is taken"
        );
        assert_eq!(counted_with(&[("999999.0.0", false, false)], "1.2.0"), 3);
        assert_eq!(
            counted_with(
                &[
                    ("1.2.999999", false, false),
                    ("1.999999.0", false, false),
                    ("999999.0.0", false, false)
                ],
                "1.2.0"
            ),
            3
        );
        assert_eq!(
            counted_with(&[("999999.0.0", false, true)], "1.2.0"),
            4,
            "it is a release"
        );
        assert_eq!(
            counted_with(&[("999999.0.0", true, true)], "1.2.0"),
            3,
            "until somebody takes it back"
        );
        assert_eq!(
            counted_with(&[("999999.0.0", true, true)], "999999.0.0"),
            4,
            "or it is active"
        );
    }

    #[test]
    fn a_year_is_a_number_and_a_date_is_one_only_when_it_was_released() {
        assert_eq!(
            counted_with(&[("2026.1.0", false, false)], "1.2.0"),
            4,
            "a year is a number that people use"
        );
        assert_eq!(counted_with(&[("1.2.20260101", false, false)], "1.2.0"), 3);
        assert_eq!(
            counted_with(
                &[
                    ("20260101.0.0", false, true),
                    ("20270101.0.0", false, false)
                ],
                "20260101.0.0"
            ),
            5
        );
    }

    #[test]
    fn a_lone_release_is_counted_however_large_its_number_is() {
        let lone = version("999999.0.0");
        let step = |_| VersionStep {
            version: &lone,
            taken_back: false,
        };
        assert_eq!(
            counted(1, step, |_| false, None),
            1,
            "there is nothing to compare it with"
        );
        assert_eq!(counted(0, step, |_| false, None), 0);
    }

    #[test]
    fn after_the_last_number_comes_an_error_that_says_so() {
        let last = version(&format!("1.2.{}", u64::MAX));
        let choose = |bump| {
            choose(
                Some(&NextVersion::Bump(bump)),
                None,
                (Some(&last), Some(&last)),
                &USUAL,
            )
            .map(|(version, _)| version)
        };
        let error = choose(Bump::Patch).expect_err("no number is larger");
        assert_eq!(
            (error.kind(), error.to_string().contains(&last.to_string())),
            (Kind::Usage, true),
            "{error}"
        );
        assert_eq!(
            choose(Bump::Minor).expect("this number can be raised"),
            version("1.3.0")
        );
    }
}
