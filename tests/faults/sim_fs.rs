//! Tests of the simulated file system: it must lose what a disk may lose, and nothing else.

use std::io::{self, Read, Write};

use snapback::base::{
    Fs, RelPath, Root, SyncPoint, Type,
    fs::{read_limited, write_durably},
};

use crate::support::sim::{SimFs, crash::Random, is_crash, sweep};

fn path(text: &str) -> RelPath {
    RelPath::own(text)
}

/// Creates a settled file system with one file.
fn with_file(name: &str, bytes: &[u8]) -> SimFs {
    let fs = SimFs::new();
    fs.put(name, bytes);
    fs.settle();
    fs
}

/// Returns all contents that `name` can have after a power cut at any call of `act` and at its end.
fn outcomes(
    base: &SimFs,
    name: &str,
    act: impl Fn(&SimFs) -> io::Result<()>,
) -> Vec<(Option<Vec<u8>>, bool)> {
    let seen = std::cell::RefCell::new(Vec::new());
    sweep(base, 200, 1, act, |disk, done| {
        let outcome = (disk.get(name), done);
        if !seen.borrow().contains(&outcome) {
            seen.borrow_mut().push(outcome);
        }
        Ok(())
    })
    .expect("the check never complains");
    seen.into_inner()
}

const FILE: SyncPoint = SyncPoint::new("test.file");
const DIR: SyncPoint = SyncPoint::new("test.dir");
const POINTS: (SyncPoint, SyncPoint) = (FILE, DIR);

#[test]
fn the_full_protocol_is_old_or_new_at_every_power_cut_and_new_after_success() {
    let seen = outcomes(&with_file("d/f", b"old"), "d/f", |fs| {
        write_durably(fs, &path("d/f"), b"new!", 0o644, POINTS)
    });
    assert!(seen.contains(&(Some(b"old".to_vec()), false)));
    assert!(
        seen.contains(&(Some(b"new!".to_vec()), false)),
        "the rename may survive before the folder is synced"
    );
    assert!(seen.contains(&(Some(b"new!".to_vec()), true)));
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn without_the_sync_of_the_file_a_rename_can_leave_it_empty_torn_or_zeroed() {
    let base = with_file("d/f", b"old");
    base.skip(POINTS.0);
    let seen = outcomes(&base, "d/f", |fs| {
        write_durably(fs, &path("d/f"), b"new!", 0o644, POINTS)
    });
    for wrong in [&b""[..], b"ne", b"\0\0\0\0"] {
        assert!(
            seen.contains(&(Some(wrong.to_vec()), true)),
            "{wrong:?} is possible: {seen:?}"
        );
    }
    assert_eq!(base.synced(POINTS.0), 0, "forks count for themselves");
}

#[test]
fn without_the_sync_of_the_folder_success_can_be_lost() {
    let base = with_file("d/f", b"old");
    base.skip(POINTS.1);
    let seen = outcomes(&base, "d/f", |fs| {
        write_durably(fs, &path("d/f"), b"new!", 0o644, POINTS)
    });
    assert!(seen.contains(&(Some(b"old".to_vec()), true)), "{seen:?}");
    assert!(
        !seen.iter().any(|(bytes, _)| bytes.as_deref() == Some(b"")),
        "its bytes were synced: {seen:?}"
    );
}

#[test]
fn a_move_between_folders_can_be_seen_in_both_but_never_in_neither() {
    let base = with_file("a/f", b"x");
    base.put("b/other", b"");
    base.settle();
    let fs = base.fork();
    fs.rename(&path("a/f"), &path("b/f")).unwrap();
    let places: Vec<_> = fs
        .crash_states(100, 1)
        .iter()
        .map(|disk| (disk.get("a/f").is_some(), disk.get("b/f").is_some()))
        .collect();
    assert!(
        places.contains(&(true, false))
            && places.contains(&(false, true))
            && places.contains(&(true, true)),
        "{places:?}"
    );
    assert!(!places.contains(&(false, false)));
    fs.sync_dir(&path("b"), DIR).unwrap();
    assert!(
        fs.crash_states(100, 1)
            .iter()
            .all(|disk| disk.get("b/f").is_some())
    );
    let fs = base.fork();
    fs.rename(&path("a/f"), &path("b/f")).unwrap();
    fs.sync_dir(&path("a"), DIR).unwrap();
    assert_eq!(
        fs.crash_states(100, 1).len(),
        1,
        "the old name cannot go durably before the new one came"
    );
    assert_eq!(fs.crash_states(100, 1)[0].get("b/f"), Some(b"x".to_vec()));
}

#[test]
fn an_exchange_is_whole_or_absent_also_between_folders() {
    let fs = with_file("a/f", b"A");
    fs.put("b/f", b"B");
    fs.settle();
    fs.put("b/g", b"new");
    fs.exchange(&path("a/f"), &path("b/g")).unwrap();
    fs.sync_dir(&path("a"), DIR).unwrap();
    for disk in fs.crash_states(100, 1) {
        assert_eq!(
            disk.get("b/g"),
            Some(b"A".to_vec()),
            "what happened before in b is durable too"
        );
        assert!(disk.get("a/f").is_some_and(|bytes| bytes != b"A"));
    }
}

#[test]
fn the_same_seed_gives_the_same_disks_and_the_limit_holds() {
    let fs = SimFs::new();
    for n in 0..12 {
        fs.put(&format!("f{n}"), b"some bytes");
    }
    let trees = |seed| {
        fs.crash_states(300, seed)
            .iter()
            .map(SimFs::tree)
            .collect::<Vec<_>>()
    };
    let first = trees(7);
    assert_eq!(first.len(), 300);
    assert_eq!(first, trees(7));
    assert_ne!(first, trees(8));
    assert_eq!(fs.crash_states(3, 7).len(), 3);
    let mut distinct = first.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 300, "no disk twice");
}

