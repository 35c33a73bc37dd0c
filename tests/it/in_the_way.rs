//! Foreign files in a task's folder: they prevent no rollback unless the version needs their place,
//! and then drill and health say so beforehand.

use std::{fs, process::Command};

use crate::support::{Sandbox, sandbox::Tree};

const BACK: &[&str] = &[
    "rollback", "-t", "T01", "--to", "1.0.0", "-m", "why", "--yes",
];

/// Creates T01 at 1.1.0; 1.0.0 has a file `out` and a file `lib/rules.py`, 1.1.0 has neither.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.write("tasks/T01/out", b"one\n");
    sandbox.release("T01", "1.0.0");
    fs::remove_file(sandbox.at("tasks/T01/out")).unwrap();
    fs::remove_dir_all(sandbox.at("tasks/T01/lib")).unwrap();
    sandbox.write("tasks/T01/signal.py", b"other\n");
    sandbox.release("T01", "1.1.0");
    sandbox
}

/// Asserts that every command reports that a rollback is possible.
#[track_caller]
fn assert_open(sandbox: &Sandbox) {
    sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let health = sandbox.snapback(&["health", "-t", "T01"]);
    assert!(
        !health.stdout.contains("would be refused"),
        "{}",
        health.stdout
    );
}

/// Asserts that rollback, drill and health refuse with the same words.
#[track_caller]
fn assert_refused(sandbox: &Sandbox, words: &[&str]) {
    let before = sandbox.tree();
    let refused = sandbox.snapback(BACK).expect(6);
    let drilled = sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(4);
    let health = sandbox.snapback(&["health", "-t", "T01"]).expect(4);
    for said in [
        refused.stderr,
        drilled.stdout + &drilled.stderr,
        health.stdout,
    ] {
        assert!(
            words.iter().all(|word| said.contains(word)),
            "{words:?}: {said}"
        );
    }
    assert_eq!(sandbox.tree(), before, "nothing was changed");
}

#[test]
fn a_repository_of_its_own_stays_and_keeps_nothing_from_going_back() {
    let sandbox = sandbox();
    sandbox.git(&["init", "-q", "tasks/T01/vendor"]).expect(0);
    sandbox.write("tasks/T01/vendor/x", b"mine\n");
    let inside = sandbox.tree_in("tasks/T01/vendor");
    assert_open(&sandbox);
    let went = sandbox.snapback(BACK).expect(0);
    assert!(
        (went.stdout + &went.stderr).contains("tasks/T01/vendor is a git repository of its own")
    );
    assert_eq!(sandbox.read("tasks/T01/out"), b"one\n");
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    sandbox
        .snapback(&["dr", "-t", "T01", "--target-version", "1.0.0"])
        .expect(0);
    sandbox.write("tasks/T01/signal.py", b"third\n");
    let released = sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.2.0",
            "-m",
            "x",
            "--yes",
        ])
        .expect(0);
    assert!(
        (released.stdout + &released.stderr).contains("it is not released"),
        "what is left out is named"
    );
    assert_eq!(sandbox.tree_in("tasks/T01/vendor"), inside);
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn a_link_or_a_file_in_the_place_of_the_tasks_folder_makes_room() {
    for is_link in [true, false] {
        let sandbox = sandbox();
        let away = sandbox.top().join("away");
        fs::rename(sandbox.at("tasks/T01"), &away).unwrap();
        let place = sandbox.at("tasks/T01");
        if is_link {
            std::os::unix::fs::symlink(&away, &place).unwrap();
        } else {
            fs::write(&place, b"mine\n").unwrap();
        }
        let kept = fs::read(away.join("signal.py")).unwrap();
        assert_open(&sandbox);
        sandbox.snapback(BACK).expect(0);
        assert_eq!(sandbox.read("tasks/T01/out"), b"one\n");
        assert!(fs::symlink_metadata(&place).unwrap().is_dir());
        assert_eq!(
            fs::read(away.join("signal.py")).unwrap(),
            kept,
            "where the link led nothing changed"
        );
        // The displaced files are kept.
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        let back = fs::symlink_metadata(&place).unwrap();
        assert!(if is_link {
            back.is_symlink()
        } else {
            back.is_file()
        });
        assert_eq!(sandbox.unsound(), Vec::<String>::new());
    }
}

