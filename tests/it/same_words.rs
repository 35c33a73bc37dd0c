//! One word means one thing in every command, and no advice is a dead end.

use crate::{
    it::clones::{clone, released},
    support::Sandbox,
};

/// Returns the first command that an answer advises, without the program's name.
fn advised(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let answer = sandbox.snapback(&[args, &["--json"]].concat()).json();
    let words = answer["next"][0]["argv"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    words
        .iter()
        .map(|word| word.as_str().unwrap().to_string())
        .collect()
}

#[test]
fn a_task_without_a_release_is_released_by_the_command_that_status_advises() {
    let sandbox = Sandbox::new(1);
    let next = advised(&sandbox, &["status"]);
    assert_eq!(next, ["snapback", "create-snapshot", "-t", "T01"]);
    let health = sandbox.snapback(&["health"]).expect(4);
    assert!(
        health.stdout.contains("never released")
            && health.stdout.contains("snapback create-snapshot -t T01"),
        "{health:?}"
    );
    assert!(
        !health.stdout.contains("one release") && !health.stdout.contains("registry sync"),
        "{health:?}"
    );
    let argv: Vec<&str> = next
        .iter()
        .skip(1)
        .map(String::as_str)
        .chain(["-m", "first", "--yes"])
        .collect();
    sandbox.snapback(&argv).expect(0);
    assert_eq!(advised(&sandbox, &["status"]), Vec::<String>::new());
    sandbox.snapback(&["health"]).expect(0);
}

#[test]
fn versions_that_disagree_are_mended_before_they_are_released() {
    let sandbox = Sandbox::new(1);
    let config = String::from_utf8(sandbox.read("tasks/T01/config.yaml")).unwrap();
    sandbox.write(
        "tasks/T01/config.yaml",
        config.replace("1.0.0", "1.2.0").as_bytes(),
    );
    assert_eq!(
        advised(&sandbox, &["status"]),
        ["snapback", "registry", "sync"]
    );
}

#[test]
fn a_release_whose_tag_is_elsewhere_is_fetched() {
    let b = clone(&released(), &["--no-tags"]);
    assert_eq!(
        advised(&b, &["status", "-t", "T01"]),
        ["git", "fetch", "--tags"]
    );
    let health = b.snapback(&["health", "-t", "T01"]).expect(4);
    assert!(
        health.stdout.contains("git fetch --tags") && !health.stdout.contains("registry sync"),
        "{health:?}"
    );
}

#[test]
fn after_a_verified_way_back_no_command_calls_the_version_unproven() {
    let a = released();
    a.write("tasks/T01/signal.py", b"three\n");
    a.release("T01", "1.2.0");
    a.git(&["push", "-q", "--follow-tags"]).expect(0);
    for back in [
        &["rollback", "-t", "T01", "--to", "1.1.0", "--yes"][..],
        &["dr", "-t", "T01", "--to", "1.1.0", "--yes"],
    ] {
        let b = clone(&a, &[]);
        b.snapback(back).expect(0);
        let health = b.snapback(&["health", "-t", "T01"]).expect(0);
        for untrue in ["never verified", "1.1.0 was never", "no way back"] {
            assert!(!health.stdout.contains(untrue), "{back:?}: {health:?}");
        }
        assert!(
            health
                .stdout
                .contains("1.0.0 is the newest older version of T01; it was never proven here"),
            "{health:?}"
        );
        let standing =
            |answer: serde_json::Value, at: &str| answer.pointer(at).unwrap()["proven"].as_bool();
        assert_eq!(
            standing(
                b.snapback(&["status", "-t", "T01", "--json"]).json(),
                "/data/tasks/0/standing"
            ),
            Some(true)
        );
        let list = b.snapback(&["list", "-t", "T01"]).stdout;
        assert!(
            list.lines()
                .any(|line| line.starts_with("* 1.1.0") && line.contains(" proven ")),
            "{list}"
        );
        std::fs::remove_dir_all(b.root()).unwrap();
    }
}

#[test]
fn a_check_that_read_no_bytes_says_so() {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    let said = sandbox
        .snapback(&["verify-snapshot", "-t", "T01"])
        .expect(0)
        .stdout;
    assert!(
        said.contains("T01 1.0.0 is verified (files present, bytes not read; --deep reads them)."),
        "{said}"
    );
    let deep = sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--deep"])
        .expect(0)
        .stdout;
    assert!(deep.contains("T01 1.0.0 is verified."), "{deep}");
}

#[test]
fn a_time_is_local_and_says_its_offset_and_in_json_it_is_utc() {
    let mut sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"other\n");
    sandbox.release("T01", "1.1.0");
    sandbox
        .variables
        .push(("TZ".into(), "Asia/Shanghai".into()));
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let undo = ["undo", "--dry-run"];
    for looks in [
        &["list", "-t", "T01"][..],
        &["history"],
        &["op", "list"],
        &["show", "-t", "T01", "1.0.0"],
        &["audit", "list"],
        &undo,
    ] {
        let said = sandbox.snapback(looks).expect(0);
        let said = said.stdout + &said.stderr;
        assert!(
            said.contains(" +08:00") && !said.contains("UTC"),
            "{looks:?}: {said}"
        );
    }
    let plan = sandbox.snapback(&["redo", "--dry-run"]);
    assert!(!(plan.stdout + &plan.stderr).contains("UTC"));
    let at = sandbox
        .snapback(&["list", "-t", "T01", "--json"])
        .json()
        .to_string();
    assert!(at.contains("Z\"") && !at.contains("+08:00"), "{at}");
}
