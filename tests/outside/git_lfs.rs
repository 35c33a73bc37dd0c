//! The real Git LFS: its files come back with their real bytes, and it has no complaints.

use std::fs;

use crate::{
    it::shapes_large::{ONNX, back_and_forth, wants_big},
    support::{
        Sandbox, noise,
        story::{Story, TASK, rollback},
    },
};

/// Creates a sandbox with Git LFS; `None`, with the reason printed, where it is not installed.
fn with_lfs() -> Option<Sandbox> {
    let sandbox = Sandbox::new(2);
    if sandbox.git(&["lfs", "version"]).code != 0 {
        println!("skipped: git-lfs is not installed");
        return None;
    }
    sandbox.git(&["lfs", "install", "--local"]).expect(0);
    sandbox.git(&["lfs", "track", "tasks/T01/*.onnx"]).expect(0);
    sandbox.git(&["add", ".gitattributes"]).expect(0);
    sandbox
        .git(&["commit", "-q", "-m", "large files"])
        .expect(0);
    Some(sandbox)
}

/// Asserts that git-lfs finds every object of HEAD, whole, and has nothing to do.
#[track_caller]
fn assert_lfs_sound(sandbox: &Sandbox) {
    sandbox.git(&["lfs", "fsck"]).expect(0);
    let status = sandbox.git_out(&["lfs", "status", "--porcelain"]);
    assert_eq!(status, "", "git lfs status");
    let files = sandbox.git_out(&["lfs", "ls-files"]);
    assert!(
        !files.is_empty() && files.lines().all(|line| line.contains(" * ")),
        "all bytes are in the work tree: {files}"
    );
}

#[test]
fn git_lfs_files_come_back_with_their_real_bytes() {
    let Some(sandbox) = with_lfs() else { return };
    sandbox.write("tasks/T01/committed.onnx", &noise("committed", 50_000));
    sandbox
        .git(&["add", "--", "tasks/T01/committed.onnx"])
        .expect(0);
    sandbox
        .git(&["commit", "-q", "-m", "by git-lfs itself"])
        .expect(0);
    sandbox.write("tasks/T01/fresh.onnx", &noise("fresh", 60_000));
    sandbox.write("tasks/T01/removed.onnx", &noise("removed", 6_000));
    sandbox.write("tasks/T01/empty.onnx", b"");
    let story = Story::begin(&sandbox, |sandbox| {
        assert_lfs_sound(sandbox);
        sandbox.write(
            "tasks/T01/committed.onnx",
            &noise("committed, changed", 70_000),
        );
        sandbox.write("tasks/T01/fresh.onnx", &noise("fresh, changed", 70_000));
        sandbox.write("tasks/T01/empty.onnx", b"no longer empty");
        fs::remove_file(sandbox.at("tasks/T01/removed.onnx")).unwrap();
    });
    let pointer = sandbox.git_out(&["show", "T01-v1.1.0:tasks/T01/fresh.onnx"]);
    assert!(
        pointer.starts_with("version https://git-lfs.github.com/spec/v1\noid sha256:"),
        "{pointer}"
    );
    story.go();
    assert_lfs_sound(&sandbox);
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_lfs_sound(&sandbox);
    assert_eq!(
        sandbox.read("tasks/T01/committed.onnx"),
        noise("committed", 50_000)
    );
    // git-lfs itself would write the same.
    sandbox.git(&["rm", "-q", "-r", "--cached", TASK]).expect(0);
    sandbox.git(&["reset", "-q"]).expect(0);
    fs::remove_file(sandbox.at("tasks/T01/fresh.onnx")).unwrap();
    sandbox
        .git(&["checkout", "-q", "--", "tasks/T01/fresh.onnx"])
        .expect(0);
    assert_eq!(sandbox.read("tasks/T01/fresh.onnx"), noise("fresh", 60_000));
}

#[test]
fn git_lfs_edits_that_were_not_committed_come_back_with_undo() {
    let Some(sandbox) = with_lfs() else { return };
    sandbox.write("tasks/T01/model.onnx", &noise("1.0.0", 50_000));
    let _story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/model.onnx", &noise("1.1.0", 50_000));
    });
    sandbox.write("tasks/T01/model.onnx", &noise("staged", 50_000));
    sandbox
        .git(&["add", "--", "tasks/T01/model.onnx"])
        .expect(0);
    sandbox.write("tasks/T01/model.onnx", &noise("edited", 50_000));
    let before = (
        sandbox.tree_in(TASK),
        sandbox.status(),
        sandbox.git_out(&["diff", "--cached"]),
    );
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(sandbox.read("tasks/T01/model.onnx"), noise("1.0.0", 50_000));
    assert_eq!(sandbox.status(), Vec::<String>::new());
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        (
            sandbox.tree_in(TASK),
            sandbox.status(),
            sandbox.git_out(&["diff", "--cached"])
        ),
        before
    );
}

