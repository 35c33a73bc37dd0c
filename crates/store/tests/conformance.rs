//! The promises of the port, kept by every backend and by every wrapper.
//!
//! A new one is a line in [`all`]. Each test runs on all of them, on a store of its own.
#![allow(
    clippy::disallowed_methods,
    reason = "tests use the standard library directly"
)]

use std::{
    io::{self, BufRead, BufReader, Write},
    num::NonZeroU64,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Barrier, mpsc},
    thread,
    time::{Duration, Instant},
};

use base::{RelPath, Root, aligned};
use store::{
    backend::{Area, Backend, FileName, LeaseOn, LocalBackend, MemoryBackend, stage_bytes},
    wrap::{FaultyBackend, LimitedBackend},
};

/// An empty store: two handles of it, as two processes would have.
struct Made {
    name: &'static str,
    backend: Arc<dyn Backend>,
    other: Arc<dyn Backend>,
    _dir: Option<tempfile::TempDir>,
}

fn local(dir: &Path) -> Arc<dyn Backend> {
    let fs = Arc::new(Root::open(dir).unwrap());
    Arc::new(LocalBackend::new(fs, RelPath::own("store")))
}

fn in_folder() -> Made {
    let dir = tempfile::tempdir().unwrap();
    let (backend, other) = (local(dir.path()), local(dir.path()));
    Made {
        name: "local",
        backend,
        other,
        _dir: Some(dir),
    }
}

fn in_memory() -> Made {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::default());
    Made {
        name: "memory",
        other: backend.clone(),
        backend,
        _dir: None,
    }
}

/// A wrapper over both handles.
fn over(name: &'static str, inner: Made, wrap: fn(Arc<dyn Backend>) -> Arc<dyn Backend>) -> Made {
    Made {
        name,
        backend: wrap(inner.backend),
        other: wrap(inner.other),
        _dir: inner._dir,
    }
}

fn faulty(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(FaultyBackend::new(inner))
}

fn limited(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(LimitedBackend::new(inner, NonZeroU64::new(1 << 40), None))
}

/// Everything that keeps the promises, each with an empty store that is prepared.
fn all() -> Vec<Made> {
    let all = vec![
        in_folder(),
        in_memory(),
        over("fault over local", in_folder(), faulty),
        over("fault over memory", in_memory(), faulty),
        over("limit over local", in_folder(), limited),
        over("limit over fault over memory", in_memory(), |inner| {
            limited(faulty(inner))
        }),
    ];
    for made in &all {
        made.backend.prepare().unwrap();
    }
    all
}

/// Bytes that differ from place to place.
fn bytes(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| u8::try_from(at / 3 % 251).unwrap())
        .collect()
}

fn session(name: &str) -> LeaseOn {
    LeaseOn::Session(name.into())
}

fn put(backend: &dyn Backend, name: &FileName, bytes: &[u8]) {
    let staged = stage_bytes(backend, name.area, "me", bytes).unwrap();
    staged.put(name).unwrap();
}

/// A pack that is called this.
fn pack(name: &str) -> FileName {
    FileName::new(Area::Packs, name)
}

/// The areas whose files have bytes.
const AREAS: [Area; 5] = [
    Area::Packs,
    Area::Index,
    Area::Log,
    Area::Quarantine,
    Area::Legacy,
];

