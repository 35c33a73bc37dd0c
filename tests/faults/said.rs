//! The sentence about what was changed is true after a failure, for commands without a journal.
//!
//! Each command fails at calls all over its run, in several modes; its text and JSON output is then
//! compared with the disk. Operations with a journal are judged in every sweep.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    Sandbox,
    killer::{self, Mode, Target},
    operations::repository,
    sandbox::snapback_program,
    sweep::last_words,
};

/// A command, and the preparation that it needs.
type Row = (fn(&mut Sandbox), &'static [&'static str]);

/// The number of failing runs of each command, with the modes in turn.
const RUNS: u64 = 8;

/// The modes of failure.
const WAYS: [Mode; 5] = [
    Mode::Err(libc::EIO),
    Mode::ErrAll(libc::ENOSPC),
    Mode::Int,
    Mode::ErrAll(libc::EIO),
    Mode::Err(libc::EACCES),
];

/// Reads every visible file and folder.
fn seen(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![sandbox.top().to_path_buf()];
    while let Some(path) = todo.pop() {
        let name = path
            .strip_prefix(sandbox.top())
            .unwrap()
            .to_str()
            .unwrap()
            .to_string();
        let own = name.strip_prefix("repo/.git/snapback/").unwrap_or_default();
        let inside = [
            "ops",
            "facts",
            "lock",
            "audit",
            "reserve",
            "trust-mark",
            "store/lock",
            "store/log",
            "store/index",
            "store/tmp",
            "store/stat-cache",
            "verdict-refs",
        ];
        let hidden = inside.iter().any(|part| own.starts_with(part))
            || name == "repo/.git/objects"
            || name == "repo/.git/index";
        if hidden
            || name.split('/').any(|part| part.starts_with(".tmp-"))
            || name.ends_with(".lock")
        {
            continue;
        }
        if path.is_symlink() {
            found.insert(name, path.read_link().unwrap().to_str().unwrap().into());
        } else if path.is_dir() {
            todo.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            found.insert(name, std::fs::read(&path).unwrap_or_default());
        }
    }
    let names = sandbox.snapback(&["store", "list", "--json"]);
    found.insert(
        "names in the store".into(),
        names.json()["data"].to_string().into_bytes(),
    );
    found
}

/// Leaves out the packs of the store, except for commands that are about them.
fn without_packs(mut seen: BTreeMap<String, Vec<u8>>, argv: &[&str]) -> BTreeMap<String, Vec<u8>> {
    if !matches!(argv[..2], ["store", "gc" | "repair"]) {
        seen.retain(|name, _| !name.starts_with("repo/.git/snapback/store/"));
    }
    seen
}

/// Lists untrue statements of a command when it fails.
fn judge((prepare, argv): &Row) -> Vec<String> {
    let mut base = repository().unwrap();
    base.write("data/a", b"small");
    base.trust();
    prepare(&mut base);
    let target = |sandbox: &Sandbox, as_json: bool| {
        let words = argv.iter().chain(as_json.then_some(&"--json"));
        let argv = std::iter::once(snapback_program().into())
            .chain(words.map(Into::into))
            .collect();
        Target {
            argv,
            env: sandbox.environment(),
            cwd: sandbox.root(),
        }
    };
    let calls = killer::count(&target(&base.copy(), false))
        .unwrap_or_else(|error| panic!("{argv:?}: {error}"));
    let (mut wrong, mut failed) = (Vec::new(), 0);
    for nth in 0..RUNS {
        let sandbox = base.copy();
        let (k, mode) = (
            1 + calls * (2 * nth + 1) / (2 * RUNS),
            WAYS[usize::try_from(nth).unwrap() % WAYS.len()],
        );
        let as_json = nth % 3 == 2;
        let before = without_packs(seen(&sandbox), argv);
        let ran = killer::run(&target(&sandbox, as_json), mode, k).unwrap();
        if ran.exit == 0 {
            continue;
        }
        failed += 1;
        let after = without_packs(seen(&sandbox), argv);
        let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        let sentence = if as_json {
            answer["left"]["sentence"]
                .as_str()
                .unwrap_or_default()
                .into()
        } else {
            last_words(&(ran.stdout + &ran.stderr))
        };
        let differs: Vec<_> = after
            .iter()
            .filter(|(name, bytes)| before.get(*name) != Some(bytes))
            .map(|(name, _)| name)
            .collect();
        let gone: Vec<_> = before
            .keys()
            .filter(|name| !after.contains_key(*name))
            .collect();
        let same = differs.is_empty() && gone.is_empty();
        let partly = as_json && !answer["data"].is_null();
        let untrue = sentence.is_empty() && !partly
            || !same && sentence.contains("nothing was changed")
            || !same && answer["changed"] == false;
        if untrue {
            wrong.push(format!(
                "{argv:?}, {mode:?} at {k} of {calls}, {}; exit {}: {sentence:?}, but {differs:?} {gone:?}",
                ran.at, ran.exit
            ));
        }
    }
    assert!(failed > 1, "{argv:?} failed in {failed} of {RUNS} runs");
    wrong
}

