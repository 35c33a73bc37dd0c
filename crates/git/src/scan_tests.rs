//! Tests that scans agree with `git status` and `git ls-files`.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use super::{
    Repo, Scan, WorkState,
    testing::{Sandbox, rel},
};
use base::RelPath;

fn listed(sandbox: &Sandbox, args: &[&str]) -> Vec<RelPath> {
    let out = sandbox.git(args);
    let mut paths: Vec<_> = out
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty())
        .map(RelPath::own)
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

fn paths(scan: &Scan, keep: impl Fn(&super::Tracked) -> bool) -> Vec<RelPath> {
    scan.tracked
        .iter()
        .filter(|tracked| keep(tracked))
        .map(|tracked| tracked.path.clone())
        .collect()
}

fn state(scan: &Scan, path: &str) -> WorkState {
    scan.tracked
        .iter()
        .find(|tracked| tracked.path == rel(path))
        .unwrap()
        .state
}

fn busy() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in [
        "tasks/T01/a",
        "tasks/T01/b",
        "tasks/T01/sub/c",
        "tasks/T01/sub/d",
        "tasks/T01-x/e",
        "tasks/T02/f",
        "top",
        "gone/g",
        "linked/h",
    ] {
        sandbox.write(name, name.as_bytes());
    }
    sandbox.write(OsStr::from_bytes(b"tasks/T01/\xff"), b"x");
    sandbox.write(".gitignore", b"*.log\nbuild/\n!keep.log\n");
    // Entries written in or after the second of the index are never trusted.
    sandbox.age();
    sandbox.commit("first");
    sandbox.write("tasks/T01/b", b"changed");
    sandbox.remove("tasks/T01/sub/c");
    sandbox.remove("top");
    sandbox.write("top/now a folder", b"x");
    sandbox.remove("gone");
    sandbox.rename("linked", "elsewhere");
    std::os::unix::fs::symlink("elsewhere", sandbox.path("linked")).unwrap();
    for name in [
        "tasks/T01/new",
        "tasks/T01/x.log",
        "tasks/T01/sub/keep.log",
        "build/out/deep",
        "tasks/T01/build/y",
        ".snapback/z",
        "n e\nw/w",
    ] {
        sandbox.write(name, b"x");
    }
    sandbox.write(OsStr::from_bytes(b"tasks/T01/new-\xfe"), b"x");
    sandbox.git(&["rm", "-q", "--cached", "tasks/T02/f"]);
    sandbox.git(&["init", "-q", "nested"]);
    sandbox.write("nested/inside", b"x");
    sandbox
}

/// Checks that a scan of these paths agrees with git's own commands.
fn assert_like_git(sandbox: &Sandbox, repo: &Repo, dirs: &[&str]) {
    let given: Vec<_> = dirs
        .iter()
        .map(|dir| {
            if *dir == "." {
                RelPath::root()
            } else {
                rel(dir)
            }
        })
        .collect();
    let scan = repo.scan(&given).unwrap();
    let ask = |args: &[&str]| listed(sandbox, &[args, &["-z", "--"], dirs].concat());
    assert_eq!(
        paths(&scan, |tracked| tracked.index.is_some()),
        ask(&["ls-files"]),
        "{dirs:?} index"
    );
    assert_eq!(
        paths(&scan, |tracked| tracked.head.is_some()),
        ask(&["ls-tree", "-r", "--name-only", "HEAD"]),
        "{dirs:?} HEAD"
    );
    let visible =
        |path: &RelPath| !path.is_in(&RelPath::own(".snapback")) && !path.is_in(&rel("nested"));
    let others = |args: &[&str]| ask(args).into_iter().filter(visible).collect::<Vec<_>>();
    assert_eq!(
        scan.untracked,
        others(&["ls-files", "--others", "--exclude-standard"]),
        "{dirs:?} untracked"
    );
    assert_eq!(
        scan.ignored,
        others(&["ls-files", "--others", "--ignored", "--exclude-standard"]),
        "{dirs:?} ignored"
    );
    let dirty = ask(&["diff-files", "--name-only"]);
    assert_eq!(
        paths(&scan, |tracked| tracked.index.is_some()
            && tracked.state != WorkState::Clean),
        dirty,
        "{dirs:?} changed"
    );
}

