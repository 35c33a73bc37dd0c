//! Tests of the sandbox: its checks must notice what they are there to notice.

use std::{fs, os::unix::fs::symlink};

use crate::support::Sandbox;

#[test]
fn a_new_repository_is_clean_and_sound_and_inherits_nothing() {
    let sandbox = Sandbox::new(2);
    assert_eq!(sandbox.status(), Vec::<String>::new());
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
    assert_eq!(
        sandbox
            .git_out(&["config", "--list", "--show-scope"])
            .lines()
            .filter(|line| !line.starts_with("local"))
            .count(),
        0
    );
    assert_eq!(sandbox.registry_version("T02").as_deref(), Some("1.0.0"));
    assert_eq!(sandbox.config_version("T01").as_deref(), Some("1.0.0"));
    assert!(
        sandbox
            .tree_in("tasks/T01")
            .contains_key("tasks/T01/model.bin"),
        "the large file is there, ignored by git"
    );
}

#[test]
fn a_copy_is_the_same_to_the_nanosecond_and_independent() {
    let sandbox = Sandbox::new(1);
    symlink("signal.py", sandbox.at("tasks/T01/link")).unwrap();
    let copy = sandbox.copy();
    assert_eq!(sandbox.tree(), copy.tree());
    copy.write("tasks/T01/signal.py", b"other");
    assert_ne!(sandbox.tree(), copy.tree());
    assert_eq!(
        sandbox.tree_outside("tasks/T01"),
        copy.tree_outside("tasks/T01")
    );
    assert_eq!(
        copy.status(),
        [" M tasks/T01/signal.py", "?? tasks/T01/link"]
    );
}

#[test]
fn locks_temporary_files_and_broken_objects_are_noticed() {
    let sandbox = Sandbox::new(1);
    sandbox.write(".git/refs/heads/main.lock", b"");
    sandbox.write("tasks/T01/.tmp-signal.py", b"");
    let wrong = sandbox.unsound();
    assert!(
        wrong.len() == 2 && wrong.iter().all(|line| line.starts_with("left behind")),
        "{wrong:?}"
    );

    let sandbox = Sandbox::new(1);
    let blob = sandbox.git_out(&["rev-parse", "HEAD:tasks/T01/signal.py"]);
    fs::remove_file(sandbox.at(&format!(".git/objects/{}/{}", &blob[..2], &blob[2..]))).unwrap();
    assert!(
        sandbox.unsound().iter().any(|line| line.contains(&blob)),
        "a missing blob is named"
    );
}
