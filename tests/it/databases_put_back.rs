//! An operation that is undone, automatically or by a person, never mixes two versions of a
//! database and replaces none that a process has open.

use std::{
    fs,
    process::{Child, Stdio},
};

use crate::support::{
    Sandbox,
    sqlite::{crashed, row, set_row, side, with_copy, with_row},
    story::set_version,
};

/// The database of the task.
const DATABASE: &str = "tasks/T01/state.db";
/// A smoke test that is killed together with snapback the first time.
const KILLED: &str = "test -e $HOME/killed && exit 0; : > $HOME/killed; kill -9 $PPID; sleep 5";

/// Creates 1.0.0 with the row `first` and many others, 1.1.0 with `secnd` and none; a smoke test.
fn two_versions(smoke: &str) -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.write(".gitignore", b"*.bin\n*-wal\n*-shm\n*-journal\n");
    let settings = format!(
        "version: 1\ntasks: {{T01: {{path: tasks/T01, large_files: {{patterns: [\"*.bin\"]}}, verify: [{{run: {smoke:?}}}]}}}}\n"
    );
    let database = sandbox.at(DATABASE);
    with_row(&database, "first");
    let more = "CREATE TABLE more(x); WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40) INSERT INTO more SELECT hex(randomblob(300)) FROM c";
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch(more)
        .unwrap();
    sandbox.commit("a database");
    sandbox.release("T01", "1.0.0");
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch("DROP TABLE more; VACUUM")
        .unwrap();
    set_row(&database, "secnd");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox
        .git(&["commit", "-q", "-a", "-m", "a smoke test"])
        .expect(0);
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    sandbox
}

/// Creates a rollback to 1.0.0 that is killed when its files are in place.
fn killed() -> Sandbox {
    let sandbox = two_versions(KILLED);
    assert_eq!(
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
            .code,
        137
    );
    assert_eq!(row(&sandbox.at(DATABASE)), "first");
    sandbox
}

/// Counts the tables of the database, whose integrity is checked as well.
fn tables(sandbox: &Sandbox) -> i64 {
    with_copy(&sandbox.at(DATABASE), |connection| {
        connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .unwrap()
    })
}

/// Starts a process that has the database open, and nothing else.
fn holder(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command("sleep");
    command
        .arg("60")
        .stdin(Stdio::from(fs::File::open(sandbox.at(DATABASE)).unwrap()))
        .spawn()
        .unwrap()
}

#[test]
fn a_database_that_was_written_to_meanwhile_stays_with_its_log_and_is_named() {
    for how in ["abort", "resume"] {
        let sandbox = killed();
        crashed(
            &sandbox.at(DATABASE),
            "wal",
            "UPDATE t SET x = 'third'; INSERT INTO more VALUES ('mine')",
        );
        let ended = sandbox.snapback(&["op", how, "--yes"]);
        assert_eq!(
            (row(&sandbox.at(DATABASE)).as_str(), tables(&sandbox)),
            ("third", 2),
            "{how}: {ended:?}"
        );
        assert!(side(&sandbox.at(DATABASE), "-wal").exists());
        for path in [DATABASE, "tasks/T01/state.db-wal"] {
            assert!(
                ended.stdout.contains(&format!(
                    "{path} was changed by somebody meanwhile: it stays as they left it"
                )),
                "{how}: {ended:?}"
            );
        }
        assert_eq!(
            sandbox.config_version("T01").as_deref(),
            Some("1.1.0"),
            "{how}: all else is as it was"
        );
        // The replaced files are kept.
        let kept = sandbox.snapback(&["op", "kept"]).expect(0).stdout;
        assert!(
            kept.contains("state.db") && kept.contains("from before"),
            "{kept}"
        );
    }
}

#[test]
fn the_rows_of_a_smoke_test_that_fails_are_beside_the_database_that_it_wrote_them_on() {
    let write = "python3 -c \"import os, sqlite3; c = sqlite3.connect('state.db', isolation_level=None); c.execute('pragma journal_mode=wal'); c.execute('pragma wal_autocheckpoint=0'); c.execute(\\\"update t set x = 'smoke'\\\"); os._exit(1)\"";
    let sandbox = two_versions("true");
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    sandbox.write(
        "snapback.yaml",
        settings
            .replace("\"true\"", &format!("'{}'", write.replace('\'', "''")))
            .as_bytes(),
    );
    sandbox
        .git(&["commit", "-q", "-a", "-m", "another smoke test"])
        .expect(0);
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    let failed = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(4);
    assert!(
        failed
            .stdout
            .contains("state.db-wal was changed by somebody meanwhile"),
        "{failed:?}"
    );
    assert_eq!(
        (row(&sandbox.at(DATABASE)).as_str(), tables(&sandbox)),
        ("smoke", 2)
    );
    assert_eq!(sandbox.config_version("T01").as_deref(), Some("1.1.0"));
}

