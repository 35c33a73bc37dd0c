//! Releases from scripts: the version that the commits ask for, the changelog in the tag, and every
//! file of `examples/`.

use std::path::PathBuf;

use snapback::base::yaml;

use crate::support::{Sandbox, sandbox::snapback_program};

/// Creates two tasks without large files, released as 1.0.0 and pushed.
fn prepared() -> Sandbox {
    let mut sandbox = Sandbox::new(2);
    for task in ["T01", "T02"] {
        std::fs::remove_file(sandbox.at(&format!("tasks/{task}/model.bin"))).unwrap();
        sandbox.release(task, "1.0.0");
    }
    sandbox.add_remote();
    sandbox.push();
    let bin = sandbox.top().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::os::unix::fs::symlink(snapback_program(), bin.join("snapback")).unwrap();
    sandbox.variables.push((
        "PATH".into(),
        format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()),
    ));
    sandbox
}

/// Changes a file and commits it.
fn commit(sandbox: &Sandbox, path: &str, message: &str) {
    sandbox.write(path, format!("# {message}\n").as_bytes());
    sandbox.commit(message);
}

/// Releases by the commits. Returns the version, or `None` when there was nothing to do.
fn auto(sandbox: &Sandbox, task: &str) -> Option<String> {
    let answer = sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            task,
            "--bump",
            "auto",
            "-y",
            "--json",
        ])
        .expect(0)
        .json();
    answer["changed"]
        .as_bool()
        .unwrap()
        .then(|| answer["data"]["report"]["to"].as_str().unwrap().to_string())
}

#[test]
fn only_commits_of_the_task_count_and_the_strongest_wins() {
    let sandbox = prepared();
    assert_eq!(auto(&sandbox, "T01"), None, "nothing changed");
    commit(&sandbox, "tasks/T02/signal.py", "feat!: another task");
    commit(&sandbox, "README", "feat!: no task at all");
    assert_eq!(auto(&sandbox, "T01"), None);
    commit(&sandbox, "tasks/T01/signal.py", "fix: the sign");
    assert_eq!(auto(&sandbox, "T01").as_deref(), Some("1.0.1"));
    sandbox.git(&["switch", "-qc", "side"]).expect(0);
    commit(
        &sandbox,
        "tasks/T01/more.py",
        "feat(T01): a stop by volatility",
    );
    sandbox.git(&["switch", "-q", "main"]).expect(0);
    commit(&sandbox, "tasks/T01/signal.py", "chore: tidy");
    sandbox
        .git(&["merge", "-q", "--no-ff", "-m", "Merge side", "side"])
        .expect(0);
    assert_eq!(
        auto(&sandbox, "T01").as_deref(),
        Some("1.1.0"),
        "also what a merge brought"
    );
    sandbox.write("tasks/T01/signal.py", b"not committed\n");
    assert_eq!(auto(&sandbox, "T01").as_deref(), Some("1.1.1"));
    commit(
        &sandbox,
        "tasks/T01/signal.py",
        "docs: words\n\nBREAKING CHANGE: other units",
    );
    assert_eq!(auto(&sandbox, "T01").as_deref(), Some("2.0.0"));
    assert_eq!(auto(&sandbox, "T02").as_deref(), Some("2.0.0"));
}

#[test]
fn the_tag_has_the_changelog_and_its_trailers_last() {
    let sandbox = prepared();
    commit(
        &sandbox,
        "tasks/T01/signal.py",
        "feat: a stop\n\nSnapback-Manifest: sha256:00",
    );
    commit(
        &sandbox,
        "tasks/T01/signal.py",
        "fix: Snapback-Version: 9.9.9",
    );
    commit(&sandbox, "tasks/T02/signal.py", "feat: of another task");
    sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--bump",
            "auto",
            "-m",
            "tighter stop",
            "-y",
        ])
        .expect(0);
    let message = sandbox.git_out(&["tag", "-l", "--format=%(contents)", "T01-v1.1.0"]);
    assert!(
        message.starts_with("tighter stop\n\nAdded:\n- a stop\n\nFixed:\n- Snapback-Version: 9.9.9\n\nSnapback-Task: T01\n"),
        "{message}"
    );
    let trailers = sandbox.git_out(&[
        "tag",
        "-l",
        "--format=%(contents:trailers:only,unfold)",
        "T01-v1.1.0",
    ]);
    let keys: Vec<&str> = trailers
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        keys[..3],
        ["Snapback-Task", "Snapback-Version", "Snapback-Manifest"],
        "{trailers}"
    );
    assert!(trailers.contains("Snapback-Version: 1.1.0"));
    sandbox
        .snapback(&[
            "verify-snapshot",
            "-t",
            "T01",
            "--version",
            "1.1.0",
            "--deep",
        ])
        .expect(0);
    let list = sandbox.snapback(&["list", "-t", "T01"]).expect(0).stdout;
    assert!(
        list.contains("tighter stop") && !list.contains("Added"),
        "{list}"
    );
}

