//! References that lead nowhere: empty after a power cut, torn, or to a lost object. git reports
//! them and continues; each affects only its own release, which is restored by its second
//! reference.

use std::fs;

use crate::support::{Sandbox, story::set_version};

/// Creates 1.0.0 and 1.1.0 of T01, 1.0.0 of T02.
fn released() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.release("T02", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    sandbox
}

/// The contents of a reference after a power cut, or when its object is lost.
const LEFT: [&[u8]; 4] = [
    b"",
    b"4b",
    b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"00000000000000000000000000000000000000ba\n",
];

#[test]
fn one_broken_reference_keeps_no_task_from_anything() {
    let names = [
        "tags/unrelated",
        "tags/T02-v9.0.0",
        "tags/T01-v0.9.0",
        "heads/other",
        "remotes/origin/x",
        "snapback/keep/T02/1.0.0",
    ];
    for (name, bytes) in names.into_iter().zip(LEFT.into_iter().cycle()) {
        let sandbox = released();
        sandbox.write(&format!(".git/refs/{name}"), bytes);
        for args in [
            &["status"][..],
            &["list", "-t", "T01"],
            &["history"],
            &["verify-snapshot", "-t", "T01", "--version", "1.0.0"],
            &["drill", "-t", "T01", "--to", "1.0.0"],
            &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"],
            &["undo", "--yes"],
            &[
                "create-snapshot",
                "-t",
                "T01",
                "--version",
                "1.2.0",
                "--yes",
            ],
        ] {
            let ran = sandbox.snapback(args);
            assert_eq!(ran.code, 0, "{name} {bytes:?} {args:?}: {ran:?}");
        }
        if name.starts_with("tags/") {
            let said = sandbox.snapback(&["status"]);
            assert!(
                said.stderr.contains(&format!("refs/{name} is broken")),
                "{said:?}"
            );
            let doctor = sandbox.snapback(&["doctor"]);
            assert!(
                doctor.stdout.contains(&format!("refs/{name} is broken")),
                "{doctor:?}"
            );
            assert!(
                sandbox
                    .snapback(&["health"])
                    .stdout
                    .contains(&format!("refs/{name} is broken"))
            );
        }
    }
}

#[test]
fn a_broken_tag_is_told_of_its_own_version_and_no_number_is_used_twice() {
    for bytes in LEFT {
        let sandbox = released();
        sandbox.write(".git/refs/tags/T01-v1.3.0", bytes);
        for args in [
            &["rollback", "-t", "T01", "--to", "1.3.0", "--yes"][..],
            &["verify-snapshot", "-t", "T01", "--version", "1.3.0"],
            &["verify-snapshot", "-t", "T01", "--all"],
            &[
                "create-snapshot",
                "-t",
                "T01",
                "--version",
                "1.3.0",
                "--yes",
            ],
        ] {
            let ran = sandbox.snapback(args).expect(4);
            assert!(
                format!("{ran:?}").contains("refs/tags/T01-v1.3.0"),
                "{bytes:?} {args:?}: {ran:?}"
            );
        }
        let all = sandbox
            .snapback(&["verify-snapshot", "--all", "--json"])
            .json();
        let checked: Vec<String> = all["data"]["verifications"]
            .as_array()
            .unwrap_or_else(|| panic!("{all}"))
            .iter()
            .map(|of| {
                format!(
                    "{} {} {}",
                    of["task"], of["version"], of["checks"][0]["status"]
                )
            })
            .collect();
        assert_eq!(checked.len(), 4, "{checked:?}");
        assert_eq!(
            checked.iter().filter(|line| line.contains("fail")).count(),
            1,
            "{checked:?}"
        );
    }
}

#[test]
fn a_release_whose_tag_was_torn_comes_back_by_its_second_reference() {
    let sandbox = released();
    let tag = sandbox.git_out(&["rev-parse", "refs/tags/T01-v1.0.0"]);
    fs::write(sandbox.at(".git/refs/tags/T01-v1.0.0"), b"").unwrap();
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.0.0"));
    // The advised command restores the tag.
    let answer = sandbox
        .snapback(&[
            "verify-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "--json",
        ])
        .expect(4)
        .json();
    let hints = answer["next"]
        .as_array()
        .or_else(|| answer["error"]["hints"].as_array())
        .unwrap_or_else(|| panic!("{answer}"));
    for hint in hints {
        let argv: Vec<&str> = hint["argv"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        sandbox.run(argv[0], &argv[1..]).expect(0);
    }
    assert_eq!(sandbox.git_out(&["rev-parse", "refs/tags/T01-v1.0.0"]), tag);
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--all"])
        .expect(0);
}
