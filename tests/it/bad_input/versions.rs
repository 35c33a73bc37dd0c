//! Tasks, versions, tags and branches that are not what was typed or expected.

use super::{SNAP, refused, released};

#[test]
fn a_task_that_does_not_exist() {
    let sandbox = released();
    refused(
        &sandbox,
        5,
        &["rollback", "-t", "T03", "--to", "1.0.0", "--yes"],
        &["there is no task \"T03\"", "did you mean", "T01"],
    );
    refused(
        &sandbox,
        5,
        &["create-snapshot", "-t", "momentum", "--yes"],
        &["momentum", "snapback status"],
    );
    for command in [
        "list",
        "show",
        "diff",
        "verify-rollback",
        "verify-snapshot",
        "history",
        "status",
    ] {
        refused(
            &sandbox,
            5,
            &[command, "-t", "T0l"],
            &["T0l", "did you mean"],
        );
    }
    refused(&sandbox, 5, &["list", "-t", "../T01"], &["../T01"]);
    refused(&sandbox, 5, &["list", "-t", ""], &["there is no task"]);
}

#[test]
fn a_version_that_does_not_exist() {
    let sandbox = released();
    for (line, words) in [
        (
            "rollback -t T01 --to 1.1.1 --yes",
            &[
                "T01 has no version 1.1.1",
                "did you mean 1.1.0",
                "snapback list",
            ][..],
        ),
        (
            "rollback -t T01 --to yesterday --yes",
            &["yesterday", "snapback list"],
        ),
        (
            "rollback -t T02 --to 1.0.0 --yes",
            &["T02 has no version 1.0.0", "create-snapshot"],
        ),
        ("diff -t T01 1.0.0..9.9.9", &["9.9.9"]),
        ("preview -t T01 9.9.9 --cat x", &["9.9.9"]),
        ("mark bad 9.9.9 -t T01", &["9.9.9"]),
        ("rollback -t T01 --to @2h --yes", &["@2h"]),
        ("op show ffffffff", &["ffffffff", "snapback op list"]),
        ("op resume", &["no operation is unfinished"]),
        (
            "preview -t T01 1.0.0 --cat tasks/T01/nothing.py",
            &["nothing.py", "snapback show"],
        ),
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        refused(&sandbox, 5, &args, words);
    }
}

#[test]
fn a_stale_from() {
    let sandbox = released();
    let stale = &[
        "rollback", "-t", "T01", "--from", "1.0.0", "--to", "1.0.0", "--yes",
    ];
    refused(&sandbox, 7, stale, &["1.1.0", "1.0.0"]);
}

#[test]
fn wrong_usage() {
    let sandbox = released();
    refused(
        &sandbox,
        2,
        &["rollback", "--to", "1.0.0", "--yes"],
        &["which task", "--task"],
    );
    refused(
        &sandbox,
        2,
        &["create-snapshot", "-t", "T01", "--version", "one", "--yes"],
        &["one"],
    );
}

#[test]
fn no_terminal_to_ask_on() {
    let sandbox = released();
    refused(
        &sandbox,
        6,
        &["rollback", "-t", "T01", "--to", "1.0.0"],
        &["--yes"],
    );
    refused(&sandbox, 6, &["undo"], &["snapback undo T01-v1.1.0"]);
    super::rolls_back(&sandbox);
    refused(&sandbox, 6, &["undo"], &["snapback --yes undo"]);
}

#[test]
fn a_tag_that_exists_elsewhere() {
    let sandbox = released();
    sandbox
        .git(&["tag", "-a", "-m", "by hand", "T01-v1.2.0", "HEAD~2"])
        .expect(0);
    sandbox.write("tasks/T01/signal.py", b"changed\n");
    refused(&sandbox, 7, SNAP, &["T01-v1.2.0"]);
    let again = &[
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.0.0",
        "--yes",
    ];
    refused(&sandbox, 7, again, &["T01-v1.0.0"]);
}

#[test]
fn a_branch_with_the_name_of_the_tag() {
    let sandbox = released();
    sandbox.git(&["branch", "T01-v1.2.0", "HEAD~2"]).expect(0);
    sandbox.git(&["branch", "T01-v1.0.0", "HEAD"]).expect(0);
    sandbox.write("tasks/T01/signal.py", b"changed\n");
    refused(
        &sandbox,
        7,
        SNAP,
        &["a branch is called T01-v1.2.0", "git branch -m T01-v1.2.0"],
    );
    sandbox
        .git(&["branch", "-m", "T01-v1.2.0", "T01-v1.2.0-work"])
        .expect(0);
    sandbox.snapback(SNAP).expect(0);
    super::rolls_back(&sandbox);
}

#[test]
fn a_marker_tag_that_exists_already() {
    let sandbox = released();
    sandbox
        .git(&["tag", "T01-v1.0.0-rollback-from-v1.1.0", "HEAD~1"])
        .expect(0);
    super::rolls_back(&sandbox);
}

#[test]
fn a_reference_in_the_way() {
    let sandbox = released();
    sandbox
        .git(&["update-ref", "refs/tags/T01-v1.2.0/x", "HEAD"])
        .expect(0);
    sandbox.write("tasks/T01/signal.py", b"changed\n");
    refused(&sandbox, 7, SNAP, &["refs/tags/T01-v1.2.0"]);
}
