//! Damage to every byte of every file that snapback owns: either a command reports it and names the
//! file, or the file can be rebuilt and nothing changes. There is never a panic, never wrong bytes,
//! and never a successful answer that differs from the old one.
//!
//! By default a few hundred damages are tried; `SNAPBACK_SWEEP=full` flips every bit of every byte,
//! and `SNAPBACK_DAMAGES` sets another number.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use snapback::{
    app::{App, Options},
    base::{Failure, RelPath},
    model::{TaskId, Version, signature::Demand},
    store::CheckDepth,
};

use crate::support::{
    Sandbox,
    checker::{Seen, complaints},
    noise,
    sandbox::config,
};

/// The default number of damages, spread over all files.
const SAMPLE: usize = 300;
const LARGE: &str = "tasks/T01/model.bin";

/// Creates a small repository with a file of every kind: two releases, a rollback, its undo,
/// verdicts, a stored folder, notes of a collection.
fn repository() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("tasks/T01/config.yaml", config("1.0.0", 3).as_bytes());
    sandbox.write("tasks/T01/signal.py", b"import os\nos.environ['KEY']\n");
    sandbox.write(LARGE, &noise("first", 700));
    sandbox.write(
        "task_registry.json",
        b"{\"tasks\": {\"T01\": {\"version\": \"1.0.0\"}}}\n",
    );
    sandbox.write(
        "snapback.yaml",
        b"version: 1\ndefaults:\n  large_files: {patterns: [\"*.bin\"]}\n",
    );
    sandbox.write(".gitignore", b"*.bin\n");
    sandbox.commit("tasks");
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/config.yaml", config("1.0.0", 4).as_bytes());
    sandbox.write(LARGE, &noise("second", 900));
    sandbox.release("T01", "1.1.0");
    for argv in [
        &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"][..],
        &["undo", "--yes"],
        &["mark", "bad", "1.0.0", "-t", "T01", "-m", "why"],
    ] {
        sandbox.snapback(argv).expect(0);
    }
    sandbox.write("data/a", b"stored under a name");
    for name in ["one", "two"] {
        sandbox.write("data/b", name.as_bytes());
        sandbox
            .snapback(&["store", "put", "data", "--name", name])
            .expect(0);
    }
    sandbox
        .snapback(&["store", "drop", "one", "--yes"])
        .expect(0);
    sandbox.snapback(&["store", "gc", "--yes"]).expect(0);
    sandbox
}

/// Returns whether a file can be rebuilt or is only there for people: nothing depends on its
/// contents.
fn is_derived(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let made_again = [
        "/facts/",
        "/stat-cache/",
        "/snapback/reserve",
        "/snapback/lock",
        "/store/lock",
        "gc.lock",
        "/store/verified",
    ];
    made_again.iter().any(|part| path.contains(part))
        || name.starts_with("ref-")
        || name == "index.new"
}

/// Lists the files that snapback owns, below the work tree.
fn owned(sandbox: &Sandbox) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![sandbox.at(".git/snapback"), sandbox.at("snapshots")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("reserve") {
                found.push(
                    path.strip_prefix(sandbox.root())
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_string(),
                );
            }
        }
    }
    found.sort();
    found
}

fn text(failure: &Failure) -> String {
    let hints: Vec<String> = failure
        .hints()
        .iter()
        .map(|hint| format!("{hint:?}"))
        .collect();
    format!("{} {}", failure.chain().join(": "), hints.join(" "))
}

/// A reader's answer or its complaint.
type Answer = Result<String, String>;

/// Opens the repository anew, as every command does.
fn open(root: &Path) -> Result<App, String> {
    App::open(root, Options::default()).map_err(|failure| text(&failure))
}

/// Checks the store.
fn store(root: &Path) -> Answer {
    let (report, _) = open(root)?
        .check_store(CheckDepth::Fast, None)
        .map_err(|failure| text(&failure))?;
    if report.is_sound() {
        Ok(String::new())
    } else {
        Err(format!("{:?}", report.damage))
    }
}

