//! SQLite databases at any path, with the side files that a dead process leaves.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

/// The suffixes of the files that SQLite keeps beside a database.
pub const SIDES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Returns the path of a database's side file with this suffix.
pub fn side(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

/// Opens a database whose WAL is checkpointed only on request or when it is closed.
pub fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF",
        )
        .unwrap();
    connection
}

/// Creates a database with the table `t` and one row in it.
pub fn with_row(path: &Path, row: &str) {
    open(path)
        .execute_batch(&format!(
            "CREATE TABLE t(x TEXT); INSERT INTO t VALUES ('{row}')"
        ))
        .unwrap();
}

/// Changes the row, and closes.
pub fn set_row(path: &Path, row: &str) {
    open(path)
        .execute_batch(&format!("UPDATE t SET x = '{row}'"))
        .unwrap();
}

/// Runs statements in a process that dies, which leaves its side files in place.
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

/// Reads a copy of a database and all its side files with SQLite, after an integrity check, so that
/// nothing changes.
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

/// Returns the row of a database that [`with_row`] made.
pub fn row(path: &Path) -> String {
    with_copy(path, |connection| {
        connection
            .query_row("SELECT x FROM t", [], |row| row.get(0))
            .unwrap()
    })
}
