//! Which version a release gets: a pure decision.

use super::Error;
use crate::model::{Version, request::NextVersion, version::Bump};

/// The version asked for; else the configuration's when it is newer than every release; else
/// the newest release with its patch number raised; for a first release the configuration's or
/// 0.1.0. Hotfixes and pre-releases count as what they sort as. An error when the number to raise
/// is the largest there is.
pub fn choose<'a>(
    asked: Option<&NextVersion>,
    config: Option<&Version>,
    released: impl Iterator<Item = &'a Version>,
) -> Result<Version, Error> {
    let newest = released.max();
    let bumped = |bump| match newest {
        Some(newest) => newest.bumped(bump).ok_or_else(|| Error::NoNextVersion(newest.clone())),
        None => Ok(config.cloned().unwrap_or_else(Version::first)),
    };
    match asked {
        Some(NextVersion::Exactly(version)) => Ok(version.clone()),
        Some(NextVersion::Bump(bump)) => bumped(*bump),
        // `commits::resolve` looks at the messages before; without any, what changed is a fix.
        Some(NextVersion::Auto) => bumped(Bump::Patch),
        None => match config {
            Some(config) if newest.is_none_or(|newest| config > newest) => Ok(config.clone()),
            _ => bumped(Bump::Patch),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Fault, Kind};

    fn version(text: &str) -> Version {
        text.parse().expect("it is a version")
    }

    #[test]
    fn what_is_asked_for_wins_then_the_config_then_a_bump() {
        let released = [version("1.2.0"), version("1.10.0")];
        let choose = |asked: Option<NextVersion>, config: &str| {
            choose(asked.as_ref(), Some(&version(config)), released.iter()).expect("there is a next one").to_string()
        };
        assert_eq!(choose(Some(NextVersion::Exactly(version("9.0.0"))), "1.10.0"), "9.0.0");
        assert_eq!(choose(Some(NextVersion::Bump(Bump::Minor)), "1.10.0"), "1.11.0");
        assert_eq!(choose(None, "2.0.0"), "2.0.0");
        assert_eq!(choose(None, "1.10.0"), "1.10.1");
        assert_eq!(choose(None, "1.3.0"), "1.10.1", "after a rollback the config is older than the newest release");
        assert_eq!(super::choose(None, None, std::iter::empty()).expect("there is a first one").to_string(), "0.1.0");
    }

    #[test]
    fn after_the_last_number_comes_an_error_that_says_so() {
        let last = version(&format!("1.2.{}", u64::MAX));
        let choose = |bump| choose(Some(&NextVersion::Bump(bump)), None, std::iter::once(&last));
        let error = choose(Bump::Patch).expect_err("no number is larger");
        assert_eq!((error.kind(), error.to_string().contains(&last.to_string())), (Kind::Usage, true), "{error}");
        assert_eq!(choose(Bump::Minor).expect("this number can be raised"), version("1.3.0"));
    }
}
