//! What an operation leaves behind, beside git's objects: counted, because nothing may grow for
//! ever unseen.

use crate::support::Sandbox;

/// Returns the bytes in `.git`, except git's objects, and the number of references.
fn left(sandbox: &Sandbox) -> (u64, usize) {
    let refs = sandbox.git_out(&["for-each-ref"]).lines().count();
    (sandbox.bytes_below(".git", Some("objects")), refs)
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
