//! Trees that try to leave the tree, written as git itself would refuse to write them.

use std::{fs, os::unix::fs::symlink};

use snapback::base::RelPath;

use super::{BACK, LOOKS, SNAP, hash_object, head_with, release_with, target, withstands};

/// Returns names that no release can hold, in every spelling that some file system equates.
fn escapes() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        "..",
        ".",
        "",
        "../x",
        "../../victim",
        "/etc/x",
        "a/../../x",
        "a//b",
        "lib/rules.py",
        ".git",
        ".GIT",
        ".Git",
        ".gIT",
        ".git.",
        ".git ",
        ".git. .",
        ".git...",
        ".git::$INDEX_ALLOCATION",
        ".git:x",
        ".GIT::$DATA",
        ".git\\config",
        ".git \\x",
        "git~1",
        "GIT~1",
        "Git~1",
        "git~1.",
        "git~1 ",
        "git~1\\x",
        "git~1:x",
        ".snapback",
        ".Snapback",
        ".SNAPBACK ",
        ".snapback::$DATA",
        "snapba~1",
        "SNAPBA~1",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    // HFS+ ignores these anywhere in a name.
    for ignored in [
        '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{206a}',
        '\u{206f}', '\u{feff}',
    ] {
        for at in 0..=4 {
            let mut name = String::from(".GiT");
            name.insert(at, ignored);
            all.push(name.into_bytes());
        }
        all.push(format!(".snap{ignored}back").into_bytes());
    }
    all.push([&b"n"[..], &[b'a'; 255]].concat());
    all
}

#[test]
fn no_name_of_a_tree_leads_out() {
    let origin = target();
    let blob = hash_object(&origin, "blob", b"hostile\n");
    let empty = hash_object(&origin, "tree", b"");
    for (nth, name) in escapes().into_iter().enumerate() {
        assert!(
            RelPath::own("tasks/T01").child(&name).is_err(),
            "{}",
            name.escape_ascii()
        );
        // git cannot tell the empty name from the end of a mode; it can tell all others.
        if nth % 6 != 0 || name.is_empty() {
            continue;
        }
        for (mode, id) in [("100644", &blob), ("40000", &empty), ("120000", &blob)] {
            let sandbox = origin.copy();
            head_with(&sandbox, &[(mode, name.clone(), id.clone())]);
            withstands(&sandbox, &[4], SNAP, &["not safe"]);
            withstands(&sandbox, &[4], BACK, &["not safe"]);
            let sandbox = origin.copy();
            release_with(&sandbox, &[(mode, name.clone(), id.clone())]);
            withstands(&sandbox, &[0, 4], BACK, &[]);
        }
    }
}

#[test]
fn looks_at_hostile_trees_change_nothing() {
    let sandbox = target();
    let blob = hash_object(&sandbox, "blob", b"[core]\n\tfsmonitor = touch pwned\n");
    let git = hash_object(
        &sandbox,
        "tree",
        &super::raw_tree(&[("100644", b"config".to_vec(), blob)]),
    );
    release_with(&sandbox, &[("40000", b".git".to_vec(), git.clone())]);
    head_with(&sandbox, &[("40000", b".GIT".to_vec(), git)]);
    for look in LOOKS {
        withstands(&sandbox, &[0, 3, 4], look, &[]);
    }
}

