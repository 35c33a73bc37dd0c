//! The store on file systems that refuse: full, read-only, out of file handles. Each failure is a
//! clear error, never silence, and the store is whole and usable afterwards. Calls that fail one by
//! one are in `backup_kills.rs`.

use std::{fs, process::Command};

use crate::support::{
    Sandbox,
    mounted::Mounted,
    noise,
    sandbox::{Ran, snapback_program},
};

/// Creates a repository whose store lies on a file system of 24 MiB, and a folder to store; `None`,
/// with the reason printed, where mounting is impossible.
fn small_store() -> Option<(Sandbox, Mounted)> {
    let sandbox = Sandbox::empty();
    let at = sandbox.at(".git/snapback/store");
    fs::create_dir_all(&at).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
        .arg(&at)
        .output()
        .unwrap();
    if !mounted.status.success() {
        println!(
            "skipped: {}",
            String::from_utf8_lossy(&mounted.stderr).trim()
        );
        return None;
    }
    fs::create_dir_all(sandbox.home().join("data")).unwrap();
    Some((sandbox, Mounted(at)))
}

fn put(sandbox: &Sandbox, name: &str) -> Ran {
    sandbox.snapback(&[
        "store",
        "put",
        sandbox.home().join("data").to_str().unwrap(),
        "--name",
        name,
    ])
}

/// Asserts that the named folder is restored to these bytes, and that the store is sound.
fn comes_back(sandbox: &Sandbox, name: &str, bytes: &[u8]) {
    sandbox.snapback(&["store", "check", "--deep"]).expect(0);
    let back = sandbox.home().join(format!("back-{name}"));
    sandbox
        .snapback(&["store", "restore", name, "--into", back.to_str().unwrap()])
        .expect(0);
    assert!(fs::read(back.join("file")).unwrap() == bytes);
    fs::remove_dir_all(back).unwrap();
}

#[test]
fn a_full_disk_is_an_error_and_what_was_stored_stays() {
    let Some((sandbox, _mounted)) = small_store() else {
        return;
    };
    let file = sandbox.home().join("data/file");
    let (old, large, small) = (
        noise("old", 9 << 20),
        noise("large", 30 << 20),
        noise("small", 2 << 20),
    );
    fs::write(&file, &old).unwrap();
    put(&sandbox, "old").expect(0);
    fs::write(&file, &large).unwrap();
    let full = put(&sandbox, "large");
    assert_eq!(full.code, 8, "{full:?}");
    assert!(
        full.stderr.contains("No space left") && full.stderr.contains("hint:"),
        "{full:?}"
    );
    comes_back(&sandbox, "old", &old);
    // The data of the failed put was removed: there is room for a smaller one.
    fs::write(&file, &small).unwrap();
    put(&sandbox, "small").expect(0);
    comes_back(&sandbox, "small", &small);
    // A full disk does not prevent a collection from making room.
    let mut filler = fs::File::create(sandbox.at(".git/snapback/store/filler")).unwrap();
    while std::io::Write::write_all(&mut filler, &[1; 4096]).is_ok() {}
    sandbox.snapback(&["store", "drop", "old", "--yes"]);
    sandbox.snapback(&["store", "gc", "--yes"]).expect(0);
    comes_back(&sandbox, "small", &small);
}

#[test]
fn a_read_only_disk_is_an_error_and_reading_goes_on() {
    let Some((sandbox, mounted)) = small_store() else {
        return;
    };
    let file = sandbox.home().join("data/file");
    let old = noise("old", 3 << 20);
    fs::write(&file, &old).unwrap();
    put(&sandbox, "old").expect(0);
    let remount = |how: &str| {
        let done = Command::new("mount")
            .args(["-o", &format!("remount,{how}")])
            .arg(&mounted.0)
            .status()
            .unwrap();
        assert!(done.success());
    };
    remount("ro");
    fs::write(&file, noise("new", 3 << 20)).unwrap();
    let refused = put(&sandbox, "new");
    assert_eq!(refused.code, 8, "{refused:?}");
    assert!(refused.stderr.contains("Read-only"), "{refused:?}");
    let back = sandbox.home().join("back");
    sandbox
        .snapback(&["store", "restore", "old", "--into", back.to_str().unwrap()])
        .expect(0);
    assert!(fs::read(back.join("file")).unwrap() == old);
    remount("rw");
    put(&sandbox, "new").expect(0);
    comes_back(&sandbox, "new", &noise("new", 3 << 20));
}

#[test]
fn too_few_file_handles_are_an_error_or_enough_but_never_silence() {
    let sandbox = Sandbox::empty();
    let data = sandbox.home().join("data");
    fs::create_dir_all(&data).unwrap();
    let bytes = noise("file", 12 << 20);
    fs::write(data.join("file"), &bytes).unwrap();
    let mut failed = 0;
    for limit in (8..40).step_by(4) {
        let name = format!("with-{limit}");
        let ran = Command::new("prlimit")
            .arg(format!("--nofile={limit}"))
            .arg(snapback_program())
            .args([
                "store",
                "put",
                data.to_str().unwrap(),
                "--name",
                &name,
                "--rehash",
            ])
            .current_dir(sandbox.root())
            .env_clear()
            .envs(sandbox.environment())
            .output()
            .unwrap();
        if ran.status.success() {
            comes_back(&sandbox, &name, &bytes);
        } else {
            failed += 1;
            assert!(!ran.stderr.is_empty(), "it says why");
            assert!(
                sandbox
                    .snapback(&["store", "restore", &name, "--into", "nowhere"])
                    .code
                    != 0
            );
        }
    }
    assert!(failed > 0, "some limit is too low");
    put(&sandbox, "after").expect(0);
    comes_back(&sandbox, "after", &bytes);
}
