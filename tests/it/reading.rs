//! Reading needs less than writing: every command that only reads works, or says precisely what is
//! missing, wherever a repository can be read. Nothing intact is ever called damaged.

mod clones;
mod odd_names;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
};

/// Creates two tasks: T01 with the releases 1.0.0 and 1.1.0, T02 with 1.0.0. Everything is in git.
fn released() -> Sandbox {
    let sandbox = Sandbox::empty();
    for task in ["T01", "T02"] {
        sandbox.write(
            &format!("tasks/{task}/config.yaml"),
            b"name: x\nversion: 1.0.0\n",
        );
        sandbox.write(
            &format!("tasks/{task}/main.py"),
            format!("print('{task} one')\n").as_bytes(),
        );
        sandbox.write(&format!("tasks/{task}/lib/rules.py"), b"RULES = []\n");
    }
    sandbox.write(".gitignore", b"*.log\n");
    sandbox.write("other/notes.txt", b"notes\n");
    sandbox.commit("tasks");
    sandbox.release("T01", "1.0.0");
    sandbox.release("T02", "1.0.0");
    sandbox.write("tasks/T01/main.py", b"print('T01 two')\n");
    sandbox.release("T01", "1.1.0");
    sandbox
}

/// Returns the same sandbox, seen from another folder.
fn at(sandbox: &Sandbox, work: &'static str) -> Sandbox {
    Sandbox::beside(sandbox, work)
}

/// Untrue statements about intact releases.
const UNTRUE: [&str; 7] = [
    "integrity failed",
    "does not hold",
    "git fsck",
    "files     0 files",
    "adopt` writes one",
    "damaged",
    "lost its folder",
];

/// Runs one command in one place, which must end with one of these codes.
#[track_caller]
fn look(place: &Sandbox, args: &[&str], codes: &[i32]) -> Ran {
    let ran = finish(
        place
            .command(snapback_program())
            .arg("--no-input")
            .args(args),
    );
    let all = format!("{}{}", ran.stdout, ran.stderr);
    for untrue in UNTRUE {
        assert!(
            !all.contains(untrue),
            "{args:?} in {}: {untrue:?}\n{all}",
            place.work
        );
    }
    assert!(
        codes.contains(&ran.code),
        "{args:?} in {}: {} is none of {codes:?}\n{all}",
        place.work,
        ran.code
    );
    ran
}

/// Returns a new path beside the work tree.
fn beside(place: &Sandbox, name: &str) -> PathBuf {
    let path = place.top().join(format!("{}-{name}", place.work));
    let _ = if path.is_dir() {
        fs::remove_dir_all(&path)
    } else {
        fs::remove_file(&path)
    };
    path
}

/// Runs commands that read releases and need no work tree.
fn releases(place: &Sandbox) {
    let list = look(place, &["list"], &[0]);
    assert!(
        list.stdout.contains("1.1.0") && list.stdout.contains("T02"),
        "{list:?}"
    );
    let show = look(place, &["show", "-t", "T01", "1.0.0"], &[0]);
    assert!(show.stdout.contains("lib/rules.py"), "{show:?}");
    look(place, &["history"], &[0]);
    look(
        place,
        &["verify-snapshot", "-t", "T01", "--version", "1.0.0"],
        &[0],
    );
    look(place, &["verify-snapshot", "--all", "--deep"], &[0]);
    let diff = look(place, &["diff", "-t", "T01", "1.0.0..1.1.0"], &[0]);
    assert!(diff.stdout.contains("main.py"), "{diff:?}");
    let cat = look(
        place,
        &[
            "preview",
            "-t",
            "T01",
            "1.0.0",
            "--cat",
            "tasks/T01/main.py",
        ],
        &[0],
    );
    assert_eq!(cat.stdout, "print('T01 one')\n");
    let into = beside(place, "into");
    look(
        place,
        &[
            "preview",
            "-t",
            "T01",
            "1.0.0",
            "--into",
            into.to_str().unwrap(),
        ],
        &[0],
    );
    assert_eq!(
        fs::read(into.join("tasks/T01/main.py")).unwrap(),
        b"print('T01 one')\n"
    );
    let capsule = beside(place, "c.tar");
    look(
        place,
        &[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            capsule.to_str().unwrap(),
        ],
        &[0],
    );
    look(
        place,
        &["capsule", "verify", capsule.to_str().unwrap()],
        &[0],
    );
    look(place, &["adopt", "--all", "--dry-run"], &[0]);
}

/// Runs commands that also read the work tree.
fn work_tree(place: &Sandbox) {
    let status = look(place, &["status"], &[0]);
    let line = status
        .stdout
        .lines()
        .find(|line| line.starts_with("T01"))
        .unwrap_or_default()
        .to_string();
    assert!(
        line.contains("1.1.0") && !line.contains("file"),
        "no drift: {status:?}"
    );
    look(place, &["health"], &[0, 4]);
    look(place, &["doctor"], &[0, 4, 8]);
    look(place, &["verify-rollback", "-t", "T01"], &[0]);
}

