//! Undo and redo beyond one step: edits in between, several rollbacks, none committed.

use crate::support::{
    Sandbox,
    story::{Story, TASK, assert_released, assert_same, rollback, set_version, shape},
};

#[test]
fn an_edit_after_the_rollback_survives_undo_and_redo() {
    let sandbox = Sandbox::new(2);
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    });
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    sandbox.write("tasks/T01/signal.py", b"# a hot fix\n");
    sandbox.write("tasks/T01/fresh.txt", b"untracked\n");
    let edited = sandbox.tree_in(TASK);
    let undone = sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert!(
        undone.stderr.contains("signal.py was changed since"),
        "{}",
        undone.stderr
    );
    assert_eq!(sandbox.read("tasks/T01/signal.py"), b"# 1.1.0\n");
    assert_eq!(sandbox.status(), ["?? tasks/T01/fresh.txt"]);
    sandbox.snapback(&["redo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in(TASK), edited, "the hot fix is back");
    assert_eq!(
        sandbox.status(),
        [" M tasks/T01/signal.py", "?? tasks/T01/fresh.txt"]
    );
    sandbox.git(&["checkout", "-q", "--", TASK]).expect(0);
    std::fs::remove_file(sandbox.at("tasks/T01/fresh.txt")).unwrap();
    story.assert_old();
}

#[test]
fn several_rollbacks_are_undone_one_by_one() {
    let sandbox = Sandbox::new(2);
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    });
    sandbox.write("tasks/T01/signal.py", b"# 1.2.0\n");
    set_version(&sandbox, "1.2.0");
    sandbox.release("T01", "1.2.0");
    let newest = sandbox.tree_in(TASK);
    rollback(&sandbox, "1.2.0", "1.1.0").expect(0);
    let middle = sandbox.tree_in(TASK);
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in(TASK), middle);
    assert_released(&sandbox, "1.1.0");
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in(TASK), newest);
    assert_released(&sandbox, "1.2.0");
    sandbox.snapback(&["undo", "--yes"]).expect(5);
    for version in ["1.1.0", "1.0.0"] {
        sandbox.snapback(&["redo", "--yes"]).expect(0);
        assert_released(&sandbox, version);
    }
    sandbox.snapback(&["redo", "--yes"]).expect(5);
    assert_same(&shape(&sandbox.tree_in(TASK)), &story.old);
    // The same rollback again: each has a marker of its own.
    for (from, to) in [
        ("1.0.0", "1.2.0"),
        ("1.2.0", "1.1.0"),
        ("1.1.0", "1.2.0"),
        ("1.2.0", "1.1.0"),
    ] {
        rollback(&sandbox, from, to).expect(0);
        assert_released(&sandbox, to);
    }
    let markers = sandbox.git_out(&["tag", "--list", "T01-v1.1.0-rollback-from-v1.2.0*"]);
    assert_eq!(markers.lines().count(), 3, "{markers}");
}

#[test]
fn a_rollback_without_a_commit_changes_the_work_tree_only() {
    let sandbox = Sandbox::new(2);
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
        sandbox.write("tasks/T01/new.txt", b"new\n");
    });
    // Other clones learn that the version is held; nothing else moves.
    let own = ["for-each-ref", "--exclude=refs/snapback/verdicts"];
    let refs = sandbox.git_out(&own);
    sandbox
        .snapback(&[
            "rollback",
            "--task",
            "T01",
            "--to",
            "1.0.0",
            "--no-commit",
            "--yes",
        ])
        .expect(0);
    assert_same(&shape(&sandbox.tree_in(TASK)), &story.old);
    assert_eq!(sandbox.git_out(&own), refs);
    let changed = [
        " D tasks/T01/new.txt",
        " M task_registry.json",
        " M tasks/T01/config.yaml",
        " M tasks/T01/signal.py",
    ];
    assert_eq!(sandbox.status(), changed);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in(TASK), story.new);
    assert_released(&sandbox, "1.1.0");
    assert_eq!(sandbox.git_out(&own), refs);
}

#[test]
fn another_tasks_commits_in_between_stay() {
    let sandbox = Sandbox::new(2);
    sandbox.release("T02", "1.0.0");
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    });
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    let config = String::from_utf8(sandbox.read("tasks/T02/config.yaml"))
        .unwrap()
        .replace("1.0.0", "2.0.0");
    sandbox.write("tasks/T02/config.yaml", config.as_bytes());
    sandbox.release("T02", "2.0.0");
    sandbox.write("README.md", b"by hand\n");
    sandbox.git(&["add", "README.md"]).expect(0);
    sandbox.git(&["commit", "-q", "-m", "by hand"]).expect(0);
    sandbox
        .snapback(&["undo", "--task", "T01", "--yes"])
        .expect(0);
    assert_eq!(sandbox.tree_in(TASK), story.new);
    assert_eq!(
        sandbox.registry_version("T02").as_deref(),
        Some("2.0.0"),
        "T02 stays where it is"
    );
    assert!(sandbox.exists("README.md") && sandbox.exists("snapshots/snapshot-T02-v2.0.0.yaml"));
    assert_released(&sandbox, "1.1.0");
}