#[test]
fn a_scan_agrees_with_git() {
    let sandbox = busy();
    let repo = sandbox.repo();
    for dirs in [
        &["."][..],
        &["tasks/T01"],
        &["tasks/T01", "tasks/T02/f", "top"],
        &["tasks/T01/b", "absent"],
        &["linked"],
    ] {
        assert_like_git(&sandbox, &repo, dirs);
    }
}

#[test]
fn a_scan_tells_what_became_of_each_file() {
    let sandbox = busy();
    let repo = sandbox.repo();
    let scan = repo.scan(&[RelPath::root()]).unwrap();
    assert_eq!(
        (&scan.nested, &scan.submodules),
        (&vec![rel("nested")], &vec![])
    );
    assert_eq!(
        repo.scan(&[rel("nested/inside")]).unwrap().nested,
        [rel("nested")]
    );
    assert_eq!(state(&scan, "tasks/T01/a"), WorkState::Clean);
    assert_eq!(state(&scan, "tasks/T01/b"), WorkState::Maybe);
    assert_eq!(state(&scan, "top"), WorkState::TypeChanged);
    for missing in ["gone/g", "linked/h", "tasks/T01/sub/c"] {
        assert_eq!(state(&scan, missing), WorkState::Missing, "{missing}");
    }
    assert_eq!(
        state(&scan, "tasks/T02/f"),
        WorkState::Maybe,
        "HEAD has it, the index does not"
    );
}

#[test]
fn fresh_and_hidden_files_must_be_read() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    sandbox.write("b", b"1\n");
    let scan = sandbox.repo().scan(&[RelPath::root()]).unwrap();
    assert_eq!(
        (scan.tracked.len(), scan.untracked),
        (0, vec![rel("a"), rel("b")]),
        "an unborn branch has no HEAD"
    );
    sandbox.commit("first");
    // Written in the second of the index: the same size and time could hide a change.
    let written = sandbox
        .path("a")
        .metadata()
        .and_then(|data| data.modified())
        .unwrap();
    std::fs::File::open(sandbox.path(".git/index"))
        .and_then(|index| index.set_modified(written))
        .unwrap();
    assert_eq!(
        state(&sandbox.repo().scan(&[rel("a")]).unwrap(), "a"),
        WorkState::Maybe
    );
    sandbox.age();
    sandbox.git(&["update-index", "--refresh"]);
    assert_eq!(
        state(&sandbox.repo().scan(&[rel("a")]).unwrap(), "a"),
        WorkState::Clean
    );
    sandbox.git(&["update-index", "--assume-unchanged", "b"]);
    let scan = sandbox.repo().scan(&[RelPath::root()]).unwrap();
    assert_eq!(
        (state(&scan, "a"), state(&scan, "b")),
        (WorkState::Clean, WorkState::Maybe)
    );
}

#[test]
fn a_commit_that_cannot_be_read_is_no_unborn_branch() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    let commit = sandbox.commit("first");
    let object = format!(
        ".git/objects/{}/{}",
        &commit.as_str()[..2],
        &commit.as_str()[2..]
    );
    sandbox.remove(&object);
    sandbox.write(&object, b"no object");
    sandbox
        .repo()
        .scan(&[RelPath::root()])
        .expect_err("nobody knows what HEAD holds");
}

#[test]
fn submodules_and_conflicts_are_told_apart() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    let commit = sandbox.commit("first");
    sandbox.git(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{commit},vendor/lib"),
    ]);
    sandbox.git(&["commit", "-q", "-m", "submodule"]);
    sandbox.write("vendor/lib/inside", b"x");
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.write("a", b"2\n");
    sandbox.git(&["commit", "-q", "-am", "side"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("a", b"3\n");
    sandbox.git(&["commit", "-q", "-am", "main"]);
    assert!(!sandbox.git_may_fail(&["merge", "-q", "side"]));
    let scan = sandbox.repo().scan(&[RelPath::root()]).unwrap();
    assert_eq!(scan.submodules, [rel("vendor/lib")]);
    assert_eq!(
        (
            scan.tracked.len(),
            scan.tracked[0].index.clone(),
            scan.tracked[0].state
        ),
        (1, None, WorkState::Maybe)
    );
    assert_eq!((scan.untracked.len(), scan.ignored.len()), (0, 0));
    assert_eq!(
        sandbox
            .repo()
            .scan(&[rel("vendor/lib/inside")])
            .unwrap()
            .submodules,
        [rel("vendor/lib")]
    );
}
