//! Manifests, registries and configurations broken by accident or on purpose.
//!
//! A forged manifest is committed twice: once alone, so that the digest in the tag gives it away
//! and the true one is used, and once with a tag whose trailer names the forged bytes, so that only
//! the parser is left.

use std::fmt::Write as _;

use snapback::base::Digest;

use super::{BACK, SNAP, refused, released};
use crate::support::Sandbox;

const PATH: &str = "snapshots/snapshot-T01-v1.0.0.yaml";

/// Commits these bytes as the manifest of T01 1.0.0; with `chained` the tag names them too.
fn forge(sandbox: &Sandbox, bytes: &[u8], chained: bool) {
    sandbox.write(PATH, bytes);
    sandbox.git(&["add", "-f", PATH]).expect(0);
    sandbox.git(&["commit", "-qm", "forged"]).expect(0);
    if !chained {
        return;
    }
    let message = sandbox.git_out(&[
        "for-each-ref",
        "--format=%(contents)",
        "refs/tags/T01-v1.0.0",
    ]);
    let trailer = |line: &str| match line.strip_prefix("Snapback-Manifest: ") {
        Some(_) => format!("Snapback-Manifest: {}\n", Digest::of(bytes)),
        None => format!("{line}\n"),
    };
    let message: String = message.trim_end().lines().map(trailer).collect();
    assert!(
        message.contains(&Digest::of(bytes).to_string()),
        "the tag has a trailer: {message}"
    );
    let commit = sandbox.git_out(&["rev-parse", "T01-v1.0.0^{commit}"]);
    sandbox
        .git(&["tag", "-f", "-a", "-m", &message, "T01-v1.0.0", &commit])
        .expect(0);
    // Otherwise the second reference would give it away, whatever the manifest says.
    sandbox
        .git(&[
            "update-ref",
            "refs/snapback/keep/T01/1.0.0",
            "refs/tags/T01-v1.0.0",
        ])
        .expect(0);
}

/// Returns the manifest of T01 1.0.0 with a text replaced, which it must contain.
fn replaced(sandbox: &Sandbox, from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(sandbox.read(PATH)).unwrap();
    assert!(text.contains(from), "{from:?} in {text}");
    text.replacen(from, to, 1).into_bytes()
}

/// Asserts that the forged manifest is noticed and not followed, whether or not the tag's digest
/// gives it away.
#[track_caller]
fn caught(forged: impl Fn(&Sandbox) -> Vec<u8>, words: &[&str]) {
    let origin = released();
    for chained in [false, true] {
        let sandbox = origin.copy();
        let bytes = forged(&sandbox);
        forge(&sandbox, &bytes, chained);
        let checked = sandbox.snapback(&[
            "verify-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "--deep",
        ]);
        println!("{}{}", checked.stdout, checked.stderr);
        if chained {
            refused(&sandbox, 4, BACK, words);
            refused(&sandbox, 4, &["diff", "-t", "T01", "1.0.0"], words);
            assert_eq!(checked.code, 4, "{checked:?}");
        } else {
            let another = checked.code == 7 && checked.stdout.contains("is of another release");
            assert!(
                another || checked.code == 4 && checked.stdout.contains("was changed"),
                "{checked:?}"
            );
            let copy = sandbox.copy();
            let went = copy.snapback(BACK).expect(0);
            assert!(
                went.stderr.contains("what its tag names is taken"),
                "{went:?}"
            );
            let there = |path: &str| {
                copy.git_out(&[
                    "rev-parse",
                    &format!("T01-v1.0.0:{path}"),
                    &format!("HEAD:{path}"),
                ])
            };
            let files = there("tasks/T01");
            let ids: Vec<&str> = files.lines().collect();
            assert_eq!(ids[0], ids[1], "what was released came back, and no more");
        }
        sandbox.snapback(&["status"]).expect(0);
        sandbox.snapback(&["list", "-t", "T01"]).expect(0);
    }
}

#[test]
fn paths_that_lead_out() {
    for bad in [
        "../../home/x",
        "/tmp/x",
        "tasks/T01/../../../x",
        "tasks/T01/.git/config",
        ".git/hooks/pre-commit",
        "tasks//x",
        "./x",
        "",
    ] {
        caught(
            |sandbox| {
                replaced(
                    sandbox,
                    "- path: \"tasks/T01/config.yaml\"",
                    &format!("- path: \"{bad}\""),
                )
            },
            &["path"],
        );
    }
}

