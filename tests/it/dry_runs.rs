//! A dry run changes no byte: every command is tried, and everything is compared before and after.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path};

use crate::support::{
    Sandbox,
    killer::{self, Mode, Target},
    operations::{operation, repository},
    sandbox::{config, snapback_program},
};

/// Every file and folder with its bytes, mode and times.
type Listing = BTreeMap<String, (u32, i64, i64, Vec<u8>)>;

/// Command lines, and the exit codes with which they may end.
type Rows = &'static [(&'static str, &'static [i32])];

fn list(top: &Path, dir: &Path, into: &mut Listing) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let bytes = match () {
            () if meta.is_symlink() => fs::read_link(&path)
                .unwrap()
                .into_os_string()
                .into_encoded_bytes(),
            () if meta.is_file() => fs::read(&path).unwrap(),
            () => Vec::new(),
        };
        into.insert(
            path.strip_prefix(top).unwrap().display().to_string(),
            (meta.mode(), meta.mtime(), meta.mtime_nsec(), bytes),
        );
        if meta.is_dir() {
            list(top, &path, into);
        }
    }
}

fn listing(sandbox: &Sandbox) -> Listing {
    let mut found = Listing::new();
    list(sandbox.top(), sandbox.top(), &mut found);
    found
}

/// Lists what a command did although it should have done nothing.
fn judge(sandbox: &Sandbox, line: &str, codes: &[i32]) -> Vec<String> {
    let before = listing(sandbox);
    let words: Vec<&str> = line.split(' ').collect();
    let (words, hook) = words.split_at(
        words
            .iter()
            .position(|word| *word == "--")
            .unwrap_or(words.len()),
    );
    let ran = sandbox.snapback(&[words, &["--dry-run"], hook].concat());
    let after = listing(sandbox);
    let mut wrong = Vec::new();
    if !codes.contains(&ran.code) {
        wrong.push(format!("{line}: {ran:?}"));
    }
    let changed = before
        .iter()
        .filter(|(name, was)| after.get(*name) != Some(was))
        .map(|(name, _)| name);
    let new = after.keys().filter(|name| !before.contains_key(*name));
    let names: Vec<&String> = changed.chain(new).collect();
    if !names.is_empty() {
        wrong.push(format!("{line}: {names:?} changed: {ran:?}"));
    }
    wrong
}