#[test]
fn a_full_disk_stops_growth_but_not_removal_and_a_failed_sync_loses_the_bytes_for_good() {
    let fs = with_file("f", b"old");
    fs.fail_at(1, libc::ENOSPC, true);
    let full = fs
        .create(&path("g"), 0o644)
        .err()
        .expect("the disk is full");
    assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    fs.remove_file(&path("f")).expect("removing needs no space");

    let fs = with_file("f", b"old");
    let mut file = fs.append(&path("f")).unwrap();
    file.write_all(b"+more").unwrap();
    fs.fail_at(1, libc::EIO, false);
    assert_eq!(file.sync(FILE).unwrap_err().raw_os_error(), Some(libc::EIO));
    file.sync(FILE)
        .expect("the kernel says so, after a failed sync");
    assert_eq!(fs.get("f"), Some(b"old+more".to_vec()));
    assert!(
        fs.crash_states(10, 1)
            .iter()
            .any(|disk| disk.get("f") == Some(b"old".to_vec())),
        "a second sync writes nothing"
    );
}

#[test]
fn a_crash_stops_every_later_change() {
    let fs = with_file("f", b"old");
    fs.crash_at(2);
    fs.create(&path("g"), 0o644).unwrap();
    assert!(!fs.crashed());
    assert!(is_crash(&fs.create(&path("h"), 0o644).err().unwrap()));
    assert!(is_crash(&fs.remove_file(&path("f")).unwrap_err()));
    assert!(fs.crashed());
    assert!(fs.stat(&path("h")).unwrap().is_none());
}

/// A toy version of the real protocol (copies, journal, apply, commit), to prove that the model
/// finds each missing sync: both files of the tree change together. Recovery undoes.
mod toy {
    use super::*;

