//! The order of versions: that of semver, of PEP 440, and of dates.

use std::{cmp::Ordering, collections::BTreeSet, hash::DefaultHasher};

use proptest::prelude::*;

use super::*;

fn version(text: &str) -> Version {
    text.parse().expect("it is a version")
}

/// Checks that each of these comes before the next.
fn assert_ascending(sorted: &[&str]) {
    for (at, text) in sorted.iter().enumerate() {
        for other in &sorted[at + 1..] {
            assert!(version(text) < version(other), "{text} {other}");
            assert!(version(other) > version(text), "{text} {other}");
        }
    }
}

#[test]
fn order_is_numeric_and_a_hotfix_comes_after_its_base() {
    assert_ascending(&[
        "1.2.0-0",
        "1.2.0-1",
        "1.2.0-alpha",
        "1.2.0-alpha.1",
        "1.2.0-rc.1",
        "1.2.0-rc.2",
        "1.2.0-rc.10",
        "1.2.0-rc1",
        "1.2.0-rc10",
        "1.2.0-rc2",
        "1.2.0",
        "1.2.0-hotfix-20260224",
        "1.2.0-hotfix-20260301",
        "1.2.1",
        "1.10.0",
    ]);
}

#[test]
fn the_order_of_pep_440() {
    // "Summary of permitted suffixes and relative ordering" and "Examples of compliant version
    // schemes", and the list that its reference implementation is tested with.
    assert_ascending(&[
        "1.dev0",
        "1.0.dev456",
        "1.0a1",
        "1.0a2.dev456",
        "1.0a12.dev456",
        "1.0a12",
        "1.0b1.dev456",
        "1.0b2",
        "1.0b2.post345.dev456",
        "1.0b2.post345",
        "1.0rc1.dev456",
        "1.0rc1",
        "1.0",
        "1.0+abc.5",
        "1.0+abc.7",
        "1.0+5",
        "1.0.post456.dev34",
        "1.0.post456",
        "1.0.15",
        "1.1.dev1",
        "1.2+123abc",
        "1.2+123abc456",
        "1.2+abc",
        "1.2+abc123",
        "1.2+abc123def",
        "1.2+1234.abc",
        "1.2+123456",
        "1.2.r32+123456",
        "1.2.rev33+123456",
        "1!1.0.dev456",
        "1!1.0",
        "2!1.0",
    ]);
    assert_ascending(&["2012.1", "2012.2", "2012.3", "2012.15", "2013.1", "2013.2"]);
}

#[test]
fn two_spellings_of_one_version_are_equal_and_shown_as_written() {
    for same in [
        &["1.0", "1", "1.0.0", "1.00", "0!1.0", "01.0"][..],
        &[
            "1.0rc1",
            "1.0RC1",
            "1.0.rc1",
            "1.0c1",
            "1.0.pre_1",
            "1.0preview1",
        ],
        &["1.0a0", "1.0a", "1.0.alpha", "1.0_alpha_0"],
        &["1.0.post1", "1.0post1", "1.0.rev1", "1.0.r1", "1.0_POST.1"],
        &["1.0.dev3", "1.0dev3", "1.0_DEV_03"],
        &["1.0+ubuntu.1", "1.0+Ubuntu_1", "1+ubuntu.01"],
        &["2026.02.24", "2026.2.24"],
        &["2026.02.24-rc1", "2026.2.24-rc1"],
    ] {
        let hash = |text: &str| {
            let mut state = DefaultHasher::new();
            version(text).hash(&mut state);
            state.finish()
        };
        for text in same {
            assert_eq!(version(text), version(same[0]), "{text}");
            assert_eq!(hash(text), hash(same[0]), "{text}");
            assert_eq!(version(text).to_string(), *text);
        }
    }
    assert_ne!(version("1.0.0-rc.1"), version("1.0.0rc1"), "another text");
}

#[test]
fn dates_are_ordered_as_numbers() {
    assert_ascending(&[
        "26.02.1",
        "26.10.1",
        "2025.12.31",
        "2026.2",
        "2026.02.24-rc1",
        "2026.02.24",
        "2026.02.24-hotfix-20260226",
        "2026.2.24.1",
        "2026.10.01",
        "20260224",
        "20260224.1",
        "20261224",
    ]);
}

