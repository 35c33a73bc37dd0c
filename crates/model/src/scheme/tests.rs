//! What each scheme accepts, and how it counts.

use jiff::civil::date;
use proptest::prelude::*;

use super::*;

fn version(text: &str) -> Version {
    text.parse().expect("it is a version")
}

/// The next version on 2026-03-05, when a task has these ones.
fn next_of(scheme: Scheme, known: &[&str], bump: Option<Bump>) -> Result<String, NoNextVersion> {
    let known: Vec<Version> = known.iter().map(|text| version(text)).collect();
    let all: Vec<&Version> = known.iter().collect();
    let count = VersionCount {
        scheme,
        today: date(2026, 3, 5),
        known: &all,
    };
    let base = all.iter().max().expect("there is one");
    let next = count.next(base, bump)?;
    assert!(next > **base, "{next} {base}");
    assert!(scheme.accepts(&next), "{next}");
    Ok(next.to_string())
}

#[track_caller]
fn assert_next(scheme: Scheme, known: &[&str], bump: impl Into<Option<Bump>>, next: &str) {
    let found = next_of(scheme, known, bump.into());
    assert_eq!(found.as_deref(), Ok(next), "{known:?}");
}

#[test]
fn bumps_of_semantic_versions() {
    let semver = Scheme::Semver;
    assert_next(semver, &["1.2.3"], Bump::Minor, "1.3.0");
    assert_next(semver, &["1.2.3"], Bump::Major, "2.0.0");
    assert_next(semver, &["1.2.3"], None, "1.2.4");
    assert_next(semver, &["1.3.0-rc.1"], Bump::Patch, "1.3.0");
    assert_next(semver, &["1.2.0-hotfix-20260224"], Bump::Patch, "1.2.1");
    for (bump, last) in [
        (Bump::Major, [u64::MAX, 0, 0]),
        (Bump::Minor, [0, u64::MAX, 0]),
        (Bump::Patch, [0, 0, u64::MAX]),
    ] {
        let last = last.map(|number| number.to_string()).join(".");
        let error = next_of(semver, &[&last], Some(bump)).expect_err("it is the last one");
        assert_eq!(error, NoNextVersion::Largest(version(&last)));
        assert_next(semver, &[&format!("{last}-rc.1")], Bump::Patch, &last);
    }
}

#[test]
fn bumps_of_python_versions_keep_their_form() {
    for (base, bump, next) in [
        ("1.2", Bump::Major, "2.0"),
        ("1.2", Bump::Minor, "1.3"),
        ("1.2", Bump::Patch, "1.2.1"),
        ("1", Bump::Major, "2"),
        ("1", Bump::Minor, "1.1"),
        ("1.2.0rc1", Bump::Patch, "1.2.0"),
        ("1.2.0rc1", Bump::Minor, "1.3.0"),
        ("1.0.dev3", Bump::Patch, "1.0"),
        ("1.2.0.post1", Bump::Patch, "1.2.1"),
        ("2!1.0", Bump::Minor, "2!1.1"),
        ("1.0+local.1", Bump::Patch, "1.0.1"),
        ("1.2.3.4", Bump::Patch, "1.2.4.0"),
    ] {
        assert_next(Scheme::Pep440, &[base], bump, next);
    }
    assert_next(Scheme::Pep440, &["1.2.3"], None, "1.2.4");
}

#[test]
fn the_next_date_has_the_form_of_the_last() {
    let calver = Scheme::Calver;
    for (known, next) in [
        (&["2026.02.24"][..], "2026.03.05"),
        (&["2026.2.24"], "2026.3.5"),
        (&["2025.12.24"], "2026.03.05"),
        (&["2025.12.24", "2025.9.1"], "2026.3.5"),
        (&["2026.2"], "2026.3"),
        (&["2026.02"], "2026.03"),
        (&["2026.2", "2026.2.1"], "2026.3"),
        (&["2026.2.0", "2026.2.1"], "2026.3.0"),
        (&["26.02.1"], "26.03.1"),
        (&["26.02.24"], "26.03.05"),
        (&["24.04", "24.04.1"], "26.03"),
        (&["20260224"], "20260305"),
        (&["2026.02.24-rc1"], "2026.03.05"),
        (&["2026.02.24.2"], "2026.03.05"),
        // The same date again.
        (&["2026.03.05"], "2026.03.05.1"),
        (&["2026.03.05.1"], "2026.03.05.2"),
        (&["2026.03.05-rc1"], "2026.03.05"),
        (&["2026.03.05-hotfix-20260305"], "2026.03.05.1"),
        (&["2026.3"], "2026.3.1"),
        (&["2026.3", "2026.3.9"], "2026.3.10"),
        (&["26.03.1"], "26.03.2"),
        (&["20260305"], "20260305.1"),
        (&["20260305.09"], "20260305.10"),
        // A date to come.
        (&["2026.04.01"], "2026.04.01.1"),
    ] {
        assert_next(calver, known, None, next);
    }
    assert_next(calver, &["2026.02.24"], Bump::Patch, "2026.02.24.1");
    for bump in [Bump::Major, Bump::Minor] {
        let error = next_of(calver, &["2026.02.24"], Some(bump)).expect_err("dates have none");
        assert!(matches!(error, NoNextVersion::NotOfDates(..)), "{error}");
    }
}

