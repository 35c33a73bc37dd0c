//! A rollback is reverted automatically unless somebody confirms it, whatever is killed.

mod supervisors;

use std::{
    fs::{self, File},
    time::Duration,
};

use jiff::Timestamp;
use snapback::{
    app::{App, Options},
    base::Clock,
    consent::ConsentFolder,
    model::{
        Request, confirm::Settled, report::Outcome, request::RollbackRequest, signature::Demand,
    },
};

use crate::support::{
    Sandbox, sqlite,
    story::{assert_released, set_version},
};

/// A command that changes something: it records a verdict.
const CHANGE: [&str; 8] = ["mark", "good", "1.1.0", "-t", "T01", "-m", "x", "--yes"];

/// Creates two releases of T01, which is at the second.
fn released() -> Sandbox {
    let sandbox = Sandbox::new(1);
    for version in ["1.1.0", "1.2.0"] {
        sandbox.write("tasks/T01/signal.py", format!("# {version}\n").as_bytes());
        set_version(&sandbox, version);
        sandbox.release("T01", version);
    }
    sandbox
}

/// Opens the repository at this many seconds after the start of the story.
fn app(sandbox: &Sandbox, secs: i64) -> App {
    let place = ConsentFolder {
        folder: Some(sandbox.home().join(".local/state/snapback/trust")),
        ..ConsentFolder::default()
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

/// Rolls back to 1.1.0, with five minutes to confirm.
fn roll_back(app: &App) {
    let request = Request::Rollback(RollbackRequest {
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

/// Settles the waiting rollback. A program that another test starts at this moment holds the lock
/// of this process too, until its exec.
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
    // A person undoes it: nothing waits, and no missing confirmation is reported.
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
    // The task moved on: the undo would mix versions, so it is dropped.
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

/// Creates two releases of T01 with different databases; 1.2.0 is active.
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

/// Starts a process that keeps the database open.
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
        );
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
