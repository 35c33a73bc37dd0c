//! Signed releases with gpg keys: good, expired, unknown, and without gpg.

use std::{fs, os::unix::fs::PermissionsExt};

use super::{global, verify};
use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, have},
};

/// Runs gpg with the sandbox's keys.
fn gpg(sandbox: &Sandbox, args: &[&str]) -> Ran {
    finish(
        sandbox
            .command("gpg")
            .args([
                "--batch",
                "--no-tty",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
            ])
            .args(args),
    )
}

/// Creates a task whose user has a good gpg key and an expired one; `None` where gpg makes none.
fn with_keys() -> Option<Sandbox> {
    let sandbox = Sandbox::new(1);
    let rings = sandbox.home().join(".gnupg");
    fs::create_dir_all(&rings).unwrap();
    fs::set_permissions(&rings, fs::Permissions::from_mode(0o700)).unwrap();
    // Made long ago and valid for one day: it has expired.
    let made = gpg(
        &sandbox,
        &[
            "--faked-system-time",
            "20200101T000000",
            "--quick-gen-key",
            "old@example.com",
            "ed25519",
            "sign",
            "1d",
        ],
    );
    if made.code != 0 {
        println!("skipped: gpg cannot make keys here: {}", made.stderr.trim());
        return None;
    }
    gpg(
        &sandbox,
        &[
            "--quick-gen-key",
            "Li Wei <li.wei@example.com>",
            "ed25519",
            "sign",
            "never",
        ],
    )
    .expect(0);
    Some(sandbox)
}

/// Releases T01 1.1.0. An expired key cannot sign, so the tag is made at a time when it could.
fn release_signed_by_the_old_key(sandbox: &Sandbox) {
    let wrapper = sandbox.home().join("old-gpg");
    fs::write(
        &wrapper,
        "#!/bin/sh\nexec gpg --faked-system-time 20200101T010000 \"$@\"\n",
    )
    .unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    global(sandbox, "gpg.program", wrapper.to_str().unwrap());
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox
        .run_line("create-snapshot -t T01 --version 1.1.0 --sign=old@example.com --yes")
        .expect(0);
    global(sandbox, "gpg.program", "gpg");
}

#[test]
fn gpg_keys_good_expired_and_unknown() {
    if !have("gpg") {
        return;
    }
    let Some(sandbox) = with_keys() else {
        return;
    };
    let rings = sandbox.home().join(".gnupg");
    global(&sandbox, "user.signingKey", "li.wei@example.com");
    sandbox
        .run_line("create-snapshot -t T01 --version 1.0.0 --sign --yes")
        .expect(0);
    sandbox.git(&["verify-tag", "T01-v1.0.0"]).expect(0);
    let text = verify(&sandbox, "required").expect(0).stdout;
    assert!(
        text.contains("signature: good (openpgp)") && text.contains("Li Wei <li.wei@example.com>"),
        "{text}"
    );
    release_signed_by_the_old_key(&sandbox);
    let old = |demand: &str| {
        sandbox.snapback(&[
            "verify-snapshot",
            "-t",
            "T01",
            "--version",
            "1.1.0",
            "--signature",
            demand,
            "-v",
        ])
    };
    assert!(
        old("required")
            .expect(4)
            .stdout
            .contains("signature: expired")
    );
    assert!(
        old("optional")
            .expect(0)
            .stdout
            .contains("signature: expired")
    );
    // Another keyring contains neither key.
    let _ = finish(sandbox.command("gpgconf").args(["--kill", "all"]));
    fs::rename(&rings, sandbox.home().join("kept")).unwrap();
    fs::create_dir_all(&rings).unwrap();
    fs::set_permissions(&rings, fs::Permissions::from_mode(0o700)).unwrap();
    let unknown = verify(&sandbox, "required").expect(4).stdout;
    assert!(
        unknown.contains("signature: unknown key")
            && unknown.contains("key: ")
            && !unknown.contains("signer: "),
        "{unknown}"
    );
    let _ = finish(sandbox.command("gpgconf").args(["--kill", "all"]));
    global(&sandbox, "gpg.program", "/nowhere/gpg");
    assert!(
        verify(&sandbox, "required")
            .expect(8)
            .stdout
            .contains("signature: not judged")
    );
    verify(&sandbox, "optional").expect(0);
}
