//! Ids, versions and markers that could be mistaken for each other's tags.

use crate::support::Sandbox;

/// Creates tasks with these ids, not released.
fn tasks(ids: &[&str]) -> Sandbox {
    let sandbox = Sandbox::empty();
    add(&sandbox, ids);
    sandbox
}

/// Adds tasks with these ids.
fn add(sandbox: &Sandbox, ids: &[&str]) {
    for id in ids {
        sandbox.write(&format!("tasks/{id}/config.yaml"), b"version: 0.1.0\n");
        sandbox.write(
            &format!("tasks/{id}/main.py"),
            format!("# {id}\n").as_bytes(),
        );
    }
    sandbox.commit("tasks");
}

fn release(sandbox: &Sandbox, task: &str, version: &str) -> crate::support::sandbox::Ran {
    sandbox.snapback(&[
        "create-snapshot",
        "-t",
        task,
        "--version",
        version,
        "-m",
        "x",
        "--yes",
    ])
}

fn versions(sandbox: &Sandbox, task: &str) -> Vec<String> {
    let list = sandbox
        .snapback(&["list", "-t", task, "--json"])
        .expect(0)
        .json();
    list["data"]["tasks"][0]["releases"]
        .as_array()
        .unwrap_or_else(|| panic!("{list}"))
        .iter()
        .map(|line| line["version"].as_str().unwrap().into())
        .collect()
}

#[test]
fn a_release_whose_tag_two_tasks_could_have_is_refused() {
    for (long, version, other) in [
        ("T01-v1.0.0", "2.0.0", "1.0.0-v2.0.0"),
        ("T01-v1.0.0-rc.1", "2.0.0", "1.0.0-rc.1-v2.0.0"),
        (
            "T01-v1.0.0-hotfix-20260101",
            "2.0.0",
            "1.0.0-hotfix-20260101-v2.0.0",
        ),
        ("T01-v1.0.0-rollback-from", "2.0.0", ""),
    ] {
        let sandbox = tasks(&["T01", long]);
        release(&sandbox, "T01", "1.0.0").expect(0);
        let before = sandbox.everything();
        let refused = release(&sandbox, long, version).expect(6);
        assert!(
            refused.stderr.contains(&format!(
                "the tag {long}-v{version} of {long} could as well be one of T01"
            )),
            "{refused:?}"
        );
        if !other.is_empty() {
            release(&sandbox, "T01", other).expect(6);
        }
        assert_eq!(sandbox.everything(), before, "{long}");
        assert_eq!(
            (versions(&sandbox, "T01"), versions(&sandbox, long)),
            (vec!["1.0.0".into()], vec![]),
            "{long}"
        );
        sandbox.snapback(&["verify-snapshot", "--all"]).expect(0);
    }
}

#[test]
fn a_release_from_before_the_other_task_came_stays_its_own() {
    let sandbox = tasks(&["T01-v1.0.0"]);
    release(&sandbox, "T01-v1.0.0", "2.0.0").expect(0);
    add(&sandbox, &["T01"]);
    release(&sandbox, "T01", "1.0.0").expect(0);
    assert_eq!(
        (versions(&sandbox, "T01"), versions(&sandbox, "T01-v1.0.0")),
        (vec!["1.0.0".into()], vec!["2.0.0".into()])
    );
    sandbox.snapback(&["verify-snapshot", "--all"]).expect(0);
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--version", "1.0.0-v2.0.0"])
        .expect(5);
    sandbox.write("tasks/T01-v1.0.0/main.py", b"# edited\n");
    sandbox
        .snapback(&["rollback", "-t", "T01-v1.0.0", "--to", "2.0.0", "--yes"])
        .expect(0);
    assert_eq!(sandbox.read("tasks/T01-v1.0.0/main.py"), b"# T01-v1.0.0\n");

    // The other way round: the pre-release was there first.
    let sandbox = tasks(&["T01"]);
    release(&sandbox, "T01", "1.0.0-v2.0.0").expect(0);
    add(&sandbox, &["T01-v1.0.0"]);
    assert_eq!(
        (versions(&sandbox, "T01"), versions(&sandbox, "T01-v1.0.0")),
        (vec!["1.0.0-v2.0.0".into()], vec![])
    );
    sandbox.snapback(&["verify-snapshot", "--all"]).expect(0);
}

#[test]
fn ids_that_only_look_alike_are_not_refused() {
    let sandbox = tasks(&["T01", "T01-v2", "T01-v1.0"]);
    for task in ["T01", "T01-v2", "T01-v1.0"] {
        release(&sandbox, task, "1.0.0").expect(0);
        sandbox.write(&format!("tasks/{task}/main.py"), b"# 1.1.0\n");
        release(&sandbox, task, "1.1.0").expect(0);
        sandbox
            .snapback(&["rollback", "-t", task, "--to", "1.0.0", "--yes"])
            .expect(0);
    }
    for task in ["T01", "T01-v2", "T01-v1.0"] {
        assert_eq!(versions(&sandbox, task), ["1.1.0", "1.0.0"], "{task}");
    }
    sandbox.snapback(&["verify-snapshot", "--all"]).expect(0);
    // Old tags that two tasks could own are adopted by neither.
    let sandbox = tasks(&["T01", "T01-v1.0.0"]);
    sandbox.git(&["tag", "T01-v1.0.0-v2.0.0"]).expect(0);
    let adopted = sandbox.snapback(&["adopt", "--all", "--yes"]).expect(0);
    assert!(
        format!("{adopted:?}").contains("it may as well be a tag of T01"),
        "{adopted:?}"
    );
}

#[test]
fn names_of_devices_of_another_system_are_names_here() {
    let ids = ["CON", "aux", "nul", "COM1", "lpt9.x"];
    let sandbox = tasks(&ids);
    for id in ids {
        release(&sandbox, id, "1.0.0").expect(0);
        sandbox.write(&format!("tasks/{id}/main.py"), b"two\n");
        release(&sandbox, id, "1.1.0").expect(0);
        assert_eq!(versions(&sandbox, id), ["1.1.0", "1.0.0"], "{id}");
        sandbox
            .snapback(&["rollback", "-t", id, "--to", "1.0.0", "--yes"])
            .expect(0);
        assert_ne!(
            sandbox.read(&format!("tasks/{id}/main.py")),
            b"two\n",
            "{id}"
        );
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        sandbox
            .snapback(&["drill", "-t", id, "--to", "1.0.0"])
            .expect(0);
        // Its second reference is listed, too.
        sandbox
            .git(&["tag", "-d", &format!("{id}-v1.0.0")])
            .expect(0);
        sandbox.snapback(&["show", "-t", id, "1.0.0"]).expect(0);
    }
}
