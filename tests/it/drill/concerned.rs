//! What a way back concerns beyond the task: other tasks, shared files, steps that cannot be taken
//! back, variables, and packages.

use std::fs;

use super::{drill, released, settings};
use crate::support::{Sandbox, sandbox::snapback_program, story::set_version};

/// T01 and T02 share a library that T01 1.0.0 has another version of.
#[test]
fn the_blast_radius_names_the_other_tasks() {
    let sandbox = Sandbox::new(2);
    let shared = "  T02:\n    path: tasks/T02\n    shared: [tasks/T01/lib, lib]\n";
    sandbox.write("lib/util.py", b"VALUE = 1\n");
    settings(&sandbox, "    shared: [lib]\n", shared);
    sandbox.commit("a library");
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/lib/rules.py", b"RULES = []\n");
    sandbox.write("lib/util.py", b"VALUE = 2\n");
    sandbox
        .git(&["commit", "-qam", "a newer library"])
        .expect(0);
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(
        plan.contains("affects  tasks/T01/lib/rules.py changes, and T02 uses it too"),
        "{plan}"
    );
    let with = sandbox
        .snapback(&[
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.0.0",
            "--with-shared",
            "--dry-run",
            "--json",
        ])
        .expect(0)
        .json();
    let radius = with["data"]["plan"]["radius"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["path"].as_str().unwrap().to_string());
    assert_eq!(
        radius.collect::<Vec<_>>(),
        ["lib/util.py", "tasks/T01/lib/rules.py"]
    );
    let report = drill(&sandbox, &["--to", "1.0.0"]).expect(0).json()["data"]["drills"][0].clone();
    assert_eq!(
        report["radius"],
        serde_json::json!([{ "path": "tasks/T01/lib/rules.py", "tasks": ["T02"] }])
    );
    assert!(
        report["drift"][0]
            .as_str()
            .unwrap()
            .starts_with("T01 1.0.0 expects lib/util.py @"),
        "{report}"
    );
}

#[test]
fn shared_files_are_as_a_rollback_would_leave_them() {
    let sandbox = Sandbox::new(1);
    sandbox.write("lib/util.py", b"old\n");
    settings(
        &sandbox,
        "    shared: [lib]\n    verify: [{run: 'cat ../../lib/util.py >\"$HOME/seen\"'}]\n",
        "",
    );
    sandbox.commit("a library");
    sandbox.release("T01", "1.0.0");
    sandbox.write("lib/util.py", b"new\n");
    sandbox
        .git(&["commit", "-qam", "a newer library"])
        .expect(0);
    let seen = |args: &[&str]| {
        drill(&sandbox, &[&["--to", "1.0.0"], args].concat()).expect(0);
        fs::read_to_string(sandbox.home().join("seen")).unwrap()
    };
    assert_eq!([seen(&[]), seen(&["--with-shared"])], ["new\n", "old\n"]);
}

/// What a rollback says that a door stops, and that it goes when told to.
#[track_caller]
fn assert_stopped(sandbox: &Sandbox, words: &str) {
    let before = sandbox.tree();
    let args = ["rollback", "-t", "T01", "--to", "1.0.0"];
    let refused = sandbox
        .snapback(&[&args[..], &["--yes"]].concat())
        .expect(6);
    assert!(
        refused.stderr.contains(words) && refused.stderr.contains("--past-floor"),
        "{refused:?}"
    );
    assert_eq!(sandbox.tree(), before);
    assert_eq!(
        sandbox
            .snapback(&[&args[..], &["--dry-run", "--json"]].concat())
            .expect(6)
            .json()["error"]["kind"],
        "refused"
    );
    sandbox
        .snapback(&[&args[..], &["--yes", "--past-floor"]].concat())
        .expect(0);
    assert_eq!(sandbox.config_version("T01").as_deref(), Some("1.0.0"));
    // Forward is no way down.
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
}

#[test]
fn a_declared_one_way_door_stops_a_rollback_until_it_is_told_to_go_on() {
    let sandbox = released("true");
    settings(
        &sandbox,
        "    one_way: [{version: 1.1.0, why: \"schema 5\"}]\n",
        "",
    );
    assert_stopped(&sandbox, "1.1.0 is declared one-way: schema 5");
    let health = sandbox.snapback(&["health", "-t", "T01"]).expect(4).stdout;
    assert!(
        health.contains("is below the one-way door 1.1.0"),
        "{health}"
    );
    let none = sandbox.snapback(&["drill", "-t", "T01"]).expect(5).stderr;
    assert!(
        none.contains("is below the one-way door 1.1.0") && !none.contains("never proven"),
        "{none}"
    );
    let report = drill(&sandbox, &["--to", "1.0.0"]).expect(0).json()["data"]["drills"][0].clone();
    assert_eq!(
        report["doors"],
        serde_json::json!(["1.1.0 is declared one-way: schema 5"])
    );
}

#[test]
fn migrations_that_were_added_are_a_one_way_door() {
    let sandbox = Sandbox::new(1);
    sandbox.write("tasks/T01/migrations/0001_first.py", b"# first\n");
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/migrations/0002_orders.py", b"# second\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    assert_stopped(
        &sandbox,
        "a migration was added since: tasks/T01/migrations/0002_orders.py",
    );
    settings(&sandbox, "    migrations: []\n", "");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
}

#[test]
fn a_variable_that_was_removed_is_told_unless_it_is_set_and_stops_nothing() {
    let sandbox = Sandbox::new(1);
    sandbox.write(
        "tasks/T01/signal.py",
        b"import os\nTOKEN = os.environ['OLD_TOKEN']\n",
    );
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"TOKEN = None\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let doors = |value: Option<&str>| {
        let mut plan = sandbox.command(snapback_program());
        plan.envs(value.map(|value| ("OLD_TOKEN", value))).args([
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.0.0",
            "--dry-run",
            "--json",
        ]);
        crate::support::sandbox::finish(&mut plan).expect(0).json()["data"].to_string()
    };
    assert!(!doors(Some("x")).contains("it needs what was removed"));
    assert!(
        doors(None).contains("it needs what was removed since and is not set: OLD_TOKEN"),
        "{}",
        doors(None)
    );
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
}
