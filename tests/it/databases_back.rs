//! SQLite databases in everything that restores files except a rollback: undo, op abort and resume,
//! op restore, store restore. The rows are as reported, or the command refuses or warns.

use std::fs;

use crate::support::{
    Sandbox,
    sqlite::{SIDES, crashed, open, row, set_row, side, with_row},
    story::{TASK, rollback, set_version},
};

/// The database of the task.
const DATABASE: &str = "tasks/T01/state.db";

/// Creates T01 whose database contains `one` in 1.0.0 and `two` in 1.1.0, with further settings.
fn two_versions(more: &str) -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.write(".gitignore", b"*.bin\n*.log\n*-wal\n*-shm\n*-journal\n");
    let settings = format!(
        "version: 1\ntasks: {{T01: {{path: tasks/T01, large_files: {{patterns: [\"*.bin\"]}}, {more}}}}}\n"
    );
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox.commit("settings");
    with_row(&sandbox.at(DATABASE), "one");
    sandbox.release("T01", "1.0.0");
    set_row(&sandbox.at(DATABASE), "two");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    sandbox
}

/// Lists the database's side files.
fn sides(sandbox: &Sandbox) -> Vec<&'static str> {
    SIDES
        .into_iter()
        .filter(|end| side(&sandbox.at(DATABASE), end).exists())
        .collect()
}

/// Creates T01 with a shared database and a dead process's log: `one` in 1.0.0, `three` now.
fn shared() -> Sandbox {
    let sandbox = two_versions("shared: [lib/s.db, tasks/T02/theirs.db]");
    let (own, theirs) = (sandbox.at("lib/s.db"), sandbox.at("tasks/T02/theirs.db"));
    fs::create_dir_all(sandbox.at("lib")).unwrap();
    for (version, said) in [("2.0.0", "one"), ("2.1.0", "two")] {
        for database in [&own, &theirs] {
            if database.exists() {
                set_row(database, said);
            } else {
                with_row(database, said);
            }
        }
        sandbox.commit(said);
        sandbox.write("tasks/T01/signal.py", said.as_bytes());
        set_version(&sandbox, version);
        sandbox.release("T01", version);
    }
    for database in [&own, &theirs] {
        crashed(database, "wal", "UPDATE t SET x = 'three'");
    }
    sandbox
}

/// The rollback that removes the logs of the shared databases.
const WITH_SHARED: &[&str] = &[
    "rollback",
    "-t",
    "T01",
    "--to",
    "2.0.0",
    "--with-shared",
    "--yes",
];

#[test]
fn a_rollback_of_shared_databases_is_undone_and_redone() {
    let sandbox = shared();
    let before = sandbox.tree();
    sandbox.snapback(WITH_SHARED).expect(0);
    let rows =
        |sandbox: &Sandbox| ["lib/s.db", "tasks/T02/theirs.db"].map(|path| row(&sandbox.at(path)));
    assert_eq!(rows(&sandbox), ["one", "one"]);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        (sandbox.tree(), rows(&sandbox)),
        (before, ["three".into(), "three".into()])
    );
    sandbox.snapback(&["redo", "--yes"]).expect(0);
    assert_eq!(rows(&sandbox), ["one", "one"]);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn a_rollback_of_shared_databases_that_is_killed_is_finished_or_taken_back() {
    use crate::support::{
        killer::{self, Mode, Target},
        sandbox::snapback_program,
    };
    let base = shared();
    let argv: Vec<_> = std::iter::once(snapback_program().into())
        .chain(WITH_SHARED.iter().map(Into::into))
        .collect();
    let target = |sandbox: &Sandbox| Target {
        argv: argv.clone(),
        env: sandbox.environment(),
        cwd: sandbox.root(),
    };
    let calls = killer::count(&target(&base.copy())).unwrap();
    let mut unfinished = 0;
    for (percent, recovery, said) in [
        (40, "abort", "three"),
        (55, "resume", "one"),
        (55, "abort", "three"),
        (70, "resume", "one"),
    ] {
        let sandbox = base.copy();
        killer::run(&target(&sandbox), Mode::Kill, calls * percent / 100).unwrap();
        if sandbox.snapback(&["status", "--json"]).json()["data"]["unfinished"].is_null() {
            continue;
        }
        unfinished += 1;
        sandbox.snapback(&["op", recovery, "--yes"]).expect(0);
        assert_eq!(
            row(&sandbox.at("lib/s.db")),
            said,
            "{percent} %, {recovery}"
        );
        assert!(sandbox.snapback(&["status", "--json"]).json()["data"]["unfinished"].is_null());
    }
    assert!(unfinished > 1, "only {unfinished} of 4 were in the middle");
}

