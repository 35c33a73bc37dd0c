//! No secret leaves its place: canaries are planted everywhere, every command is run, and nothing
//! that snapback wrote or printed may contain one. Its files are private, too.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
    story::set_version,
};

/// The planted values, each in a place of its own.
const CANARIES: [&str; 8] = [
    "CANARY-task-variable-1f0e",
    "CANARY-other-token-2b7c",
    "CANARY-ignored-dotenv-3d5a",
    "CANARY-outside-dotenv-4e9b",
    "CANARY-remote-login-5a6d",
    "CANARY-git-header-6c8f",
    "CANARY-pip-index-7d1e",
    "CANARY-npm-token-8e2f",
];

/// Creates a sandbox with a canary in every place for secrets, and a smoke test that prints one and
/// fails.
fn planted() -> Sandbox {
    let sandbox = Sandbox::new(2);
    let [_, _, ignored, outside, login, header, pip, npm] = CANARIES;
    sandbox.write(".gitignore", b"*.bin\n*.log\n__pycache__/\n.env\n");
    sandbox.write("tasks/T01/.env", format!("TOKEN={ignored}\n").as_bytes());
    sandbox.write(".env", format!("TOKEN={outside}\n").as_bytes());
    sandbox.write(
        "tasks/T01/signal.py",
        b"import os\nTOKEN = os.environ['TASK_VARIABLE']\n",
    );
    let lock = format!(
        "--index-url https://li:{pip}@pypi.invalid/simple\nrequests==2.0.0\nx @ https://li:{pip}@host.invalid/x.whl\n"
    );
    sandbox.write("tasks/T01/requirements.txt", lock.as_bytes());
    fs::create_dir_all(sandbox.home().join(".config/pip")).unwrap();
    fs::write(
        sandbox.home().join(".config/pip/pip.conf"),
        format!("[global]\nindex-url = https://li:{pip}@pypi.invalid/simple\n"),
    )
    .unwrap();
    fs::write(
        sandbox.home().join(".npmrc"),
        format!("//registry.invalid/:_authToken={npm}\n"),
    )
    .unwrap();
    sandbox
        .git(&[
            "remote",
            "add",
            "origin",
            &format!("https://li:{login}@127.0.0.1:1/a.git"),
        ])
        .expect(0);
    sandbox
        .git(&[
            "config",
            "http.https://127.0.0.1:1/.extraHeader",
            &format!("Authorization: Basic {header}"),
        ])
        .expect(0);
    let settings = "version: 1\ndefaults:\n  large_files: {patterns: [\"*.bin\"]}\ntasks:\n  discover:\n    - glob: tasks/*\n  T01:\n    path: tasks/T01\n    env: {variables: [TASK_VARIABLE]}\n    verify: [{run: 'env; cat \"$HOME/.npmrc\"; test ! -e \"$HOME/fail\"'}]\n    ready: [{run: 'echo $TASK_VARIABLE $SERVICE_TOKEN; exit 1'}]\n    stop: {run: 'env; test ! -e \"$HOME/fail-stop\"'}\n    start: {run: 'env'}\nrollback: {on_verify_fail: keep}\n";
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox.commit("planted");
    sandbox
}

/// Runs snapback with the canaries in its environment.
fn run(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let mut command = sandbox.command(snapback_program());
    let npm = CANARIES[7];
    command
        .env("TASK_VARIABLE", CANARIES[0])
        .env("SERVICE_TOKEN", CANARIES[1])
        .env("NPM_TOKEN", npm);
    finish(command.args(args))
}

/// Collects every file below a folder, with its bytes.
fn files(dir: &Path, found: &mut Vec<(std::path::PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            files(&path, found);
        } else if meta.is_file() {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
}

/// Returns the canaries in some bytes.
fn seen(bytes: &[u8]) -> Vec<&'static str> {
    let has = |canary: &&&str| {
        bytes
            .windows(canary.len())
            .any(|window| window == canary.as_bytes())
    };
    CANARIES.iter().filter(has).copied().collect()
}

