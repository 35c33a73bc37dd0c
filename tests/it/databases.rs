//! SQLite databases with WAL and journal files: a release contains every committed row or is
//! refused, and a version's database has the rows of that version, whatever lay beside it.

mod reading;
mod releases;

use std::fs;

use crate::support::{
    Sandbox,
    sandbox::Tree,
    sqlite::{self, SIDES, open},
    story::{TASK, rollback, set_version},
};

/// The database of the task.
const DATABASE: &str = "tasks/T01/state.db";

/// Creates a sandbox that ignores logs and, when the store keeps databases, these too.
fn sandbox(in_store: bool) -> Sandbox {
    let sandbox = Sandbox::new(1);
    let rules = if in_store {
        "*.bin\n*-wal\n*-shm\n*-journal\n*.db\n"
    } else {
        "*.bin\n*-wal\n*-shm\n*-journal\n"
    };
    sandbox.write(".gitignore", rules.as_bytes());
    if in_store {
        settings(
            &sandbox,
            "defaults:\n  large_files: {patterns: [\"*.bin\", \"*.db\"]}\n",
        );
    }
    sandbox
        .git(&["commit", "-q", "-a", "-m", "rules"])
        .expect(0);
    sandbox
}

/// Writes settings after the version.
fn settings(sandbox: &Sandbox, text: &str) {
    sandbox.write("snapback.yaml", format!("version: 1\n{text}").as_bytes());
    sandbox
        .git(&["commit", "-q", "-m", "settings", "snapback.yaml"])
        .expect(0);
}

/// Runs statements and closes the database, which checkpoints its log.
fn closed(sandbox: &Sandbox, sql: &str) {
    open(&sandbox.at(DATABASE)).execute_batch(sql).unwrap();
}

/// Runs statements in a process that dies, which leaves its side files in place.
fn crashed(sandbox: &Sandbox, mode: &str, sql: &str) {
    sqlite::crashed(&sandbox.at(DATABASE), mode, sql);
}

/// Returns the rows of the database.
fn rows(sandbox: &Sandbox) -> Vec<String> {
    sqlite::with_copy(&sandbox.at(DATABASE), |connection| {
        let mut statement = connection
            .prepare("SELECT DISTINCT substr(x, 1, 5) FROM t ORDER BY 1")
            .unwrap();
        statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    })
}

/// Lists the database's side files.
fn sides(sandbox: &Sandbox) -> Vec<&'static str> {
    SIDES
        .into_iter()
        .filter(|end| sandbox.exists(&format!("{DATABASE}{end}")))
        .collect()
}

/// Creates 1.0.0 with one row, 1.1.0 with another one.
fn two_versions(sandbox: &Sandbox) {
    let fill = "CREATE TABLE t(k INTEGER PRIMARY KEY, x TEXT);
        WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 60) INSERT INTO t SELECT i, 'first' || hex(zeroblob(400)) FROM c";
    closed(sandbox, fill);
    sandbox.release("T01", "1.0.0");
    closed(sandbox, "UPDATE t SET x = 'secnd' || substr(x, 6)");
    set_version(sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
}

/// Adds 1.2.0 with the database of 1.0.0 and the log of a dead process beside it.
fn three_versions_and_a_log(sandbox: &Sandbox) {
    two_versions(sandbox);
    rollback(sandbox, "1.1.0", "1.0.0").expect(0);
    sandbox.write("tasks/T01/signal.py", b"# 1.2.0\n");
    set_version(sandbox, "1.2.0");
    sandbox.release("T01", "1.2.0");
    crashed(sandbox, "wal", "UPDATE t SET x = 'third' || substr(x, 6)");
}

/// Reads the task's files without times of links and such; everything that undo must restore.
fn tree(sandbox: &Sandbox) -> Tree {
    sandbox.tree_in(TASK)
}

