//! Keys are private, intact and outside the work tree; whose signatures count, and when.
#![allow(
    clippy::disallowed_methods,
    reason = "the test stands for somebody else who writes there"
)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use super::*;

const KEY_FILE: &str = "signing-key.json";
const SIGNERS_FILE: &str = "allowed-signers.json";
const MANIFEST: &[u8] = b"schema: snapback.manifest/1\n";

/// A home and a work tree.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("there is room");
        fs::create_dir_all(dir.path().join("repo")).expect("it creates");
        Self { dir }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir
            .path()
            .canonicalize()
            .expect("it is there")
            .join(path)
    }

    /// Runs a function with the keys of that folder.
    fn with<T>(&self, folder: &str, run: impl FnOnce(Keys<'_>) -> T) -> T {
        run(Keys {
            folder: Some(&self.at(folder)),
            work_tree: &self.at("repo"),
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.at("config/snapback").join(name)
    }

    fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.file(name), fs::Permissions::from_mode(mode)).expect("it is ours");
    }
}

const HERE: &str = "config/snapback";

/// Returns a desk with a key of its own.
fn with_key() -> (Desk, KeyId) {
    let desk = Desk::new();
    let (key, _) = desk
        .with(HERE, |keys| keys.create("Li"))
        .expect("it is made");
    (desk, key)
}

fn why(error: Result<ManifestSignature, Error>) -> &'static str {
    match error {
        Err(Error::NotSafe { why, .. }) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_made_once_private_and_allowed() {
    let (desk, key) = with_key();
    for (name, mode) in [
        ("", 0o700),
        (KEY_FILE, 0o600),
        (SIGNERS_FILE, 0o600),
        (LOCK, 0o600),
    ] {
        assert_eq!(
            fs::metadata(desk.file(name))
                .expect("it is there")
                .permissions()
                .mode()
                & 0o777,
            mode,
            "{name}"
        );
    }
    let signature = desk
        .with(HERE, |keys| keys.sign(MANIFEST))
        .expect("there is a key");
    let (judgement, signer) = desk.with(HERE, |keys| keys.judge(&signature, MANIFEST));
    assert_eq!(
        (
            judgement.state,
            judgement.signer.as_deref(),
            signer.map(|signer| signer.key)
        ),
        (SignatureState::Good, Some("Li"), Some(key))
    );
    assert!(matches!(
        desk.with(HERE, |keys| keys.create("Li")),
        Err(Error::KeyThere(_))
    ));
    assert_eq!(
        desk.with(HERE, |keys| keys.own_id()).expect("it reads"),
        Some(key)
    );
}

#[test]
fn no_key_and_no_folder_are_told_apart_from_a_bad_one() {
    let desk = Desk::new();
    assert!(matches!(
        desk.with(HERE, |keys| keys.sign(MANIFEST)),
        Err(Error::NoKey(_))
    ));
    assert!(matches!(
        Keys {
            folder: None,
            work_tree: &desk.at("repo")
        }
        .sign(MANIFEST),
        Err(Error::NoPlace)
    ));
    assert!(matches!(
        Keys {
            folder: None,
            work_tree: &desk.at("repo")
        }
        .create("Li"),
        Err(Error::NoPlace)
    ));
    assert_eq!(
        desk.with(HERE, |keys| keys.own_id())
            .expect("none is no error"),
        None
    );
    assert!(!desk.at("config").exists(), "reading makes nothing");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let (desk, _) = with_key();
    for mode in [0o644, 0o640, 0o604, 0o610, 0o601, 0o660, 0o666, 0o777] {
        desk.chmod(KEY_FILE, mode);
        assert!(
            why(desk.with(HERE, |keys| keys.sign(MANIFEST))).contains("others can read it"),
            "{mode:o}"
        );
    }
    desk.chmod(KEY_FILE, 0o400);
    desk.with(HERE, |keys| keys.sign(MANIFEST))
        .expect("less is fine");
    desk.chmod(KEY_FILE, 0o600);
    desk.chmod("", 0o777);
    assert!(why(desk.with(HERE, |keys| keys.sign(MANIFEST))).contains("others can write"));
    assert!(matches!(
        desk.with(HERE, |keys| keys.signers()),
        Err(Error::NotSafe { .. })
    ));
}

#[test]
fn a_key_or_list_that_is_no_file_or_damaged_is_refused_and_never_quoted() {
    let (desk, _) = with_key();
    let whole = fs::read(desk.file(KEY_FILE)).expect("it reads");
    let text = String::from_utf8(whole.clone()).expect("it is text");
    let kept: serde_json::Value = serde_json::from_slice(&whole).expect("it is JSON");
    let secret = kept["secret"].as_str().expect("it is there").to_string();
    // Any changed byte is refused, unless it is white space and the key stays the same.
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(desk.file(KEY_FILE), &bytes).expect("it writes");
        match desk.with(HERE, |keys| keys.sign(MANIFEST)) {
            Ok(signature) => assert_eq!(
                desk.with(HERE, |keys| keys.judge(&signature, MANIFEST))
                    .0
                    .state,
                SignatureState::Good,
                "byte {at}"
            ),
            Err(error) => {
                let debug = format!("{error:?}");
                let shown = [vec![debug], crate::base::Failure::from(error).chain()]
                    .concat()
                    .join(" ");
                assert!(!shown.contains(&secret[..8]), "{shown}");
            }
        }
    }
    for bytes in [
        &b""[..],
        &whole[..whole.len() - 9],
        b"{}",
        text.replace("ed25519\"", "hmac-sha256\"").as_bytes(),
    ] {
        fs::write(desk.file(KEY_FILE), bytes).expect("it writes");
        assert!(why(desk.with(HERE, |keys| keys.sign(MANIFEST))).contains("damaged"));
    }
    fs::rename(desk.file(KEY_FILE), desk.at("moved")).expect("it moves");
    symlink(desk.at("moved"), desk.file(KEY_FILE)).expect("it links");
    assert!(why(desk.with(HERE, |keys| keys.sign(MANIFEST))).contains("no regular file"));
    fs::remove_file(desk.file(KEY_FILE)).expect("it goes");
    fs::create_dir(desk.file(KEY_FILE)).expect("it is made");
    assert!(why(desk.with(HERE, |keys| keys.sign(MANIFEST))).contains("no regular file"));
}

