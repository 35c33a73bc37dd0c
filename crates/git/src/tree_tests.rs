//! Tests that trees are read and written as git does it.

use std::{collections::BTreeMap, os::unix::ffi::OsStrExt};

use bstr::ByteSlice;
use gix::objs::tree::EntryKind;

use super::{
    Repo,
    testing::{Sandbox, rel},
};
use base::{Fault, Kind as ErrorKind, RelPath};
use model::{
    GitId, GitMode,
    operation::{TreeChange, TreeEntry},
};

fn listing(repo: &Repo, commit: &GitId, dirs: &[RelPath]) -> String {
    let line = |(path, entry): (RelPath, TreeEntry)| {
        let kind = if entry.mode == GitMode::Submodule {
            "commit"
        } else {
            "blob"
        };
        [
            format!("{} {kind} {}\t", entry.mode, entry.id).as_bytes(),
            path.as_bytes(),
            b"\0",
        ]
        .concat()
    };
    let bytes: Vec<u8> = repo
        .entries(commit, dirs)
        .unwrap()
        .into_iter()
        .flat_map(line)
        .collect();
    bytes.as_bstr().to_string()
}

fn sample() -> (Sandbox, GitId) {
    let sandbox = Sandbox::new();
    for name in [
        "tasks/T01/a",
        "tasks/T01/sub/b",
        "tasks/T01-x/c",
        "tasks/T01.y",
        "tasks/T02/d e\nf",
        "top",
    ] {
        sandbox.write(name, name.as_bytes());
    }
    sandbox.write(std::ffi::OsStr::from_bytes(b"tasks/T01/\xff\xfe"), b"x");
    std::os::unix::fs::symlink("a", sandbox.path("tasks/T01/link")).unwrap();
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["update-index", "--chmod=+x", "tasks/T01/a"]);
    sandbox.git(&["commit", "-q", "-m", "first"]);
    let id = sandbox.id("HEAD");
    (sandbox, id)
}

#[test]
fn listings_are_those_of_git() {
    let (sandbox, commit) = sample();
    let repo = sandbox.repo();
    for dirs in [
        &[][..],
        &["tasks/T01"],
        &["tasks/T01", "tasks/T02"],
        &["tasks/T01/a", "top"],
        &["absent", "top/x"],
    ] {
        let mut args = vec!["ls-tree", "-r", "-z", "HEAD", "--"];
        args.extend(dirs);
        let paths: Vec<_> = if dirs.is_empty() {
            vec![RelPath::root()]
        } else {
            dirs.iter().map(rel).collect()
        };
        assert_eq!(
            listing(&repo, &commit, &paths),
            sandbox.git(&args).as_bstr().to_string(),
            "{dirs:?}"
        );
    }
    assert_eq!(
        repo.entry(&commit, &rel("tasks/T01")).unwrap(),
        None,
        "a folder is no entry"
    );
    assert_eq!(
        repo.entry(&commit, &rel("tasks/T01/a"))
            .unwrap()
            .unwrap()
            .mode,
        GitMode::Executable
    );
}

#[test]
fn a_hostile_tree_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    sandbox.commit("first");
    let repo = sandbox.repo();
    let oid = repo.oid(&repo.blob_id(b"1\n")).unwrap();
    for name in ["..", ".git", "a/b", ".snapback"] {
        let entry = gix::objs::tree::Entry {
            mode: EntryKind::Blob.into(),
            filename: name.into(),
            oid,
        };
        let mut body = Vec::new();
        // gix refuses to write some of these, so the object is written by hand.
        body.extend_from_slice(format!("100644 {}\0", entry.filename).as_bytes());
        body.extend_from_slice(entry.oid.as_slice());
        sandbox.write("tree", &body);
        let tree = sandbox.text(&["hash-object", "-t", "tree", "-w", "--literally", "tree"]);
        let commit: GitId = sandbox
            .text(&["commit-tree", &tree, "-m", "hostile"])
            .parse()
            .unwrap();
        let error = repo
            .entries(&commit, &[RelPath::root()])
            .expect_err("it is hostile");
        assert_eq!(error.kind(), ErrorKind::Bad, "{name}: {error}");
    }
}

#[test]
fn a_new_tree_is_the_old_one_with_the_changes() {
    let (sandbox, commit) = sample();
    let repo = sandbox.repo();
    let blob = repo.write_blob(b"new\n").unwrap();
    let after = Some(TreeEntry {
        mode: GitMode::File,
        id: blob,
    });
    let change = |path: &str, after: Option<TreeEntry>| TreeChange {
        path: rel(path),
        before: repo.entry(&commit, &rel(path)).unwrap(),
        after,
    };
    let changes = [
        change("tasks/T01/a", None),
        change("tasks/T01/a/deeper", after.clone()),
        change("tasks/T01/sub/b", None),
        change("tasks/T01/sub", after.clone()),
        change("tasks/T02/d e\nf", None),
        change("new/folder/file", after.clone()),
    ];
    let tree = repo.write_tree(&commit, &changes).unwrap();
    let mut expected: BTreeMap<_, _> = repo
        .entries(&commit, &[RelPath::root()])
        .unwrap()
        .into_iter()
        .collect();
    for change in changes {
        match change.after {
            None => expected.remove(&change.path),
            Some(entry) => expected.insert(change.path, entry),
        };
    }
    repo.sync_objects(&[]).unwrap();
    let written: GitId = sandbox
        .text(&["commit-tree", tree.as_str(), "-m", "new"])
        .parse()
        .unwrap();
    assert_eq!(
        repo.entries(&written, &[RelPath::root()]).unwrap(),
        expected.into_iter().collect::<Vec<_>>()
    );
    sandbox.git(&["reset", "-q", "--soft", written.as_str()]);
    sandbox.git(&["fsck", "--strict"]);
    assert_eq!(
        sandbox.text(&["ls-tree", "HEAD", "tasks/T02"]),
        "",
        "the empty folder is gone"
    );
}

#[test]
fn a_change_against_something_else_is_a_conflict() {
    let (sandbox, commit) = sample();
    let repo = sandbox.repo();
    let entry = Some(TreeEntry {
        mode: GitMode::File,
        id: repo.write_blob(b"new\n").unwrap(),
    });
    let wrong = [
        TreeChange {
            path: rel("top"),
            before: None,
            after: entry.clone(),
        },
        TreeChange {
            path: rel("top"),
            before: entry.clone(),
            after: None,
        },
        TreeChange {
            path: rel("tasks/T01"),
            before: None,
            after: entry.clone(),
        },
        TreeChange {
            path: rel("top/below"),
            before: None,
            after: entry,
        },
    ];
    for change in wrong {
        let error = repo
            .write_tree(&commit, std::slice::from_ref(&change))
            .expect_err("it conflicts");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{change:?}");
    }
}

#[test]
fn a_forged_tree_is_noticed() {
    let (sandbox, commit) = sample();
    let repo = sandbox.repo();
    let file = |spec: &str| {
        super::sync::loose_path(
            &sandbox.path(".git/objects"),
            &repo.oid(&sandbox.id(spec)).unwrap(),
        )
    };
    let (forged, other) = (file("HEAD:tasks/T01"), file("HEAD:tasks/T02"));
    sandbox.remove(&forged);
    std::fs::copy(other, forged).unwrap();
    assert_eq!(
        repo.entries(&commit, &[RelPath::root()])
            .expect_err("it is forged")
            .kind(),
        ErrorKind::Bad
    );
}
