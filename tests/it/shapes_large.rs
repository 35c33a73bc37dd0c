//! Large files in the store, from empty ones to 2 GB, and the memory that they take.
//!
//! The 2 GB test runs only with `SNAPBACK_TEST_BIG=1`: it writes about 10 GB.

use std::{
    fs::File,
    io::{Read, Write},
    process::Child,
    thread::sleep,
    time::{Duration, Instant},
};

use snapback::base::Digest;

use crate::support::{
    Sandbox, noise,
    sandbox::snapback_program,
    story::{Story, set_version},
};

const MODEL: &str = "tasks/T01/model.bin";
pub const ONNX: &str = "tasks/T01/model.onnx";
/// The memory limit of releases and rollbacks, whatever the size of the files.
const MEMORY_KB: u64 = 300_000;

/// Writes this many incompressible megabytes, no two of them the same.
fn fill(sandbox: &Sandbox, path: &str, name: &str, megabytes: u64) {
    let mut block = noise(name, 1 << 20);
    let mut file = File::create(sandbox.at(path)).unwrap();
    for at in 0..megabytes {
        block[..8].copy_from_slice(&at.to_le_bytes());
        file.write_all(&block).unwrap();
    }
}

/// Returns the digest of a file, read in pieces.
fn digest(sandbox: &Sandbox, path: &str) -> (Digest, u64) {
    Digest::of_reader(&mut File::open(sandbox.at(path)).unwrap()).unwrap()
}

/// Returns the peak memory of the process so far, in kB.
fn peak(child: &Child) -> Option<u64> {
    let mut text = String::new();
    File::open(format!("/proc/{}/status", child.id()))
        .ok()?
        .read_to_string(&mut text)
        .ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Runs snapback to completion. Returns its observed peak memory, in kB.
#[track_caller]
fn run(sandbox: &Sandbox, args: &[&str]) -> u64 {
    let begun = Instant::now();
    let mut child = sandbox
        .command(snapback_program())
        .args(args)
        .arg("--yes")
        .arg("--quiet")
        .spawn()
        .unwrap();
    let mut most = 0;
    let status = loop {
        most = most.max(peak(&child).unwrap_or(0));
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => sleep(Duration::from_millis(5)),
        }
    };
    println!(
        "{}: {:.1} s, {} MB",
        args[0],
        begun.elapsed().as_secs_f64(),
        most / 1000
    );
    assert!(status.success(), "{args:?}: {status}");
    assert!(most > 0 && most < MEMORY_KB, "{args:?} took {most} kB");
    most
}

/// Returns whether the tests that write gigabytes are enabled.
pub fn wants_big() -> bool {
    let wanted = std::env::var_os("SNAPBACK_TEST_BIG").is_some_and(|value| value == "1");
    if !wanted {
        println!("skipped: set SNAPBACK_TEST_BIG=1 to write 10 GB");
    }
    wanted
}

/// Releases two models of this size, rolls back, undoes and redoes.
pub fn back_and_forth(sandbox: &Sandbox, path: &str, megabytes: u64) {
    let (fill, digest) = (
        |name: &str| fill(sandbox, path, name, megabytes),
        || digest(sandbox, path),
    );
    fill("old");
    let old = digest();
    assert_eq!(old.1, megabytes << 20);
    run(
        sandbox,
        &[
            "create-snapshot",
            "--task",
            "T01",
            "--version",
            "1.0.0",
            "-m",
            "old",
        ],
    );
    fill("new");
    let new = digest();
    set_version(sandbox, "1.1.0");
    run(
        sandbox,
        &[
            "create-snapshot",
            "--task",
            "T01",
            "--version",
            "1.1.0",
            "-m",
            "new",
        ],
    );
    assert_eq!(digest(), new);
    run(
        sandbox,
        &[
            "rollback", "--task", "T01", "--from", "1.1.0", "--to", "1.0.0",
        ],
    );
    assert_eq!(digest(), old);
    run(
        sandbox,
        &["verify-rollback", "--task", "T01", "--expected", "1.0.0"],
    );
    run(sandbox, &["undo"]);
    assert_eq!(digest(), new);
    run(sandbox, &["redo"]);
    assert_eq!(digest(), old);
    assert_eq!(sandbox.status(), Vec::<String>::new());
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn forty_megabytes() {
    back_and_forth(&Sandbox::new(1), MODEL, 40);
}

#[test]
fn two_gigabytes() {
    if wants_big() {
        back_and_forth(&Sandbox::new(1), MODEL, 2048);
    }
}

#[test]
fn nothing_at_all_can_be_large() {
    let sandbox = Sandbox::new(1);
    sandbox.write(MODEL, b"");
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write(MODEL, &noise("new", 100_000));
        sandbox.write("tasks/T01/second.bin", b"");
    });
    story.go();
}

#[test]
fn a_file_may_become_large_and_small_again() {
    let sandbox = Sandbox::new(1);
    sandbox.write("tasks/T01/table.csv", b"small\n");
    let story = Story::begin(&sandbox, |sandbox| {
        // 1.1.0 keeps it in the store: git no longer tracks it.
        sandbox
            .git(&["rm", "-q", "--cached", "tasks/T01/table.csv"])
            .expect(0);
        sandbox
            .git(&["commit", "-q", "-m", "the table is large now"])
            .expect(0);
        std::fs::rename(
            sandbox.at("tasks/T01/table.csv"),
            sandbox.at("tasks/T01/table.csv.bin"),
        )
        .unwrap();
        std::fs::remove_file(sandbox.at(MODEL)).unwrap();
    });
    story.go();
}

#[test]
fn a_file_may_move_between_store_and_git() {
    let sandbox = Sandbox::new(1);
    sandbox.write("tasks/T01/to-store.bin", b"in git\n");
    sandbox
        .git(&["add", "-f", "tasks/T01/to-store.bin"])
        .expect(0);
    sandbox
        .git(&["commit", "-q", "-m", "small enough for git"])
        .expect(0);
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.git(&["add", "-f", MODEL]).expect(0);
        sandbox
            .git(&["rm", "-q", "--cached", "tasks/T01/to-store.bin"])
            .expect(0);
        sandbox.write("tasks/T01/to-store.bin", b"in the store\n");
    });
    assert_eq!(sandbox.git_out(&["ls-files", "*.bin"]), MODEL);
    story.go();
}
