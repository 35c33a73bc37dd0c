//! Settings with mistakes: a task can still be rolled back, unless the mistake may change what its
//! rollback does.

use crate::support::{Sandbox, servers::Http};

/// Creates T01 at 1.1.0, with 1.0.0 to roll back to, and T02 at 1.0.0.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.release("T02", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"other\n");
    sandbox.release("T01", "1.1.0");
    sandbox
}

/// Mistakes outside the settings that a rollback of T01 uses, with a word that must be named.
const ELSEWHERE: &[(&str, &str, usize)] = &[
    ("telemetry: {every: 5s}\n", "telemetry", 1),
    ("tasks:\n  T02: {exclude: {a: 1}}\n", "T02", 2),
    ("tasks:\n  T02: {protekt: [x]}\n", "protekt", 2),
    (
        "tasks:\n  T02: {from_a_later_version: [x]}\n",
        "from_a_later_version",
        2,
    ),
    ("tasks:\n  T02: {exclude: ['[']}\n", "T02.exclude", 2),
    (
        "tasks:\n  T02: {verify: [{run: x, timeout: never}]}\n",
        "never",
        2,
    ),
    ("tasks:\n  T02: {path: ../out}\n", "T02.path", 2),
    ("tasks:\n  T02: 7\n", "T02", 2),
    (
        "tasks:\n  T02: [a]\n  T01: {protect: [positions.json]}\n",
        "T02",
        2,
    ),
    (
        "tasks:\n  T02: {path: a}\n  T03: {path: a/b}\n",
        "both own",
        3,
    ),
    ("tasks:\n  'a b': {protect: [x]}\n", "a b", 2),
    (
        "tasks:\n  T01: {path: tasks/T01}\n  discover: 5\n",
        "discover",
        3,
    ),
    (
        "tasks:\n  T01: {path: tasks/T01}\n  discover: [{glob: '**/x'}]\n",
        "**",
        3,
    ),
    ("alerts: {channels: {ops: {fax: 1}}}\n", "fax", 1),
    (
        "tasks:\n  m: {path: elsewhere, protekt: [x]}\n",
        "protekt",
        2,
    ),
    ("alerts: {link: nowhere}\n", "alerts.link", 1),
    ("hooks: {strict: perhaps}\n", "strict", 1),
    ("releases: {sgin: true}\n", "sgin", 1),
];

/// Mistakes that may change the rollback, and the message about each.
const OWN: &[(&str, &str)] = &[
    ("tasks:\n  T01: {exclude: {a: 1}}\n", "line 2"),
    ("tasks:\n  T01: {protekt: [x]}\n", "did you mean `protect`?"),
    ("tasks:\n  T01: {from_a_later_version: [x]}\n", "line 2"),
    (
        "tasks:\n  T01: {protect: ['[']}\n",
        "line 2, tasks.T01.protect",
    ),
    ("defaults: {protekt: [x]}\n", "did you mean `protect`?"),
    ("defaults:\n  protect: ['[']\n", "line 2, defaults.protect"),
    ("defaults: 5\n", "line 1"),
    ("rollback: {on_verify_fail: perhaps}\n", "perhaps"),
    ("rollback: {later: 1}\n", "later"),
    (
        "protected: [positions.json]\n",
        "did you mean `defaults.protect`?",
    ),
    ("deny: [positions.json]\n", "at line 1"),
    ("defalts: {protect: [x]}\n", "did you mean `defaults`?"),
    ("later: {inner: [{protected: x}]}\n", "later"),
    ("version: 2\n", "the format 2"),
    ("snapshots: ../x\n", "snapshots"),
    ("tasks: [T01]\n", "line 1"),
    ("tasks:\n  discover: 5\n", "discover"),
    (
        "tasks:\n  discovr: [{glob: 'x/*'}]\n",
        "did you mean `discover`?",
    ),
    ("tasks:\n  'T01 ': {protect: [x]}\n", "T01"),
    ("tasks:\n  T01: {path: a}\n  T03: {path: a/b}\n", "both own"),
    (
        "tasks:\n  a b: {path: tasks/T01, protect: [x]}\n",
        "both own",
    ),
    ("tasks:\n  m: {path: tasks/T01, protekt: [x]}\n", "both own"),
    ("tasks:\n  m: {path: tasks, protekt: [x]}\n", "both own"),
    ("tasks: {<<: {T01: {protect: [x]}}}\n", "<<"),
    ("tasks: {T01: {}, T01: {}}\n", "duplicate"),
    ("tasks: {T01: {protect: [x]\n", "line"),
    (
        "tasks:\n  T01: {config: /all.yaml}\n  T02: 7\n",
        "all.yaml is a file of T02 too cannot be told",
    ),
];

