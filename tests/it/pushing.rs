//! `--push` and `verdicts push` use the destination of `git push` and check the remote first, and a
//! refused push leaves working ways out.

use crate::{
    it::clones::{clone, released},
    support::{Sandbox, sandbox::Ran},
};

fn create(sandbox: &Sandbox, more: &[&str]) -> Ran {
    sandbox.snapback(
        &[
            &["create-snapshot", "-t", "T01", "-m", "next", "--yes"],
            more,
        ]
        .concat(),
    )
}

/// Lists the names of T01's releases and of branches at a remote.
fn there(sandbox: &Sandbox, remote: &str) -> Vec<String> {
    let all = sandbox.git_out(&["ls-remote", "--refs", remote]);
    let names = all
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(_, name)| name.to_string());
    names
        .filter(|name| name.starts_with("refs/heads/") || name.starts_with("refs/tags/T01-v"))
        .collect()
}

fn commit_of(sandbox: &Sandbox, remote: &str, name: &str) -> String {
    sandbox
        .git_out(&["ls-remote", remote, name])
        .split('\t')
        .next()
        .unwrap_or_default()
        .to_string()
}

/// Adds an empty bare remote.
fn remote(sandbox: &Sandbox, name: &str) {
    sandbox
        .git(&[
            "init",
            "-q",
            "--bare",
            "-b",
            "main",
            &format!("../{name}.git"),
        ])
        .expect(0);
    sandbox
        .git(&["remote", "add", name, &format!("../{name}.git")])
        .expect(0);
}

#[test]
fn a_release_is_pushed_to_where_git_push_goes() {
    let a = released();
    remote(&a, "fork");
    a.git(&["push", "-q", "fork", "main"]).expect(0);
    a.git(&["config", "remote.pushDefault", "fork"]).expect(0);
    a.write("tasks/T01/signal.py", b"three\n");
    let made = create(&a, &["--bump", "patch", "--push"]).expect(0);
    assert!(made.stdout.contains("pushed to fork"), "{}", made.stdout);
    assert_eq!(
        there(&a, "fork"),
        ["refs/heads/main", "refs/tags/T01-v1.1.1"]
    );
    assert!(!there(&a, "origin").contains(&"refs/tags/T01-v1.1.1".to_string()));
    // The branch's own setting takes precedence, and its upstream name is used there.
    a.git(&["push", "-q", "origin", "main:trunk"]).expect(0);
    for (key, value) in [
        ("branch.main.pushRemote", "origin"),
        ("branch.main.remote", "origin"),
        ("branch.main.merge", "refs/heads/trunk"),
        ("push.default", "upstream"),
    ] {
        a.git(&["config", key, value]).expect(0);
    }
    a.write("tasks/T01/signal.py", b"four\n");
    let made = create(&a, &["--bump", "patch", "--push"]).expect(0);
    assert!(made.stdout.contains("pushed to origin"), "{}", made.stdout);
    assert_eq!(
        commit_of(&a, "origin", "refs/heads/trunk"),
        a.git_out(&["rev-parse", "HEAD"])
    );
    assert_ne!(
        commit_of(&a, "origin", "refs/heads/main"),
        a.git_out(&["rev-parse", "HEAD"])
    );
    // With git's default it is refused, as by git, before anything is made.
    a.git(&["config", "--unset", "push.default"]).expect(0);
    a.write("tasks/T01/signal.py", b"five\n");
    let before = a.everything();
    let refused = create(&a, &["--bump", "patch", "--push"]).expect(6);
    assert!(
        refused.stderr.contains("main follows refs/heads/trunk")
            && refused.stderr.contains("nothing was changed"),
        "{}",
        refused.stderr
    );
    assert_eq!(a.everything(), before);
    assert!(!a.git(&["push"]).stderr.is_empty());
}

#[test]
fn without_a_word_the_only_remote_is_meant_and_of_several_they_are_named() {
    let a = Sandbox::new(1);
    for push in [
        &["create-snapshot", "-t", "T01", "-y", "--push"][..],
        &["verdicts", "push"],
        &["verdicts", "fetch"],
    ] {
        let refused = a.snapback(push).expect(9);
        assert!(
            refused.stderr.contains("no remote is configured here"),
            "{push:?}: {}",
            refused.stderr
        );
    }
    let made = create(&a, &["--version", "1.0.0"]).expect(0);
    assert!(!made.stdout.contains("share it"), "{}", made.stdout);
    remote(&a, "company");
    a.write("tasks/T01/signal.py", b"two\n");
    let made = create(&a, &["--bump", "patch"]).expect(0);
    assert!(
        made.stdout
            .contains("share it:  git push --atomic company main T01-v1.0.1\n"),
        "{}",
        made.stdout
    );
    a.git_line("push --quiet --atomic company main T01-v1.0.1")
        .expect(0);
    assert_eq!(
        there(&a, "company"),
        ["refs/heads/main", "refs/tags/T01-v1.0.1"]
    );
    a.write("tasks/T01/signal.py", b"three\n");
    create(&a, &["--bump", "patch", "--push"]).expect(0);
    assert!(
        a.snapback(&["verdicts", "push"])
            .expect(0)
            .stdout
            .contains("at company")
    );
    assert!(
        a.snapback(&["verdicts", "fetch"])
            .expect(0)
            .stdout
            .contains("from company")
    );
    remote(&a, "fork");
    a.write("tasks/T01/signal.py", b"four\n");
    let before = a.everything();
    let refused = create(&a, &["--bump", "patch", "--push"]).expect(2);
    assert!(
        refused.stderr.contains("company, fork") && refused.stderr.contains("--push=company"),
        "{}",
        refused.stderr
    );
    assert_eq!(a.everything(), before);
    a.snapback(&["verdicts", "push"]).expect(2);
    // A rollback still happens; the part that failed is reported.
    let back = a
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.1", "-y", "--push"])
        .expect(2);
    assert!(back.stdout.contains("T01 is at 1.0.1"), "{}", back.stdout);
    create(&a, &["--version", "2.0.0", "--push=fork"]).expect(0);
    assert!(there(&a, "fork").contains(&"refs/tags/T01-v2.0.0".to_string()));
}