/// Every command, including failing ones, each in plain form and with `--json`.
const LINES: [&str; 34] = [
    "trust --list",
    "doctor",
    "init --dry-run",
    "create-snapshot -t T01 --version 1.0.0 -m one --yes -v",
    "create-snapshot -t T01 --version 1.0.0 -m one --yes --push",
    "create-snapshot -t T02 --yes",
    "status -v",
    "verify-rollback -t T01 -v",
    "verify-snapshot --all --deep -v",
    "list -t T01",
    "history",
    "show -t T01 1.0.0 -v",
    "diff -t T01 1.0.0",
    "preview -t T01 1.0.0 --into ../home/preview",
    "preview -t T01 1.0.0 --run false",
    "rollback -t T01 --to 9.9.9 --yes",
    "rollback -t T01 --from 9.9.9 --to 1.0.0 --yes",
    "rollback -t T01 --to 1.0.0 --dry-run -v",
    "rollback -t T01 --to 1.0.0 --yes -v",
    "op list",
    "undo --yes -v",
    "redo --yes -v",
    "disaster-recovery -t T01 --target-version 1.0.0 --report ../home/report.md",
    "mark bad 1.0.0 -t T01 -m reason",
    "hold 1.0.0 -t T01",
    "pin 1.0.0 -t T01",
    "adopt --all --dry-run",
    "registry sync --dry-run",
    "store stats",
    "store check",
    "store gc",
    "store put tasks/T02 --name kept --yes",
    "store list",
    "schema config",
];

/// Returns the output of the commands, each with its line.
fn everything_said(sandbox: &Sandbox) -> Vec<(String, Vec<u8>)> {
    let mut said = Vec::new();
    let mut say = |line: &str, ran: Ran| {
        let text = [ran.stdout.as_bytes(), ran.stderr.as_bytes()].concat();
        assert!(
            ran.code != 1 || line.contains("--run false"),
            "{line}: {ran:?}"
        );
        said.push((line.to_string(), text));
    };
    for fails in [false, true] {
        if fails {
            fs::write(sandbox.home().join("fail"), b"").unwrap();
            sandbox.write("tasks/T01/run.sh", b"#!/bin/sh\n# changed\n");
            set_version(sandbox, "1.1.0");
            say(
                "second release",
                run(sandbox, &["create-snapshot", "-t", "T01", "--yes", "-v"]),
            );
        }
        for line in LINES {
            let words: Vec<&str> = line.split(' ').collect();
            say(line, run(sandbox, &words));
            say(
                &format!("{line} --json"),
                run(sandbox, &[&words[..], &["--json"]].concat()),
            );
        }
        let _ = fs::remove_dir_all(sandbox.home().join("preview"));
    }
    fs::write(sandbox.home().join("fail-stop"), b"").unwrap();
    let url = format!("--push=https://li:{}@127.0.0.1:1/a.git", CANARIES[4]);
    for line in [
        "rollback -t T01 --to 1.0.0 --yes -v",
        "rollback -t T01 --to 1.0.0 --yes --json",
        "create-snapshot -t T02 --version 1.5.0 --yes URL",
        "create-snapshot -t T02 --version 1.6.0 --yes --json URL",
        "create-snapshot -t T02 --version 1.7.0 URL",
        "op list --json",
        "history --json",
    ] {
        let args: Vec<&str> = line
            .split(' ')
            .map(|word| if word == "URL" { &url } else { word })
            .collect();
        say(line, run(sandbox, &args));
    }
    said
}

/// Returns the files that the commands have written, by path.
fn everything_written(sandbox: &Sandbox) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut written = Vec::new();
    for place in [
        sandbox.at(".git/snapback"),
        sandbox.at("snapshots"),
        sandbox.home().join(".local"),
    ] {
        files(&place, &mut written);
    }
    written.push((
        "report".into(),
        fs::read(sandbox.home().join("report.md")).unwrap(),
    ));
    written.push(("registry".into(), sandbox.read("task_registry.json")));
    let tags = sandbox.git_out(&["for-each-ref", "--format=%(refname) %(contents)"]);
    let log = sandbox.git_out(&[
        "log",
        "--all",
        "--format=%B%N",
        "-p",
        "--",
        "snapshots",
        "task_registry.json",
    ]);
    written.extend([
        ("tags".into(), tags.into_bytes()),
        ("commits".into(), log.into_bytes()),
    ]);
    written
}

