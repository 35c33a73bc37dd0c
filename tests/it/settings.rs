//! The settings of `snapback.yaml` around a release and a rollback: protected, excluded or shared
//! files, commands that stop, start and test the task, reasons, and the user's own hooks.

mod refused;

use std::fs;

use crate::support::{
    Sandbox,
    story::{Story, assert_released, rollback, set_version},
};

/// Creates a sandbox with these lines for T01 in `snapback.yaml`, and these for `rollback:`.
fn with_settings(task: &str, rollback: &str) -> Sandbox {
    let sandbox = Sandbox::new(2);
    settings(&sandbox, task, rollback);
    sandbox
}

/// Writes and commits the settings.
fn settings(sandbox: &Sandbox, task: &str, rollback: &str) {
    let text = format!(
        "version: 1\ndefaults:\n  large_files: {{patterns: [\"*.bin\"]}}\ntasks:\n  discover:\n    - glob: tasks/*\n  T01:\n    path: tasks/T01\n{task}rollback:\n{rollback}"
    );
    sandbox.write("snapback.yaml", text.as_bytes());
    sandbox.git(&["add", "snapback.yaml"]).expect(0);
    sandbox.git(&["commit", "-q", "-m", "settings"]).expect(0);
}

/// Reads the log that the task's commands write, outside the repository.
fn log(sandbox: &Sandbox) -> Vec<String> {
    let text = fs::read_to_string(sandbox.home().join("log")).unwrap_or_default();
    text.lines().map(str::to_string).collect()
}

/// Creates two releases that differ in `signal.py`.
fn two_releases(sandbox: &Sandbox) -> Story<'_> {
    Story::begin(sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    })
}

/// Reads everything that a command without changes must leave alone.
fn everything(sandbox: &Sandbox) -> (crate::support::sandbox::Tree, Vec<String>, String) {
    (
        sandbox.tree(),
        sandbox.status(),
        sandbox.git_out(&["for-each-ref", "--format=%(refname) %(objectname)"]),
    )
}

#[test]
fn protected_files_stay_as_they_are() {
    let sandbox = with_settings(
        "    protect: [positions.json, \"state/**\", \"*.db\"]\n",
        "  env: plan\n",
    );
    sandbox.write("tasks/T01/positions.json", b"[1]\n");
    sandbox.write("tasks/T01/state/open.json", b"old\n");
    sandbox.write("tasks/T01/lib/trades.db", b"old\n");
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/positions.json", b"[1, 2]\n");
    sandbox.write("tasks/T01/state/open.json", b"new\n");
    sandbox.write("tasks/T01/state/added.json", b"new\n");
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    sandbox.write("tasks/T01/positions.json", b"[1, 2, 3]\n");
    fs::remove_file(sandbox.at("tasks/T01/lib/trades.db")).unwrap();
    let done = rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert!(done.stderr.contains("protected"), "{}", done.stderr);
    assert_eq!(sandbox.read("tasks/T01/positions.json"), b"[1, 2, 3]\n");
    assert_eq!(sandbox.read("tasks/T01/state/open.json"), b"new\n");
    assert_eq!(sandbox.read("tasks/T01/state/added.json"), b"new\n");
    assert_eq!(
        sandbox.read("tasks/T01/lib/trades.db"),
        b"old\n",
        "a protected file that is missing comes back"
    );
    assert_ne!(sandbox.read("tasks/T01/signal.py"), b"# 1.1.0\n");
    assert_eq!(
        sandbox.status(),
        [" M tasks/T01/positions.json"],
        "the live file differs from the commit, as before"
    );
    sandbox
        .snapback(&["verify-rollback", "--task", "T01", "--expected", "1.0.0"])
        .expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.read("tasks/T01/positions.json"), b"[1, 2, 3]\n");
    assert_eq!(sandbox.read("tasks/T01/state/added.json"), b"new\n");
    assert!(!sandbox.exists("tasks/T01/lib/trades.db"));
    assert_eq!(sandbox.read("tasks/T01/signal.py"), b"# 1.1.0\n");
    assert_eq!(
        sandbox.status(),
        [" D tasks/T01/lib/trades.db", " M tasks/T01/positions.json"]
    );
}