#[test]
fn what_was_put_is_there_under_its_name_and_no_other() {
    for made in all() {
        let (backend, other) = (&made.backend, &made.other);
        backend.prepare().unwrap();
        for area in AREAS {
            let name = FileName::new(area, "aabb");
            assert_eq!(backend.size(&name).unwrap(), None, "{}", made.name);
            let missing = backend.open(&name).err().unwrap().kind();
            assert_eq!(missing, io::ErrorKind::NotFound, "{}", made.name);
            let missing = backend.read(&name, 10).unwrap_err().kind();
            assert_eq!(missing, io::ErrorKind::NotFound, "{}", made.name);
            put(&**backend, &name, area.word().as_bytes());
        }
        for area in AREAS {
            let (name, word) = (FileName::new(area, "aabb"), area.word().as_bytes());
            assert_eq!(other.size(&name).unwrap(), Some(word.len() as u64));
            assert_eq!(other.read(&name, 100).unwrap(), word, "{}", made.name);
            assert_eq!(other.list(area).unwrap(), ["aabb"], "{}", made.name);
            let place = backend.location(&name);
            assert!(!place.is_empty() && place == other.location(&name));
        }
        let notes = FileName::verified();
        put(&**backend, &notes, b"one");
        put(&**other, &notes, b"another");
        assert_eq!(backend.read(&notes, 7).unwrap(), b"another");
        assert_eq!(backend.list(Area::Notes).unwrap(), [notes.name]);
    }
}

#[test]
fn any_range_of_a_file_can_be_read() {
    for made in all() {
        for len in [0, 1, 4095, 4096, 4097, 300_000, (5 << 20) + 3] {
            let (name, whole) = (pack(&format!("p{len}")), bytes(len));
            put(&*made.backend, &name, &whole);
            let input = made.other.open(&name).unwrap();
            let mut into = vec![0; 1000];
            for at in [
                0,
                1,
                len / 2,
                len.saturating_sub(1),
                len,
                len + 1,
                len + 5000,
            ] {
                let expected = &whole[at.min(len)..(at + 1000).min(len).max(at.min(len))];
                let n = input.read_at(at as u64, &mut into).unwrap();
                assert!(into[..n] == *expected, "{}: {len} at {at}", made.name);
            }
            let mut page = aligned::Aligned::new(len.next_multiple_of(aligned::ALIGN));
            for at in [0, aligned::floor(len as u64 / 2)] {
                let n = input.read_once_at(at, &mut page).unwrap();
                let from = usize::try_from(at).unwrap();
                assert!(page[..n] == whole[from..], "{}: {len} at {at}", made.name);
            }
            assert!(made.other.read(&name, len as u64).unwrap() == whole);
            if let Some(less) = (len as u64).checked_sub(1) {
                let error = made.other.read(&name, less).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{}", made.name);
            }
        }
    }
}

#[test]
fn a_name_that_must_be_new_is_given_once() {
    for made in all() {
        for round in 0..20 {
            let (name, start) = (FileName::record(round), Barrier::new(8));
            let put = |nth: u8| {
                let backend = if nth.is_multiple_of(2) {
                    &*made.backend
                } else {
                    &*made.other
                };
                let owner = format!("writer{nth}");
                let staged = stage_bytes(backend, Area::Log, &owner, &[nth]).unwrap();
                start.wait();
                match staged.put_new(&name) {
                    Ok(()) => Some(nth),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                    Err(error) => panic!("{}: {error}", made.name),
                }
            };
            let winners: Vec<u8> = thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|nth| scope.spawn(move || put(nth))).collect();
                let ended = threads.into_iter().map(|thread| thread.join().unwrap());
                ended.flatten().collect()
            });
            let [winner] = winners[..] else {
                panic!("{}: {winners:?} got the same name", made.name)
            };
            assert_eq!(made.backend.read(&name, 9).unwrap(), [winner]);
        }
        assert!(made.backend.list(Area::Staging).unwrap().is_empty());
        let records = (0..20).map(|nth| FileName::record(nth).name);
        assert_eq!(
            made.backend.list(Area::Log).unwrap(),
            Vec::from_iter(records)
        );
    }
}

#[test]
fn a_file_that_is_replaced_or_removed_is_never_a_mixture() {
    for made in all() {
        let name = pack("same");
        let (old, new) = (vec![1; 100_000], vec![2; 200_000]);
        put(&*made.backend, &name, &old);
        let input = made.other.open(&name).unwrap();
        put(&*made.backend, &name, &new);
        let mut into = vec![0; 300_000];
        // A backend that cannot keep the old bytes says so.
        if let Ok(n) = input.read_at(0, &mut into) {
            assert!(into[..n] == old, "{}", made.name);
        }
        assert!(made.other.read(&name, 300_000).unwrap() == new);
        made.backend.remove(&name).unwrap();
        made.backend.remove(&name).unwrap();
        assert_eq!(made.other.size(&name).unwrap(), None);
        assert!(made.other.list(Area::Packs).unwrap().is_empty());
    }
}

