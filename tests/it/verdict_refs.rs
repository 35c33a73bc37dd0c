//! Verdicts between clones: they merge without a conflict, count in the same order everywhere, and
//! invalid ones are ignored and named.

mod ignored;

use std::fs;

use crate::support::Sandbox;

/// Creates two clones of one remote, with T01 1.0.0 and 1.1.0, both proven in the first.
fn two() -> (Sandbox, Sandbox) {
    let a = Sandbox::new(1);
    a.git(&["init", "-q", "--bare", "-b", "main", "../up.git"])
        .expect(0);
    a.git(&["remote", "add", "origin", "../up.git"]).expect(0);
    // Large files are in the store, which a clone does not have.
    fs::remove_file(a.at("tasks/T01/model.bin")).unwrap();
    a.write("tasks/T01/signal.py", b"one\n");
    a.release("T01", "1.0.0");
    a.write("tasks/T01/signal.py", b"two\n");
    a.release("T01", "1.1.0");
    a.git(&["push", "-q", "origin", "main", "--tags"]).expect(0);
    a.git(&["clone", "-q", "../up.git", "../other"]).expect(0);
    let b = Sandbox::beside(&a, "other");
    (a, b)
}

/// Deletes every shared verdict.
fn forget(sandbox: &Sandbox) {
    for name in sandbox
        .git_out(&[
            "for-each-ref",
            "--format=%(refname)",
            "refs/snapback/verdicts",
        ])
        .lines()
    {
        sandbox.git(&["update-ref", "-d", name]).expect(0);
    }
}

