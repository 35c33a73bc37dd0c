//! SQLite databases at any path, with what a process that died leaves beside them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

/// What SQLite keeps beside a database.
pub const SIDES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// What lies beside a database under one end.
pub fn side(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

/// Opens a database whose log is folded in only when that is asked for; closing folds it in.
pub fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF",
        )
        .unwrap();
    connection
}

/// Makes a database with the table `t` and one row in it.
pub fn with_row(path: &Path, row: &str) {
    open(path)
        .execute_batch(&format!(
            "CREATE TABLE t(x TEXT); INSERT INTO t VALUES ('{row}')"
        ))
        .unwrap();
}

/// Says another row, and closes.
pub fn set_row(path: &Path, row: &str) {
    open(path)
        .execute_batch(&format!("UPDATE t SET x = '{row}'"))
        .unwrap();
}

/// Runs statements in a process that dies: what it left beside the database stays.
pub fn crashed(path: &Path, mode: &str, sql: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let there = scratch.path().join("d");
    fs::copy(path, &there).unwrap();
    let connection = Connection::open(&there).unwrap();
    let begin = format!(
        "PRAGMA journal_mode={mode}; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=1; PRAGMA synchronous=OFF"
    );
    connection.execute_batch(&begin).unwrap();
    connection.execute_batch(sql).unwrap();
    for end in [""].iter().chain(&SIDES) {
        if side(&there, end).exists() {
            fs::copy(side(&there, end), side(path, end)).unwrap();
        }
    }
}

/// What SQLite makes of a database and all that lies beside it, read from a copy so that nothing
/// changes.
pub fn with_copy<T>(path: &Path, read: impl FnOnce(&Connection) -> T) -> T {
    let scratch = tempfile::tempdir().unwrap();
    let there = scratch.path().join("d");
    for end in [""].iter().chain(&SIDES) {
        if side(path, end).exists() {
            fs::copy(side(path, end), side(&there, end)).unwrap();
        }
    }
    let connection = Connection::open(&there).unwrap();
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    read(&connection)
}

/// The row of a database that [`with_row`] made.
pub fn row(path: &Path) -> String {
    with_copy(path, |connection| {
        connection
            .query_row("SELECT x FROM t", [], |row| row.get(0))
            .unwrap()
    })
}
