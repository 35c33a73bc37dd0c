//! Capsules that are cut, changed or forged: refused, and nothing is written anywhere.

use std::{fs, path::Path, process::Command};

use snapback::{base::Digest, capsule::tar::TarWriter};

use super::create;
use crate::support::Sandbox;

/// What restoring bytes as a capsule says; nothing may be left of it.
#[track_caller]
fn refused(sandbox: &Sandbox, bytes: &[u8], code: i32) -> String {
    let place = sandbox.top().join("hostile");
    let _ = fs::remove_dir_all(&place);
    fs::create_dir(&place).unwrap();
    let capsule = sandbox.top().join("hostile.tar");
    fs::write(&capsule, bytes).unwrap();
    let ran = sandbox
        .snapback(&[
            "dr",
            "--from",
            capsule.to_str().unwrap(),
            "--into",
            place.join("out").to_str().unwrap(),
        ])
        .expect(code);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "{ran:?}");
    ran.stderr
}

#[test]
fn a_cut_or_changed_capsule_is_refused_and_leaves_nothing() {
    let sandbox = Sandbox::new(1);
    fs::remove_file(sandbox.at("tasks/T01/model.bin")).unwrap();
    sandbox.release("T01", "1.0.0");
    let bytes = fs::read(create(&sandbox, "c.tar")).unwrap();
    for at in (0..bytes.len() - 1024).step_by(bytes.len() / 60) {
        refused(&sandbox, &bytes[..at], 4);
        let mut changed = bytes.clone();
        changed[at] ^= 0x20;
        refused(&sandbox, &changed, 4);
    }
    for name in ["c.tar.zst", "c.tar.gz"] {
        let bytes = fs::read(create(&sandbox, name)).unwrap();
        assert!(refused(&sandbox, &bytes[..bytes.len() / 2], 4).contains("it "));
        let mut changed = bytes.clone();
        changed[bytes.len() / 2] ^= 1;
        refused(&sandbox, &changed, 4);
    }
    assert!(
        refused(&sandbox, &[bytes.clone(), b"more".to_vec()].concat(), 4)
            .contains("something comes after its end")
    );
    assert!(refused(&sandbox, b"", 4).contains("it is cut off"));
}

/// A capsule made by hand: its list, and members after it.
fn forged(list: &serde_json::Value, members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new(), 0);
    let list = serde_json::to_vec(list).unwrap();
    for (name, bytes) in [("T01-v1.0.0/capsule.json", &list[..])]
        .iter()
        .chain(members)
    {
        writer
            .file(name.as_bytes(), false, bytes.len() as u64, &mut |into| {
                into.write_all(bytes)
            })
            .unwrap();
    }
    writer.finish().unwrap()
}

fn list(files: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "schema": "snapback.capsule/1", "task": "T01", "version": "1.0.0", "tag": "T01-v1.0.0", "commit": "0".repeat(40),
        "released_at": "2026-01-01T00:00:00Z", "manifest": Digest::of(b""), "files": files, "wheels": [], "missing": [],
    })
}

fn file(path: &str, bytes: &[u8]) -> serde_json::Value {
    serde_json::json!({ "path": path, "mode": "100644", "size": bytes.len(), "sha256": Digest::of(bytes) })
}

/// A capsule with these files in its list and these members is refused with these words.
fn refuse(
    sandbox: &Sandbox,
    files: &serde_json::Value,
    members: &[(&str, &[u8])],
    code: i32,
    words: &str,
) {
    let said = refused(sandbox, &forged(&list(files), members), code);
    assert!(said.contains(words), "{words:?} is not in {said}");
}

#[test]
fn paths_and_members_that_are_not_as_listed_write_nothing_anywhere() {
    let sandbox = Sandbox::new(1);
    let refuse = |files: serde_json::Value, members: &[(&str, &[u8])], code: i32, words: &str| {
        refuse(&sandbox, &files, members, code, words);
    };
    let one = |path: &str| serde_json::json!([file(path, b"x")]);
    for path in [
        "../harm",
        "/tmp/harm",
        "a/../../harm",
        ".git/hooks/pre-commit",
        "a//b",
        "",
    ] {
        refuse(one(path), &[], 4, "damaged, or no capsule");
    }
    refuse(
        one("a"),
        &[("T01-v1.0.0/tree/../../harm", b"x")],
        4,
        "is not in its list",
    );
    refuse(one("a"), &[("../harm", b"x")], 4, "lies outside its folder");
    refuse(one("a"), &[("T01-v1.0.0/tree/a", b"xx")], 4, "another size");
    refuse(one("a"), &[("T01-v1.0.0/tree/a", b"y")], 4, "other bytes");
    refuse(
        one("a"),
        &[("T01-v1.0.0/tree/a", b"x"), ("T01-v1.0.0/tree/a", b"x")],
        4,
        "there twice",
    );
    refuse(
        one("a"),
        &[("T01-v1.0.0/tree/a", b"x")],
        4,
        "it has no SHA256SUMS",
    );
    refuse(one("a"), &[], 4, "does not hold it");
    refuse(
        one("a"),
        &[("T01-v1.0.0/SHA256SUMS", b"")],
        4,
        "does not hold it",
    );
    refuse(
        serde_json::json!([file("a", b"x"), file("a", b"x")]),
        &[],
        4,
        "listed twice",
    );
    refuse(
        serde_json::json!([file("a", b"x"), file("a/b", b"x")]),
        &[],
        4,
        "as a folder of a/b",
    );
}