/// Reads the operations one by one.
fn operations(root: &Path) -> Answer {
    let app = open(root)?;
    let lines = app.operations().map_err(|failure| text(&failure))?;
    let mut all = vec![format!("{lines:?}")];
    for line in &lines {
        let (line, operation, _) = app
            .operation(&line.id.to_string())
            .map_err(|failure| text(&failure))?;
        all.push(format!("{line:?} {operation:?}"));
    }
    Ok(all.concat())
}

/// Reads the task's position and the verdicts on its versions.
fn standing(root: &Path) -> Answer {
    let app = open(root)?;
    let status = app.status(&[]).map_err(|failure| text(&failure))?;
    let releases = app.releases(&[task()]).map_err(|failure| text(&failure))?;
    Ok(format!(
        "{:?} {:?}",
        serde_json::to_string(&status),
        serde_json::to_string(&releases[0].lines)
    ))
}

/// Verifies every release.
fn releases(root: &Path) -> Answer {
    let app = open(root)?;
    for version in versions() {
        let verified = app
            .verify_snapshot(&task(), &version, true, Demand::None)
            .map_err(|failure| text(&failure))?;
        if !verified.is_good() {
            return Err(verified
                .problems()
                .map(|check| check.evidence.join("; "))
                .collect::<Vec<_>>()
                .join(" | "));
        }
    }
    Ok(String::new())
}

/// Reads the restored bytes and the names in the store.
fn contents(root: &Path) -> Answer {
    let app = open(root)?;
    let mut all = Vec::new();
    for version in versions() {
        app.cat(&task(), &version, &RelPath::own(LARGE), &mut all)
            .map_err(|failure| text(&failure))?;
    }
    let names = app.store_list().map_err(|failure| text(&failure))?;
    if let Some(bad) = names.iter().find_map(|saved| saved.trouble.as_ref()) {
        return Err(format!("a name: {bad}"));
    }
    Ok(format!(
        "{} {:?}",
        snapback::base::Digest::of(&all).hex(),
        serde_json::to_string(&names)
    ))
}

/// Checks the audit log.
fn audit(root: &Path) -> Answer {
    let check = open(root)?
        .check_audit()
        .map_err(|failure| text(&failure))?;
    if check.is_good() {
        Ok(format!("{check:?}"))
    } else {
        Err(format!("{:?}", check.findings))
    }
}

/// Checks the reports, as `doctor` does.
fn reports(root: &Path) -> Answer {
    let damaged = open(root)?
        .damaged_reports()
        .map_err(|failure| text(&failure))?;
    if damaged.is_empty() {
        Ok(String::new())
    } else {
        Err(damaged.join("; "))
    }
}

fn task() -> TaskId {
    "T01".parse().unwrap()
}

fn versions() -> [Version; 2] {
    ["1.0.0", "1.1.0"].map(|version| version.parse().unwrap())
}

/// The reading part of a command.
type Reader = fn(&Path) -> Answer;

/// Returns all readers, starting with those that should notice damage of this file.
fn readers(path: &str) -> Vec<Reader> {
    let mut all: Vec<Reader> = vec![
        store, operations, standing, releases, contents, audit, reports,
    ];
    let first = match path {
        path if path.ends_with("/report.json") => 6,
        path if path.contains("/ops/") => 1,
        path if path.contains("verdicts") => 2,
        path if path.starts_with("snapshots/") => 3,
        path if path.contains("/audit/") => 5,
        _ => 0,
    };
    all.swap(0, first);
    all
}

/// Returns whether a complaint shows which file is meant.
fn names(path: &str, complaint: &str) -> bool {
    let short = path.split('/').find_map(|part| {
        part.split_once('-')
            .filter(|(number, _)| number.len() == 6)
            .map(|(_, id)| id)
    });
    let name = path.rsplit('/').next().unwrap_or(path);
    let release = name
        .strip_prefix("snapshot-")
        .and_then(|name| name.strip_suffix(".yaml"))
        .map(|name| name.replace("-v", " "));
    complaint.contains(name)
        || release.is_some_and(|release| complaint.contains(&release))
        || short.is_some_and(|id| complaint.contains(id))
        || (path.contains("/audit/") && complaint.contains("line "))
        || (path.contains("verdicts") && complaint.contains("verdict"))
}