/// Returns the lines of `verdicts list` without times: task, version, word.
fn words(sandbox: &Sandbox) -> Vec<String> {
    let list = sandbox
        .snapback(&["verdicts", "list", "--json"])
        .expect(0)
        .json();
    let of = |record: &serde_json::Value| {
        format!(
            "{} {}",
            record["version"].as_str().unwrap(),
            record["verdict"].as_str().unwrap()
        )
    };
    list["data"]["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["verdict"] != "proven")
        .map(of)
        .collect()
}

fn standing(sandbox: &Sandbox, version: &str) -> serde_json::Value {
    let list = sandbox
        .snapback(&["list", "-t", "T01", "--json"])
        .expect(0)
        .json();
    let found = list["data"]["releases"]
        .as_array()
        .or_else(|| list["data"]["tasks"][0]["releases"].as_array())
        .unwrap()
        .clone();
    found
        .into_iter()
        .find(|line| line["version"] == version)
        .unwrap()["standing"]
        .clone()
}

#[test]
fn a_hold_travels_and_is_lifted_elsewhere() {
    let (a, b) = two();
    a.snapback(&["hold", "1.1.0", "-t", "T01", "-m", "drawdown"])
        .expect(0);
    assert_eq!(standing(&b, "1.1.0")["held"], false, "nobody told it");
    a.snapback(&["verdicts", "push"]).expect(0);
    assert_eq!(
        b.snapback(&["verdicts", "fetch", "--json"])
            .expect(0)
            .json()["data"]["new"],
        3,
        "and that both are proven"
    );
    assert_eq!(standing(&b, "1.1.0")["held"], true);
    assert_eq!(
        b.snapback(&["verdicts", "fetch", "--json"])
            .expect(0)
            .json()["changed"],
        false
    );
    // The files of the held version cannot be released under another number.
    for version in [&["--version", "1.2.0"][..], &["--bump", "patch"]] {
        let refused = b
            .snapback(&[&["create-snapshot", "-t", "T01", "-y"], version].concat())
            .expect(6);
        assert!(
            refused
                .stderr
                .contains("these are the files of T01 1.1.0, which is held"),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains("--lift"), "{}", refused.stderr);
    }
    b.snapback(&[
        "hold",
        "1.1.0",
        "-t",
        "T01",
        "--lift",
        "-m",
        "was a data error",
    ])
    .expect(0);
    b.snapback(&["verdicts", "push"]).expect(0);
    a.snapback(&["verdicts", "fetch"]).expect(0);
    assert_eq!(
        standing(&a, "1.1.0")["held"],
        false,
        "the later word counts, whoever said it"
    );
    assert_eq!(words(&a), words(&b));
    b.snapback(&["create-snapshot", "-t", "T01", "--version", "1.2.0", "-y"])
        .expect(0);
}

#[test]
fn what_is_said_at_the_same_time_meets_without_a_conflict_and_care_wins() {
    let (a, b) = two();
    a.snapback(&["hold", "1.1.0", "-t", "T01"]).expect(0);
    b.snapback(&["mark", "good", "1.1.0", "-t", "T01"])
        .expect(0);
    b.snapback(&["pin", "1.0.0", "-t", "T01"]).expect(0);
    for sandbox in [&a, &b, &a] {
        sandbox.snapback(&["verdicts", "push"]).expect(0);
        sandbox.snapback(&["verdicts", "fetch"]).expect(0);
    }
    assert_eq!(words(&a), words(&b));
    for sandbox in [&a, &b] {
        assert_eq!(
            (
                standing(sandbox, "1.1.0")["held"].clone(),
                standing(sandbox, "1.0.0")["pinned"].clone()
            ),
            (true.into(), true.into())
        );
    }
    // A verdict given with knowledge of both counts.
    a.snapback(&["mark", "good", "1.1.0", "-t", "T01"])
        .expect(0);
    a.git(&[
        "push",
        "-q",
        "origin",
        "refs/snapback/verdicts/*:refs/snapback/verdicts/*",
    ])
    .expect(0);
    b.git(&[
        "config",
        "--add",
        "remote.origin.fetch",
        "refs/snapback/verdicts/*:refs/snapback/verdicts/*",
    ])
    .expect(0);
    b.git(&["fetch", "-q"]).expect(0);
    assert_eq!(
        (
            standing(&b, "1.1.0")["good"].clone(),
            standing(&b, "1.1.0")["held"].clone()
        ),
        (true.into(), false.into())
    );
    assert_eq!(a.unsound(), Vec::<String>::new());
}

#[test]
fn a_rollback_holds_for_everybody_once_it_is_pushed() {
    let (a, b) = two();
    a.snapback(&[
        "rollback",
        "-t",
        "T01",
        "--to",
        "last-good",
        "-m",
        "it lost money",
        "-y",
        "--push",
    ])
    .expect(0);
    b.snapback(&["verdicts", "fetch"]).expect(0);
    assert_eq!(standing(&b, "1.1.0")["held"], true);
    let refused = b
        .snapback(&["create-snapshot", "-t", "T01", "--bump", "patch", "-y"])
        .expect(6);
    assert!(refused.stderr.contains("held"), "{}", refused.stderr);
    a.snapback(&["undo", "-y"]).expect(0);
    a.snapback(&["verdicts", "push"]).expect(0);
    b.snapback(&["verdicts", "fetch"]).expect(0);
    assert_eq!(standing(&b, "1.1.0")["held"], false, "undo lifts it");
}

#[test]
fn a_rollback_shares_its_verdict_in_its_own_pack_and_with_its_own_references() {
    let (a, _) = two();
    let packs = || {
        fs::read_dir(a.at(".git/objects/pack"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().extension() == Some("pack".as_ref()))
            .count()
    };
    let before = packs();
    a.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "-y"])
        .expect(0);
    assert_eq!(packs(), before + 1);
    assert_eq!(
        a.git_out(&["for-each-ref", "refs/snapback/verdicts/T01/1.1.0"])
            .lines()
            .count(),
        2,
        "proven, held"
    );
    assert!(!a.at(".git/snapback/verdict-refs").exists());
    a.snapback(&["undo", "-y"]).expect(0);
    assert_eq!(
        (words(&a), packs()),
        (
            vec!["1.1.0 held".to_string(), "1.1.0 released".to_string()],
            before + 2
        )
    );
}

#[test]
fn a_name_in_the_way_of_a_verdict_does_not_stop_a_rollback() {
    let (a, _) = two();
    forget(&a);
    a.git(&[
        "update-ref",
        "refs/snapback/verdicts/T01",
        "HEAD:task_registry.json",
    ])
    .expect(0);
    let ran = a
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "-y"])
        .expect(0);
    assert!(
        ran.stderr.contains("not yet where others can fetch it"),
        "{}",
        ran.stderr
    );
    assert_eq!(standing(&a, "1.1.0")["held"], true);
    a.git(&["update-ref", "-d", "refs/snapback/verdicts/T01"])
        .expect(0);
    a.snapback(&["verdicts", "push"]).expect(0);
    assert_eq!(
        a.git_out(&["for-each-ref", "refs/snapback/verdicts/T01/1.1.0"])
            .lines()
            .count(),
        2
    );
}

