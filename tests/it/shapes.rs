//! Shapes of files that a release must keep and a rollback must restore: line ends, permission
//! bits, links, changes of type, odd names, and uncommitted work.

mod uncommitted;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
};

use crate::support::{
    Sandbox,
    story::{Story, TASK, rollback, set_version},
};

/// Removes a file or link.
fn remove(sandbox: &Sandbox, path: &str) {
    fs::remove_file(sandbox.at(path)).unwrap();
}

/// Commits something outside the task.
fn commit(sandbox: &Sandbox, path: &str, bytes: &[u8]) {
    sandbox.write(path, bytes);
    sandbox.git(&["add", "--", path]).expect(0);
    sandbox.git(&["commit", "-q", "-m", path]).expect(0);
}

#[test]
fn line_ends_by_autocrlf() {
    let sandbox = Sandbox::new(2);
    sandbox.git(&["config", "core.autocrlf", "true"]).expect(0);
    for path in ["signal.py", "run.sh", "lib/rules.py", "config.yaml"] {
        let path = format!("{TASK}/{path}");
        let text = String::from_utf8(sandbox.read(&path))
            .unwrap()
            .replace('\n', "\r\n");
        sandbox.write(&path, text.as_bytes());
    }
    sandbox.write("tasks/T01/raw.dat", b"\0binary\n\r\n");
    sandbox.git(&["add", "--", "tasks"]).expect(0);
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"one\r\ntwo\r\n");
        sandbox.write("tasks/T01/new.txt", b"x\r\ny\r\n");
        sandbox.write("tasks/T01/raw.dat", b"\0binary\r\n\n");
    });
    assert_eq!(
        sandbox.git_out(&["show", "T01-v1.1.0:tasks/T01/signal.py"]),
        "one\ntwo",
        "git keeps LF"
    );
    story.go();
}

#[test]
fn line_ends_by_attributes() {
    let sandbox = Sandbox::new(2);
    commit(
        &sandbox,
        ".gitattributes",
        b"*.py text eol=crlf\n*.txt text=auto\n*.sh text eol=lf\n*.dat -text\n",
    );
    for path in ["signal.py", "lib/rules.py"] {
        let path = format!("{TASK}/{path}");
        let text = String::from_utf8(sandbox.read(&path))
            .unwrap()
            .replace('\n', "\r\n");
        sandbox.write(&path, text.as_bytes());
    }
    sandbox.write("tasks/T01/a.txt", b"one\ntwo\n");
    sandbox.write("tasks/T01/b.dat", b"one\r\ntwo\n");
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"other\r\n");
        sandbox.write("tasks/T01/a.txt", b"other\n");
        sandbox.write("tasks/T01/b.dat", b"other\n\r\n");
        remove(sandbox, "tasks/T01/lib/rules.py");
        fs::remove_dir(sandbox.at("tasks/T01/lib")).unwrap();
    });
    story.go();
}

#[test]
fn line_ends_follow_the_attributes_of_the_version() {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/same.txt", b"one\ntwo\n");
    sandbox.write("tasks/T01/changed.txt", b"one\ntwo\n");
    sandbox.write("tasks/T01/raw.txt", b"one\r\ntwo\n");
    // 1.1.0 introduces the rules, 1.0.0 has none.
    let story = Story::begin(&sandbox, |sandbox| {
        fs::remove_file(sandbox.at("tasks/T01/raw.txt")).unwrap();
        sandbox.write("tasks/T01/.gitattributes", b"*.txt text eol=crlf\n");
        sandbox.write("tasks/T01/same.txt", b"one\r\ntwo\r\n");
        sandbox.write("tasks/T01/changed.txt", b"three\r\n");
    });
    story.go();
}

#[test]
fn line_ends_when_the_rules_go() {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/.gitattributes", b"*.txt text eol=crlf\n");
    sandbox.write("tasks/T01/a.txt", b"one\r\n");
    sandbox.write("tasks/T01/b.txt", b"one\r\n");
    let story = Story::begin(&sandbox, |sandbox| {
        remove(sandbox, "tasks/T01/.gitattributes");
        sandbox.write("tasks/T01/a.txt", b"raw\r\n");
        sandbox.write("tasks/T01/b.txt", b"one\n");
    });
    assert_eq!(
        sandbox.git_out(&["cat-file", "-s", "T01-v1.1.0:tasks/T01/a.txt"]),
        "5",
        "without rules, bytes are bytes"
    );
    story.go();
}

