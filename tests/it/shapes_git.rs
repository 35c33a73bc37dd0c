//! Shapes of repositories: linked work trees, SHA-256 objects, Git LFS.

use crate::support::{
    Sandbox, noise,
    story::{Story, rollback},
};

#[test]
fn sha256_repository() {
    let sandbox = Sandbox::of_format("sha256").with_tasks(2);
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"other\n");
        sandbox.write("tasks/T01/model.bin", &noise("other", 90_000));
        sandbox.write("tasks/T01/new.txt", b"new\n");
    });
    story.go();
    assert_eq!(sandbox.git_out(&["rev-parse", "HEAD"]).len(), 64);
}

#[test]
fn linked_work_tree_shares_releases_and_state() {
    let mut sandbox = Sandbox::new(2);
    sandbox.release("T02", "1.0.0");
    sandbox
        .git(&["worktree", "add", "-q", "-b", "side", "../linked"])
        .expect(0);
    sandbox.work = "linked";
    sandbox.write("tasks/T01/model.bin", &noise("T01", 70_000));
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"other\n");
        sandbox.write("tasks/T01/model.bin", &noise("other", 90_000));
    });
    story.go();
    assert!(
        !sandbox.exists(".git/snapback"),
        "there is no state of its own"
    );
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);

    // The main work tree sees the releases, has not moved, and can be rolled back to them.
    sandbox.work = "repo";
    assert_eq!(
        sandbox.status(),
        Vec::<String>::new(),
        "the other work tree did not change"
    );
    let listed = sandbox.snapback(&["list", "--task", "T01"]).expect(0);
    assert!(listed.stdout.contains("1.1.0"), "{}", listed.stdout);
    let refused = sandbox
        .snapback(&["undo", "--yes", "--task", "T01"])
        .expect(6);
    assert!(refused.stderr.contains("linked"), "{}", refused.stderr);
    assert_eq!(sandbox.status(), Vec::<String>::new());
    sandbox
        .snapback(&["rollback", "--task", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    assert_eq!(sandbox.read("tasks/T01/signal.py"), b"other\n");
    assert_eq!(sandbox.read("tasks/T01/model.bin"), noise("other", 90_000));
    assert_eq!(sandbox.status(), Vec::<String>::new());
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
    assert_eq!(
        sandbox.git_out(&["rev-list", "--count", "side..main"]),
        "1",
        "each branch has its own commits"
    );
}

#[test]
fn forms_of_the_index() {
    for setup in [
        &["update-index", "--index-version", "4"][..],
        &["update-index", "--split-index"],
        &["update-index", "--untracked-cache"],
        &["config", "feature.manyFiles", "true"],
        &["config", "index.skipHash", "true"],
        &["config", "index.threads", "2"],
    ] {
        let sandbox = Sandbox::new(2);
        sandbox.git(setup).expect(0);
        sandbox.write("tasks/T02/staged.txt", b"staged\n");
        sandbox.git(&["add", "tasks/T02/staged.txt"]).expect(0);
        sandbox.git(&["commit", "-q", "-m", "T02"]).expect(0);
        println!("{setup:?}");
        let story = Story::begin(&sandbox, |sandbox| {
            sandbox.write("tasks/T01/signal.py", b"other\n");
            sandbox.write("tasks/T01/new.txt", b"new\n");
        });
        story.go();
    }
}

#[test]
fn without_executable_bits_the_index_decides() {
    let sandbox = Sandbox::new(2);
    sandbox.git(&["config", "core.fileMode", "false"]).expect(0);
    sandbox.release("T01", "1.0.0");
    sandbox
        .git(&["update-index", "--chmod=+x", "tasks/T01/signal.py"])
        .expect(0);
    sandbox.chmod("tasks/T01/run.sh", 0o644);
    crate::support::story::set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let mode = |version: &str, path: &str| {
        sandbox.git_out(&["ls-tree", version, "--", path])[..6].to_string()
    };
    assert_eq!(mode("T01-v1.1.0", "tasks/T01/signal.py"), "100755");
    assert_eq!(
        mode("T01-v1.1.0", "tasks/T01/run.sh"),
        "100755",
        "the work tree's bit counts for nothing"
    );
    assert_eq!(sandbox.status(), Vec::<String>::new());
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(mode("HEAD", "tasks/T01/signal.py"), "100644");
    assert_eq!(sandbox.status(), Vec::<String>::new());
    sandbox
        .snapback(&["verify-rollback", "--task", "T01", "--expected", "1.0.0"])
        .expect(0);
}
