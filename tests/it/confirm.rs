//! A rollback goes back by itself unless somebody confirms it, whatever is killed.

use std::{
    fs::{self, File},
    path::PathBuf,
    time::Duration,
};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use snapback::{
    app::{App, Options},
    base::Clock,
    model::{Request, confirm::Settled, report::Outcome, request::Rollback, signature::Demand},
    trust::Place,
};

use crate::support::{
    Sandbox,
    sandbox::{finish, snapback_program},
    sqlite,
    story::{assert_released, set_version},
};

/// A command that changes something: it notes a verdict.
const CHANGE: [&str; 8] = ["mark", "good", "1.1.0", "-t", "T01", "-m", "x", "--yes"];

/// Two releases of T01, which stands at the second.
fn released() -> Sandbox {
    let sandbox = Sandbox::new(1);
    for version in ["1.1.0", "1.2.0"] {
        sandbox.write("tasks/T01/signal.py", format!("# {version}\n").as_bytes());
        set_version(&sandbox, version);
        sandbox.release("T01", version);
    }
    sandbox
}

/// The repository so many seconds after the beginning of the story.
fn app(sandbox: &Sandbox, secs: i64) -> App {
    let place = Place {
        folder: Some(sandbox.home().join(".local/state/snapback/trust")),
        ..Place::default()
    };
    let clock = Clock::Fixed(Timestamp::from_second(1_900_000_000 + secs).unwrap());
    App::open(
        &sandbox.root(),
        Options {
            clock,
            trust: place,
            ..Options::default()
        },
    )
    .unwrap()
}

/// Rolls back to 1.1.0; somebody has five minutes to confirm it.
fn roll_back(app: &App) {
    let request = Request::Rollback(Rollback {
        past_floor: false,
        despite_verdict: false,
        task: app.find_task("T01").unwrap(),
        from: None,
        to: None,
        message: "drawdown".into(),
        commit: true,
        with_shared: false,
        env: None,
        on_verify_fail: None,
        restart: true,
        signature: Demand::Optional,
        signing: snapback::model::signature::Signing::default(),
        confirm_within: Some(Duration::from_mins(5)),
    });
    assert_eq!(app.apply(&request, None).unwrap().outcome, Outcome::Done);
}

fn version(sandbox: &Sandbox) -> String {
    sandbox.registry_version("T01").unwrap()
}