#[test]
fn the_first_version() {
    let first = |scheme| {
        let today = date(2026, 3, 5);
        let known = &[];
        VersionCount {
            scheme,
            today,
            known,
        }
        .first()
        .to_string()
    };
    assert_eq!(first(Scheme::Semver), "0.1.0");
    assert_eq!(first(Scheme::Pep440), "0.1.0");
    assert_eq!(first(Scheme::Calver), "2026.03.05");
}

#[test]
fn what_a_scheme_accepts() {
    let python = "1 1.2 1.2.0 1.2.0rc1 1.2.0.post1 2!1.0 1.0.dev3 1.0+local.1 2026.02.24 20260224";
    let dates = "2026.02.24 2026.2 26.02.1 2026.02.24-rc1 20260224 2026.2.24 2026.02.24.1 2026.2rc1 \
                 2026.02.24-hotfix-20260226 2026.10.10-rc.10 2024.1.0";
    let semantic = "1.2.0 1.3.0-rc.1 1.2.0-hotfix-20260224 2026.2.24";
    let check = |scheme: Scheme, good: &str| {
        for text in good.split_whitespace() {
            assert_eq!(
                scheme.parse(text).map(|found| found.to_string()),
                Ok(text.into())
            );
            assert!(scheme.accepts(&version(text)));
        }
    };
    check(Scheme::Pep440, python);
    check(Scheme::Calver, dates);
    check(Scheme::Semver, semantic);
    for (scheme, text, why) in [
        (Scheme::Semver, "1", "major"),
        (Scheme::Semver, "1.2", "minor"),
        (Scheme::Semver, "1.02.0", "leading zero"),
        (Scheme::Semver, "1.2.0+5", "build metadata"),
        (Scheme::Semver, "1.2.0rc1", "unexpected"),
        (Scheme::Pep440, "1.2.0-rc.1", "1.2.0rc1"),
        (Scheme::Pep440, "1.0-1", "1.0.post1"),
        (Scheme::Pep440, "1.2.0-hotfix-20260224", "1.2.0.post1"),
        (Scheme::Calver, "1.2.0", "year"),
        (Scheme::Calver, "20261399", "year"),
        (Scheme::Calver, "2!2026.2", "`!`"),
        (Scheme::Calver, "2026.2+x", "`+`"),
        (Scheme::Calver, "2026.02.24-1", "before its date"),
        (Scheme::Calver, "2026.02.24-rc10", "rc.10"),
    ] {
        let error = scheme.parse(text).expect_err("it is refused").to_string();
        assert!(
            error.contains(why) && error.contains(scheme.word()),
            "{error}"
        );
        assert!(!scheme.accepts(&version(text)), "{text}");
    }
    let long = format!("1.0+{}", "x".repeat(100));
    assert!(Scheme::Pep440.parse(&long).is_err());
}

#[test]
fn dates_that_can_be_nothing_else() {
    for text in ["2026.02.24", "2026.2", "20260224", "26.02.1", "2026.12"] {
        assert!(is_dated(&version(text)), "{text}");
    }
    for text in [
        "1.2.0",
        "2026.2.24",
        "26.2.1",
        "1.2",
        "2026.13",
        "12345678",
        "2026",
    ] {
        assert!(!is_dated(&version(text)), "{text}");
    }
}

proptest! {
    #[test]
    fn the_next_version_is_newer_and_of_the_scheme(
        dates in proptest::collection::vec("(20[0-9]{2}|[0-9]{2}|20[0-9]{2}(0[1-9]|1[0-2])[0-2][1-9])(\\.0?[0-9]{1,2}){0,4}(-rc\\.?[0-9]|-hotfix-20260224|rc1|\\.dev2)?", 1..4),
        others in proptest::collection::vec("([0-9]!)?[0-9]{1,3}(\\.[0-9]{1,3}){0,4}(rc[0-9]|\\.post1|\\.dev2)?(\\+[a-z])?", 1..3),
        bump in prop_oneof![Just(None), Just(Some(Bump::Patch))],
    ) {
        for scheme in Scheme::ALL {
            let texts = dates.iter().chain(&others);
            let known: Vec<Version> = texts.filter_map(|text| scheme.parse(text).ok()).collect();
            let known: Vec<&Version> = known.iter().collect();
            let count = VersionCount { scheme, today: date(2026, 3, 5), known: &known };
            for base in &known {
                let next = count.next(base, bump);
                let next = next.map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert!(next > **base && scheme.accepts(&next), "{} {} {:?}", base, next, known);
            }
        }
    }
}
