//! Every obstacle that makes a rollback refuse is seen by the drill and by health as well, in the
//! same words: they share one list.

use std::process::Command;

use crate::support::{
    Sandbox,
    sqlite::{open, set_row, with_row},
};

/// Creates two releases of T01; 1.1.0 is active, and 1.0.0 is proven.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::two_releases(2);
    sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.0.0"])
        .expect(0);
    sandbox
}

/// Asserts that rollback, drill and health report it, and change nothing.
#[track_caller]
fn assert_seen(sandbox: &Sandbox, words: &str) {
    let before = (sandbox.tree(), sandbox.git_out(&["for-each-ref"]));
    let refused = sandbox.snapback(&[
        "rollback", "-t", "T01", "--to", "1.0.0", "-m", "why", "--yes",
    ]);
    assert!(
        refused.code != 0 && refused.stderr.contains(words),
        "{words}: {refused:?}"
    );
    let drilled = sandbox.snapback(&["drill", "-t", "T01", "--to", "1.0.0"]);
    let said = format!("{}{}", drilled.stdout, drilled.stderr);
    assert!(
        drilled.code != 0 && said.contains(words) && !said.contains("can go back"),
        "{words}: {drilled:?}"
    );
    let health = sandbox.snapback(&["health", "-t", "T01"]);
    assert!(health.stdout.contains(words), "{words}: {health:?}");
    assert_eq!(
        (sandbox.tree(), sandbox.git_out(&["for-each-ref"])),
        before,
        "{words}: nothing was changed"
    );
}

/// Asserts that no obstacle is left.
#[track_caller]
fn assert_open(sandbox: &Sandbox) {
    sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.0.0"])
        .expect(0);
}

#[test]
fn states_of_the_repository() {
    let sandbox = sandbox();
    sandbox.git(&["checkout", "-q", "--detach"]).expect(0);
    assert_seen(&sandbox, "HEAD is detached");
    sandbox.git(&["checkout", "-q", "main"]).expect(0);
    sandbox
        .git(&["sparse-checkout", "set", "--no-cone", "/*", "!/tasks/T02/"])
        .expect(0);
    assert_seen(&sandbox, "the work tree is sparse");
    sandbox.git(&["sparse-checkout", "disable"]).expect(0);
    sandbox.git(&["bisect", "start"]).expect(0);
    assert_seen(&sandbox, "a bisect is in progress");
    sandbox.git(&["bisect", "reset"]).expect(0);
    sandbox.write(
        ".git/MERGE_HEAD",
        format!("{}\n", sandbox.git_out(&["rev-parse", "HEAD"])).as_bytes(),
    );
    assert_seen(&sandbox, "a merge is in progress");
    std::fs::remove_file(sandbox.at(".git/MERGE_HEAD")).unwrap();
    sandbox.write(".git/index.lock", b"");
    let old = std::time::SystemTime::now() - std::time::Duration::from_mins(1);
    std::fs::File::options()
        .write(true)
        .open(sandbox.at(".git/index.lock"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    assert_seen(&sandbox, "index.lock exists");
    std::fs::remove_file(sandbox.at(".git/index.lock")).unwrap();
    sandbox
        .git(&["symbolic-ref", "HEAD", "refs/heads/unborn"])
        .expect(0);
    let drilled = sandbox.snapback(&["drill", "-t", "T01", "--to", "1.0.0"]);
    assert!(
        drilled.code != 0 && drilled.stdout.contains("has no commit yet"),
        "{drilled:?}"
    );
    sandbox
        .git(&["symbolic-ref", "HEAD", "refs/heads/main"])
        .expect(0);
    assert_open(&sandbox);
}

#[test]
fn what_lay_in_the_way_of_a_rollback_is_forgotten_when_it_has_gone() {
    const DATABASE: &str = "tasks/T01/state.db";
    for drilled_before in [true, false] {
        let sandbox = Sandbox::new(1);
        with_row(&sandbox.at(DATABASE), "one");
        sandbox.release("T01", "1.0.0");
        set_row(&sandbox.at(DATABASE), "two");
        sandbox.release("T01", "1.1.0");
        if drilled_before {
            assert_open(&sandbox);
        }
        let connection = open(&sandbox.at(DATABASE));
        assert_seen(&sandbox, "state.db is open in");
        drop(connection);
        let list = sandbox.snapback(&["list", "-t", "T01"]).expect(0).stdout;
        assert!(!list.contains("failed"), "{list}");
        let health = sandbox.snapback(&["health", "-t", "T01"]).expect(0).stdout;
        assert!(!health.contains("state.db"), "{health}");
        let status = sandbox.snapback(&["status"]).expect(0).stdout;
        assert!(!status.contains("cannot go back"), "{status}");
        assert_eq!(
            status.contains("can go back to 1.0.0 in "),
            drilled_before,
            "{status}"
        );
    }
}

#[test]
fn what_a_drill_left_out_does_not_disprove_what_was_proved() {
    let sandbox = Sandbox::two_releases(1);
    sandbox.write(
        "snapback.yaml",
        b"version: 1\ndefaults: {large_files: {patterns: [\"*.bin\"]}}\ntasks: {T01: {verify: [{run: \"true\"}]}}\n",
    );
    assert_open(&sandbox);
    sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.0.0", "--no-commands"])
        .expect(0);
    let status = sandbox.snapback(&["status"]).expect(0).stdout;
    assert!(status.contains("can go back to 1.0.0 in "), "{status}");
}

#[test]
fn files_that_nobody_may_replace() {
    for attribute in ["i", "a"] {
        for path in ["tasks/T01/signal.py", "tasks/T01"] {
            let sandbox = sandbox();
            let set = |sign: &str| {
                Command::new("chattr")
                    .arg(format!("{sign}{attribute}"))
                    .arg(sandbox.at(path))
                    .output()
                    .is_ok_and(|ran| ran.status.success())
            };
            if !set("+") {
                eprintln!("chattr does not work here");
                return;
            }
            let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                assert_seen(&sandbox, path);
            }));
            assert!(set("-"));
            seen.unwrap();
            assert_open(&sandbox);
        }
    }
}