/// What became of the one that waits. A program that another test starts at this moment has the
/// lock of this process, too, until it is the program.
fn settled(app: &App) -> Vec<Settled> {
    let own = format!("pid {}", std::process::id());
    for _ in 0..200 {
        let settled: Vec<_> = app
            .settle_confirmations()
            .unwrap()
            .into_iter()
            .map(|(_, settled)| settled)
            .collect();
        if !settled
            .iter()
            .any(|settled| matches!(settled, Settled::Later(why) if why.contains(&own)))
        {
            return settled;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the lock stays held by this process")
}

#[test]
fn it_goes_back_when_the_time_is_over_and_not_before() {
    let sandbox = released();
    roll_back(&app(&sandbox, 0));
    assert_eq!(version(&sandbox), "1.1.0");
    assert!(matches!(
        settled(&app(&sandbox, 299))[..],
        [Settled::Waits(1000)]
    ));
    assert_eq!(settled(&app(&sandbox, 300)), [Settled::Reverted]);
    assert_released(&sandbox, "1.2.0");
    assert_eq!(settled(&app(&sandbox, 301)), []);
    let shown = sandbox
        .snapback(&["show", "-t", "T01", "1.2.0", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        shown["data"]["release"]["release"]["standing"]["held"], false,
        "it is an ordinary undo"
    );
    let alerts = sandbox
        .snapback(&["alert", "list", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        alerts["data"]["alerts"][0]["alert"]["event"],
        "confirm.reverted"
    );
    sandbox.snapback(&["redo", "--yes"]).expect(0);
    assert_eq!(version(&sandbox), "1.1.0");
    sandbox.snapback(&["audit", "verify"]).expect(0);
}

#[test]
fn what_is_confirmed_taken_back_or_left_behind_stays() {
    let sandbox = released();
    roll_back(&app(&sandbox, 0));
    let now = app(&sandbox, 10);
    let task = now.find_task("T01").unwrap();
    now.confirm(&task).unwrap();
    assert_eq!(now.confirm(&task).unwrap_err().kind().exit_code(), 5);
    assert_eq!(
        (settled(&app(&sandbox, 9999)), version(&sandbox).as_str()),
        (vec![], "1.1.0")
    );
    let log = sandbox
        .snapback(&["audit", "list", "--json"])
        .expect(0)
        .stdout;
    assert!(log.contains("\"kind\":\"confirm\""), "{log}");
    // A person takes it back: nothing waits, and nobody is told that nobody confirmed.
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    roll_back(&app(&sandbox, 20));
    let twice = sandbox.snapback(&[
        "rollback",
        "-t",
        "T01",
        "--to",
        "1.2.0",
        "--confirm-within",
        "1m",
        "--yes",
    ]);
    assert!(
        twice.stderr.contains("waits to be confirmed already"),
        "{twice:?}"
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    // A supervisor that one of the commands started may have seen it first.
    let dropped = settled(&app(&sandbox, 30));
    let settled_right = match &dropped[..] {
        [] => true,
        [Settled::Dropped(why)] => ["took it back", "settled a moment ago"]
            .iter()
            .any(|word| format!("{why:?}").contains(word)),
        _ => false,
    };
    assert!(settled_right, "{dropped:?}");
    assert_eq!(
        sandbox
            .snapback(&["alert", "list", "--json"])
            .expect(0)
            .json()["data"]["alerts"]
            .as_array()
            .map(Vec::len),
        Some(0)
    );
    // The task went on: the undo would mix versions, so it is left.
    roll_back(&app(&sandbox, 40));
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.2.0", "--yes"])
        .expect(0);
    assert!(matches!(
        &settled(&app(&sandbox, 9999))[..],
        [Settled::Dropped(_)]
    ));
    assert_eq!(version(&sandbox), "1.2.0");
}

#[test]
fn a_clock_that_was_set_back_only_begins_the_time_anew() {
    let sandbox = released();
    roll_back(&app(&sandbox, 0));
    assert!(matches!(
        settled(&app(&sandbox, -9000))[..],
        [Settled::Waits(300_000)]
    ));
    assert!(matches!(
        settled(&app(&sandbox, -8701))[..],
        [Settled::Waits(1000)]
    ));
    assert_eq!(settled(&app(&sandbox, -8700)), [Settled::Reverted]);
    assert_eq!(version(&sandbox), "1.2.0");
}

#[test]
fn a_rollback_that_was_killed_half_way_goes_back_too() {
    let sandbox = released();
    let smoke = "version: 1\ndefaults:\n  large_files: {patterns: [\"*.bin\"]}\ntasks:\n  T01:\n    verify: [{run: 'test -e $HOME/killed && exit 0; : > $HOME/killed; kill -9 $PPID; sleep 5'}]\n";
    sandbox.write("snapback.yaml", smoke.as_bytes());
    sandbox.git(&["commit", "-qam", "smoke"]).expect(0);
    let ran = sandbox.snapback(&["rollback", "-t", "T01", "--confirm-within", "1h", "--yes"]);
    assert_eq!(ran.code, 137);
    assert!(
        sandbox.exists(".git/snapback/confirm/T01.json"),
        "it is on the disk before the rollback begins"
    );
    assert!(
        matches!(settled(&app(&sandbox, 0))[..], [Settled::Reverted]),
        "an hour has passed since"
    );
    assert_released(&sandbox, "1.2.0");
    assert!(!sandbox.exists(".git/snapback/confirm/T01.json"));
}

#[test]
fn a_rollback_that_does_nothing_or_fails_waits_for_nothing() {
    let sandbox = released();
    sandbox
        .snapback(&[
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.2.0",
            "--confirm-within",
            "1h",
            "--yes",
        ])
        .expect(0);
    sandbox
        .snapback(&[
            "rollback",
            "-t",
            "T01",
            "--confirm-within",
            "1h",
            "--dry-run",
        ])
        .expect(0);
    sandbox.write(
        "snapback.yaml",
        b"version: 1\ndefaults:\n  large_files: {patterns: [\"*.bin\"]}\ntasks:\n  T01:\n    verify: [{run: 'exit 1'}]\n",
    );
    sandbox
        .snapback(&["rollback", "-t", "T01", "--confirm-within", "1h", "--yes"])
        .expect(4);
    assert!(!sandbox.exists(".git/snapback/confirm/T01.json"));
    sandbox.snapback(&["confirm"]).expect(5);
    sandbox.snapback(&["confirm", "--watch"]).expect(0);
}

/// The supervisors of a sandbox.
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

/// The lock that a supervisor holds as long as it lives.
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
    // The time passes while nobody watches: the next command that changes something carries it out.
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

/// Rolls back with an hour to confirm it; then the machine is started anew: no supervisor runs, and
/// the record is of another start. `since` is when the time began, by the clock, instead of now.
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
    // The count of a machine that has just started says nothing of the one before.
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
    // What `git commit` runs while it holds its own locks.
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

/// Two releases of T01 with another database in each; 1.2.0 is active.
fn with_databases() -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.write(".gitignore", b"*.bin\n*-wal\n*-shm\n*-journal\n");
    let database = sandbox.at("tasks/T01/state.db");
    for (version, row) in [("1.1.0", "first"), ("1.2.0", "secnd")] {
        if database.exists() {
            sqlite::set_row(&database, row);
        } else {
            sqlite::with_row(&database, row);
        }
        sandbox.git(&["add", "-A"]).expect(0);
        set_version(&sandbox, version);
        sandbox.release("T01", version);
    }
    sandbox
}

/// A process that has the database open.
fn holder(sandbox: &Sandbox) -> std::process::Child {
    sandbox
        .command("sleep")
        .arg("60")
        .stdin(File::open(sandbox.at("tasks/T01/state.db")).unwrap())
        .spawn()
        .unwrap()
}

#[test]
fn while_a_process_has_the_database_open_it_is_tried_again_and_a_person_is_called_once() {
    let sandbox = with_databases();
    roll_back(&app(&sandbox, 0));
    let mut child = holder(&sandbox);
    let why = format!(
        "tasks/T01/state.db is open in sleep (process {})",
        child.id()
    );
    let later = |secs: i64| {
        assert!(
            matches!(&settled(&app(&sandbox, secs))[..], [Settled::Later(said)] if said.contains(&why)),
            "{secs}"
        )
    };
    let called = || {
        let alerts = sandbox
            .snapback(&["alert", "list", "--json"])
            .expect(0)
            .json();
        let all = alerts["data"]["alerts"].as_array().unwrap().clone();
        all.iter()
            .filter(|one| one["alert"]["event"] == "confirm.needs-person")
            .count()
    };
    later(300);
    later(301);
    assert_eq!(called(), 0, "the second was too early to try again");
    for secs in [310, 330, 400, 9000] {
        later(secs);
    }
    assert_eq!((called(), version(&sandbox).as_str()), (1, "1.1.0"));
    child.kill().and_then(|()| child.wait()).unwrap();
    assert_eq!(settled(&app(&sandbox, 19_000)), [Settled::Reverted]);
    assert_eq!(
        (
            version(&sandbox).as_str(),
            sqlite::row(&sandbox.at("tasks/T01/state.db")).as_str()
        ),
        ("1.2.0", "secnd")
    );
}

#[test]
fn every_look_says_that_it_could_not_go_back_yet_and_the_supervisor_goes_on_trying() {
    let sandbox = with_databases();
    sandbox
        .snapback(&["rollback", "-t", "T01", "--confirm-within", "2s", "--yes"])
        .expect(0);
    let mut child = holder(&sandbox);
    let record = sandbox.at(".git/snapback/confirm/T01.json");
    while !fs::read_to_string(&record).unwrap().contains("\"failed\"") {
        std::thread::sleep(Duration::from_millis(20));
    }
    let why = format!(
        "could not be taken back yet: tasks/T01/state.db is open in sleep (process {})",
        child.id()
    );
    for look in [
        &["status"][..],
        &["list"],
        &["confirm", "--list"],
        &["health"],
    ] {
        let ran = sandbox.snapback(look);
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).contains(&why),
            "{ran:?}"
        );
    }
    let status = sandbox
        .snapback(&["status", "--exit-code", "--json"])
        .expect(4)
        .json();
    assert_eq!(status["data"]["not_confirmed"][0]["task"], "T01");
    child.kill().and_then(|()| child.wait()).unwrap();
    while record.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(
        (
            version(&sandbox).as_str(),
            sqlite::row(&sandbox.at("tasks/T01/state.db")).as_str()
        ),
        ("1.2.0", "secnd")
    );
    let health = sandbox.snapback(&["health"]).stdout;
    assert!(!health.contains("was not confirmed"), "{health}");
}

#[test]
fn what_could_not_go_back_stays_when_a_person_says_so() {
    let sandbox = with_databases();
    roll_back(&app(&sandbox, 0));
    let mut child = holder(&sandbox);
    assert!(matches!(
        settled(&app(&sandbox, 300))[..],
        [Settled::Later(_)]
    ));
    sandbox.snapback(&["confirm"]).expect(0);
    child.kill().and_then(|()| child.wait()).unwrap();
    assert_eq!(
        (settled(&app(&sandbox, 9000)), version(&sandbox).as_str()),
        (vec![], "1.1.0")
    );
}
