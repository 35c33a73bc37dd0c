//! Check results of a version travel between clones: a version proven elsewhere is chosen here, a
//! failure stands until somebody who knows of it proves the version, and the state of one clone's
//! storage does not concern the others.

use std::fs;

use serde_json::Value;

use crate::support::{Sandbox, story::set_version};

/// A smoke test that passes unless the machine (here: the clone) is unfit.
const SMOKE: &str = "tasks:\n  T01:\n    verify: [{run: \"test ! -e ../../.git/unfit\"}]\n";

/// Creates a repository with a remote, and T01 released as 1.0.0 and 1.1.0 with `--push`.
fn pushed() -> Sandbox {
    let a = Sandbox::new(1);
    a.git(&["init", "-q", "--bare", "-b", "main", "../up.git"])
        .expect(0);
    a.git(&["remote", "add", "origin", "../up.git"]).expect(0);
    // Large files are in the store, which a clone does not have.
    fs::remove_file(a.at("tasks/T01/model.bin")).unwrap();
    let settings = String::from_utf8(a.read("snapback.yaml")).unwrap();
    a.write("snapback.yaml", format!("{settings}{SMOKE}").as_bytes());
    a.git(&["commit", "-qam", "a smoke test"]).expect(0);
    for version in ["1.0.0", "1.1.0"] {
        a.write("tasks/T01/signal.py", version.as_bytes());
        set_version(&a, version);
        a.snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            version,
            "-m",
            "news",
            "-y",
            "--push",
        ])
        .expect(0);
    }
    a
}

/// Clones the remote, and agrees to the smoke test.
fn clone(a: &Sandbox, name: &'static str) -> Sandbox {
    a.git(&["clone", "-q", "../up.git", &format!("../{name}")])
        .expect(0);
    let clone = Sandbox::beside(a, name);
    clone.trust();
    clone
}

fn release(sandbox: &Sandbox, version: &str) -> Value {
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
        .unwrap()
}

/// Returns whether a version is proven, and whether it failed.
fn judged(sandbox: &Sandbox, version: &str) -> (bool, bool) {
    let standing = &release(sandbox, version)["standing"];
    (
        standing["proven"].as_bool().unwrap(),
        standing["failed"].as_bool().unwrap(),
    )
}

const PROVEN: (bool, bool) = (true, false);
const FAILED: (bool, bool) = (false, true);

fn push(sandbox: &Sandbox) {
    sandbox.snapback(&["verdicts", "push"]).expect(0);
}

fn fetch(sandbox: &Sandbox) {
    sandbox.snapback(&["verdicts", "fetch"]).expect(0);
}

/// Verifies the active version on a fit or unfit machine.
fn check(sandbox: &Sandbox, fit: bool) {
    let unfit = sandbox.at(".git/unfit");
    if fit {
        drop(fs::remove_file(unfit));
    } else {
        fs::write(unfit, "").unwrap();
    }
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(if fit { 0 } else { 4 });
}

/// Asserts that a rollback goes to 1.0.0, and that every command names whose verdict that is.
fn assert_goes_back_by_the_word_of_another(b: &Sandbox) {
    let plan = b
        .snapback(&["rollback", "-t", "T01", "--dry-run"])
        .expect(0);
    assert!(
        plan.stdout.contains("1.0.0 is proven by the word of"),
        "{}",
        plan.stdout
    );
    let json = b
        .snapback(&["rollback", "-t", "T01", "--dry-run", "--json"])
        .expect(0)
        .json();
    assert_eq!(json["data"]["plan"]["to"], "1.0.0");
    let who = release(b, "1.0.0")["said_by"].as_str().unwrap().to_string();
    let name = who.split(" <").next().unwrap();
    for args in [
        &["list", "-t", "T01"][..],
        &["status"],
        &["show", "1.0.0", "-t", "T01"],
        &["verdicts", "list"],
    ] {
        assert!(b.snapback(args).expect(0).stdout.contains(name), "{args:?}");
    }
    assert!(
        b.snapback(&["list", "-t", "T01"])
            .expect(0)
            .stdout
            .contains(&format!("proven by {name}"))
    );
}

