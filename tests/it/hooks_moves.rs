//! Hooks in a moved or copied repository, and releases on commits that git rewrote.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::support::Sandbox;

/// Creates a repository with a released task and a remote.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.add_remote();
    sandbox.release("T01", "1.0.0");
    sandbox
        .git(&["push", "-q", "origin", "main", "T01-v1.0.0"])
        .expect(0);
    sandbox
}

/// Installs a foreign hook in a folder of the work tree; it acts on its own name, so it is never
/// moved.
fn foreign_hook(sandbox: &Sandbox, folder: &str) {
    let path = sandbox.at(folder).join("post-commit");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(
        &path,
        "#!/bin/sh\necho \"${0##*/}\" >>\"$(git rev-parse --git-dir)/foreign\"\n",
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Commits a change of the task. Returns the hooks' output and the foreign hook's runs so far.
fn commit(sandbox: &Sandbox, text: &str) -> (String, usize) {
    sandbox.write("tasks/T01/signal.py", format!("# {text}\n").as_bytes());
    let said = sandbox.git(&["commit", "-qam", text]).expect(0).stderr;
    let ran = fs::read_to_string(sandbox.at(".git/foreign"))
        .unwrap_or_default()
        .lines()
        .count();
    (said, ran)
}

/// A command that changes something.
const CHANGE: [&str; 8] = ["mark", "good", "1.0.0", "-t", "T01", "-m", "x", "--yes"];

#[test]
fn a_repository_that_was_moved_finds_its_hooks_again() {
    for folder in [".githooks", ".git/hooks"] {
        let sandbox = prepared();
        foreign_hook(&sandbox, folder);
        if folder == ".githooks" {
            sandbox.git(&["config", "core.hooksPath", folder]).expect(0);
        }
        let before = sandbox.read(".git/config");
        sandbox
            .snapback(&["hooks", "install", "-y", "--method", "redirect"])
            .expect(0);
        let (said, ran) = commit(&sandbox, "fix: one");
        assert!(
            said.contains("T01: 1 commit after 1.0.0") && ran == 1,
            "{said} {ran}"
        );
        fs::rename(sandbox.root(), sandbox.top().join("moved")).unwrap();
        let moved = Sandbox::beside(&sandbox, "moved");
        let (said, ran) = commit(&moved, "fix: two");
        assert!(
            said.is_empty() && ran == 1,
            "git looks where the repository was: {said} {ran}"
        );
        for look in [&["status"][..], &["hooks", "install", "--dry-run"]] {
            let ran = moved.snapback(look);
            assert!(
                !ran.stderr.contains("core.hooksPath"),
                "a look and a dry run change nothing: {ran:?}"
            );
        }
        // Any command that changes something repairs it, and says so once.
        let first = moved.snapback(&CHANGE).expect(0);
        assert_eq!(
            first
                .stderr
                .matches("where this repository was before")
                .count(),
            1,
            "{}",
            first.stderr
        );
        assert!(
            !moved
                .snapback(&["hooks", "status"])
                .expect(0)
                .stderr
                .contains("was before")
        );
        let (said, ran) = commit(&moved, "fix: three");
        assert!(
            said.contains("T01: 3 commits after 1.0.0") && ran == 2,
            "{said} {ran}"
        );
        moved.snapback(&["hooks", "uninstall", "-y"]).expect(0);
        assert_eq!(moved.read(".git/config"), before, "{folder}");
        assert_eq!(commit(&moved, "fix: four"), (String::new(), 3));
    }
}

#[test]
fn a_copy_has_hooks_of_its_own_and_another_name_is_no_move() {
    let sandbox = prepared();
    foreign_hook(&sandbox, ".githooks");
    sandbox
        .git(&["config", "core.hooksPath", ".githooks"])
        .expect(0);
    sandbox
        .snapback(&["hooks", "install", "-y", "--method", "redirect"])
        .expect(0);
    let config = sandbox.read(".git/config");
    std::os::unix::fs::symlink("repo", sandbox.top().join("name")).unwrap();
    let named = Sandbox::beside(&sandbox, "name");
    assert!(
        !named
            .snapback(&["hooks", "status"])
            .stderr
            .contains("was before")
    );
    assert_eq!(
        sandbox.read(".git/config"),
        config,
        "the same place under another name"
    );
    let copied = Command::new("cp")
        .arg("-a")
        .arg(sandbox.root())
        .arg(sandbox.top().join("copy"))
        .status()
        .unwrap();
    assert!(copied.success());
    let copy = Sandbox::beside(&sandbox, "copy");
    // A hook that runs from the original's place changes no configuration during a git command.
    commit(&copy, "fix: copied");
    assert_eq!(copy.read(".git/config"), config);
    assert!(
        copy.snapback(&CHANGE)
            .expect(0)
            .stderr
            .contains("was before")
    );
    assert_eq!(
        sandbox.read(".git/config"),
        config,
        "the original keeps its own"
    );
    fs::remove_dir_all(sandbox.root()).unwrap();
    let (said, ran) = commit(&copy, "fix: alone");
    assert!(
        said.contains("T01: 2 commits after 1.0.0") && ran == 2,
        "{said} {ran}"
    );
}

#[test]
fn a_line_of_somebody_else_is_not_mended() {
    let sandbox = prepared();
    sandbox
        .snapback(&["hooks", "install", "-y", "--method", "redirect"])
        .expect(0);
    sandbox.snapback(&["hooks", "uninstall", "-y"]).expect(0);
    fs::create_dir_all(sandbox.at(".git/snapback/hooks")).unwrap();
    sandbox
        .git(&["config", "core.hooksPath", "/elsewhere/.git/snapback/hooks"])
        .expect(0);
    let config = sandbox.read(".git/config");
    sandbox.snapback(&CHANGE).expect(0);
    assert_eq!(sandbox.read(".git/config"), config);
}

/// Pushes a foreign commit, and rebases this branch onto it.
fn rebase(sandbox: &Sandbox, name: &str) -> String {
    let tree = format!("../{name}");
    sandbox
        .git(&["clone", "-q", "../up.git", &tree, "-b", "main"])
        .expect(0);
    fs::write(sandbox.top().join(name).join(name), name).unwrap();
    sandbox.git(&["-C", &tree, "add", "-A"]).expect(0);
    sandbox.git(&["-C", &tree, "commit", "-qm", name]).expect(0);
    sandbox
        .git(&["-C", &tree, "push", "-q", "origin", "main"])
        .expect(0);
    sandbox.git(&["fetch", "-q", "origin"]).expect(0);
    sandbox
        .git(&["rebase", "-q", "origin/main"])
        .expect(0)
        .stderr
}

/// Asserts that a rebase reported that the release stays valid, and recorded the new commit.
fn assert_followed(sandbox: &Sandbox, said: &str, released: &str) {
    assert_eq!(
        said.matches("T01-v1.1.0 holds and stays on").count(),
        1,
        "{said}"
    );
    assert!(
        said.contains(&released[..8]) && said.contains("git push <remote> T01-v1.1.0"),
        "{said}"
    );
    let noted = String::from_utf8(sandbox.read(".git/snapback/rewritten")).unwrap();
    let (old, new) = noted.trim_end().split_once(' ').expect("one line");
    assert_eq!(old, released);
    let subjects = [old, new].map(|id| sandbox.git_out(&["log", "-1", "--format=%s", id]));
    assert_eq!(subjects[0], subjects[1], "the same commit after the rebase");
    sandbox
        .git(&["merge-base", "--is-ancestor", new, "HEAD"])
        .expect(0);
}

#[test]
fn a_release_on_a_rewritten_commit_is_followed() {
    let sandbox = prepared();
    sandbox
        .snapback(&["hooks", "install", "-y", "--method", "shim"])
        .expect(0);
    commit(&sandbox, "feat: new");
    sandbox.release("T01", "1.1.0");
    let released = sandbox.git_out(&["rev-parse", "T01-v1.1.0^{commit}"]);
    for name in ["other", "another"] {
        assert_followed(&sandbox, &rebase(&sandbox, name), &released);
    }
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.1.0"])
        .expect(0);
    let (said, _) = commit(&sandbox, "fix: sign");
    assert!(
        said.contains("T01: 1 commit after 1.1.0"),
        "it counts from what the release became: {said}"
    );
    let next = sandbox
        .run_line("create-snapshot -t T01 --bump auto --dry-run --json")
        .expect(0)
        .json();
    assert_eq!(
        next["data"]["plan"]["to"], "1.1.1",
        "what 1.1.0 has is not new again"
    );
    // The hint of the push is the command that helps.
    let pushed = sandbox
        .git(&["push", "-q", "--follow-tags", "origin", "main"])
        .expect(0)
        .stderr;
    assert!(
        pushed.contains("T01-v1.1.0 not pushed, on commits that were rewritten"),
        "{pushed}"
    );
    assert!(pushed.contains("git push origin T01-v1.1.0"), "{pushed}");
    assert!(
        !sandbox
            .git_out(&["ls-remote", "origin"])
            .contains("T01-v1.1.0")
    );
    sandbox
        .git(&["push", "-q", "origin", "T01-v1.1.0"])
        .expect(0);
    assert!(
        sandbox
            .git_out(&["ls-remote", "origin"])
            .contains("T01-v1.1.0")
    );
    // Unreadable records only cost a hint.
    sandbox.write(".git/snapback/rewritten", b"\xff\n0 1\n");
    sandbox
        .run_line("create-snapshot -t T01 --bump auto --dry-run")
        .expect(0);
    let (said, _) = commit(&sandbox, "fix: again");
    assert!(said.contains("T01: changed after 1.1.0"), "{said}");
}