/// Runs a drill, which writes a report and therefore needs a state folder.
fn drill(place: &Sandbox) {
    let refused = look(
        place,
        &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"],
        &[0, 6],
    );
    let ran = look(
        place,
        &["drill", "-t", "T01", "--to", "1.0.0"],
        &[if refused.code == 0 { 0 } else { 8 }],
    );
    assert!(
        ran.stdout.contains("1.0.0")
            && ran.stdout.contains(if refused.code == 0 {
                "can go back"
            } else {
                "would have to wait"
            }),
        "{ran:?}"
    );
    // The version is still proven to be restorable.
    assert!(
        look(place, &["show", "-t", "T01", "1.0.0"], &[0])
            .stdout
            .contains("proven")
    );
}

#[test]
fn on_a_detached_head() {
    for spec in ["HEAD", "T01-v1.1.0", "T01-v1.0.0"] {
        let sandbox = released();
        sandbox.git(&["checkout", "-q", "--detach", spec]).expect(0);
        releases(&sandbox);
        if spec != "T01-v1.0.0" {
            work_tree(&sandbox);
        }
        drill(&sandbox);
        let refused = look(
            &sandbox,
            &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"],
            &[6],
        );
        assert!(
            refused.stderr.contains("HEAD is detached") && refused.stderr.contains("--no-commit"),
            "{refused:?}"
        );
        let refused = look(
            &sandbox,
            &["create-snapshot", "-t", "T01", "--dry-run", "-m", "x"],
            &[6],
        );
        assert!(
            refused.stderr.contains("HEAD is detached") && refused.stderr.contains("git switch"),
            "{refused:?}"
        );
        assert!(
            !refused.stderr.contains("--no-commit"),
            "it has no such option: {refused:?}"
        );
        if spec != "T01-v1.0.0" {
            look(
                &sandbox,
                &[
                    "rollback",
                    "-t",
                    "T01",
                    "--to",
                    "1.0.0",
                    "--no-commit",
                    "--yes",
                ],
                &[0],
            );
            assert_eq!(sandbox.read("tasks/T01/main.py"), b"print('T01 one')\n");
            look(&sandbox, &["undo", "--yes"], &[0]);
            assert_eq!(sandbox.read("tasks/T01/main.py"), b"print('T01 two')\n");
        }
    }
}

#[test]
fn in_a_bisect_a_merge_and_a_rebase() {
    let sandbox = released();
    sandbox
        .git(&["bisect", "start", "HEAD", "HEAD~3"])
        .expect(0);
    releases(&sandbox);
    drill(&sandbox);
    sandbox.git(&["bisect", "reset"]).expect(0);
    sandbox.git(&["switch", "-q", "-c", "side"]).expect(0);
    sandbox.write("other/notes.txt", b"side\n");
    sandbox.git(&["commit", "-qam", "side"]).expect(0);
    sandbox.git(&["switch", "-q", "main"]).expect(0);
    sandbox.write("other/notes.txt", b"main\n");
    sandbox.git(&["commit", "-qam", "main"]).expect(0);
    sandbox.git(&["merge", "side"]);
    releases(&sandbox);
    work_tree(&sandbox);
    drill(&sandbox);
    let refused = look(
        &sandbox,
        &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"],
        &[6],
    );
    assert!(
        refused.stderr.contains("a merge is in progress"),
        "{refused:?}"
    );
    sandbox.git(&["merge", "--abort"]).expect(0);
    sandbox.git(&["rebase", "side"]);
    releases(&sandbox);
    work_tree(&sandbox);
}

#[test]
fn on_an_unborn_branch() {
    let sandbox = released();
    sandbox
        .git(&["switch", "-q", "--orphan", "fresh"])
        .expect(0);
    sandbox.git(&["status"]).expect(0);
    look(&sandbox, &["status"], &[0]);
    look(&sandbox, &["history"], &[0]);
    look(&sandbox, &["doctor"], &[0, 4, 6, 8]);
    look(&sandbox, &["adopt", "--all", "--dry-run"], &[0]);
    sandbox.write("tasks/T01/config.yaml", b"version: 1.1.0\n");
    look(&sandbox, &["show", "-t", "T01", "1.0.0"], &[0]);
    look(
        &sandbox,
        &["verify-snapshot", "-t", "T01", "--version", "1.0.0"],
        &[0],
    );
    let refused = look(
        &sandbox,
        &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"],
        &[6],
    );
    assert!(refused.stderr.contains("has no commit yet"), "{refused:?}");
}

