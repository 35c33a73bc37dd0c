//! Planted state: plans and journals to be finished, links in place of folders.

use std::{fs, os::unix::fs::symlink};

use serde_json::Value;

use snapback::{
    base::Digest,
    journal::{JournalRecord, chain, plan},
};

use super::{BACK, SNAP, target, withstands};
use crate::support::Sandbox;

/// Returns the newest operation's folder.
fn newest(sandbox: &Sandbox) -> String {
    let mut names: Vec<_> = fs::read_dir(sandbox.at(".git/snapback/ops"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    names
        .last()
        .unwrap()
        .strip_prefix(sandbox.root())
        .unwrap()
        .to_str()
        .unwrap()
        .to_string()
}

/// Plants a copy of the last rollback, begun but unfinished, with a changed plan and valid
/// checksums.
fn plant(sandbox: &Sandbox, change: impl Fn(&str) -> String) {
    let done = newest(sandbox);
    let forged = change(&plan_of(sandbox, &done));
    let counter: u64 = done.rsplit('/').next().unwrap()[..6].parse().unwrap();
    let id = done.rsplit('/').next().unwrap();
    let fresh = format!("{:06}-deadbeef", counter + 1);
    let forged = forged.replace(id, &fresh);
    let records = [
        JournalRecord::Begin {
            plan: Digest::of(forged.as_bytes()),
            summary: None,
            version: 2,
        },
        JournalRecord::Plan {
            packed: plan::pack(forged.as_bytes()),
        },
        JournalRecord::Ready {
            prepared: Vec::new(),
        },
    ];
    let (mut last, mut lines) = (String::new(), String::new());
    for record in &records {
        let (line, digits) = chain::render(&last, record);
        (last, lines) = (digits, lines + &line);
    }
    sandbox.write(
        &format!(".git/snapback/ops/{fresh}/journal.jsonl"),
        lines.as_bytes(),
    );
}

/// Returns the plan of an operation, indented.
fn plan_of(sandbox: &Sandbox, op: &str) -> String {
    let lines = sandbox.read(&format!("{op}/journal.jsonl"));
    let records: Vec<JournalRecord> = chain::parse(&lines).unwrap().records;
    let JournalRecord::Plan { packed } = &records[1] else {
        panic!("{records:?}")
    };
    let plan: Value = serde_json::from_slice(&plan::unpack(packed).unwrap()).unwrap();
    serde_json::to_string_pretty(&plan).unwrap()
}

#[test]
fn a_planted_plan_writes_nowhere_else() {
    let origin = target();
    origin.snapback(BACK).expect(0);
    origin.snapback(&["undo", "--yes"]).expect(0);
    for bad in [
        "../../home/.ssh/authorized_keys",
        "/etc/x",
        ".git/hooks/pre-commit",
        ".GIT/config",
        "tasks/../../victim",
        ".snapback/x",
    ] {
        let sandbox = origin.copy();
        plant(&sandbox, |plan| {
            assert!(plan.contains("\"tasks/T01/signal.py\""), "{plan}");
            plan.replace("\"tasks/T01/signal.py\"", &format!("\"{bad}\""))
        });
        println!("{bad}");
        withstands(&sandbox, &[4, 8, 13], &["op", "resume"], &[]);
        withstands(&sandbox, &[4, 6, 8, 13], BACK, &[]);
        withstands(&sandbox, &[4, 6, 8, 13], SNAP, &[]);
        assert!(!sandbox.exists(".git/hooks/pre-commit"));
    }
}

#[test]
fn a_planted_plan_writes_only_what_its_task_owns() {
    let origin = target();
    origin.write("README.md", b"about\n");
    origin.write("tasks/T01/positions.json", b"{}\n");
    let settings = String::from_utf8(origin.read("snapback.yaml")).unwrap();
    origin.write(
        "snapback.yaml",
        format!("{settings}tasks:\n  T01: {{protect: [positions.json]}}\n").as_bytes(),
    );
    origin.commit("more");
    origin.snapback(BACK).expect(0);
    origin.snapback(&["undo", "--yes"]).expect(0);
    for (bad, why) in [
        ("README.md", "which is no file of its task"),
        ("snapback.yaml", "which are the settings"),
        ("tasks/T02/signal.py", "which is another task's file"),
        (
            "snapshots/snapshot-T01-v1.0.0.yaml",
            "which is not its manifest",
        ),
        ("tasks/T01/positions.json", "which is protected"),
    ] {
        for command in [&["op", "resume"][..], &["op", "abort"]] {
            let sandbox = origin.copy();
            // The copy lies elsewhere, and a plan names its work tree.
            let here = |plan: &str| {
                plan.replace(
                    origin.root().to_str().unwrap(),
                    sandbox.root().to_str().unwrap(),
                )
            };
            plant(&sandbox, |plan| {
                here(plan).replace("\"tasks/T01/signal.py\"", &format!("\"{bad}\""))
            });
            println!("{bad}");
            withstands(&sandbox, &[13], command, &[bad, why]);
        }
    }
    // Unchanged, it is a plan like any other: one whose change is there already.
    plant(&origin, str::to_string);
    let ran = origin.snapback(&["op", "abort"]).expect(13);
    assert!(ran.stderr.contains("is cut short"), "{ran:?}");
}

/// Returns the value of a reference, or nothing.
fn value(sandbox: &Sandbox, name: &str) -> String {
    sandbox.git(&["rev-parse", "-q", "--verify", name]).stdout
}

/// Changes to the plan of an undo, which has a branch, a safety reference and a verdict: the text
/// replaced, its replacement, the name in the refusal, and the reason.
const FOREIGN_NAMES: [(&str, &str, &str, &str); 5] = [
    (
        "\"refs/heads/main\"",
        "\"refs/heads/other\"",
        "refs/heads/other",
        "which HEAD is not on",
    ),
    (
        "\"refs/snapback/safety/",
        "\"refs/tags/T02-v9.0.0-",
        "refs/tags/T02-v9.0.0",
        "which is no tag of its version",
    ),
    (
        "\"refs/snapback/safety/",
        "\"refs/snapback/keep/T02/9.0.0-",
        "refs/snapback/keep/T02/9.0.0",
        "which is no name of it",
    ),
    (
        "\"refs/snapback/verdicts/T01/",
        "\"refs/snapback/verdicts/T02/",
        "refs/snapback/verdicts/T02",
        "which is no name of it",
    ),
    (
        "\"task\": \"T01\"",
        "\"task\": \"T02\"",
        "the verdict on T02",
        "which is no version of it",
    ),
];

#[test]
fn a_planted_plan_moves_no_names_and_says_no_verdicts_but_its_own() {
    let origin = target();
    origin.git(&["branch", "other"]).expect(0);
    origin.snapback(BACK).expect(0);
    origin.snapback(&["undo", "--yes"]).expect(0);
    for (own, bad, name, why) in FOREIGN_NAMES {
        let sandbox = origin.copy();
        let here = |plan: &str| {
            plan.replace(
                origin.root().to_str().unwrap(),
                sandbox.root().to_str().unwrap(),
            )
        };
        plant(&sandbox, |plan| {
            // The head contains the task as well; the change is made after it.
            let (head, steps) = plan.split_once("\"steps\"").unwrap();
            assert!(steps.contains(own), "{own}: {plan}");
            format!("{}\"steps\"{}", here(head), steps.replace(own, bad))
        });
        println!("{bad}");
        let names = ["refs/heads/main", "refs/heads/other"];
        let before = names.map(|name| value(&sandbox, name));
        withstands(&sandbox, &[13], &["op", "resume"], &[name, why]);
        assert_eq!(names.map(|name| value(&sandbox, name)), before);
        assert_eq!(
            sandbox.git_out(&[
                "for-each-ref",
                "refs/snapback/verdicts/T02",
                "refs/snapback/keep/T02/9*",
                "refs/tags/T02-v9*"
            ]),
            ""
        );
        if why == "which HEAD is not on" {
            sandbox.snapback(&["op", "abort"]).expect(0);
        } else {
            withstands(&sandbox, &[13], &["op", "abort"], &[name, why]);
        }
    }
}

#[test]
fn a_planted_plan_gives_a_branch_only_what_it_planned() {
    let origin = target();
    let old = origin.git_out(&["rev-parse", "HEAD~1"]);
    origin.snapback(BACK).expect(0);
    origin.snapback(&["undo", "--yes"]).expect(0);
    let head = origin.git_out(&["rev-parse", "HEAD"]);
    let sandbox = origin.copy();
    plant(&sandbox, |plan| {
        let here = plan.replace(
            origin.root().to_str().unwrap(),
            sandbox.root().to_str().unwrap(),
        );
        let own = format!("\"after\": \"{head}\"");
        assert!(here.contains(&own), "{plan}");
        here.replace(&own, &format!("\"after\": \"{old}\""))
    });
    sandbox.git(&["reset", "-q", "--soft", "HEAD~1"]).expect(0);
    withstands(
        &sandbox,
        &[13],
        &["op", "resume"],
        &["refs/heads/main", "to another content than it planned"],
    );
}

#[test]
fn a_planted_plan_with_a_wrong_checksum_is_never_run() {
    let sandbox = target();
    sandbox.snapback(BACK).expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    plant(&sandbox, str::to_string);
    let done = newest(&sandbox);
    let mut bytes = sandbox.read(&format!("{done}/journal.jsonl"));
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    sandbox.write(&format!("{done}/journal.jsonl"), &bytes);
    withstands(&sandbox, &[4, 8, 13], &["op", "resume"], &[]);
}

#[test]
fn folders_of_the_state_that_are_links() {
    for name in [
        "snapback",
        "snapback/ops",
        "snapback/store",
        "snapback/lock",
        "snapback/verdicts.jsonl",
    ] {
        let sandbox = target();
        let path = sandbox.at(&format!(".git/{name}"));
        let away = sandbox.home().join("away");
        if path.is_dir() {
            fs::rename(&path, &away).unwrap();
        } else {
            fs::write(&away, b"precious\n").unwrap();
            let _ = fs::remove_file(&path);
        }
        symlink(&away, &path).unwrap();
        println!("{name}");
        let ran = withstands(&sandbox, &[0, 4, 6, 8, 13], BACK, &[]);
        if away.is_file() {
            assert_eq!(fs::read(&away).unwrap(), b"precious\n", "{ran:?}");
        }
    }
}

#[test]
fn manifests_registries_and_settings_that_are_links_out() {
    for name in [
        "task_registry.json",
        "tasks/T01/config.yaml",
        "snapback.yaml",
        "snapshots",
    ] {
        let sandbox = target();
        let away = sandbox.home().join("away");
        fs::rename(sandbox.at(name), &away).unwrap();
        symlink(&away, sandbox.at(name)).unwrap();
        println!("{name}");
        for command in [SNAP, BACK, &["mark", "bad", "1.0.0", "-t", "T01"][..]] {
            let bytes = away.is_file().then(|| fs::read(&away).unwrap());
            withstands(&sandbox, &[0, 2, 4, 6, 7, 8], command, &[]);
            assert_eq!(
                away.is_file().then(|| fs::read(&away).unwrap()),
                bytes,
                "{name} is written through a link"
            );
        }
    }
}