#[test]
fn the_same_name_twice_as_link_and_as_folder() {
    let origin = target();
    let link = hash_object(&origin, "blob", b"../../../home/.ssh");
    let key = hash_object(&origin, "blob", b"hostile\n");
    let folder = hash_object(
        &origin,
        "tree",
        &super::raw_tree(&[("100644", b"authorized_keys".to_vec(), key.clone())]),
    );
    for entries in [
        vec![
            ("120000", b"d".to_vec(), link.clone()),
            ("40000", b"d".to_vec(), folder.clone()),
        ],
        vec![
            ("40000", b"d".to_vec(), folder.clone()),
            ("120000", b"d".to_vec(), link),
        ],
        vec![
            ("100644", b"d".to_vec(), key.clone()),
            ("100644", b"d".to_vec(), key.clone()),
        ],
        vec![
            ("40000", b"d".to_vec(), folder.clone()),
            ("40000", b"d".to_vec(), folder),
        ],
        vec![("100644", b"signal.py".to_vec(), key)],
    ] {
        let sandbox = origin.copy();
        head_with(&sandbox, &entries);
        withstands(&sandbox, &[4], SNAP, &["tasks/T01"]);
        withstands(&sandbox, &[4], BACK, &["tasks/T01"]);
        let sandbox = origin.copy();
        release_with(&sandbox, &entries);
        withstands(&sandbox, &[0, 4], BACK, &[]);
    }
}

#[test]
fn a_link_in_the_work_tree_that_leads_into_git() {
    let sandbox = target();
    fs::remove_dir_all(sandbox.at("tasks/T01/lib")).unwrap();
    symlink("../../.git", sandbox.at("tasks/T01/lib")).unwrap();
    withstands(&sandbox, &[0], BACK, &["tasks/T01/lib"]);
    assert!(!sandbox.exists(".git/rules.py"));
    // The link itself is saved and replaced; an undo restores it.
    let lib = sandbox.at("tasks/T01/lib");
    assert!(fs::symlink_metadata(&lib).unwrap().is_dir());
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(fs::read_link(&lib).unwrap().to_str(), Some("../../.git"));
    fs::remove_file(&lib).unwrap();
    symlink(sandbox.home().join(".ssh"), &lib).unwrap();
    withstands(&sandbox, &[0], BACK, &["tasks/T01/lib"]);
    assert!(!sandbox.home().join(".ssh/rules.py").exists());
}

#[test]
fn twins_by_case_are_refused_where_case_folds() {
    let sandbox = target();
    sandbox
        .git(&["rm", "-q", "--cached", "tasks/T01/new.py"])
        .expect(0);
    fs::remove_file(sandbox.at("tasks/T01/new.py")).unwrap();
    sandbox.write("tasks/T01/Read.py", b"1\n");
    sandbox.write("tasks/T01/read.py", b"2\n");
    sandbox.release("T01", "1.2.0");
    withstands(&sandbox, &[0], BACK, &[]);
    sandbox
        .git(&["config", "core.ignoreCase", "true"])
        .expect(0);
    let forward = &["rollback", "-t", "T01", "--to", "1.2.0", "--yes"];
    withstands(&sandbox, &[4, 6], forward, &["ead.py"]);
}

#[test]
fn modes_and_kinds_that_no_release_has() {
    let origin = target();
    let blob = hash_object(&origin, "blob", b"x\n");
    let tree = hash_object(&origin, "tree", b"");
    let commit = origin.git_out(&["rev-parse", "HEAD"]);
    for (mode, id) in [
        ("160000", &commit),
        ("104755", &blob),
        ("100666", &blob),
        ("60644", &blob),
        ("20644", &blob),
        ("10644", &blob),
        ("140755", &blob),
        ("40000", &blob),
        ("100644", &tree),
        ("0", &blob),
        ("777777777777", &blob),
        ("8", &blob),
        ("", &blob),
    ] {
        let sandbox = origin.copy();
        head_with(&sandbox, &[(mode, b"odd".to_vec(), id.clone())]);
        println!("mode {mode}");
        withstands(&sandbox, &[0, 4, 6, 8], SNAP, &[]);
        let sandbox = origin.copy();
        release_with(&sandbox, &[(mode, b"odd".to_vec(), id.clone())]);
        withstands(&sandbox, &[0, 4, 6, 8], BACK, &[]);
        assert!(
            !sandbox.exists("tasks/T01/odd"),
            "nothing of the kind is made"
        );
    }
}
