//! Edits made between a crash and its recovery, and data overwritten by an operation: they stay in
//! place, or are named everywhere and can be restored by a command.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::{collections::BTreeSet, fs, os::unix::fs::symlink, path::Path};

use serde_json::Value;

use crate::support::{
    Sandbox,
    killer::{self, Mode, Target},
    operations::repository,
    sandbox::{Ran, snapback_program},
    story::set_version,
};

const ROLLBACK: &[&str] = &[
    "rollback", "--task", "T01", "--from", "1.1.0", "--to", "1.0.0", "--yes",
];
const WORDS: &[u8] = b"a person's own words\n";

/// A person's edit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Edit {
    Write,
    Link,
    Delete,
}

/// Paths that the rollback changes, creates, deletes, and that were edited before it.
const PLACES: [&str; 4] = [
    "tasks/T01/signal.py",
    "tasks/T01/lib/rules.py",
    "tasks/T01/new_filter.py",
    "tasks/T01/run.sh",
];

/// Returns the bytes at a path, or the target of a link.
fn there(path: &Path) -> Option<Vec<u8>> {
    if path.is_symlink() {
        return Some(path.read_link().unwrap().to_str().unwrap().into());
    }
    fs::read(path).ok()
}

fn edit(sandbox: &Sandbox, place: &str, edit: Edit) {
    let path = sandbox.at(place);
    let _ = fs::remove_file(&path);
    match edit {
        Edit::Write => sandbox.write(place, WORDS),
        Edit::Link => {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink("elsewhere", &path).unwrap();
        }
        Edit::Delete => {}
    }
}

/// Returns a copy in which a rollback was killed at its k-th call.
fn crashed(base: &Sandbox, k: u64) -> Sandbox {
    let sandbox = base.copy();
    let argv = std::iter::once(snapback_program().into())
        .chain(ROLLBACK.iter().map(Into::into))
        .collect();
    killer::run(
        &Target {
            argv,
            env: sandbox.environment(),
            cwd: sandbox.root(),
        },
        Mode::Kill,
        k,
    )
    .unwrap();
    sandbox
}

/// Returns whether a recovery may omit the edit, which is still there when `stays`.
fn is_honest_without_names(ran: &Ran, answer: &Value, place: &str, stays: bool) -> bool {
    let report = &answer["data"]["report"];
    // When the check fails after the files were changed, they are restored, and the edit stays and
    // is named.
    let is_put_back = ran.code == 4
        && report["outcome"] == "undone"
        && report["kept"].to_string().contains(place);
    // When the files were already verified, the edit stays, and the earlier verification is not
    // reported as valid.
    let is_told = ran.code == 4
        && report["outcome"] == "done"
        && stays
        && report["verification"].to_string().contains(place);
    ran.code == 0 || ran.code == 7 || is_put_back || is_told
}

/// Lists the places that must name the edit and do not.
fn silent(
    sandbox: &Sandbox,
    open: &str,
    place: &str,
    ran: &Ran,
    report: &str,
) -> Vec<&'static str> {
    let named = |text: &str| text.contains(place);
    let told = [
        ("the answer", named(report)),
        ("the exit code", ran.code == 7),
        (
            "op show",
            named(&sandbox.snapback(&["op", "show", open]).stdout),
        ),
        (
            "status",
            sandbox.snapback(&["status"]).stdout.contains("op kept"),
        ),
        (
            "op kept",
            named(&sandbox.snapback(&["op", "kept", open]).stdout),
        ),
    ];
    told.iter()
        .filter(|(_, named)| !named)
        .map(|(what, _)| *what)
        .collect()
}

/// Tries one crash, one edit and one recovery. Returns whether something had to be named and was,
/// or else what is wrong.
fn judge(base: &Sandbox, k: u64, place: &str, how: Edit, recovery: &str) -> Result<bool, String> {
    let sandbox = crashed(base, k);
    let status = sandbox.snapback(&["status", "--json"]).json();
    let Some(open) = status["data"]["unfinished"]["id"].as_str() else {
        return Ok(false);
    };
    let before = there(&sandbox.at(place));
    edit(&sandbox, place, how);
    let written = there(&sandbox.at(place));
    if written == before {
        return Ok(false);
    }
    let ran = sandbox.snapback(&["op", recovery, "--yes", "--json"]);
    let now = there(&sandbox.at(place));
    let old = there(&base.at(place));
    let answer = ran.json();
    let as_asked = if recovery == "abort" {
        now == old
    } else {
        true
    };
    // A person may have made the same change to the path as the operation.
    let report = answer["data"]["report"]["kept"].to_string();
    let must_be_named = (now != written || !as_asked)
        && answer["data"]["report"]["outcome"] != Value::Null
        && written != old;
    if !must_be_named {
        return if is_honest_without_names(&ran, &answer, place, now == written) {
            Ok(false)
        } else {
            Err(format!("exit {}: {}", ran.code, ran.stdout))
        };
    }
    // A deletion of a file that the operation deletes or creates cannot be recognized.
    if how == Edit::Delete && place != "tasks/T01/signal.py" && place != "tasks/T01/run.sh" {
        return Ok(false);
    }
    let silent = silent(&sandbox, open, place, &ran, &report);
    if !silent.is_empty() {
        return Err(format!(
            "{place} is not named by {silent:?}; exit {}: {} {}",
            ran.code, ran.stdout, ran.stderr
        ));
    }
    if now != written && written.is_some() {
        let back = sandbox.snapback(&[
            "op",
            "restore",
            open,
            place,
            "--into",
            "../rescued",
            "--yes",
        ]);
        let rescued = there(&sandbox.top().join("rescued").join(place));
        if back.code != 0 || rescued != written {
            return Err(format!("{place} does not come back: {rescued:?}, {back:?}"));
        }
    }
    Ok(true)
}