#[test]
fn rows_that_come_back_in_a_log_are_not_called_the_release() {
    let sandbox = two_versions("");
    crashed(&sandbox.at(DATABASE), "wal", "UPDATE t SET x = 'three'");
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    let undone = sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(row(&sandbox.at(DATABASE)), "three");
    let said = undone.stdout + &undone.stderr;
    assert!(
        said.contains("T01 is at 1.1.0, exactly as it was, which is not as released")
            && !said.contains(", verified"),
        "{said}"
    );
    assert!(
        said.contains("as before, not as released: tasks/T01/state.db-wal"),
        "{said}"
    );
    let op = sandbox.snapback(&["op", "list", "--json"]).json()["data"]["operations"][0]["id"]
        .as_str()
        .unwrap()
        .to_string();
    let shown = sandbox.snapback(&["op", "show", &op]).expect(0).stdout;
    assert!(
        !shown.contains(", verified"),
        "the report of it says no more: {shown}"
    );
    // Without rows in a log it is the release.
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    let undone = sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert!(
        format!("{undone:?}").contains("T01 is at 1.1.0, verified"),
        "{undone:?}"
    );
}

#[test]
fn a_configuration_that_comes_back_is_not_called_the_release_either() {
    let sandbox = two_versions("");
    sandbox.write("task_registry.json", &sandbox.read("task_registry.json"));
    set_version(&sandbox, "9.9.9");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let said = sandbox.snapback(&["undo", "--yes"]).expect(0).stdout;
    assert!(
        said.contains("exactly as it was, which is not as released"),
        "{said}"
    );
}

#[test]
fn a_log_that_is_protected_by_itself_stays_also_in_an_undo() {
    let sandbox = two_versions("protect: [\"*-shm\"]");
    crashed(&sandbox.at(DATABASE), "wal", "UPDATE t SET x = 'three'");
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(sides(&sandbox), ["-shm"]);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        (sides(&sandbox), row(&sandbox.at(DATABASE))),
        (vec!["-wal", "-shm"], "three".into())
    );
    // A newer log with rows would be read into the restored database.
    let sandbox = two_versions("protect: [\"*-wal\"]");
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    crashed(&sandbox.at(DATABASE), "wal", "UPDATE t SET x = 'four'");
    let before = sandbox.tree();
    let refused = sandbox.snapback(&["undo", "--yes"]).expect(6).stderr;
    assert!(
        refused.contains("state.db-wal is protected") && refused.contains("nothing was changed"),
        "{refused}"
    );
    assert_eq!(sandbox.tree(), before);
}

#[test]
fn a_kept_database_comes_back_without_the_log_of_another_one() {
    let sandbox = two_versions("");
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    crashed(&sandbox.at(DATABASE), "wal", "UPDATE t SET x = 'four'");
    let before = sandbox.tree_in(TASK);
    let restore = ["op", "restore", "latest", DATABASE, "--in-place"];
    let plan = sandbox
        .snapback(&[&restore[..], &["--dry-run"]].concat())
        .expect(0)
        .stdout;
    assert!(plan.contains(&format!("D {DATABASE}-wal")), "{plan}");
    sandbox
        .snapback(&[&restore[..], &["--yes"]].concat())
        .expect(0);
    assert_eq!(
        (row(&sandbox.at(DATABASE)), sides(&sandbox)),
        ("two".into(), vec![])
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        (sandbox.tree_in(TASK), row(&sandbox.at(DATABASE))),
        (before, "four".into()),
        "the inverse"
    );
    // A database that a process has open is not replaced.
    let connection = open(&sandbox.at(DATABASE));
    let op = sandbox.snapback(&["op", "list", "--json"]).json()["data"]["operations"][2]["id"]
        .as_str()
        .unwrap()
        .to_string();
    let refused = sandbox
        .snapback(&["op", "restore", &op, DATABASE, "--in-place", "--yes"])
        .expect(6)
        .stderr;
    assert!(refused.contains("state.db is open in"), "{refused}");
    drop(connection);
}