#[test]
fn a_list_is_sorted_and_has_its_own_area_only() {
    for made in all() {
        let mut expected: Vec<String> = (0..60)
            .map(|n| format!("{:04x}", n * 7919 % 65_521))
            .collect();
        for name in &expected {
            put(&*made.backend, &pack(name), name.as_bytes());
            put(
                &*made.backend,
                &FileName::new(Area::Index, format!("i{name}")),
                b"",
            );
            put(&*made.backend, &FileName::new(Area::Legacy, name), b"");
        }
        expected.sort();
        assert_eq!(
            made.other.list(Area::Packs).unwrap(),
            expected,
            "{}",
            made.name
        );
        assert_eq!(
            made.other.list(Area::Legacy).unwrap(),
            expected,
            "{}",
            made.name
        );
        assert_eq!(made.other.list(Area::Index).unwrap().len(), 60);
        assert!(made.other.list(Area::Log).unwrap().is_empty());
    }
}

#[test]
fn a_file_is_nowhere_before_it_is_named_and_leaves_nothing_when_it_is_dropped() {
    for made in all() {
        let staging = || made.other.list(Area::Staging).unwrap();
        let mut upload = made.backend.stage(Area::Packs, "owner").unwrap();
        upload.write_all(&bytes(3 << 20)).unwrap();
        let mut second = made.backend.stage(Area::Index, "owner").unwrap();
        second.write_all(b"x").unwrap();
        assert_eq!(staging().len(), 2, "{}", made.name);
        assert!(staging().iter().all(|name| name.starts_with("owner-")));
        assert!(made.other.list(Area::Packs).unwrap().is_empty());
        let staged = upload.finish().unwrap();
        assert!(made.other.list(Area::Packs).unwrap().is_empty());
        drop(second);
        assert_eq!(staging().len(), 1, "{}", made.name);
        drop(staged);
        assert!(staging().is_empty(), "{}", made.name);
        // What is swept as that of a dead owner cannot be named any more.
        let staged = stage_bytes(&*made.backend, Area::Packs, "dead", b"x").unwrap();
        let name = staging().remove(0);
        made.other
            .remove(&FileName::new(Area::Staging, name))
            .unwrap();
        assert!(staged.put(&pack("late")).is_err(), "{}", made.name);
        assert!(made.other.list(Area::Packs).unwrap().is_empty());
    }
}

#[test]
fn what_is_set_aside_is_out_of_use_and_keeps_its_bytes() {
    for made in all() {
        let name = pack("bad");
        assert_eq!(
            made.backend.set_aside(&name).unwrap(),
            None,
            "{}",
            made.name
        );
        let mut names = Vec::new();
        for text in ["one", "two", "three"] {
            put(&*made.backend, &name, text.as_bytes());
            let aside = made.backend.set_aside(&name).unwrap().unwrap();
            assert_eq!(made.other.size(&name).unwrap(), None, "{}", made.name);
            assert_eq!(made.other.read(&aside, 10).unwrap(), text.as_bytes());
            names.push(aside.name);
        }
        made.backend.barrier(Area::Quarantine).unwrap();
        assert_eq!(names, ["packs-bad", "packs-bad.1", "packs-bad.2"]);
        assert_eq!(made.other.list(Area::Quarantine).unwrap(), names);
    }
}

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
        // Sessions begin beside each other, not beside a commit.
        let (one, two) = (take(LeaseOn::Beginning), take_other(LeaseOn::Beginning));
        assert!(one.is_some() && two.is_some(), "{}", made.name);
        drop(one);
        assert!(take(LeaseOn::Commit).is_none() && take_other(LeaseOn::Commit).is_none());
        drop(two);
        let commit = take(LeaseOn::Commit);
        assert!(commit.is_some() && take_other(LeaseOn::Beginning).is_none());
        // Leases on different things have nothing to do with each other.
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

