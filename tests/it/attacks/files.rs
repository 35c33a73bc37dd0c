//! Unexpected kinds of files at the end of a path: links, hard links, devices, sockets, mode bits.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, symlink},
        net::UnixListener,
    },
    process::Command,
};

use super::{BACK, SNAP, target, withstands};

#[test]
fn devices_pipes_and_sockets_are_neither_read_nor_replaced() {
    for what in ["pipe", "socket", "device"] {
        if what == "device" && !rustix::process::geteuid().is_root() {
            println!("skipped: only root makes devices");
            continue;
        }
        for name in [
            "tasks/T01/signal.py",
            "tasks/T01/config.yaml",
            "tasks/T01/unlisted",
            "task_registry.json",
            "snapback.yaml",
        ] {
            let sandbox = target();
            let _ = fs::remove_file(sandbox.at(name));
            let mut listener = None;
            match what {
                "pipe" => super::does(&sandbox, Command::new("mkfifo").arg(name)),
                "device" => {
                    super::does(&sandbox, Command::new("mknod").args([name, "c", "1", "5"]));
                }
                // The length of a socket's path is limited; this one is short enough.
                _ => listener = Some(UnixListener::bind(sandbox.at(name)).unwrap()),
            }
            println!("{what} at {name}");
            // A FIFO beside the release does not matter; in the place of a file it is an obstacle.
            withstands(
                &sandbox,
                &[0, 2, 4, 6, 8],
                &["--timeout", "20s", "status"],
                &[],
            );
            let codes: &[i32] = if name.ends_with("unlisted") {
                &[0, 6]
            } else {
                &[2, 4, 6, 8]
            };
            withstands(
                &sandbox,
                codes,
                &[&["--timeout", "20s"], SNAP].concat(),
                &[],
            );
            // An unreadable registry prevents no rollback, and stays as it is.
            let codes: &[i32] = if name == "task_registry.json" {
                &[0]
            } else {
                codes
            };
            withstands(
                &sandbox,
                codes,
                &[&["--timeout", "20s"], BACK].concat(),
                &[],
            );
            let left = fs::symlink_metadata(sandbox.at(name)).unwrap();
            assert!(!left.is_file() && !left.is_dir(), "it is still there");
            drop(listener);
        }
    }
}

#[test]
fn links_in_a_circle_are_content() {
    let sandbox = target();
    symlink("loop-b", sandbox.at("tasks/T01/loop-a")).unwrap();
    symlink("loop-a", sandbox.at("tasks/T01/loop-b")).unwrap();
    symlink("itself", sandbox.at("tasks/T01/itself")).unwrap();
    symlink("/", sandbox.at("tasks/T01/top")).unwrap();
    symlink("../../..", sandbox.at("tasks/T01/up")).unwrap();
    sandbox.release("T01", "1.2.0");
    withstands(&sandbox, &[0], BACK, &[]);
    assert!(!sandbox.exists("tasks/T01/itself") && !sandbox.exists("tasks/T01/up"));
    withstands(
        &sandbox,
        &[0],
        &["rollback", "-t", "T01", "--to", "1.2.0", "--yes"],
        &[],
    );
    for (name, leads) in [
        ("loop-a", "loop-b"),
        ("loop-b", "loop-a"),
        ("itself", "itself"),
        ("top", "/"),
        ("up", "../../.."),
    ] {
        assert_eq!(
            fs::read_link(sandbox.at(&format!("tasks/T01/{name}")))
                .unwrap()
                .to_str(),
            Some(leads)
        );
    }
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn a_hard_link_outside_keeps_its_bytes_and_its_mode() {
    let sandbox = target();
    for (nth, name) in [
        "tasks/T01/signal.py",
        "tasks/T01/config.yaml",
        "tasks/T01/model.bin",
        "tasks/T01/new.py",
        "task_registry.json",
    ]
    .iter()
    .enumerate()
    {
        fs::hard_link(
            sandbox.at(name),
            sandbox.home().join(format!("other-name-{nth}")),
        )
        .unwrap();
    }
    let ino = |name: &str| fs::metadata(sandbox.at(name)).unwrap().ino();
    let before = ino("tasks/T01/signal.py");
    withstands(&sandbox, &[0], BACK, &[]);
    assert_ne!(
        ino("tasks/T01/signal.py"),
        before,
        "a new file took its name"
    );
    withstands(&sandbox, &[0], &["undo", "--yes"], &[]);
}

#[test]
fn the_store_shares_no_inode_with_the_work_tree() {
    let sandbox = target();
    withstands(&sandbox, &[0], BACK, &[]);
    for name in ["model.bin", "signal.py"] {
        assert_eq!(
            fs::metadata(sandbox.at(&format!("tasks/T01/{name}")))
                .unwrap()
                .nlink(),
            1,
            "{name}"
        );
    }
    sandbox.write("tasks/T01/model.bin", b"edited in place\n");
    sandbox.snapback(&["store", "check"]).expect(0);
}

#[test]
fn no_restored_file_has_bits_that_no_release_has() {
    for (mask, plain, program) in [
        ("077", 0o600, 0o700),
        ("022", 0o644, 0o755),
        ("002", 0o664, 0o775),
        ("000", 0o666, 0o777),
    ] {
        let sandbox = target();
        fs::remove_file(sandbox.at("tasks/T01/run.sh")).unwrap();
        fs::remove_file(sandbox.at("tasks/T01/lib/rules.py")).unwrap();
        sandbox.chmod("tasks/T01/signal.py", 0o6755);
        sandbox.chmod("tasks/T01/config.yaml", 0o1644);
        let line = format!("umask {mask}; exec \"$0\" \"$@\"");
        let ran = sandbox.run(
            "sh",
            &[
                &["-c", &line, crate::support::sandbox::snapback_program()],
                BACK,
            ]
            .concat(),
        );
        assert_eq!(ran.code, 0, "{ran:?}");
        let mode = |name: &str| {
            fs::metadata(sandbox.at(&format!("tasks/T01/{name}")))
                .unwrap()
                .mode()
                & 0o7777
        };
        assert_eq!(
            (mode("lib/rules.py"), mode("run.sh")),
            (plain, program),
            "umask {mask}"
        );
        assert_eq!(
            mode("signal.py") & 0o7000,
            0,
            "a rewritten file has no setuid bit"
        );
        let state = fs::metadata(sandbox.at(".git/snapback")).unwrap().mode() & 0o777;
        assert_eq!(state, 0o700, "nobody else reads or plants state");
    }
}
