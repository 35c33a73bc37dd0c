//! Versions whose checks fail have the state `failed` everywhere, and an undo reports the state of
//! its target.

mod same_number;

use std::fs;

use crate::support::{Sandbox, story::set_version};

/// Creates T01 with a smoke test that passes unless the task has the file `broken`: 1.0.0 passes,
/// 1.1.0 does not.
fn with_failing_release() -> Sandbox {
    let sandbox = Sandbox::new(1);
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    sandbox.write(
        "snapback.yaml",
        format!("{settings}tasks:\n  T01:\n    verify: [{{run: \"test ! -e broken\"}}]\n")
            .as_bytes(),
    );
    sandbox.git(&["commit", "-qam", "a smoke test"]).expect(0);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/broken", b"x\n");
    set_version(&sandbox, "1.1.0");
    sandbox
        .run_line("create-snapshot -t T01 --version 1.1.0 -m bad --allow-failing --yes")
        .expect(4);
    sandbox
}

#[test]
fn a_release_whose_checks_fail_is_refused_before_anything_of_it_is_visible() {
    let sandbox = with_failing_release();
    let visible = |sandbox: &Sandbox| {
        let refs = sandbox.git_out(&["for-each-ref"]);
        let status = sandbox.git_out(&["status", "--porcelain"]);
        let registry = sandbox.read("task_registry.json");
        (
            refs,
            status,
            registry,
            sandbox.read("tasks/T01/config.yaml"),
        )
    };
    sandbox.write("tasks/T01/signal.py", b"# 1.2.0\n");
    let before = visible(&sandbox);
    let verdicts = sandbox.snapback(&["verdicts", "list"]).expect(0).stdout;
    let ran = sandbox
        .run_line("create-snapshot -t T01 --version 1.2.0 -m bad --yes")
        .expect(4);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        said.contains("smoke.1") && said.contains("T01 1.2.0 is not released: its checks failed"),
        "{said}"
    );
    assert!(
        said.contains("create-snapshot --task T01 --allow-failing"),
        "{said}"
    );
    assert_eq!(visible(&sandbox), before);
    assert!(!sandbox.exists("snapshots/snapshot-T01-v1.2.0.yaml"));
    assert_eq!(
        sandbox.snapback(&["verdicts", "list"]).expect(0).stdout,
        verdicts
    );
    sandbox
        .run_line("create-snapshot -t T01 --version 1.2.0 -m bad --yes --json")
        .expect(4);
    std::fs::remove_file(sandbox.at("tasks/T01/broken")).unwrap();
    sandbox.release("T01", "1.2.0");
    assert_eq!(state(&sandbox, "1.2.0"), "proven");
}

#[test]
fn a_failure_is_written_down_before_the_operation_ends() {
    let sandbox = with_failing_release();
    let line = "create-snapshot -t T01 --version 1.2.0 -m bad --allow-failing --yes";
    let mut child = sandbox.start(line);
    let is_ended = || {
        let ops = fs::read_dir(sandbox.at(".git/snapback/ops")).unwrap();
        let newest = ops.map(|entry| entry.unwrap().path()).max().unwrap();
        let journal = fs::read_to_string(newest.join("journal.jsonl")).unwrap_or_default();
        newest.to_string_lossy().contains("/000003-") && journal.contains("\"finished\"")
    };
    // Killed as soon as that can be seen.
    while child.try_wait().unwrap().is_none() {
        if is_ended() {
            child.kill().unwrap();
        }
    }
    sandbox.run_line("op resume").expect(5);
    assert_eq!(state(&sandbox, "1.2.0"), "failed");
}

/// Returns what `list` says about a version.
fn state(sandbox: &Sandbox, version: &str) -> String {
    let list = sandbox.snapback(&["list", "-t", "T01"]).expect(0).stdout;
    let line = list
        .lines()
        .find(|line| line.contains(&format!(" {version} ")))
        .unwrap_or_else(|| panic!("{list}"));
    line.split_whitespace()
        .find(|word| ["proven", "failed", "unknown", "bad", "held", "good"].contains(word))
        .unwrap_or("none")
        .into()
}