#[test]
fn paths_twice_or_unsorted() {
    caught(
        |sandbox| {
            replaced(
                sandbox,
                "- path: \"tasks/T01/lib/rules.py\"",
                "- path: \"tasks/T01/config.yaml\"",
            )
        },
        &["twice"],
    );
    caught(
        |sandbox| {
            replaced(
                sandbox,
                "- path: \"tasks/T01/config.yaml\"",
                "- path: \"tasks/T01/zzz.yaml\"",
            )
        },
        &["not sorted"],
    );
    caught(
        |sandbox| {
            replaced(
                sandbox,
                "- path: \"tasks/T01/lib/rules.py\"",
                "- path: \"tasks/T01/config.yaml/x\"",
            )
        },
        &["folder"],
    );
}

#[test]
fn paths_of_another_task() {
    let whole = |sandbox: &Sandbox, task: &str| {
        let (bytes, path) = (
            sandbox.read(&format!("tasks/{task}/signal.py")),
            format!("tasks/{task}/signal.py"),
        );
        let blob = sandbox.git_out(&["rev-parse", &format!("T01-v1.0.0:{path}")]);
        (path, Digest::of(&bytes).to_string(), blob)
    };
    // The files are in the tag's commit, with these very bytes, but they do not belong to the task.
    let sandbox = released();
    let (path, checksum, blob) = whole(&sandbox, "T02");
    let text = String::from_utf8(sandbox.read(PATH)).unwrap();
    let entry = text
        .split("  - path: ")
        .find(|entry| entry.starts_with("\"tasks/T01/signal.py"))
        .unwrap();
    let size = sandbox.read(&path).len();
    let forged = format!(
        "\"{path}\"\n    checksum: {checksum}\n    size: {size}\n    mode: \"100644\"\n    role: source\n    blob: \"{blob}\"\n"
    );
    forge(&sandbox, &replaced(&sandbox, entry, &forged), true);
    refused(
        &sandbox,
        4,
        BACK,
        &["tasks/T02/signal.py", "not a file of T01"],
    );
}

#[test]
fn a_wrong_checksum_size_or_mode() {
    let checksum = Digest::of(b"other").to_string();
    let set = |sandbox: &Sandbox, checksum: &str| {
        let text = String::from_utf8(sandbox.read(PATH)).unwrap();
        let old = text
            .split("tasks/T01/signal.py\"\n    checksum: ")
            .nth(1)
            .unwrap()
            .lines()
            .next()
            .unwrap();
        replaced(sandbox, old, checksum)
    };
    caught(|sandbox| set(sandbox, &checksum), &["tasks/T01/signal.py"]);
    let sandbox = released();
    forge(&sandbox, &set(&sandbox, &checksum), true);
    for what in [&["--cat", "tasks/T01/signal.py"][..], &["--run", "true"]] {
        refused(
            &sandbox,
            4,
            &[&["preview", "-t", "T01", "1.0.0"], what].concat(),
            &["tasks/T01/signal.py", &checksum],
        );
    }
    caught(
        |sandbox| set(sandbox, "sha256:short"),
        &["tasks/T01/signal.py", "checksum"],
    );
    caught(
        |sandbox| replaced(sandbox, "mode: \"100755\"", "mode: \"104755\""),
        &["mode"],
    );
    caught(
        |sandbox| replaced(sandbox, "mode: \"100755\"", "mode: \"160000\""),
        &["mode"],
    );
}

#[test]
fn another_task_or_version_or_commit() {
    caught(
        |sandbox| replaced(sandbox, "task_id: T01", "task_id: T02"),
        &["T02"],
    );
    caught(
        |sandbox| replaced(sandbox, "git_tag: T01-v1.0.0", "git_tag: T01-v9.0.0"),
        &["T01-v9.0.0"],
    );
    caught(
        |sandbox| {
            let commit = sandbox.git_out(&["rev-parse", "T01-v1.0.0^{commit}"]);
            replaced(sandbox, &commit, &sandbox.git_out(&["rev-parse", "HEAD"]))
        },
        &["T01-v1.0.0"],
    );
}

#[test]
fn a_format_of_the_future() {
    caught(
        |sandbox| replaced(sandbox, "snapback.manifest/1", "snapback.manifest/3"),
        &["snapback.manifest/3", "newer snapback"],
    );
}

#[test]
fn a_manifest_of_something_else_than_a_release() {
    caught(
        |sandbox| replaced(sandbox, "snapback.manifest/1", "snapback.manifest/2"),
        &["snapback.manifest/2", "not that of a release"],
    );
    let folder = "schema: snapback.manifest/2\nsubject:\n  kind: folder\n  name: T01\ncreated_at: 2026-11-30T01:30:00Z\nfiles: []\n";
    caught(|_| folder.into(), &["not that of a release"]);
}

