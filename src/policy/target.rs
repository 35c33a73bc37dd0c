//! Which version a rollback goes to when nobody says: the newest proven good one.

use crate::model::{Version, verdict::Standing};

/// The newest version older than the active one that was proven or called good and is neither
/// bad nor held. Not simply the one before: that one may be why somebody rolls back twice.
pub fn default_target<'a>(active: Option<&Version>, versions: impl Iterator<Item = (&'a Version, Standing)>) -> Option<&'a Version> {
    versions
        .filter(|(version, standing)| active.is_none_or(|active| *version < active) && standing.may_be_default_target())
        .map(|(version, _)| version)
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_held_and_unproven_versions_are_passed_over() {
        let version = |text: &str| -> Version { text.parse().expect("it is a version") };
        let proven = Standing { proven: true, ..Standing::default() };
        let all = [
            (version("1.0.0"), proven),
            (version("1.1.0"), Standing { good: true, ..Standing::default() }),
            (version("1.2.0"), Standing { held: true, ..proven }),
            (version("1.3.0"), Standing { bad: true, ..proven }),
            (version("1.4.0"), Standing::default()),
            (version("1.5.0"), proven),
        ];
        let target = |active: &str| default_target(Some(&version(active)), all.iter().map(|(v, s)| (v, *s))).map(ToString::to_string);
        assert_eq!(target("1.5.0").as_deref(), Some("1.1.0"));
        assert_eq!(target("2.0.0").as_deref(), Some("1.5.0"));
        assert_eq!(target("1.0.0"), None);
    }
}
