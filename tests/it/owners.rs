//! File ownership, and the rights of other users: files made by root in a user's repository belong
//! to that user. A user who is neither root nor the owner changes nothing, and files that this user
//! cannot read are not called damaged.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, have, snapback_program},
};

/// The owner of the repository, another user, and a service that reads a file of the task.
const OWNER: u32 = 1234;
const OTHER: u32 = 1235;
const SERVICE: u32 = 1236;

/// Returns whether the test is possible here; if not, prints the reason.
fn can() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        println!("skipped: this needs root");
    }
    is_root && have("setpriv")
}

/// Gives everything at and below a path to a user.
fn give(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), uid);
        }
    }
}

/// Lists everything below a path that belongs to a user.
fn of(path: &Path, uid: u32, found: &mut Vec<String>) {
    let meta = fs::symlink_metadata(path).unwrap();
    if meta.uid() == uid || meta.gid() == uid {
        found.push(path.display().to_string());
    }
    if meta.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            of(&entry.unwrap().path(), uid, found);
        }
    }
}

/// Creates T01 at 1.1.0 with 1.0.0 before it, all of it the owner's.
fn owned() -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.write("tasks/T01/link", b"");
    fs::remove_file(sandbox.at("tasks/T01/link")).unwrap();
    std::os::unix::fs::symlink("signal.py", sandbox.at("tasks/T01/link")).unwrap();
    sandbox.commit("link");
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox.write("tasks/T01/new/file.py", b"x\n");
    sandbox.write(
        "tasks/T01/model.bin",
        &crate::support::noise("other", 90_000),
    );
    fs::remove_file(sandbox.at("tasks/T01/link")).unwrap();
    std::os::unix::fs::symlink("config.yaml", sandbox.at("tasks/T01/link")).unwrap();
    sandbox.commit("more");
    sandbox.release("T01", "1.1.0");
    fs::set_permissions(sandbox.top(), fs::Permissions::from_mode(0o755)).unwrap();
    give(sandbox.top(), OWNER);
    sandbox
}

/// Runs snapback as a user.
fn as_user(sandbox: &Sandbox, uid: u32, args: &[&str]) -> Ran {
    let id = uid.to_string();
    let mut command = sandbox.command("setpriv");
    command
        .args([
            "--reuid",
            &id,
            "--regid",
            &id,
            "--clear-groups",
            snapback_program(),
        ])
        .args(args);
    if uid == OTHER {
        // The user trusts the repository, with a home of their own.
        let home = sandbox.top().join("other");
        if !home.exists() {
            fs::create_dir(&home).unwrap();
            fs::write(home.join(".gitconfig"), "[safe]\n  directory = *\n").unwrap();
            give(&home, OTHER);
        }
        command.env("HOME", home).env_remove("XDG_CONFIG_HOME");
    }
    finish(&mut command)
}

/// Runs snapback as root, called by the owner with `sudo`.
fn with_sudo(sandbox: &Sandbox, args: &[&str]) -> Ran {
    finish(
        sandbox
            .command(snapback_program())
            .args(args)
            .env("SUDO_UID", OWNER.to_string())
            .env("SUDO_GID", OWNER.to_string()),
    )
}

/// Every command that creates or changes files, as run by root for the owner.
const STEPS: &[&str] = &[
    "rollback -t T01 --to 1.0.0 --yes",
    "undo --yes",
    "redo --yes",
    "mark good 1.0.0 -t T01",
    "hold 1.1.0 -t T01 -m x",
    "create-snapshot -t T01 --version 1.2.0 --yes --push",
    "verdicts push",
    "verdicts fetch",
    "drill -t T01 --to 1.0.0",
    "dr -t T01 --to 1.0.0",
    "store gc --yes",
    "hooks install --yes",
    "rollback -t T01 --to 1.2.0 --no-commit --despite-verdict -m x --yes",
    "store put tasks --name tasks",
    "store restore tasks --into made/restored/here",
    "preview -t T01 1.0.0 --into made/preview",
    "op restore latest tasks/T01/config.yaml --into made/kept/here --yes",
    "man made/pages",
    "capsule create -t T01 --version 1.0.0 made/T01.tar",
    "dr --from made/T01.tar --into made/recovered --report made/report.md",
    "health --fail-on never --textfile made/metrics.prom",
    "status",
];