/// Returns what is wrong with the answers to a damage; `thorough` asks every reader.
fn judge(
    root: &Path,
    path: &str,
    whole: &BTreeMap<usize, Answer>,
    thorough: bool,
) -> Option<String> {
    let mut noticed = false;
    for reader in readers(path) {
        let slot = whole[&(reader as usize)]
            .as_ref()
            .expect("because it is whole");
        match catch_unwind(AssertUnwindSafe(|| reader(root))) {
            Err(_) => return Some("a panic".into()),
            Ok(Err(complaint)) if is_derived(path) => {
                return Some(format!("a cache stops a command: {complaint}"));
            }
            Ok(Err(complaint)) if names(path, &complaint) => noticed = true,
            // A command that cannot go on reports what it sees; another one names the file.
            Ok(Ok(answer)) if answer != *slot && !noticed => {
                return Some(format!("another answer and no complaint: {answer}"));
            }
            Ok(_) => {}
        }
        if noticed && !thorough {
            return None;
        }
    }
    (!noticed && !is_derived(path)).then(|| "nothing notices and names it".into())
}

/// Returns every damage: a file, a byte, a bit.
fn damages(files: &BTreeMap<String, Vec<u8>>) -> Vec<(&String, usize, u8)> {
    let every = files.iter().flat_map(|(path, bytes)| {
        (0..bytes.len()).flat_map(move |at| (0..8).map(move |bit| (path, at, bit)))
    });
    if std::env::var("SNAPBACK_SWEEP").as_deref() == Ok("full") {
        return every.collect();
    }
    let every: Vec<_> = every.collect();
    let wanted = std::env::var("SNAPBACK_DAMAGES").map_or(SAMPLE, |text| {
        text.parse().expect("SNAPBACK_DAMAGES is a number")
    });
    // A prime above their number picks as many different ones as wanted, spread over all files.
    let prime = 2_147_483_647;
    (0..wanted.min(every.len()))
        .map(|nth| every[nth * prime % every.len()])
        .collect()
}

/// Replaces a file by a new one: git has some of them under several names.
fn replace(sandbox: &Sandbox, path: &str, bytes: &[u8]) {
    std::fs::remove_file(sandbox.at(path)).unwrap();
    sandbox.write(path, bytes);
}

#[test]
fn every_changed_byte_is_named_or_does_no_harm() {
    let base = repository();
    let files: BTreeMap<String, Vec<u8>> = owned(&base)
        .into_iter()
        .map(|path| (path.clone(), base.read(&path)))
        .collect();
    let damages = damages(&files);
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(Seen::default()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let sandbox = base.copy();
                let root: PathBuf = sandbox.root();
                let whole: BTreeMap<usize, Answer> = readers("")
                    .into_iter()
                    .map(|reader| (reader as usize, reader(&root)))
                    .collect();
                assert!(whole.values().all(Result::is_ok), "{whole:?}");
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some((path, at, bit)) = damages.get(nth) else {
                        return;
                    };
                    let mut bytes = files[*path].clone();
                    bytes[*at] ^= 1 << bit;
                    replace(&sandbox, path, &bytes);
                    if let Some(wrong) = judge(&root, path, &whole, nth.is_multiple_of(40)) {
                        seen.lock()
                            .unwrap()
                            .unnoticed
                            .push(format!("bit {bit} of byte {at} of {path}: {wrong}"));
                    }
                    // The damage found is recorded in the log of verdicts and in the audit log.
                    for (path, bytes) in files
                        .iter()
                        .filter(|(path, bytes)| sandbox.read(path) != **bytes)
                    {
                        replace(&sandbox, path, bytes);
                    }
                }
            });
        }
    });
    let wrong = complaints(&seen.into_inner().unwrap());
    let bytes: usize = files.values().map(Vec::len).sum();
    println!(
        "| one bit | {} of {} files with {bytes} bytes | {} |",
        damages.len(),
        files.len(),
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        damages.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}