/// Rolls back, undoes, redoes and goes forward; the rows are right each time, and every byte comes
/// back.
fn goes_back_and_forth(sandbox: &Sandbox, newest: &str) {
    let (before, lay) = (tree(sandbox), sides(sandbox));
    assert_eq!(rows(sandbox), [newest], "what the log makes of it");
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    let log = lay.iter().find(|end| **end != "-shm").unwrap();
    assert!(
        plan.contains(&format!("D {DATABASE}{log}"))
            && plan.contains("SQLite would read it into state.db"),
        "{plan}"
    );
    for _ in 0..2 {
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
            .expect(0);
        assert_eq!(
            (rows(sandbox), sides(sandbox)),
            (vec!["first".into()], vec![])
        );
        sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(0);
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_eq!(
            tree(sandbox),
            before,
            "undo brings everything back, what lay beside the database too"
        );
        sandbox.snapback(&["redo", "--yes"]).expect(0);
        assert_eq!(
            (rows(sandbox), sides(sandbox)),
            (vec!["first".into()], vec![])
        );
        sandbox.snapback(&["undo", "--yes"]).expect(0);
    }
    assert_eq!(tree(sandbox), before);
}

#[test]
fn a_log_that_a_dead_process_left_goes_with_its_database() {
    for in_store in [false, true] {
        let sandbox = sandbox(in_store);
        two_versions(&sandbox);
        crashed(&sandbox, "wal", "UPDATE t SET x = 'third' || substr(x, 6)");
        goes_back_and_forth(&sandbox, "third");
    }
}

#[test]
fn a_journal_that_a_dead_process_left_goes_with_its_database() {
    let sandbox = sandbox(false);
    two_versions(&sandbox);
    crashed(
        &sandbox,
        "delete",
        "BEGIN; UPDATE t SET x = 'third' || substr(x, 6)",
    );
    assert_eq!(sides(&sandbox), ["-journal"]);
    goes_back_and_forth(&sandbox, "secnd");
}

#[test]
fn a_log_goes_also_where_the_database_itself_is_the_same_in_both_versions() {
    let sandbox = sandbox(true);
    three_versions_and_a_log(&sandbox);
    let seen = sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(4)
        .stdout;
    assert!(
        seen.contains("integrity.databases") && seen.contains("state.db-wal holds committed rows"),
        "{seen}"
    );
    let status = sandbox.snapback(&["status", "--json"]).expect(0).json();
    assert_eq!(status["data"]["tasks"][0]["drift"], 1, "{status}");
    let differs = sandbox.snapback(&["diff", "-t", "T01"]).expect(0).stdout;
    assert!(differs.contains("state.db-wal"), "{differs}");
    goes_back_and_forth(&sandbox, "third");
    // The active version itself, too.
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.2.0", "--yes"])
        .expect(0);
    assert_eq!(
        (rows(&sandbox), sides(&sandbox)),
        (vec!["first".into()], vec![])
    );
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(0);
}

#[test]
fn undo_mixes_nothing_when_the_program_wrote_in_between() {
    let sandbox = sandbox(false);
    three_versions_and_a_log(&sandbox);
    let before = tree(&sandbox);
    rollback(&sandbox, "1.2.0", "1.0.0").expect(0);
    // The database, left alone by the rollback, is written to; its new log is left behind.
    closed(&sandbox, "UPDATE t SET x = 'fourt' || substr(x, 6)");
    crashed(&sandbox, "wal", "UPDATE t SET x = 'fifth' || substr(x, 6)");
    let written = tree(&sandbox);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        (tree(&sandbox), rows(&sandbox)),
        (before, vec!["third".into()]),
        "the log is beside the database that it was taken from"
    );
    sandbox.snapback(&["redo", "--yes"]).expect(0);
    assert_eq!(
        (tree(&sandbox), rows(&sandbox)),
        (written, vec!["fifth".into()]),
        "redo brings back what lay there when it was undone"
    );
}

#[test]
fn a_database_that_is_open_is_not_replaced_and_one_that_stays_may_be_open() {
    let sandbox = sandbox(false);
    two_versions(&sandbox);
    let connection = open(&sandbox.at(DATABASE));
    connection
        .execute_batch("UPDATE t SET x = 'third' || substr(x, 6)")
        .unwrap();
    let before = tree(&sandbox);
    let refused = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(6)
        .stderr;
    let process = format!("(process {})", std::process::id());
    assert!(
        refused.contains("state.db-wal")
            && refused.contains(&process)
            && refused.contains("nothing was changed"),
        "{refused}"
    );
    assert_eq!(tree(&sandbox), before);
    // A version of the same database: only its log is in the way.
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(6);
    connection
        .execute_batch("UPDATE t SET x = 'secnd' || substr(x, 6); PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    connection
        .execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    set_version(&sandbox, "1.2.0");
    sandbox.release("T01", "1.2.0");
    sandbox.write("tasks/T01/signal.py", b"# 1.3.0\n");
    set_version(&sandbox, "1.3.0");
    sandbox.release("T01", "1.3.0");
    assert!(sides(&sandbox).contains(&"-shm"), "it is open");
    rollback(&sandbox, "1.3.0", "1.2.0").expect(0);
    assert_eq!(
        connection
            .query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))
            .unwrap(),
        60
    );
}