#[test]
fn line_ends_follow_attributes_that_change() {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/.gitattributes", b"*.txt text eol=crlf\n");
    sandbox.write("tasks/T01/same.txt", b"one\r\ntwo\r\n");
    sandbox.write("tasks/T01/changed.txt", b"one\r\n");
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/.gitattributes", b"*.txt text eol=lf\n");
        sandbox.write("tasks/T01/same.txt", b"one\ntwo\n");
        sandbox.write("tasks/T01/changed.txt", b"other\n");
    });
    story.go();
}

#[test]
fn line_ends_follow_the_rules_above_the_task_as_they_are_now() {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/.gitattributes", b"*.md text\n");
    sandbox.write("tasks/T01/a.txt", b"one\n");
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/.gitattributes", b"*.md -text\n");
        sandbox.write("tasks/T01/a.txt", b"two\n");
        commit(sandbox, ".gitattributes", b"*.txt text eol=crlf\n");
        sandbox.write("tasks/T01/a.txt", b"two\r\n");
    });
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(
        sandbox.read("tasks/T01/a.txt"),
        b"one\r\n",
        "as a checkout of HEAD would write it"
    );
    assert_eq!(sandbox.status(), Vec::<String>::new());
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in(TASK), story.new);
}

#[test]
fn executable_bits() {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/tool", b"#!/bin/sh\n");
    sandbox.chmod("tasks/T01/tool", 0o755);
    sandbox.write("tasks/T01/plain", b"plain\n");
    let story = Story::begin(&sandbox, |sandbox| {
        // Only the bit, both ways; and bit and bytes.
        sandbox.chmod("tasks/T01/tool", 0o644);
        sandbox.chmod("tasks/T01/plain", 0o755);
        sandbox.chmod("tasks/T01/signal.py", 0o755);
        sandbox.write("tasks/T01/signal.py", b"#!/usr/bin/env python3\n");
        sandbox.chmod("tasks/T01/model.bin", 0o755);
    });
    story.go();
}

#[test]
fn links_change_target_and_type_and_are_never_followed() {
    let sandbox = Sandbox::new(2);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("signal.py"), b"not ours\n").unwrap();
    let link = |target: &str, path: &str| symlink(target, sandbox.at(path)).unwrap();
    link("signal.py", "tasks/T01/retargeted");
    link("nowhere", "tasks/T01/to-file");
    link("lib", "tasks/T01/to-folder");
    link(outside.path().to_str().unwrap(), "tasks/T01/outside");
    sandbox.write("tasks/T01/to-link", b"a file\n");
    sandbox.write("tasks/T01/data/signal.py", b"ours\n");
    let story = Story::begin(&sandbox, |sandbox| {
        for path in [
            "retargeted",
            "to-file",
            "to-folder",
            "to-link",
            "outside",
            "data/signal.py",
        ] {
            remove(sandbox, &format!("{TASK}/{path}"));
        }
        fs::remove_dir(sandbox.at("tasks/T01/data")).unwrap();
        link("run.sh", "tasks/T01/retargeted");
        sandbox.write("tasks/T01/to-file", b"a file now\n");
        sandbox.write("tasks/T01/to-folder/inside", b"a folder now\n");
        link("signal.py", "tasks/T01/to-link");
        sandbox.write("tasks/T01/outside/inside", b"a folder now\n");
        // A folder that becomes a link out of the tree: writing `data/signal.py` must not follow
        // it.
        link(outside.path().to_str().unwrap(), "tasks/T01/data");
    });
    story.go();
    assert_eq!(
        fs::read(outside.path().join("signal.py")).unwrap(),
        b"not ours\n"
    );
    assert_eq!(
        fs::read_dir(outside.path()).unwrap().count(),
        1,
        "nothing was written through a link"
    );
}

#[test]
fn files_and_folders_change_places() {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/a", b"a file\n");
    sandbox.write("tasks/T01/b/c/d.txt", b"deep\n");
    sandbox.write("tasks/T01/b/e.txt", b"deep\n");
    sandbox.write("tasks/T01/m.bin", b"a large file\n");
    let story = Story::begin(&sandbox, |sandbox| {
        remove(sandbox, "tasks/T01/a");
        sandbox.write("tasks/T01/a/b/c", b"deep now\n");
        fs::remove_dir_all(sandbox.at("tasks/T01/b")).unwrap();
        sandbox.write("tasks/T01/b", b"a file now\n");
        remove(sandbox, "tasks/T01/m.bin");
        sandbox.write("tasks/T01/m.bin/part", b"a folder now\n");
    });
    story.go();
}

