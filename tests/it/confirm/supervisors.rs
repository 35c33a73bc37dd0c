//! The supervisor that waits for the confirmation of a rollback: killed, replaced, missing after a
//! restart of the machine.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use rustix::process::{Pid, Signal, kill_process};

use super::{CHANGE, released, version};
use crate::support::{
    Sandbox,
    sandbox::{finish, snapback_program},
    story::assert_released,
};

/// Returns the supervisors of a sandbox.
fn supervisors(sandbox: &Sandbox) -> Vec<Pid> {
    let is_one = |dir: &PathBuf| {
        let words = fs::read(dir.join("cmdline")).unwrap_or_default();
        let here = fs::read_link(dir.join("cwd"))
            .is_ok_and(|cwd| cwd == sandbox.root().canonicalize().unwrap());
        here && words
            .windows(17)
            .any(|part| part == b"\0confirm\0--watch\0")
    };
    let dirs = fs::read_dir("/proc")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(is_one);
    dirs.filter_map(|dir| Pid::from_raw(dir.file_name()?.to_str()?.parse().ok()?))
        .collect()
}

/// Opens the lock that a supervisor holds as long as it lives.
fn watched(sandbox: &Sandbox) -> File {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(sandbox.at(".git/snapback/confirm/T01.watched"))
        .unwrap()
}

