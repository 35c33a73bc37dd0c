//! Bytes that exist only in another clone: the store does not travel, and Git LFS fetches on
//! request. A release never omits them by accident, and their absence here says nothing against it.

use std::fs;

use crate::{
    it::clones::clone,
    support::{Sandbox, story::set_version},
};

/// Creates T01 with a large file, pushed as 1.0.0 and 1.1.0, and a clone without a store.
fn two() -> (Sandbox, Sandbox) {
    let a = Sandbox::new(1);
    a.add_remote();
    for version in ["1.0.0", "1.1.0"] {
        a.write(
            "tasks/T01/model.bin",
            &[version.as_bytes(), &vec![7; 50_000]].concat(),
        );
        set_version(&a, version);
        a.release("T01", version);
    }
    a.git(&["push", "-q", "-u", "origin", "main", "--tags"])
        .expect(0);
    let b = clone(&a, &[]);
    (a, b)
}

#[test]
fn a_release_in_a_clone_without_the_large_files_is_refused_and_one_that_drops_them_says_so() {
    let (a, b) = two();
    b.write("tasks/T01/signal.py", b"other\n");
    set_version(&b, "1.2.0");
    let before = b.tree();
    let create = [
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.2.0",
        "-m",
        "x",
        "--yes",
    ];
    let refused = b.snapback(&create).expect(8);
    assert!(
        refused.stderr.contains("tasks/T01/model.bin of 1.1.0 is neither in the work tree nor in the store of this clone"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains(".git/snapback/store") && refused.stderr.contains("--to 1.1.0"),
        "{}",
        refused.stderr
    );
    assert_eq!(b.tree(), before);
    // The hinted command brings the file, which is then part of the release.
    for folder in fs::read_dir(a.at(".git/snapback/store"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
    {
        let to = b.at(".git/snapback/store");
        fs::create_dir_all(&to).unwrap();
        assert!(
            std::process::Command::new("cp")
                .arg("-r")
                .arg(&folder)
                .arg(&to)
                .status()
                .unwrap()
                .success()
        );
    }
    b.snapback(&["rollback", "--task", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    assert_eq!(b.read("tasks/T01/model.bin"), a.read("tasks/T01/model.bin"));
    set_version(&b, "1.2.0");
    b.snapback(&create).expect(0);
    // The plan shows the deletion of a file where its bytes are kept.
    fs::remove_file(a.at("tasks/T01/model.bin")).unwrap();
    let plan = a
        .run_line("create-snapshot -t T01 --bump patch -m x --dry-run")
        .expect(0);
    assert!(
        plan.stdout.contains("D tasks/T01/model.bin"),
        "{}",
        plan.stdout
    );
    // A clone that excludes the file does not need it.
    let c = Sandbox::beside(&a, "third");
    a.git(&["clone", "-q", "../up.git", "../third"]).expect(0);
    let settings = String::from_utf8(c.read("snapback.yaml")).unwrap();
    c.write(
        "snapback.yaml",
        format!("{settings}tasks:\n  T01: {{exclude: [model.bin]}}\n").as_bytes(),
    );
    c.run_line("create-snapshot -t T01 --bump patch -m x --yes")
        .expect(0);
}

#[test]
fn what_is_missing_here_is_no_fault_of_a_release() {
    let (a, b) = two();
    let drilled = b
        .snapback(&["drill", "-t", "T01", "--to", "1.0.0"])
        .expect(8);
    assert!(
        drilled.stdout.contains(".git/snapback/store"),
        "{drilled:?}"
    );
    let verified = b
        .snapback(&["verify-snapshot", "-t", "T01", "--all"])
        .expect(8);
    assert!(
        verified.stdout.contains("model.bin") && verified.stdout.contains("could not be checked"),
        "{verified:?}"
    );
    b.snapback(&["verdicts", "push"]).expect(0);
    a.snapback(&["verdicts", "fetch"]).expect(0);
    let plan = a
        .snapback(&["rollback", "-t", "T01", "--dry-run", "--json"])
        .expect(0)
        .json();
    assert_eq!(plan["data"]["plan"]["to"], "1.0.0", "{plan}");
    // In the clone that made and kept the bytes, their loss is damage.
    fs::remove_dir_all(a.at(".git/snapback/store")).unwrap();
    a.snapback(&["verify-snapshot", "-t", "T01", "--all"])
        .expect(4);
}
