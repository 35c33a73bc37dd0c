//! Attempts to replace a good release by an old, bad one, or to prevent new ones: a release that
//! was undone, an older copy of the files that snapback relies on, a version far ahead of all
//! others.

use crate::support::{Sandbox, sandbox::Ran};

/// Creates three releases of T01, with 1.2.0 active.
fn released() -> Sandbox {
    let sandbox = Sandbox::new(1);
    for (nth, version) in ["1.0.0", "1.1.0", "1.2.0"].iter().enumerate() {
        sandbox.write("tasks/T01/signal.py", format!("VALUE = {nth}\n").as_bytes());
        sandbox.release("T01", version);
    }
    sandbox
}

/// Rolls T01 back.
fn back(sandbox: &Sandbox, to: &str, more: &[&str]) -> Ran {
    sandbox.snapback(&[&["rollback", "-t", "T01", "--to", to, "--yes"], more].concat())
}

#[test]
fn a_release_that_was_taken_back_is_gone_to_only_with_a_reason_that_stays() {
    for (verdict, word) in [
        (
            &["mark", "bad", "1.0.0", "-t", "T01", "-m", "leaks"][..],
            "bad",
        ),
        (&["hold", "1.0.0", "-t", "T01"], "held"),
    ] {
        let sandbox = released();
        sandbox.snapback(verdict).expect(0);
        let before = sandbox.everything();
        let refused = back(&sandbox, "1.0.0", &[]).expect(6);
        assert!(
            refused.stderr.contains(&format!("T01 1.0.0 is {word}")),
            "{refused:?}"
        );
        assert!(
            refused.stderr.contains("verdicts list")
                && refused.stderr.contains("--despite-verdict"),
            "{refused:?}"
        );
        // Half of the override is not enough, nor is another name of the version or a dry run.
        for more in [
            &["--despite-verdict"][..],
            &["-m", "I must"],
            &["--despite-verdict", "-m", "  "],
            &["--past-floor"],
            &["--dry-run"],
        ] {
            back(&sandbox, "1.0.0", more).expect(6);
        }
        for name in [
            "v1.0.0",
            "T01-v1.0.0",
            &sandbox.git_out(&["rev-parse", "T01-v1.0.0^{commit}"]),
        ] {
            back(&sandbox, name, &[]).expect(6);
        }
        sandbox
            .run_line("disaster-recovery -t T01 --target-version 1.0.0")
            .expect(6);
        assert_eq!(sandbox.everything(), before);
        back(
            &sandbox,
            "1.0.0",
            &["--despite-verdict", "-m", "nothing else starts"],
        )
        .expect(0);
        let said = format!("nothing else starts (although 1.0.0 is {word})");
        let log = sandbox
            .snapback(&["audit", "list", "-t", "T01", "--json"])
            .expect(0)
            .stdout;
        assert!(log.contains(&said), "{log}");
        assert!(
            sandbox
                .git_out(&["log", "-1", "--format=%B"])
                .contains(&said)
        );
        sandbox.snapback(&["audit", "verify"]).expect(0);
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.2.0"));
    }
}

#[test]
fn nobody_is_asked_for_a_reason_where_nothing_was_taken_back() {
    let sandbox = released();
    // A rollback holds the version that it leaves, which is not a person's verdict.
    back(&sandbox, "1.1.0", &[]).expect(0);
    back(&sandbox, "1.2.0", &[]).expect(0);
    sandbox.snapback(&["hold", "1.0.0", "-t", "T01"]).expect(0);
    sandbox
        .snapback(&["hold", "1.0.0", "-t", "T01", "--lift"])
        .expect(0);
    back(&sandbox, "1.0.0", &["--despite-verdict"]).expect(0);
    let log = sandbox
        .snapback(&["audit", "list", "--json"])
        .expect(0)
        .stdout;
    assert!(!log.contains("although"), "{log}");
    sandbox
        .snapback(&["mark", "bad", "1.1.0", "-t", "T01"])
        .expect(0);
    sandbox
        .snapback(&["mark", "good", "1.1.0", "-t", "T01"])
        .expect(0);
    back(&sandbox, "1.1.0", &[]).expect(0);
}

#[test]
fn what_another_clone_took_back_is_refused_here_too() {
    let sandbox = released();
    sandbox
        .git(&["init", "-q", "--bare", "../remote.git"])
        .expect(0);
    sandbox
        .git(&["remote", "add", "origin", "../remote.git"])
        .expect(0);
    sandbox
        .git(&["push", "-q", "origin", "main", "--tags"])
        .expect(0);
    sandbox
        .git(&["clone", "-q", "-b", "main", "../remote.git", "../other"])
        .expect(0);
    let other = Sandbox::beside(&sandbox, "other");
    other
        .snapback(&["mark", "bad", "1.1.0", "-t", "T01", "-m", "leaks"])
        .expect(0);
    other.snapback(&["verdicts", "push"]).expect(0);
    back(&sandbox, "1.1.0", &["--dry-run"]).expect(0);
    sandbox.snapback(&["verdicts", "fetch"]).expect(0);
    back(&sandbox, "1.1.0", &[]).expect(6);
}

/// Returns the version that a release would get.
fn next(sandbox: &Sandbox, bump: &[&str]) -> String {
    let ran = sandbox
        .snapback(
            &[
                &["create-snapshot", "-t", "T01", "--dry-run", "--json"],
                bump,
            ]
            .concat(),
        )
        .expect(0);
    ran.json()["data"]["plan"]["to"]
        .as_str()
        .unwrap_or_else(|| panic!("{ran:?}"))
        .to_string()
}