#[test]
fn no_secret_is_in_anything_that_snapback_writes_or_prints() {
    let sandbox = planted();
    let said = everything_said(&sandbox);
    for (line, text) in &said {
        assert_eq!(
            seen(text),
            Vec::<&str>::new(),
            "printed by {line}:\n{}",
            String::from_utf8_lossy(text)
        );
    }
    assert!(
        said.iter()
            .any(|(_, text)| text.windows(3).any(|window| window == b"***")),
        "the commands did print something to hide"
    );
    let written = everything_written(&sandbox);
    assert!(written.len() > 20, "{}", written.len());
    for (path, bytes) in &written {
        assert_eq!(
            seen(bytes),
            Vec::<&str>::new(),
            "written to {}",
            path.display()
        );
    }
}

/// Lists what below a folder is accessible to others.
fn open_to_others(dir: &Path, wrong: &mut Vec<String>) {
    let meta = fs::symlink_metadata(dir).unwrap();
    if meta.mode() & 0o077 != 0 && !meta.file_type().is_symlink() {
        wrong.push(format!("{} {:o}", dir.display(), meta.mode() & 0o7777));
    }
    if meta.is_dir() {
        for entry in fs::read_dir(dir).unwrap() {
            open_to_others(&entry.unwrap().path(), wrong);
        }
    }
}

#[test]
fn what_snapback_keeps_is_private_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let sandbox = planted();
        fs::remove_dir_all(sandbox.home().join(".local")).unwrap();
        fs::remove_dir_all(sandbox.at(".git/snapback")).unwrap();
        let say = |line: &str| {
            let script = format!("umask {umask}; exec \"$0\" {line}");
            let ran = finish(
                sandbox
                    .command("sh")
                    .args(["-c", &script, snapback_program()]),
            );
            assert!(
                ran.code != 1 || line.contains("--run false"),
                "{line}: {ran:?}"
            );
            let mut wrong = Vec::new();
            open_to_others(&sandbox.at(".git/snapback"), &mut wrong);
            let state = sandbox.home().join(".local/state/snapback");
            if state.exists() {
                open_to_others(&state, &mut wrong);
            }
            assert_eq!(wrong, Vec::<String>::new(), "umask {umask}, after {line}");
        };
        say("trust --yes");
        for line in LINES {
            say(line);
        }
    }
}

#[test]
fn a_repository_of_another_user_is_refused_as_git_does() {
    let sandbox = planted();
    let status = || sandbox.git(&["status"]).code;
    if status() != 0 || std::os::unix::fs::chown(sandbox.root(), Some(12345), None).is_err() {
        println!("skipped: only root can give a folder away");
        return;
    }
    std::os::unix::fs::chown(sandbox.at(".git"), Some(12345), None).unwrap();
    assert_ne!(status(), 0, "git refuses it");
    for line in [
        "status",
        "trust --yes",
        "rollback -t T01 --to 1.0.0 --yes",
        "create-snapshot -t T01 --yes",
        "verify-rollback -t T01",
        "store stats",
    ] {
        let ran = run(&sandbox, &line.split(' ').collect::<Vec<_>>()).expect(12);
        assert!(ran.stderr.contains("safe.directory"), "{line}: {ran:?}");
    }
    let place = sandbox.root().canonicalize().unwrap();
    fs::write(
        sandbox.home().join(".gitconfig"),
        format!("[safe]\n\tdirectory = {}\n", place.display()),
    )
    .unwrap();
    assert_eq!(status(), 0);
    run(&sandbox, &["status"]).expect(0);
}

#[test]
fn a_user_without_rights_meets_the_same_refusal() {
    let sandbox = planted();
    // The other way round: this user's repository, read by another user who is not root.
    let nobody = |args: &[&str]| {
        let mut command = sandbox.command("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(args)
            .env("HOME", "/nonexistent")
            .env_remove("XDG_CONFIG_HOME");
        command.output().map(|output| {
            print!("{}", String::from_utf8_lossy(&output.stderr));
            output.status.code()
        })
    };
    for dir in [
        sandbox.root().parent().unwrap().to_path_buf(),
        sandbox.root(),
    ] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    if !matches!(nobody(&["true"]), Ok(Some(0)))
        || !matches!(nobody(&[snapback_program(), "--version"]), Ok(Some(0)))
    {
        println!("skipped: this needs root, setpriv, and a program that others can reach");
        return;
    }
    assert_eq!(nobody(&[snapback_program(), "status"]).unwrap(), Some(12));
    assert_eq!(
        nobody(&[
            snapback_program(),
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.0.0",
            "--yes"
        ])
        .unwrap(),
        Some(12)
    );
}
