//! Changed files with unchanged size and times: a release takes their actual bytes, and nothing is
//! called verified that was not.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use crate::support::{
    Sandbox,
    mounted::{Disk, KINDS, Kind},
};

const FILE: &str = "tasks/T01/signal.py";

/// Writes another state of the file, with the size and the modification time of the previous one.
fn write_alike(sandbox: &Sandbox, text: &str) {
    sandbox.write(FILE, text.as_bytes());
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    fs::File::options()
        .write(true)
        .open(sandbox.at(FILE))
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
}

/// Checks all commands on two releases whose files look alike to `stat`.
#[track_caller]
fn assert_seen(sandbox: &Sandbox, what: &str) {
    write_alike(sandbox, "X=1\n");
    sandbox.commit("one");
    sandbox.release("T01", "1.0.0");
    write_alike(sandbox, "X=2\n");
    let status = sandbox.snapback(&["status", "--json"]).expect(0).json();
    assert_eq!(
        status["data"]["tasks"][0]["drift"], 1,
        "{what}: drift is seen"
    );
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(4);
    sandbox.release("T01", "1.1.0");
    assert_eq!(
        sandbox.git_out(&["show", &format!("T01-v1.1.0:{FILE}")]),
        "X=2",
        "{what}: the bytes that were there are released"
    );
    // An uncommitted edit that looks like the release.
    write_alike(sandbox, "X=3\n");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert_eq!(
        sandbox.read(FILE),
        b"X=1\n",
        "{what}: what is called verified is there"
    );
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(sandbox.read(FILE), b"X=3\n", "{what}: the edit was saved");
}

#[test]
fn settings_that_make_git_look_at_less_are_not_relied_on() {
    for config in [
        &["core.trustctime", "false"],
        &["core.checkStat", "minimal"],
        &["core.trustctime", "true"],
    ] {
        let sandbox = Sandbox::new(1);
        sandbox.git(&["config", config[0], config[1]]).expect(0);
        assert_seen(&sandbox, &config.join("="));
    }
}

#[test]
fn a_file_system_that_cuts_times_to_seconds_is_not_relied_on() {
    // Inodes of 128 bytes have no room for nanoseconds.
    let kind = Kind {
        name: "ext4, 128-byte inodes",
        make: &["mkfs.ext4", "-q", "-F", "-I", "128"],
        ..KINDS[0]
    };
    let disk = match Disk::new(kind) {
        Ok(disk) => disk,
        Err(why) => return println!("skipped: {why}"),
    };
    let sandbox = Sandbox::new(1).copy_below(&disk.at());
    assert_seen(&sandbox, "coarse times");
}

#[test]
fn a_change_in_the_tick_of_the_index_is_seen() {
    for round in 0..5 {
        let sandbox = Sandbox::new(1);
        sandbox.write(FILE, b"X=1\n");
        sandbox.git(&["commit", "-qam", "one"]).expect(0);
        sandbox.release("T01", "1.0.0");
        sandbox.write(FILE, b"X=2\n");
        // The index is as new as the file: its time proves nothing.
        let now = fs::metadata(sandbox.at(FILE)).unwrap().modified().unwrap();
        fs::File::options()
            .write(true)
            .open(sandbox.at(".git/index"))
            .unwrap()
            .set_modified(now)
            .unwrap();
        sandbox.release("T01", "1.1.0");
        assert_eq!(
            sandbox.git_out(&["show", &format!("T01-v1.1.0:{FILE}")]),
            "X=2",
            "round {round}"
        );
    }
}

#[test]
fn a_manifest_that_no_tag_vouches_for_spares_no_reading() {
    let sandbox = Sandbox::new(1);
    sandbox.git(&["tag", "T01-v1.0.0"]).expect(0);
    sandbox.snapback(&["adopt", "-t", "T01", "--yes"]).expect(0);
    // Somebody edits the adopted manifest: the checksum of the unchanged file differs.
    let manifest = "snapshots/snapshot-T01-v1.0.0.yaml";
    let text = String::from_utf8(sandbox.read(manifest)).unwrap();
    let digest = snapback::base::Digest::of(&sandbox.read("tasks/T01/lib/rules.py")).to_string();
    assert!(text.contains(&digest), "{text}");
    sandbox.write(
        manifest,
        text.replace(&digest, &snapback::base::Digest::of(b"other").to_string())
            .as_bytes(),
    );
    sandbox.git(&["commit", "-qam", "edited"]).expect(0);
    sandbox.write(FILE, b"X=2\n");
    sandbox.release("T01", "1.1.0");
    assert!(
        String::from_utf8(sandbox.read("snapshots/snapshot-T01-v1.1.0.yaml"))
            .unwrap()
            .contains(&digest),
        "it was read"
    );
    sandbox
        .snapback(&[
            "verify-snapshot",
            "-t",
            "T01",
            "--version",
            "1.1.0",
            "--deep",
        ])
        .expect(0);
}
