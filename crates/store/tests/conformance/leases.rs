//! Leases exclude each other, and end with their holder.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use store::backend::{Area, LeaseOn};

use crate::{all, local, session};

#[test]
fn leases_exclude_each_other_and_end_when_they_are_dropped() {
    for made in all() {
        let take = |on| made.backend.lease(&on, false).unwrap();
        let take_other = |on| made.other.lease(&on, false).unwrap();
        for on in [LeaseOn::Commit, LeaseOn::Collection, session("s-1-0")] {
            let held = take(on.clone()).unwrap();
            assert!(
                take(on.clone()).is_none() && take_other(on.clone()).is_none(),
                "{}: {on:?}",
                made.name
            );
            held.release().unwrap();
            assert!(
                take_other(on.clone()).is_some() && take(on.clone()).is_some(),
                "{}: {on:?}",
                made.name
            );
        }
        // Sessions may begin concurrently, but not during a commit.
        let (one, two) = (take(LeaseOn::Beginning), take_other(LeaseOn::Beginning));
        assert!(one.is_some() && two.is_some(), "{}", made.name);
        drop(one);
        assert!(take(LeaseOn::Commit).is_none() && take_other(LeaseOn::Commit).is_none());
        drop(two);
        let commit = take(LeaseOn::Commit);
        assert!(commit.is_some() && take_other(LeaseOn::Beginning).is_none());
        // Leases on different subjects are independent.
        let others = [LeaseOn::Collection, session("b"), session("a")].map(take);
        assert!(others.iter().all(Option::is_some), "{}", made.name);
        assert_eq!(made.other.list(Area::Sessions).unwrap(), ["a", "b"]);
        drop(others);
        assert!(made.other.list(Area::Sessions).unwrap().is_empty());
    }
}

#[test]
fn a_lease_is_waited_for_and_ends_with_a_holder_that_panics() {
    for made in all() {
        let (ready, told) = mpsc::channel();
        thread::scope(|scope| {
            let backend = made.backend.clone();
            let holder = scope.spawn(move || {
                let _held = backend.lease(&LeaseOn::Commit, true).unwrap();
                ready.send(()).unwrap();
                thread::sleep(Duration::from_millis(20));
                std::panic::resume_unwind(Box::new("the holder dies"));
            });
            told.recv().unwrap();
            let waited = made.other.lease(&LeaseOn::Beginning, true);
            assert!(waited.unwrap().is_some(), "{}", made.name);
            assert!(holder.join().is_err());
        });
    }
}

/// Environment variable that tells a child process in which folder to hold leases.
const HOLDER: &str = "SNAPBACK_LEASE_HOLDER";

/// Runs in the child process; does nothing in the suite itself.
#[test]
fn part_of_a_holder() {
    let Ok(dir) = std::env::var(HOLDER) else {
        return;
    };
    let backend = local(Path::new(&dir));
    backend.prepare().unwrap();
    let take = |on| backend.lease(&on, true).unwrap().unwrap();
    let _held = (take(LeaseOn::Commit), take(session("0-1-2")));
    let mut upload = backend.stage(Area::Packs, "0-1-2").unwrap();
    upload.write_all(b"half").unwrap();
    println!("held");
    loop {
        thread::park();
    }
}

#[test]
fn the_leases_of_a_process_that_is_killed_end_and_its_remains_can_be_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "leases::part_of_a_holder", "--nocapture"])
        .env(HOLDER, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines
            .map_while(Result::ok)
            .any(|line| line.contains("held"))
    );
    let backend = local(dir.path());
    let take = |on| backend.lease(&on, false).unwrap();
    assert!(take(LeaseOn::Commit).is_none() && take(session("0-1-2")).is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(backend.list(Area::Sessions).unwrap(), ["0-1-2"]);
    assert_eq!(backend.list(Area::Staging).unwrap(), ["0-1-2-0"]);
    assert!(take(LeaseOn::Commit).is_some());
    let session = take(session("0-1-2"));
    session.unwrap().release().unwrap();
    assert!(backend.list(Area::Sessions).unwrap().is_empty());
}
