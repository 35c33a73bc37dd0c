//! What lies in a task's folder and is not the task's: nothing of it keeps the task from going back
//! unless the version needs its place, and then drill and health say so before.

use std::{fs, process::Command};

use crate::support::Sandbox;

const BACK: &[&str] = &["rollback", "-t", "T01", "--to", "1.0.0", "-m", "why", "--yes"];

/// T01 at 1.1.0; 1.0.0 has a file `out` and a file `lib/rules.py`, 1.1.0 has neither.
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

/// Everything says that the way back is open.
#[track_caller]
fn assert_open(sandbox: &Sandbox) {
    sandbox.snapback(&["drill", "-t", "T01", "--to", "1.0.0", "--yes"]).expect(0);
    let health = sandbox.snapback(&["health", "-t", "T01"]);
    assert!(!health.stdout.contains("would be refused"), "{}", health.stdout);
}

/// Rollback, drill and health refuse with the same words.
#[track_caller]
fn assert_refused(sandbox: &Sandbox, words: &[&str]) {
    let before = sandbox.tree();
    let refused = sandbox.snapback(BACK).expect(6);
    let drilled = sandbox.snapback(&["drill", "-t", "T01", "--to", "1.0.0", "--yes"]).expect(4);
    let health = sandbox.snapback(&["health", "-t", "T01"]).expect(4);
    for said in [refused.stderr, drilled.stdout + &drilled.stderr, health.stdout] {
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
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
    assert!((went.stdout + &went.stderr).contains("tasks/T01/vendor is a git repository of its own"));
    assert_eq!(sandbox.read("tasks/T01/out"), b"one\n");
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    sandbox.snapback(&["dr", "-t", "T01", "--target-version", "1.0.0"]).expect(0);
    sandbox.write("tasks/T01/signal.py", b"third\n");
    let released = sandbox.snapback(&["create-snapshot", "-t", "T01", "--version", "1.2.0", "-m", "x", "--yes"]).expect(0);
    assert!((released.stdout + &released.stderr).contains("it is not released"), "what is left out is named");
    assert_eq!(sandbox.tree_in("tasks/T01/vendor"), inside);
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
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
        assert_eq!(sandbox.tree_where(|path| !path.contains("/empty")), before, "an undo brings it back");
    }
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn what_cannot_be_saved_is_named_everywhere() {
    let sandbox = sandbox();
    fs::create_dir_all(sandbox.at("tasks/T01/out")).unwrap();
    assert!(Command::new("mkfifo").arg(sandbox.at("tasks/T01/out/pipe")).status().unwrap().success());
    assert_refused(&sandbox, &["tasks/T01/out/pipe"]);
}

/// A mount that goes away with the test.
struct Mount(std::path::PathBuf);

impl Mount {
    /// Mounts something; `None`, with the reason, where that is not possible.
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
    let Some(_volume) = Mount::new(sandbox.at("tasks/T01/volume"), &["-t", "tmpfs", "tmpfs"]) else { return };
    sandbox.write("tasks/T01/volume/cfg", b"a\n");
    sandbox.write("tasks/T01/volume/deep/gone", b"gone\n");
    sandbox.release("T01", "1.2.0");
    sandbox.write("tasks/T01/volume/cfg", b"b\n");
    fs::remove_dir_all(sandbox.at("tasks/T01/volume/deep")).unwrap();
    sandbox.write("tasks/T01/volume/new", b"new\n");
    sandbox.release("T01", "1.3.0");
    let newest = sandbox.tree_in("tasks/T01");
    sandbox.snapback(&["drill", "-t", "T01", "--to", "1.2.0", "--yes"]).expect(0);
    sandbox.snapback(&["rollback", "-t", "T01", "--to", "1.2.0", "--yes"]).expect(0);
    assert_eq!(sandbox.read("tasks/T01/volume/cfg"), b"a\n");
    assert_eq!(sandbox.read("tasks/T01/volume/deep/gone"), b"gone\n");
    assert!(!sandbox.exists("tasks/T01/volume/new") && !sandbox.exists("tasks/T01/volume/.snapback"));
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.tree_in("tasks/T01"), newest);
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
    fs::create_dir(sandbox.at("tasks/T01/volume/.snapback")).unwrap();
    let taken = sandbox.snapback(&["rollback", "-t", "T01", "--to", "1.2.0", "--yes"]).expect(6);
    assert!(taken.stderr.contains("tasks/T01/volume/.snapback"), "{}", taken.stderr);
}

#[test]
fn a_file_that_is_a_mount_is_named_everywhere() {
    let sandbox = sandbox();
    let (place, other) = (sandbox.at("tasks/T01/signal.py"), sandbox.top().join("other"));
    fs::write(&other, "other\n").unwrap();
    let Some(_file) = Mount::new(place, &["--bind", other.to_str().unwrap()]) else { return };
    assert_refused(&sandbox, &["tasks/T01/signal.py", "a mount of its own"]);
}
