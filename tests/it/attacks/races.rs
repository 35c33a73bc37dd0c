//! A folder is repeatedly swapped for a link to the outside while snapback works below it.
//!
//! `SNAPBACK_RACE_ROUNDS` sets the number of rounds; the usual figure in the field is 400,000.

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use snapback::base::{Fs, RelPath, Root, SyncPoint};

use super::{BACK, bounded, target};

/// The number of rounds, unless the environment sets another one.
const ROUNDS: u64 = 20_000;

fn rounds() -> u64 {
    std::env::var("SNAPBACK_RACE_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(ROUNDS)
}

/// Swaps two names until told to stop, and counts the swaps. With a pause the folder is in its
/// place most of the time, so that a plan is begun and the link appears during the writing.
fn swap(a: &Path, b: &Path, pause: Duration, stop: &AtomicBool, swaps: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..2 {
            let swapped = renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE);
            swaps.fetch_add(u64::from(swapped.is_ok()), Ordering::Relaxed);
        }
        if !pause.is_zero() {
            thread::sleep(pause);
        }
    }
}

/// Reads a folder: names, kinds, bytes.
fn content(dir: &Path) -> Vec<(String, bool, Vec<u8>)> {
    let one = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        let is_file = fs::symlink_metadata(&path).unwrap().is_file();
        (
            path.file_name().unwrap().to_string_lossy().into_owned(),
            is_file,
            if is_file {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            },
        )
    };
    let mut all: Vec<_> = fs::read_dir(dir).unwrap().map(one).collect();
    all.sort();
    all
}

/// Runs every operation of the port on names inside and outside, and checks what was read. Returns
/// how many operations succeeded.
fn operate(root: &Root, round: u64) -> u64 {
    let path = |name: &str| RelPath::own(format!("d/{name}"));
    let (x, y, made, dir, link) = (
        path("x"),
        path("y"),
        path("made"),
        path("sub"),
        path("link"),
    );
    let mut worked = 0;
    let mut ok = |is: bool| worked += u64::from(is);
    let inside = |mut file: Box<dyn Read + Send>| {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert!(!text.contains("outside"), "round {round} read {text:?}");
    };
    ok(root
        .create(&made, 0o644)
        .is_ok_and(|mut file| file.write_all(b"inside").is_ok()));
    ok(root
        .append(&x)
        .is_ok_and(|mut file| file.write_all(b"+").is_ok()));
    ok(root.open(&x).map(inside).is_ok());
    ok(root.open_at(&x, 0).map(inside).is_ok());
    ok(root.symlink(b"x", &link).is_ok());
    ok(root.create_dir(&dir, 0o755).is_ok());
    ok(root.rename(&x, &y).is_ok());
    ok(root.rename_new(&y, &x).is_ok());
    ok(root.clone_file(&x, &path("clone"), 0o644).is_ok());
    ok(root.exchange(&x, &made).is_ok());
    ok(root.exchange(&x, &made).is_ok());
    ok(root
        .lock(&path("lock"), snapback::base::fs::Hold::Exclusive, false)
        .is_ok());
    ok(root.read_link(&link).is_ok_and(|leads| {
        assert_eq!(leads, b"x", "round {round}");
        true
    }));
    ok(root.list(&RelPath::own("d")).is_ok_and(|names| {
        assert!(!names.contains(&b"secret".to_vec()), "round {round}");
        true
    }));
    ok(root.scan(&RelPath::own("d")).is_ok_and(|names| {
        assert!(
            names.iter().all(|(name, _)| name != b"secret"),
            "round {round}"
        );
        true
    }));
    ok(root.stat(&path("secret")).is_ok_and(|stat| {
        assert!(stat.is_none(), "round {round}");
        true
    }));
    ok(root
        .sync_dir(&RelPath::own("d"), SyncPoint::new("test"))
        .is_ok());
    for name in [&made, &link, &path("clone"), &path("lock")] {
        ok(root.remove_file(name).is_ok());
    }
    ok(root.remove_dir(&dir).is_ok());
    // A move across the swapped folder: a file at the top goes in, and comes out.
    ok(root.rename(&RelPath::own("top"), &path("top")).is_ok());
    ok(root.rename(&path("top"), &RelPath::own("top")).is_ok());
    worked
}

