//! What an operation leaves behind, beside git's objects: counted, because nothing may grow for
//! ever unseen.

use std::{fs, path::Path};

use crate::support::Sandbox;

/// Returns the number of bytes of all files below a folder, except git's objects.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let size = |entry: fs::DirEntry| match entry.metadata().unwrap() {
        _ if entry.file_name() == "objects" => 0,
        found if found.is_dir() => bytes_below(&entry.path()),
        found => found.len(),
    };
    entries.map(size).sum()
}

/// Returns the bytes in `.git` and the number of references.
fn left(sandbox: &Sandbox) -> (u64, usize) {
    let refs = sandbox.git_out(&["for-each-ref"]).lines().count();
    (bytes_below(&sandbox.at(".git")), refs)
}

#[test]
fn a_rollback_and_its_undo_leave_little_however_many_files_there_are() {
    for files in [20, 400] {
        let sandbox = Sandbox::empty().with_tasks(1);
        for n in 0..files {
            sandbox.write(&format!("tasks/T01/f{n}"), b"of the first");
        }
        sandbox.commit("files");
        sandbox.release("T01", "1.0.0");
        for n in 0..10 {
            sandbox.write(&format!("tasks/T01/f{n}"), b"of the second");
        }
        sandbox.release("T01", "1.1.0");
        let to_and_fro = || {
            for line in ["rollback -t T01 --to 1.0.0 --yes", "undo --yes"] {
                sandbox.run_line(line).expect(0);
            }
        };
        // The first ones make folders and files that stay.
        to_and_fro();
        let before = left(&sandbox);
        for _ in 0..3 {
            to_and_fro();
        }
        let after = left(&sandbox);
        let bytes = (after.0 - before.0) / 6;
        println!("{files} files: {bytes} bytes an operation, {before:?} {after:?}");
        assert!(bytes <= 11 << 10, "{bytes} bytes an operation");
        assert!(
            after.1 - before.1 <= 6 * 3,
            "{} references",
            after.1 - before.1
        );
    }
}