#[test]
fn excluded_files_are_not_the_tasks() {
    let sandbox = with_settings("    exclude: [\"notes/**\", \"*.tmp\"]\n", "  env: plan\n");
    sandbox.write("tasks/T01/notes/a.md", b"old\n");
    sandbox.git(&["add", "tasks/T01/notes"]).expect(0);
    sandbox.git(&["commit", "-q", "-m", "notes"]).expect(0);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/notes/a.md", b"new\n");
    sandbox.write("tasks/T01/scratch.tmp", b"new\n");
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    assert_eq!(
        sandbox.git_out(&["show", "T01-v1.1.0:tasks/T01/notes/a.md"]),
        "old",
        "an excluded edit is not released"
    );
    let status = [" M tasks/T01/notes/a.md", "?? tasks/T01/scratch.tmp"];
    assert_eq!(sandbox.status(), status);
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(sandbox.read("tasks/T01/notes/a.md"), b"new\n");
    assert_eq!(sandbox.read("tasks/T01/scratch.tmp"), b"new\n");
    assert_eq!(sandbox.status(), status);
    sandbox
        .snapback(&["verify-rollback", "--task", "T01", "--expected", "1.0.0"])
        .expect(0);
}

/// Creates two released tasks that share code, and a file that one of them names as shared.
fn with_shared_files() -> Sandbox {
    let sandbox = with_settings("    shared: [config/limits.yaml]\n", "  env: plan\n");
    sandbox.write("config/limits.yaml", b"max: 1\n");
    sandbox.write("lib/__init__.py", b"");
    sandbox.write("lib/prices.py", b"PRICE = 1\n");
    sandbox.write("tasks/T01/signal.py", b"from lib.prices import PRICE\n");
    sandbox.write("tasks/T02/signal.py", b"import lib.prices\n");
    sandbox.commit("shared code");
    sandbox.release("T01", "1.0.0");
    sandbox.release("T02", "1.0.0");
    sandbox
}

