//! A differing copy of a manifest in the branch or in the work tree: it is not authoritative. It is
//! reported, with a way out, and no intact release is called damaged or locked because of it.

use crate::{
    it::clones::{clone, released},
    support::Sandbox,
};

/// Returns the verdicts on versions of T01.
fn verdicts(sandbox: &Sandbox) -> String {
    sandbox.snapback(&["verdicts", "list", "-t", "T01"]).stdout
}

#[test]
fn line_ends_of_the_work_tree_lock_nothing() {
    let a = released();
    let b = clone(&a, &["-c", "core.autocrlf=true"]);
    b.git(&["config", "core.autocrlf", "false"]).expect(0);
    assert!(
        b.read("snapshots/snapshot-T01-v1.0.0.yaml")
            .windows(2)
            .any(|two| two == b"\r\n")
    );
    for args in [
        &["verify-snapshot", "--all"][..],
        &["drill", "-t", "T01", "--to", "1.0.0"],
        &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"],
        &["undo", "--yes"],
    ] {
        let ran = b.snapback(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    }
    let said = b
        .snapback(&[
            "verify-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "--verbose",
        ])
        .expect(0);
    assert!(
        said.stdout.contains("differs by its line ends alone"),
        "{said:?}"
    );
    assert!(
        !verdicts(&b).contains("damaged") && !verdicts(&b).contains("failed"),
        "{}",
        verdicts(&b)
    );
}

/// Releases 1.2.0 in two clones with different files, and returns a third clone: its tag is that of
/// `ra`, and its branch `rb` has the manifest of the other one.
fn race() -> Sandbox {
    let a = released();
    let b = clone(&a, &[]);
    for (sandbox, branch, text) in [(&a, "ra", "a\n"), (&b, "rb", "b\n")] {
        sandbox.git(&["checkout", "-q", "-b", branch]).expect(0);
        sandbox.write("tasks/T01/signal.py", text.as_bytes());
        sandbox.release("T01", "1.2.0");
        sandbox.git(&["push", "-q", "origin", branch]).expect(0);
    }
    a.git(&["push", "-q", "origin", "T01-v1.2.0"]).expect(0);
    let url = format!("file://{}", a.top().join("up.git").display());
    a.git(&["clone", "-q", &url, "../third"]).expect(0);
    let c = Sandbox::beside(&a, "third");
    c.git(&["checkout", "-q", "rb"]).expect(0);
    c
}

#[test]
fn another_release_of_a_number_that_is_taken_is_a_conflict_of_the_branch() {
    let c = race();
    let checked = c
        .snapback(&[
            "verify-snapshot",
            "-t",
            "T01",
            "--version",
            "1.2.0",
            "--json",
        ])
        .expect(7)
        .json();
    let said = checked.to_string();
    assert!(
        said.contains("is of another release") && !said.contains("was changed"),
        "{said}"
    );
    let list = c.snapback(&["list", "-t", "T01"]).expect(0);
    assert!(
        !list.stdout.contains("failed") && !list.stdout.contains("damaged"),
        "{list:?}"
    );
    assert!(!verdicts(&c).contains("damaged"), "{}", verdicts(&c));
    let health = c.snapback(&["health", "-t", "T01"]).stdout;
    assert!(
        health.contains("is of another release") && !health.contains("cannot be restored"),
        "{health}"
    );
    // The release that the tag names is restored.
    let went = c
        .snapback(&["rollback", "-t", "T01", "--to", "1.2.0", "--yes"])
        .expect(0);
    assert!(went.stderr.contains("is of another release"), "{went:?}");
    assert_eq!(c.read("tasks/T01/signal.py"), b"a\n");
    c.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(c.read("tasks/T01/signal.py"), b"b\n");
    // The way out.
    let hints: Vec<Vec<String>> = serde_json::from_value(
        checked["next"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hint| hint["argv"].clone())
            .collect::<Vec<_>>()
            .into(),
    )
    .unwrap();
    let git: Vec<&str> = hints[0].iter().skip(1).map(String::as_str).collect();
    c.git(&git).expect(0);
    c.git(&["commit", "-qam", "the manifest of the tag"])
        .expect(0);
    c.snapback(&["verify-snapshot", "-t", "T01", "--version", "1.2.0"])
        .expect(0);
    let release: Vec<&str> = hints[1]
        .iter()
        .skip(1)
        .map(String::as_str)
        .chain(["--yes"])
        .collect();
    let made = c.snapback(&release).expect(0);
    assert!(format!("{made:?}").contains("1.2.1"), "{made:?}");
    c.snapback(&["verify-snapshot", "-t", "T01", "--all"])
        .expect(0);
}

#[test]
fn an_edit_that_was_committed_is_noticed_and_the_manifest_of_the_tag_is_taken() {
    let sandbox = Sandbox::two_releases(1);
    let path = "snapshots/snapshot-T01-v1.1.0.yaml";
    let text = String::from_utf8(sandbox.read(path)).unwrap();
    sandbox.write(path, text.replacen("size: ", "size: 1", 1).as_bytes());
    sandbox.git(&["commit", "-qam", "edited"]).expect(0);
    // No branch and no tag has the manifest of the newest release any more; history has.
    let checked = sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.1.0"])
        .expect(4);
    assert!(
        checked.stdout.contains("was changed: its tag names"),
        "{checked:?}"
    );
    assert!(
        !verdicts(&sandbox).contains("damaged"),
        "{}",
        verdicts(&sandbox)
    );
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let back = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    assert!(
        back.stderr.contains("what its tag names is taken"),
        "{back:?}"
    );
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.1.0"));
}