#[test]
fn what_a_person_wrote_after_a_crash_stays_or_is_named_and_comes_back() {
    let base = repository().unwrap();
    let argv = std::iter::once(snapback_program().into())
        .chain(ROLLBACK.iter().map(Into::into))
        .collect();
    let copy = base.copy();
    let calls = killer::count(&Target {
        argv,
        env: copy.environment(),
        cwd: copy.root(),
    })
    .unwrap();
    let (mut wrong, mut runs, mut named) = (Vec::new(), 0, 0);
    for percent in [45, 52, 60] {
        for (nth, place) in PLACES.iter().enumerate() {
            for (at, how) in [Edit::Write, Edit::Link, Edit::Delete]
                .into_iter()
                .enumerate()
            {
                let recovery = if (nth + at + percent) % 2 == 0 {
                    "resume"
                } else {
                    "abort"
                };
                runs += 1;
                match judge(&base, calls * percent as u64 / 100, place, how, recovery) {
                    Ok(was_named) => named += u32::from(was_named),
                    Err(why) => {
                        wrong.push(format!("{percent} %, {how:?} {place}, {recovery}: {why}"));
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {runs}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    println!("{named} of {runs} edits had to be named");
    assert!(
        named >= runs / 4,
        "only {named} of {runs} edits had to be named"
    );
}

/// Returns copies in which the rollback was killed after these percentages of its calls and is
/// unfinished.
fn killed(
    sandbox: &Sandbox,
    percents: impl Iterator<Item = u64>,
) -> impl Iterator<Item = (u64, Sandbox)> {
    let argv: Vec<_> = std::iter::once(snapback_program().into())
        .chain(ROLLBACK.iter().map(Into::into))
        .collect();
    let target = move |sandbox: &Sandbox| Target {
        argv: argv.clone(),
        env: sandbox.environment(),
        cwd: sandbox.root(),
    };
    let calls = killer::count(&target(&sandbox.copy())).unwrap();
    percents.filter_map(move |percent| {
        let copy = sandbox.copy();
        killer::run(&target(&copy), Mode::Kill, calls * percent / 100).unwrap();
        let is_open = !copy.snapback(&["status", "--json"]).json()["data"]["unfinished"].is_null();
        is_open.then_some((percent, copy))
    })
}

#[test]
fn a_resume_that_is_refused_and_keeps_what_somebody_wrote_is_a_conflict() {
    let sandbox = Sandbox::new(1);
    for version in ["1.0.0", "1.1.0"] {
        for name in ["f1", "f5"] {
            sandbox.write(&format!("tasks/T01/{name}"), version.as_bytes());
        }
        set_version(&sandbox, version);
        sandbox.release("T01", version);
    }
    let mut named = 0;
    for (percent, copy) in killed(&sandbox, (30..=70).step_by(5)) {
        copy.write("tasks/T01/f1", WORDS);
        fs::remove_file(copy.at("tasks/T01/f5")).unwrap();
        copy.write("tasks/T01/f5/mine", WORDS);
        let ended = copy.snapback(&["op", "resume", "--yes", "--json"]);
        if ended.json()["data"]["report"]["outcome"] != "undone" {
            continue;
        }
        let code = ended.json()["error"]["code"].clone();
        assert!(
            ended.code == 7 && code == "SB07" || ended.code == 4,
            "{percent} %: {ended:?}"
        );
        assert_eq!(copy.read("tasks/T01/f5/mine"), WORDS);
        let kept = ended.json()["data"]["report"]["kept"].to_string();
        named += u32::from(ended.code == 7 && kept.contains("tasks/T01/f1"));
    }
    assert!(named > 0);
}

#[test]
fn a_resume_calls_nothing_verified_that_was_changed_since_its_files_were_verified() {
    let sandbox = repository().unwrap();
    let mut changed = 0;
    for (percent, copy) in killed(&sandbox, (50..=98).step_by(4)) {
        copy.write("tasks/T01/run.sh", WORDS);
        let ended = copy.snapback(&["op", "resume", "--yes"]);
        if copy.read("tasks/T01/run.sh") == WORDS
            && copy.registry_version("T01").as_deref() == Some("1.0.0")
        {
            assert!(
                ended.code == 4 && !ended.stdout.contains(", verified"),
                "{percent} %: {ended:?}"
            );
            changed += 1;
        }
    }
    assert!(changed > 0);
}

#[test]
fn what_a_rollback_overwrote_is_listed_and_comes_back() {
    let sandbox = repository().unwrap();
    let (place, before) = ("tasks/T01/run.sh", b"#!/bin/sh\n# half an idea\n");
    sandbox.snapback(ROLLBACK).expect(0);
    assert_ne!(sandbox.read(place), before);
    for argv in [
        &["op", "kept"][..],
        &["op", "kept", "list"],
        &["op", "kept", "latest"],
    ] {
        assert!(
            sandbox.snapback(argv).expect(0).stdout.contains(place),
            "{argv:?}"
        );
    }
    assert!(
        sandbox
            .snapback(&["op", "restore", "latest"])
            .expect(2)
            .stderr
            .contains("--into kept")
    );
    sandbox
        .snapback(&[
            "op",
            "kept",
            "restore",
            "latest",
            place,
            "--into",
            "../rescued",
            "--yes",
        ])
        .expect(0);
    assert_eq!(
        fs::read(sandbox.top().join("rescued").join(place)).unwrap(),
        before
    );
    sandbox
        .snapback(&[
            "op",
            "restore",
            "latest",
            place,
            "--into",
            "../rescued",
            "--yes",
        ])
        .expect(6);
    sandbox
        .snapback(&["op", "restore", "latest", "nowhere", "--in-place", "--yes"])
        .expect(5);
    let plan = sandbox
        .snapback(&["op", "restore", "latest", place, "--in-place", "--dry-run"])
        .expect(0);
    assert!(plan.stdout.contains(place) && sandbox.read(place) != before);
    sandbox
        .snapback(&["op", "restore", "latest", place, "--in-place", "--yes"])
        .expect(0);
    assert_eq!(sandbox.read(place), before);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_ne!(sandbox.read(place), before, "undo takes it back");
}

/// Creates T01 1.0.0, and 1.1.0 with two more files.
fn two_versions() -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    for path in ["signal.py", "added.py", "gone.py"] {
        sandbox.write(&format!("tasks/T01/{path}"), b"# 1.1.0\n");
    }
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    sandbox
}

#[test]
fn only_what_somebody_wrote_comes_back_when_nothing_is_named() {
    let sandbox = two_versions();
    let restore = |more: &[&str]| sandbox.snapback(&[&["op", "restore", "latest"], more].concat());
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    // The file was as released: not anybody's work.
    for to in [
        &["--in-place", "--yes"][..],
        &["--into", "../rescued", "--yes"],
    ] {
        let refused = restore(to).expect(5).stderr;
        assert!(
            refused.contains("it was as released")
                && refused.contains("snapback op kept")
                && refused.contains("snapback undo"),
            "{refused}"
        );
    }
    assert!(
        sandbox
            .snapback(&["op", "kept", "latest"])
            .expect(0)
            .stdout
            .contains("tasks/T01/gone.py  (8 B, as released)")
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n# mine\n");
    sandbox.write("tasks/T01/added.py", b"# half an idea\n");
    sandbox.chmod("tasks/T01/gone.py", 0o755);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    restore(&["--in-place", "--yes"]).expect(0);
    assert_eq!(sandbox.read("tasks/T01/signal.py"), b"# 1.1.0\n# mine\n");
    assert_eq!(sandbox.read("tasks/T01/added.py"), b"# half an idea\n");
    assert!(
        sandbox.exists("tasks/T01/gone.py"),
        "its mode was somebody's"
    );
    assert_eq!(
        (
            sandbox.config_version("T01").as_deref(),
            sandbox.registry_version("T01").as_deref()
        ),
        (Some("1.0.0"), Some("1.0.0"))
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    // An edited configuration that comes back states another version, which is reported.
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    let config = String::from_utf8(sandbox.read("tasks/T01/config.yaml")).unwrap();
    sandbox.write(
        "tasks/T01/config.yaml",
        format!("{config}# mine\n").as_bytes(),
    );
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let said = restore(&["--in-place", "--yes"]).expect(0);
    assert!(
        (said.stdout + &said.stderr)
            .contains("tasks/T01/config.yaml says 1.1.0 then, and the registry 1.0.0")
    );
}

#[test]
fn a_recovery_says_one_thing_of_each_file() {
    let sandbox = repository().unwrap();
    let mut named = 0;
    for (percent, copy) in killed(&sandbox, (20..=90).step_by(5)) {
        fs::rename(copy.at("tasks/T01"), copy.at("tasks/T01x")).unwrap();
        symlink("T01x", copy.at("tasks/T01")).unwrap();
        let ended = copy.snapback(&["op", "resume", "--yes", "--json"]);
        let answer = ended.json();
        let kept = answer["data"]["report"]["kept"].as_array();
        let kept = kept.map_or(&[][..], Vec::as_slice);
        let said = |what: &str| {
            let of = kept.iter().filter(|note| note["what"] == what);
            of.map(|note| note["path"].to_string())
                .collect::<BTreeSet<_>>()
        };
        let (stay, written) = (said("stays"), said("rewritten"));
        assert!(
            stay.is_disjoint(&written),
            "{percent} %: {stay:?} {written:?}"
        );
        named += stay.len();
    }
    assert!(named > 0);
}
