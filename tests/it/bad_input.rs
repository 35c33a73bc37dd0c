//! Bad input: each item gets one clear error with a hint and its exit code, and changes nothing.
//!
//! The real program runs twice for every item, once for people and once with `--json`; everything
//! in the sandbox is compared before and after. Unusual but valid input (dirty files, strange
//! names) must work. Start with [`refused`].

mod environment;
mod manifests;
mod moments;
mod repositories;
mod trees;
mod versions;

use std::process::Command;

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
};

/// Creates two tasks; T01 has the releases 1.0.0 and 1.1.0 and is at 1.1.0. They differ in
/// `signal.py`, `model.bin` and `new.py`, which 1.0.0 does not have.
fn released() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"def signal(x):\n    return x > 1\n");
    sandbox.write(
        "tasks/T01/model.bin",
        &crate::support::noise("second", 50_000),
    );
    sandbox.write("tasks/T01/new.py", b"NEW = True\n");
    sandbox.release("T01", "1.1.0");
    sandbox
}

/// A rollback of T01 to 1.0.0.
const BACK: &[&str] = &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"];

/// A release of T01.
const SNAP: &[&str] = &[
    "create-snapshot",
    "-t",
    "T01",
    "--version",
    "1.2.0",
    "-m",
    "next",
    "--yes",
];

/// Runs a command for people and for programs; both must be refused with this exit code, contain
/// all these words, and change nothing.
#[track_caller]
fn refused(sandbox: &Sandbox, code: i32, args: &[&str], words: &[&str]) -> Ran {
    refused_as(sandbox, code, args, words, |_| {})
}

/// Like [`refused`], with a modified process.
#[track_caller]
fn refused_as(
    sandbox: &Sandbox,
    code: i32,
    args: &[&str],
    words: &[&str],
    prepare: impl Fn(&mut Command),
) -> Ran {
    let run = |more: &[&str]| {
        let mut command = sandbox.command(snapback_program());
        command.args(args).args(more);
        prepare(&mut command);
        let before = (sandbox.everything(), references(sandbox));
        let ran = finish(&mut command);
        println!(
            "$ snapback {} {}\n{}{}[{}]\n",
            args.join(" "),
            more.join(" "),
            ran.stdout,
            ran.stderr,
            ran.code
        );
        let after = (sandbox.everything(), references(sandbox));
        if before != after {
            let changed: Vec<_> = before
                .0
                .iter()
                .filter(|(path, entry)| after.0.get(*path) != Some(entry))
                .map(|(path, _)| path)
                .collect();
            let new: Vec<_> = after
                .0
                .keys()
                .filter(|path| !before.0.contains_key(*path))
                .collect();
            panic!(
                "{args:?} changed something: changed or gone {changed:?}, new {new:?}, references {} -> {}",
                before.1, after.1
            );
        }
        ran.expect(code)
    };
    let people = run(&[]);
    let lines = |word: &str| {
        people
            .stderr
            .lines()
            .filter(|line| line.trim_start().starts_with(word))
            .count()
    };
    assert_eq!(lines("error:"), 1, "one error: {people:?}");
    assert!(lines("hint:") > 0, "a hint: {people:?}");
    assert_eq!(
        people.stdout, "",
        "standard output is for answers: {people:?}"
    );
    assert!(!people.stderr.contains("panicked"), "{people:?}");
    for word in words {
        assert!(
            people.stderr.contains(word),
            "it must say {word:?}: {people:?}"
        );
    }
    refused_in_json(&run(&["--json"]), code, words);
    people
}

/// Checks the only document of a refusal.
#[track_caller]
fn refused_in_json(ran: &Ran, code: i32, words: &[&str]) {
    let answer = ran.json();
    assert_eq!(answer["ok"], false, "{answer}");
    assert_eq!(answer["exit_code"], code, "{answer}");
    assert_eq!(answer["changed"], false, "{answer}");
    let error = &answer["error"];
    assert!(!error["hints"].as_array().unwrap().is_empty(), "{answer}");
    for word in words {
        let said = |text: &serde_json::Value| text.as_str().is_some_and(|text| text.contains(word));
        let hinted = |hint: &serde_json::Value| {
            said(&hint["why"]) || hint["argv"].as_array().unwrap().iter().any(said)
        };
        let joined = error["hints"].as_array().unwrap().iter().any(|hint| {
            let argv: Vec<&str> = hint["argv"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(serde_json::Value::as_str)
                .collect();
            argv.join(" ").contains(word)
        });
        assert!(
            said(&error["message"])
                || joined
                || error["hints"].as_array().unwrap().iter().any(hinted),
            "{word:?} in {answer}"
        );
    }
}

/// Returns the references and HEAD as git reports them.
fn references(sandbox: &Sandbox) -> String {
    sandbox.git(&["for-each-ref"]).stdout + &sandbox.git(&["rev-parse", "HEAD"]).stdout
}

/// Rolls back, which must work byte for byte and leave a sound repository.
#[track_caller]
fn rolls_back(sandbox: &Sandbox) -> Ran {
    let ran = sandbox.snapback(BACK);
    println!("{}{}", ran.stdout, ran.stderr);
    let ran = ran.expect(0);
    sandbox
        .snapback(&["verify-rollback", "-t", "T01", "--expected", "1.0.0"])
        .expect(0);
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
    ran
}