#[test]
fn a_kept_database_and_its_log_come_back_together() {
    let sandbox = two_versions("");
    crashed(&sandbox.at(DATABASE), "wal", "UPDATE t SET x = 'three'");
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    for named in [DATABASE.to_string(), format!("{DATABASE}-wal")] {
        let into = format!("../rescued{}", named.len());
        sandbox
            .snapback(&["op", "restore", "latest", &named, "--into", &into, "--yes"])
            .expect(0);
        assert_eq!(row(&sandbox.at(&format!("{into}/{DATABASE}"))), "three");
    }
    let op = sandbox.snapback(&["op", "list", "--json"]).json()["data"]["operations"][0]["id"]
        .as_str()
        .unwrap()
        .to_string();
    for named in [DATABASE.to_string(), format!("{DATABASE}-wal")] {
        sandbox
            .snapback(&["op", "restore", &op, &named, "--in-place", "--yes"])
            .expect(0);
        assert_eq!(row(&sandbox.at(DATABASE)), "three");
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_eq!(
            (row(&sandbox.at(DATABASE)), sides(&sandbox)),
            ("one".into(), vec![])
        );
    }
}

#[test]
fn a_restored_folder_has_the_rows_that_were_put() {
    let sandbox = Sandbox::empty();
    let data = sandbox.home().join("data");
    fs::create_dir_all(&data).unwrap();
    for name in ["right.db", "other.db"] {
        with_row(&data.join(name), "one");
    }
    fs::write(data.join("notes"), b"no database\n").unwrap();
    sandbox
        .snapback(&["store", "put", data.to_str().unwrap(), "--name", "n"])
        .expect(0);
    set_row(&data.join("other.db"), "two");
    for name in ["right.db", "other.db"] {
        crashed(&data.join(name), "wal", "UPDATE t SET x = 'three'");
    }
    // Only the log is foreign: the database file is the one that was put.
    fs::write(data.join("notes-journal"), b"what happened\n").unwrap();
    let restore = ["store", "restore", "n", "--into", data.to_str().unwrap()];
    let plan = sandbox
        .snapback(&[&restore[..], &["--dry-run"]].concat())
        .expect(0)
        .stdout;
    assert!(
        plan.contains("right.db-wal would go") && plan.contains("other.db-wal would go"),
        "{plan}"
    );
    let connection = open(&data.join("right.db"));
    let refused = sandbox.snapback(&restore).expect(6).stderr;
    assert!(refused.contains("right.db is open in"), "{refused}");
    drop(connection);
    crashed(&data.join("right.db"), "wal", "UPDATE t SET x = 'four'");
    let done = sandbox.snapback(&restore).expect(0).stdout;
    assert!(
        done.contains("right.db-wal went: SQLite would read it")
            && done.contains("1 extra left alone"),
        "{done}"
    );
    for name in ["right.db", "other.db"] {
        assert_eq!(row(&data.join(name)), "one", "{name}");
    }
    assert_eq!(
        fs::read(data.join("notes-journal")).unwrap(),
        b"what happened\n"
    );
    // The replaced files are kept, including the log.
    let kept = sandbox.home().join("kept");
    sandbox
        .snapback(&[
            "store",
            "restore",
            "before-restore-n-1",
            "--into",
            kept.to_str().unwrap(),
        ])
        .expect(0);
    assert_eq!(row(&kept.join("other.db")), "three");
    // A log without contents is left alone.
    let connection = open(&data.join("right.db"));
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let done = sandbox.snapback(&restore).expect(0).stdout;
    assert!(!done.contains("went"), "{done}");
}

#[test]
fn a_release_says_what_is_shared_and_not_as_head_has_it() {
    let sandbox = two_versions("shared: [lib]");
    let database = sandbox.at("lib/s.db");
    for name in ["u.py", "deleted.py", "same.py"] {
        sandbox.write(&format!("lib/{name}"), b"u = 1\n");
    }
    with_row(&database, "one");
    sandbox.commit("shared");
    let release = |version: &str| {
        set_version(&sandbox, version);
        let done = sandbox.release("T01", version);
        done.stdout + &done.stderr
    };
    let said = release("1.2.0");
    assert!(!said.contains("lib/"), "there is nothing to say: {said}");
    sandbox.write("lib/u.py", b"u = 2\n");
    sandbox.write("lib/fresh.py", b"u = 3\n");
    fs::remove_file(sandbox.at("lib/deleted.py")).unwrap();
    crashed(&database, "wal", "UPDATE t SET x = 'two'");
    let said = release("1.3.0");
    assert!(
        said.contains(
            "lib/deleted.py, lib/u.py, lib/fresh.py: recorded as HEAD has what is shared"
        ),
        "{said}"
    );
    assert!(
        said.contains("lib/s.db-wal changes the rows of lib/s.db"),
        "{said}"
    );
    assert_eq!(sandbox.git_out(&["show", "T01-v1.3.0:lib/u.py"]), "u = 1");
}
