//! Lightweight tags of many tasks, and of many versions, on one commit: the contents of a tag do
//! not identify the release.

use crate::support::Sandbox;

/// Creates tasks A, B and C at 1.0.0 and 1.1.0, adopted; both commits have a tag of every task.
fn monorepo() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "snapback.yaml",
        br#"version: 1
defaults:
  guard:
    - {name: errors, file: run.jsonl, value: v, fail: "> 0.5", pass: "<= 0.5", window: 24h, min_samples: 1, consecutive: 1, warmup: 1s, cooldown: 1s, max_rollbacks: 5, per: 1h}
"#,
    );
    sandbox.write(".gitignore", b"*.jsonl\n");
    for version in ["1.0.0", "1.1.0"] {
        for task in ["A", "B", "C"] {
            sandbox.write(
                &format!("tasks/{task}/config.yaml"),
                format!("version: {version}\n").as_bytes(),
            );
            sandbox.write(
                &format!("tasks/{task}/{task}.py"),
                format!("# {task} {version}\n").as_bytes(),
            );
        }
        sandbox.commit("publish new versions");
        for task in ["A", "B", "C"] {
            sandbox
                .git(&["tag", &format!("{task}-v{version}")])
                .expect(0);
        }
    }
    sandbox.snapback(&["adopt", "--all", "--yes"]).expect(0);
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    sandbox
}

#[test]
fn every_command_tells_the_releases_of_one_commit_apart() {
    let sandbox = monorepo();
    let all = sandbox
        .snapback(&["verify-snapshot", "--all", "--deep", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        all["data"]["verifications"].as_array().unwrap().len(),
        6,
        "{all}"
    );
    for task in ["A", "B", "C"] {
        sandbox
            .snapback(&[
                "mark",
                "good",
                "1.0.0",
                "-t",
                task,
                "-m",
                "it ran for a year",
            ])
            .expect(0);
    }
    let health = sandbox.snapback(&["health", "--deep", "--json"]).json();
    assert!(!health.to_string().contains("cannot be"), "{health}");
    sandbox
        .snapback(&["drill", "-t", "A", "-t", "B", "-t", "C", "--to", "1.0.0"])
        .expect(0);
    let status = sandbox.snapback(&["status", "--json"]).expect(0).json();
    for task in status["data"]["tasks"].as_array().unwrap() {
        assert_eq!(
            (&task["trouble"], &task["drift"]),
            (&"".into(), &0.into()),
            "{task}"
        );
    }
    for task in ["A", "B", "C"] {
        let shown = sandbox
            .snapback(&["show", "1.0.0", "-t", task])
            .expect(0)
            .stdout;
        assert!(
            shown.contains(&format!("tasks/{task}/{task}.py")),
            "{shown}"
        );
    }
    sandbox
        .snapback(&["rollback", "-t", "B", "--to", "1.0.0", "--yes"])
        .expect(0);
    assert_eq!(sandbox.read("tasks/B/B.py"), b"# B 1.0.0\n");
    assert_eq!(sandbox.read("tasks/A/A.py"), b"# A 1.1.0\n");
}

#[test]
fn the_registry_gets_what_the_configuration_says_when_that_is_a_release() {
    for (said, tags, active) in [
        ("1.0.0", &["1.0.0", "1.0.1", "8.0.0"][..], "1.0.0"),
        // The task cannot be at a version that is not one of its releases.
        ("3.0.0", &["1.0.0", "1.0.1"], "1.0.1"),
    ] {
        let sandbox = Sandbox::empty();
        sandbox.write(
            "tasks/A/config.yaml",
            format!("version: {said}\n").as_bytes(),
        );
        sandbox.write("tasks/A/a.py", b"# a\n");
        sandbox.commit("one commit");
        for tag in tags {
            sandbox.git(&["tag", &format!("A-v{tag}")]).expect(0);
        }
        sandbox.snapback(&["adopt", "--all", "--yes"]).expect(0);
        assert_eq!(sandbox.registry_version("A").as_deref(), Some(active));
        let status = sandbox.snapback(&["status"]).expect(0).stdout;
        assert_eq!(status.contains("disagree"), said != active, "{status}");
    }
}

#[test]
fn a_guard_of_several_tasks_takes_each_back_to_its_own_release() {
    let sandbox = monorepo();
    for task in ["A", "B", "C"] {
        sandbox
            .snapback(&[
                "mark",
                "good",
                "1.0.0",
                "-t",
                task,
                "-m",
                "it ran for a year",
            ])
            .expect(0);
        sandbox.write(&format!("tasks/{task}/run.jsonl"), b"{\"v\": 0}\n");
    }
    let mut checked = sandbox.snapback(&["guard", "check"]);
    let mut lines = "{\"v\": 0}\n".to_string();
    let is_back = |task: &str| {
        sandbox.read(&format!("tasks/{task}/{task}.py")) == format!("# {task} 1.0.0\n").as_bytes()
    };
    // Until the second of warm-up is over.
    for _ in 0..200 {
        if ["A", "B", "C"].into_iter().all(is_back) {
            break;
        }
        lines.push_str("{\"v\": 1}\n");
        for task in ["A", "B", "C"] {
            sandbox.write(&format!("tasks/{task}/run.jsonl"), lines.as_bytes());
        }
        checked = sandbox.snapback(&["guard", "check"]);
        assert!(!format!("{checked:?}").contains("froze"), "{checked:?}");
    }
    for task in ["A", "B", "C"] {
        assert!(is_back(task), "{checked:?}");
    }
}

#[test]
fn two_versions_of_one_task_on_one_commit_hold_the_same_files_and_their_own_numbers() {
    let sandbox = Sandbox::new(1);
    sandbox.git(&["tag", "T01-v1.0.0"]).expect(0);
    sandbox.git(&["tag", "T01-v1.0.1"]).expect(0);
    sandbox.write("tasks/T01/signal.py", b"# newer\n");
    sandbox.git(&["commit", "-qam", "newer"]).expect(0);
    sandbox.git(&["tag", "T01-v1.1.0"]).expect(0);
    sandbox.snapback(&["adopt", "-t", "T01", "--yes"]).expect(0);
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--all", "--deep"])
        .expect(0);
    let shown = sandbox
        .snapback(&["show", "1.0.1", "-t", "T01", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        shown["data"]["release"]["manifest"]["metadata"]["version"],
        "1.0.1"
    );
    for version in ["1.0.0", "1.0.1"] {
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", version, "--yes"])
            .expect(0);
        assert_eq!(sandbox.registry_version("T01").as_deref(), Some(version));
        sandbox
            .snapback(&["verify-rollback", "-t", "T01", "--expected", version])
            .expect(0);
    }
}