#[test]
fn a_log_whose_rows_are_all_in_the_database_keeps_it_from_going_back_no_more_than_an_empty_one() {
    use snapback::base::{RelPath, Root, sqlite};
    for is_empty in [false, true] {
        let sandbox = killed();
        let database = sandbox.at(DATABASE);
        crashed(
            &database,
            "wal",
            "UPDATE t SET x = 'third'; UPDATE t SET x = 'first'",
        );
        if is_empty {
            fs::write(side(&database, "-wal"), b"").unwrap();
        }
        let (path, root) = (RelPath::own(DATABASE), Root::open(&sandbox.root()).unwrap());
        assert_eq!(
            sqlite::log(&root, &path, &sqlite::side(&path, "-wal")).unwrap(),
            sqlite::LogEffect::Idle
        );
        sandbox.snapback(&["op", "abort", "--yes"]).expect(0);
        assert_eq!((row(&database).as_str(), tables(&sandbox)), ("secnd", 1));
    }
}

#[test]
fn a_log_that_came_after_the_plan_does_not_lie_beside_another_database() {
    // The rollback stops before it changes a file; then somebody writes, and it goes on.
    let sandbox = two_versions("true");
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    let stop = format!("stop: {{run: \"{KILLED}\"}}, verify:");
    sandbox.write(
        "snapback.yaml",
        settings.replace("verify:", &stop).as_bytes(),
    );
    sandbox
        .git(&["commit", "-q", "-a", "-m", "a stop command"])
        .expect(0);
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    assert_eq!(
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
            .code,
        137
    );
    assert_eq!(row(&sandbox.at(DATABASE)), "secnd");
    crashed(&sandbox.at(DATABASE), "wal", "UPDATE t SET x = 'third'");
    let ended = sandbox.snapback(&["op", "resume", "--yes"]).expect(7);
    assert!(
        ended.stdout.contains(
            "state.db-wal was changed by somebody meanwhile: what they wrote is put aside"
        ),
        "{ended:?}"
    );
    assert_eq!(
        (row(&sandbox.at(DATABASE)).as_str(), tables(&sandbox)),
        ("first", 2)
    );
    let into = sandbox.home().join("kept");
    let op = sandbox.snapback(&["op", "kept", "--json"]).expect(0).json()["data"]["operations"][0]
        ["op"]
        .as_str()
        .unwrap()
        .to_string();
    sandbox
        .snapback(&[
            "op",
            "restore",
            &op,
            "tasks/T01/state.db-wal",
            "--into",
            into.to_str().unwrap(),
            "--yes",
        ])
        .expect(0);
    assert!(
        fs::metadata(into.join("tasks/T01/state.db-wal"))
            .unwrap()
            .len()
            > 0
    );
}

#[test]
fn an_operation_is_not_taken_back_over_a_database_that_a_process_has_open() {
    let sandbox = killed();
    let mut child = holder(&sandbox);
    let before = fs::read(sandbox.at(DATABASE)).unwrap();
    let refused = sandbox.snapback(&["op", "abort", "--yes"]).expect(6).stderr;
    assert!(
        refused.contains(&format!(
            "state.db is open in sleep (process {})",
            child.id()
        )),
        "{refused}"
    );
    assert_eq!(fs::read(sandbox.at(DATABASE)).unwrap(), before);
    child.kill().and_then(|()| child.wait()).unwrap();
    sandbox.snapback(&["op", "abort", "--yes"]).expect(0);
    assert_eq!(
        (row(&sandbox.at(DATABASE)).as_str(), tables(&sandbox)),
        ("secnd", 1)
    );
}

#[test]
fn what_a_failed_smoke_test_leaves_running_is_named_and_nothing_is_replaced_under_it() {
    let sandbox = two_versions(
        "setsid sleep 600 < state.db > /dev/null 2>&1 & echo $! > $HOME/pid; sleep 1; exit 1",
    );
    let stuck = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(13);
    let pid = fs::read_to_string(sandbox.home().join("pid")).unwrap();
    let said = format!("state.db is open in sleep (process {})", pid.trim());
    assert!(format!("{stuck:?}").contains(&said), "{stuck:?}");
    assert_eq!(row(&sandbox.at(DATABASE)), "first");
    let still = sandbox
        .snapback(&["op", "resume", "--yes"])
        .expect(6)
        .stderr;
    assert!(still.contains(&said), "{still}");
    sandbox.run("kill", &[pid.trim()]).expect(0);
    while fs::read_link(format!("/proc/{}/fd/0", pid.trim())).is_ok() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    sandbox.snapback(&["op", "resume", "--yes"]).expect(4);
    assert_eq!(
        (row(&sandbox.at(DATABASE)).as_str(), tables(&sandbox)),
        ("secnd", 1)
    );
}
