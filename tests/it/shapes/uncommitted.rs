//! Uncommitted work: edits, staged changes, files in the way. It is saved and can be restored.

use std::{fs, os::unix::fs::symlink};

use super::remove;
use crate::support::{
    Sandbox,
    story::{Story, TASK, rollback, set_version, shape},
};

/// Leaves files of two tasks in every state that git knows, with their own modes and times.
fn edit_in_every_way(sandbox: &Sandbox) {
    // Edited; staged; staged and edited again; staged as deleted, with and without the file.
    sandbox.write("tasks/T01/signal.py", b"edited\n");
    sandbox.write("tasks/T01/lib/rules.py", b"staged\n");
    sandbox.write("tasks/T01/run.sh", b"staged\n");
    sandbox.write("tasks/T01/staged-new.txt", b"staged\n");
    sandbox
        .git_line("add -- tasks/T01/lib/rules.py tasks/T01/run.sh tasks/T01/staged-new.txt")
        .expect(0);
    sandbox.write("tasks/T01/run.sh", b"staged, then edited\n");
    sandbox
        .git(&["rm", "-q", "--cached", "tasks/T01/unstage.txt"])
        .expect(0);
    sandbox.git(&["rm", "-q", "tasks/T01/gone.txt"]).expect(0);
    // Untracked and ignored files that block nothing; a large file; another task's edits.
    sandbox.write("tasks/T01/notes.txt", b"untracked\n");
    sandbox.write("tasks/T01/run.log", b"ignored\n");
    sandbox.write("tasks/T01/model.bin", b"a new model\n");
    sandbox.write("tasks/T02/signal.py", b"staged in T02\n");
    sandbox.git(&["add", "--", "tasks/T02"]).expect(0);
    sandbox.write("tasks/T02/run.sh", b"edited in T02\n");
    for (path, mode) in [
        ("signal.py", 0o600),
        ("lib/rules.py", 0o755),
        ("added.py", 0o640),
        ("notes.txt", 0o400),
        ("model.bin", 0o600),
    ] {
        sandbox.chmod(&format!("{TASK}/{path}"), mode);
    }
    fs::File::open(sandbox.at("tasks/T01/signal.py"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789))
        .unwrap();
}

/// Asserts that the task is as in 1.0.0, apart from files that no release has.
fn assert_old_without_loose_files(sandbox: &Sandbox, story: &Story<'_>) {
    let loose = |path: &str| path.ends_with("notes.txt") || path.ends_with("run.log");
    let mut tree = sandbox.tree_in(TASK);
    tree.retain(|path, _| !loose(path));
    assert_eq!(shape(&tree), story.old, "edits do not get in the way");
}

#[test]
fn what_was_not_committed_comes_back_with_undo() {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/keep.txt", b"1\n");
    sandbox.write("tasks/T01/unstage.txt", b"1\n");
    sandbox.write("tasks/T01/gone.txt", b"1\n");
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"1.1.0\n");
        sandbox.write("tasks/T01/lib/rules.py", b"1.1.0\n");
        sandbox.write("tasks/T01/added.py", b"1.1.0\n");
    });
    edit_in_every_way(&sandbox);
    let stand = || {
        (
            sandbox.tree_where(|path| path != "task_registry.json"),
            sandbox.status(),
        )
    };
    let before = stand();
    let staged = |sandbox: &Sandbox| {
        sandbox.git_out(&["diff", "--cached", "--raw", "--abbrev=40", "--no-renames"])
    };
    let staged_before = staged(&sandbox);

    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_old_without_loose_files(&sandbox, &story);
    assert_eq!(sandbox.read("tasks/T01/notes.txt"), b"untracked\n");
    assert_eq!(sandbox.read("tasks/T01/run.log"), b"ignored\n");
    assert_eq!(
        sandbox.status(),
        [
            " M tasks/T02/run.sh",
            "?? tasks/T01/notes.txt",
            "M  tasks/T02/signal.py"
        ]
    );
    sandbox
        .snapback(&["verify-rollback", "--task", "T01", "--expected", "1.0.0"])
        .expect(0);

    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(stand(), before);
    assert_eq!(
        staged(&sandbox),
        staged_before,
        "what was staged is staged again"
    );
    assert_eq!(sandbox.unsound(), Vec::<String>::new());

    sandbox.snapback(&["redo", "--yes"]).expect(0);
    assert_old_without_loose_files(&sandbox, &story);
    assert_eq!(
        sandbox.status(),
        [
            " M tasks/T02/run.sh",
            "?? tasks/T01/notes.txt",
            "M  tasks/T02/signal.py"
        ]
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(stand(), before);
    assert_eq!(staged(&sandbox), staged_before);
}

