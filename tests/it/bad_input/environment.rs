//! The environment of the program: the user's identity, hooks, and standard streams that are closed
//! or full.

use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
};

use super::{BACK, SNAP, refused, refused_as, released};
use crate::support::{
    Sandbox,
    sandbox::{finish, snapback_program},
};

#[test]
fn nobody() {
    let sandbox = released();
    sandbox.write("tasks/T01/signal.py", b"changed\n");
    let anonymous = |command: &mut Command| {
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env_remove(format!("GIT_{role}_NAME"))
                .env_remove(format!("GIT_{role}_EMAIL"));
        }
    };
    for command in [BACK, SNAP, &["mark", "bad", "1.0.0", "-t", "T01"]] {
        refused_as(
            &sandbox,
            8,
            command,
            &[
                "who you are",
                "git config user.name",
                "git config user.email",
            ],
            anonymous,
        );
    }
    sandbox
        .git(&["config", "user.name", "Only A Name"])
        .expect(0);
    refused_as(&sandbox, 8, BACK, &["git config user.email"], anonymous);
    let mut status = sandbox.command(snapback_program());
    status.arg("status");
    anonymous(&mut status);
    finish(&mut status).expect(0);
}

/// Installs a pre-commit hook.
fn hook(sandbox: &Sandbox, script: &str) {
    sandbox.write(".git/hooks/pre-commit", script.as_bytes());
    sandbox.chmod(".git/hooks/pre-commit", 0o755);
}

#[test]
fn a_hook_that_calls_snapback() {
    let sandbox = released();
    sandbox.write("tasks/T01/signal.py", b"changed\n");
    let log = sandbox.home().join("calls");
    let program = snapback_program();
    hook(
        &sandbox,
        &format!(
            "#!/bin/sh\n{program} create-snapshot -t T01 --version 9.0.0 --yes --lock-wait 20s\ncode=$?\necho $code >>{}\n{program} status >/dev/null || exit 99\nexit $code\n",
            log.display()
        ),
    );
    let ran = sandbox.snapback(SNAP).expect(6);
    println!("{}", ran.stderr);
    assert_eq!(
        fs::read_to_string(&log).unwrap(),
        "6\n",
        "called once, refused once"
    );
    assert!(
        ran.stderr.contains("pre-commit hook refused") && ran.stderr.contains("inside a hook"),
        "{}",
        ran.stderr
    );
    assert_eq!(
        ran.stderr
            .lines()
            .filter(|line| line.starts_with("error:"))
            .count(),
        1,
        "{}",
        ran.stderr
    );
    fs::remove_file(&log).unwrap();
    let before = (sandbox.git(&["for-each-ref"]).stdout, sandbox.tree());
    let answer = sandbox
        .snapback(&[SNAP, &["--json"]].concat())
        .expect(6)
        .json();
    assert_eq!(answer["exit_code"], 6, "{answer}");
    assert_eq!(
        (sandbox.git(&["for-each-ref"]).stdout, sandbox.tree()),
        before
    );
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
    sandbox
        .snapback(&[SNAP, &["--no-verify"]].concat())
        .expect(0);
}