#[test]
fn a_fresh_clone_chooses_what_was_proven_elsewhere_and_says_who_said_so() {
    let a = pushed();
    let untold = clone(&a, "untold");
    let refused = untold
        .snapback(&["rollback", "-t", "T01", "--dry-run"])
        .expect(5);
    assert!(
        refused.stderr.contains("snapback verdicts fetch"),
        "{}",
        refused.stderr
    );
    fetch(&untold);
    // A plain `git fetch` brings the verdicts as well, once it is configured to.
    let told = clone(&a, "told");
    told.git_line(
        "config --add remote.origin.fetch refs/snapback/verdicts/*:refs/snapback/verdicts/*",
    )
    .expect(0);
    told.git(&["fetch", "-q"]).expect(0);
    for b in [&untold, &told] {
        assert_goes_back_by_the_word_of_another(b);
    }
    assert_eq!(
        release(&a, "1.0.0")["said_by"],
        Value::Null,
        "it was said here"
    );
    // A check made here is recorded here, once.
    untold
        .snapback(&["rollback", "-t", "T01", "-y", "--push"])
        .expect(0);
    assert_eq!(release(&untold, "1.0.0")["said_by"], Value::Null);
    let count = |version: &str| {
        untold
            .git_out(&[
                "for-each-ref",
                &format!("refs/snapback/verdicts/T01/{version}"),
            ])
            .lines()
            .count()
    };
    assert_eq!(
        (count("1.0.0"), count("1.1.0")),
        (2, 2),
        "proven twice; proven and held"
    );
    for _ in 0..2 {
        untold
            .snapback(&["drill", "-t", "T01", "--to", "1.0.0"])
            .expect(0);
    }
    assert_eq!(count("1.0.0"), 2, "no news");
}

#[test]
fn a_failure_stands_until_somebody_who_knows_of_it_proves_the_version() {
    let a = pushed();
    let b = clone(&a, "other");
    fetch(&b);
    assert_eq!(judged(&b, "1.1.0"), PROVEN);
    check(&b, false);
    assert_eq!((judged(&b, "1.1.0"), judged(&a, "1.1.0")), (FAILED, PROVEN));
    // Repeated verdicts where nobody knows of that failure do not cancel it.
    for _ in 0..3 {
        a.snapback(&["hold", "1.1.0", "-t", "T01"]).expect(0);
        a.snapback(&["hold", "1.1.0", "-t", "T01", "--lift"])
            .expect(0);
    }
    check(&a, false);
    check(&a, true);
    assert_eq!(judged(&a, "1.1.0"), PROVEN);
    for sandbox in [&a, &b, &a] {
        push(sandbox);
        fetch(sandbox);
    }
    assert_eq!((judged(&a, "1.1.0"), judged(&b, "1.1.0")), (FAILED, FAILED));
    assert!(
        release(&a, "1.1.0")["said_by"].is_string(),
        "it is said in the other clone only"
    );
    // A proof with knowledge of the failure cancels it, where it failed or elsewhere.
    check(&a, true);
    assert_eq!(judged(&a, "1.1.0"), PROVEN);
    push(&a);
    fetch(&b);
    assert_eq!(judged(&b, "1.1.0"), PROVEN);
    check(&b, false);
    assert_eq!(
        judged(&b, "1.1.0"),
        FAILED,
        "a check that fails here is news again"
    );
    check(&b, true);
    assert_eq!(judged(&b, "1.1.0"), PROVEN);
}

#[test]
fn what_the_storage_of_a_clone_holds_is_neither_shared_nor_mended_from_elsewhere() {
    let a = pushed();
    let b = clone(&a, "other");
    fetch(&b);
    let unpack = "for pack in $(find .git/objects/pack -name '*.pack'); do mv $pack ../pack; git unpack-objects -q < ../pack; done";
    b.run("sh", &["-c", unpack]).expect(0);
    let blob = b.git_out(&["rev-parse", "T01-v1.0.0:tasks/T01/config.yaml"]);
    let object = b.at(&format!(".git/objects/{}/{}", &blob[..2], &blob[2..]));
    let bytes = std::fs::read(&object).unwrap();
    std::fs::remove_file(&object).unwrap();
    b.snapback(&["verify-snapshot", "-t", "T01", "--version", "1.0.0"])
        .expect(4);
    assert!(judged(&b, "1.0.0").1, "it is lost here");
    push(&b);
    fetch(&a);
    fetch(&b);
    assert_eq!(
        (judged(&a, "1.0.0"), judged(&b, "1.0.0").1),
        (PROVEN, true),
        "and only here"
    );
    std::fs::write(&object, bytes).unwrap();
    b.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "-y"])
        .expect(0);
    assert_eq!(
        judged(&b, "1.0.0"),
        PROVEN,
        "it came out of the storage of this clone"
    );
}

