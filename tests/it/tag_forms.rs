//! Tags in other forms than `T01-v1.2.0`: `v1.2.0`, `name@1.2.0`, `path/v1.2.0`.

use crate::support::Sandbox;

/// The forms, with the tag of T01 1.0.0.
const FORMS: [(&str, &str); 6] = [
    ("v{version}", "v1.0.0"),
    ("{version}", "1.0.0"),
    ("{task}@{version}", "T01@1.0.0"),
    ("@acme/web@{version}", "@acme/web@1.0.0"),
    ("{path}/v{version}", "tasks/T01/v1.0.0"),
    ("rel/{version}/{task}", "rel/1.0.0/T01"),
];

/// A repository whose task has this form of tags.
fn with_form(form: &str) -> Sandbox {
    let sandbox = Sandbox::new(2);
    let text = format!("version: 1\ntasks:\n  T01: {{tag: \"{form}\"}}\n");
    sandbox.write("snapback.yaml", text.as_bytes());
    sandbox.commit("form");
    sandbox
}

#[test]
fn everything_works_in_every_form() {
    for (form, first) in FORMS {
        let sandbox = with_form(form);
        sandbox.release("T01", "1.0.0");
        sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
        sandbox.release("T01", "1.1.0");
        sandbox.release("T02", "1.0.0");
        let next = first.replace("1.0.0", "1.1.0");
        let tags = sandbox.git_out(&["tag", "--list"]);
        let mut expected = vec!["T02-v1.0.0", first, &next];
        expected.sort_unstable();
        assert_eq!(tags.lines().collect::<Vec<_>>(), expected, "{form}");
        let manifest = sandbox.read("snapshots/snapshot-T01-v1.0.0.yaml");
        let line = format!("git_tag: {first}");
        let manifest = String::from_utf8_lossy(&manifest).replace(['\'', '"'], "");
        assert!(manifest.contains(&line), "{form}: {manifest}");
        sandbox
            .run_line("rollback -t T01 --to 1.0.0 --yes")
            .expect(0);
        let marker = first.replace("1.0.0", "1.0.0-rollback-from-v1.1.0");
        assert_eq!(sandbox.git_out(&["tag", "--list", &marker]), marker);
        for line in [
            "verify-rollback -t T01",
            "verify-snapshot --all --deep",
            "undo --yes",
            "redo --yes",
            "status",
            "health",
            "audit verify",
            "capsule create -t T01 --version 1.1.0 ../t.tar",
            "capsule verify ../t.tar",
        ] {
            sandbox.run_line(line).expect(0);
        }
        // A tag names its version wherever a version is asked for.
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", &next, "--yes"])
            .expect(0);
        sandbox.snapback(&["undo", &next, "--yes"]);
        assert_ne!(sandbox.git_out(&["log", "-1", "--format=%s"]), "");
    }
}

#[test]
fn a_release_in_the_default_form_stays_one() {
    let sandbox = Sandbox::two_releases(1);
    let text = b"version: 1\ntasks:\n  T01: {tag: \"v{version}\"}\n";
    sandbox.write("snapback.yaml", text);
    sandbox.commit("another form");
    sandbox.write("tasks/T01/signal.py", b"VALUE = 3\n");
    sandbox.release("T01", "1.2.0");
    assert_eq!(
        sandbox.git_out(&["tag", "--list"]),
        "T01-v1.0.0\nT01-v1.1.0\nv1.2.0"
    );
    for line in [
        "rollback -t T01 --to 1.0.0 --yes",
        "verify-rollback -t T01",
        "verify-snapshot --all",
        "undo --yes",
        "health",
    ] {
        sandbox.run_line(line).expect(0);
    }
    let ran = sandbox.run_line("list -t T01 --json").expect(0);
    let versions = ran.json().to_string();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        assert!(versions.contains(version), "{versions}");
    }
}