#[test]
fn what_was_said_before_verdicts_were_shared_is_read_and_shared_with_the_next_one() {
    let (a, b) = two();
    let path = ".git/snapback/verdicts.jsonl";
    a.snapback(&["hold", "1.1.0", "-t", "T01", "-m", "old"])
        .expect(0);
    // In the old format: without a number, without the release that is meant, and without a
    // reference.
    let text = String::from_utf8(a.read(path)).unwrap();
    let (mut old, mut last) = (String::new(), String::new());
    for line in text.lines() {
        let mut record: serde_json::Value =
            serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
        record
            .as_object_mut()
            .unwrap()
            .retain(|key, _| !["seq", "mends", "release"].contains(&key.as_str()));
        let (line, digits) = snapback::journal::chain::render(&last, &record);
        old += &line;
        last = digits;
    }
    fs::write(a.at(path), old).unwrap();
    forget(&a);
    assert_eq!(
        (standing(&a, "1.1.0")["held"].clone(), words(&a)),
        (true.into(), vec!["1.1.0 held".to_string()])
    );
    a.snapback(&["pin", "1.0.0", "-t", "T01"]).expect(0);
    a.snapback(&["verdicts", "push"]).expect(0);
    b.snapback(&["verdicts", "fetch"]).expect(0);
    assert_eq!(
        (
            standing(&b, "1.1.0")["held"].clone(),
            standing(&b, "1.0.0")["pinned"].clone()
        ),
        (true.into(), true.into())
    );
}

#[test]
fn a_lock_that_a_kill_left_at_a_verdict_is_taken_over() {
    let (a, _) = two();
    let names = || {
        a.git_out(&[
            "for-each-ref",
            "--format=%(refname)",
            "refs/snapback/verdicts",
        ])
    };
    let before = names();
    a.snapback(&["hold", "1.1.0", "-t", "T01"]).expect(0);
    let name = names()
        .lines()
        .find(|name| !before.contains(name))
        .unwrap()
        .to_string();
    let id = a.git_out(&["rev-parse", &name]);
    // Killed between locking the reference and moving it.
    fs::remove_file(a.at(".git").join(&name)).unwrap();
    fs::write(a.at(".git").join(format!("{name}.lock")), format!("{id}\n")).unwrap();
    a.snapback(&["pin", "1.0.0", "-t", "T01"]).expect(0);
    assert_eq!(a.git_out(&["rev-parse", &name]), id);
    assert_eq!(a.unsound(), Vec::<String>::new());
    // A foreign lock is a warning: the verdict is still recorded, and shared later.
    fs::remove_file(a.at(".git").join(&name)).unwrap();
    fs::write(a.at(".git").join(format!("{name}.lock")), "").unwrap();
    let said = a.snapback(&["mark", "bad", "1.0.0", "-t", "T01"]).expect(0);
    assert!(
        said.stderr.contains("not yet where others can fetch it"),
        "{}",
        said.stderr
    );
    assert_eq!(standing(&a, "1.0.0")["bad"], true);
    fs::remove_file(a.at(".git").join(format!("{name}.lock"))).unwrap();
    a.snapback(&["verdicts", "push"]).expect(0);
    assert_eq!(
        a.git_out(&["for-each-ref", "refs/snapback/verdicts"])
            .lines()
            .count(),
        5
    );
}

#[test]
fn what_a_killed_sharing_left_is_removed_and_nothing_of_others() {
    let (sandbox, _) = two();
    let of = |name: &str| format!(".git/refs/snapback/verdicts/T01/1.1.0/{name}.lock");
    let (ours, theirs) = (of(&"1".repeat(40)), of(&"2".repeat(40)));
    sandbox.write(
        ".git/snapback/verdict-refs/ref-0",
        format!("{}\n", "1".repeat(40)).as_bytes(),
    );
    sandbox.write(&theirs, b"");
    fs::hard_link(
        sandbox.at(".git/snapback/verdict-refs/ref-0"),
        sandbox.at(&ours),
    )
    .unwrap();
    sandbox.write("tasks/T01/more.txt", b"more\n");
    sandbox
        .snapback(&["create-snapshot", "-t", "T01", "-m", "more", "-y"])
        .expect(0);
    assert!(!sandbox.exists(&ours) && !sandbox.exists(".git/snapback/verdict-refs"));
    assert!(sandbox.exists(&theirs), "git may hold it");
}