#[test]
fn what_root_does_in_somebodys_repository_is_all_theirs() {
    if !can() {
        return;
    }
    let sandbox = owned();
    let origin = sandbox.top().join("origin.git");
    sandbox
        .git(&["init", "-q", "--bare", origin.to_str().unwrap()])
        .expect(0);
    give(&origin, OWNER);
    let remote = origin.to_str().unwrap().to_string();
    finish(
        sandbox
            .command("git")
            .args(["remote", "add", "origin", &remote])
            .env("SUDO_UID", OWNER.to_string()),
    )
    .expect(0);
    give(sandbox.top(), OWNER);
    for line in STEPS {
        let args: Vec<&str> = line.split(' ').collect();
        with_sudo(&sandbox, &args).expect(0);
        let mut roots = Vec::new();
        of(&sandbox.root(), 0, &mut roots);
        of(&origin, 0, &mut roots);
        assert_eq!(roots, Vec::<String>::new(), "after {line}");
    }
    for args in [
        &["undo", "--yes"][..],
        &["status"],
        &["rollback", "-t", "T01", "--to", "1.2.0", "--yes"],
        &["doctor"],
        &["audit", "verify"],
    ] {
        as_user(&sandbox, OWNER, args).expect(0);
    }
}

#[test]
fn a_remote_is_asked_and_given_as_the_owner() {
    if !can() {
        return;
    }
    let sandbox = owned();
    let place = |name: &str| sandbox.top().join(name).to_str().unwrap().to_string();
    let git = |args: &[&str]| {
        finish(
            sandbox
                .command("git")
                .args(args)
                .env("SUDO_UID", OWNER.to_string()),
        )
        .expect(0)
    };
    git(&["init", "-q", "--bare", &place("origin.git")]);
    // A replacement for ssh that records its caller and runs the requested command.
    let script = format!(
        "#!/bin/sh\nid -u >> {}\nfor last; do :; done\nexec sh -c \"$last\"\n",
        place("callers")
    );
    fs::write(place("ssh"), script).unwrap();
    fs::set_permissions(place("ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    git(&["config", "core.sshCommand", &place("ssh")]);
    git(&[
        "remote",
        "add",
        "origin",
        &format!("ssh://host{}", place("origin.git")),
    ]);
    give(sandbox.top(), OWNER);
    for args in [
        &[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.2.0",
            "--yes",
            "--push",
        ][..],
        &["verdicts", "push"],
        &["verdicts", "fetch"],
        &[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.3.0",
            "--yes",
        ],
        &["undo", "T01-v1.3.0", "--yes"],
    ] {
        with_sudo(&sandbox, args).expect(0);
    }
    let callers = fs::read_to_string(place("callers")).unwrap();
    assert!(
        callers.lines().count() >= 4 && callers.lines().all(|uid| uid == OWNER.to_string()),
        "{callers}"
    );
}

#[test]
fn a_file_that_is_replaced_stays_readable_for_its_service() {
    if !can() {
        return;
    }
    for owner in [0, OWNER] {
        let sandbox = owned();
        give(sandbox.top(), owner);
        let file = sandbox.at("tasks/T01/signal.py");
        chown(&file, Some(SERVICE), Some(SERVICE)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        with_sudo(
            &sandbox,
            &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"],
        )
        .expect(0);
        let found = file.metadata().unwrap();
        assert_eq!(
            (found.uid(), found.gid(), found.mode() & 0o777),
            (SERVICE, SERVICE, 0o600)
        );
        let others = sandbox.at("tasks/T01/config.yaml").metadata().unwrap();
        assert_eq!((others.uid(), others.gid()), (owner, owner));
    }
}

#[test]
fn who_is_neither_root_nor_the_owner_changes_nothing() {
    if !can() {
        return;
    }
    let sandbox = owned();
    as_user(&sandbox, OTHER, &["--version"]).expect(0);
    let state = || (sandbox.everything(), sandbox.git(&["for-each-ref"]).stdout);
    let before = state();
    for args in [
        &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"][..],
        &["dr", "-t", "T01", "--to", "1.0.0"],
        &[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.2.0",
            "--yes",
        ],
        &["undo", "--yes"],
        &["mark", "good", "1.0.0", "-t", "T01"],
        &["op", "resume", "--yes"],
        &["store", "gc", "--yes"],
    ] {
        let ran = as_user(&sandbox, OTHER, args).expect(12);
        assert!(
            ran.stderr.contains("1234") && ran.stderr.contains("sudo -u"),
            "{args:?}: {ran:?}"
        );
        assert!(
            !ran.stderr.contains("Permission denied"),
            "{args:?}: {ran:?}"
        );
        assert!(state() == before, "{args:?}");
    }
}

#[test]
fn another_user_is_told_what_is_known_and_what_is_not() {
    if !can() {
        return;
    }
    let sandbox = owned();
    for args in [
        &["status"][..],
        &["list", "-t", "T01"],
        &["show", "-t", "T01", "1.0.0"],
        &["diff", "-t", "T01", "1.0.0..1.1.0"],
    ] {
        let ran = as_user(&sandbox, OTHER, args).expect(0);
        assert!(
            !ran.stderr.contains("Permission denied"),
            "{args:?}: {ran:?}"
        );
    }
    let ran = as_user(&sandbox, OTHER, &["status"]).expect(0);
    assert!(
        ran.stdout.contains("1.1.0") && ran.stderr.contains("cannot be checked"),
        "{ran:?}"
    );
    assert_eq!(
        ran.stderr.matches("cannot be checked").count(),
        1,
        "it is said once: {ran:?}"
    );
    let ran = as_user(&sandbox, OTHER, &["health"]).expect(8);
    assert!(
        ran.stdout.contains("cannot be checked") && !ran.stdout.contains("Permission denied"),
        "{ran:?}"
    );
    let ran = as_user(&sandbox, OTHER, &["history"]).expect(0);
    assert!(
        ran.stdout.contains("1.0.0") && ran.stderr.contains("cannot be checked"),
        "releases are read, operations not: {ran:?}"
    );
    let ran = as_user(&sandbox, OTHER, &["verdicts", "list"]).expect(0);
    assert!(
        ran.stdout.contains("proven") && ran.stderr.contains("cannot be checked"),
        "what is shared is read, the log not: {ran:?}"
    );
    let ran = as_user(&sandbox, OTHER, &["verify-snapshot", "--all"]).expect(8);
    assert!(
        ran.stdout.contains("cannot read the store") && !ran.stderr.contains("could not be noted"),
        "{ran:?}"
    );
    for args in [&["op", "list"][..], &["audit", "list"], &["store", "check"]] {
        let ran = as_user(&sandbox, OTHER, args).expect(12);
        assert!(
            ran.stderr.contains("cannot be checked") && ran.stderr.contains("sudo -u"),
            "{args:?}: {ran:?}"
        );
    }
    let ran = as_user(&sandbox, OTHER, &["doctor"]).expect(8);
    assert!(
        ran.stdout.contains("1234") && !ran.stdout.contains("Permission denied"),
        "{ran:?}"
    );
}

#[test]
fn what_an_earlier_run_as_root_left_is_named_with_the_command_that_mends_it() {
    if !can() {
        return;
    }
    let sandbox = owned();
    let ops = sandbox.at(".git/snapback/ops");
    let last = fs::read_dir(&ops)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max()
        .unwrap();
    for left in [last, sandbox.at(".git/snapback")] {
        give(&left, 0);
        for args in [
            &["undo", "--yes"][..],
            &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"],
            &["op", "list"],
        ] {
            let ran = as_user(&sandbox, OWNER, args).expect(12);
            assert!(ran.stderr.contains("belongs to root"), "{args:?}: {ran:?}");
            assert!(
                ran.stderr.contains(&format!(
                    "sudo chown -R {OWNER}: {}",
                    sandbox.at(".git").display()
                )),
                "{args:?}: {ran:?}"
            );
        }
        let ran = as_user(&sandbox, OWNER, &["doctor"]).expect(8);
        assert!(
            ran.stdout.contains("sudo chown -R") && !ran.stdout.contains("report.json"),
            "{ran:?}"
        );
        give(&sandbox.at(".git"), OWNER);
        as_user(&sandbox, OWNER, &["doctor"]).expect(0);
    }
}
