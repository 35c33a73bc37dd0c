//! Which version a release gets: a pure decision.

use crate::model::{Version, request::NextVersion, version::Bump};

/// The version asked for; else the configuration's when it is newer than every release; else
/// the newest release with its patch number raised; for a first release the configuration's or
/// 0.1.0. Hotfixes and pre-releases count as what they sort as.
pub fn choose<'a>(asked: Option<&NextVersion>, config: Option<&Version>, released: impl Iterator<Item = &'a Version>) -> Version {
    let newest = released.max();
    let bumped = |bump| newest.map_or_else(|| config.cloned().unwrap_or_else(Version::first), |newest| newest.bumped(bump));
    match asked {
        Some(NextVersion::Exactly(version)) => version.clone(),
        Some(NextVersion::Bump(bump)) => bumped(*bump),
        None => match config {
            Some(config) if newest.is_none_or(|newest| config > newest) => config.clone(),
            _ => bumped(Bump::Patch),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("it is a version")
    }

    #[test]
    fn what_is_asked_for_wins_then_the_config_then_a_bump() {
        let released = [version("1.2.0"), version("1.10.0")];
        let choose = |asked: Option<NextVersion>, config: &str| choose(asked.as_ref(), Some(&version(config)), released.iter()).to_string();
        assert_eq!(choose(Some(NextVersion::Exactly(version("9.0.0"))), "1.10.0"), "9.0.0");
        assert_eq!(choose(Some(NextVersion::Bump(Bump::Minor)), "1.10.0"), "1.11.0");
        assert_eq!(choose(None, "2.0.0"), "2.0.0");
        assert_eq!(choose(None, "1.10.0"), "1.10.1");
        assert_eq!(choose(None, "1.3.0"), "1.10.1", "after a rollback the config is older than the newest release");
        assert_eq!(super::choose(None, None, std::iter::empty()).to_string(), "0.1.0");
    }
}
