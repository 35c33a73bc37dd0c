//! Databases that are written to while they are put: what comes back is sound, and is what was
//! committed at one moment.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use rusqlite::Connection;

use crate::support::Sandbox;

/// The rows of a database that must be sound.
fn rows(database: &Path) -> Vec<i64> {
    let connection = Connection::open(database).unwrap();
    let verdict: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
    let mut statement = connection.prepare("SELECT id FROM t ORDER BY id").unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// Puts and restores a database again and again while a thread writes pairs of rows to it.
fn beside_a_writer(mode: &str) {
    let sandbox = Sandbox::empty();
    let data = sandbox.home().join("data");
    fs::create_dir_all(&data).unwrap();
    let database = data.join("live.sqlite");
    let writer = Connection::open(&database).unwrap();
    writer
        .busy_timeout(std::time::Duration::from_secs(30))
        .unwrap();
    let journal: String = writer
        .query_row(&format!("PRAGMA journal_mode={mode}"), [], |row| row.get(0))
        .unwrap();
    assert_eq!(journal, mode);
    // Left by a run that was killed, of a process that has another number here.
    let copies = sandbox.at(".git/snapback/copies");
    fs::create_dir_all(&copies).unwrap();
    fs::write(copies.join("1-left"), b"half a copy").unwrap();
    // No power is cut here: the test need not wait for the disk.
    writer
        .execute_batch("PRAGMA synchronous=OFF; CREATE TABLE t(id INTEGER PRIMARY KEY, bytes BLOB)")
        .unwrap();
    let (stop, committed) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let (stop, committed) = (&stop, &committed);
        // Whatever fails below, the writer stops: the scope waits for it.
        let _stop = Stop(stop);
        scope.spawn(move || {
            let mut id = 0;
            while !stop.load(Ordering::SeqCst) && id < MOST_ROWS {
                let insert =
                    "INSERT INTO t VALUES (?1, randomblob(3000)), (?1 + 1, randomblob(9000))";
                writer.execute(insert, [id]).unwrap();
                id += 2;
                committed.store(id.try_into().unwrap(), Ordering::SeqCst);
            }
        });
        for round in 0..4 {
            while committed.load(Ordering::SeqCst) < 40 * (round + 1) {
                std::thread::yield_now();
            }
            let before = committed.load(Ordering::SeqCst);
            let ran = sandbox.snapback(&["store", "put", data.to_str().unwrap(), "--name", "live"]);
            let after = committed.load(Ordering::SeqCst) + 2;
            let into = sandbox.home().join("back");
            sandbox
                .snapback(&["store", "restore", "live", "--into", into.to_str().unwrap()])
                .expect(0);
            ran.expect(0);
            let rows = rows(&into.join("live.sqlite"));
            let count = rows.len() as u64;
            let told = format!("{before} committed before, {after} after, {count} restored");
            assert!(
                before <= count && count <= after && count.is_multiple_of(2),
                "{told}"
            );
            assert!(
                rows.iter()
                    .enumerate()
                    .all(|(nth, id)| *id == i64::try_from(nth).unwrap()),
                "none is missing"
            );
        }
    });
    let left: Vec<_> = fs::read_dir(copies)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["lock"]);
}

/// The writer ends by itself before the database has this many rows.
const MOST_ROWS: i64 = 20_000;

/// Tells the writer to stop, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_database_with_a_log_is_copied_beside_a_writer() {
    beside_a_writer("wal");
}

#[test]
fn the_log_of_the_old_database_is_not_taken_for_the_restored_ones() {
    let sandbox = Sandbox::empty();
    let data = sandbox.home().join("data");
    fs::create_dir_all(&data).unwrap();
    let connection = Connection::open(data.join("d.sqlite")).unwrap();
    let _: String = connection
        .query_row("PRAGMA journal_mode=wal", [], |row| row.get(0))
        .unwrap();
    connection
        .execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
        .unwrap();
    sandbox
        .snapback(&["store", "put", data.to_str().unwrap(), "--name", "d"])
        .expect(0);
    connection
        .execute_batch("INSERT INTO t VALUES (2), (3)")
        .unwrap();
    // The writer is killed: its log stays.
    let crashed = sandbox.home().join("crashed");
    fs::create_dir_all(&crashed).unwrap();
    for file in ["d.sqlite", "d.sqlite-wal", "d.sqlite-shm"] {
        fs::copy(data.join(file), crashed.join(file)).unwrap();
    }
    let done = sandbox
        .snapback(&[
            "store",
            "restore",
            "d",
            "--into",
            crashed.to_str().unwrap(),
            "--json",
        ])
        .expect(0)
        .json();
    assert_eq!(done["data"]["restore"]["kept_as"], "before-restore-d-1");
    assert_eq!(rows(&crashed.join("d.sqlite")), [1]);
    let kept = sandbox.home().join("kept");
    sandbox
        .snapback(&[
            "store",
            "restore",
            "before-restore-d-1",
            "--into",
            kept.to_str().unwrap(),
        ])
        .expect(0);
    assert_eq!(
        rows(&kept.join("d.sqlite")),
        [1, 2, 3],
        "database and log were kept together"
    );
}

#[test]
fn a_database_with_a_journal_is_copied_beside_a_writer() {
    beside_a_writer("delete");
}