    const COPY_FILE: SyncPoint = SyncPoint::new("toy.copy-file");
    const COPY_DIR: SyncPoint = SyncPoint::new("toy.copy-dir");
    const JOURNAL_FILE: SyncPoint = SyncPoint::new("toy.journal-file");
    const JOURNAL_DIR: SyncPoint = SyncPoint::new("toy.journal-dir");
    const COMMIT_DIR: SyncPoint = SyncPoint::new("toy.commit-dir");
    /// Every sync of the protocol.
    pub const SYNC_POINTS: [SyncPoint; 7] = [
        COPY_FILE,
        COPY_DIR,
        JOURNAL_FILE,
        JOURNAL_DIR,
        COMMIT_DIR,
        FILE,
        DIR,
    ];

    pub const FILES: [&str; 2] = ["tree/a", "tree/b"];

    pub fn base() -> SimFs {
        let fs = SimFs::new();
        for name in FILES {
            fs.put(name, format!("old {name}").as_bytes());
        }
        fs.put("ops/lock", b"");
        fs.put("copies/readme", b"");
        fs.settle();
        fs
    }

    pub fn act(fs: &SimFs) -> io::Result<()> {
        for name in FILES {
            let copy = path("copies").join(path(name).name());
            write_durably(
                fs,
                &copy,
                &fs.get(name).unwrap(),
                0o644,
                (COPY_FILE, COPY_DIR),
            )?;
        }
        write_durably(
            fs,
            &path("ops/journal"),
            b"begun",
            0o644,
            (JOURNAL_FILE, JOURNAL_DIR),
        )?;
        for name in FILES {
            write_durably(
                fs,
                &path(name),
                format!("new {name}").as_bytes(),
                0o644,
                POINTS,
            )?;
        }
        fs.rename(&path("ops/journal"), &path("ops/done"))?;
        fs.sync_dir(&path("ops"), COMMIT_DIR)
    }

    pub fn recover(fs: &SimFs) -> io::Result<()> {
        // An incomplete journal was never promised, so nothing has been changed after it.
        if fs.get("ops/journal").as_deref() != Some(b"begun") {
            return Ok(());
        }
        for name in FILES {
            let copy = read_limited(fs, &path("copies").join(path(name).name()), 1000)?;
            write_durably(fs, &path(name), &copy, 0o644, POINTS)?;
        }
        fs.remove_file(&path("ops/journal"))?;
        fs.sync_dir(&path("ops"), COMMIT_DIR)
    }

