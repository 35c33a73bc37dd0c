//! Versions of any scheme stay as they were written, have one order, and never leave their place in
//! a path or a reference.
#![no_main]

use std::cmp::Ordering;

use libfuzzer_sys::fuzz_target;
use snapback::model::{Scheme, Version, is_dated};

fuzz_target!(|text: &str| {
    let versions: Vec<Version> = text.lines().filter_map(|line| line.parse().ok()).collect();
    for version in &versions {
        check(version);
    }
    let some = &versions[..versions.len().min(12)];
    for a in some {
        for b in some {
            assert_eq!(a.cmp(b), b.cmp(a).reverse(), "{a} {b}");
            assert_eq!(a == b, a.cmp(b) == Ordering::Equal, "{a} {b}");
            for c in some {
                assert!(a > b || b > c || a <= c, "{a} {b} {c}");
            }
        }
    }
});

/// Checks one version.
fn check(version: &Version) {
    let text = version.as_str();
    assert_eq!(text.parse::<Version>().as_ref(), Ok(version));
    assert!(text.len() <= Version::LONGEST && text.starts_with(|c: char| c.is_ascii_digit()));
    let known = |c: char| c.is_ascii_alphanumeric() || "._+-!".contains(c);
    assert!(text.chars().all(known), "{text:?}");
    assert!(!text.contains("..") && !text.ends_with(['.', '-']) && !text.ends_with(".lock"));
    assert!(Scheme::Semver.accepts(version) == version.is_semantic());
    assert!(!is_dated(version) || Scheme::Calver.accepts(version));
}
