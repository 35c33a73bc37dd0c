//! Repositories in which nothing can be changed: none, bare, unborn, detached, in the middle of
//! something, incomplete, locked, with unreadable references.

use std::fs;

use super::{BACK, SNAP, refused, released};
use crate::support::Sandbox;

#[test]
fn no_repository() {
    let sandbox = Sandbox::new(1);
    for command in [
        SNAP,
        BACK,
        &["status"],
        &["init"],
        &["undo"],
        &["adopt", "--all"],
    ] {
        refused(
            &sandbox,
            10,
            &[&["-C", "../home"], command].concat(),
            &["not inside a git repository", "snapback -C DIR status"],
        );
    }
    refused(&sandbox, 10, &["-C", "../nowhere", "status"], &["nowhere"]);
}

#[test]
fn bare() {
    let sandbox = released();
    sandbox
        .git(&["clone", "-q", "--bare", ".", "../bare.git"])
        .expect(0);
    for command in [SNAP, BACK, &["status"]] {
        refused(
            &sandbox,
            6,
            &[&["-C", "../bare.git"], command].concat(),
            &["bare", "git clone"],
        );
    }
}

#[test]
fn unborn() {
    let sandbox = Sandbox::new(1);
    sandbox
        .git(&["checkout", "-q", "--orphan", "fresh"])
        .expect(0);
    refused(&sandbox, 6, SNAP, &["has no commit yet", "git commit"]);
    refused(&sandbox, 5, BACK, &["1.0.0"]);
    sandbox.snapback(&["status"]).expect(0);
}

#[test]
fn detached() {
    let sandbox = released();
    sandbox.git(&["checkout", "-q", "--detach"]).expect(0);
    for command in [SNAP, BACK] {
        refused(&sandbox, 6, command, &["HEAD is detached", "git switch"]);
    }
    sandbox.snapback(&["status"]).expect(0);
}

/// Creates a repository with two branches that conflict in T02.
fn torn() -> Sandbox {
    let sandbox = released();
    sandbox.git(&["checkout", "-q", "-b", "side"]).expect(0);
    sandbox.write("tasks/T02/signal.py", b"side\n");
    sandbox.git(&["commit", "-qam", "side"]).expect(0);
    sandbox.git(&["checkout", "-q", "main"]).expect(0);
    sandbox.write("tasks/T02/signal.py", b"main\n");
    sandbox.git(&["commit", "-qam", "main"]).expect(0);
    sandbox
}

#[test]
fn in_the_middle_of_something() {
    for (begin, says) in [
        (&["merge", "-q", "side"][..], "git merge --abort"),
        (&["rebase", "-q", "side"], "git rebase --abort"),
        (&["cherry-pick", "side"], "git cherry-pick --abort"),
        (&["revert", "--no-commit", "HEAD"], "git revert --abort"),
    ] {
        let sandbox = torn();
        sandbox.git(begin);
        refused(&sandbox, 6, BACK, &["is in progress", says]);
        refused(&sandbox, 6, SNAP, &["is in progress", says]);
        sandbox.snapback(&["status"]).expect(0);
    }
    let sandbox = torn();
    sandbox
        .git(&["bisect", "start", "HEAD", "HEAD~2"])
        .expect(0);
    refused(&sandbox, 6, BACK, &["bisect", "git bisect reset"]);
    refused(&sandbox, 6, SNAP, &["bisect", "git bisect reset"]);
}

#[test]
fn shallow_without_the_tag() {
    let sandbox = released();
    let url = format!("file://{}", sandbox.root().display());
    sandbox
        .git(&["clone", "-q", "--depth=1", &url, "../clone"])
        .expect(0);
    refused(
        &sandbox,
        5,
        &[&["-C", "../clone"], BACK].concat(),
        &["1.0.0", "git -C ../clone fetch"],
    );
}

