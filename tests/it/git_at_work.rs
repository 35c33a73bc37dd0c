//! Running git commands, and repositories that git itself does not open: nothing changes below a
//! commit in progress, and nothing at all when an extension is unknown.

use crate::{
    it::clones::released,
    support::{Sandbox, sandbox::snapback_program},
};

/// Installs a hook that runs a snapback command and stores its output.
fn hook(sandbox: &Sandbox, dir: &str, name: &str, command: &str) {
    let said = sandbox.top().join("said");
    let script = format!(
        "#!/bin/sh\n{} --no-input {command} >>{1} 2>&1\necho \"exit $?\" >>{1}\nexit 0\n",
        snapback_program(),
        said.display()
    );
    sandbox.write(&format!("{dir}/{name}"), script.as_bytes());
    sandbox.chmod(&format!("{dir}/{name}"), 0o755);
}

fn said(sandbox: &Sandbox) -> String {
    let path = sandbox.top().join("said");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let _ = std::fs::remove_file(path);
    text
}

const RELEASE: &str = "create-snapshot -t T01 --bump patch -m auto --yes";
const ROLLBACK: &str = "rollback -t T01 --to 1.0.0 --yes";

#[test]
fn below_a_commit_that_is_being_made_nothing_is_changed() {
    let a = released();
    for (number, command) in [RELEASE, ROLLBACK].into_iter().enumerate() {
        for (nth, (name, how)) in [
            (
                "pre-commit",
                &["commit", "-q", "-m", "edit", "--", "tasks/T01/signal.py"][..],
            ),
            ("pre-commit", &["commit", "-q", "-a", "-m", "edit"]),
            ("commit-msg", &["commit", "-q", "-a", "-m", "edit"]),
            (
                "pre-commit",
                &["commit", "-q", "--amend", "-a", "--no-edit"],
            ),
            ("pre-commit", &["commit", "-q", "-m", "edit"]),
            ("prepare-commit-msg", &["commit", "-q", "-m", "edit"]),
        ]
        .into_iter()
        .enumerate()
        {
            hook(&a, ".git/hooks", name, command);
            a.write(
                "tasks/T01/signal.py",
                format!("edit {number} {nth}\n").as_bytes(),
            );
            if !how.contains(&"-a") && !how.contains(&"--") {
                a.git(&["add", "tasks/T01/signal.py"]).expect(0);
            }
            let tags = a.git_out(&["tag"]);
            a.git(how).expect(0);
            let said = said(&a);
            assert!(
                said.contains("exit 6") || said.contains("exit 11"),
                "{name} {how:?}: {said}"
            );
            assert!(
                said.contains("git is making a commit here") || said.contains("index.lock exists"),
                "{name} {how:?}: {said}"
            );
            assert_eq!(
                (a.git_out(&["tag"]), a.git_out(&["status", "--porcelain"])),
                (tags, String::new()),
                "{name} {how:?}"
            );
            std::fs::remove_file(a.at(&format!(".git/hooks/{name}"))).unwrap();
        }
    }
    // A hook may read, and after the commit it may release.
    hook(&a, ".git/hooks", "pre-commit", "status -t T01");
    hook(&a, ".git/hooks", "post-commit", RELEASE);
    a.write("tasks/T01/signal.py", b"the last edit\n");
    a.git(&["commit", "-q", "-a", "-m", "edit"]).expect(0);
    let said = said(&a);
    assert!(
        said.contains("T01 1.1.1 is released") && !said.contains("exit 6"),
        "{said}"
    );
    assert_eq!(a.git_out(&["status", "--porcelain"]), "");
}

