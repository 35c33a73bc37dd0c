//! Merges of the registry: git's driver, leftover conflict markers, and files written by Python.

use crate::support::Sandbox;

/// Creates three tasks, each on its own line of the registry.
fn neighbours() -> Sandbox {
    let sandbox = Sandbox::new(3);
    let line = |id: &str| format!("    \"{id}\": {{\"version\": \"1.0.0\"}}");
    let lines = ["T01", "T02", "T03"].map(line).join(",\n");
    sandbox.write(
        "task_registry.json",
        format!("{{\n  \"tasks\": {{\n{lines}\n  }}\n}}\n").as_bytes(),
    );
    sandbox
        .git(&["commit", "-qam", "one line a task"])
        .expect(0);
    sandbox
}

fn registry(sandbox: &Sandbox) -> String {
    String::from_utf8(sandbox.read("task_registry.json")).expect("it is text")
}

/// Releases on two branches and merges them. Returns the exit code of git.
fn merged(sandbox: &Sandbox, ours: (&str, &str), theirs: (&str, &str)) -> i32 {
    sandbox.git(&["switch", "-qc", "other"]).expect(0);
    sandbox.write(&format!("tasks/{}/signal.py", theirs.0), b"# theirs\n");
    sandbox.release(theirs.0, theirs.1);
    sandbox.git(&["switch", "-q", "main"]).expect(0);
    sandbox.write(&format!("tasks/{}/signal.py", ours.0), b"# ours\n");
    sandbox.release(ours.0, ours.1);
    sandbox.git(&["merge", "-q", "--no-edit", "other"]).code
}

#[test]
fn releases_of_neighbours_merge_by_themselves() {
    let sandbox = neighbours();
    assert_ne!(
        merged(&sandbox, ("T01", "1.1.0"), ("T02", "2.0.0")),
        0,
        "line by line they conflict"
    );
    sandbox
        .snapback(&["registry", "sync", "--from", "config", "--yes"])
        .expect(0);
    assert_eq!(
        (
            sandbox.registry_version("T01").as_deref(),
            sandbox.registry_version("T02").as_deref()
        ),
        (Some("1.1.0"), Some("2.0.0"))
    );
    sandbox.git(&["commit", "-qam", "merge"]).expect(0);
    sandbox
        .snapback(&["verify-rollback", "-t", "T02"])
        .expect(0);
    let sandbox = neighbours();
    sandbox.snapback(&["hooks", "install", "--yes"]).expect(0);
    assert_eq!(merged(&sandbox, ("T01", "1.1.0"), ("T02", "2.0.0")), 0);
    assert_eq!(
        (
            sandbox.registry_version("T01").as_deref(),
            sandbox.registry_version("T02").as_deref()
        ),
        (Some("1.1.0"), Some("2.0.0"))
    );
    assert!(sandbox.status().is_empty(), "{:?}", sandbox.status());
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(0);
    sandbox
        .snapback(&["verify-rollback", "-t", "T02"])
        .expect(0);
}

#[test]
fn two_versions_of_one_task_conflict_as_ever() {
    let sandbox = neighbours();
    sandbox.snapback(&["hooks", "install", "--yes"]).expect(0);
    assert_ne!(merged(&sandbox, ("T01", "1.1.0"), ("T01", "1.2.0")), 0);
    assert!(
        registry(&sandbox).contains("<<<<<<<"),
        "{}",
        registry(&sandbox)
    );
    assert!(
        sandbox
            .status()
            .iter()
            .any(|line| line == "UU task_registry.json"),
        "{:?}",
        sandbox.status()
    );
}

#[test]
fn the_driver_goes_as_it_came() {
    for hooks in [true, false] {
        let sandbox = Sandbox::new(1);
        let attributes = ".git/info/attributes";
        if hooks {
            sandbox.write(attributes, b"*.bin binary");
        }
        let config = sandbox.read(".git/config");
        sandbox.snapback(&["hooks", "install", "--yes"]).expect(0);
        let attribute = sandbox.git_out(&[
            "check-attr",
            "merge",
            "task_registry.json",
            "snapshots/snapshot-T01-v1.0.0.yaml",
        ]);
        assert_eq!(
            attribute,
            "task_registry.json: merge: snapback-registry\nsnapshots/snapshot-T01-v1.0.0.yaml: merge: binary"
        );
        assert!(
            sandbox
                .git_out(&["config", "merge.snapback-registry.driver"])
                .contains("registry merge %O %A %B")
        );
        let again = sandbox
            .snapback(&["hooks", "install", "--yes", "--json"])
            .expect(0);
        assert_eq!(again.json()["changed"], false);
        sandbox.snapback(&["hooks", "uninstall", "--yes"]).expect(0);
        assert_eq!(sandbox.read(".git/config"), config);
        assert_eq!(sandbox.exists(attributes), hooks);
        if hooks {
            assert_eq!(sandbox.read(attributes), b"*.bin binary");
        }
    }
}

