//! A release takes whole databases: never half of one, never without the rows in its log.

use std::fs;

use rusqlite::Connection;

use super::{DATABASE, closed, crashed, rows, sandbox, settings, sides, two_versions};
use crate::support::{
    Sandbox,
    sqlite::open,
    story::{rollback, set_version},
};

#[test]
fn a_release_without_committed_rows_is_refused_and_an_idle_log_is_not_in_its_way() {
    for in_store in [false, true] {
        let sandbox = sandbox(in_store);
        let connection = open(&sandbox.at(DATABASE));
        connection
            .execute_batch(
                "CREATE TABLE t(k INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'first')",
            )
            .unwrap();
        let release = [
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "-m",
            "x",
            "--yes",
        ];
        let refused = sandbox.snapback(&release).expect(6).stderr;
        let said = [
            "state.db-wal holds committed rows that tasks/T01/state.db lacks",
            "has it open",
            "PRAGMA wal_checkpoint(TRUNCATE)",
        ];
        assert!(said.iter().all(|said| refused.contains(said)), "{refused}");
        // Checkpointed, but not truncated: the log is as long as before.
        connection
            .execute_batch("PRAGMA wal_checkpoint(PASSIVE)")
            .unwrap();
        assert!(
            fs::metadata(sandbox.at(&format!("{DATABASE}-wal")))
                .unwrap()
                .len()
                > 0
        );
        sandbox.snapback(&release).expect(0);
        sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(0);
        let status = sandbox.snapback(&["status", "--json"]).expect(0).json();
        assert_eq!(status["data"]["tasks"][0]["drift"], 0, "{status}");
        assert_eq!(rows(&sandbox), ["first"]);
        connection
            .execute_batch("INSERT INTO t VALUES (2, 'secnd')")
            .unwrap();
        sandbox
            .snapback(&[
                "create-snapshot",
                "-t",
                "T01",
                "--version",
                "1.1.0",
                "-m",
                "x",
                "--yes",
            ])
            .expect(6);
        sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(4);
    }
}

#[test]
fn a_release_of_half_a_transaction_is_refused() {
    let sandbox = sandbox(false);
    two_versions(&sandbox);
    crashed(
        &sandbox,
        "delete",
        "BEGIN; UPDATE t SET x = 'third' || substr(x, 6)",
    );
    set_version(&sandbox, "1.2.0");
    let release = [
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.2.0",
        "-m",
        "x",
        "--yes",
    ];
    let refused = sandbox.snapback(&release).expect(6).stderr;
    assert!(
        refused.contains("state.db-journal says that a transaction") && refused.contains("sqlite3"),
        "{refused}"
    );
    let _: i64 = Connection::open(sandbox.at(DATABASE))
        .unwrap()
        .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
        .unwrap();
    sandbox.snapback(&release).expect(0);
    assert_eq!(rows(&sandbox), ["secnd"]);
}

#[test]
fn a_log_that_is_part_of_the_release_makes_one_pair_with_its_database() {
    let sandbox = Sandbox::new(1);
    closed(
        &sandbox,
        "CREATE TABLE t(k INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'first')",
    );
    crashed(&sandbox, "wal", "INSERT INTO t VALUES (2, 'secnd')");
    sandbox.release("T01", "1.0.0");
    let released = rows(&sandbox);
    assert_eq!(released, ["first", "secnd"]);
    closed(&sandbox, "UPDATE t SET x = 'third'");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(rows(&sandbox), released, "both came back");
    rollback(&sandbox, "1.0.0", "1.1.0").expect(0);
    assert_eq!(
        (rows(&sandbox), sides(&sandbox)),
        (vec!["third".into()], vec![])
    );
    // While a process writes to the log, there is no moment at which both can be read.
    let connection = open(&sandbox.at(DATABASE));
    connection
        .execute_batch("UPDATE t SET x = 'fourt'")
        .unwrap();
    set_version(&sandbox, "1.2.0");
    let refused = sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.2.0",
            "-m",
            "x",
            "--yes",
        ])
        .expect(6)
        .stderr;
    assert!(
        refused.contains("cannot be read at one moment"),
        "{refused}"
    );
}

#[test]
fn what_lies_beside_a_protected_excluded_or_ignored_database_stays_with_it() {
    for rule in ["protect: [\"*.db\"]", "exclude: [\"*.db\"]", "ignored"] {
        let sandbox = Sandbox::new(1);
        let rules = if rule == "ignored" {
            "*.bin\n*.db\n"
        } else {
            "*.bin\n"
        };
        sandbox.write(".gitignore", rules.as_bytes());
        let own = if rule == "ignored" { "" } else { rule };
        settings(
            &sandbox,
            &format!(
                "tasks: {{T01: {{path: tasks/T01, large_files: {{patterns: [\"*.bin\"]}}, {own}}}}}\n"
            ),
        );
        sandbox
            .git(&["commit", "-q", "-a", "--allow-empty", "-m", "rules"])
            .expect(0);
        closed(
            &sandbox,
            "CREATE TABLE t(k INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'first')",
        );
        // Not ignored: git would take it.
        crashed(&sandbox, "wal", "INSERT INTO t VALUES (2, 'secnd')");
        sandbox.release("T01", "1.0.0");
        let connection = open(&sandbox.at(DATABASE));
        connection
            .execute_batch("UPDATE t SET x = 'third'")
            .unwrap();
        sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
        set_version(&sandbox, "1.1.0");
        if rule.starts_with("protect") {
            connection
                .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
                .unwrap();
        }
        sandbox.release("T01", "1.1.0");
        connection
            .execute_batch("INSERT INTO t VALUES (3, 'fourt')")
            .unwrap();
        rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
        assert_eq!(
            rows(&sandbox),
            ["fourt", "third"],
            "{rule}: no row of it changed"
        );
        sandbox
            .snapback(&["verify-rollback", "-t", "T01"])
            .expect(0);
        connection
            .execute_batch("INSERT INTO t VALUES (4, 'fifth')")
            .unwrap();
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_eq!(rows(&sandbox), ["fifth", "fourt", "third"], "{rule}");
    }
}

#[test]
fn a_release_of_a_protected_database_tells_of_the_rows_that_it_lacks() {
    let sandbox = sandbox(false);
    settings(
        &sandbox,
        "tasks: {T01: {path: tasks/T01, large_files: {patterns: [\"*.bin\"]}, protect: [\"*.db\"]}}\n",
    );
    let connection = open(&sandbox.at(DATABASE));
    connection
        .execute_batch(
            "CREATE TABLE t(k INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'first')",
        )
        .unwrap();
    let said = sandbox.release("T01", "1.0.0");
    assert!(
        format!("{said:?}")
            .contains("state.db-wal holds committed rows that are not part of the release"),
        "{said:?}"
    );
}

#[test]
fn a_log_that_is_protected_by_itself_is_not_taken_away() {
    let sandbox = sandbox(false);
    settings(
        &sandbox,
        "tasks: {T01: {path: tasks/T01, large_files: {patterns: [\"*.bin\"]}, protect: [\"*-wal\"]}}\n",
    );
    two_versions(&sandbox);
    crashed(&sandbox, "wal", "UPDATE t SET x = 'third' || substr(x, 6)");
    let refused = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(6)
        .stderr;
    assert!(refused.contains("state.db-wal is protected"), "{refused}");
}
