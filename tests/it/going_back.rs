//! The target of a rollback, by itself or by a time, or none: fresh clones, versions proven by
//! others, hints that work.

use crate::{
    it::clones::{clone, released},
    support::Sandbox,
};

/// Returns the version that `show` finds for a word.
fn found(sandbox: &Sandbox, word: &str) -> String {
    let shown = sandbox
        .snapback(&["show", "-t", "T01", word, "--json"])
        .expect(0)
        .json();
    let data = &shown["data"];
    data["release"]["release"]["version"]
        .as_str()
        .unwrap_or_else(|| panic!("{data}"))
        .to_string()
}

/// Sets the time of all later commits by git and snapback.
fn at(sandbox: &mut Sandbox, time: &str) {
    sandbox
        .variables
        .retain(|(name, _)| !name.ends_with("_DATE"));
    for name in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
        sandbox.variables.push((name.into(), time.into()));
    }
}

#[test]
fn a_time_means_what_was_active_then() {
    let mut a = Sandbox::new(1);
    std::fs::remove_file(a.at("tasks/T01/model.bin")).unwrap();
    a.add_remote();
    at(&mut a, "2026-01-01T10:00:00+00:00");
    a.git_line("commit -q --amend --no-edit --date=2026-01-01T10:00:00+00:00")
        .expect(0);
    a.release("T01", "1.0.0");
    at(&mut a, "2026-01-02T10:00:00+00:00");
    a.write("tasks/T01/signal.py", b"two\n");
    a.release("T01", "1.1.0");
    at(&mut a, "2026-01-03T10:00:00+00:00");
    a.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "-y"])
        .expect(0);
    a.push();
    let mut b = clone(&a, &[]);
    at(&mut b, "2026-01-04T10:00:00+00:00");
    for sandbox in [&a, &b] {
        for (word, version) in [
            ("@2026-01-01T12:00+00:00", "1.0.0"),
            ("@2026-01-02T12:00+00:00", "1.1.0"),
            ("@2026-01-03T12:00+00:00", "1.0.0"),
            ("@2026-01-02", "1.1.0"),
            ("@2026-01-03", "1.0.0"),
        ] {
            assert_eq!(found(sandbox, word), version, "{word}");
        }
        let none = sandbox
            .snapback(&["rollback", "-t", "T01", "--to", "@2025-12-31", "-y"])
            .expect(5);
        assert!(
            none.stderr.contains("it had no version then"),
            "{}",
            none.stderr
        );
    }
    assert_eq!(found(&a, "@0s"), "1.0.0");
    // Operations of the work tree supply what no commit records.
    a.run_line("rollback -t T01 --to 1.1.0 --no-commit -y")
        .expect(0);
    assert_eq!(found(&a, "@0s"), "1.1.0");
    assert_eq!(found(&b, "@0s"), "1.0.0");
    // A version that was active without being a release is named.
    at(&mut b, "2026-01-05T10:00:00+00:00");
    let registry = String::from_utf8(b.read("task_registry.json"))
        .unwrap()
        .replace("1.0.0", "1.3.0");
    b.write("task_registry.json", registry.as_bytes());
    b.git(&["commit", "-q", "-am", "by hand"]).expect(0);
    let none = b.snapback(&["show", "-t", "T01", "@2026-01-05"]).expect(5);
    assert!(
        none.stderr
            .contains("1.3.0 was active then, and it is no release here"),
        "{}",
        none.stderr
    );
}

