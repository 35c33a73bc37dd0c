//! A push that did not complete: repeating the command completes it, its known state is reported,
//! and the hooks of a manual push run.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    it::clones::{clone, released},
    support::{
        Sandbox,
        sandbox::{Ran, snapback_program},
    },
};

const WORDS: [&str; 8] = [
    "create-snapshot",
    "-t",
    "T01",
    "--version",
    "1.2.0",
    "-m",
    "next",
    "--yes",
];

fn create(sandbox: &Sandbox, more: &[&str]) -> Ran {
    sandbox.snapback(&[&WORDS, more].concat())
}

/// Returns the value of a name at the remote; empty when it does not exist.
fn there(sandbox: &Sandbox, name: &str) -> String {
    sandbox
        .git_out(&["ls-remote", "origin", name])
        .split('\t')
        .next()
        .unwrap_or_default()
        .into()
}

/// Installs or removes a hook.
fn hook(sandbox: &Sandbox, path: &str, script: Option<&str>) {
    match script {
        Some(script) => {
            sandbox.write(path, format!("#!/bin/sh\n{script}\n").as_bytes());
            sandbox.chmod(path, 0o755);
        }
        None => std::fs::remove_file(sandbox.at(path)).unwrap(),
    }
}

/// Creates two releases at a remote, and an unreleased change.
fn changed() -> Sandbox {
    let a = released();
    a.write("tasks/T01/signal.py", b"three\n");
    a
}

#[test]
fn the_same_release_makes_the_push_that_was_refused() {
    let a = changed();
    let refusing = "../up.git/hooks/pre-receive";
    hook(&a, refusing, Some("echo closed; exit 1"));
    let refused = create(&a, &["--push", "--json"]).expect(9).json();
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("done here, but not pushed"),
        "{refused}"
    );
    assert_eq!(
        refused["left"]["operations"][0]["stand"], "done",
        "{refused}"
    );
    assert!(
        refused["left"]["sentence"]
            .as_str()
            .unwrap()
            .contains("the create-snapshot itself is done"),
        "{refused}"
    );
    let again = create(&a, &["--push"]).expect(9);
    assert!(
        again.stderr.contains("closed")
            && again
                .stdout
                .contains("git push --atomic origin main T01-v1.2.0"),
        "{again:?}"
    );
    hook(&a, refusing, None);
    let made = create(&a, &["--push"]).expect(0);
    assert!(made.stdout.contains("pushed to origin"), "{}", made.stdout);
    assert_eq!(
        there(&a, "refs/tags/T01-v1.2.0"),
        a.git_out(&["rev-parse", "T01-v1.2.0"])
    );
    assert_eq!(
        there(&a, "refs/heads/main"),
        a.git_out(&["rev-parse", "HEAD"])
    );
    let made = create(&a, &["--push", "--json"]).expect(0).json();
    assert_eq!(made["changed"], false, "{made}");
    assert!(
        create(&a, &["--push"])
            .expect(0)
            .stdout
            .contains("origin has it already")
    );
}

#[test]
fn the_same_rollback_makes_the_push_that_was_refused() {
    let a = changed();
    let refusing = "../up.git/hooks/pre-receive";
    create(&a, &["--push"]).expect(0);
    let back = ["rollback", "-t", "T01", "--to", "1.0.0", "--push", "--yes"];
    hook(&a, refusing, Some("exit 1"));
    a.snapback(&back).expect(9);
    hook(&a, refusing, None);
    assert!(
        a.snapback(&back)
            .expect(0)
            .stdout
            .contains("pushed to origin")
    );
    let marker = "T01-v1.0.0-rollback-from-v1.2.0";
    assert_eq!(
        there(&a, &format!("refs/tags/{marker}")),
        a.git_out(&["rev-parse", marker])
    );
    assert_eq!(
        there(&a, "refs/heads/main"),
        a.git_out(&["rev-parse", "HEAD"])
    );
    assert!(
        a.snapback(&back)
            .expect(0)
            .stdout
            .contains("origin has it already")
    );
}

#[test]
fn a_number_that_the_remote_has_with_another_content_is_refused_although_it_is_released_here() {
    let a = released();
    let b = clone(&a, &[]);
    for (sandbox, name) in [(&a, "one"), (&b, "two")] {
        sandbox.git(&["switch", "-q", "-c", name]).expect(0);
        sandbox.write("tasks/T01/signal.py", name.as_bytes());
        sandbox.release("T01", "1.2.0");
    }
    create(&a, &["--push"]).expect(0);
    let before = b.everything();
    for more in [&["--push"][..], &["--push", "--dry-run"]] {
        let refused = create(&b, more).expect(7);
        assert!(
            refused.stderr.contains("another tag of it is at origin"),
            "{}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains("snapback undo T01-v1.2.0"),
            "{}",
            refused.stderr
        );
        assert_eq!(b.everything(), before);
    }
    // The advised way works.
    b.snapback(&["undo", "T01-v1.2.0", "--yes"]).expect(0);
    b.git(&["fetch", "-q", "--tags"]).expect(0);
    b.snapback(&[
        "create-snapshot",
        "-t",
        "T01",
        "--bump",
        "patch",
        "-m",
        "mine",
        "--push",
        "--yes",
    ])
    .expect(0);
    assert!(!there(&b, "refs/tags/T01-v1.1.1").is_empty());
}