/// Rolls back and undoes, checking everything on the way.
#[track_caller]
fn go(sandbox: &Sandbox, text: &str, word: &str, line: usize) {
    let went = sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.0.0", "-m", "why", "--yes",
        ])
        .expect(0);
    assert!(
        went.stderr.contains(word) && went.stderr.contains(&format!("line {line}")),
        "{text}: named, with the line: {}",
        went.stderr
    );
    assert_ne!(sandbox.read("tasks/T01/signal.py"), b"other\n", "{text}");
    for reading in [
        &["status"][..],
        &["status", "-t", "T01"],
        &["list", "-t", "T01"],
        &["list"],
        &["show", "-t", "T01", "1.0.0"],
        &["verify-snapshot", "-t", "T01", "--version", "1.0.0"],
        &["verify-rollback", "-t", "T01"],
        &["diff", "-t", "T01", "1.0.0..1.1.0"],
        &["op", "list"],
    ] {
        let ran = sandbox.snapback(reading);
        assert_eq!(ran.code, 0, "{text}: {reading:?}: {ran:?}");
        assert!(
            ran.stderr.contains(word),
            "{text}: {reading:?}: {}",
            ran.stderr
        );
    }
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    sandbox
        .snapback(&["dr", "-t", "T01", "--target-version", "1.0.0"])
        .expect(0);
    assert_eq!(
        sandbox.config_version("T01").as_deref(),
        Some("1.0.0"),
        "{text}"
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.read("tasks/T01/signal.py"), b"other\n", "{text}");
}

