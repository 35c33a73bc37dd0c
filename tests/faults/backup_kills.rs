//! Kills and failing calls at many points of a put, a restore or a collection: what was stored
//! before still exists, no file is half written, no user data is lost, and the next run finishes
//! the work.
//!
//! By default some points are visited, with the modes in turn. `SNAPBACK_SWEEP_STRIDE=1` kills at
//! every point, `SNAPBACK_SWEEP=full` disturbs every point in every mode.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::{collections::BTreeMap, ffi::OsString, fs, path::Path};

use crate::support::{
    Sandbox,
    killer::{self, Mode, Target},
    noise,
    sandbox::snapback_program,
};

/// The modes in which a call is disturbed, in turn: `EIO` is 5, `ENOSPC` 28.
const MODES: [Mode; 5] = [
    Mode::Kill,
    Mode::ErrAll(28),
    Mode::After,
    Mode::Err(5),
    Mode::Torn,
];
/// The number of points visited by default.
const VISITS: u64 = 15;

/// Reads the files of a folder.
fn files(top: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let Ok(entries) = fs::read_dir(top) else {
        return all;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        all.insert(
            path.file_name().unwrap().to_str().unwrap().to_string(),
            fs::read(&path).unwrap(),
        );
    }
    all
}

/// Writes a version of the folder.
fn version(top: &Path, word: &str) {
    fs::create_dir_all(top).unwrap();
    for (name, len) in [("a", 100), ("b", 70_000), ("c", 9 << 20), ("d", 0)] {
        fs::write(top.join(name), noise(format!("{word}{name}"), len)).unwrap();
    }
    fs::write(top.join("same"), b"the same in all versions").unwrap();
}

fn put(sandbox: &Sandbox) -> Vec<OsString> {
    put_as(sandbox, "n")
}

fn put_as(sandbox: &Sandbox, name: &str) -> Vec<OsString> {
    vec![
        "store".into(),
        "put".into(),
        sandbox.home().join("data").into(),
        "--name".into(),
        name.into(),
    ]
}

fn restore(sandbox: &Sandbox, name: &str, into: &str) -> Vec<OsString> {
    vec![
        "store".into(),
        "restore".into(),
        name.into(),
        "--into".into(),
        sandbox.home().join(into).into(),
    ]
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(Into::into).collect()
}

/// Returns the points and modes for a command with this many calls.
fn visits(calls: u64) -> Vec<(u64, Mode)> {
    if std::env::var("SNAPBACK_SWEEP").is_ok_and(|word| word == "full") {
        return (1..=calls)
            .flat_map(|k| MODES.map(|mode| (k, mode)))
            .collect();
    }
    if let Some(stride) = std::env::var("SNAPBACK_SWEEP_STRIDE")
        .ok()
        .and_then(|text| text.parse().ok())
    {
        return (1..=calls)
            .step_by(stride)
            .map(|k| (k, Mode::Kill))
            .collect();
    }
    let stride = usize::try_from(calls.div_ceil(VISITS)).unwrap();
    (1..=calls)
        .step_by(stride)
        .zip(MODES.into_iter().cycle())
        .collect()
}

/// Runs the program undisturbed; its exit code must be 0.
fn done(sandbox: &Sandbox, argv: &[OsString]) {
    let words: Vec<&str> = argv.iter().map(|word| word.to_str().unwrap()).collect();
    sandbox.snapback(&words).expect(0);
}

/// Disturbs a command in copies of a sandbox, and judges each copy.
fn sweep(
    base: &Sandbox,
    argv: impl Fn(&Sandbox) -> Vec<OsString>,
    judge: impl Fn(&Sandbox, &killer::Ran),
) {
    let target = |sandbox: &Sandbox| {
        let argv = std::iter::once(snapback_program().into())
            .chain(argv(sandbox))
            .collect();
        Target {
            argv,
            env: sandbox.environment(),
            cwd: sandbox.root(),
        }
    };
    let calls = killer::count(&target(&base.copy())).unwrap();
    let visits = visits(calls);
    for (k, mode) in &visits {
        let sandbox = base.copy();
        let ran = killer::run(&target(&sandbox), *mode, *k).unwrap();
        judge(&sandbox, &ran);
    }
    println!("{} runs over {calls} calls", visits.len());
}