/// Judges some commands.
fn is_true(rows: &[Row]) {
    let wrong: Vec<String> = rows.iter().flat_map(judge).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Gives T01 a command that its owner agreed to.
fn with_a_command(sandbox: &mut Sandbox) {
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    sandbox.write(
        "snapback.yaml",
        format!("{settings}tasks:\n  T01:\n    verify: [{{run: \"true\"}}]\n").as_bytes(),
    );
    sandbox.snapback(&["trust", "--yes"]).expect(0);
}

#[test]
fn of_verdicts_trust_and_keys() {
    let nothing: fn(&mut Sandbox) = |_| {};
    is_true(&[
        (nothing, &["mark", "bad", "1.1.0", "-t", "T01"]),
        (nothing, &["hold", "1.1.0", "-t", "T01"]),
        (nothing, &["pin", "1.1.0", "-t", "T01"]),
        (with_a_command, &["trust", "--revoke"]),
        (nothing, &["keys", "create"]),
        (
            |sandbox| drop(sandbox.snapback(&["keys", "create"]).expect(0)),
            &["keys", "revoke", "Li Wei <li.wei@example.com>"],
        ),
    ]);
}

#[test]
fn of_hooks() {
    is_true(&[
        (|_| {}, &["hooks", "install", "--yes"]),
        (
            |sandbox| drop(sandbox.snapback(&["hooks", "install", "--yes"]).expect(0)),
            &["hooks", "uninstall", "--yes"],
        ),
    ]);
}

#[test]
fn of_the_store() {
    let put: fn(&mut Sandbox) = |sandbox| {
        drop(
            sandbox
                .snapback(&["store", "put", "data", "--name", "first"])
                .expect(0),
        );
    };
    is_true(&[
        (|_| {}, &["store", "put", "data", "--name", "first"]),
        (put, &["store", "restore", "first", "--into", "../out"]),
        (put, &["store", "drop", "first", "--yes"]),
        (
            |sandbox| {
                sandbox
                    .snapback(&["store", "put", "data", "--name", "first"])
                    .expect(0);
                sandbox
                    .snapback(&["store", "drop", "first", "--yes"])
                    .expect(0);
            },
            &["store", "gc", "--yes"],
        ),
    ]);
}

#[test]
fn of_what_is_written_by_request() {
    is_true(&[
        (
            |_| {},
            &[
                "capsule",
                "create",
                "-t",
                "T01",
                "--version",
                "1.1.0",
                "../T01.tar.zst",
            ],
        ),
        (
            |_| {},
            &["preview", "-t", "T01", "1.0.0", "--into", "../look"],
        ),
    ]);
}

/// Runs a command, and sends a signal while it reads a file large enough for this to take long.
fn stopped(sandbox: &Sandbox, argv: &[&str], signal: Signal) -> (Option<i32>, String) {
    let mut command = sandbox.command(snapback_program());
    let child = command
        .args(argv)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let has_read = || -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap();
        io.lines()
            .find_map(|line| line.strip_prefix("rchar: "))
            .unwrap()
            .parse()
            .unwrap()
    };
    while has_read() < 64 << 20 {
        assert!(begun.elapsed().as_secs() < 60, "{argv:?} does not read it");
        std::thread::sleep(Duration::from_millis(2));
    }
    kill_process(Pid::from_child(&child), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_read_that_is_stopped_says_so_and_nothing_else() {
    let sandbox = repository().unwrap();
    std::fs::File::options()
        .write(true)
        .open(sandbox.at("tasks/T01/signal.py"))
        .unwrap()
        .set_len(16 << 30)
        .unwrap();
    for argv in [
        &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"][..],
        &["diff", "-t", "T01"],
        &["status"],
        &["health"],
    ] {
        for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
            let (exit, said) = stopped(&sandbox, argv, signal);
            assert_eq!(
                (exit, &*said),
                (Some(code), "cancelled; nothing was changed\n"),
                "{argv:?}"
            );
        }
    }
}

#[test]
fn a_drill_that_is_stopped_proves_nothing() {
    let base = repository().unwrap();
    base.trust();
    // Large enough for reading it to be stopped.
    base.write("tasks/T01/model.bin", &vec![7; 40 << 20]);
    let drill = |sandbox: &Sandbox| {
        let argv = [snapback_program(), "drill", "-t", "T01", "--to", "1.0.0"]
            .map(Into::into)
            .into();
        Target {
            argv,
            env: sandbox.environment(),
            cwd: sandbox.root(),
        }
    };
    let calls = killer::count(&drill(&base.copy())).unwrap();
    let mut stopped = 0;
    for back in (6..24).step_by(4) {
        let sandbox = base.copy();
        let ran = killer::run(&drill(&sandbox), Mode::Int, calls - back).unwrap();
        stopped += u32::from(ran.exit == 130);
        let status = sandbox.snapback(&["status", "-t", "T01", "--json"]).json();
        let proof = &status["data"]["tasks"][0]["way_back"]["proof"];
        let kept = if ran.exit == 130 {
            proof.is_null()
        } else {
            proof["passed"] == true
        };
        assert!(kept, "{back} before the end, exit {}: {proof}", ran.exit);
    }
    assert!(stopped > 0, "no drill was stopped");
}