#[test]
fn git_lfs_pointers_that_were_never_fetched_stay_pointers() {
    let Some(sandbox) = with_lfs() else { return };
    sandbox.write("tasks/T01/model.onnx", &noise("1.0.0", 50_000));
    sandbox
        .git(&["add", "--", "tasks/T01/model.onnx"])
        .expect(0);
    sandbox
        .git(&["commit", "-q", "-m", "by git-lfs itself"])
        .expect(0);
    let pointer = sandbox.git_out(&["show", "HEAD:tasks/T01/model.onnx"]) + "\n";
    // The state of a clone with GIT_LFS_SKIP_SMUDGE=1.
    sandbox.write("tasks/T01/model.onnx", pointer.as_bytes());
    // Also where nothing saves reading the file again.
    sandbox
        .git(&["config", "core.trustctime", "false"])
        .expect(0);
    sandbox.release("T01", "1.0.0");
    assert_eq!(
        sandbox.git_out(&["show", "T01-v1.0.0:tasks/T01/model.onnx"]) + "\n",
        pointer,
        "no pointer to a pointer"
    );
    assert_eq!(sandbox.status(), Vec::<String>::new());
}

#[test]
fn git_lfs_bytes_that_are_not_here_are_an_error_that_changes_nothing() {
    let Some(sandbox) = with_lfs() else { return };
    sandbox.write("tasks/T01/model.onnx", &noise("1.0.0", 50_000));
    let story = Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/model.onnx", &noise("1.1.0", 50_000));
    });
    let pointer = sandbox.git_out(&["show", "T01-v1.0.0:tasks/T01/model.onnx"]);
    let oid = pointer.split("sha256:").nth(1).unwrap()[..64].to_string();
    fs::remove_file(sandbox.at(&format!(
        ".git/lfs/objects/{}/{}/{oid}",
        &oid[..2],
        &oid[2..4]
    )))
    .unwrap();
    let failed = rollback(&sandbox, "1.1.0", "1.0.0");
    assert_ne!(failed.code, 0);
    assert!(
        failed.stderr.contains("model.onnx") && failed.stderr.contains("git lfs fetch"),
        "{}",
        failed.stderr
    );
    assert_eq!(sandbox.tree_in(TASK), story.new);
    assert_eq!(sandbox.status(), Vec::<String>::new());
}

#[test]
fn bytes_of_a_git_lfs_file_that_are_lost_make_a_release_bad() {
    let Some(sandbox) = with_lfs() else { return };
    sandbox.write("tasks/T01/model.onnx", &noise("1.0.0", 50_000));
    sandbox.release("T01", "1.0.0");
    sandbox
        .snapback(&["verify-snapshot", "--task", "T01", "--all"])
        .expect(0);
    let pointer = sandbox.git_out(&["show", "T01-v1.0.0:tasks/T01/model.onnx"]);
    let oid = pointer.split("sha256:").nth(1).unwrap()[..64].to_string();
    let object = format!(".git/lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]);
    sandbox.chmod(&object, 0o644);
    let mut bytes = sandbox.read(&object);
    bytes[100] ^= 1;
    sandbox.write(&object, &bytes);
    let bad = sandbox
        .snapback(&["verify-snapshot", "--task", "T01", "--all", "--deep"])
        .expect(4);
    assert!(bad.stdout.contains("model.onnx"), "{}", bad.stdout);
    fs::remove_file(sandbox.at(&object)).unwrap();
    let bad = sandbox
        .snapback(&["verify-snapshot", "--task", "T01", "--all"])
        .expect(4);
    assert!(bad.stdout.contains("model.onnx"), "{}", bad.stdout);
    // A pointer in place of the file is not the file.
    sandbox.write("tasks/T01/model.onnx", (pointer + "\n").as_bytes());
    let looked = sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(8);
    assert!(
        looked.stdout.contains("only its Git LFS pointer is here"),
        "{}",
        looked.stdout
    );
    // With a remote to fetch them from, the files are not lost but missing here.
    sandbox
        .git(&["remote", "add", "origin", "../elsewhere.git"])
        .expect(0);
    let unknown = sandbox
        .snapback(&["verify-snapshot", "--task", "T01", "--all"])
        .expect(8);
    assert!(unknown.stdout.contains("model.onnx"), "{}", unknown.stdout);
}

#[test]
fn half_a_gigabyte_in_git_lfs() {
    let sandbox = Sandbox::new(1);
    if sandbox.git(&["lfs", "install", "--local"]).code != 0 {
        println!("skipped: git-lfs is not installed");
    } else if wants_big() {
        sandbox.write(
            ".gitattributes",
            b"*.onnx filter=lfs diff=lfs merge=lfs -text\n",
        );
        sandbox.git(&["add", ".gitattributes"]).expect(0);
        sandbox
            .git(&["commit", "-q", "-m", "large files"])
            .expect(0);
        back_and_forth(&sandbox, ONNX, 512);
    }
}