#[test]
fn a_task_goes_back_beside_a_mistake_that_is_not_its_own() {
    let template = sandbox();
    for (text, word, line) in ELSEWHERE {
        let sandbox = template.copy();
        sandbox.write("snapback.yaml", text.as_bytes());
        go(&sandbox, text, word, *line);
        // A release is no emergency.
        sandbox.write("tasks/T01/signal.py", b"third\n");
        let before = sandbox.tree();
        let released = sandbox
            .snapback(&[
                "create-snapshot",
                "-t",
                "T01",
                "--version",
                "1.2.0",
                "-m",
                "x",
                "--yes",
            ])
            .expect(2);
        assert!(
            released.stderr.contains(word),
            "{text}: {}",
            released.stderr
        );
        assert_eq!(sandbox.tree(), before);
        let health = sandbox.snapback(&["health"]);
        assert!(
            health.code != 0 && health.stdout.contains(word),
            "{text}: {health:?}"
        );
        let doctor = sandbox.snapback(&["doctor"]).expect(8);
        assert!(doctor.stdout.contains(word), "{text}: {}", doctor.stdout);
        assert_eq!(sandbox.unsound(), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_mistake_that_may_change_its_way_back_is_refused_with_its_place() {
    let template = sandbox();
    for (text, word) in OWN {
        let sandbox = template.copy();
        sandbox
            .snapback(&[
                "rollback", "-t", "T01", "--to", "1.0.0", "-m", "why", "--yes",
            ])
            .expect(0);
        sandbox.write("snapback.yaml", text.as_bytes());
        let before = sandbox.tree();
        for words in [
            &[
                "rollback", "-t", "T01", "--to", "1.1.0", "-m", "why", "--yes",
            ][..],
            &["dr", "-t", "T01", "--target-version", "1.1.0"],
            &["undo", "--yes"],
        ] {
            let refused = sandbox.snapback(words).expect(2);
            assert!(
                refused.stderr.contains(word),
                "{text}: {words:?}: {}",
                refused.stderr
            );
        }
        assert_eq!(sandbox.tree(), before, "{text}");
    }
}

#[test]
fn the_task_whose_entry_is_wrong_is_named_and_stays_as_it_is() {
    let sandbox = sandbox();
    sandbox.write("snapback.yaml", b"tasks:\n  T02:\n    protect: {a: 1}\n");
    let status = sandbox.snapback(&["status", "--json"]).expect(0).json();
    let lines = status["data"]["tasks"].as_array().unwrap();
    assert_eq!(
        (lines[0]["task"].as_str(), lines[0]["active"].as_str()),
        (Some("T02"), Some("1.0.0")),
        "worst first: {status}"
    );
    assert!(
        lines[0]["trouble"]
            .as_str()
            .is_some_and(|trouble| trouble.contains("line 3")),
        "{status}"
    );
    let before = sandbox.tree();
    for words in [
        &["rollback", "-t", "T02", "--to", "1.0.0", "--yes"][..],
        &["status", "-t", "T02"],
        &["drill", "-t", "T02", "--to", "1.0.0", "--yes"],
    ] {
        let refused = sandbox.snapback(words).expect(2);
        assert!(
            refused.stderr.contains("line 3"),
            "{words:?}: {}",
            refused.stderr
        );
    }
    // A single remaining task is not assumed to be the one meant.
    let asked = sandbox
        .snapback(&["rollback", "--to", "1.0.0", "-m", "why", "--yes"])
        .expect(2);
    assert!(asked.stderr.contains("which task"), "{}", asked.stderr);
    let verified = sandbox.snapback(&["verify-snapshot", "--all"]).expect(8);
    assert!(
        verified.stdout.contains("not verified") && verified.stdout.contains("T02"),
        "{}",
        verified.stdout
    );
    let health = sandbox.snapback(&["health"]).expect(4);
    assert!(
        health.stdout.contains("no way back of T02"),
        "{}",
        health.stdout
    );
    let of_one = sandbox.snapback(&["health", "-t", "T01"]);
    assert!(!of_one.stdout.contains("T02"), "{}", of_one.stdout);
    assert_eq!(sandbox.tree(), before);
}

#[test]
fn a_file_that_is_no_yaml_leads_back_to_the_one_that_was_committed() {
    let sandbox = sandbox();
    sandbox.write(
        "snapback.yaml",
        b"tasks:\n  T01: {protect: [positions.json]}\n",
    );
    sandbox.git(&["add", "snapback.yaml"]).expect(0);
    sandbox.git(&["commit", "-q", "-m", "settings"]).expect(0);
    let marks = b"tasks:\n<<<<<<< HEAD\n  T01: {protect: [positions.json]}\n=======\n  T01: {}\n>>>>>>> other\n";
    sandbox.write("snapback.yaml", marks);
    let refused = sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.0.0", "-m", "why", "--yes",
        ])
        .expect(2);
    for word in [
        "line 2",
        "merge",
        "git restore --source=HEAD -- :/snapback.yaml",
        "--config committed.yaml",
    ] {
        assert!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    std::fs::write(
        sandbox.top().join("committed.yaml"),
        sandbox.git_out(&["show", "HEAD:snapback.yaml"]),
    )
    .unwrap();
    let committed = sandbox.top().join("committed.yaml");
    let words = [
        "--config",
        committed.to_str().unwrap(),
        "rollback",
        "-t",
        "T01",
        "--to",
        "1.0.0",
        "-m",
        "why",
        "--yes",
    ];
    sandbox.snapback(&words).expect(0);
    assert_eq!(sandbox.read("snapback.yaml"), marks);
    sandbox
        .git(&["commit", "-q", "-am", "a merge gone wrong"])
        .expect(0);
    let refused = sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.1.0", "-m", "why", "--yes",
        ])
        .expect(2);
    assert!(
        refused.stderr.contains("git log -p -- :/snapback.yaml")
            && !refused.stderr.contains("restore"),
        "{}",
        refused.stderr
    );
}