#[test]
fn empty_files_and_odd_names() {
    let sandbox = Sandbox::new(2);
    let names: [&[u8]; 9] = [
        b"with space.txt",
        b" leading and trailing ",
        b"new\nline",
        b"tab\there",
        b"latin-\xe9\xff.txt",
        "\u{4ef7}\u{683c} \u{1f4c8}.csv".as_bytes(),
        "e\u{301} and \u{e9}".as_bytes(),
        b"\"quoted\" \\back\\slash $HOME `x` *?[a]",
        b"-dash",
    ];
    let put = |bytes: &dyn Fn(usize) -> Vec<u8>| {
        for (at, name) in names.iter().enumerate() {
            fs::write(sandbox.at(TASK).join(OsStr::from_bytes(name)), bytes(at)).unwrap();
        }
    };
    put(&|at| format!("old {at}\n").into_bytes());
    sandbox.write("tasks/T01/empty", b"");
    sandbox.write("tasks/T01/filled", b"filled\n");
    sandbox.write("tasks/T01/empty.bin", b"");
    sandbox.write("tasks/T01/filled.bin", b"filled\n");
    let folder = sandbox.at(TASK).join(OsStr::from_bytes(b"dir \xfe\n"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("x"), b"").unwrap();
    let story = Story::begin(&sandbox, |sandbox| {
        put(&|at| {
            if at % 2 == 0 {
                Vec::new()
            } else {
                format!("new {at}\n").into_bytes()
            }
        });
        for (empty, filled) in [("empty", "filled"), ("empty.bin", "filled.bin")] {
            sandbox.write(&format!("{TASK}/{empty}"), b"filled now\n");
            sandbox.write(&format!("{TASK}/{filled}"), b"");
        }
        fs::remove_file(folder.join("x")).unwrap();
        fs::remove_dir(&folder).unwrap();
    });
    story.go();
}

#[test]
fn ignore_rules_that_change() {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/.gitignore", b"cache.txt\n");
    sandbox.write("tasks/T01/data.txt", b"1.0.0\n");
    sandbox.write("tasks/T01/cache.txt", b"ignored in 1.0.0\n");
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/.gitignore", b"data.txt\n");
    sandbox
        .git(&["rm", "-q", "--cached", "tasks/T01/data.txt"])
        .expect(0);
    sandbox.write("tasks/T01/data.txt", b"ignored in 1.1.0\n");
    sandbox.write("tasks/T01/cache.txt", b"1.1.0\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    assert_eq!(
        sandbox
            .git_out(&["ls-files", "tasks/T01"])
            .lines()
            .filter(|path| path.ends_with(".txt"))
            .collect::<Vec<_>>(),
        ["tasks/T01/cache.txt"]
    );
    let new = sandbox.tree_in(TASK);
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(sandbox.read("tasks/T01/data.txt"), b"1.0.0\n");
    assert!(
        !sandbox.exists("tasks/T01/cache.txt"),
        "1.0.0 has no such file, and 1.1.0 had"
    );
    assert_eq!(sandbox.status(), Vec::<String>::new());
    sandbox
        .snapback(&["verify-rollback", "--task", "T01", "--expected", "1.0.0"])
        .expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in(TASK), new, "also the ignored file");
    assert_eq!(sandbox.status(), Vec::<String>::new());
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn a_preview_has_the_line_ends_of_its_version() {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/.gitattributes", b"*.txt text eol=crlf\n");
    sandbox.write("tasks/T01/a.txt", b"one\r\n");
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/.gitattributes", b"*.txt text eol=lf\n");
    });
    drop(story);
    let into = sandbox.home().join("export");
    sandbox
        .snapback(&[
            "preview",
            "--task",
            "T01",
            "1.0.0",
            "--into",
            into.to_str().unwrap(),
        ])
        .expect(0);
    assert_eq!(fs::read(into.join("tasks/T01/a.txt")).unwrap(), b"one\r\n");
}
