//! Tags that lead to no commit, and a HEAD that is a link: skipped or followed, and named.

use std::fs;

use super::{look, released, releases};
use crate::support::Sandbox;

/// Creates the two tasks, and three release tags that lead to no commit.
fn with_tags_of_no_commit() -> Sandbox {
    let sandbox = released();
    sandbox.git(&["tag", "T01-v0.7.0", "HEAD^{tree}"]).expect(0);
    sandbox
        .git(&[
            "tag",
            "-a",
            "-m",
            "a blob",
            "T01-v0.8.0",
            "HEAD:tasks/T01/main.py",
        ])
        .expect(0);
    sandbox.git(&["tag", "T01-v9.9.9", "HEAD^{tree}"]).expect(0);
    sandbox
}

#[test]
fn tags_that_lead_to_no_commit_are_passed_over_and_named_once() {
    let sandbox = with_tags_of_no_commit();
    for args in [
        &["list"][..],
        &["list", "-t", "T01"],
        &["history", "-t", "T01"],
        &["status"],
        &["verify-snapshot", "--all"],
        &["verify-snapshot", "-t", "T01", "--all", "--deep"],
        &["drill", "-t", "T01", "--all"],
        &["show", "-t", "T01", "latest"],
        &["health", "--fail-on", "never"],
        &["rollback", "-t", "T01", "--to", "previous", "--dry-run"],
    ] {
        let ran = look(&sandbox, args, &[0]);
        assert!(
            !["0.7.0", "0.8.0", "9.9.9"]
                .iter()
                .any(|version| ran.stdout.contains(version)),
            "{args:?}: {ran:?}"
        );
        let said = ran
            .stderr
            .lines()
            .filter(|line| line.contains("T01-v9.9.9 is no release and passed over: "))
            .count();
        assert_eq!(said, 1, "{args:?}: {ran:?}");
    }
}

#[test]
fn a_tag_that_leads_to_no_commit_is_no_version_and_its_name_is_taken() {
    let sandbox = with_tags_of_no_commit();
    for args in [
        &["show", "-t", "T01", "9.9.9"][..],
        &["verify-snapshot", "-t", "T01", "--version", "9.9.9"],
    ] {
        let ran = look(&sandbox, args, &[5]);
        assert!(ran.stderr.contains("T01 has no version 9.9.9"), "{ran:?}");
    }
    let adopted = look(&sandbox, &["adopt", "--all", "--dry-run"], &[0]);
    assert!(
        adopted.stdout.contains("T01-v9.9.9")
            && adopted.stdout.contains("does not lead to a commit"),
        "{adopted:?}"
    );
    let taken = look(
        &sandbox,
        &[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "9.9.9",
            "-m",
            "x",
            "--yes",
        ],
        &[7],
    );
    assert!(taken.stderr.contains("T01-v9.9.9"), "{taken:?}");
    sandbox.git(&["tag", "-d", "T01-v9.9.9"]).expect(0);
    let doctor = sandbox.snapback(&["doctor"]);
    assert_eq!(
        doctor.stdout.matches("T01-v0.7.0, T01-v0.8.0").count(),
        1,
        "{doctor:?}"
    );
}

#[test]
fn a_head_that_is_a_link_or_leads_over_two_names_is_named() {
    let sandbox = released();
    sandbox.git(&["branch", "real"]).expect(0);
    sandbox
        .git(&["symbolic-ref", "refs/heads/main", "refs/heads/real"])
        .expect(0);
    releases(&sandbox);
    let release = [
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.2.0",
        "-m",
        "x",
        "--yes",
    ];
    let refused = look(&sandbox, &release, &[6]);
    assert!(
        refused
            .stderr
            .contains("refs/heads/main is only a symbolic name of refs/heads/real"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("git switch real"), "{refused:?}");
    sandbox.git(&["switch", "-q", "real"]).expect(0);
    fs::remove_file(sandbox.at(".git/HEAD")).unwrap();
    std::os::unix::fs::symlink("refs/heads/real", sandbox.at(".git/HEAD")).unwrap();
    releases(&sandbox);
    let refused = look(&sandbox, &release, &[6]);
    assert!(
        refused
            .stderr
            .contains("HEAD is a symbolic link to refs/heads/real"),
        "{refused:?}"
    );
    assert!(
        refused
            .stderr
            .contains("git symbolic-ref HEAD refs/heads/real"),
        "{refused:?}"
    );
    sandbox
        .git(&["symbolic-ref", "HEAD", "refs/heads/real"])
        .expect(0);
    look(&sandbox, &release, &[0]);
}
