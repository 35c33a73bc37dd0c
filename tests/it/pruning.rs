//! `op prune`: what goes, what stays and why; and the marks that rollbacks leave in git.

use std::time::Duration;

use serde_json::Value;
use snapback::{
    app::{App, Options},
    base::Kind,
    model::prune::PruneRule,
};

use crate::support::{Sandbox, story::set_version};

/// Creates T01 at 1.1.0, and T02, with a model that only the store has.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/model.bin", &vec![1; 70_000]);
    sandbox.release("T01", "1.0.0");
    sandbox.release("T02", "1.0.0");
    sandbox.write("tasks/T01/model.bin", &vec![2; 70_000]);
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    sandbox
}

fn back_and_forth(sandbox: &Sandbox, times: usize) {
    for _ in 0..times {
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
            .expect(0);
        sandbox.snapback(&["undo", "--yes"]).expect(0);
    }
}

/// Prunes everything but the newest two operations of a task.
const PRUNE: [&str; 7] = [
    "op",
    "prune",
    "--older-than",
    "0s",
    "--keep-last",
    "2",
    "--yes",
];

/// Returns the list of operations, without what says that they were pruned.
fn operations(sandbox: &Sandbox) -> Vec<Value> {
    let listed = sandbox.snapback(&["op", "list", "--limit", "100", "--json"]);
    let mut all = listed.expect(0).json()["data"]["operations"]
        .as_array()
        .unwrap()
        .clone();
    for line in &mut all {
        line.as_object_mut().unwrap().remove("pruned");
    }
    all
}

fn safety(sandbox: &Sandbox) -> usize {
    let refs = sandbox.git_out(&["for-each-ref", "refs/snapback/safety"]);
    refs.lines().count()
}