/// Asserts that every view reports that 1.1.0, which is active, failed.
fn assert_named_failed_everywhere(sandbox: &Sandbox) {
    let status = sandbox
        .snapback(&["status", "--exit-code"])
        .expect(4)
        .stdout;
    assert!(
        status.contains("failed") && !status.contains("all as released"),
        "{status}"
    );
    assert!(
        sandbox
            .snapback(&["show", "1.1.0", "-t", "T01"])
            .expect(0)
            .stdout
            .contains("failed")
    );
    assert!(
        sandbox
            .snapback(&["history", "-t", "T01"])
            .expect(0)
            .stdout
            .contains("release, failed")
    );
    let health = sandbox.snapback(&["health"]).stdout;
    assert!(
        health.contains("1.1.0 is active and its last check failed"),
        "{health}"
    );
    for args in [
        &["list", "-t", "T01", "--json"][..],
        &["status", "--json"],
        &["show", "1.1.0", "-t", "T01", "--json"],
    ] {
        let json = sandbox.snapback(args).expect(0).stdout;
        assert!(
            json.contains("\"failed\": true") || json.contains("\"failed\":true"),
            "{json}"
        );
    }
}

#[test]
fn a_release_whose_smoke_test_fails_is_failed_everywhere_until_it_is_proven() {
    let sandbox = with_failing_release();
    assert_eq!(
        (state(&sandbox, "1.0.0"), state(&sandbox, "1.1.0")),
        ("proven".into(), "failed".into())
    );
    assert_named_failed_everywhere(&sandbox);
    // Never automatically: 1.2.0 is released on top, and its rollback goes to 1.0.0.
    std::fs::remove_file(sandbox.at("tasks/T01/broken")).unwrap();
    set_version(&sandbox, "1.2.0");
    sandbox.release("T01", "1.2.0");
    sandbox
        .snapback(&["mark", "good", "1.1.0", "-t", "T01", "-m", "I like it"])
        .expect(0);
    assert_eq!(
        state(&sandbox, "1.1.0"),
        "failed",
        "no word of a person makes a check pass"
    );
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--dry-run", "--json"])
        .expect(0)
        .json();
    assert_eq!(plan["data"]["plan"]["to"], "1.0.0", "{plan}");
    // A wrong smoke test is fixed, and the version proven.
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    sandbox.write(
        "snapback.yaml",
        settings.replace("test ! -e broken", "true").as_bytes(),
    );
    sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.1.0"])
        .expect(0);
    assert_eq!(state(&sandbox, "1.1.0"), "good");
}

#[test]
fn undo_and_redo_say_what_does_not_hold_where_they_arrive() {
    let sandbox = with_failing_release();
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let undone = sandbox.snapback(&["undo", "--yes"]).expect(4);
    let said = format!("{}{}", undone.stdout, undone.stderr);
    assert!(
        said.contains("T01 is at 1.1.0, but verification failed") && said.contains("smoke.1"),
        "{said}"
    );
    assert!(
        sandbox.exists("tasks/T01/broken"),
        "it is done all the same"
    );
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.1.0"));
    let redone = sandbox.snapback(&["redo", "--yes"]).expect(0);
    assert!(
        format!("{redone:?}").contains("T01 is at 1.0.0, verified."),
        "{redone:?}"
    );
    // The other way round: a redo that arrives at the failing version.
    sandbox
        .snapback(&[
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.1.0",
            "--on-verify-fail",
            "keep",
            "--yes",
        ])
        .expect(4);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    let redone = sandbox.snapback(&["redo", "--yes"]).expect(4);
    assert!(
        format!("{redone:?}").contains("T01 is at 1.1.0, but verification failed"),
        "{redone:?}"
    );
    let report = sandbox.snapback(&["op", "list", "--json"]).expect(0).json();
    let op = report["data"]["operations"][0]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{report}"))
        .to_string();
    assert!(
        sandbox
            .snapback(&["op", "show", &op, "--json"])
            .expect(0)
            .stdout
            .contains("smoke.1"),
        "the report has it"
    );
    // A skipped check is reported as not checked.
    let quiet = sandbox
        .snapback(&["undo", "--yes", "--no-commands"])
        .expect(0);
    assert!(
        format!("{quiet:?}").contains("verified (not checked: smoke)"),
        "{quiet:?}"
    );
}

