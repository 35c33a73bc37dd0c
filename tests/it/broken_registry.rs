//! A registry that cannot be read or edited prevents no rollback, since all tasks share it.

use std::fs;

use crate::support::Sandbox;

/// Returns broken registries, each with a word of the message about it.
fn broken() -> Vec<(&'static str, Vec<u8>)> {
    let marks = "<<<<<<< HEAD\n{\"tasks\": {\"T01\": {\"version\": \"1.1.0\"}}}\n=======\n{\"tasks\": {}}\n>>>>>>> other\n";
    vec![
        ("marks of a conflict", marks.into()),
        ("cut short", b"{\"tasks\": {\"T01\": {\"ver".to_vec()),
        (
            "a key twice",
            b"{\"tasks\": {\"T01\": {\"version\": \"1.1.0\"}, \"T01\": {\"version\": \"1.0.0\"}}}"
                .to_vec(),
        ),
        ("no JSON", b"version: 1\n".to_vec()),
        ("nothing", b"".to_vec()),
        ("no text", b"\xff\xfe{}".to_vec()),
        ("a number", b"7".to_vec()),
        (
            "no version",
            b"{\"tasks\": {\"T01\": {\"version\": [1]}}}".to_vec(),
        ),
        ("too large", vec![b' '; (16 << 20) + 1]),
        ("deep", [vec![b'['; 5000], vec![b']'; 5000]].concat()),
    ]
}

/// Rolls back, undoes, and redoes, checking everything on the way.
#[track_caller]
fn go(sandbox: &Sandbox, kind: &str, untouched: &dyn Fn(&Sandbox)) {
    let went = sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.0.0", "-m", "why", "--yes",
        ])
        .expect(0);
    assert!(
        (went.stdout + &went.stderr).contains("task_registry.json"),
        "{kind}: what is not set is named"
    );
    assert_ne!(
        sandbox.read("tasks/T01/signal.py"),
        b"VALUE = 2\n",
        "{kind}"
    );
    untouched(sandbox);
    assert_eq!(sandbox.config_version("T01").as_deref(), Some("1.0.0"));
    for reading in [
        &["status"][..],
        &["list", "-t", "T01"],
        &["history", "-t", "T01"],
        &["show", "-t", "T01", "1.0.0"],
        &["verify-snapshot", "-t", "T01", "--version", "1.0.0"],
        &["drill", "-t", "T01", "--to", "1.0.0", "--yes"],
        &["diff", "-t", "T01", "1.0.0..1.1.0"],
        &["op", "list"],
    ] {
        let ran = sandbox.snapback(reading);
        assert!(
            ran.code == 0 || (ran.code == 4 && reading[0] == "status"),
            "{kind}: {reading:?}: {ran:?}"
        );
    }
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        (
            sandbox.read("tasks/T01/signal.py"),
            sandbox.config_version("T01").as_deref()
        ),
        (b"VALUE = 2\n".to_vec(), Some("1.1.0"))
    );
    untouched(sandbox);
    sandbox.snapback(&["redo", "--yes"]).expect(0);
    assert_eq!(
        sandbox.config_version("T01").as_deref(),
        Some("1.0.0"),
        "{kind}"
    );
    untouched(sandbox);
    sandbox
        .snapback(&["dr", "-t", "T01", "--target-version", "1.1.0"])
        .expect(0);
    assert_eq!(
        sandbox.read("tasks/T01/signal.py"),
        b"VALUE = 2\n",
        "{kind}"
    );
    untouched(sandbox);
    assert_eq!(sandbox.unsound(), Vec::<String>::new(), "{kind}");
}

#[test]
fn a_task_goes_back_beside_any_registry_and_that_keeps_every_byte() {
    let template = Sandbox::two_releases(2);
    for (kind, bytes) in broken() {
        for committed in [true, false] {
            let sandbox = template.copy();
            sandbox.write("task_registry.json", &bytes);
            if committed {
                sandbox
                    .git(&["commit", "-q", "-am", "a merge gone wrong"])
                    .expect(0);
            }
            go(&sandbox, kind, &|sandbox| {
                assert!(
                    sandbox.read("task_registry.json") == bytes,
                    "{kind}: every byte stays"
                );
            });
        }
    }
}

