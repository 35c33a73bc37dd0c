//! Signed releases with the real `gpg` and `ssh-keygen`: made, judged, required, forged. No program
//! from a repository's own configuration is ever run for them.

mod openpgp;

use std::{fs, os::unix::fs::PermissionsExt};

use crate::support::{
    Sandbox,
    sandbox::{Ran, have},
};

/// Creates an SSH key in the home folder. Returns the path of its private half.
fn ssh_key(sandbox: &Sandbox, name: &str) -> String {
    let key = sandbox.home().join(name);
    let path = key.to_str().unwrap().to_string();
    sandbox
        .run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &path],
        )
        .expect(0);
    path
}

/// Sets a value in the user's git configuration.
fn global(sandbox: &Sandbox, name: &str, value: &str) {
    sandbox.git(&["config", "--global", name, value]).expect(0);
}

/// Creates a repository whose user signs every tag with a trusted SSH key. Returns both.
fn ssh_signed() -> (Sandbox, String) {
    let sandbox = Sandbox::new(1);
    let key = ssh_key(&sandbox, "key");
    trust(&sandbox, &[&key]);
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("user.signingKey", key.as_str()),
        ("tag.gpgSign", "true"),
    ] {
        global(&sandbox, name, value);
    }
    (sandbox, key)
}

/// Makes these keys the allowed signers.
fn trust(sandbox: &Sandbox, keys: &[&str]) {
    let line = |key: &&str| {
        format!(
            "li.wei@example.com {}",
            fs::read_to_string(format!("{key}.pub")).unwrap()
        )
    };
    let signers = sandbox.home().join("signers");
    fs::write(&signers, keys.iter().map(line).collect::<String>()).unwrap();
    global(
        sandbox,
        "gpg.ssh.allowedSignersFile",
        signers.to_str().unwrap(),
    );
}

/// Runs `verify-snapshot` of 1.0.0 with a requirement.
fn verify(sandbox: &Sandbox, demand: &str) -> Ran {
    sandbox.snapback(&[
        "verify-snapshot",
        "-t",
        "T01",
        "--version",
        "1.0.0",
        "--signature",
        demand,
        "-v",
    ])
}

/// Releases 1.0.0 and 1.1.0.
fn release_two(sandbox: &Sandbox) {
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox.release("T01", "1.1.0");
}

#[test]
fn a_release_is_signed_as_git_is_set_up_and_is_good_for_a_trusted_key() {
    if !have("ssh-keygen") {
        return;
    }
    let (sandbox, _) = ssh_signed();
    release_two(&sandbox);
    sandbox.git(&["verify-tag", "T01-v1.0.0"]).expect(0);
    for demand in ["required", "optional"] {
        let text = verify(&sandbox, demand).expect(0).stdout;
        assert!(
            text.contains("signature: good (ssh)") && text.contains("signer: li.wei@example.com"),
            "{text}"
        );
    }
    sandbox
        .snapback(&[
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.0.0",
            "--signature",
            "required",
            "--yes",
        ])
        .expect(0);
}

#[test]
fn an_unsigned_release_passes_unless_a_signature_is_demanded() {
    if !have("ssh-keygen") {
        return;
    }
    let (sandbox, key) = ssh_signed();
    sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "--no-sign",
            "--yes",
        ])
        .expect(0);
    assert!(
        verify(&sandbox, "optional")
            .expect(0)
            .stdout
            .contains("signature: missing")
    );
    assert!(
        !verify(&sandbox, "none")
            .expect(0)
            .stdout
            .contains("signature")
    );
    verify(&sandbox, "required").expect(4);
    global(&sandbox, "tag.gpgSign", "false");
    global(&sandbox, "user.signingKey", "/nowhere");
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.1.0",
            &format!("--sign={key}"),
            "--yes",
        ])
        .expect(0);
    sandbox.git(&["verify-tag", "T01-v1.1.0"]).expect(0);
    let before = sandbox.tree();
    let ran = sandbox
        .snapback(&[
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.0.0",
            "--signature",
            "required",
            "--yes",
        ])
        .expect(12);
    assert!(
        ran.stderr.contains("signature: missing") && ran.stderr.contains("hint:"),
        "{ran:?}"
    );
    assert_eq!(sandbox.tree(), before);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
}

#[test]
fn keys_that_nobody_vouches_for_or_that_were_revoked_are_told_apart() {
    if !have("ssh-keygen") {
        return;
    }
    let (sandbox, key) = ssh_signed();
    sandbox.release("T01", "1.0.0");
    let other = ssh_key(&sandbox, "other");
    trust(&sandbox, &[&other]);
    assert!(
        verify(&sandbox, "optional")
            .expect(0)
            .stdout
            .contains("signature: unknown key")
    );
    assert!(
        verify(&sandbox, "required")
            .expect(4)
            .stdout
            .contains("signature: unknown key")
    );
    trust(&sandbox, &[&other, &key]);
    verify(&sandbox, "required").expect(0);
    let revoked = sandbox.home().join("revoked");
    sandbox
        .run(
            "ssh-keygen",
            &[
                "-q",
                "-k",
                "-f",
                revoked.to_str().unwrap(),
                &format!("{key}.pub"),
            ],
        )
        .expect(0);
    global(
        &sandbox,
        "gpg.ssh.revocationFile",
        revoked.to_str().unwrap(),
    );
    assert!(
        verify(&sandbox, "optional")
            .expect(4)
            .stdout
            .contains("signature: revoked")
    );
}