/// Waits until a supervisor watches, and returns it.
fn awaited(sandbox: &Sandbox) -> Pid {
    loop {
        if watched(sandbox).try_lock().is_err()
            && let Some(pid) = supervisors(sandbox).first()
        {
            return *pid;
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_supervisor_that_is_killed_is_started_anew_or_replaced() {
    let sandbox = released();
    let ran = sandbox
        .snapback(&["rollback", "-t", "T01", "--confirm-within", "1h", "--yes"])
        .expect(0);
    assert!(ran.stdout.contains("snapback confirm -t T01"), "{ran:?}");
    let first = awaited(&sandbox);
    kill_process(first, Signal::KILL).unwrap();
    watched(&sandbox).lock().unwrap();
    // The next command that changes something starts another one.
    sandbox.snapback(&["status"]).expect(0);
    assert!(
        watched(&sandbox).try_lock().is_ok(),
        "a look starts nothing"
    );
    sandbox.snapback(&CHANGE).expect(0);
    let second = awaited(&sandbox);
    assert_ne!(first, second);
    kill_process(second, Signal::KILL).unwrap();
    watched(&sandbox).lock().unwrap();
    assert_eq!(version(&sandbox), "1.1.0");
    // The time expires unwatched: the next command that changes something reverts the rollback.
    let path = sandbox.at(".git/snapback/confirm/T01.json");
    let record = fs::read_to_string(&path)
        .unwrap()
        .replace("\"within_ms\": 3600000", "\"within_ms\": 0");
    fs::write(&path, record).unwrap();
    let inside = finish(
        sandbox
            .command(snapback_program())
            .args(CHANGE)
            .env("SNAPBACK_HOOK_DEPTH", "1"),
    );
    assert_eq!(
        (inside.code, version(&sandbox).as_str()),
        (6, "1.1.0"),
        "not inside a hook"
    );
    for look in [&["status"][..], &["list"]] {
        let ran = sandbox.snapback(look).expect(0);
        assert!(
            ran.stderr
                .contains("T01 1.1.0 was not confirmed in time and has to go back to 1.2.0"),
            "{ran:?}"
        );
        assert_eq!(version(&sandbox), "1.1.0", "a look changes nothing");
    }
    let ran = sandbox.snapback(&CHANGE).expect(0);
    assert!(
        ran.stderr
            .contains("T01 is back at 1.2.0: nobody confirmed 1.1.0"),
        "{ran:?}"
    );
    assert_released(&sandbox, "1.2.0");
    assert_eq!(supervisors(&sandbox), []);
}

/// Rolls back with an hour to confirm it, then simulates a restart: no supervisor runs, and the
/// record is from another boot. `since` replaces the wall-clock start of the hour.
fn restarted(since: Option<&str>) -> Sandbox {
    let sandbox = released();
    sandbox
        .snapback(&["rollback", "-t", "T01", "--confirm-within", "1h", "--yes"])
        .expect(0);
    kill_process(awaited(&sandbox), Signal::KILL).unwrap();
    watched(&sandbox).lock().unwrap();
    let path = sandbox.at(".git/snapback/confirm/T01.json");
    let mut record: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert!(
        record["since"]["uptime"]["boot"]
            .as_str()
            .is_some_and(|boot| !boot.is_empty()),
        "{record}"
    );
    record["since"]["uptime"]["boot"] = "00000000-0000-0000-0000-000000000000".into();
    // The uptime of a machine that has just started says nothing about the previous boot.
    record["since"]["uptime"]["secs"] = u64::MAX.into();
    if let Some(since) = since {
        record["since"]["wall"] = since.into();
    }
    fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
    sandbox
}

#[test]
fn after_a_restart_the_next_command_that_changes_something_settles_it() {
    let json = [
        "mark", "good", "1.1.0", "-t", "T01", "--json", "-m", "x", "--yes",
    ];
    for words in [
        &CHANGE[..],
        &json,
        &["confirm", "--watch"],
        &["guard", "check"],
    ] {
        let sandbox = restarted(Some("2026-01-01T00:00:00Z"));
        let ran = sandbox.snapback(words);
        let told = if words.contains(&"--json") {
            ran.json()["warnings"].to_string()
        } else {
            ran.stderr.clone()
        };
        assert!(
            told.contains("T01 is back at 1.2.0: nobody confirmed 1.1.0"),
            "{words:?} {ran:?}"
        );
        assert_released(&sandbox, "1.2.0");
        assert!(!sandbox.exists(".git/snapback/confirm/T01.json"));
    }
}

#[test]
fn commands_that_only_read_take_nothing_back() {
    let sandbox = restarted(Some("2026-01-01T00:00:00Z"));
    let before = sandbox.everything();
    let looks = [
        "status",
        "list",
        "history",
        "show -t T01 1.0.0",
        "health",
        "doctor",
        "op list",
        "verify-snapshot --all",
        "diff -t T01 1.0.0",
    ];
    for words in looks.map(|line| line.split(' ').collect::<Vec<_>>()) {
        let ran = sandbox.snapback(&words);
        assert!(!ran.stderr.contains("is back at"), "{words:?} {ran:?}");
        assert_eq!(sandbox.everything(), before, "{words:?}");
    }
    assert_eq!(version(&sandbox), "1.1.0");
}

#[test]
fn after_a_restart_time_that_is_left_is_kept_and_watched_again() {
    let sandbox = restarted(None);
    sandbox.snapback(&CHANGE).expect(0);
    assert_eq!(version(&sandbox), "1.1.0", "an hour is not over");
    awaited(&sandbox);
    let list = sandbox.snapback(&["confirm", "--list"]).expect(0);
    assert!(list.stdout.contains("T01 1.1.0 goes back at"), "{list:?}");
    sandbox.snapback(&["confirm"]).expect(0);
    // The supervisor sees it and ends.
    watched(&sandbox).lock().unwrap();
    assert_eq!(version(&sandbox), "1.1.0");
}

#[test]
fn a_hook_of_git_leaves_it_to_a_supervisor() {
    let sandbox = restarted(Some("2026-01-01T00:00:00Z"));
    sandbox.write("note", b"x");
    sandbox.git(&["add", "note"]).expect(0);
    // Run by `git commit` while it holds its own locks.
    let hook = finish(
        sandbox
            .command(snapback_program())
            .args(["hook", "run", "post-commit"]),
    );
    assert_eq!(
        (hook.code, hook.stderr.contains("is back at")),
        (0, false),
        "{hook:?}"
    );
    loop {
        watched(&sandbox).lock().unwrap();
        if !sandbox.exists(".git/snapback/confirm/T01.json") {
            break;
        }
        std::thread::yield_now();
    }
    assert_eq!(version(&sandbox), "1.2.0");
    assert_eq!(
        sandbox.git_out(&["diff", "--cached", "--name-only"]),
        "note",
        "what was staged stays staged"
    );
}

#[test]
fn a_supervisor_takes_it_back_by_itself() {
    let sandbox = released();
    sandbox
        .snapback(&["rollback", "-t", "T01", "--confirm-within", "1s", "--yes"])
        .expect(0);
    while sandbox.exists(".git/snapback/confirm/T01.json") {
        // Held until the supervisor ends.
        watched(&sandbox).lock().unwrap();
    }
    assert_released(&sandbox, "1.2.0");
    let list = sandbox
        .snapback(&["confirm", "--list", "--json"])
        .expect(0)
        .json();
    assert_eq!(list["data"]["pending"].as_array().map(Vec::len), Some(0));
}