#[test]
fn shared_files_are_recorded_and_their_drift_is_reported() {
    let sandbox = with_shared_files();
    let manifest = String::from_utf8(sandbox.read("snapshots/snapshot-T01-v1.0.0.yaml")).unwrap();
    for path in ["config/limits.yaml", "lib/prices.py"] {
        let entry = manifest
            .split("- path: ")
            .find(|entry| entry.trim_start_matches('"').starts_with(path))
            .unwrap_or_else(|| panic!("{path} is in {manifest}"));
        assert!(entry.contains("role: shared"), "{entry}");
    }
    sandbox.write("config/limits.yaml", b"max: 2\n");
    sandbox.write("lib/prices.py", b"PRICE = 2\n");
    sandbox
        .git(&["commit", "-q", "-am", "shared code moves on"])
        .expect(0);
    sandbox.write("tasks/T01/run.sh", b"#!/bin/sh\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let done = rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert!(
        done.stderr.contains("T01 1.0.0 expects lib/prices.py"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains("T02 use it too") || done.stderr.contains("T02 uses it too"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains("config/limits.yaml"),
        "{}",
        done.stderr
    );
    assert_eq!(
        (
            sandbox.read("config/limits.yaml"),
            sandbox.read("lib/prices.py")
        ),
        (b"max: 2\n".to_vec(), b"PRICE = 2\n".to_vec())
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    let args = [
        "rollback",
        "--task",
        "T01",
        "--to",
        "1.0.0",
        "--with-shared",
        "--yes",
    ];
    sandbox.snapback(&args).expect(0);
    assert_eq!(
        (
            sandbox.read("config/limits.yaml"),
            sandbox.read("lib/prices.py")
        ),
        (b"max: 1\n".to_vec(), b"PRICE = 1\n".to_vec())
    );
    assert_released(&sandbox, "1.0.0");
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.read("lib/prices.py"), b"PRICE = 2\n");
    assert_released(&sandbox, "1.1.0");
}

#[test]
fn the_task_is_stopped_before_and_started_after() {
    let commands = "    stop: {run: 'echo \"stop $(tail -1 signal.py)\" >>\"$HOME/log\"'}\n    start: {run: 'echo \"start $(tail -1 signal.py)\" >>\"$HOME/log\"'}\n";
    let sandbox = with_settings(commands, "  env: plan\n");
    sandbox.write("tasks/T01/signal.py", b"# 1.0.0\n");
    let story = two_releases(&sandbox);
    assert_eq!(
        log(&sandbox),
        Vec::<String>::new(),
        "a release does not touch the running task"
    );
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(log(&sandbox), ["stop # 1.1.0", "start # 1.0.0"]);
    story.assert_old();
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(log(&sandbox)[2..], ["stop # 1.0.0", "start # 1.1.0"]);
    sandbox
        .snapback(&[
            "rollback",
            "--task",
            "T01",
            "--to",
            "1.0.0",
            "--no-restart",
            "--yes",
        ])
        .expect(0);
    assert_eq!(log(&sandbox).len(), 4, "--no-restart");
}

#[test]
fn a_stop_command_that_fails_changes_nothing_and_a_start_that_fails_goes_back() {
    let sandbox = with_settings(
        "    stop: {run: \"echo cannot stop >&2; exit 7\"}\n",
        "  env: plan\n",
    );
    let _story = two_releases(&sandbox);
    let before = everything(&sandbox);
    let failed = rollback(&sandbox, "1.1.0", "1.0.0");
    assert!(failed.code != 0 && (failed.stderr + &failed.stdout).contains("cannot stop"));
    assert_eq!(everything(&sandbox), before);

    // Starting works in 1.1.0 only: the old one is started again.
    let sandbox = with_settings(
        "    stop: {run: 'echo stop >>\"$HOME/log\"'}\n    start: {run: 'echo start >>\"$HOME/log\"; grep -q 1.1.0 signal.py'}\n",
        "  env: plan\n",
    );
    let _story = two_releases(&sandbox);
    let before = everything(&sandbox);
    assert_ne!(rollback(&sandbox, "1.1.0", "1.0.0").code, 0);
    assert_eq!(everything(&sandbox), before);
    assert_eq!(
        log(&sandbox).last().map(String::as_str),
        Some("start"),
        "{:?}",
        log(&sandbox)
    );
    assert!(
        log(&sandbox).len() >= 3,
        "stop, start that fails, start of the old one: {:?}",
        log(&sandbox)
    );
}

/// Creates a sandbox whose smoke test accepts 1.1.0 only, released twice.
fn with_failing_smoke(rollback: &str) -> Sandbox {
    let sandbox = with_settings("", rollback);
    two_releases(&sandbox);
    settings(
        &sandbox,
        "    verify:\n      - {run: \"echo looking; grep -q 1.1.0 signal.py\"}\n",
        rollback,
    );
    sandbox
}

#[test]
fn a_resumed_rollback_keeps_to_what_was_asked_of_it() {
    for (asked, code, left) in [("keep", 4, "1.0.0"), ("undo", 4, "1.1.0")] {
        let sandbox = with_settings("", "  env: plan\n");
        two_releases(&sandbox);
        // The smoke test kills snapback the first time, and fails the second time.
        let run = "test -e $HOME/killed && exit 1; : > $HOME/killed; kill -9 $PPID; sleep 5";
        settings(
            &sandbox,
            &format!("    verify:\n      - {{run: \"{run}\"}}\n"),
            "  env: plan\n",
        );
        let killed = sandbox.snapback(&[
            "rollback",
            "--task",
            "T01",
            "--to",
            "1.0.0",
            "--on-verify-fail",
            asked,
            "--yes",
        ]);
        assert_ne!(killed.code, 0, "{killed:?}");
        let resumed = sandbox.snapback(&["op", "resume"]);
        assert_eq!(resumed.code, code, "{asked}: {resumed:?}");
        assert!(
            sandbox
                .read("tasks/T01/config.yaml")
                .windows(5)
                .any(|part| part == left.as_bytes()),
            "{asked}: {resumed:?}"
        );
    }
}

#[test]
fn a_smoke_test_that_fails_undoes_the_rollback() {
    let sandbox = with_failing_smoke("  on_verify_fail: undo\n");
    let before = everything(&sandbox);
    let failed = rollback(&sandbox, "1.1.0", "1.0.0").expect(4);
    assert!(failed.stdout.contains("put back"), "{}", failed.stdout);
    assert_eq!(
        everything(&sandbox),
        before,
        "everything is as before, times and references too"
    );
    assert_released(&sandbox, "1.1.0");
    sandbox
        .snapback(&["verify-rollback", "--task", "T01", "--expected", "1.1.0"])
        .expect(0);
    let json = sandbox
        .snapback(&[
            "rollback", "--task", "T01", "--to", "1.0.0", "--yes", "--json",
        ])
        .expect(4)
        .json();
    assert_eq!(
        (
            json["ok"].as_bool(),
            json["changed"].as_bool(),
            json["exit_code"].as_i64()
        ),
        (Some(false), Some(false), Some(4)),
        "{json}"
    );
}

#[test]
fn a_smoke_test_that_fails_may_be_kept() {
    for how in ["settings", "argument"] {
        let sandbox = with_failing_smoke(if how == "settings" {
            "  on_verify_fail: keep\n"
        } else {
            "  on_verify_fail: undo\n"
        });
        let mut args = vec!["rollback", "--task", "T01", "--to", "1.0.0", "--yes"];
        if how == "argument" {
            args.extend(["--on-verify-fail", "keep"]);
        }
        sandbox.snapback(&args).expect(4);
        assert_released(&sandbox, "1.0.0");
        sandbox
            .snapback(&["verify-rollback", "--task", "T01", "--expected", "1.0.0"])
            .expect(4);
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_released(&sandbox, "1.1.0");
    }
}