fn records(sandbox: &Sandbox) -> Vec<String> {
    let listing = std::fs::read_dir(sandbox.at(".git/snapback/ops")).unwrap();
    let names = listing.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn old_operations_leave_their_line_and_nothing_else() {
    let sandbox = sandbox();
    back_and_forth(&sandbox, 3);
    let (before, listed) = (sandbox.tree_in(""), operations(&sandbox));
    let first = listed.last().unwrap()["id"].as_str().unwrap().to_string();
    let pruned = sandbox.snapback(&PRUNE).expect(0);
    assert!(pruned.stdout.contains("6 operations pruned"), "{pruned:?}");
    assert!(pruned.stdout.contains("store gc"), "{pruned:?}");
    assert_eq!((records(&sandbox).len(), safety(&sandbox)), (3, 3));
    assert_eq!(operations(&sandbox), listed, "lists show what they did");
    assert_eq!(sandbox.tree_in(""), before);
    let shown = sandbox.snapback(&["op", "list"]).expect(0).stdout;
    assert_eq!(shown.matches("pruned").count(), 6, "{shown}");
    // What is left can be taken back, and no more.
    sandbox.snapback(&["redo", "--yes"]).expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    let shown = sandbox.snapback(&["op", "show", &first]).expect(5);
    assert!(shown.stderr.contains("was pruned on 20"), "{shown:?}");
    sandbox.snapback(&["op", "kept", &first]).expect(5);
    for argv in [
        &["audit", "verify"][..],
        &["verify-snapshot", "--all"],
        &["doctor"],
        &["health"],
        &["store", "check"],
    ] {
        sandbox.snapback(argv).expect(0);
    }
    assert_eq!((sandbox.unsound(), sandbox.status()), (vec![], vec![]));
    let again = sandbox
        .snapback(&["op", "prune", "--json", "--yes"])
        .expect(0);
    assert_eq!(again.json()["changed"], false);
}

#[test]
fn a_pruning_that_fails_binds_nobody_and_is_finished_by_the_next_change() {
    let sandbox = sandbox();
    back_and_forth(&sandbox, 2);
    sandbox.git(&["pack-refs", "--all"]).expect(0);
    sandbox.write(".git/packed-refs.lock", b"");
    let everything = [&PRUNE[..5], &["0", "--yes"]].concat();
    let failed = sandbox.snapback(&everything);
    assert_ne!(failed.code, 0, "{failed:?}");
    std::fs::remove_file(sandbox.at(".git/packed-refs.lock")).unwrap();
    let gone = |name: &String| !name.starts_with('.');
    let left = records(&sandbox).into_iter().filter(gone).count();
    let stay = |sandbox: &Sandbox| {
        let plan = sandbox.snapback(&["op", "prune", "--json", "--dry-run"]);
        plan.expect(0).json()["data"]["prune"]["kept"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(stay(&sandbox), left, "the plan knows what has gone");
    sandbox.snapback(&["op", "prune", "--yes"]).expect(0);
    assert_eq!(records(&sandbox).len(), left, "and no more has");
    assert_eq!(safety(&sandbox), left);
    assert_eq!((sandbox.unsound(), sandbox.status()), (vec![], vec![]));
}

#[test]
fn a_time_whose_commit_git_has_collected_names_no_release() {
    let sandbox = sandbox();
    let later = |text: &str| {
        sandbox.write("tasks/T01/signal.py", text.as_bytes());
        set_version(&sandbox, "1.2.0");
        sandbox.release("T01", "1.2.0");
    };
    later("# third\n");
    std::thread::sleep(Duration::from_millis(1100));
    let then = jiff::Timestamp::now()
        .strftime("@%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    std::thread::sleep(Duration::from_millis(1100));
    sandbox.snapback(&["undo", "T01-v1.2.0", "--yes"]).expect(0);
    later("# another\n");
    back_and_forth(&sandbox, 1);
    let back = ["rollback", "-t", "T01", "--to", &then, "--dry-run"];
    sandbox.snapback(&back).expect(5);
    sandbox.snapback(&PRUNE).expect(0);
    sandbox
        .git(&["reflog", "expire", "--expire=now", "--all"])
        .expect(0);
    sandbox.git(&["gc", "-q", "--prune=now"]).expect(0);
    let said = sandbox.snapback(&back).expect(5);
    assert!(said.stderr.contains("collected"), "{said:?}");
}

#[test]
fn a_pruning_says_what_it_does_and_does_not_do_it_unasked() {
    let sandbox = sandbox();
    back_and_forth(&sandbox, 1);
    let before = sandbox.tree_in(".git");
    let nothing = sandbox
        .snapback(&["op", "prune", "--keep-last", "0"])
        .expect(0);
    assert!(nothing.stdout.contains("nothing to prune"), "{nothing:?}");
    let dry = [&PRUNE[..6], &["--dry-run", "--explain"]].concat();
    let said = sandbox.snapback(&dry).expect(0);
    for words in [
        "goes: old enough",
        "stays: the newest of all",
        "stays: among the newest",
        "would be pruned",
        "cannot be undone",
    ] {
        assert!(said.stdout.contains(words), "{words}: {}", said.stdout);
    }
    let asked = sandbox.snapback(&PRUNE[..6]).expect(6);
    assert!(asked.stderr.contains("--yes"), "{asked:?}");
    assert_eq!(sandbox.tree_in(".git"), before);
    for wrong in ["soon", "30", "-1d"] {
        let age = format!("--older-than={wrong}");
        sandbox.snapback(&["op", "prune", &age]).expect(2);
    }
}

#[test]
fn what_only_pruned_operations_kept_is_freed() {
    let sandbox = sandbox();
    let rolled = sandbox.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"]);
    rolled.expect(0);
    sandbox.write("tasks/T01/model.bin", &vec![3; 70_000]);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    let freed = |sandbox: &Sandbox| {
        let report = sandbox
            .snapback(&["store", "gc", "--dry-run", "--json"])
            .expect(0);
        report.json()["data"]["gc"].clone()
    };
    let kept = freed(&sandbox);
    back_and_forth(&sandbox, 1);
    sandbox.snapback(&PRUNE).expect(0);
    assert_ne!(freed(&sandbox), kept, "the edit was kept until now");
    sandbox.snapback(&["store", "check", "--deep"]).expect(0);
}

#[test]
fn a_rollback_that_waits_stays() {
    let sandbox = sandbox();
    back_and_forth(&sandbox, 1);
    let waits = [
        "rollback",
        "-t",
        "T01",
        "--to",
        "1.0.0",
        "--confirm-within",
        "1h",
        "--yes",
    ];
    sandbox.snapback(&waits).expect(0);
    sandbox.release("T02", "1.0.1");
    let everything = [
        "op",
        "prune",
        "--older-than",
        "0s",
        "--keep-last",
        "0",
        "--yes",
        "--json",
    ];
    let pruned = sandbox.snapback(&everything).expect(0).json();
    let kept = &pruned["data"]["prune"]["kept"];
    let reasons: Vec<&Value> = kept
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["keep"])
        .collect();
    assert_eq!(reasons, ["awaits_confirmation", "newest_of_all"]);
    sandbox.snapback(&["confirm", "-t", "T01"]).expect(0);
}

#[test]
fn only_what_was_shown_is_pruned() {
    let sandbox = sandbox();
    let app = App::open(&sandbox.root(), Options::default()).unwrap();
    let rule = PruneRule {
        older_than: Duration::ZERO,
        keep_last: 2,
    };
    let shown = app.plan_prune(&rule).unwrap();
    back_and_forth(&sandbox, 1);
    let before = records(&sandbox);
    let refused = app
        .prune(&rule, &shown)
        .expect_err("others are the newest now");
    assert_eq!(refused.kind(), Kind::Conflict);
    assert_eq!(records(&sandbox), before);
    let shown = app.plan_prune(&rule).unwrap();
    let pruned = app.prune(&rule, &shown).unwrap().pruned;
    assert_eq!(pruned.len(), shown.pruned.len());
    assert_eq!(records(&sandbox).len(), before.len() - pruned.len());
}

/// Returns the names that rollbacks left.
fn marks(sandbox: &Sandbox) -> Vec<String> {
    let refs = sandbox.git_out(&["for-each-ref", "--format=%(refname)"]);
    let is_mark = |name: &&str| name.contains("-rollback-from-");
    refs.lines().filter(is_mark).map(str::to_string).collect()
}

#[test]
fn a_rollback_is_marked_by_a_tag_a_reference_or_nothing() {
    let sandbox = sandbox();
    let set = |marker: &str| {
        let text = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
        let others = text.lines().filter(|line| !line.starts_with("rollback:"));
        let own = format!("rollback: {{marker: {marker}}}");
        let lines: Vec<&str> = others.chain([own.as_str(), ""]).collect();
        let text = lines.join("\n");
        sandbox.write("snapback.yaml", text.as_bytes());
        sandbox.git(&["commit", "-qam", marker]).expect(0);
    };
    let tag = "refs/tags/T01-v1.0.0-rollback-from-v1.1.0";
    back_and_forth(&sandbox, 1);
    assert_eq!(marks(&sandbox), [tag]);
    set("ref");
    back_and_forth(&sandbox, 2);
    let mark = "refs/snapback/markers/T01-v1.0.0-rollback-from-v1.1.0";
    assert_eq!(
        marks(&sandbox),
        [format!("{mark}+2"), format!("{mark}+3"), tag.to_string()]
    );
    set("none");
    back_and_forth(&sandbox, 1);
    assert_eq!(marks(&sandbox).len(), 3);
    set("tag");
    back_and_forth(&sandbox, 1);
    assert_eq!(marks(&sandbox).last().unwrap(), &format!("{tag}+4"));
    assert_eq!((sandbox.unsound(), sandbox.status()), (vec![], vec![]));
    for argv in [&["audit", "verify"][..], &["doctor"], &["health"]] {
        sandbox.snapback(argv).expect(0);
    }
    set("both");
    let wrong = sandbox
        .snapback(&["rollback", "-t", "T01", "--yes"])
        .expect(2);
    assert!(wrong.stderr.contains("marker"), "{wrong:?}");
}