#[test]
fn what_no_barrier_has_covered_may_be_lost_and_the_rest_is_not() {
    for inner in [in_folder(), in_memory()] {
        inner.backend.prepare().unwrap();
        let backend = FaultyBackend::new(inner.backend.clone());
        let (kept, lost) = (pack("kept"), pack("lost"));
        put(&backend, &kept, b"old");
        put(&backend, &FileName::record(1), b"record");
        backend.barrier(Area::Packs).unwrap();
        put(&backend, &lost, b"never covered");
        put(&backend, &kept, b"new");
        put(&backend, &kept, b"newest");
        // The barrier of one area says nothing of another one.
        backend.cut_power(&mut |_| 0).unwrap();
        assert_eq!(backend.read(&kept, 9).unwrap(), b"old", "{}", inner.name);
        assert_eq!(backend.list(Area::Packs).unwrap(), ["kept"]);
        assert!(backend.list(Area::Log).unwrap().is_empty());
        // Some of it may survive, the first changes first.
        put(&backend, &kept, b"new");
        put(&backend, &kept, b"newest");
        backend.cut_power(&mut |changes| changes - 1).unwrap();
        assert_eq!(backend.read(&kept, 9).unwrap(), b"new");
        // What was removed may come back, what was set aside is in one of two places.
        backend.remove(&kept).unwrap();
        backend.barrier(Area::Packs).unwrap();
        backend.cut_power(&mut |_| 0).unwrap();
        assert_eq!(backend.read(&kept, 9).unwrap(), b"new", "{}", inner.name);
        let aside = backend.set_aside(&kept).unwrap().unwrap();
        backend.cut_power(&mut |_| 0).unwrap();
        assert_eq!(backend.size(&aside).unwrap(), None);
        assert_eq!(backend.read(&kept, 9).unwrap(), b"new");
        let aside = backend.set_aside(&kept).unwrap().unwrap();
        backend.barrier(Area::Quarantine).unwrap();
        backend.cut_power(&mut |_| 0).unwrap();
        assert_eq!(backend.read(&aside, 9).unwrap(), b"new", "{}", inner.name);
        // A barrier that is skipped covers nothing.
        backend.skip(Area::Index);
        put(&backend, &FileName::new(Area::Index, "i"), b"x");
        backend.barrier(Area::Index).unwrap();
        backend.cut_power(&mut |_| 0).unwrap();
        assert!(backend.list(Area::Index).unwrap().is_empty());
    }
}

#[test]
fn a_limit_is_kept_and_changes_no_byte() {
    let inner: Arc<dyn Backend> = Arc::new(MemoryBackend::default());
    let limit = NonZeroU64::new(1 << 20);
    let limited = LimitedBackend::new(inner.clone(), limit, limit);
    let (name, whole) = (pack("p"), bytes(100 << 10));
    let begun = Instant::now();
    put(&limited, &name, &whole);
    let written = begun.elapsed();
    assert!(limited.read(&name, 1 << 20).unwrap() == whole);
    let mut into = vec![0; 50 << 10];
    limited.open(&name).unwrap().read_at(0, &mut into).unwrap();
    assert!(into == whole[..50 << 10]);
    let read = begun.elapsed() - written;
    let expected = |bytes: u32| Duration::from_secs(1) * (bytes << 10) / (1 << 20);
    assert!(
        written >= expected(100) && read >= expected(150),
        "{written:?}, {read:?}"
    );
    // Without a limit nothing waits.
    let begun = Instant::now();
    put(&LimitedBackend::new(inner, limit, None), &name, &whole);
    assert!(begun.elapsed() < expected(100));
}

/// Says to a child process in which folder it is to hold leases.
const HOLDER: &str = "SNAPBACK_LEASE_HOLDER";

/// What the child process runs; in the suite itself it does nothing.
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
        .args(["--exact", "part_of_a_holder", "--nocapture"])
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