#[test]
fn smoke_commands_that_call_snapback() {
    let sandbox = released();
    let program = snapback_program();
    sandbox.write("snapback.yaml", format!("version: 1\ndefaults:\n  large_files: {{patterns: [\"*.bin\"]}}\n  verify: [{{run: \"{program} rollback -t T01 --to 1.1.0 --yes\"}}]\n").as_bytes());
    sandbox.git(&["commit", "-qam", "settings"]).expect(0);
    let ran = sandbox.snapback(BACK).expect(4);
    println!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(
        sandbox.registry_version("T01").as_deref(),
        Some("1.1.0"),
        "put back"
    );
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn a_hook_that_refuses() {
    let sandbox = released();
    sandbox.write("tasks/T01/signal.py", b"changed\n");
    hook(&sandbox, "#!/bin/sh\necho 'line too long' >&2\nexit 1\n");
    refused(&sandbox, 6, SNAP, &["line too long", "--no-verify"]);
}

#[test]
fn standard_output_full() {
    let sandbox = released();
    let full = || {
        Stdio::from(
            fs::OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap(),
        )
    };
    for args in [
        &["status"][..],
        &["list", "-t", "T01"],
        &["status", "--json"],
        &["man", "../home/man", "--json"],
        &["completions", "bash"],
        &["schema", "answer"],
    ] {
        let mut command = sandbox.command(snapback_program());
        let ran = command
            .args(args)
            .stdout(full())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let stderr = String::from_utf8(ran.stderr).unwrap();
        println!("{args:?} {:?} {stderr}", ran.status);
        if args[0] != "man" {
            assert_eq!(ran.status.code(), Some(8), "{args:?}: {stderr}");
            assert!(
                stderr.contains("standard output") && stderr.contains("hint:"),
                "{stderr}"
            );
        }
        assert!(!stderr.contains("panicked"), "{stderr}");
    }
    let mut command = sandbox.command(snapback_program());
    let ran = command
        .args(BACK)
        .stdout(full())
        .stderr(full())
        .status()
        .unwrap();
    assert_eq!(
        ran.code(),
        Some(0),
        "it was done; only the answer could not be told"
    );
    sandbox
        .snapback(&["verify-rollback", "-t", "T01", "--expected", "1.0.0"])
        .expect(0);
}

#[test]
fn a_reader_that_goes_away() {
    let sandbox = released();
    for line in [
        "snapback show -t T01 1.0.0 --json | head -c1",
        "snapback history | head -1",
        "snapback diff -t T01 1.0.0..1.1.0 | true",
        "snapback status | true",
    ] {
        let script = format!(
            "set -o pipefail; snapback() {{ '{}' \"$@\"; }}; {line} >/dev/null; echo ${{PIPESTATUS[0]}}",
            snapback_program()
        );
        let ran = sandbox.run("bash", &["-c", &script]);
        println!("{line}: {ran:?}");
        assert_eq!(ran.stderr, "", "{line} says nothing of a closed pipe");
        assert!(["0\n", "141\n"].contains(&ran.stdout.as_str()), "{ran:?}");
    }
}

#[test]
fn streams_that_are_closed() {
    let sandbox = released();
    let closed = |args: &str| {
        let script = format!("exec '{}' {args}", snapback_program());
        sandbox.run("bash", &["-c", &script])
    };
    closed("status <&-").expect(0);
    let ran = closed("rollback -t T01 --to 1.0.0 <&-").expect(6);
    assert!(ran.stderr.contains("--yes"), "{ran:?}");
    for args in ["status >&-", "status >&- 2>&-", "status --json >&- <&-"] {
        let ran = closed(args);
        println!("{args}: {ran:?}");
        assert!(
            matches!(ran.code, 0 | 8) && !ran.stderr.contains("panicked"),
            "{args}: {ran:?}"
        );
    }
    // With descriptors 0 to 2 closed, opened files must not get them and be overwritten by
    // messages.
    let ran = closed("rollback -t T01 --to 1.0.0 --yes <&- >&- 2>&-");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
    sandbox
        .snapback(&["verify-rollback", "-t", "T01", "--expected", "1.0.0"])
        .expect(0);
    let mut byte = [0];
    assert!(
        fs::File::open(sandbox.at("task_registry.json"))
            .unwrap()
            .read(&mut byte)
            .is_ok()
            && byte == *b"{"
    );
}

#[test]
fn git_is_not_on_the_path() {
    let sandbox = released();
    sandbox.write("tasks/T01/signal.py", b"changed\n");
    // Only a hook needs the program.
    sandbox.write(".git/hooks/pre-commit", b"#!/bin/sh\nexit 0\n");
    refused_as(&sandbox, 8, SNAP, &["git program", "PATH"], |command| {
        command.env("PATH", "/nonexistent");
    });
}

#[test]
fn a_variable_that_names_no_repository() {
    let sandbox = released();
    fs::write(sandbox.home().join("file"), "x").unwrap();
    for place in [
        "/nowhere/at/all",
        sandbox.home().to_str().unwrap(),
        sandbox.home().join("file").to_str().unwrap(),
    ] {
        for command in [&["list", "-t", "T01"][..], &["status"], BACK] {
            refused_as(
                &sandbox,
                10,
                command,
                &["named by GIT_DIR", "unset GIT_DIR"],
                |command| {
                    command.env("GIT_DIR", place);
                },
            );
        }
    }
}