#[test]
fn sizes_and_links_and_modes_that_do_harm_write_nothing_anywhere() {
    let sandbox = Sandbox::new(1);
    let refuse = |files: serde_json::Value, members: &[(&str, &[u8])], code: i32, words: &str| {
        refuse(&sandbox, &files, members, code, words);
    };
    // A bomb: it says that it would fill any disk.
    let huge = serde_json::json!([{ "path": "a", "mode": "100644", "size": 1u64 << 60, "sha256": Digest::of(b"") }]);
    refuse(huge, &[], 8, "nothing was restored");
    let too_huge = |path: &str| serde_json::json!({ "path": path, "mode": "100644", "size": u64::MAX, "sha256": Digest::of(b"") });
    refuse(
        serde_json::json!([too_huge("a"), too_huge("b")]),
        &[],
        8,
        "nothing was restored",
    );
    // Links that lead out, and files behind links.
    let link = |path: &str, target: &str| serde_json::json!({ "path": path, "mode": "120000", "size": target.len(), "sha256": Digest::of(target.as_bytes()), "target": target });
    for target in ["/etc", "..", "b/../../.."] {
        refuse(
            serde_json::json!([link("a", target)]),
            &[],
            6,
            "leads out of the folder",
        );
    }
    refuse(
        serde_json::json!([link("a", "b"), file("a/x", b"x")]),
        &[("T01-v1.0.0/tree/a/x", b"x")],
        4,
        "as a folder of a/x",
    );
    refuse(
        serde_json::json!([{ "path": "a", "mode": "120000", "size": 1, "sha256": Digest::of(b"b"), "target": "c" }]),
        &[],
        4,
        "as a link",
    );
    refuse(
        serde_json::json!([{ "path": "a", "mode": "104755", "size": 1, "sha256": Digest::of(b"b") }]),
        &[],
        4,
        "has the mode",
    );
}

#[test]
fn another_format_and_another_kind_of_member_are_refused() {
    let sandbox = Sandbox::new(1);
    let mut newer = list(&serde_json::json!([]));
    newer["schema"] = "snapback.capsule/2".into();
    assert!(refused(&sandbox, &forged(&newer, &[]), 4).contains("this snapback knows"));
    let system = sandbox.top().join("system");
    fs::create_dir(&system).unwrap();
    std::os::unix::fs::symlink("/etc", system.join("T01-v1.0.0")).unwrap();
    let tar = |arg: &str| {
        Command::new("tar")
            .current_dir(&system)
            .args(["-cf", arg, "T01-v1.0.0"])
            .status()
            .unwrap()
    };
    assert!(tar("../system.tar").success());
    assert!(
        refused(
            &sandbox,
            &fs::read(sandbox.top().join("system.tar")).unwrap(),
            4
        )
        .contains("a link as a member")
    );
}

#[test]
fn links_that_lead_out_are_restored_only_when_they_are_meant() {
    let sandbox = Sandbox::new(1);
    std::os::unix::fs::symlink("/etc/hosts", sandbox.at("tasks/T01/hosts")).unwrap();
    sandbox.release("T01", "1.0.0");
    let path = sandbox.top().join("c.tar.gz");
    let made = sandbox
        .snapback(&["capsule", "create", "-t", "T01", path.to_str().unwrap()])
        .expect(0);
    assert!(
        made.stdout
            .contains("the link tasks/T01/hosts leads out of the tree, to /etc/hosts"),
        "{made:?}"
    );
    let out = sandbox.top().join("out");
    let args = [
        "dr",
        "--from",
        path.to_str().unwrap(),
        "--into",
        out.to_str().unwrap(),
    ];
    sandbox.snapback(&args).expect(6);
    assert!(!out.exists());
    sandbox
        .snapback(&[&args[..], &["--links-out"]].concat())
        .expect(0);
    assert_eq!(
        fs::read_link(out.join("tasks/T01/hosts")).unwrap(),
        Path::new("/etc/hosts")
    );
}