    /// Returns what is wrong with the tree: it must be all old or all new, and new after success.
    pub fn judge(fs: &SimFs, done: bool) -> Result<(), String> {
        let is = |word: &str| {
            FILES
                .iter()
                .all(|name| fs.get(name) == Some(format!("{word} {name}").into_bytes()))
        };
        if is("new") || (is("old") && !done) {
            return Ok(());
        }
        Err(format!(
            "done {done}, but {:?}",
            FILES.map(|name| fs
                .get(name)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        ))
    }

    /// Cuts the power at each call, recovers each disk, and cuts each of those recoveries again.
    pub fn explore(base: &SimFs) -> Result<u64, String> {
        let twice = std::cell::Cell::new(0);
        let once = sweep(base, 60, 3, act, |disk, done| {
            let broken = |error: io::Error| format!("recovery failed: {error}");
            let again = sweep(disk, 4, 5, recover, |disk, _| {
                recover(disk).map_err(broken)?;
                judge(disk, done)
            })?;
            twice.set(twice.get() + again);
            Ok(())
        })?;
        Ok(once + twice.get())
    }
}

#[test]
fn the_toy_protocol_survives_and_each_of_its_syncs_is_missed_when_skipped() {
    let looked = toy::explore(&toy::base()).expect("the protocol is right");
    assert!(looked > 900, "only {looked} disks");
    let done = toy::base();
    toy::act(&done).unwrap();
    for point in toy::SYNC_POINTS {
        assert!(done.synced(point) > 0, "{point:?} is never reached");
        let mutant = toy::base();
        mutant.skip(point);
        assert!(
            toy::explore(&mutant).is_err(),
            "nothing notices that {point:?} is skipped"
        );
    }
}

/// Reduces an answer to what two file systems must agree on.
fn answer<T>(result: io::Result<T>) -> Result<T, io::ErrorKind> {
    result.map_err(|error| error.kind())
}

/// Reads the tree below the real root, in the form of [`SimFs::tree`].
fn real_tree(root: &Root, dir: &RelPath, found: &mut Vec<(Vec<u8>, Type, u32, Vec<u8>)>) {
    let mut names = root.list(dir).unwrap();
    names.sort();
    for name in names {
        let at = dir.join(name);
        let stat = root.stat(&at).unwrap().unwrap();
        let bytes = match stat.kind {
            Type::File => read_limited(root, &at, 1 << 20).unwrap(),
            Type::Symlink => root.read_link(&at).unwrap(),
            _ => Vec::new(),
        };
        found.push((at.as_bytes().to_vec(), stat.kind, stat.mode, bytes));
        if stat.kind == Type::Dir {
            real_tree(root, &at, found);
        }
    }
}

/// Makes one random call and returns its answer.
fn random_call(
    fs: &dyn Fs,
    kind: usize,
    a: &RelPath,
    b: &RelPath,
    text: &[u8],
) -> Result<Vec<u8>, io::ErrorKind> {
    let done = |result: io::Result<()>| answer(result).map(|()| Vec::new());
    match kind {
        0 | 1 => done(
            fs.create(a, 0o644)
                .and_then(|mut file| file.write_all(text)),
        ),
        2 => done(
            fs.append(a)
                .and_then(|mut file| file.write_all(text).and_then(|()| file.set_mode(0o600))),
        ),
        3 | 4 => done(fs.create_dir(a, 0o755)),
        5 => done(fs.symlink(text, a)),
        6 | 7 => done(fs.rename(a, b)),
        8 => done(fs.exchange(a, b)),
        9 => done(fs.remove_file(a)),
        10 => done(fs.remove_dir(a)),
        11 => answer(fs.open(a)).and_then(|mut file| {
            let mut bytes = Vec::new();
            answer(file.read_to_end(&mut bytes)).map(|_| bytes)
        }),
        12 => answer(fs.read_link(a)),
        13 => answer(fs.list(a)).map(|mut names| {
            names.sort();
            names.concat()
        }),
        14 => done(fs.sync_dir(a, DIR)),
        _ => answer(fs.stat(a))
            .map(|stat| format!("{:?}", stat.map(|stat| (stat.kind, stat.mode))).into_bytes()),
    }
}

#[test]
fn it_answers_like_the_real_file_system() {
    let dir = tempfile::tempdir().unwrap();
    let (root, sim) = (Root::open(dir.path()).unwrap(), SimFs::new());
    let mut random = Random(42);
    let mut agreed_errors = 0;
    for step in 0..6_000 {
        let mut name = || {
            path(
                [
                    "a", "b", "c", "a/a", "a/b", "b/c", "a/a/c", "b/c/b", "c/a/b",
                ][random.below(9)],
            )
        };
        let (a, b) = (name(), name());
        let (kind, text) = (random.below(16), format!("text {step}"));
        let real = random_call(&root, kind, &a, &b, text.as_bytes());
        let simulated = random_call(&sim, kind, &a, &b, text.as_bytes());
        assert_eq!(real, simulated, "step {step}: call {kind} on {a} and {b}");
        agreed_errors += usize::from(real.is_err());
    }
    let mut found = Vec::new();
    real_tree(&root, &RelPath::root(), &mut found);
    let of = |kind| match kind {
        Type::Dir => 'd',
        Type::Symlink => 'l',
        _ => 'f',
    };
    let real: std::collections::BTreeMap<_, _> = found
        .into_iter()
        .map(|(at, kind, mode, bytes)| (at, (of(kind), mode, bytes)))
        .collect();
    assert_eq!(real, sim.tree());
    assert!(
        (600..5_400).contains(&agreed_errors),
        "both success and failure were compared: {agreed_errors}"
    );
}