#[test]
fn a_repository_where_the_version_has_a_file_is_named_everywhere() {
    for place in ["tasks/T01/lib", "tasks/T01/out"] {
        let sandbox = sandbox();
        sandbox.git(&["init", "-q", place]).expect(0);
        sandbox.write(&format!("{place}/x"), b"mine\n");
        assert_refused(&sandbox, &[place, "git repository of its own"]);
    }
}

#[test]
fn what_nobody_tracks_is_saved_and_makes_room() {
    let sandbox = sandbox();
    sandbox.write("tasks/T01/out/deep/a.txt", b"a\n");
    sandbox.write("tasks/T01/out/b.log", b"ignored\n");
    fs::create_dir_all(sandbox.at("tasks/T01/out/empty/more")).unwrap();
    sandbox.write("tasks/T01/lib", b"a file where a folder was\n");
    let before = sandbox.tree_where(|path| !path.contains("/empty"));
    assert_open(&sandbox);
    for words in [BACK, &["dr", "-t", "T01", "--target-version", "1.0.0"]] {
        sandbox.snapback(words).expect(0);
        assert_eq!(sandbox.read("tasks/T01/out"), b"one\n");
        assert!(sandbox.exists("tasks/T01/lib/rules.py"));
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_eq!(
            sandbox.tree_where(|path| !path.contains("/empty")),
            before,
            "an undo brings it back"
        );
    }
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_saved_is_named_everywhere() {
    let sandbox = sandbox();
    fs::create_dir_all(sandbox.at("tasks/T01/out")).unwrap();
    assert!(
        Command::new("mkfifo")
            .arg(sandbox.at("tasks/T01/out/pipe"))
            .status()
            .unwrap()
            .success()
    );
    assert_refused(&sandbox, &["tasks/T01/out/pipe"]);
}

/// A mount that is removed on drop.
struct Mount(std::path::PathBuf);

impl Mount {
    /// Mounts something; `None`, with the reason printed, where that is not possible.
    fn new(at: std::path::PathBuf, args: &[&str]) -> Option<Self> {
        let made = Command::new("mount").args(args).arg(&at).output();
        if made.is_ok_and(|made| made.status.success()) {
            return Some(Self(at));
        }
        println!("skipped: nothing can be mounted here");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_volume_in_the_task_goes_back_with_it() {
    let sandbox = sandbox();
    fs::create_dir_all(sandbox.at("tasks/T01/volume")).unwrap();
    let Some(_volume) = Mount::new(sandbox.at("tasks/T01/volume"), &["-t", "tmpfs", "tmpfs"])
    else {
        return;
    };
    sandbox.write("tasks/T01/volume/cfg", b"a\n");
    sandbox.write("tasks/T01/volume/deep/gone", b"gone\n");
    sandbox.release("T01", "1.2.0");
    sandbox.write("tasks/T01/volume/cfg", b"b\n");
    fs::remove_dir_all(sandbox.at("tasks/T01/volume/deep")).unwrap();
    sandbox.write("tasks/T01/volume/new", b"new\n");
    sandbox.release("T01", "1.3.0");
    let newest = sandbox.tree_in("tasks/T01");
    sandbox
        .snapback(&["drill", "-t", "T01", "--to", "1.2.0", "--yes"])
        .expect(0);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.2.0", "--yes"])
        .expect(0);
    assert_eq!(sandbox.read("tasks/T01/volume/cfg"), b"a\n");
    assert_eq!(sandbox.read("tasks/T01/volume/deep/gone"), b"gone\n");
    assert!(
        !sandbox.exists("tasks/T01/volume/new") && !sandbox.exists("tasks/T01/volume/.snapback")
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in("tasks/T01"), newest);
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
    sandbox.write("tasks/T01/volume/.snapback/mine", b"x");
    let taken = sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.2.0", "--yes"])
        .expect(6);
    assert!(
        taken.stderr.contains("tasks/T01/volume/.snapback"),
        "{}",
        taken.stderr
    );
}

#[test]
fn a_file_that_is_a_mount_is_named_everywhere() {
    let sandbox = sandbox();
    let (place, other) = (
        sandbox.at("tasks/T01/signal.py"),
        sandbox.top().join("other"),
    );
    fs::write(&other, "other\n").unwrap();
    let Some(_file) = Mount::new(place, &["--bind", other.to_str().unwrap()]) else {
        return;
    };
    assert_refused(&sandbox, &["tasks/T01/signal.py", "a mount of its own"]);
}

/// Rolls the task back, with an obstacle to the files that an undo restores.
fn gone_back(obstacle: impl FnOnce(&Sandbox)) -> (Sandbox, Tree) {
    let sandbox = sandbox();
    sandbox.write("tasks/T01/only.py", b"only in 1.2.0\n");
    sandbox.write("tasks/T01/deep/er/only.py", b"too\n");
    sandbox.release("T01", "1.2.0");
    let newest = sandbox.tree_in("tasks/T01");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    obstacle(&sandbox);
    (sandbox, newest)
}

#[test]
fn an_undo_makes_room_as_a_rollback_does() {
    let (sandbox, newest) = gone_back(|sandbox| {
        sandbox.write("tasks/T01/only.py/inner", b"mine\n");
        sandbox.write("tasks/T01/only.py/deep/b.log", b"ignored\n");
        sandbox.write("tasks/T01/only.py/tracked", b"tracked\n");
        sandbox.write("tasks/T01/deep", b"a file where a folder goes\n");
        sandbox.git(&["add", "tasks/T01/only.py/tracked"]).expect(0);
        sandbox.git(&["commit", "-qm", "by hand"]).expect(0);
    });
    let before = sandbox.tree_in("tasks/T01");
    let plan = sandbox.snapback(&["undo", "--dry-run"]).expect(0);
    assert!(
        plan.stdout.contains("D tasks/T01/only.py/inner"),
        "{}",
        plan.stdout
    );
    let said = plan.stdout + &plan.stderr;
    assert!(
        said.contains(
            "4 files lie where others must go: they are saved, and `snapback redo` brings them back"
        ),
        "{said}"
    );
    for _ in 0..2 {
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_eq!(sandbox.tree_in("tasks/T01"), newest);
        assert_eq!(sandbox.status(), Vec::<String>::new());
        sandbox.snapback(&["redo", "--yes"]).expect(0);
        assert_eq!(
            sandbox.tree_in("tasks/T01"),
            before,
            "and a redo brings it back"
        );
        assert_eq!(
            sandbox.git_out(&["ls-files", "tasks/T01/only.py"]),
            "tasks/T01/only.py/tracked"
        );
    }
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn what_op_restore_brings_back_gets_room_too() {
    let (sandbox, _) = gone_back(|sandbox| sandbox.write("tasks/T01/only.py/inner", b"mine\n"));
    let before = sandbox.tree_in("tasks/T01");
    let said = sandbox
        .snapback(&[
            "op",
            "restore",
            "latest",
            "tasks/T01/only.py",
            "--in-place",
            "--yes",
        ])
        .expect(0);
    assert!((said.stdout + &said.stderr).contains("1 file lies where others must go"));
    assert_eq!(sandbox.read("tasks/T01/only.py"), b"only in 1.2.0\n");
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in("tasks/T01"), before);
}

#[test]
fn what_an_undo_may_not_move_is_named_before_anything_is_changed() {
    type Put<'a> = &'a dyn Fn(&Sandbox);
    let obstacles: [(&str, Put<'_>); 3] = [
        ("only.py is a git repository of its own", &|sandbox| {
            sandbox.git(&["init", "-q", "tasks/T01/only.py"]).expect(0);
        }),
        ("only.py/pipe is there", &|sandbox| {
            fs::create_dir(sandbox.at("tasks/T01/only.py")).unwrap();
            assert!(
                Command::new("mkfifo")
                    .arg(sandbox.at("tasks/T01/only.py/pipe"))
                    .status()
                    .unwrap()
                    .success()
            );
        }),
        ("only.py/keep.me is protected", &|sandbox| {
            let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
            sandbox.write(
                "snapback.yaml",
                format!("{settings}tasks: {{T01: {{protect: [keep.me]}}}}\n").as_bytes(),
            );
            sandbox.write("tasks/T01/only.py/keep.me", b"mine\n");
        }),
    ];
    for (said, obstacle) in obstacles {
        let (sandbox, _) = gone_back(obstacle);
        let before = sandbox.tree();
        for restore in [
            &["undo", "--yes"][..],
            &[
                "op",
                "restore",
                "latest",
                "tasks/T01/only.py",
                "--in-place",
                "--yes",
            ],
        ] {
            let refused = sandbox.snapback(restore).expect(6).stderr;
            assert!(
                refused.contains(said) && refused.contains("out of the way"),
                "{said}: {refused}"
            );
            assert_eq!(sandbox.tree(), before);
        }
    }
}

#[test]
fn a_repository_that_somebody_makes_of_a_folder_of_the_version_keeps_nothing_from_coming_back() {
    let sandbox = sandbox();
    sandbox.write("tasks/T01/d/a", b"one\n");
    sandbox.release("T01", "1.2.0");
    sandbox.write("tasks/T01/d/a", b"two\n");
    sandbox.release("T01", "1.3.0");
    sandbox.git(&["init", "-q", "tasks/T01/d"]).expect(0);
    let newest = sandbox.tree_in("tasks/T01");
    for _ in 0..2 {
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", "1.2.0", "--yes"])
            .expect(0);
        assert_eq!(sandbox.read("tasks/T01/d/a"), b"one\n");
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_eq!(
            (sandbox.tree_in("tasks/T01"), sandbox.status()),
            (newest.clone(), Vec::new())
        );
    }
    // To a version without that folder, too.
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    assert!(!sandbox.exists("tasks/T01/d/a") && sandbox.exists("tasks/T01/d/.git"));
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn what_is_protected_is_left_alone_and_keeps_no_undo_from_its_work() {
    let sandbox = Sandbox::new(1);
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    let rules = "tasks: {T01: {protect: [__pycache__, config.yaml]}}\n";
    sandbox.write("snapback.yaml", format!("{settings}{rules}").as_bytes());
    sandbox.write(".gitignore", b"*.bin\n__pycache__/\nconfig.yaml\n");
    sandbox
        .git(&["rm", "-q", "--cached", "tasks/T01/config.yaml"])
        .expect(0);
    sandbox
        .git(&["commit", "-qam", "a configuration of this machine"])
        .expect(0);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"other\n");
    sandbox.release("T01", "1.1.0");
    sandbox.write("tasks/T01/__pycache__/signal.cpython-312.pyc", b"kept\n");
    let before = sandbox.tree_in("tasks/T01");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    for path in [
        "tasks/T01/__pycache__/signal.cpython-312.pyc",
        "tasks/T01/config.yaml",
    ] {
        assert_eq!(sandbox.tree()[path], before[path], "{path}");
    }
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in("tasks/T01"), before);
}

#[test]
fn what_makes_room_for_a_shared_file_comes_back_too() {
    let sandbox = Sandbox::new(1);
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    sandbox.write(
        "snapback.yaml",
        format!("{settings}tasks: {{T01: {{shared: [lib/u.py, lib/deep/v.py]}}}}\n").as_bytes(),
    );
    let shared = ["lib/u.py", "lib/deep/v.py"];
    for (version, bytes) in [("1.0.0", b"one\n"), ("1.1.0", b"two\n")] {
        for path in shared {
            sandbox.write(path, bytes);
        }
        sandbox.commit(version);
        sandbox.write("tasks/T01/signal.py", bytes);
        sandbox.release("T01", version);
    }
    sandbox.git(&["rm", "-rq", "lib"]).expect(0);
    sandbox.git(&["commit", "-qm", "gone"]).expect(0);
    sandbox.write("lib/u.py/mine", b"mine\n");
    let before = sandbox.tree();
    for _ in 0..2 {
        sandbox
            .snapback(&[
                "rollback",
                "-t",
                "T01",
                "--to",
                "1.0.0",
                "--with-shared",
                "--yes",
            ])
            .expect(0);
        assert_eq!(shared.map(|path| sandbox.read(path)), [b"one\n", b"one\n"]);
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        assert_eq!(sandbox.tree(), before);
    }
    // A file in the place of a folder, for the redo: saved, and restored by its undo.
    sandbox.write("lib/deep", b"mine\n");
    let before = sandbox.tree();
    sandbox.snapback(&["redo", "--yes"]).expect(0);
    assert_eq!(shared.map(|path| sandbox.read(path)), [b"one\n", b"one\n"]);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree(), before);
}