#[test]
fn a_form_that_is_none_is_refused_with_its_key() {
    for (form, why) in [
        ("v1.0", "it does not hold {version}"),
        ("{task}{version}", "nothing is between"),
        ("{version}{task}", "nothing is between"),
        ("a b{version}", "git does not take it"),
    ] {
        let sandbox = Sandbox::new(1);
        let text = format!("version: 1\ntasks:\n  T01: {{tag: \"{form}\"}}\n");
        sandbox.write("snapback.yaml", text.as_bytes());
        let ran = sandbox.run_line("create-snapshot -t T01 --version 1.0.0 -m x --yes");
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.stderr.contains("tasks.T01.tag") && ran.stderr.contains(why),
            "{ran:?}"
        );
    }
    let sandbox = Sandbox::new(2);
    let text = b"version: 1\ndefaults: {tag: \"v{version}\"}\n";
    sandbox.write("snapback.yaml", text);
    let ran = sandbox.run_line("create-snapshot -t T01 --version 1.0.0 -m x --yes");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("would have the same tags"), "{ran:?}");
}

/// Sets the form of T01, and commits it.
fn set_form(sandbox: &Sandbox, form: &str) {
    let text = format!("version: 1\ntasks:\n  T01: {{tag: \"{form}\"}}\n");
    sandbox.write("snapback.yaml", text.as_bytes());
    sandbox.commit("another form");
}

#[test]
fn a_release_in_any_earlier_form_stays_one() {
    let sandbox = with_form("rel/{version}");
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox.release("T01", "1.1.0");
    sandbox.git(&["clone", "-q", ".", "../clone"]).expect(0);
    let clone = Sandbox::beside(&sandbox, "clone");
    for sandbox in [&sandbox, &clone] {
        set_form(sandbox, "v{version}");
        let list = sandbox.run_line("list -t T01").expect(0).stdout;
        assert!(list.contains("1.0.0") && list.contains("* 1.1.0"), "{list}");
        let status = sandbox.run_line("status -t T01").expect(0).stdout;
        assert!(
            !status.contains("the active version is not released"),
            "{status}"
        );
        sandbox.run_line("verify-snapshot -t T01 --all").expect(0);
    }
    for line in [
        "verify-rollback -t T01",
        "health -t T01",
        "rollback -t T01 --to 1.0.0 --yes",
        "undo --yes",
    ] {
        sandbox.run_line(line).expect(0);
    }
    sandbox.write("tasks/T01/signal.py", b"VALUE = 3\n");
    sandbox.release("T01", "1.2.0");
    let tags = sandbox.git_out(&["tag", "--list"]);
    for tag in ["rel/1.0.0", "rel/1.1.0", "v1.2.0"] {
        assert!(tags.lines().any(|line| line == tag), "{tags}");
    }
    // Without any form, too.
    sandbox.write("snapback.yaml", b"version: 1\n");
    sandbox.commit("the default form");
    let list = sandbox.run_line("list -t T01").expect(0).stdout;
    assert!(list.contains("1.0.0") && list.contains("1.2.0"), "{list}");
}

#[test]
fn of_two_tags_of_a_version_the_one_that_was_released_counts() {
    let sandbox = Sandbox::new(1);
    sandbox.git(&["tag", "v1.0.0"]).expect(0);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox.release("T01", "1.1.0");
    set_form(&sandbox, "v{version}");
    let status = sandbox.run_line("status").expect(0);
    assert!(!status.stdout.contains("moved"), "{status:?}");
    assert!(status.stderr.contains("T01-v1.0.0 counts"), "{status:?}");
    for line in [
        "rollback -t T01 --to 1.0.0 --yes",
        "verify-rollback -t T01",
        "verify-snapshot --all",
    ] {
        sandbox.run_line(line).expect(0);
    }
}

#[test]
fn tags_that_git_or_snapback_cannot_tell_are_refused_with_the_settings() {
    let sandbox = Sandbox::new(2);
    for (form, why) in [
        ("T02-v{version}", "could as well be one of T02"),
        (
            "{path}/v{version}",
            "git does not take tasks/my task/v1.0.0",
        ),
    ] {
        sandbox.write("tasks/my task/config.yaml", b"version: 1.0.0\n");
        let text =
            format!("version: 1\ntasks:\n  T01: {{path: \"tasks/my task\", tag: \"{form}\"}}\n");
        sandbox.write("snapback.yaml", text.as_bytes());
        let ran = sandbox
            .run_line("create-snapshot -t T01 -m x --yes")
            .expect(2);
        let line = ran.stderr.contains("line 3, tasks.T01.tag");
        assert!(line && ran.stderr.contains(why), "{ran:?}");
        let health = sandbox.run_line("health").expect(4);
        assert!(health.stdout.contains(why), "{health:?}");
    }
}