#[test]
fn what_a_version_says_of_itself() {
    for text in ["1.2.0-rc.1", "1.2rc1", "1.2.dev1", "1.2a1.post2"] {
        assert!(version(text).is_prerelease(), "{text}");
    }
    for text in [
        "1.2.0",
        "1.2.post1",
        "1.2.0-hotfix-20260224",
        "1.2.post1.dev2",
    ] {
        assert!(!version(text).is_prerelease(), "{text}");
    }
    let day = version("1.2.0-hotfix-20260224");
    assert_eq!(day.hotfix_day(), Some("20260224"));
    assert!(day.agrees_with_config(&version("1.2.0")));
    assert!(!day.agrees_with_config(&version("1.2.0-rc.1")));
    assert!(!day.agrees_with_config(&version("1.2.1")));
    assert!(version("1.2").agrees_with_config(&version("1.2.0")));
    assert!(version("0.3").is_initial() && !version("1!0.3").is_initial());
    assert_eq!(version("3.0").ahead_of(&version("1.2.0")), 2);
    assert_eq!(version("1.2.7").ahead_of(&version("1.2")), 7);
    assert_eq!(version("1.2").ahead_of(&version("1.2.7")), 0);
}

#[test]
fn what_is_not_a_version() {
    for text in [
        "",
        "v1.2.0",
        "one",
        ".1",
        "1.",
        "1..2",
        "1.2.x",
        "-1.2.0",
        "1.2.0-",
        "1.2.0-01",
        "1.2.0-rollback-from-v1",
        "1.2.0-x.lock",
        "1.0+x.lock",
        "1.0+",
        "1.0+a-b",
        "1.0+a/b",
        "1!",
        "!1",
        "1.0a.",
        "1.0 ",
        "1.0\n",
        "1.0:2",
        "1.0~2",
        "1.0^2",
        "1.0/2",
        "１.０",
        "99999999999999999999.0.0",
        "1.0rc99999999999999999999",
    ] {
        assert!(text.parse::<Version>().is_err(), "{text}");
    }
    let long = format!("1.0+{}", "x".repeat(Version::LONGEST));
    assert!(long.parse::<Version>().is_err());
}

/// Texts that are versions, and some that are none.
fn texts() -> impl Strategy<Value = String> {
    let small = "([0-9]!)?[0-9]{1,3}(\\.[0-9]{1,2}){0,3}";
    let dashed = "[0-9]{1,2}(\\.0?[0-9]){1,3}-(rc|rc\\.|hotfix-2026010|x-)[0-9]{1,2}";
    let plain = format!(
        "{small}([._]?(a|b|c|rc|alpha|pre)[._]?[0-9]?)?([._]?(post|rev|r)[0-9]?)?([.]?dev[0-9]?)?(\\+[0-9a-z]{{1,2}}(\\.[0-9a-z]{{1,2}})?)?"
    );
    let plain = proptest::string::string_regex(&plain).expect("it is one");
    prop_oneof![plain, dashed, small, "[0-9.a-z+!-]{1,8}"]
}

proptest! {
    #[test]
    fn the_order_is_total_and_texts_stay(texts in proptest::collection::vec(texts(), 3)) {
        let versions: Vec<Version> = texts.iter().filter_map(|text| text.parse().ok()).collect();
        for (version, text) in versions.iter().zip(texts.iter().filter(|text| text.parse::<Version>().is_ok())) {
            prop_assert_eq!(&version.to_string(), text);
            prop_assert_eq!(version.cmp(version), Ordering::Equal);
            let json = serde_json::to_string(version).expect("it renders");
            let back: Version = serde_json::from_str(&json).expect("it parses");
            prop_assert_eq!(back.as_str(), text);
            prop_assert!(!text.contains(['/', ':', '~', '^', ' ']) && !text.contains(".."));
        }
        for a in &versions {
            for b in &versions {
                prop_assert_eq!(a.cmp(b), b.cmp(a).reverse());
                for c in &versions {
                    if a <= b && b <= c {
                        prop_assert!(a <= c, "{} {} {}", a, b, c);
                    }
                }
            }
        }
        let set: BTreeSet<Version> = versions.iter().cloned().collect();
        prop_assert!(versions.iter().all(|version| set.contains(version)));
    }

    #[test]
    fn semantic_versions_are_ordered_as_before(a in "[0-2]\\.[0-2]\\.[0-2](-(rc\\.?[0-9]{1,2}|[a-c][0-9]|[0-9]{1,2}))?", b in "[0-2]\\.[0-2]\\.[0-2](-(rc\\.?[0-9]{1,2}|[a-c][0-9]|[0-9]{1,2}))?") {
        let semver = |text: &str| semver::Version::parse(text).ok();
        if let (Some(old_a), Some(old_b)) = (semver(&a), semver(&b)) {
            prop_assert!(version(&a).is_semantic() && version(&b).is_semantic());
            prop_assert_eq!(version(&a).cmp(&version(&b)), old_a.cmp(&old_b));
        }
    }
}