#[test]
fn partial_without_the_bytes() {
    let sandbox = released();
    sandbox
        .git(&["config", "uploadpack.allowFilter", "true"])
        .expect(0);
    let url = format!("file://{}", sandbox.root().display());
    sandbox
        .git(&["clone", "-q", "--filter=blob:none", &url, "../clone"])
        .expect(0);
    sandbox
        .run("cp", &["-r", ".git/snapback", "../clone/.git/snapback"])
        .expect(0);
    refused(
        &sandbox,
        8,
        &[&["-C", "../clone"], BACK].concat(),
        &["missing here", "git -C ../clone fetch"],
    );
}

#[test]
fn a_clone_without_the_store() {
    let sandbox = released();
    sandbox.git(&["clone", "-q", ".", "../clone"]).expect(0);
    refused(
        &sandbox,
        8,
        &[&["-C", "../clone"], BACK].concat(),
        &["tasks/T01/model.bin"],
    );
}

#[test]
fn a_submodule_in_the_scope() {
    let sandbox = released();
    let other = Sandbox::new(1);
    let url = other.root().display().to_string();
    sandbox
        .git(&[
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            &url,
            "tasks/T01/vendored",
        ])
        .expect(0);
    sandbox.git(&["commit", "-qm", "a submodule"]).expect(0);
    refused(
        &sandbox,
        6,
        SNAP,
        &["tasks/T01/vendored", "submodule", "exclude"],
    );
    refused(
        &sandbox,
        6,
        &[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.3.0",
            "--dry-run",
        ],
        &["tasks/T01/vendored"],
    );
    // It blocks nothing, so a rollback is possible.
    let back = sandbox.snapback(BACK).expect(0);
    assert!(
        back.stderr
            .contains("tasks/T01/vendored is a git repository of its own and stays as it is"),
        "{back:?}"
    );
    assert!(sandbox.exists("tasks/T01/vendored/.git"), "it is untouched");
}

#[test]
fn a_nested_repository_in_the_scope() {
    let sandbox = released();
    sandbox.git(&["init", "-q", "tasks/T01/nested"]).expect(0);
    sandbox.write("tasks/T01/nested/file", b"x\n");
    let said = sandbox.snapback(SNAP).expect(0);
    assert!(
        said.stderr
            .contains("tasks/T01/nested is a git repository of its own: it is not released"),
        "{said:?}"
    );
    assert_eq!(sandbox.read("tasks/T01/nested/file"), b"x\n");
    sandbox.snapback(BACK).expect(0);
    assert_eq!(sandbox.read("tasks/T01/nested/file"), b"x\n");
}

#[test]
fn locks_that_git_left() {
    for lock in [".git/index.lock", ".git/HEAD.lock"] {
        let sandbox = released();
        sandbox.write(lock, b"");
        refused(&sandbox, 11, BACK, &[lock, "rm "]);
        refused(&sandbox, 11, SNAP, &[lock, "rm "]);
        fs::remove_file(sandbox.at(lock)).unwrap();
    }
    let sandbox = released();
    sandbox.write(".git/refs/heads/main.lock", b"");
    refused(&sandbox, 11, BACK, &["main.lock", "rm "]);
}

#[test]
fn references_in_another_format() {
    let sandbox = released();
    sandbox
        .git(&["init", "-q", "--ref-format=reftable", "../other"])
        .expect(0);
    refused(
        &sandbox,
        6,
        &[&["-C", "../other"], BACK].concat(),
        &[
            "reftable",
            "git -C ../other refs migrate --ref-format=files",
        ],
    );
    refused(
        &sandbox,
        6,
        &["-C", "../other", "status"],
        &[
            "reftable",
            "git -C ../other refs migrate --ref-format=files",
        ],
    );
}

#[test]
fn a_sparse_work_tree_and_a_conflict_left_in_the_index() {
    let sandbox = released();
    sandbox
        .git(&["sparse-checkout", "set", "tasks/T01"])
        .expect(0);
    refused(
        &sandbox,
        6,
        BACK,
        &["sparse", "git sparse-checkout disable"],
    );
    let sandbox = torn();
    sandbox.git(&["merge", "-q", "side"]);
    fs::remove_file(sandbox.at(".git/MERGE_HEAD")).unwrap();
    refused(&sandbox, 6, BACK, &["tasks/T02/signal.py", "git status"]);
}