#[test]
fn words_and_formats_of_a_newer_program_are_kept_passed_on_and_have_no_weight() {
    let a = pushed();
    let name = a.git_out(&[
        "for-each-ref",
        "--format=%(refname)",
        "refs/snapback/verdicts/T01/1.0.0",
    ]);
    let proven = format!("{}\n", a.git_out(&["cat-file", "blob", &name]));
    let newer = [
        proven
            .replace("\"proven\"", "\"quarantined\"")
            .replace("\"reason\"", "\"until\":\"2030\",\"reason\""),
        proven.replace("snapback.verdict/1", "snapback.verdict/2"),
    ];
    let names = newer.map(|text| {
        fs::write(a.top().join("record"), text).unwrap();
        let id = a.git_out(&["hash-object", "-w", "../record"]);
        let name = format!("refs/snapback/verdicts/T01/1.0.0/{id}");
        a.git(&["update-ref", &name, &id]).expect(0);
        name
    });
    // The same in the log, followed by a change of the newer program.
    let path = ".git/snapback/verdicts.jsonl";
    let log = String::from_utf8(a.read(path)).unwrap();
    let digits = log.lines().last().unwrap().split_once(' ').unwrap().0;
    let record: Value = serde_json::from_str(
        &proven
            .replace("\"proven\"", "\"watched_closely\"")
            .replace("\"mends\"", "\"until\""),
    )
    .unwrap();
    let line = snapback::journal::chain::render(digits, &record).0;
    fs::write(a.at(path), format!("{log}{line}")).unwrap();

    assert_eq!(judged(&a, "1.0.0"), PROVEN);
    let list = a.snapback(&["verdicts", "list"]).expect(0).stdout;
    assert!(
        list.contains("quarantined") && list.contains("watched_closely"),
        "{list}"
    );
    assert!(list.contains("which only a newer snapback reads"), "{list}");
    assert!(list.contains("not known to this snapback"), "{list}");
    a.snapback(&["pin", "1.0.0", "-t", "T01"]).expect(0);
    assert!(
        String::from_utf8(a.read(path))
            .unwrap()
            .starts_with(&format!("{log}{line}")),
        "the log is kept as it was"
    );
    a.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "-y", "--push"])
        .expect(0);
    let b = clone(&a, "other");
    fetch(&b);
    for name in &names {
        b.git(&["rev-parse", "--verify", "-q", name]).expect(0);
    }
    assert_eq!(judged(&b, "1.0.0"), PROVEN);
    assert_eq!(
        a.snapback(&["verdicts", "push", "--json"]).expect(0).json()["data"]["new"],
        0,
        "all of them came with the rollback"
    );
}

#[test]
fn a_push_of_verdicts_says_what_was_new_there() {
    let a = pushed();
    assert_eq!(
        a.snapback(&["verdicts", "push"]).expect(0).stdout,
        "2 verdicts at origin, 0 of them new.\n"
    );
    a.snapback(&["pin", "1.0.0", "-t", "T01"]).expect(0);
    let ran = a.snapback(&["verdicts", "push", "--json"]).expect(0).json();
    assert_eq!(
        (
            &ran["data"]["verdicts"],
            &ran["data"]["new"],
            &ran["changed"]
        ),
        (&3.into(), &1.into(), &true.into())
    );
    a.git(&["remote", "remove", "origin"]).expect(0);
    let refused = a.snapback(&["verdicts", "push"]).expect(9);
    assert!(
        refused.stderr.contains("no remote is configured here")
            && refused.stderr.contains("git remote add origin"),
        "{refused:?}"
    );
}