/// Replaces the tag of 1.0.0 by one whose object `edit` has changed.
fn forge(sandbox: &Sandbox, edit: impl Fn(&str) -> String) {
    let forged = edit(&sandbox.git_out(&["cat-file", "tag", "T01-v1.0.0"])) + "\n";
    fs::write(sandbox.home().join("tag"), forged).unwrap();
    let file = sandbox.home().join("tag");
    let id = sandbox.git_out(&[
        "hash-object",
        "-t",
        "tag",
        "-w",
        "--literally",
        file.to_str().unwrap(),
    ]);
    for name in ["refs/tags/T01-v1.0.0", "refs/snapback/keep/T01/1.0.0"] {
        sandbox.git(&["update-ref", name, &id]).expect(0);
    }
}

#[test]
fn a_tampered_tag_and_a_tampered_manifest_fail_whatever_is_demanded() {
    if !have("ssh-keygen") {
        return;
    }
    let (sandbox, _) = ssh_signed();
    release_two(&sandbox);
    let whole = sandbox.copy();
    forge(&sandbox, |tag| tag.replacen("T01 1.0.0", "T01 1.0.O", 1));
    let text = verify(&sandbox, "optional").expect(4).stdout;
    assert!(text.contains("signature: bad"), "{text}");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(12);
    // The manifest is bound by the digest in the signed message.
    let name = "snapshots/snapshot-T01-v1.0.0.yaml";
    let manifest = String::from_utf8(whole.read(name)).unwrap();
    whole.write(
        name,
        manifest
            .replacen("created_at: ", "created_at:  ", 1)
            .as_bytes(),
    );
    whole.git(&["commit", "-qam", "tamper"]).expect(0);
    let text = verify(&whole, "required").expect(4).stdout;
    assert!(
        text.contains("signature: good") && text.contains("integrity.manifest"),
        "{text}"
    );
}

#[test]
fn a_good_signature_of_another_version_is_not_one_of_this() {
    if !have("ssh-keygen") {
        return;
    }
    let (sandbox, _) = ssh_signed();
    release_two(&sandbox);
    let other = sandbox.git_out(&["rev-parse", "refs/tags/T01-v1.1.0"]);
    for name in ["refs/tags/T01-v1.0.0", "refs/snapback/keep/T01/1.0.0"] {
        sandbox.git(&["update-ref", name, &other]).expect(0);
    }
    let text = verify(&sandbox, "required").expect(4).stdout;
    assert!(
        text.contains("signature: bad (it is that of the tag T01-v1.1.0)"),
        "{text}"
    );
}

/// Makes the repository's own configuration name programs that sign and judge, and vouch for this
/// key. Returns the file that such a program would leave.
fn name_programs_and_trust(sandbox: &Sandbox, stranger: &str) -> std::path::PathBuf {
    let hostile = sandbox.home().join("hostile");
    let ran = sandbox.home().join("ran");
    fs::write(
        &hostile,
        format!(
            "#!/bin/sh\ntouch {}\necho 'Good \"git\" signature for x with ED25519 key y'\n",
            ran.display()
        ),
    )
    .unwrap();
    fs::set_permissions(&hostile, fs::Permissions::from_mode(0o755)).unwrap();
    let theirs = sandbox.home().join("theirs");
    fs::write(
        &theirs,
        format!(
            "* {}",
            fs::read_to_string(format!("{stranger}.pub")).unwrap()
        ),
    )
    .unwrap();
    for name in [
        "gpg.program",
        "gpg.ssh.program",
        "gpg.openpgp.program",
        "gpg.ssh.defaultKeyCommand",
    ] {
        sandbox
            .git(&["config", name, hostile.to_str().unwrap()])
            .expect(0);
    }
    sandbox
        .git(&[
            "config",
            "gpg.ssh.allowedSignersFile",
            theirs.to_str().unwrap(),
        ])
        .expect(0);
    ran
}

#[test]
fn no_program_and_no_trust_of_the_repository_itself_is_used() {
    if !have("ssh-keygen") {
        return;
    }
    let (sandbox, _) = ssh_signed();
    let stranger = ssh_key(&sandbox, "stranger");
    let ran = name_programs_and_trust(&sandbox, &stranger);
    sandbox.git(&["config", "commit.gpgSign", "true"]).expect(0);
    sandbox.release("T01", "1.0.0");
    assert!(
        verify(&sandbox, "required")
            .expect(0)
            .stdout
            .contains("signer: li.wei@example.com")
    );
    // Signed by a stranger for whom only the repository vouches.
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.1.0",
            &format!("--sign={stranger}"),
            "--yes",
        ])
        .expect(0);
    let args = [
        "verify-snapshot",
        "-t",
        "T01",
        "--version",
        "1.1.0",
        "--signature",
        "required",
        "-v",
    ];
    assert!(
        sandbox
            .snapback(&args)
            .expect(4)
            .stdout
            .contains("signature: unknown key")
    );
    sandbox
        .run_line("rollback -t T01 --to 1.0.0 --signature required --yes")
        .expect(0);
    assert!(
        !ran.exists(),
        "a program of the repository's configuration was run"
    );
}
