//! Signatures of other bytes, another release, another commit, another key or another form are
//! never accepted.

use super::{MANIFEST, forge, line, own, released, replace_manifest, verify};

#[test]
fn a_manifest_with_one_byte_changed_is_not_what_was_signed() {
    let sandbox = released();
    let whole = sandbox.read(MANIFEST);
    let text = String::from_utf8(whole.clone()).unwrap();
    for bytes in [
        text.replacen("created_at: ", "created_at:  ", 1)
            .into_bytes(),
        text.replacen("role: source", "role: config", 1)
            .into_bytes(),
        [&whole[..], b"\n"].concat(),
        [&whole[..], b"# more\n"].concat(),
    ] {
        let copy = sandbox.copy();
        assert_ne!(bytes, whole);
        // The tag still names the digest of the true manifest, which history has: only the copy
        // differs.
        copy.write(MANIFEST, &bytes);
        copy.git(&["commit", "-qam", "tamper"]).expect(0);
        let found = verify(&copy, "optional").expect(4).stdout;
        assert!(
            found.contains("signature: good")
                && found.contains("integrity.copy")
                && found.contains("was changed"),
            "{found}"
        );
        // The tag is adjusted: only the signature reveals it.
        copy.git(&["reset", "-q", "--hard", "HEAD~1"]).expect(0);
        replace_manifest(&copy, &bytes);
        let found = verify(&copy, "optional").expect(4).stdout;
        assert!(
            found.contains("signature: bad (it was not made over these bytes)"),
            "{found}"
        );
        copy.snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
            .expect(12);
    }
}

#[test]
fn a_signature_of_another_release_or_task_is_none_of_this() {
    for (tag, manifest, named) in [
        (
            "T01-v1.1.0",
            "snapshots/snapshot-T01-v1.1.0.yaml",
            "it is that of T01 1.1.0",
        ),
        (
            "T02-v1.0.0",
            "snapshots/snapshot-T02-v1.0.0.yaml",
            "it is that of T02 1.0.0",
        ),
    ] {
        let sandbox = released();
        let mine = line(&sandbox, "T01-v1.0.0", "Snapback-Signature");
        let theirs = line(&sandbox, tag, "Snapback-Signature");
        let whole = sandbox.copy();
        forge(&whole, |tag| tag.replace(&mine, &theirs));
        assert!(
            verify(&whole, "optional")
                .expect(4)
                .stdout
                .contains("signature: bad (it was not made over these bytes)")
        );
        // With that release's manifest, under this one's name.
        replace_manifest(&sandbox, &sandbox.read(manifest));
        forge(&sandbox, |tag| tag.replace(&mine, &theirs));
        let found = verify(&sandbox, "required").expect(4).stdout;
        assert!(
            found.contains(&format!("signature: bad ({named})")),
            "{found}"
        );
    }
}

#[test]
fn a_tag_moved_to_another_commit_is_not_what_was_signed() {
    let sandbox = released();
    let other = sandbox.git_out(&["rev-parse", "T01-v1.1.0^{commit}"]);
    let mine = sandbox.git_out(&["rev-parse", "T01-v1.0.0^{commit}"]);
    forge(&sandbox, |tag| tag.replacen(&mine, &other, 1));
    let found = verify(&sandbox, "required").expect(4).stdout;
    assert!(
        found.contains("signature: bad (it is that of the commit"),
        "{found}"
    );
}

/// An alteration of a signature line.
type Altered = fn(&str) -> String;

/// The defect of a line, its alteration, the requirement, and the resulting exit code and message.
const LINES: [(&str, Altered, &str, i32, &str); 10] = [
    (
        "twice",
        |mine| format!("{mine}\n{mine}"),
        "optional",
        4,
        TWO,
    ),
    (
        "two algorithms",
        |mine| format!("{mine}\n{}", hmac(mine)),
        "optional",
        4,
        TWO,
    ),
    (
        "bytes at the end",
        |mine| format!("{mine}AAAA"),
        "optional",
        4,
        ILL_WRITTEN,
    ),
    (
        "words at the end",
        |mine| format!("{mine} good"),
        "optional",
        4,
        ILL_WRITTEN,
    ),
    (
        "empty",
        |_| "Snapback-Signature: ".into(),
        "optional",
        4,
        "signature: bad",
    ),
    (
        "another algorithm",
        hmac,
        "required",
        4,
        "signature: unknown key (nothing here knows its algorithm, \"hmac-sha256\")",
    ),
    (
        "another algorithm, not demanded",
        hmac,
        "optional",
        0,
        "signature: unknown key",
    ),
    (
        "a form of the same algorithm",
        |mine| mine.replace("ed25519:", "ed25519ph:"),
        "required",
        4,
        "signature: unknown key",
    ),
    (
        "gone",
        |_| String::new(),
        "required",
        4,
        "signature: missing",
    ),
    (
        "above the last paragraph",
        |mine| format!("\n{mine}\n\nx: y"),
        "required",
        4,
        "signature: missing",
    ),
];

const TWO: &str = "signature: bad (there is more than one";

const ILL_WRITTEN: &str = "signature: bad (it is not written as one is)";

/// Returns the line with another algorithm.
fn hmac(mine: &str) -> String {
    mine.replace("ed25519:", "hmac-sha256:")
}

#[test]
fn lines_that_are_twice_wrong_or_of_another_algorithm() {
    let sandbox = released();
    let mine = line(&sandbox, "T01-v1.0.0", "Snapback-Signature");
    for (name, alter, demand, code, said) in LINES {
        let copy = sandbox.copy();
        let line = alter(&mine);
        forge(&copy, |tag| {
            tag.replace(&mine, &line).replace("\n\n\n", "\n")
        });
        let found = verify(&copy, demand).expect(code).stdout;
        assert!(found.contains(said), "{name}: {found}");
    }
}

#[test]
fn keys_of_strangers_sign_nothing_and_weak_ones_are_not_allowed() {
    let sandbox = released();
    let key = own(&sandbox);
    let stranger = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    forge(&sandbox, |tag| tag.replace(&key, stranger));
    assert!(
        verify(&sandbox, "required")
            .expect(4)
            .stdout
            .contains("signature: unknown key")
    );
    sandbox
        .snapback(&["keys", "allow", stranger, "--name", "a stranger"])
        .expect(0);
    assert!(
        verify(&sandbox, "required")
            .expect(4)
            .stdout
            .contains("signature: bad")
    );
    for weak in [
        "ed25519:AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "ed25519:7P///////////////////////////////////////38=",
    ] {
        sandbox
            .snapback(&["keys", "allow", weak, "--name", "nobody"])
            .expect(6);
    }
    sandbox
        .snapback(&["keys", "allow", "hmac-sha256:AAAA", "--name", "nobody"])
        .expect(2);
}
