//! Unexpected work trees: dirty files, folders and links in the way, unwritable places, odd names.
//! They are refused, or handled with nothing lost.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{chown, symlink},
        process::CommandExt,
    },
};

use super::{BACK, SNAP, refused, refused_as, released, rolls_back};
use crate::support::Sandbox;

#[test]
fn dirty_files_are_shown_saved_and_brought_back() {
    let sandbox = released();
    sandbox.write("tasks/T01/signal.py", b"edited, not committed\n");
    sandbox.write("tasks/T01/lib/rules.py", b"staged\n");
    sandbox.git(&["add", "tasks/T01/lib/rules.py"]).expect(0);
    sandbox.write("tasks/T01/model.bin", b"edited large file");
    fs::remove_file(sandbox.at("tasks/T01/run.sh")).unwrap();
    sandbox.write("tasks/T01/notes.txt", b"mine\n");
    sandbox.write("tasks/T02/signal.py", b"another task's work\n");
    let before = sandbox.tree();
    let plan = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0)
        .stdout;
    println!("{plan}");
    for word in [
        "tasks/T01/signal.py",
        "tasks/T01/lib/rules.py",
        "tasks/T01/run.sh",
        "uncommitted",
        "1 untracked stay",
        "saved first",
    ] {
        assert!(plan.contains(word), "{word:?} in the plan:\n{plan}");
    }
    assert_eq!(sandbox.tree(), before, "a plan changes nothing");
    rolls_back(&sandbox);
    assert_eq!(sandbox.read("tasks/T01/notes.txt"), b"mine\n");
    assert_eq!(
        sandbox.read("tasks/T02/signal.py"),
        b"another task's work\n"
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    let (now, names) = (sandbox.tree(), before.keys());
    for path in names {
        let (was, is) = (&before[path], now.get(path));
        assert!(is.is_some_and(|is| (is.kind, is.mode, &is.digest) == (was.kind, was.mode, &was.digest)), "{path}: {was:?} -> {is:?}");
    }
    assert!(
        !sandbox.exists("tasks/T01/run.sh"),
        "what was removed is removed again"
    );
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn a_folder_in_the_way() {
    let sandbox = released();
    fs::remove_file(sandbox.at("tasks/T01/signal.py")).unwrap();
    sandbox.write("tasks/T01/signal.py/mine.txt", b"mine\n");
    rolls_back(&sandbox);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        sandbox.read("tasks/T01/signal.py/mine.txt"),
        b"mine\n",
        "it was saved"
    );
    fs::remove_file(sandbox.at("tasks/T01/signal.py/mine.txt")).unwrap();
    rolls_back(&sandbox);
}

#[test]
fn a_released_folder_becomes_a_file_and_back() {
    let sandbox = released();
    fs::remove_dir_all(sandbox.at("tasks/T01/lib")).unwrap();
    sandbox.write("tasks/T01/lib", b"a file now\n");
    sandbox.release("T01", "1.2.0");
    rolls_back(&sandbox);
    assert_eq!(
        sandbox.read("tasks/T01/lib/rules.py"),
        b"RULES = ['a', 'b']\n"
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.read("tasks/T01/lib"), b"a file now\n");
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn a_link_in_place_of_a_file_is_replaced_and_never_followed() {
    let sandbox = released();
    fs::write(sandbox.home().join("victim"), b"precious\n").unwrap();
    fs::remove_file(sandbox.at("tasks/T01/signal.py")).unwrap();
    symlink("../../../home/victim", sandbox.at("tasks/T01/signal.py")).unwrap();
    rolls_back(&sandbox);
    assert_eq!(
        fs::read(sandbox.home().join("victim")).unwrap(),
        b"precious\n"
    );
    assert!(
        fs::symlink_metadata(sandbox.at("tasks/T01/signal.py"))
            .unwrap()
            .is_file()
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        fs::read_link(sandbox.at("tasks/T01/signal.py"))
            .unwrap()
            .as_os_str(),
        "../../../home/victim"
    );
}

#[test]
fn a_link_in_place_of_a_folder() {
    let sandbox = released();
    let outside = sandbox.home().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("rules.py"), b"precious\n").unwrap();
    fs::remove_dir_all(sandbox.at("tasks/T01/lib")).unwrap();
    symlink(&outside, sandbox.at("tasks/T01/lib")).unwrap();
    rolls_back(&sandbox);
    assert_eq!(
        fs::read(outside.join("rules.py")).unwrap(),
        b"precious\n",
        "no link is followed"
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        fs::read_link(sandbox.at("tasks/T01/lib")).unwrap(),
        outside,
        "the link was saved"
    );

    let sandbox = released();
    fs::rename(sandbox.at("tasks"), sandbox.home().join("tasks")).unwrap();
    symlink("../home/tasks", sandbox.at("tasks")).unwrap();
    refused(
        &sandbox,
        6,
        BACK,
        &["tasks is a symbolic link now", "move tasks"],
    );
    assert!(
        refused(&sandbox, 6, SNAP, &["T01"])
            .stderr
            .contains("tasks is a symbolic link")
    );
}

