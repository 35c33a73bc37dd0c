//! Releases whose manifests are signed with snapback's own keys: made, judged, required, forged,
//! and cloned. The secret part of the key is nowhere but in its file.

mod forged;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use snapback::base::Digest;

use crate::support::{Sandbox, sandbox::Ran};

const MANIFEST: &str = "snapshots/snapshot-T01-v1.0.0.yaml";

/// Creates two tasks whose releases are signed with the user's own key.
fn signing() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.snapback(&["keys", "create"]).expect(0);
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    sandbox.write(
        "snapback.yaml",
        format!("{settings}\nreleases: {{sign: true}}\n").as_bytes(),
    );
    sandbox.git(&["commit", "-qam", "sign"]).expect(0);
    sandbox
}

/// Creates the signed releases 1.0.0 and 1.1.0 of T01, and 1.0.0 of T02.
fn released() -> Sandbox {
    let sandbox = signing();
    sandbox.release("T01", "1.0.0");
    sandbox.release("T02", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox.release("T01", "1.1.0");
    sandbox
}

/// Runs `verify-snapshot` of T01 1.0.0 with a requirement.
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

/// Returns the folder of the keys.
fn folder(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".config/snapback")
}

/// Returns the user's own public key.
fn own(sandbox: &Sandbox) -> String {
    sandbox
        .snapback(&["keys", "list", "--json"])
        .expect(0)
        .json()["data"]["own"]
        .as_str()
        .unwrap()
        .to_string()
}

/// Moves the references of a release to a tag whose message `edit` has changed.
fn forge(sandbox: &Sandbox, edit: impl Fn(&str) -> String) {
    let forged = edit(&sandbox.git_out(&["cat-file", "tag", "T01-v1.0.0"])) + "\n";
    let file = sandbox.home().join("tag");
    fs::write(&file, forged).unwrap();
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

/// Returns the line of a tag with this beginning.
fn line(sandbox: &Sandbox, tag: &str, begins: &str) -> String {
    let text = sandbox.git_out(&["cat-file", "tag", tag]);
    text.lines()
        .find(|line| line.starts_with(begins))
        .unwrap_or_else(|| panic!("{text}"))
        .to_string()
}

/// Commits other bytes as the manifest, and makes the tag name their digest.
fn replace_manifest(sandbox: &Sandbox, bytes: &[u8]) {
    let before = Digest::of(&sandbox.read(MANIFEST)).to_string();
    sandbox.write(MANIFEST, bytes);
    sandbox.git(&["commit", "-qam", "tamper"]).expect(0);
    forge(sandbox, |tag| {
        assert!(tag.contains(&before));
        tag.replace(&before, &Digest::of(bytes).to_string())
    });
}

#[test]
fn a_release_is_signed_as_the_settings_say_and_says_by_whom() {
    let sandbox = released();
    for demand in ["required", "optional"] {
        let text = verify(&sandbox, demand).expect(0).stdout;
        assert!(
            text.contains("manifest signature: good (ed25519)"),
            "{text}"
        );
        assert!(
            text.contains("signer: Li Wei <li.wei@example.com>")
                && text.contains(&format!("key: {}", own(&sandbox))),
            "{text}"
        );
    }
    assert!(
        !verify(&sandbox, "none")
            .expect(0)
            .stdout
            .contains("signature")
    );
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
        .expect(0);
    let said = format!(
        "manifest signature: good (ed25519), signer: Li Wei <li.wei@example.com>, key: {}",
        own(&sandbox)
    );
    assert!(
        ran.stderr.contains(&said) || ran.stdout.contains(&said),
        "{ran:?}"
    );
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn without_a_signature_a_demand_is_refused_and_nothing_changes() {
    let sandbox = signing();
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
        verify(&sandbox, "required")
            .expect(4)
            .stdout
            .contains("signature: missing")
    );
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox.write(
        "snapback.yaml",
        String::from_utf8(sandbox.read("snapback.yaml"))
            .unwrap()
            .replace("sign: true", "sign: false")
            .as_bytes(),
    );
    // An override for one command.
    sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.1.0",
            "--sign-manifest",
            "--yes",
        ])
        .expect(0);
    line(&sandbox, "T01-v1.1.0", "Snapback-Signature: ed25519:");
    let before = sandbox.everything();
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
    assert!(ran.stderr.contains("signature: missing"), "{ran:?}");
    assert_eq!(sandbox.everything(), before);
}

