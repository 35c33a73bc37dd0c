//! Moved tags, and manifests that are not their tag's: every command that reads a release makes the
//! check of `verify-snapshot`, and says how to restore what was released.

use crate::support::Sandbox;

/// Recreates the tag on another commit, with the same message.
fn move_tag(sandbox: &Sandbox, version: &str) {
    let tag = format!("T01-v{version}");
    let message = sandbox.git_out(&[
        "for-each-ref",
        "--format=%(contents)",
        &format!("refs/tags/{tag}"),
    ]);
    sandbox
        .git(&["tag", "-f", "-a", "-m", &message, &tag, "HEAD"])
        .expect(0);
}

#[test]
fn no_command_takes_a_release_from_a_tag_that_was_moved() {
    let sandbox = Sandbox::two_releases(1);
    move_tag(&sandbox, "1.0.0");
    let before = sandbox.tree();
    let capsule = sandbox.top().join("capsule.tar.gz");
    let out = sandbox.top().join("out");
    let (capsule, out) = (capsule.to_str().unwrap(), out.to_str().unwrap());
    for args in [
        &["verify-snapshot", "-t", "T01", "--version", "1.0.0"][..],
        &["verify-snapshot", "-t", "T01", "--all"],
        &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"],
        &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"],
        &[
            "disaster-recovery",
            "-t",
            "T01",
            "--target-version",
            "1.0.0",
        ],
        &["verify-rollback", "-t", "T01", "--expected", "1.0.0"],
        &["drill", "-t", "T01", "--to", "1.0.0"],
        &["preview", "-t", "T01", "1.0.0", "--into", out],
        &[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            capsule,
        ],
        &["diff", "-t", "T01", "1.0.0..1.1.0"],
    ] {
        let ran = sandbox.snapback(args);
        assert_eq!(ran.code, 4, "{args:?}: {ran:?}");
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            said.contains("refs/snapback/keep/T01/1.0.0"),
            "{args:?}: {said}"
        );
        assert!(!said.contains("git fsck"), "{args:?}: {said}");
    }
    assert_eq!(sandbox.tree(), before, "nothing was changed");
    assert!(!sandbox.top().join("capsule.tar.gz").exists());
    // Every command that names the version reports it.
    let status = sandbox
        .snapback(&["status", "--exit-code"])
        .expect(4)
        .stdout;
    assert!(
        status.contains("the tag of 1.0.0 was moved") && !status.contains("all as released"),
        "{status}"
    );
    for args in [
        &["list", "-t", "T01"][..],
        &["show", "1.0.0", "-t", "T01"],
        &["history", "-t", "T01"],
    ] {
        let said = sandbox.snapback(args).expect(0).stdout;
        assert!(said.contains("failed"), "{args:?}: {said}");
    }
    let refused = sandbox.snapback(&["rollback", "-t", "T01", "--yes"]);
    assert_eq!(refused.code, 5, "it is no default target: {refused:?}");
}