fn assert_nothing_changes(sandbox: &Sandbox, rows: Rows) {
    let wrong: Vec<String> = rows
        .iter()
        .flat_map(|(line, codes)| judge(sandbox, line, codes))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every command that does not need an unfinished operation.
const ALL: Rows = &[
    ("init", &[0]),
    ("demo --auto --dir ../demo", &[0]),
    ("demo --auto --keep", &[0]),
    ("create-snapshot -t T01 --version 1.2.0 -m third", &[0]),
    ("rollback -t T01 --to 1.0.0 --push", &[0]),
    ("rollback -t T01 --to 1.0.0 --confirm-within 1h", &[0]),
    ("confirm -t T01", &[0, 5]),
    ("confirm --watch", &[0]),
    ("undo", &[0]),
    ("redo -t T01", &[0]),
    (
        "disaster-recovery -t T01 --to 1.0.0 --report ../report.md",
        &[0],
    ),
    (
        "disaster-recovery --from ../have.tar.zst --into ../out --report ../report.html",
        &[0],
    ),
    ("status", &[0]),
    (
        "health --deep --fail-on never --textfile ../metrics.prom",
        &[0],
    ),
    ("drill -t T01 --to 1.0.0", &[0]),
    ("list", &[0]),
    ("history", &[0]),
    ("show -t T01", &[0]),
    ("diff -t T01 1.0.0..1.1.0", &[0]),
    ("preview -t T01 1.0.0 --into ../look", &[0]),
    ("preview -t T01 1.0.0 --cat tasks/T01/config.yaml", &[0]),
    ("preview -t T01 1.0.0 --run touch<ran", &[0]),
    ("verify-snapshot --all --deep", &[8]),
    ("verify-rollback -t T01", &[0, 4]),
    ("mark bad 1.0.0 -t T01", &[0]),
    ("hold 1.0.0 -t T01", &[0]),
    ("pin 1.0.0 -t T01", &[0]),
    ("verdicts list", &[0]),
    ("verdicts push", &[0]),
    ("verdicts fetch", &[0]),
    ("op list", &[0]),
    ("op show latest", &[0]),
    ("op resume", &[5]),
    ("op abort", &[5]),
    ("op kept", &[0]),
    ("op restore latest tasks/T02/signal.py --into ../kept", &[0]),
    ("op restore latest tasks/T02/signal.py --in-place", &[0]),
    ("op prune --older-than 0s --keep-last 0", &[0]),
    ("adopt -t T02", &[0]),
    ("registry sync -t T03 --from config", &[0]),
    ("registry merge base ours theirs 7 task_registry.json", &[0]),
    ("hooks install --also commit-msg", &[0]),
    ("hooks uninstall", &[0]),
    ("hooks status", &[0]),
    ("hooks run post-commit", &[0]),
    ("hooks run post-checkout -- a b 1", &[0]),
    ("audit list", &[0]),
    ("audit verify", &[0]),
    ("alert test", &[0]),
    ("alert list", &[0]),
    ("alert retry", &[0]),
    ("alert answer 9f3c21aa hold", &[5]),
    ("guard run --once", &[8]),
    ("guard check", &[8]),
    ("guard backtest tasks/T01/run.log -t T01", &[0]),
    ("guard status", &[0]),
    ("guard freeze -t T01", &[0]),
    ("guard thaw -t T02", &[0]),
    ("store put data --name second", &[0]),
    ("store restore first --into ../restored", &[0]),
    ("store restore first --into data --delete", &[0]),
    ("store list", &[0]),
    ("store drop first", &[0]),
    ("store stats", &[0]),
    ("store check --deep", &[0]),
    ("store gc", &[0]),
    ("store repair", &[0]),
    ("capsule create -t T01 --version 1.0.0 ../T01.tar.zst", &[0]),
    ("capsule verify ../have.tar.zst", &[0]),
    ("trust", &[0]),
    ("trust --revoke", &[0]),
    ("keys create", &[0]),
    ("keys list", &[0]),
    (
        "keys allow ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= --name Ada",
        &[0],
    ),
    ("keys revoke Ada", &[0]),
    ("doctor", &[8]),
    ("completions bash", &[0]),
    ("man ../pages", &[0]),
    ("schema config", &[0]),
];

/// A rule for the guard, a channel that nobody answers, and a command.
const SETTINGS: &str = "version: 1\ndefaults:\n  large_files: {patterns: [\"*.bin\"]}\nalerts:\n  limit: 1s\n  channels:\n    hook:\n      webhook: {url: \"http://127.0.0.1:9/\", secret_from: {env: HOME}}\ntasks:\n  T01:\n    verify: [{run: 'true'}]\n    guard:\n      - {name: errors, file: run.log, value: level, bad: error, time: ts, fail: \"> 0.3\", pass: \"<= 0.1\", window: 5m, min_samples: 10}\n";

/// Creates a repository in which every command has something to do.
fn busy() -> Sandbox {
    let sandbox = repository().unwrap();
    let ok = |args: &[&str]| sandbox.snapback(args).expect(0);
    sandbox.write("snapback.yaml", SETTINGS.as_bytes());
    sandbox
        .git(&["commit", "-qm", "rules", "snapback.yaml"])
        .expect(0);
    ok(&["trust", "--yes"]);
    ok(&[
        "rollback", "-t", "T01", "--to", "1.0.0", "-m", "look", "--yes",
    ]);
    ok(&["undo", "--yes"]);
    sandbox.release("T02", "1.1.0");
    ok(&[
        "rollback", "-t", "T02", "--to", "1.0.0", "-m", "look", "--yes",
    ]);
    sandbox
        .git(&["tag", "-a", "T02-v0.9.0", "-m", "by hand"])
        .expect(0);
    sandbox.write("tasks/T03/config.yaml", config("1.5.0", 3).as_bytes());
    sandbox.write("data/a", b"small");
    ok(&["store", "put", "data", "--name", "first"]);
    sandbox.write("data/b", b"more");
    for side in ["base", "ours", "theirs"] {
        let version = if side == "theirs" { "2.0.0" } else { "1.0.0" };
        sandbox
            .write(side, format!("{{\n  \"tasks\": {{\n    \"T01\": {{\n      \"version\": \"{version}\"\n    }}\n  }}\n}}\n").as_bytes());
    }
    ok(&[
        "capsule",
        "create",
        "-t",
        "T01",
        "--version",
        "1.0.0",
        "../have.tar.zst",
    ]);
    ok(&["hooks", "install", "--yes"]);
    let remote = sandbox.top().join("origin.git").display().to_string();
    sandbox.git(&["init", "-q", "--bare", &remote]).expect(0);
    sandbox.git(&["remote", "add", "origin", &remote]).expect(0);
    sandbox
        .git(&["push", "-qu", "origin", "HEAD", "--tags"])
        .expect(0);
    sandbox
}

#[test]
fn of_every_command() {
    assert_nothing_changes(&busy(), ALL);
}

#[test]
fn of_a_repository_where_nothing_was_done_yet() {
    let sandbox = Sandbox::new(1);
    let _ = fs::remove_dir_all(sandbox.at(".git/snapback"));
    assert_nothing_changes(
        &sandbox,
        &[
            ("status", &[0]),
            ("create-snapshot -t T01 -m first", &[0]),
            ("store put tasks/T01 --name first", &[0]),
            ("health --fail-on never", &[0]),
            ("store repair", &[0]),
            ("doctor", &[0]),
        ],
    );
    assert!(!sandbox.exists(".git/snapback"));
}

#[test]
fn of_a_damaged_store() {
    let sandbox = (operation("store repair").make)().unwrap();
    assert_nothing_changes(
        &sandbox,
        &[("store repair", &[0]), ("store check --deep", &[4])],
    );
    let shown = sandbox
        .snapback(&["store", "repair", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(
        shown.contains("dry run: what is damaged would be kept aside"),
        "{shown}"
    );
}

#[test]
fn of_the_end_of_an_operation_that_was_killed() {
    let argv = ["rollback", "-t", "T01", "--to", "1.0.0", "--yes"];
    let base = repository().unwrap();
    let target = |sandbox: &Sandbox| {
        let argv = std::iter::once(snapback_program().into())
            .chain(argv.iter().map(Into::into))
            .collect();
        Target {
            argv,
            env: sandbox.environment(),
            cwd: sandbox.root(),
        }
    };
    let calls = killer::count(&target(&base.copy())).unwrap();
    let killed = |percent| {
        let sandbox = base.copy();
        killer::run(&target(&sandbox), Mode::Kill, calls * percent / 100).unwrap();
        sandbox
    };
    let is_unfinished =
        |sandbox: &Sandbox| sandbox.snapback(&["op", "resume", "--dry-run"]).code != 5;
    let late = (60..98)
        .rev()
        .find(|percent| is_unfinished(&killed(*percent)))
        .unwrap();
    let mut ends = Vec::new();
    for percent in [55, late] {
        let sandbox = killed(percent);
        sandbox.snapback(&["status"]);
        assert_nothing_changes(
            &sandbox,
            &[
                ("op resume", &[0]),
                ("op abort", &[0]),
                ("op resume --yes", &[0]),
            ],
        );
        for how in ["resume", "abort"] {
            let said = sandbox
                .snapback(&["op", how, "--dry-run", "--json"])
                .expect(0)
                .json()["data"]["done"]
                .as_bool()
                .unwrap();
            // An operation names its work tree, so it ends here, and then the state is restored.
            let now = sandbox.copy();
            sandbox.snapback(&["op", how, "--yes"]);
            assert_eq!(
                sandbox.config_version("T01").unwrap() == "1.0.0",
                said,
                "{how} at {percent}"
            );
            sandbox.become_copy_of(now.top());
            ends.push(said);
        }
    }
    assert!(ends.contains(&true) && ends.contains(&false), "{ends:?}");
}

#[test]
fn every_command_has_a_row() {
    fn leaves(command: &clap::Command, above: &str, found: &mut Vec<String>) {
        let mut subs = command
            .get_subcommands()
            .filter(|sub| sub.get_name() != "help")
            .peekable();
        if subs.peek().is_none() {
            found.push(above.trim_start().to_string());
        }
        for sub in subs {
            leaves(sub, &format!("{above} {}", sub.get_name()), found);
        }
    }
    let mut found = Vec::new();
    leaves(&snapback::cli::help::command(), "", &mut found);
    let has_row = |name: &&String| {
        ALL.iter()
            .any(|(line, _)| *line == **name || line.starts_with(&format!("{name} ")))
    };
    let missing: Vec<&String> = found.iter().filter(|name| !has_row(name)).collect();
    assert!(found.len() > 60 && missing.is_empty(), "{missing:?}");
}
