//! Signing keys that do not work: a rollback stays unsigned and says so, a release is refused
//! before anything changes, and `doctor`, `health` and `drill` find the problem before it matters.

use std::{fs, time::Instant};

use crate::support::{
    Sandbox,
    sandbox::{Ran, have, snapback_program},
};

/// Sets values in the user's git configuration.
fn global(sandbox: &Sandbox, settings: &[(&str, &str)]) {
    for (name, value) in settings {
        sandbox.git(&["config", "--global", name, value]).expect(0);
    }
}

/// Returns broken git settings with the message about each. Every program exists.
fn broken() -> Vec<(Vec<(&'static str, &'static str)>, &'static str)> {
    let all = vec![
        (
            vec![("user.signingKey", "0123456789ABCDEF")],
            "0123456789ABCDEF",
        ),
        (
            vec![
                ("gpg.format", "x509"),
                ("user.signingKey", "0123456789ABCDEF"),
            ],
            "0123456789ABCDEF",
        ),
        (
            vec![
                ("gpg.format", "ssh"),
                ("user.signingKey", "/nowhere/key.pub"),
            ],
            "/nowhere/key.pub",
        ),
        (vec![("gpg.format", "ssh")], "user.signingKey"),
        (vec![("gpg.format", "quill")], "quill"),
        (vec![("gpg.program", "/nowhere/gpg")], "/nowhere/gpg"),
        (vec![("gpg.program", "false")], "li.wei@example.com"),
    ];
    all.into_iter()
        .filter(|(settings, _)| !settings.contains(&("gpg.format", "x509")) || have("gpgsm"))
        .collect()
}

/// Asserts that an answer describes a signature problem in plain words.
#[track_caller]
fn plain(ran: &Ran, key: &str) {
    let all = format!("{}{}", ran.stdout, ran.stderr);
    assert!(all.contains(key), "{key}: {all}");
    for foreign in ["Bytes(", "Some(", "I64(", "git fsck", "metadata"] {
        assert!(!all.contains(foreign), "{foreign}: {all}");
    }
}

/// Reads files, references and snapback's own records; gpg creates its folder in HOME.
fn state(sandbox: &Sandbox) -> (crate::support::sandbox::Tree, String) {
    let mut all = sandbox.everything();
    all.retain(|path, _| !path.starts_with("home"));
    (all, sandbox.git(&["for-each-ref"]).stdout)
}

#[test]
fn every_way_back_is_gone_unsigned_and_says_so() {
    if !have("gpg") || !have("ssh-keygen") {
        return;
    }
    for (settings, key) in broken() {
        for wanted in [
            &["commit.gpgSign"][..],
            &["tag.gpgSign"],
            &["commit.gpgSign", "tag.gpgSign"],
        ] {
            let sandbox = Sandbox::two_releases(1);
            global(&sandbox, &settings);
            global(
                &sandbox,
                &wanted
                    .iter()
                    .map(|name| (*name, "true"))
                    .collect::<Vec<_>>(),
            );
            let ran = sandbox
                .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
                .expect(0);
            plain(&ran, key);
            assert!(
                ran.stderr.contains("goes on unsigned") && ran.stdout.contains("goes on unsigned"),
                "{ran:?}"
            );
            assert_eq!(sandbox.config_version("T01").as_deref(), Some("1.0.0"));
            let line = sandbox
                .snapback(&["audit", "list", "--json"])
                .expect(0)
                .stdout;
            assert!(line.contains("not signed"), "{line}");
            // An undo makes a commit and no tag.
            if wanted.contains(&"commit.gpgSign") {
                plain(&sandbox.snapback(&["undo", "--yes"]).expect(0), key);
                plain(&sandbox.snapback(&["redo", "--yes"]).expect(0), key);
                plain(&sandbox.snapback(&["undo", "--yes"]).expect(0), key);
            } else {
                sandbox.snapback(&["undo", "--yes"]).expect(0);
            }
            let ran = sandbox
                .snapback(&["dr", "-t", "T01", "--target-version", "1.0.0", "--json"])
                .expect(0);
            let notes = ran.json()["data"]["report"]["notes"].to_string();
            assert!(
                notes.contains("goes on unsigned")
                    && ran.json()["warnings"].to_string().contains("unsigned"),
                "{ran:?}"
            );
            assert_eq!(sandbox.unsound(), Vec::<String>::new());
        }
    }
}

#[test]
fn a_release_that_is_to_be_signed_is_refused_before_anything_changes() {
    if !have("gpg") || !have("ssh-keygen") {
        return;
    }
    for (settings, key) in broken() {
        let sandbox = Sandbox::two_releases(1);
        sandbox.write("tasks/T01/signal.py", b"VALUE = 3\n");
        global(&sandbox, &settings);
        global(&sandbox, &[("commit.gpgSign", "true")]);
        let before = state(&sandbox);
        let ran = sandbox
            .snapback(&[
                "create-snapshot",
                "-t",
                "T01",
                "--version",
                "1.2.0",
                "--yes",
            ])
            .expect(8);
        plain(&ran, key);
        assert!(
            ran.stderr.contains("--no-sign") && ran.stderr.contains("nothing was changed"),
            "{ran:?}"
        );
        assert!(state(&sandbox) == before, "nothing was changed");
        sandbox
            .snapback(&[
                "create-snapshot",
                "-t",
                "T01",
                "--version",
                "1.2.0",
                "--no-sign",
                "--yes",
            ])
            .expect(0);
    }
}