#[test]
fn a_registry_that_nobody_may_replace_is_in_the_way_of_every_task() {
    let sandbox = sandbox();
    sandbox.release("T02", "1.0.0");
    sandbox.write("tasks/T02/signal.py", b"VALUE = 2\n");
    sandbox.release("T02", "1.1.0");
    sandbox
        .snapback(&["drill", "-t", "T02", "--to", "1.0.0"])
        .expect(0);
    let set = |sign: &str, path: &str| {
        let ran = Command::new("chattr")
            .arg(format!("{sign}i"))
            .arg(sandbox.at(path))
            .output();
        ran.is_ok_and(|ran| ran.status.success())
    };
    if !set("+", "task_registry.json") {
        eprintln!("chattr does not work here");
        return;
    }
    // The first task has an obstacle of its own besides.
    assert!(set("+", "tasks/T01/signal.py"));
    let health = sandbox.snapback(&["health"]);
    assert!(set("-", "task_registry.json") && set("-", "tasks/T01/signal.py"));
    for task in ["T01", "T02"] {
        let line = format!("{task} a rollback to 1.0.0 would be refused: task_registry.json");
        assert!(health.stdout.contains(&line), "{line}: {health:?}");
    }
}

#[test]
fn a_variable_that_nobody_set() {
    let mut sandbox = sandbox();
    sandbox.write(
        "snapback.yaml",
        b"version: 1\ntasks:\n  T01:\n    env: {variables: [PATH, NEVER_SET_HERE, EMPTY_HERE]}\n",
    );
    sandbox.variables.push(("EMPTY_HERE".into(), String::new()));
    assert_seen(
        &sandbox,
        "T01 needs NEVER_SET_HERE, EMPTY_HERE, which are not set here",
    );
    let shown = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(8);
    assert!(
        shown.stderr.contains("NEVER_SET_HERE") && shown.stderr.contains("--on-verify-fail keep"),
        "{shown:?}"
    );
    sandbox.snapback(&[
        "rollback",
        "-t",
        "T01",
        "--to",
        "1.0.0",
        "--on-verify-fail",
        "keep",
        "--yes",
    ]);
    assert_eq!(
        sandbox.registry_version("T01").as_deref(),
        Some("1.0.0"),
        "it went all the same"
    );
    sandbox.variables.extend([
        ("NEVER_SET_HERE".into(), "x".into()),
        ("EMPTY_HERE".into(), "x".into()),
    ]);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_open(&sandbox);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
}

#[test]
fn commands_that_nobody_agreed_to_and_a_name_that_nobody_gave() {
    let mut sandbox = sandbox();
    std::fs::File::create(sandbox.at("snapback.yaml"))
        .and_then(|mut file| {
            std::io::Write::write_all(
                &mut file,
                b"version: 1\ntasks:\n  T01:\n    verify: [{run: 'true'}]\n",
            )
        })
        .unwrap();
    assert_seen(&sandbox, "agreed");
    std::fs::remove_file(sandbox.at("snapback.yaml")).unwrap();
    assert_open(&sandbox);
    sandbox
        .variables
        .extend(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), String::new())));
    assert_seen(&sandbox, "git does not know who you are");
}

#[test]
fn what_a_killed_command_staged_is_in_nobodys_way_and_is_removed() {
    let sandbox = sandbox();
    sandbox.write(".snapback/000099-deadbeef-0", b"half of a fi");
    let doctor = sandbox.snapback(&["doctor"]);
    assert!(doctor.stdout.contains("staged in .snapback"), "{doctor:?}");
    for argv in [
        &["health", "-t", "T01"][..],
        &["drill", "-t", "T01", "--to", "1.0.0"],
        &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"],
        &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"],
    ] {
        sandbox.snapback(argv).expect(0);
    }
    assert!(!sandbox.exists(".snapback"));
    // A name that no operation gives is somebody's file, and stays.
    sandbox.write(".snapback/000099-deadbeef-0", b"half of a fi");
    sandbox.write(".snapback/mine", b"mine");
    let taken = sandbox.snapback(&["undo", "--yes"]).expect(6);
    assert!(taken.stderr.contains(".snapback"), "{}", taken.stderr);
    assert_eq!(sandbox.read(".snapback/mine"), b"mine");
}