/// Returns a moment between the previous and the next action, in the form of a version.
fn moment_between() -> String {
    let wait = || std::thread::sleep(std::time::Duration::from_millis(1100));
    wait();
    let now = jiff::Timestamp::now()
        .strftime("@%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    wait();
    now
}

#[test]
fn a_time_means_the_release_that_was_active_then_and_not_another_one_of_its_number() {
    let a = Sandbox::two_releases(1);
    let then = moment_between();
    assert_eq!(found(&a, &then), "1.1.0");
    a.snapback(&["undo", "T01-v1.1.0", "-y"]).expect(0);
    let between = moment_between();
    for used_again in [false, true] {
        if used_again {
            a.write("tasks/T01/signal.py", b"otherwise\n");
            a.release("T01", "1.1.0");
            a.write("tasks/T01/signal.py", b"three\n");
            a.release("T01", "1.2.0");
        }
        for words in [
            &["rollback", "-t", "T01", "-y", "--to", &then][..],
            &["show", "-t", "T01", &then],
            &[
                "preview",
                "-t",
                "T01",
                &then,
                "--cat",
                "tasks/T01/signal.py",
            ],
            &["diff", "-t", "T01", &then],
            &["drill", "-t", "T01", "--to", &then],
            &[
                "capsule",
                "create",
                "-t",
                "T01",
                "--version",
                &then,
                "../T01.tar",
            ],
        ] {
            let none = a.snapback(words).expect(5);
            assert!(
                none.stderr
                    .contains("1.1.0 was active then, and it is no release here"),
                "{words:?}: {}",
                none.stderr
            );
        }
        assert_eq!(found(&a, &between), "1.0.0", "{used_again}");
    }
    assert_eq!(found(&a, "@0s"), "1.2.0");
}

#[test]
fn of_what_was_committed_in_one_second_the_later_commit_says_what_was_active() {
    let mut a = Sandbox::two_releases(1);
    // The second of the release, whenever this test runs.
    let second = a.git_out(&["log", "-1", "--format=%cI"]);
    at(&mut a, &second);
    a.git(&[
        "checkout",
        "-q",
        "T01-v1.0.0",
        "--",
        "tasks/T01",
        "task_registry.json",
    ])
    .expect(0);
    a.git(&["commit", "-q", "-m", "by hand"]).expect(0);
    assert_eq!(found(&a, "@0s"), "1.0.0");
    // Changes on top of it without a commit are later still.
    a.variables.clear();
    a.snapback(&[
        "rollback",
        "-t",
        "T01",
        "--to",
        "1.1.0",
        "--no-commit",
        "-y",
    ])
    .expect(0);
    assert_eq!(found(&a, "@0s"), "1.1.0");
    a.snapback(&["undo", "-y"]).expect(0);
    assert_eq!(found(&a, "@0s"), "1.0.0");
}

#[test]
fn a_release_whose_manifest_came_later_or_was_edited_is_the_one_that_was_active() {
    let mut a = Sandbox::new(1);
    at(&mut a, "2026-01-01T10:00:00+00:00");
    a.git(&[
        "commit",
        "-q",
        "--amend",
        "--no-edit",
        "--date=2026-01-01T10:00:00+00:00",
    ])
    .expect(0);
    a.git(&["tag", "T01-v1.0.0"]).expect(0);
    at(&mut a, "2026-01-03T10:00:00+00:00");
    a.snapback(&["adopt", "--all", "-y"]).expect(0);
    assert_eq!(
        (found(&a, "@2026-01-02"), found(&a, "@2026-01-03")),
        ("1.0.0".into(), "1.0.0".into())
    );
    a.write("tasks/T01/signal.py", b"two\n");
    a.release("T01", "1.1.0");
    at(&mut a, "2026-01-04T10:00:00+00:00");
    let path = "snapshots/snapshot-T01-v1.1.0.yaml";
    a.write(path, &[&a.read(path)[..], b"# a remark\n"].concat());
    a.commit("a remark");
    assert_eq!(found(&a, "@2026-01-04"), "1.1.0");
}

#[test]
fn from_is_compared_with_the_active_version_only() {
    let a = released();
    a.write("tasks/T01/config.yaml", b"name: momentum\nversion: 1.3.0\n");
    let registry = String::from_utf8(a.read("task_registry.json"))
        .unwrap()
        .replace("1.1.0", "1.3.0");
    a.write("task_registry.json", registry.as_bytes());
    a.git(&["commit", "-q", "-am", "1.3.0 by hand"]).expect(0);
    a.snapback(&[
        "rollback",
        "-t",
        "T01",
        "--from",
        "1.3.0",
        "--to",
        "1.1.0",
        "--dry-run",
    ])
    .expect(0);
    let stale = a
        .snapback(&[
            "rollback", "-t", "T01", "--from", "1.2.0", "--to", "1.1.0", "-y",
        ])
        .expect(7);
    assert!(
        stale.stderr.contains("T01 is at 1.3.0, not at 1.2.0")
            && stale.stderr.contains("--from 1.3.0 --to 1.1.0"),
        "{}",
        stale.stderr
    );
    a.snapback(&[
        "rollback", "-t", "T01", "--from", "v1.3.0", "--to", "1.1.0", "-y",
    ])
    .expect(0);
    // When the target is already active, there is nothing to advise.
    let stale = a
        .snapback(&[
            "rollback", "-t", "T01", "--from", "1.3.0", "--to", "1.1.0", "-y",
        ])
        .expect(7);
    assert!(
        stale
            .stderr
            .contains("T01 is at 1.1.0 already, not at 1.3.0"),
        "{}",
        stale.stderr
    );
    assert!(
        !stale.stderr.contains("snapback rollback"),
        "{}",
        stale.stderr
    );
}

#[test]
fn a_fresh_clone_says_which_version_it_would_take_and_takes_it_with_one_word() {
    let a = released();
    let b = clone(&a, &[]);
    let none = b.snapback(&["rollback", "-t", "T01", "-y"]).expect(5);
    assert!(
        none.stderr
            .contains("1.0.0 is the newest older version of T01; it was never proven here"),
        "{}",
        none.stderr
    );
    assert!(
        none.stderr
            .contains("snapback rollback --task T01 --to previous"),
        "{}",
        none.stderr
    );
    assert!(
        none.stderr.contains("snapback drill --task T01 --to 1.0.0"),
        "{}",
        none.stderr
    );
    let health = b.snapback(&["health", "-t", "T01", "-v"]).stdout;
    assert!(
        health.contains("1.0.0 is the newest older version of T01; it was never proven here"),
        "{health}"
    );
    b.snapback(&["rollback", "-t", "T01", "--to", "previous", "--dry-run"])
        .expect(0);
    b.snapback(&["rollback", "-t", "T01", "--to", "previous", "-y"])
        .expect(0);
    assert_eq!(b.registry_version("T01").as_deref(), Some("1.0.0"));
    let oldest = b.snapback(&["rollback", "-t", "T01", "-y"]).expect(5);
    assert!(
        oldest
            .stderr
            .contains("T01 is at its oldest version, 1.0.0: nothing older to go back to"),
        "{}",
        oldest.stderr
    );
    let health = b.snapback(&["health", "-t", "T01", "-v"]);
    assert!(
        health
            .stdout
            .contains("T01 is at its oldest version, 1.0.0: nothing older to go back to"),
        "{}",
        health.stdout
    );
    assert!(!health.stdout.contains("no way back"), "{}", health.stdout);
}

#[test]
fn a_stale_from_is_a_conflict_whether_or_not_there_is_an_older_version() {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"two\n");
    sandbox.release("T01", "1.1.0");
    let back = ["rollback", "-t", "T01", "--from", "1.1.0", "--yes"];
    sandbox.snapback(&back).expect(0);
    // The same again: it is at its oldest version now.
    for more in [&[][..], &["--dry-run"]] {
        let ran = sandbox.snapback(&[&back[..], more].concat()).expect(7);
        assert!(
            ran.stderr.contains("T01 is at 1.0.0, not at 1.1.0")
                && ran.stderr.contains("snapback history"),
            "{ran:?}"
        );
    }
    // Nothing stale, and no version to roll back to.
    sandbox
        .snapback(&["rollback", "-t", "T01", "--from", "1.0.0", "--yes"])
        .expect(5);
}

#[test]
fn a_time_to_come_is_not_said_to_have_been() {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    let ran = sandbox
        .snapback(&["show", "-t", "T01", "@2999-01-01"])
        .expect(0);
    assert!(
        ran.stderr
            .contains("T01 is at 1.0.0; 2999-01-01 23:59:59 +00:00 is still to come"),
        "{ran:?}"
    );
    let ran = sandbox.snapback(&["show", "-t", "T01", "@0s"]).expect(0);
    assert!(ran.stderr.contains("T01 was at 1.0.0 at"), "{ran:?}");
}