#[test]
fn a_pipe_in_the_way() {
    let sandbox = released();
    fs::remove_file(sandbox.at("tasks/T01/signal.py")).unwrap();
    sandbox.run("mkfifo", &["tasks/T01/signal.py"]).expect(0);
    refused(&sandbox, 6, BACK, &["tasks/T01/signal.py"]);
    refused(&sandbox, 6, SNAP, &["tasks/T01/signal.py"]);
}

/// A user who owns nothing here.
const NOBODY: u32 = 65534;

/// Gives everything in the sandbox to a user.
fn give(sandbox: &Sandbox, user: u32) {
    let top = sandbox.root().parent().unwrap().to_path_buf();
    let status = std::process::Command::new("chown")
        .arg("-R")
        .arg(format!("{user}:{user}"))
        .arg(&top)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn folders_and_files_that_cannot_be_written() {
    for (what, mode) in [
        ("tasks/T01", 0o555),
        ("tasks/T01/lib", 0o555),
        (".git", 0o555),
        (".git/objects", 0o555),
        (".git/refs/heads", 0o555),
        ("tasks/T01/signal.py", 0o000),
    ] {
        let sandbox = released();
        sandbox.write("tasks/T01/lib/rules.py", b"RULES = []\n");
        let root = rustix::process::geteuid().is_root();
        if root {
            give(&sandbox, NOBODY);
        }
        sandbox.chmod(what, mode);
        refused_as(
            &sandbox,
            8,
            BACK,
            &[what.trim_start_matches(".git/")],
            |command| {
                if root {
                    command.uid(NOBODY).gid(NOBODY);
                }
            },
        );
        sandbox.chmod(what, 0o755);
    }
}

#[test]
fn a_repository_of_somebody_else() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let sandbox = released();
    chown(sandbox.root(), Some(NOBODY), Some(NOBODY)).unwrap();
    give(&sandbox, NOBODY);
    let sees = sandbox
        .command("git")
        .args(["-c", "safe.directory=*", "rev-parse"])
        .status()
        .unwrap();
    assert!(sees.success());
    let status = sandbox.snapback(&["status", "--json"]);
    let answer = status.json();
    assert_eq!(answer["exit_code"], 12, "{answer}");
    assert!(
        answer["error"]["hints"][0]["argv"]
            .as_array()
            .unwrap()
            .iter()
            .any(|word| word == "safe.directory"),
        "{answer}"
    );
}

#[test]
fn odd_names_are_released_and_restored_to_the_byte() {
    let names: [&[u8]; 9] = [
        b"two words.py",
        b"line\nend.py",
        b"tab\t\"quote\".py",
        b"\xff\xfe.bin2",
        b"-rf",
        b"Case.py",
        b"case.py",
        b"*.glob?[x]",
        "名前.py".as_bytes(),
    ];
    let sandbox = Sandbox::new(1);
    let at = |name: &[u8]| sandbox.at("tasks/T01").join(OsStr::from_bytes(name));
    for name in names {
        fs::write(at(name), [name, b" first"].concat()).unwrap();
    }
    sandbox.release("T01", "1.0.0");
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--all", "--deep"])
        .expect(0);
    for name in names {
        fs::write(at(name), b"second").unwrap();
    }
    fs::remove_file(at(b"Case.py")).unwrap();
    fs::remove_file(at(b"\xff\xfe.bin2")).unwrap();
    sandbox.release("T01", "1.1.0");
    let shown = rolls_back(&sandbox);
    assert!(
        !shown.stderr.contains("line\nend"),
        "a line end in a name never breaks a line: {}",
        shown.stderr
    );
    for name in names {
        assert_eq!(
            fs::read(at(name)).unwrap(),
            [name, b" first"].concat(),
            "{}",
            String::from_utf8_lossy(name)
        );
    }
    assert_eq!(sandbox.status(), Vec::<String>::new());
    for args in [
        &["diff", "-t", "T01", "1.0.0..1.1.0"][..],
        &["show", "-t", "T01", "1.0.0"],
        &["status"],
        &["op", "list"],
    ] {
        sandbox.snapback(args);
        sandbox.snapback(&[args, &["--json"]].concat()).json();
    }
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert!(!at(b"Case.py").exists() && !at(b"\xff\xfe.bin2").exists());
}