#[test]
fn a_registry_that_is_no_file_stays_what_it_is() {
    let template = Sandbox::two_releases(2);
    for kind in ["a folder", "a link"] {
        let sandbox = template.copy();
        let place = sandbox.at("task_registry.json");
        fs::remove_file(&place).unwrap();
        match kind {
            "a folder" => fs::create_dir(&place).unwrap(),
            _ => std::os::unix::fs::symlink("elsewhere.json", &place).unwrap(),
        }
        let is = |sandbox: &Sandbox| {
            fs::symlink_metadata(sandbox.at("task_registry.json"))
                .unwrap()
                .file_type()
        };
        let before = is(&sandbox);
        go(&sandbox, kind, &|sandbox| {
            assert_eq!(is(sandbox), before, "{kind}");
        });
    }
}

#[test]
fn a_place_whose_registry_can_be_edited_gets_the_entry() {
    let sandbox = Sandbox::two_releases(2);
    sandbox.write("task_registry.json", b"<<<<<<< ours\n");
    sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.0.0", "-m", "why", "--yes",
        ])
        .expect(0);
    assert_eq!(sandbox.read("task_registry.json"), b"<<<<<<< ours\n");
    assert!(
        sandbox
            .git_out(&["show", "HEAD:task_registry.json"])
            .contains("\"version\": \"1.0.0\""),
        "HEAD's was whole"
    );
    let committed = sandbox.git_out(&["rev-parse", "HEAD~1:task_registry.json"]);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        sandbox.git_out(&["rev-parse", "HEAD:task_registry.json"]),
        committed,
        "and goes back byte for byte"
    );
}

#[test]
fn an_undo_sets_the_entry_that_could_not_be_set_before() {
    let sandbox = Sandbox::two_releases(2);
    let whole = sandbox.read("task_registry.json");
    sandbox.write("task_registry.json", b"<<<<<<< ours\n");
    sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.0.0", "-m", "why", "--yes",
        ])
        .expect(0);
    sandbox.write("task_registry.json", &whole);
    sandbox
        .snapback(&["registry", "sync", "--from", "config", "-t", "T01", "--yes"])
        .expect(0);
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.0.0"));
    let rolled_back = sandbox.snapback(&["op", "list", "--json"]).expect(0).json();
    let ops = rolled_back.to_string();
    assert!(ops.contains("rollback"), "{ops}");
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.config_version("T01").as_deref(), Some("1.1.0"));
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.1.0"));
}

#[test]
fn what_cannot_be_told_must_be_said() {
    let sandbox = Sandbox::two_releases(2);
    sandbox.write("task_registry.json", b"<<<<<<< ours\n");
    sandbox.write(
        "tasks/T01/config.yaml",
        b"<<<<<<< ours\nversion: 1.1.0\n=======\n",
    );
    for words in [
        &["rollback", "-t", "T01", "--yes"][..],
        &["rollback", "-t", "T01", "--to", "previous", "--yes"],
    ] {
        let refused = sandbox.snapback(words).expect(6);
        assert!(
            refused.stderr.contains("line 1") && refused.stderr.contains("must be named"),
            "{}",
            refused.stderr
        );
    }
    sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.0.0", "-m", "why", "--yes",
        ])
        .expect(0);
    assert_eq!(sandbox.config_version("T01").as_deref(), Some("1.0.0"));
    let health = sandbox.snapback(&["health"]);
    assert_eq!(health.code, 4, "{health:?}");
    assert!(health.stdout.contains("registry"), "{}", health.stdout);
}

#[test]
fn taking_a_mended_registry_back_says_nothing_of_versions() {
    let sandbox = Sandbox::two_releases(2);
    let (_, marks) = broken().remove(0);
    sandbox.write("task_registry.json", &marks);
    sandbox
        .snapback(&["registry", "sync", "--from", "config", "--yes"])
        .expect(0);
    let undone = sandbox.snapback(&["undo", "--yes"]);
    assert!(
        undone.stdout.contains("T01 is as it was before.") && !undone.stdout.contains("no version"),
        "{undone:?}"
    );
    assert_eq!(sandbox.read("task_registry.json"), marks);
    let again = sandbox.snapback(&["redo", "--yes"]);
    assert!(
        again.stdout.contains("T01: done again.") && !again.stdout.contains("no version"),
        "{again:?}"
    );
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.1.0"));
}