#[test]
fn a_clone_knows_the_signature_and_only_its_owner_says_whose_count() {
    let sandbox = released();
    let key = own(&sandbox);
    sandbox.git(&["clone", "-q", ".", "../other"]).expect(0);
    let mut clone = Sandbox::beside(&sandbox, "other");
    clone.variables = vec![(
        "XDG_CONFIG_HOME".into(),
        sandbox.home().join("elsewhere").to_str().unwrap().into(),
    )];
    // The repository's own files vouch for nothing.
    for place in [".config/snapback", "snapback", ".snapback-keys"] {
        fs::create_dir_all(clone.at(place)).unwrap();
        fs::copy(
            folder(&sandbox).join("allowed-signers.json"),
            clone.at(place).join("allowed-signers.json"),
        )
        .unwrap();
    }
    assert!(
        verify(&clone, "optional")
            .stdout
            .contains("signature: unknown key")
    );
    assert!(
        verify(&clone, "required")
            .expect(4)
            .stdout
            .contains("signature: unknown key")
    );
    let inside = clone.at(".config").to_str().unwrap().to_string();
    let mut deceived = Sandbox::beside(&sandbox, "other");
    deceived.variables = vec![("XDG_CONFIG_HOME".into(), inside)];
    assert!(
        verify(&deceived, "required")
            .stdout
            .contains("inside the work tree")
    );
    clone
        .snapback(&["keys", "allow", &key, "--name", "Li Wei"])
        .expect(0);
    let text = verify(&clone, "required").stdout;
    assert!(
        text.contains("manifest signature: good") && text.contains("signer: Li Wei"),
        "{text}"
    );
    assert!(
        clone
            .snapback(&["keys", "list"])
            .expect(0)
            .stdout
            .contains("you have no key of your own")
    );
}

#[test]
fn expired_and_revoked_keys() {
    let sandbox = released();
    let key = own(&sandbox);
    let allow = |until: &str| {
        sandbox.snapback(&["keys", "allow", &key, "--name", "Li Wei", "--until", until])
    };
    allow("2001-01-01").expect(0);
    assert!(
        verify(&sandbox, "optional")
            .expect(0)
            .stdout
            .contains("signature: expired (its key was good for releases until 2001-01-02")
    );
    assert!(
        verify(&sandbox, "required")
            .expect(4)
            .stdout
            .contains("signature: expired")
    );
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
        .expect(12);
    // The release is older, so its signature stays good however late it is checked.
    allow("2999-12-31T00:00:00Z").expect(0);
    verify(&sandbox, "required").expect(0);
    allow("tomorrow").expect(2);
    sandbox.snapback(&["keys", "revoke", "Li Wei"]).expect(0);
    assert!(
        verify(&sandbox, "optional")
            .expect(4)
            .stdout
            .contains("signature: revoked")
    );
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(12);
    allow("2999-12-31").expect(6);
    sandbox.snapback(&["keys", "revoke", "nobody"]).expect(5);
}

#[test]
fn a_release_is_refused_before_anything_when_its_key_cannot_be_used() {
    let sandbox = signing();
    let file = folder(&sandbox).join("signing-key.json");
    let before = sandbox.everything();
    let release = || {
        sandbox.snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "--yes",
        ])
    };
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let ran = release().expect(12);
    assert!(
        ran.stderr.contains("others can read it") && ran.stderr.contains("chmod 600"),
        "{ran:?}"
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(sandbox.everything(), before);
    fs::rename(&file, sandbox.home().join("kept")).unwrap();
    let ran = release().expect(8);
    assert!(
        ran.stderr.contains("snapback keys create") && ran.stderr.contains("--no-sign"),
        "{ran:?}"
    );
    fs::rename(sandbox.home().join("kept"), &file).unwrap();
    assert_eq!(sandbox.everything(), before);
    fs::set_permissions(
        folder(&sandbox).join("allowed-signers.json"),
        fs::Permissions::from_mode(0o666),
    )
    .unwrap();
    release().expect(0);
    assert!(
        verify(&sandbox, "required")
            .expect(8)
            .stdout
            .contains("signature: not judged")
    );
    verify(&sandbox, "optional").expect(0);
}

#[test]
fn the_secret_part_is_nowhere_but_in_its_file() {
    let sandbox = Sandbox::new(1);
    let mut said = String::new();
    let mut run = |args: &[&str]| {
        let ran = sandbox.snapback(args);
        said.push_str(&ran.stdout);
        said.push_str(&ran.stderr);
    };
    run(&["keys", "create", "--json", "-v"]);
    run(&["keys", "create", "-v"]);
    run(&["keys", "list", "--json"]);
    run(&[
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.0.0",
        "--sign-manifest",
        "--yes",
        "--json",
        "-v",
    ]);
    run(&[
        "verify-snapshot",
        "-t",
        "T01",
        "--version",
        "1.0.0",
        "-v",
        "--json",
    ]);
    let file = folder(&sandbox).join("signing-key.json");
    let whole = fs::read_to_string(&file).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let secret = kept["secret"].as_str().unwrap();
    fs::write(&file, whole.replace("\"algorithm\"", "\"algorithms\"")).unwrap();
    run(&[
        "create-snapshot",
        "-t",
        "T01",
        "--bump",
        "patch",
        "--sign-manifest",
        "--yes",
        "-v",
    ]);
    run(&["keys", "list"]);
    run(&["doctor", "-v"]);
    fs::remove_file(&file).unwrap();
    assert!(said.contains("damaged") && secret.len() == 44);
    let raw = secret.as_bytes();
    assert!(!said.contains(&secret[..12]), "it was printed");
    let found = sandbox.run(
        "grep",
        &["-rlF", &secret[..12], sandbox.top().to_str().unwrap()],
    );
    assert_eq!(
        (found.code, found.stdout.as_str()),
        (1, ""),
        "{}",
        raw.len()
    );
}