#[test]
fn a_state_that_was_no_release_is_not_called_verified() {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"# on the way to 1.1.0\n");
    set_version(&sandbox, "1.1.0");
    sandbox
        .snapback(&["registry", "sync", "--from", "config", "-t", "T01", "--yes"])
        .expect(0);
    sandbox.git(&["commit", "-qam", "never released"]).expect(0);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let undone = sandbox.snapback(&["undo", "--yes"]).expect(0);
    let said = format!("{}{}", undone.stdout, undone.stderr);
    assert!(
        said.contains("exactly as it was (that is no release, so it cannot be verified as one)"),
        "{said}"
    );
    assert!(!said.contains(", verified"), "{said}");
    assert_eq!(
        sandbox.read("tasks/T01/signal.py"),
        b"# on the way to 1.1.0\n"
    );
}

#[test]
fn edits_that_come_back_are_not_called_the_release() {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    sandbox.write("tasks/T01/signal.py", b"# not committed\n");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let undone = sandbox.snapback(&["undo", "--yes"]).expect(0);
    let said = format!("{}{}", undone.stdout, undone.stderr);
    assert!(
        said.contains("exactly as it was, which is not as released"),
        "{said}"
    );
    assert!(
        said.contains("as before, not as released: tasks/T01/signal.py"),
        "{said}"
    );
    assert_eq!(sandbox.read("tasks/T01/signal.py"), b"# not committed\n");
}

#[test]
fn edits_that_come_back_say_nothing_of_the_release() {
    let sandbox = with_failing_release();
    std::fs::remove_file(sandbox.at("tasks/T01/broken")).unwrap();
    set_version(&sandbox, "1.2.0");
    sandbox.release("T01", "1.2.0");
    assert_eq!(state(&sandbox, "1.2.0"), "proven");
    // The smoke test fails because of a file outside the release: an edit that an undo restores …
    sandbox.write("tasks/T01/broken", b"an edit\n");
    sandbox.git(&["add", "tasks/T01/broken"]).expect(0);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let undone = sandbox.snapback(&["undo", "--yes"]).expect(4);
    assert!(
        format!("{undone:?}").contains("as before, not as released"),
        "{undone:?}"
    );
    assert_eq!(sandbox.read("tasks/T01/broken"), b"an edit\n");
    assert_eq!(state(&sandbox, "1.2.0"), "proven");
    // … or the files of a release that is undone.
    let again = [
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.3.0",
        "-m",
        "bad",
        "--no-commands",
        "--yes",
    ];
    sandbox.snapback(&again).expect(0);
    sandbox.snapback(&["undo", "T01-v1.3.0", "--yes"]).expect(4);
    assert_eq!(
        (
            sandbox.registry_version("T01").as_deref(),
            state(&sandbox, "1.2.0")
        ),
        (Some("1.2.0"), "proven".into())
    );
}