#[test]
fn what_is_said_of_all_tasks_is_not_said_of_one_whose_entry_is_wrong() {
    let sandbox = sandbox();
    let rules = "    guard: [{name: r, fail: '> 0.5', pass: '<= 0.5', run: 'echo 0'}]\n";
    sandbox.write(
        "snapback.yaml",
        format!("tasks:\n  T01:\n{rules}  T02: 7\n").as_bytes(),
    );
    sandbox.snapback(&["trust", "--yes"]);
    for (words, said) in [
        (&["drill"][..], "not rehearsed"),
        (&["registry", "sync"], "not compared"),
        (&["verify-snapshot", "--all"], "not verified"),
        (&["guard", "run", "--once"], "not watched"),
        (&["guard", "check"], "not watched"),
    ] {
        let ran = sandbox.snapback(words).expect(8);
        assert!(
            ran.stdout.contains(&format!(
                "{said}, because their settings cannot be used: T02"
            )),
            "{words:?}: {ran:?}"
        );
    }
    for words in [
        &["adopt", "--all", "--dry-run"][..],
        &["registry", "sync", "--from", "config", "--dry-run"],
    ] {
        sandbox.write("tasks/T01/config.yaml", b"version: 1.0.0\n");
        assert!(
            sandbox.snapback(words).expect(2).stderr.contains("T02"),
            "{words:?}"
        );
    }
    // If the only task with rules is the one whose entry is wrong, its mistake is reported.
    sandbox.write(
        "snapback.yaml",
        b"tasks:\n  T01: {protekt: [x], guard: [{name: r, fail: '> 0.5', run: 'echo 0'}]}\n",
    );
    assert!(
        sandbox
            .snapback(&["guard", "run", "--once"])
            .expect(2)
            .stderr
            .contains("protekt")
    );
}

#[test]
fn strict_hooks_refuse_while_an_entry_is_wrong() {
    let sandbox = sandbox();
    sandbox.write("snapback.yaml", b"tasks:\n  T01: 7\n");
    assert_eq!(sandbox.snapback(&["hooks", "run", "pre-commit"]).code, 0);
    let refused = sandbox.snapback(&["hooks", "run", "--strict", "pre-commit"]);
    assert!(
        refused.code == 6 && refused.stderr.contains("T01"),
        "{refused:?}"
    );
}

#[test]
fn an_alert_waits_while_its_settings_hold_a_mistake() {
    let (sandbox, hook) = (sandbox(), Http::start("thanks"));
    let settings = |limit: &str| {
        let channels = format!(
            "alerts: {{channels: {{ops: {{webhook: {{url: \"{}\", secret_from: {{file: ~/secret}}}}}}}}, {limit}}}\n",
            hook.url("/a")
        );
        let rules = "tasks:\n  T01:\n    guard: [{name: r, fail: '> 0.5', run: 'echo 9'}]\n";
        sandbox.write("snapback.yaml", format!("{channels}{rules}").as_bytes());
        sandbox.snapback(&["trust", "--yes"]).expect(0);
    };
    std::fs::write(sandbox.home().join("secret"), "s").unwrap();
    std::fs::set_permissions(
        sandbox.home().join("secret"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    settings("limitt: 5s");
    let watched = sandbox.snapback(&["guard", "run", "--once"]).expect(4);
    assert!(
        watched
            .stderr
            .contains("waits to be sent until it is mended"),
        "{watched:?}"
    );
    assert_eq!(
        sandbox.registry_version("T01").as_deref(),
        Some("1.0.0"),
        "the task went back all the same"
    );
    let list = sandbox.snapback(&["alert", "list"]).expect(0).stdout;
    assert!(list.contains("waits until `alerts:` is mended"), "{list}");
    assert!(
        sandbox
            .snapback(&["alert", "retry"])
            .expect(2)
            .stderr
            .contains("limitt")
    );
    assert!(hook.rest().is_empty());
    settings("limit: 5s");
    sandbox.snapback(&["alert", "retry"]).expect(0);
    assert_eq!(hook.rest().len(), 1);
}