#[test]
fn no_sign_leaves_everything_unsigned_and_a_good_key_signs_everything() {
    if !have("ssh-keygen") {
        return;
    }
    for never in [false, true] {
        let sandbox = Sandbox::two_releases(1);
        let key = sandbox.home().join("key").to_str().unwrap().to_string();
        sandbox
            .run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &key])
            .expect(0);
        global(
            &sandbox,
            &[
                ("gpg.format", "ssh"),
                ("user.signingKey", &key),
                ("commit.gpgSign", "true"),
                ("tag.gpgSign", "true"),
            ],
        );
        for (line, tag) in [
            (
                "rollback -t T01 --to 1.0.0 --yes",
                Some("T01-v1.0.0-rollback-from-v1.1.0"),
            ),
            ("undo --yes", None),
            ("redo --yes", None),
            ("undo --yes", None),
            (
                "dr -t T01 --to 1.0.0",
                Some("T01-v1.0.0-rollback-from-v1.1.0+2"),
            ),
            (
                "create-snapshot -t T01 --version 1.2.0 --yes",
                Some("T01-v1.2.0"),
            ),
        ] {
            let mut args: Vec<&str> = line.split(' ').collect();
            args.extend(never.then_some("--no-sign"));
            let ran = sandbox.snapback(&args).expect(0);
            assert!(!format!("{ran:?}").contains("unsigned"), "{ran:?}");
            assert_eq!(
                sandbox
                    .git_out(&["cat-file", "-p", "HEAD"])
                    .contains("gpgsig"),
                !never,
                "{args:?}"
            );
            if let Some(tag) = tag {
                assert_eq!(
                    sandbox
                        .git_out(&["cat-file", "-p", tag])
                        .contains("SSH SIGNATURE"),
                    !never,
                    "{args:?}"
                );
            }
        }
        let text = sandbox.snapback(&["doctor"]).expect(0).stdout;
        assert!(
            text.contains("commits and tags are signed with the key"),
            "{text}"
        );
    }
}

#[test]
fn an_adoption_is_signed_or_not_as_it_is_asked_for() {
    let sandbox = Sandbox::new(1);
    sandbox
        .git(&["tag", "-a", "-m", "old", "T01-v1.0.0"])
        .expect(0);
    global(
        &sandbox,
        &[("commit.gpgSign", "true"), ("gpg.program", "false")],
    );
    let head = sandbox.git_out(&["rev-parse", "HEAD"]);
    let ran = sandbox.snapback(&["adopt", "--all", "--yes"]).expect(8);
    assert!(ran.stderr.contains("--no-sign"), "{ran:?}");
    assert_eq!(sandbox.git_out(&["rev-parse", "HEAD"]), head);
    sandbox
        .snapback(&["adopt", "--all", "--yes", "--no-sign"])
        .expect(0);
}

#[test]
fn doctor_health_and_drill_try_the_key() {
    if !have("gpg") || !have("ssh-keygen") {
        return;
    }
    for (settings, key) in broken() {
        let sandbox = Sandbox::two_releases(1);
        global(&sandbox, &settings);
        global(&sandbox, &[("tag.gpgSign", "true")]);
        let before = state(&sandbox);
        plain(&sandbox.snapback(&["doctor"]).expect(8), key);
        let ran = sandbox.snapback(&["health"]).expect(4);
        plain(&ran, key);
        assert!(ran.stdout.contains("rollbacks go unsigned"), "{ran:?}");
        assert!(state(&sandbox) == before, "a trial leaves nothing");
        plain(
            &sandbox
                .snapback(&["drill", "-t", "T01", "--to", "1.0.0", "-v"])
                .expect(0),
            key,
        );
    }
}

#[test]
fn the_programs_own_key_is_tried_too() {
    let sandbox = Sandbox::two_releases(1);
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    sandbox.write(
        "snapback.yaml",
        format!("{settings}releases: {{sign: true}}\n").as_bytes(),
    );
    let ran = sandbox.snapback(&["doctor"]).expect(8);
    assert!(
        ran.stdout.contains("signing-key.json") && ran.stdout.contains("snapback keys create"),
        "{ran:?}"
    );
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    sandbox.write("tasks/T01/signal.py", b"VALUE = 3\n");
    let ran = sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.2.0",
            "--yes",
        ])
        .expect(8);
    assert!(ran.stderr.contains("--no-sign"), "{ran:?}");
}

#[test]
fn a_key_that_waits_for_a_person_holds_nothing_up() {
    if !have("ssh-keygen") {
        return;
    }
    let sandbox = Sandbox::two_releases(1);
    let key = sandbox.home().join("locked").to_str().unwrap().to_string();
    sandbox
        .run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "secret", "-f", &key],
        )
        .expect(0);
    global(
        &sandbox,
        &[
            ("gpg.format", "ssh"),
            ("user.signingKey", &key),
            ("tag.gpgSign", "true"),
        ],
    );
    let text = sandbox.snapback(&["doctor"]).expect(0).stdout;
    assert!(text.contains("asks for a passphrase"), "{text}");
    let ran = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert!(ran.stderr.contains("asks for a passphrase"), "{ran:?}");
    sandbox.snapback(&["undo", "--yes"]).expect(0);

    // A program that never answers.
    let program = sandbox.home().join("hangs");
    fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(
        &program,
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    global(
        &sandbox,
        &[
            ("gpg.format", "openpgp"),
            ("gpg.program", program.to_str().unwrap()),
            ("commit.gpgSign", "true"),
        ],
    );
    let begun = Instant::now();
    let ran = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert!(ran.stderr.contains("did not answer in time"), "{ran:?}");
    assert!(
        begun.elapsed().as_secs() < 30,
        "{:?} by {}",
        begun.elapsed(),
        snapback_program()
    );
}