#[test]
fn the_command_that_is_advised_brings_the_release_back() {
    let sandbox = Sandbox::two_releases(1);
    let tag = sandbox.git_out(&["rev-parse", "refs/tags/T01-v1.0.0"]);
    move_tag(&sandbox, "1.0.0");
    let failed = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes", "--json"])
        .expect(4)
        .json();
    let hints = failed["error"]["hints"].as_array().unwrap();
    let bring = hints
        .iter()
        .find(|hint| hint["why"] == "bring the release back")
        .unwrap_or_else(|| panic!("{failed}"));
    let argv: Vec<&str> = bring["argv"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    sandbox.git(&argv[1..]).expect(0);
    assert_eq!(sandbox.git_out(&["rev-parse", "refs/tags/T01-v1.0.0"]), tag);
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--all"])
        .expect(0);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--yes"])
        .expect(0);
    assert_eq!(
        sandbox.registry_version("T01").as_deref(),
        Some("1.0.0"),
        "it is the default target again"
    );
}

#[test]
fn health_says_that_what_is_kept_can_be_restored() {
    let sandbox = Sandbox::two_releases(1);
    move_tag(&sandbox, "1.1.0");
    let health = sandbox.snapback(&["health", "--json"]).json().to_string();
    assert!(
        health.contains("what was released is kept, and comes back with its tag"),
        "{health}"
    );
    assert!(!health.contains("cannot be restored"), "{health}");
    assert!(health.contains("update-ref"), "{health}");
}

#[test]
fn each_cause_has_its_own_next_step() {
    // A tag older than snapback: it cannot be checked, and is not damaged.
    let sandbox = Sandbox::new(1);
    sandbox.git(&["tag", "T01-v1.0.0"]).expect(0);
    let old = sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.0.0"])
        .expect(8);
    let said = format!("{}{}", old.stdout, old.stderr);
    assert!(
        said.contains("could not be checked")
            && said.contains("snapback adopt --task T01")
            && !said.contains("fsck"),
        "{said}"
    );
    // A manifest other than the one that the tag names.
    let sandbox = Sandbox::two_releases(1);
    let manifest = "snapshots/snapshot-T01-v1.0.0.yaml";
    let text = sandbox.read(manifest);
    sandbox.write(manifest, &[&text[..], b"# edited\n"].concat());
    for (args, code) in [
        (
            &["verify-snapshot", "-t", "T01", "--version", "1.0.0"][..],
            4,
        ),
        // The copy in the work tree is not authoritative: it is reported, and the tag's is used.
        (&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"], 0),
        (&["drill", "-t", "T01", "--to", "1.0.0"], 0),
        (&["diff", "-t", "T01", "1.0.0..1.1.0"], 0),
    ] {
        let ran = sandbox.snapback(args).expect(code);
        assert!(
            format!("{ran:?}").contains("was changed: its tag names"),
            "{args:?}: {ran:?}"
        );
    }
    // A lost manifest: no command says that the tag is old.
    sandbox
        .git(&["checkout", "-q", "--orphan", "other"])
        .expect(0);
    sandbox
        .git(&["rm", "-q", "-r", "-f", "snapshots"])
        .expect(0);
    sandbox
        .git(&["commit", "-qm", "without manifests"])
        .expect(0);
    sandbox.git(&["branch", "-q", "-D", "main"]).expect(0);
    for refs in sandbox
        .git_out(&[
            "for-each-ref",
            "--format=%(refname)",
            "refs/snapback/safety",
        ])
        .lines()
    {
        sandbox.git(&["update-ref", "-d", refs]).expect(0);
    }
    // The tag of 1.1.0 leads to no later commit that could have its manifest.
    let gone = sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.1.0"])
        .expect(8);
    assert!(
        !format!("{gone:?}").contains("older than snapback"),
        "{gone:?}"
    );
    assert!(format!("{gone:?}").contains("git fetch origin"), "{gone:?}");
}

#[test]
fn a_tag_that_was_deleted_is_told_wherever_its_release_is_read() {
    let sandbox = Sandbox::two_releases(1);
    let tag = sandbox.git_out(&["rev-parse", "refs/tags/T01-v1.1.0"]);
    sandbox.git(&["tag", "-d", "T01-v1.1.0"]).expect(0);
    for args in [
        &["verify-rollback", "-t", "T01"][..],
        &["rollback", "-t", "T01", "--to", "1.1.0", "--yes"],
    ] {
        let ran = sandbox.snapback(args).expect(4);
        assert!(
            ran.stdout.contains("the tag T01-v1.1.0 is missing"),
            "{args:?}: {ran:?}"
        );
        assert!(
            !ran.stdout.contains("tag T01-v1.1.0 -> commit"),
            "{args:?}: {ran:?}"
        );
    }
    let capsule = sandbox.top().join("capsule.tar.gz");
    let made = sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "1.1.0",
            capsule.to_str().unwrap(),
        ])
        .expect(0);
    assert!(
        made.stderr
            .contains(&format!("git update-ref refs/tags/T01-v1.1.0 {tag}")),
        "{made:?}"
    );
    // A rollback to it is still possible.
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let back = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    assert!(
        back.stderr.contains("the tag T01-v1.1.0 is missing"),
        "{back:?}"
    );
    sandbox
        .git(&["update-ref", "refs/tags/T01-v1.1.0", &tag])
        .expect(0);
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(0);
}

#[test]
fn an_edited_copy_of_a_manifest_is_noticed_however_large_it_is() {
    let sandbox = Sandbox::two_releases(1);
    let manifest = "snapshots/snapshot-T01-v1.1.0.yaml";
    for megabytes in [1, 40, 70] {
        sandbox.write(manifest, &vec![b'#'; megabytes << 20]);
        let ran = sandbox
            .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.1.0"])
            .expect(4);
        assert!(
            format!("{ran:?}").contains("was changed"),
            "{megabytes} MB: {ran:?}"
        );
    }
}