#[test]
fn a_version_that_is_not_kept_whole_is_failed_until_it_is_whole_again() {
    let sandbox = Sandbox::two_releases(1);
    let manifest = "snapshots/snapshot-T01-v1.0.0.yaml";
    let text = sandbox.read(manifest);
    sandbox.write(manifest, &[&text[..], b"# edited\n"].concat());
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.0.0"])
        .expect(4);
    assert_eq!(
        state(&sandbox, "1.0.0"),
        "proven",
        "a copy of its manifest is not the release"
    );
    sandbox.write(manifest, &text);
    let blob = sandbox.git_out(&["rev-parse", "T01-v1.0.0:tasks/T01/signal.py"]);
    let (object, away) = (
        sandbox.at(&format!(".git/objects/{}/{}", &blob[..2], &blob[2..])),
        sandbox.top().join("away"),
    );
    std::fs::rename(&object, &away).unwrap();
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.0.0"])
        .expect(4);
    assert_eq!(state(&sandbox, "1.0.0"), "failed");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--yes"])
        .expect(5);
    std::fs::rename(&away, &object).unwrap();
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.0.0"])
        .expect(0);
    assert_eq!(state(&sandbox, "1.0.0"), "failed", "no byte of it was read");
    sandbox
        .snapback(&[
            "verify-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "--deep",
        ])
        .expect(0);
    assert_eq!(state(&sandbox, "1.0.0"), "proven");
}

/// Creates T01 at 1.1.0, whose manifest was rewritten in history: the one that its tag names no
/// longer exists.
fn without_its_manifest() -> Sandbox {
    let sandbox = Sandbox::two_releases(1);
    let manifest = "snapshots/snapshot-T01-v1.1.0.yaml";
    let text = String::from_utf8(sandbox.read(manifest)).unwrap();
    sandbox.write(manifest, format!("{text}# edited\n").as_bytes());
    sandbox
        .git(&["commit", "-q", "-a", "--amend", "--no-edit"])
        .expect(0);
    let refs = sandbox.git_out(&["for-each-ref", "--format=%(refname)", "refs/snapback"]);
    for name in refs
        .lines()
        .filter(|name| !name.starts_with("refs/snapback/keep/T"))
    {
        sandbox.git(&["update-ref", "-d", name]).expect(0);
    }
    sandbox
        .git(&["reflog", "expire", "--expire=now", "--all"])
        .expect(0);
    sandbox.git(&["gc", "-q", "--prune=now"]).expect(0);
    sandbox
}

#[test]
fn whoever_finds_a_release_damaged_notes_it() {
    let looked = without_its_manifest();
    assert_eq!(state(&looked, "1.1.0"), "proven");
    looked.snapback(&["verify-rollback", "-t", "T01"]).expect(4);
    assert_eq!(state(&looked, "1.1.0"), "failed");
    let undone = without_its_manifest();
    undone
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    undone.snapback(&["undo", "--yes"]).expect(4);
    assert_eq!(state(&undone, "1.1.0"), "failed");
    for sandbox in [looked, undone] {
        let status = sandbox.snapback(&["status"]).expect(0).stdout;
        assert!(
            status.contains("failed") && !status.contains("all as released"),
            "{status}"
        );
    }
}

#[test]
fn the_version_that_is_active_already_is_looked_at() {
    let sandbox = with_failing_release();
    for args in [
        &[
            "disaster-recovery",
            "-t",
            "T01",
            "--target-version",
            "1.1.0",
        ][..],
        &["rollback", "-t", "T01", "--to", "1.1.0", "--yes"],
    ] {
        let ran = sandbox.snapback(args).expect(4);
        assert!(
            format!("{ran:?}").contains("already, but verification failed; nothing to do"),
            "{args:?}: {ran:?}"
        );
    }
    std::fs::remove_file(sandbox.at("tasks/T01/broken")).unwrap();
    set_version(&sandbox, "1.2.0");
    sandbox.release("T01", "1.2.0");
    for args in [
        &[
            "disaster-recovery",
            "-t",
            "T01",
            "--target-version",
            "1.2.0",
        ][..],
        &["rollback", "-t", "T01", "--to", "1.2.0", "--yes"],
    ] {
        let ran = sandbox.snapback(args).expect(0);
        assert!(
            format!("{ran:?}").contains("T01 is at 1.2.0 already, verified; nothing to do."),
            "{args:?}: {ran:?}"
        );
        assert!(
            !format!("{ran:?}").contains("Nothing was verified"),
            "{ran:?}"
        );
    }
}