#[test]
fn the_folder_is_never_in_the_work_tree_nor_reached_through_it() {
    let desk = Desk::new();
    for folder in ["repo/config", "repo/.git/x", "repo"] {
        assert!(
            matches!(
                desk.with(folder, |keys| keys.create("Li")),
                Err(Error::PlaceInside(_))
            ),
            "{folder}"
        );
    }
    fs::create_dir(desk.at("repo/keys")).expect("it is made");
    symlink(desk.at("repo/keys"), desk.at("linked")).expect("it links");
    assert!(matches!(
        desk.with("linked", |keys| keys.create("Li")),
        Err(Error::PlaceInside(_))
    ));
    assert!(matches!(
        desk.with("linked", |keys| keys.sign(MANIFEST)),
        Err(Error::PlaceInside(_))
    ));
    assert!(
        fs::read_dir(desk.at("repo/keys"))
            .expect("it lists")
            .next()
            .is_none()
    );
}

#[test]
fn a_list_that_cannot_be_believed_vouches_for_nobody() {
    let (desk, key) = with_key();
    let signature = desk
        .with(HERE, |keys| keys.sign(MANIFEST))
        .expect("there is a key");
    let state = || {
        desk.with(HERE, |keys| keys.judge(&signature, MANIFEST))
            .0
            .state
    };
    let whole = fs::read_to_string(desk.file(SIGNERS_FILE)).expect("it reads");
    desk.chmod(SIGNERS_FILE, 0o666);
    assert_eq!(state(), SignatureState::Unjudged);
    desk.chmod(SIGNERS_FILE, 0o644);
    assert_eq!(
        state(),
        SignatureState::Good,
        "what others can read only is no secret"
    );
    let twice = whole.replace(
        "  ]",
        &format!(",{{\"name\": \"Eve\", \"key\": \"{key}\"}}]"),
    );
    assert_ne!(twice, whole);
    for text in [
        twice,
        whole.replace("signers/1", "signers/2"),
        whole.replace("\"name\"", "\"names\""),
        String::new(),
        whole[..9].into(),
    ] {
        fs::write(desk.file(SIGNERS_FILE), text).expect("it writes");
        assert_eq!(state(), SignatureState::Unjudged);
        assert!(
            desk.with(HERE, |keys| keys.allow(&Signer {
                name: "Ada".into(),
                key,
                valid_until: None,
                revoked: None
            }))
            .is_err()
        );
    }
    fs::remove_file(desk.file(SIGNERS_FILE)).expect("it goes");
    assert_eq!(state(), SignatureState::UnknownKey);
}