#[test]
fn a_process_that_the_stop_command_ends_is_waited_for_and_one_that_stays_turns_the_operation_back()
{
    let sandbox = sandbox(false);
    two_versions(&sandbox);
    let holder = |sandbox: &Sandbox| {
        sandbox
            .command("sh")
            .args([
                "-c",
                &format!(
                    "exec 3< {DATABASE}; trap 'sleep 1; exit' TERM; while :; do sleep 0.05; done"
                ),
            ])
            .spawn()
            .unwrap()
    };
    let pid = sandbox.home().join("pid");
    let stop = |run: &str| {
        settings(
            &sandbox,
            &format!(
                "tasks: {{T01: {{path: tasks/T01, large_files: {{patterns: [\"*.bin\"]}}, stop: {{run: {run:?}}}}}}}\n"
            ),
        );
    };
    let mut child = holder(&sandbox);
    fs::write(&pid, child.id().to_string()).unwrap();
    stop("true");
    let before = tree(&sandbox);
    let turned = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(6);
    // The shell's `sleep` of the moment has it open too.
    assert!(
        turned.stdout.contains("state.db is open in ")
            && turned.stdout.contains("sh (process ")
            && turned.stdout.contains("everything was put back"),
        "{turned:?}"
    );
    assert_eq!(tree(&sandbox), before);
    // It closes the database a moment after it was told to.
    stop(&format!("kill $(cat {})", pid.display()));
    let waits = std::thread::spawn(move || child.wait());
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert_eq!(rows(&sandbox), ["first"]);
    let _ = waits.join().unwrap();
}

#[test]
fn files_that_only_have_such_a_name_are_left_alone() {
    let sandbox = Sandbox::new(1);
    sandbox.write("tasks/T01/notes", b"no database\n");
    sandbox.write("tasks/T01/notes-journal", b"what happened\n");
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/notes", b"still none\n");
    sandbox.write("tasks/T01/notes-wal", b"a wall\n");
    sandbox.write("tasks/T01/.gitignore", b"*-wal\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(sandbox.read("tasks/T01/notes-wal"), b"a wall\n");
    assert_eq!(sandbox.read("tasks/T01/notes-journal"), b"what happened\n");
}

#[test]
fn what_is_shared_and_restored_goes_with_its_log() {
    let sandbox = Sandbox::new(1);
    sandbox.write(".gitignore", b"*.bin\n*-wal\n*-shm\n");
    settings(
        &sandbox,
        "tasks: {T01: {path: tasks/T01, shared: [lib], large_files: {patterns: [\"*.bin\"]}}}\n",
    );
    fs::create_dir(sandbox.at("lib")).unwrap();
    let shared = sandbox.at("lib/rates.db");
    open(&shared)
        .execute_batch("CREATE TABLE t(x TEXT); INSERT INTO t VALUES ('first')")
        .unwrap();
    sandbox.commit("rates");
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    fs::copy(&shared, sandbox.at(DATABASE)).unwrap();
    crashed(&sandbox, "wal", "UPDATE t SET x = 'secnd'");
    fs::rename(
        sandbox.at(&format!("{DATABASE}-wal")),
        sandbox.at("lib/rates.db-wal"),
    )
    .unwrap();
    for end in ["", "-shm"] {
        fs::remove_file(sandbox.at(&format!("{DATABASE}{end}"))).unwrap();
    }
    // A drill uses its current state, and so does a rollback that leaves shared files alone.
    sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.0.0"])
        .expect(0);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert!(sandbox.exists("lib/rates.db-wal"));
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    sandbox
        .snapback(&[
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.0.0",
            "--with-shared",
            "--yes",
        ])
        .expect(0);
    assert!(
        !sandbox.exists("lib/rates.db-wal"),
        "its rows are those of the version"
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert!(sandbox.exists("lib/rates.db-wal"));
}