#[test]
fn a_push_that_the_remote_took_before_it_failed_is_made() {
    let a = changed();
    a.git(&[
        "config",
        "remote.origin.receivepack",
        "f() { git-receive-pack \"$@\"; exit 1; }; f",
    ])
    .expect(0);
    let made = create(&a, &["--push"]).expect(0);
    assert!(made.stdout.contains("pushed to origin"), "{made:?}");
    assert_eq!(
        there(&a, "refs/heads/main"),
        a.git_out(&["rev-parse", "HEAD"])
    );
}

/// Waits until the remote has started its work.
fn wait_for(sandbox: &Sandbox, path: &str) {
    let begun = Instant::now();
    while !sandbox.exists(path) {
        assert!(
            begun.elapsed() < Duration::from_mins(2),
            "the remote was never asked"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn of_a_push_that_was_stopped_nobody_says_that_it_was_not_made() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let a = changed();
        hook(
            &a,
            "../up.git/hooks/post-receive",
            Some("echo >../at-work; exec sleep 600"),
        );
        let mut command: Command = a.command(snapback_program());
        let child = command
            .args([&WORDS[..], &["--push", "--json"]].concat())
            .stdin(Stdio::null());
        let child = child
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for(&a, "../at-work");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ended = child.wait_with_output().unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!(
            (ended.status.code(), answer["exit_code"].clone()),
            (Some(code), code.into()),
            "{answer}"
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(
            message.contains("whether origin has it is not known")
                && !message.contains("not pushed"),
            "{message}"
        );
        assert_eq!(answer["left"]["unseen"][0], "what origin has", "{answer}");
        let next: Vec<String> = answer["next"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["argv"].to_string())
            .collect();
        assert!(
            next.iter().any(|words| words.contains("ls-remote")),
            "{next:?}"
        );
        assert_eq!(
            there(&a, "refs/tags/T01-v1.2.0"),
            a.git_out(&["rev-parse", "T01-v1.2.0"]),
            "it was made"
        );
        std::fs::remove_file(a.at("../up.git/hooks/post-receive")).unwrap();
        assert!(
            create(&a, &["--push"])
                .expect(0)
                .stdout
                .contains("origin has it already")
        );
    }
}

#[test]
fn a_push_that_passes_the_time_limit_has_its_exit_code() {
    let a = changed();
    create(&a, &[]).expect(0);
    hook(&a, "../up.git/hooks/pre-receive", Some("exec sleep 600"));
    let ran = create(&a, &["--push", "--timeout", "3s"]).expect(124);
    assert!(
        !ran.stdout.contains("not pushed") && !ran.stderr.contains("not pushed"),
        "{ran:?}"
    );
}

#[test]
fn the_pre_push_hook_has_its_say_as_in_a_push_by_hand() {
    let a = changed();
    hook(
        &a,
        ".git/hooks/pre-push",
        Some("cat >.git/asked; echo 'no pushes today' >&2; exit 1"),
    );
    let refused = create(&a, &["--push"]).expect(6);
    assert!(
        refused
            .stderr
            .contains("the pre-push hook refused: no pushes today"),
        "{}",
        refused.stderr
    );
    let asked = String::from_utf8(a.read(".git/asked")).unwrap();
    assert!(
        asked.contains("refs/heads/main") && asked.contains("refs/tags/T01-v1.2.0"),
        "{asked}"
    );
    assert_eq!(there(&a, "refs/tags/T01-v1.2.0"), "");
    assert!(!a.git(&["push", "-q", "origin", "main"]).stderr.is_empty());
    let json = create(&a, &["--push", "--json"]).expect(6).json();
    assert_eq!(json["error"]["kind"], "refused", "{json}");
    create(&a, &["--push", "--no-verify"]).expect(0);
    assert!(!there(&a, "refs/tags/T01-v1.2.0").is_empty());
    a.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--push", "--yes"])
        .expect(6);
    assert_eq!(there(&a, "refs/tags/T01-v1.0.0-rollback-from-v1.2.0"), "");
    // The user's hook does not apply to the sharing of verdicts.
    a.snapback(&["verdicts", "push"]).expect(0);
}

#[test]
fn files_of_git_lfs_are_not_pushed_without_their_bytes() {
    let a = changed();
    a.write(
        ".gitattributes",
        b"*.bin filter=lfs diff=lfs merge=lfs -text\n",
    );
    a.write("tasks/T01/weights.bin", &[7; 5000]);
    a.git(&["add", ".gitattributes"]).expect(0);
    a.git(&["commit", "-qm", "weights"]).expect(0);
    let refused = create(&a, &["--push"]).expect(8);
    assert!(
        refused
            .stderr
            .contains("tasks/T01/weights.bin is a file of Git LFS"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stdout.contains("T01 1.2.0 is released"),
        "{}",
        refused.stdout
    );
    // snapback's own hook uploads nothing, and neither does a skipped hook of the user's.
    a.snapback(&["hooks", "install", "--yes"]).expect(0);
    create(&a, &["--push"]).expect(8);
    assert_eq!(there(&a, "refs/tags/T01-v1.2.0"), "");
    a.snapback(&["hooks", "uninstall", "--yes"]).expect(0);
    hook(&a, ".git/hooks/pre-push", Some("cat >.git/uploaded"));
    create(&a, &["--push", "--no-verify"]).expect(8);
    assert_eq!(there(&a, "refs/tags/T01-v1.2.0"), "");
    create(&a, &["--push"]).expect(0);
    assert!(a.exists(".git/uploaded") && !there(&a, "refs/tags/T01-v1.2.0").is_empty());
}