/// Returns a signer whose name has white space around it.
fn li(key: KeyId) -> Signer {
    Signer {
        name: " Li ".into(),
        key,
        valid_until: None,
        revoked: None,
    }
}

/// Returns a signature of Li's, Li's key, and the desk of Ada, who so far allows only herself.
fn two_desks() -> (ManifestSignature, KeyId, Desk, KeyId) {
    let (desk, own) = with_key();
    let signature = desk
        .with(HERE, |keys| keys.sign(MANIFEST))
        .expect("there is a key");
    let other = Desk::new();
    let (theirs, _) = other
        .with(HERE, |keys| keys.create("Ada"))
        .expect("it is made");
    (signature, own, other, theirs)
}

/// Returns a desk's judgement of a signature.
fn state(desk: &Desk, signature: &ManifestSignature, manifest: &[u8]) -> SignatureState {
    desk.with(HERE, |keys| keys.judge(signature, manifest))
        .0
        .state
}

#[test]
fn keys_are_told_apart() {
    let (signature, own, other, theirs) = two_desks();
    assert_ne!(own, theirs);
    assert_eq!(
        state(&other, &signature, MANIFEST),
        SignatureState::UnknownKey
    );
    other
        .with(HERE, |keys| keys.allow(&li(own)))
        .expect("it is allowed");
    assert_eq!(state(&other, &signature, MANIFEST), SignatureState::Good);
    // Ada's key does not vouch for Li's signature, though both are allowed.
    let forged = ManifestSignature {
        key: theirs,
        ..signature.clone()
    };
    assert_eq!(state(&other, &forged, MANIFEST), SignatureState::Bad);
}

#[test]
fn a_revoked_key_never_comes_back() {
    let (signature, own, other, _) = two_desks();
    other
        .with(HERE, |keys| keys.allow(&li(own)))
        .expect("it is allowed");
    let at = Timestamp::UNIX_EPOCH;
    let revoke = |which: &str| other.with(HERE, |keys| keys.revoke(which, at));
    assert_eq!(revoke("Li").expect("it is there").len(), 1);
    assert_eq!(
        revoke(&own.to_string()).expect("it is there").len(),
        0,
        "it was before"
    );
    assert_eq!(state(&other, &signature, MANIFEST), SignatureState::Revoked);
    assert_eq!(
        state(&other, &signature, b"else"),
        SignatureState::Bad,
        "forged comes before revoked"
    );
    assert!(matches!(
        other.with(HERE, |keys| keys.allow(&li(own))),
        Err(Error::Revoked(_))
    ));
    assert!(matches!(revoke("Eve"), Err(Error::Unknown(_))));
}

#[test]
fn weak_keys_and_names_of_more_than_a_line_are_refused() {
    let (_, own, other, _) = two_desks();
    let one = KeyId(std::array::from_fn(|nth| u8::from(nth == 0)));
    assert!(matches!(
        other.with(HERE, |keys| keys.allow(&li(one))),
        Err(Error::Weak(_))
    ));
    for name in ["", "  ", "a\nb", "a\u{1b}[31m", &"x".repeat(201)] {
        let named = Signer {
            name: name.into(),
            ..li(own)
        };
        assert!(
            matches!(
                other.with(HERE, |keys| keys.allow(&named)),
                Err(Error::Name)
            ),
            "{name:?}"
        );
    }
}

#[test]
fn changes_at_once_lose_nothing() {
    let desk = Desk::new();
    let key = |nth: u8| {
        KeyId(
            SigningKey::from_bytes(&[nth; 32])
                .verifying_key()
                .to_bytes(),
        )
    };
    std::thread::scope(|scope| {
        for nth in 0..8 {
            let desk = &desk;
            scope.spawn(move || {
                let signer = Signer {
                    name: format!("S{nth}"),
                    key: key(nth),
                    valid_until: None,
                    revoked: None,
                };
                desk.with(HERE, |keys| keys.allow(&signer))
                    .expect("it is allowed");
            });
        }
    });
    assert_eq!(
        desk.with(HERE, |keys| keys.signers())
            .expect("it reads")
            .len(),
        8
    );
}
