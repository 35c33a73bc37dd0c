//! Obstacles and changes to a release on its way: the user's own hooks, a required reason, reserved
//! names, a registry that is a link.

use std::fs;

use super::{everything, settings, two_releases, with_settings};
use crate::support::{
    Sandbox,
    story::{TASK, assert_released, assert_same, rollback, set_version, shape},
};

/// Installs a pre-commit hook.
fn hook(sandbox: &Sandbox, script: &str) {
    sandbox.write(
        ".git/hooks/pre-commit",
        format!("#!/bin/sh\nset -e\n{script}").as_bytes(),
    );
    sandbox.chmod(".git/hooks/pre-commit", 0o755);
}

#[test]
fn a_hook_that_refuses_stops_the_release() {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"print(1)\n");
    sandbox.write("tasks/T02/signal.py", b"staged in T02\n");
    sandbox.git(&["add", "--", "tasks/T02"]).expect(0);
    set_version(&sandbox, "1.1.0");
    hook(
        &sandbox,
        "git diff --cached --name-only >\"$HOME/names\"\necho 'no print, please' >&2\nexit 1\n",
    );
    let before = everything(&sandbox);
    let args = [
        "create-snapshot",
        "--task",
        "T01",
        "--version",
        "1.1.0",
        "-m",
        "new",
        "--yes",
    ];
    let refused = sandbox.snapback(&args);
    assert!(
        refused.code != 0 && refused.stderr.contains("no print, please"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("--no-verify"),
        "the way round it is named: {}",
        refused.stderr
    );
    assert_eq!(everything(&sandbox), before);
    let names = fs::read_to_string(sandbox.home().join("names")).unwrap();
    assert!(
        names.contains("tasks/T01/signal.py"),
        "the hook sees what will be committed: {names}"
    );
    sandbox
        .snapback(&[&args[..], &["--no-verify"]].concat())
        .expect(0);
    assert_eq!(sandbox.status(), ["M  tasks/T02/signal.py"]);
}

#[test]
fn a_hook_that_reformats_is_heard() {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"x  =  1\n");
    set_version(&sandbox, "1.1.0");
    hook(
        &sandbox,
        "for f in $(git diff --cached --name-only --diff-filter=d -- '*.py'); do sed -i 's/  */ /g' \"$f\"; git add -- \"$f\"; done\n",
    );
    sandbox.release("T01", "1.1.0");
    assert_eq!(sandbox.read("tasks/T01/signal.py"), b"x = 1\n");
    assert_eq!(
        sandbox.git_out(&["show", "T01-v1.1.0:tasks/T01/signal.py"]),
        "x = 1",
        "what was reformatted is what is released"
    );
    assert_released(&sandbox, "1.1.0");
    sandbox
        .snapback(&["verify-snapshot", "--task", "T01", "--all", "--deep"])
        .expect(0);
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_released(&sandbox, "1.0.0");
}

#[test]
fn a_reason_can_be_required() {
    let sandbox = with_settings("", "  require_reason: true\n");
    let story = two_releases(&sandbox);
    let before = everything(&sandbox);
    let refused = rollback(&sandbox, "1.1.0", "1.0.0").expect(6);
    assert!(refused.stderr.contains("--message"), "{}", refused.stderr);
    assert_eq!(everything(&sandbox), before);
    sandbox
        .snapback(&[
            "rollback",
            "--task",
            "T01",
            "--to",
            "1.0.0",
            "-m",
            "it lost money",
            "--yes",
        ])
        .expect(0);
    assert!(
        sandbox
            .git_out(&["log", "-1", "--format=%s"])
            .contains("it lost money")
    );
    assert_same(&shape(&sandbox.tree_in(TASK)), &story.old);
}

#[test]
fn a_reserved_name_in_a_task_is_named_with_what_to_do() {
    let sandbox = Sandbox::new(1);
    sandbox.write("tasks/T01/.snapback/notes", b"mine\n");
    let args = [
        "create-snapshot",
        "--task",
        "T01",
        "--message",
        "first",
        "--yes",
    ];
    let released = sandbox.snapback(&args).expect(0);
    assert!(
        released
            .stderr
            .contains("tasks/T01/.snapback is not released"),
        "{}",
        released.stderr
    );
    sandbox.git(&["add", "-A", "-f"]).expect(0);
    sandbox.git(&["commit", "-q", "-m", "notes"]).expect(0);
    set_version(&sandbox, "1.1.0");
    let refused = sandbox.snapback(&args).expect(4);
    assert!(
        refused.stderr.contains("\"tasks/T01/.snapback\""),
        "{}",
        refused.stderr
    );
    assert!(
        refused
            .stderr
            .contains("git rm -r --cached tasks/T01/.snapback"),
        "{}",
        refused.stderr
    );
    sandbox
        .git(&["rm", "-q", "-r", "--cached", "tasks/T01/.snapback"])
        .expect(0);
    sandbox
        .git(&["commit", "-q", "-m", "forget the notes"])
        .expect(0);
    settings(&sandbox, "    exclude: [.snapback]\n", "  env: plan\n");
    let released = sandbox.snapback(&args).expect(0);
    assert!(
        !released.stderr.contains(".snapback"),
        "what is excluded is not spoken of: {}",
        released.stderr
    );
}

#[test]
fn a_registry_that_is_a_link_is_refused_with_what_to_do() {
    let sandbox = Sandbox::new(1);
    sandbox.write("real.json", b"{\"tasks\": {}}\n");
    let _ = fs::remove_file(sandbox.root().join("task_registry.json"));
    std::os::unix::fs::symlink("real.json", sandbox.root().join("task_registry.json")).unwrap();
    let args = [
        "create-snapshot",
        "--task",
        "T01",
        "--message",
        "first",
        "--yes",
    ];
    let refused = sandbox.snapback(&args).expect(6);
    assert!(
        refused
            .stderr
            .contains("task_registry.json is a symbolic link"),
        "{}",
        refused.stderr
    );
    assert!(
        refused
            .stderr
            .contains("hint: put the file itself at task_registry.json"),
        "{}",
        refused.stderr
    );
    // A command that only reads reports it, and continues.
    let said = sandbox.snapback(&["status"]).expect(0);
    assert!(
        said.stderr.contains("warning: ")
            && said
                .stderr
                .contains("task_registry.json is a symbolic link"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr
            .contains("put the file itself at task_registry.json"),
        "{}",
        said.stderr
    );
}