#[test]
fn below_a_merge_and_in_a_linked_work_tree_too() {
    let a = released();
    a.git(&["worktree", "add", "-q", "-b", "side", "../other"])
        .expect(0);
    let b = Sandbox::beside(&a, "other");
    hook(&a, ".git/hooks", "pre-commit", RELEASE);
    b.write("tasks/T01/signal.py", b"linked\n");
    b.git(&["commit", "-q", "-a", "-m", "edit"]).expect(0);
    let heard = said(&a);
    assert!(
        heard.contains("exit 6") || heard.contains("exit 11"),
        "{heard}"
    );
    std::fs::remove_file(a.at(".git/hooks/pre-commit")).unwrap();
    a.git(&["commit", "-q", "--allow-empty", "-m", "main"])
        .expect(0);
    hook(&a, ".git/hooks", "pre-merge-commit", RELEASE);
    a.git(&["merge", "-q", "--no-edit", "side"]).expect(0);
    let heard = said(&a);
    assert!(
        heard.contains("exit 6") || heard.contains("exit 11"),
        "{heard}"
    );
    assert_eq!(
        (
            a.git_out(&["tag", "-l", "T01-v1.1.*"]),
            a.git_out(&["status", "--porcelain"])
        ),
        ("T01-v1.1.0".into(), String::new())
    );
}

#[test]
fn an_index_that_somebody_else_holds_or_names_is_not_written() {
    let mut a = released();
    a.write(".git/index.lock", b"");
    let held = a
        .snapback(&RELEASE.split(' ').collect::<Vec<_>>())
        .expect(11);
    assert!(held.stderr.contains("index.lock exists"), "{}", held.stderr);
    std::fs::remove_file(a.at(".git/index.lock")).unwrap();
    a.variables.push((
        "GIT_INDEX_FILE".into(),
        a.top().join("own-index").to_str().unwrap().into(),
    ));
    a.git(&["read-tree", "HEAD"]).expect(0);
    let other = a
        .snapback(&RELEASE.split(' ').collect::<Vec<_>>())
        .expect(6);
    assert!(
        other.stderr.contains("GIT_INDEX_FILE names")
            || other.stderr.contains("git is making a commit"),
        "{}",
        other.stderr
    );
    a.variables.pop();
    a.snapback(&RELEASE.split(' ').collect::<Vec<_>>())
        .expect(0);
}

#[test]
fn a_namespace_for_those_who_fetch_is_none_for_who_works_here() {
    let mut a = released();
    let tags = a.git_out(&["tag"]);
    a.variables.push(("GIT_NAMESPACE".into(), "ci".into()));
    assert_eq!(a.git_out(&["tag"]), tags, "git itself");
    a.snapback(&["verify-snapshot", "--all"]).expect(0);
    a.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    a.snapback(&RELEASE.split(' ').collect::<Vec<_>>())
        .expect(0);
    a.variables.pop();
    assert_eq!(a.git_out(&["for-each-ref", "refs/namespaces"]), "");
    a.snapback(&["verify-snapshot", "--all"]).expect(0);
}

#[test]
fn a_repository_that_git_does_not_open_is_left_alone() {
    let a = released();
    a.git(&["config", "core.repositoryFormatVersion", "1"])
        .expect(0);
    a.git(&["config", "extensions.futureThing", "true"])
        .expect(0);
    assert_ne!(a.git(&["status"]).code, 0, "git refuses it");
    let before = a.everything();
    for line in [
        RELEASE,
        ROLLBACK,
        "status",
        "list -t T01",
        "verify-snapshot --all",
        "undo --yes",
        "mark good 1.0.0 -t T01",
        "store gc --yes",
    ] {
        let refused = a.snapback(&line.split(' ').collect::<Vec<_>>()).expect(6);
        assert!(
            refused
                .stderr
                .contains("unknown repository extension \"futurething\""),
            "{line}: {}",
            refused.stderr
        );
    }
    assert!(
        a.snapback(&["doctor"])
            .expect(8)
            .stdout
            .contains("unknown repository extension")
    );
    assert_eq!(a.everything(), before);
    // A clone without snapback's folder does not get one.
    std::fs::remove_dir_all(a.at(".git/snapback")).unwrap();
    a.snapback(&["status"]).expect(6);
    assert!(!a.exists(".git/snapback"));
}

#[test]
fn a_git_that_holds_the_index_for_a_moment_is_waited_for() {
    let a = released();
    let lock = a.at(".git/index.lock");
    std::fs::write(&lock, b"").unwrap();
    let ends = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        std::fs::remove_file(lock).unwrap();
    });
    a.snapback(&RELEASE.split(' ').collect::<Vec<_>>())
        .expect(0);
    ends.join().unwrap();
}