/// Returns the path of a file in `examples/`.
fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(name)
}

/// Runs the lines of a pipeline as its system would, except those that install programs.
fn pipeline(sandbox: &Sandbox, name: &str, job: &str) -> i32 {
    let text = std::fs::read_to_string(example(name)).unwrap();
    let parsed: serde_json::Value =
        yaml::parse(text.as_bytes(), yaml::YamlLimits::human()).unwrap();
    let steps = parsed["jobs"][job]["steps"].as_array().unwrap().clone();
    let mut ran = 0;
    for step in steps
        .iter()
        .filter(|step| step["run"].is_string() && step["name"] != "Install snapback")
    {
        let line = step["run"].as_str().unwrap();
        let status = sandbox
            .command("sh")
            .args(["-e", "-c", line])
            .status()
            .unwrap();
        ran += 1;
        if !status.success() {
            return status.code().unwrap();
        }
    }
    assert_eq!(ran, 2, "{name} has two steps of its own");
    0
}

#[test]
fn the_examples_release_and_roll_back() {
    let mut sandbox = prepared();
    sandbox.write(".gitignore", b"*.log\n__pycache__/\nexamples/\n");
    sandbox.git(&["commit", "-qam", "chore: ignore"]).expect(0);
    std::fs::create_dir_all(sandbox.at("examples")).unwrap();
    for name in ["release.sh", "rollback.sh"] {
        std::fs::copy(example(name), sandbox.at(&format!("examples/{name}"))).unwrap();
    }
    commit(&sandbox, "tasks/T01/signal.py", "feat: a stop");
    assert_eq!(pipeline(&sandbox, "ci/release.yml", "release"), 0);
    let remote = sandbox.git_out(&["ls-remote", "origin"]);
    assert!(
        remote.contains("refs/tags/T01-v1.1.0") && !remote.contains("T02-v1.0.1"),
        "{remote}"
    );
    assert_eq!(
        sandbox.git_out(&["rev-parse", "main"]),
        sandbox.git_out(&["rev-parse", "origin/main"])
    );
    assert_eq!(
        pipeline(&sandbox, "ci/release.yml", "release"),
        0,
        "nothing changed, so nothing is released"
    );
    assert_eq!(sandbox.git_out(&["tag", "-l", "T0*"]).lines().count(), 3);
    for (name, value) in [
        ("TASK", "T01"),
        ("VERSION", "last-good"),
        ("REASON", "$(touch pwned) it lost money"),
    ] {
        sandbox.variables.push((name.into(), value.into()));
    }
    assert_eq!(pipeline(&sandbox, "ci/rollback.yml", "rollback"), 0);
    assert_eq!(
        (
            sandbox.registry_version("T01").as_deref(),
            sandbox.exists("pwned")
        ),
        (Some("1.0.0"), false)
    );
    assert!(
        sandbox
            .git_out(&["ls-remote", "origin"])
            .contains("refs/snapback/verdicts/T01/1.1.0/")
    );
    // The next run does not return to the abandoned version, neither here nor elsewhere.
    sandbox.write("tasks/T01/signal.py", b"# feat: a stop\n");
    sandbox
        .git(&["commit", "-qam", "feat: once more"])
        .expect(0);
    assert_eq!(pipeline(&sandbox, "ci/release.yml", "release"), 6);
    sandbox.git(&["push", "-q", "origin", "main"]).expect(0);
    sandbox
        .git(&["clone", "-q", "../up.git", "../other"])
        .expect(0);
    let other = Sandbox::beside(&sandbox, "other");
    other
        .run(
            "sh",
            &[
                example("release.sh").to_str().unwrap(),
                "origin",
                "T01",
                "T02",
            ],
        )
        .expect(6);
}

#[test]
fn a_release_that_is_there_with_these_very_files_is_success() {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    let again = |code| {
        let args = [
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "-m",
            "x",
            "-y",
        ];
        let ran = sandbox.snapback(&[&args[..], &["--json"]].concat());
        ran.expect(code).json()
    };
    let before = sandbox.everything();
    // Its large file is in the middle of the manifest, and last when the folder is read.
    assert_eq!(again(0)["changed"], false);
    assert_eq!(sandbox.everything(), before);
    sandbox.write("tasks/T01/model.bin", b"another one");
    let before = sandbox.everything();
    assert_eq!(again(7)["changed"], false);
    assert_eq!(sandbox.everything(), before);
}