#[test]
fn a_release_takes_what_is_there_and_leaves_other_tasks_alone() {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"staged\n");
    sandbox.git(&["add", "--", "tasks/T01/signal.py"]).expect(0);
    sandbox.write("tasks/T01/signal.py", b"edited\n");
    sandbox.write("tasks/T01/notes.txt", b"untracked\n");
    sandbox
        .git(&["rm", "-q", "--cached", "tasks/T01/run.sh"])
        .expect(0);
    sandbox
        .git(&["rm", "-q", "tasks/T01/lib/rules.py"])
        .expect(0);
    sandbox.write("tasks/T01/intended.txt", b"intended\n");
    sandbox
        .git(&["add", "--intent-to-add", "tasks/T01/intended.txt"])
        .expect(0);
    sandbox.write("tasks/T02/signal.py", b"staged in T02\n");
    sandbox.git(&["add", "--", "tasks/T02"]).expect(0);
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    assert_eq!(
        sandbox.git_out(&["show", "T01-v1.1.0:tasks/T01/signal.py"]),
        "edited"
    );
    assert_eq!(
        sandbox.git_out(&["show", "T01-v1.1.0:tasks/T01/intended.txt"]),
        "intended"
    );
    let names = sandbox.git_out(&["ls-tree", "-r", "--name-only", "T01-v1.1.0", "--", TASK]);
    assert!(
        names.contains("run.sh"),
        "a file that is there is released, whatever was staged: {names}"
    );
    assert!(!names.contains("rules.py"), "{names}");
    sandbox
        .snapback(&["verify-snapshot", "--task", "T01", "--all", "--deep"])
        .expect(0);
    assert_eq!(
        sandbox.status(),
        ["M  tasks/T02/signal.py"],
        "T02 stays staged, T01 is clean"
    );
}

#[test]
fn what_stands_in_the_way_is_saved_and_comes_back() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("rules.py"), b"not ours\n").unwrap();
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/data", b"a file\n");
    let _story = Story::begin(&sandbox, |sandbox| {
        remove(sandbox, "tasks/T01/data");
        sandbox.write("tasks/T01/lib/rules.py", b"RULES = []\n");
    });
    let saved = || {
        let before = (sandbox.tree(), sandbox.status());
        let went = rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
        assert!(
            (went.stdout + &went.stderr).contains("1 file lies where others must go"),
            "it is named"
        );
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_eq!((sandbox.tree(), sandbox.status()), before);
    };
    // A folder with a user's file in the place of a file.
    sandbox.write("tasks/T01/data/mine.log", b"mine\n");
    saved();
    fs::remove_dir_all(sandbox.at("tasks/T01/data")).unwrap();
    // An untracked link out of the tree in the place of a folder.
    fs::remove_dir_all(sandbox.at("tasks/T01/lib")).unwrap();
    symlink(outside.path(), sandbox.at("tasks/T01/lib")).unwrap();
    saved();
    assert_eq!(
        fs::read(outside.path().join("rules.py")).unwrap(),
        b"not ours\n"
    );
    remove(&sandbox, "tasks/T01/lib");
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(sandbox.read("tasks/T01/data"), b"a file\n");
}
