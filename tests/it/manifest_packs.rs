//! What a release adds to git: its manifest is a delta of the one before, whatever git has done to
//! the pack since.

use crate::support::Sandbox;

const FILES: usize = 2_000;
/// What one release of one changed line may add to git's objects, in bytes.
const MOST: u64 = 8_000;

/// Creates a task with many files, released as 1.0.0.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new(1);
    for nth in 0..FILES {
        let path = format!("tasks/T01/lib/{:02}/{nth:04}.py", nth / 100);
        sandbox.write(&path, format!("value = {nth}\n").as_bytes());
    }
    sandbox.release("T01", "1.0.0");
    sandbox
}

/// Changes one line and releases; returns by how many bytes git's objects grew.
fn release(sandbox: &Sandbox, nth: usize) -> u64 {
    let path = format!(
        "tasks/T01/lib/{:02}/{:04}.py",
        nth * 7 % 20,
        nth * 7 % 20 * 100 + nth
    );
    sandbox.write(&path, format!("value = -{nth}\n").as_bytes());
    let before = sandbox.bytes_below(".git/objects", None);
    sandbox.release("T01", &format!("1.{nth}.0"));
    sandbox
        .bytes_below(".git/objects", None)
        .saturating_sub(before)
}

/// Checks every release, and git's objects.
fn check(sandbox: &Sandbox) {
    sandbox.git(&["fsck", "--strict", "--full"]).expect(0);
    sandbox
        .snapback(&["verify-snapshot", "--all", "--deep"])
        .expect(0);
}

#[test]
fn ten_releases_of_many_files_add_a_few_bytes_each() {
    let sandbox = prepared();
    // What the first manifest lies in may be too large to be written again.
    release(&sandbox, 1);
    let grown: Vec<u64> = (2..12).map(|nth| release(&sandbox, nth)).collect();
    assert!(grown.iter().all(|grown| *grown < MOST), "{grown:?}");
    check(&sandbox);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.3.0", "--yes"])
        .expect(0);
    // The base is now another one, an old one.
    let after = [release(&sandbox, 12), release(&sandbox, 13)];
    assert!(after.iter().all(|grown| *grown < 2 * MOST), "{after:?}");
    sandbox
        .snapback(&["undo", "T01-v1.13.0", "--yes"])
        .expect(0);
    assert!(release(&sandbox, 14) < 2 * MOST);
    check(&sandbox);
}

#[test]
fn what_git_does_to_the_pack_is_harmless() {
    for deed in [
        "gc -q --prune=now",
        "repack -adfq",
        "multi-pack-index write",
    ] {
        let sandbox = prepared();
        let mut grown = Vec::new();
        for nth in 1..7 {
            if nth % 3 == 0 {
                sandbox.git_line(deed).expect(0);
                check(&sandbox);
            }
            grown.push(release(&sandbox, nth));
        }
        check(&sandbox);
        if !deed.starts_with("multi") {
            // The first release behind it writes its manifest whole, the next one a delta.
            assert!(grown[3] < MOST, "{deed}: {grown:?}");
        }
    }
}

#[test]
fn clones_fetches_and_pushes_carry_deltas() {
    let sandbox = prepared();
    release(&sandbox, 1);
    sandbox.add_remote();
    sandbox.push();
    let clone = |from: &str, to: &str| {
        sandbox
            .git(&["clone", "-q", "--no-local", from, to])
            .expect(0);
        sandbox.git(&["-C", to, "fsck", "--strict"]).expect(0);
    };
    clone("../up.git", "../clone");
    release(&sandbox, 2);
    release(&sandbox, 3);
    sandbox.push();
    sandbox.git(&["-C", "../clone", "pull", "-q"]).expect(0);
    for place in ["../clone", "../up.git"] {
        sandbox.git(&["-C", place, "fsck", "--strict"]).expect(0);
    }
    let manifests = "main:snapshots";
    let listed = |place: &str| {
        let args = ["-C", place, "ls-tree", "-r", manifests];
        sandbox.git_out(&args)
    };
    assert_eq!(listed("."), listed("../clone"));
    clone(".", "../second");
}