#[test]
fn no_yaml_at_all() {
    caught(|_| b"\xff\xfe\x00\x01".to_vec(), &["manifest"]);
    caught(|_| b"- a\n- b\n".to_vec(), &["manifest"]);
    caught(|_| Vec::new(), &["manifest"]);
    caught(
        |_| format!("a: {}\n", "[".repeat(50_000)).into_bytes(),
        &["manifest"],
    );
}

#[test]
fn an_alias_bomb() {
    let mut bomb =
        String::from("schema: snapback.manifest/1\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for nth in 1..10 {
        let _ = writeln!(
            bomb,
            "a{nth}: &a{nth} [{}]",
            vec![format!("*a{}", nth - 1); 10].join(", ")
        );
    }
    caught(move |_| bomb.clone().into_bytes(), &["anchors or aliases"]);
}

#[test]
fn a_hundred_megabytes_of_yaml() {
    let line = b"    - path: tasks/T01/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
    let huge = line.repeat(100_000_000 / line.len());
    let sandbox = released();
    sandbox.git(&["config", "core.compression", "1"]).expect(0);
    forge(&sandbox, &huge, true);
    let begun = std::time::Instant::now();
    refused(&sandbox, 4, BACK, &["bytes"]);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.0.0"])
        .expect(4);
    sandbox.snapback(&["list", "-t", "T01"]).expect(0);
}

#[test]
fn registries_that_cannot_be_read() {
    for (text, words) in [
        (
            "{\"tasks\": {\"T01\": {\"version\": \"1.1.0\"}, \"T01\": {\"version\": \"1.0.0\"}}}",
            &["task registry", "T01", "twice"][..],
        ),
        ("{\"tasks\": {\"T01\": ", &["task registry", "line 1"]),
        ("7", &["task registry"]),
        (
            "{\"tasks\": {\"T01\": {\"version\": \"new\"}}}",
            &["task registry", "new"],
        ),
        (
            "\u{feff}{\"tasks\": {\"T01\": {\"version\": \"1.1.0\"}}",
            &["task registry"],
        ),
    ] {
        let sandbox = released();
        sandbox.write("task_registry.json", text.as_bytes());
        refused(&sandbox, 4, SNAP, words);
        let back = sandbox.snapback(BACK).expect(0);
        let said = back.stdout + &back.stderr;
        assert!(
            words.iter().all(|word| said.contains(word)),
            "going back is not stopped, and says what is not set: {said}"
        );
        assert_eq!(sandbox.read("task_registry.json"), text.as_bytes());
        let status = sandbox.snapback(&["status"]);
        println!(
            "{text:?}: {}{}[{}]",
            status.stdout, status.stderr, status.code
        );
        assert!(
            (status.stdout + &status.stderr).contains("task registry"),
            "status says so"
        );
    }
}

#[test]
fn a_configuration_without_a_version() {
    let sandbox = released();
    sandbox.write(
        "tasks/T01/config.yaml",
        b"name: momentum\nmax_leverage: 3\n",
    );
    refused(&sandbox, 6, SNAP, &["tasks/T01/config.yaml", "version"]);
    sandbox.snapback(BACK).expect(0);

    let sandbox = released();
    sandbox.write("tasks/T01/config.yaml", b"version: [1\n");
    refused(&sandbox, 4, SNAP, &["tasks/T01/config.yaml"]);
}

#[test]
fn settings_that_cannot_be_read() {
    for (text, words) in [
        ("version: 1\ntask: {}\n", &["snapback.yaml", "task"][..]),
        ("version: 99\n", &["configuration", "version", "99"]),
        ("version: [1\n", &["snapback.yaml"]),
    ] {
        let sandbox = released();
        sandbox.write("snapback.yaml", text.as_bytes());
        for command in [BACK, SNAP, &["status"]] {
            refused(&sandbox, 2, command, words);
        }
    }
    let sandbox = released();
    sandbox.write(
        "snapback.yaml",
        b"version: 1\ntasks: {T01: {path: \"../x\"}}\n",
    );
    for command in [BACK, SNAP, &["status", "-t", "T01"]] {
        refused(&sandbox, 2, command, &["configuration", "../x"]);
    }
    let sandbox = released();
    refused(
        &sandbox,
        2,
        &["--config", "nowhere.yaml", "status"],
        &["nowhere.yaml"],
    );
}