#[test]
fn a_put_that_is_disturbed_names_the_old_or_the_new_version() {
    let base = Sandbox::empty();
    let data = base.home().join("data");
    version(&data, "old");
    done(&base, &put(&base));
    let old = files(&data);
    version(&data, "new");
    let new = files(&data);
    sweep(&base, put, |sandbox, ran| {
        done(sandbox, &restore(sandbox, "n", "back"));
        let found = files(&sandbox.home().join("back"));
        assert!(found == old || found == new, "{ran:?}");
        assert!(
            ran.exit != 0 || found == new,
            "it said that it was done: {ran:?}"
        );
        done(sandbox, &put(sandbox));
        done(sandbox, &restore(sandbox, "n", "back"));
        assert!(files(&sandbox.home().join("back")) == new, "{ran:?}");
        done(sandbox, &words(&["store", "gc", "--yes"]));
        done(sandbox, &words(&["store", "check", "--deep"]));
        assert!(
            files(&sandbox.at(".git/snapback/store/tmp")).is_empty(),
            "leftovers of the dead are collected: {ran:?}"
        );
    });
}

#[test]
fn a_collection_that_is_disturbed_loses_nothing_and_is_finished_by_the_next() {
    let base = Sandbox::empty();
    let data = base.home().join("data");
    version(&data, "old");
    done(&base, &put_as(&base, "old"));
    fs::remove_file(data.join("c")).unwrap();
    version(&data, "new");
    fs::copy(data.join("b"), data.join("e")).unwrap();
    done(&base, &put(&base));
    let kept = files(&data);
    done(&base, &words(&["store", "drop", "old", "--yes"]));
    let packs = |sandbox: &Sandbox| -> usize {
        files(&sandbox.at(".git/snapback/store/packs"))
            .values()
            .map(Vec::len)
            .sum()
    };
    let before = packs(&base);
    sweep(
        &base,
        |_| words(&["store", "gc", "--yes"]),
        |sandbox, ran| {
            done(sandbox, &restore(sandbox, "n", "back"));
            assert!(files(&sandbox.home().join("back")) == kept, "{ran:?}");
            done(sandbox, &words(&["store", "check", "--deep"]));
            done(sandbox, &words(&["store", "gc", "--yes"]));
            assert!(
                packs(sandbox) < before * 2 / 3,
                "what nobody needs is gone: {ran:?}"
            );
            assert!(
                files(&sandbox.at(".git/snapback/store/tmp")).is_empty(),
                "{ran:?}"
            );
            fs::remove_dir_all(sandbox.home().join("back")).unwrap();
            done(sandbox, &restore(sandbox, "n", "back"));
            assert!(files(&sandbox.home().join("back")) == kept, "{ran:?}");
        },
    );
}

#[test]
fn a_restore_that_is_disturbed_loses_nothing_and_is_finished_by_the_next() {
    let base = Sandbox::empty();
    let data = base.home().join("data");
    version(&data, "old");
    done(&base, &put(&base));
    let old = files(&data);
    let back = base.home().join("back");
    version(&back, "mine");
    fs::write(back.join("extra"), b"extra").unwrap();
    let mine = files(&back);
    sweep(
        &base,
        |sandbox| restore(sandbox, "n", "back"),
        |sandbox, ran| {
            let mut found = files(&sandbox.home().join("back"));
            found.retain(|name, _| !name.starts_with(".snapback-restore-"));
            for (name, bytes) in &found {
                assert!(
                    Some(bytes) == old.get(name) || Some(bytes) == mine.get(name),
                    "{name}: {ran:?}"
                );
            }
            assert!(mine.keys().all(|name| found.contains_key(name)), "{ran:?}");
            let lost: Vec<_> = mine
                .iter()
                .filter(|(name, bytes)| found[*name] != **bytes)
                .collect();
            if !lost.is_empty() {
                done(sandbox, &restore(sandbox, "before-restore-n-1", "kept"));
                let kept = files(&sandbox.home().join("kept"));
                assert!(
                    lost.iter()
                        .all(|(name, bytes)| kept.get(*name) == Some(bytes)),
                    "{ran:?}"
                );
            }
            done(sandbox, &restore(sandbox, "n", "back"));
            let mut found = files(&sandbox.home().join("back"));
            assert_eq!(
                found.remove("extra").as_deref(),
                Some(&b"extra"[..]),
                "{ran:?}"
            );
            assert!(found == old, "{ran:?}: {:?}", found.keys());
        },
    );
}