#[test]
fn init_offers_the_attributes() {
    let sandbox = Sandbox::new(1);
    sandbox.write(".gitattributes", b"*.bin binary\n");
    let line = "{\n  \"tasks\": {\n    \"T01\": {\"version\": \"1.0.0\"},\n    \"T02\": {\"version\": \"1.0.0\"}\n  }\n}\n";
    sandbox.write("task_registry.json", line.as_bytes());
    sandbox.snapback(&["init", "--yes"]).expect(0);
    assert!(
        registry(&sandbox).contains("    \"T01\": {\n      \"version\": \"1.0.0\"\n    },\n"),
        "{}",
        registry(&sandbox)
    );
    let text = String::from_utf8(sandbox.read(".gitattributes")).expect("it is text");
    assert_eq!(
        text,
        "*.bin binary\n/task_registry.json merge=snapback-registry\n/snapshots/*.yaml merge=binary\n"
    );
    assert!(
        sandbox
            .snapback(&["init", "--yes"])
            .expect(0)
            .stdout
            .contains("nothing to do")
    );
}

#[test]
fn marks_of_a_merge_are_named_and_mended_and_the_mending_is_undone() {
    let sandbox = neighbours();
    sandbox.release("T01", "1.0.0");
    let marked = "{\n  \"tasks\": {\n<<<<<<< HEAD\n    \"T01\": {\"version\": \"0.9.0\", \"note\": \"ours\"},\n    \"T02\": {\"version\": \"1.0.0\"}\n=======\n    \"T01\": {\"version\": \"1.2.0\"},\n    \"T09\": {\"version\": \"3.0.0\"}\n>>>>>>> other\n  }\n}\n";
    sandbox.write("task_registry.json", marked.as_bytes());
    let error = sandbox.snapback(&["registry", "sync"]).expect(4).stderr;
    assert!(
        error.contains("line 3: a merge left its conflict marks there")
            && error.contains("snapback registry sync --from config"),
        "{error}"
    );
    for spelled in ["--from", "--use"] {
        sandbox
            .snapback(&["registry", "sync", spelled, "config", "--dry-run"])
            .expect(0);
        assert_eq!(registry(&sandbox), marked, "a look changes nothing");
    }
    let ran = sandbox
        .snapback(&["registry", "sync", "--from", "config", "--yes"])
        .expect(0);
    assert!(
        ran.stderr.contains("T01 1.0.0, from the config"),
        "{}",
        ran.stderr
    );
    let mended: serde_json::Value = serde_json::from_str(&registry(&sandbox)).expect("it is JSON");
    let tasks = &mended["tasks"];
    assert_eq!(
        (&tasks["T01"]["version"], &tasks["T01"]["note"]),
        (&"1.0.0".into(), &"ours".into())
    );
    assert_eq!(
        (&tasks["T02"]["version"], &tasks["T09"]["version"]),
        (&"1.0.0".into(), &"3.0.0".into())
    );
    assert_eq!(
        tasks["T03"]["version"], "1.0.0",
        "a task that neither side names has its config's"
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(registry(&sandbox), marked);
}

#[test]
fn a_registry_that_is_cut_off_is_written_anew() {
    let sandbox = Sandbox::new(2);
    sandbox.write("task_registry.json", b"{\"tasks\": {\"T01\": {\"ver");
    let error = sandbox.snapback(&["registry", "sync"]).expect(4).stderr;
    assert!(
        error.contains("snapback registry sync --from config"),
        "{error}"
    );
    sandbox
        .snapback(&["registry", "sync", "--from", "config", "--yes"])
        .expect(0);
    assert_eq!(
        (
            sandbox.registry_version("T01").as_deref(),
            sandbox.registry_version("T02").as_deref()
        ),
        (Some("1.0.0"), Some("1.0.0"))
    );
}

#[test]
fn what_python_writes_is_read_and_stays() {
    let sandbox = Sandbox::new(1);
    let text = "{\n  // ours\n  \"tasks\": {\n    \"T01\": {\n      \"version\": \"1.0.0\", // now\n      \"sharpe\": NaN,\n      \"drawdown\": -Infinity,\n      \"wei\": 115792089237316195423570985008687907853269984665640564039457584007913129639935\n    },\n  }\n}\n";
    sandbox.write("task_registry.json", text.as_bytes());
    sandbox.git(&["commit", "-qam", "metrics"]).expect(0);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"# two\n");
    sandbox.release("T01", "1.1.0");
    assert_eq!(registry(&sandbox), text.replace("1.0.0", "1.1.0"));
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert_eq!(registry(&sandbox), text);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(registry(&sandbox), text.replace("1.0.0", "1.1.0"));
}
