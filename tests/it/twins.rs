//! Tasks whose ids differ only in case: they are named, and other tasks are not affected.

use std::fs;

use crate::support::Sandbox;

#[test]
fn twins_keep_no_other_task_from_going_back() {
    let sandbox = Sandbox::new(2);
    for task in ["T01", "T02"] {
        sandbox.release(task, "1.0.0");
        sandbox.write(&format!("tasks/{task}/signal.py"), b"other\n");
        sandbox.release(task, "1.1.0");
    }
    fs::create_dir(sandbox.at("tasks/t01")).unwrap();
    if sandbox.exists("tasks/t01/config.yaml") {
        println!("skipped: the file system folds case");
        return;
    }
    fs::copy(
        sandbox.at("tasks/T01/config.yaml"),
        sandbox.at("tasks/t01/config.yaml"),
    )
    .unwrap();
    let status = sandbox.snapback(&["status"]).expect(0);
    assert!(
        status
            .stderr
            .contains("T01 (tasks/T01) and t01 (tasks/t01)")
            && status.stderr.contains("left out: t01"),
        "{}",
        status.stderr
    );
    for task in ["T02", "T01"] {
        sandbox
            .snapback(&[
                "rollback", "-t", task, "--to", "1.0.0", "-m", "why", "--yes",
            ])
            .expect(0);
        assert_ne!(sandbox.read(&format!("tasks/{task}/signal.py")), b"other\n");
    }
    sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "t01",
            "--version",
            "1.0.0",
            "-m",
            "x",
            "--yes",
        ])
        .expect(5);
}
