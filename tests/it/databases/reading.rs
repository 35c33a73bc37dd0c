//! The rows of a version where it is read: a drill, a capsule, and the log as SQLite reads it.

use std::fs;

use rusqlite::Connection;

use super::{DATABASE, closed, crashed, sandbox, settings};

#[test]
fn a_drill_and_a_capsule_have_the_rows_of_the_version() {
    let sandbox = sandbox(true);
    let check = "python3 -c \"import sqlite3; assert sqlite3.connect('state.db').execute('select distinct substr(x, 1, 5) from t').fetchall() == [('first',)]\"";
    settings(
        &sandbox,
        &format!(
            "tasks: {{T01: {{path: tasks/T01, large_files: {{patterns: [\"*.bin\", \"*.db\"]}}, verify: [{{run: {check:?}}}]}}}}\n"
        ),
    );
    closed(
        &sandbox,
        "CREATE TABLE t(k INTEGER PRIMARY KEY, x TEXT); INSERT INTO t VALUES (1, 'first')",
    );
    sandbox.release("T01", "1.0.0");
    crashed(&sandbox, "wal", "UPDATE t SET x = 'secnd'");
    sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.0.0"])
        .expect(0);
    let (capsule, into) = (sandbox.home().join("c.tar"), sandbox.home().join("out"));
    sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            capsule.to_str().unwrap(),
        ])
        .expect(0);
    sandbox
        .snapback(&[
            "dr",
            "--from",
            capsule.to_str().unwrap(),
            "--into",
            into.to_str().unwrap(),
        ])
        .expect(0);
    let connection = Connection::open(into.join(DATABASE)).unwrap();
    assert_eq!(
        connection
            .query_row("SELECT x FROM t", [], |row| row.get::<_, String>(0))
            .unwrap(),
        "first"
    );
}

/// SQLite itself is the judge: it recovers a copy, and the bytes show whether the log contained
/// anything.
#[test]
fn a_log_is_read_as_sqlite_reads_it() {
    use snapback::base::{RelPath, Root, sqlite};
    let scratch = tempfile::tempdir().unwrap();
    let mut seen = [0; 2];
    for round in 0..60u32 {
        let live = scratch.path().join(format!("{round}"));
        let connection = Connection::open(&live).unwrap();
        let page = 512 << (round % 8);
        connection
            .execute_batch(&format!(
                "PRAGMA page_size={page}; PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF; CREATE TABLE t(x)"
            ))
            .unwrap();
        let mut random = u64::from(round).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..12 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let sql = match random % 6 {
                0 | 1 => format!("INSERT INTO t VALUES (randomblob({}))", random % 5000),
                2 => "DELETE FROM t WHERE rowid % 3 = 0".into(),
                3 => "PRAGMA wal_checkpoint(PASSIVE)".into(),
                4 => "PRAGMA wal_checkpoint(RESTART)".into(),
                _ => "BEGIN; INSERT INTO t VALUES (randomblob(9000)); ROLLBACK".into(),
            };
            connection.execute_batch(&sql).unwrap();
            let at = scratch.path().join("at");
            fs::create_dir(&at).unwrap();
            fs::copy(&live, at.join("d")).unwrap();
            fs::copy(format!("{}-wal", live.display()), at.join("d-wal")).unwrap();
            if random % 7 == 0 {
                // Torn, as a crash leaves it.
                let log = fs::OpenOptions::new()
                    .write(true)
                    .open(at.join("d-wal"))
                    .unwrap();
                log.set_len(log.metadata().unwrap().len() * (random % 100) / 100)
                    .unwrap();
            }
            let root = Root::open(&at).unwrap();
            let found = sqlite::log(&root, &RelPath::own("d"), &RelPath::own("d-wal")).unwrap();
            let before = fs::read(at.join("d")).unwrap();
            let copy = Connection::open(at.join("d")).unwrap();
            copy.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
                .unwrap();
            drop(copy);
            let lacks = fs::read(at.join("d")).unwrap() != before;
            assert_eq!(
                found,
                if lacks {
                    sqlite::LogEffect::Rows
                } else {
                    sqlite::LogEffect::Idle
                },
                "round {round}, {sql}"
            );
            seen[usize::from(lacks)] += 1;
            fs::remove_dir_all(&at).unwrap();
        }
    }
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}