#[test]
fn in_a_linked_work_tree_and_a_submodule() {
    let sandbox = released();
    sandbox
        .git(&["worktree", "add", "-q", "--detach", "../linked"])
        .expect(0);
    let linked = at(&sandbox, "linked");
    releases(&linked);
    work_tree(&linked);
    drill(&linked);
    sandbox.git(&["init", "-q", "../outer"]).expect(0);
    let outer = at(&sandbox, "outer");
    outer
        .git(&[
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "add",
            "-q",
            sandbox.root().to_str().unwrap(),
            "inner",
        ])
        .expect(0);
    let inner = at(&sandbox, "outer/inner");
    inner.git(&["fetch", "-q", "--tags"]).expect(0);
    inner.git(&["checkout", "-q", "--detach"]).expect(0);
    for args in [
        &["verify-snapshot", "--all"][..],
        &["show", "-t", "T01", "1.0.0"],
        &["status"],
        &["diff", "-t", "T01", "1.0.0..1.1.0"],
    ] {
        look(&inner, args, &[0]);
    }
    drill(&inner);
}

/// Clones the sandbox's repository with these options.
fn clone(sandbox: &Sandbox, work: &'static str, options: &[&str]) -> Sandbox {
    let url = format!("file://{}", sandbox.root().display());
    let target = sandbox.top().join(work);
    sandbox
        .git(&["config", "uploadpack.allowFilter", "true"])
        .expect(0);
    sandbox
        .git(&[&["clone", "-q"], options, &[&url, target.to_str().unwrap()]].concat())
        .expect(0);
    at(sandbox, work)
}

/// Runs a closure with the sandbox's repository on read-only media: as another user, or below a
/// read-only mount.
fn locked(sandbox: &Sandbox, with: impl FnOnce(&Sandbox)) -> bool {
    let root = sandbox.root();
    let mount = |args: &[&str]| {
        std::process::Command::new("mount")
            .args(args)
            .arg(&root)
            .output()
            .is_ok_and(|out| out.status.success())
    };
    let path = root.to_str().unwrap().to_string();
    if !mount(&["--bind", &path]) {
        return false;
    }
    let is_read_only = mount(&["-o", "remount,bind,ro"]);
    if is_read_only {
        with(sandbox);
    }
    assert!(
        std::process::Command::new("umount")
            .arg(&root)
            .status()
            .unwrap()
            .success()
    );
    is_read_only
}

#[test]
fn on_read_only_media() {
    let sandbox = released();
    let fresh = clone(&sandbox, "fresh", &[]);
    for place in [sandbox, fresh] {
        let done = locked(&place, |place| {
            releases(place);
            work_tree(place);
            look(place, &["op", "list"], &[0]);
            look(place, &["store", "stats"], &[0]);
            look(place, &["audit", "verify"], &[0]);
            for args in [
                &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"][..],
                &["create-snapshot", "-t", "T01", "-m", "x", "--yes"],
                &["drill", "-t", "T01", "--to", "1.0.0"],
                &["mark", "good", "1.0.0", "-t", "T01", "-m", "x", "--yes"],
            ] {
                let refused = look(place, args, &[8]);
                assert!(
                    refused.stderr.contains("Read-only file system"),
                    "{refused:?}"
                );
            }
        });
        if !done {
            eprintln!("nothing can be mounted here");
            return;
        }
    }
}

#[test]
fn without_the_right_to_write() {
    // Root may write anywhere, so another user is needed.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let sandbox = released();
    sandbox
        .git(&["config", "--global", "--add", "safe.directory", "*"])
        .expect(0);
    for dir in [sandbox.top().to_path_buf(), sandbox.home()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let fresh = clone(&sandbox, "fresh", &[]);
    let as_nobody = |args: &[&str]| {
        let mut command = fresh.command("setpriv");
        finish(
            command
                .args([
                    "--reuid=65534",
                    "--regid=65534",
                    "--clear-groups",
                    snapback_program(),
                    "--no-input",
                ])
                .args(args),
        )
    };
    if as_nobody(&["--version"]).code != 0 {
        return;
    }
    for args in [
        &["status"][..],
        &["list"],
        &["show", "-t", "T01", "1.0.0"],
        &["verify-snapshot", "--all"],
        &["history"],
        &["diff", "-t", "T01", "1.0.0..1.1.0"],
    ] {
        let ran = as_nobody(args);
        assert_eq!(ran.code, 0, "{args:?} {ran:?}");
    }
    let refused = as_nobody(&["mark", "good", "1.0.0", "-t", "T01", "-m", "x", "--yes"]);
    let said = refused.stderr.contains("Permission denied")
        || refused.stderr.contains("belongs to root, and you are");
    assert!(matches!(refused.code, 8 | 12) && said, "{refused:?}");
}