#[test]
fn a_version_that_the_remote_has_is_not_made_again() {
    let a = released();
    let b = clone(&a, &[]);
    // On another branch, so that b's branch is not behind.
    a.git(&["switch", "-q", "-c", "feature"]).expect(0);
    a.write("tasks/T01/signal.py", b"three\n");
    create(&a, &["--bump", "minor"]).expect(0);
    a.git(&["push", "-q", "origin", "T01-v1.2.0"]).expect(0);
    b.write("tasks/T01/signal.py", b"mine\n");
    let before = b.everything();
    for version in [&["--bump", "minor"][..], &["--version", "1.2.0"]] {
        let refused = create(&b, &[version, &["--push"]].concat()).expect(7);
        assert!(
            refused.stderr.contains("1.2.0") && refused.stderr.contains("its tag is at origin"),
            "{}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains("git fetch --tags") || version[0] == "--bump",
            "{}",
            refused.stderr
        );
        assert_eq!(b.everything(), before);
    }
    create(&b, &["--bump", "patch", "--push"]).expect(0);
    assert_eq!(
        there(&b, "origin"),
        [
            "refs/heads/main",
            "refs/tags/T01-v1.0.0",
            "refs/tags/T01-v1.1.0",
            "refs/tags/T01-v1.1.1",
            "refs/tags/T01-v1.2.0"
        ]
    );
}

#[test]
fn a_branch_that_is_behind_is_said_before_anything_is_made() {
    let a = released();
    let b = clone(&a, &[]);
    b.git(&["commit", "-q", "--allow-empty", "-m", "somebody else"])
        .expect(0);
    b.git(&["push", "-q"]).expect(0);
    a.write("tasks/T01/signal.py", b"three\n");
    let before = a.everything();
    let refused = create(&a, &["--bump", "patch", "--push"]).expect(7);
    assert!(
        refused
            .stderr
            .contains("main at origin has commits that are not here"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("git pull --rebase origin main"),
        "{}",
        refused.stderr
    );
    assert_eq!(a.everything(), before);
    create(&a, &["--bump", "patch", "--push", "--dry-run"]).expect(7);
    a.git(&["stash", "-q"]).expect(0);
    a.git(&["pull", "-q", "--rebase", "origin", "main"])
        .expect(0);
    a.git(&["stash", "pop", "-q"]).expect(0);
    create(&a, &["--bump", "patch", "--push"]).expect(0);
}

/// Returns a clone whose release is overtaken: while its pre-commit hook runs, these commands run
/// in the other one.
fn overtaken(commands: &str) -> (Sandbox, Ran) {
    let a = released();
    let b = clone(&a, &[]);
    let script = format!(
        "#!/bin/sh\ncd {} || exit 1\nunset $(git rev-parse --local-env-vars)\n{commands}\nexit 0\n",
        b.root().display()
    );
    a.write(".git/hooks/pre-commit", script.as_bytes());
    a.chmod(".git/hooks/pre-commit", 0o755);
    a.write("tasks/T01/signal.py", b"three\n");
    let ran = create(&a, &["--bump", "patch", "--push"]);
    std::fs::remove_file(a.at(".git/hooks/pre-commit")).unwrap();
    (a, ran)
}

#[test]
fn a_refused_push_of_a_branch_that_moved_has_a_way_out() {
    let (a, ran) = overtaken("git commit -q --allow-empty -m other && git push -q origin main");
    let ran = ran.expect(7);
    assert!(
        ran.stdout.contains("T01 1.1.1 is released"),
        "{}",
        ran.stdout
    );
    let pull = "git pull --rebase origin main";
    let push = "git push --atomic origin main T01-v1.1.1";
    assert!(
        ran.stdout.contains(pull)
            && ran.stdout.contains(push)
            && ran.stdout.contains("snapback undo"),
        "{}",
        ran.stdout
    );
    assert!(
        !ran.stderr.contains("hint: Updates were rejected"),
        "{}",
        ran.stderr
    );
    assert!(
        !ran.stderr.contains("git ls-remote"),
        "it was reached: {}",
        ran.stderr
    );
    for line in [pull, push] {
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        a.git(&words).expect(0);
    }
    assert!(there(&a, "origin").contains(&"refs/tags/T01-v1.1.1".to_string()));
    a.snapback(&["verify-snapshot", "--all"]).expect(0);
}

#[test]
fn a_refused_push_of_a_version_that_somebody_made_meanwhile_has_a_way_out() {
    let program = crate::support::sandbox::snapback_program();
    let make = format!(
        "env -u SNAPBACK_HOOK_DEPTH {program} --no-input create-snapshot -t T01 --bump patch -m theirs --yes && git push -q origin T01-v1.1.1 >&2"
    );
    let (_a, ran) = overtaken(&make);
    let ran = ran.expect(7);
    assert!(
        ran.stdout.contains("T01 1.1.1 is released") && ran.stdout.contains("snapback undo"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stderr.contains("git push to origin failed"),
        "{}",
        ran.stderr
    );
}