#[test]
fn no_operation_escapes_while_its_folder_is_swapped() {
    let dir = tempfile::tempdir().unwrap();
    let (inside, outside) = (dir.path().join("root"), dir.path().join("outside"));
    for folder in [&inside.join("d"), &outside, &outside.join("sub")] {
        fs::create_dir_all(folder).unwrap();
    }
    for name in ["x", "secret", "top", "clone-source"] {
        fs::write(outside.join(name), b"outside").unwrap();
    }
    symlink("secret", outside.join("leads")).unwrap();
    fs::write(inside.join("d/x"), b"inside").unwrap();
    fs::write(inside.join("top"), b"inside").unwrap();
    symlink(&outside, inside.join("swap")).unwrap();
    let before = content(&outside);
    let root = Root::open(&inside).unwrap();
    let (stop, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let (mut worked, rounds) = (0, rounds());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            swap(
                &inside.join("d"),
                &inside.join("swap"),
                Duration::ZERO,
                &stop,
                &swaps,
            );
        });
        let _stops = Stop(&stop);
        for round in 0..rounds {
            worked += operate(&root, round);
            if round % 500 == 0 {
                assert_eq!(content(&outside), before, "round {round}");
            }
            for name in ["d/top", "swap/top"] {
                // A move that ended inside is reverted by hand, wherever its folder is now.
                if !inside.join("top").exists()
                    && !inside.join("d").is_symlink()
                    && inside.join(name).exists()
                {
                    let _ = root.rename(&RelPath::own(name), &RelPath::own("top"));
                }
            }
        }
    });
    assert_eq!(content(&outside), before);
    println!(
        "{rounds} rounds of 23 operations, {worked} worked, {} swaps, 0 escapes",
        swaps.load(Ordering::Relaxed)
    );
    assert!(
        worked > rounds / 10 && swaps.load(Ordering::Relaxed) > rounds / 10,
        "both sides were there: {worked}"
    );
}

/// Stops the swapping thread, even when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_rollback_never_writes_where_a_swapped_folder_leads() {
    let origin = target();
    let swaps = AtomicU64::new(0);
    let mut ends = std::collections::BTreeMap::<i32, usize>::new();
    // Enough processes for a few thousand swaps around them.
    for nth in 0..rounds() / 2000 {
        let sandbox = origin.copy();
        let outside = sandbox.home().join("outside");
        fs::create_dir(&outside).unwrap();
        for name in ["rules.py", "signal.py", "config.yaml", "run.sh", "secret"] {
            fs::write(outside.join(name), b"outside\n").unwrap();
        }
        sandbox.write("tasks/T01/lib/rules.py", b"edited\n");
        sandbox.write("tasks/T01/lib/more.py", b"more\n");
        let folder = if nth % 2 == 0 {
            "tasks/T01/lib"
        } else {
            "tasks/T01"
        };
        let link = sandbox.home().join("link");
        symlink(&outside, &link).unwrap();
        let before = content(&outside);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                swap(
                    &sandbox.at(folder),
                    &link,
                    Duration::from_micros(100 << (nth % 5)),
                    &stop,
                    &swaps,
                );
            });
            let _stops = Stop(&stop);
            let ran = bounded(&sandbox, BACK);
            *ends.entry(ran.code).or_default() += 1;
            assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        });
        assert_eq!(content(&outside), before, "nothing outside changed");
        // With the folder back in its place, a begun operation is finished or undone.
        if sandbox.at(folder).is_symlink() {
            renameat_with(CWD, sandbox.at(folder), CWD, &link, RenameFlags::EXCHANGE).unwrap();
        }
        let resumed = bounded(&sandbox, &["op", "resume"]);
        assert!([0, 4, 5, 6, 8, 13].contains(&resumed.code), "{resumed:?}");
        assert_eq!(content(&outside), before, "nothing outside changed");
    }
    println!(
        "{} swaps around {} rollbacks; exit codes {ends:?}; 0 escapes",
        swaps.load(Ordering::Relaxed),
        ends.values().sum::<usize>()
    );
}