#[test]
fn a_foreign_tag_far_ahead_decides_nothing() {
    for (tag, annotated) in [
        ("T01-v999999.0.0", false),
        ("T01-v999999.999999.999999", true),
        ("T01-v18446744073709551615.0.0", false),
    ] {
        let sandbox = released();
        // Foreign tags arrive by a push or a fetch, on any commit.
        let at = sandbox.git_out(&["rev-list", "--max-parents=0", "HEAD"]);
        let more: &[&str] = if annotated { &["-a", "-m", "x"] } else { &[] };
        sandbox
            .git(&[&["tag"], more, &[tag, at.as_str()]].concat())
            .expect(0);
        sandbox.write("tasks/T01/signal.py", b"VALUE = 9\n");
        sandbox.git(&["commit", "-qam", "fix: the value"]).expect(0);
        for (bump, version) in [
            (&[][..], "1.2.1"),
            (&["--bump", "patch"], "1.2.1"),
            (&["--bump", "minor"], "1.3.0"),
            (&["--bump", "major"], "2.0.0"),
            (&["--bump", "auto"], "1.2.1"),
        ] {
            assert_eq!(next(&sandbox, bump), version, "{tag} {bump:?}");
        }
        let planned = sandbox
            .snapback(&["create-snapshot", "-t", "T01", "--dry-run"])
            .expect(0);
        assert!(
            planned
                .stdout
                .contains(&format!("{tag} is far ahead of all others")),
            "{planned:?}"
        );
        sandbox
            .snapback(&["create-snapshot", "-t", "T01", "--bump", "auto", "--yes"])
            .expect(0);
        assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.2.1"));
        sandbox.snapback(&["status"]).expect(0);
        sandbox.snapback(&["list", "-t", "T01"]).expect(0);
        back(&sandbox, "last-good", &[]).expect(0);
        assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.2.0"));
        // A command that names it gets an error that explains what it is, and changes nothing.
        let before = sandbox.everything();
        assert!(back(&sandbox, "latest", &[]).code > 0);
        assert_eq!(sandbox.everything(), before);
    }
}

#[test]
fn a_release_far_ahead_is_counted_on_from_until_somebody_takes_it_back() {
    let sandbox = released();
    sandbox.write("tasks/T01/signal.py", b"VALUE = 8\n");
    sandbox.release("T01", "999999.0.0");
    back(&sandbox, "1.2.0", &[]).expect(0);
    sandbox.write("tasks/T01/signal.py", b"VALUE = 9\n");
    assert_eq!(next(&sandbox, &["--bump", "patch"]), "999999.0.1");
    sandbox
        .snapback(&["mark", "bad", "999999.0.0", "-t", "T01", "-m", "a slip"])
        .expect(0);
    assert_eq!(next(&sandbox, &["--bump", "patch"]), "1.2.1");
    // A version can always be named.
    assert_eq!(next(&sandbox, &["--version", "1.5.0"]), "1.5.0");
    back(&sandbox, "last-good", &["--dry-run"]).expect(0);
}

#[test]
fn a_registry_frozen_in_time_is_noticed_and_decides_nothing() {
    let sandbox = released();
    let now = sandbox.read("task_registry.json");
    let frozen = sandbox.git_out(&["show", "T01-v1.0.0:task_registry.json"]) + "\n";
    sandbox.write("task_registry.json", frozen.as_bytes());
    let seen = sandbox.snapback(&["status"]).expect(0).stdout;
    assert!(
        seen.contains("the config says 1.2.0, the registry 1.0.0")
            && seen.contains("1 needs a look"),
        "{seen}"
    );
    assert!(
        sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(4)
            .stdout
            .contains("the config says 1.2.0, expected 1.0.0")
    );
    assert!(
        sandbox
            .snapback(&["doctor"])
            .stdout
            .contains("1 task at odds with the configuration")
    );
    // The tags record the releases, so no version is assigned twice.
    assert_eq!(next(&sandbox, &["--bump", "patch"]), "1.2.1");
    sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.1.0",
            "--yes",
        ])
        .expect(7);
    // It is repaired from the task's own configuration.
    sandbox
        .snapback(&["registry", "sync", "--from", "config", "--yes"])
        .expect(0);
    assert_eq!(sandbox.read("task_registry.json"), now);
}

#[test]
fn a_mirror_frozen_in_time_takes_no_verdict_and_no_release_back() {
    let sandbox = released();
    sandbox
        .git(&["init", "-q", "--bare", "../frozen.git"])
        .expect(0);
    sandbox
        .git(&["remote", "add", "origin", "../frozen.git"])
        .expect(0);
    sandbox
        .git(&["push", "-q", "origin", "main", "T01-v1.0.0"])
        .expect(0);
    sandbox
        .snapback(&["mark", "bad", "1.1.0", "-t", "T01", "-m", "leaks"])
        .expect(0);
    let before = sandbox.git_out(&["for-each-ref", "refs/snapback", "refs/tags"]);
    // It has neither the verdict nor the newer releases, and says so for ever.
    sandbox.git(&["fetch", "-q", "--tags", "origin"]).expect(0);
    sandbox.snapback(&["verdicts", "fetch"]).expect(0);
    assert_eq!(
        sandbox.git_out(&["for-each-ref", "refs/snapback", "refs/tags"]),
        before
    );
    back(&sandbox, "1.1.0", &[]).expect(6);
    sandbox.snapback(&["audit", "verify"]).expect(0);
}
