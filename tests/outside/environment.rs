//! `env: sync`: a task's Python environment is rolled back with the task, from local wheels only.

use std::fs;

use crate::support::{
    Sandbox,
    operations::MAKE_WHEEL,
    sandbox::{Ran, finish, snapback_program},
    story::{assert_released, set_version},
};

/// Returns what the task's environment imports.
fn imported(sandbox: &Sandbox) -> String {
    let python = sandbox.at("tasks/T01/.venv/bin/python");
    let ran = sandbox
        .run(
            python.to_str().unwrap(),
            &["-I", "-c", "import pricing; print(pricing.VERSION)"],
        )
        .expect(0);
    ran.stdout.trim().to_string()
}

/// Installs a version into the task's environment, as a person does.
#[track_caller]
fn install(sandbox: &Sandbox, version: &str) {
    let python = sandbox.at("tasks/T01/.venv/bin/python");
    let (wheels, package) = (sandbox.home().join("wheels"), format!("pricing=={version}"));
    let args = [
        "-I",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--find-links",
        wheels.to_str().unwrap(),
        &package,
    ];
    sandbox.run(python.to_str().unwrap(), &args).expect(0);
}

/// Runs snapback where pip and uv find the wheels.
fn snapback(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let wheels = sandbox.home().join("wheels");
    let mut command = sandbox.command(snapback_program());
    finish(
        command
            .args(args)
            .env("PIP_FIND_LINKS", &wheels)
            .env("UV_FIND_LINKS", &wheels)
            .env("PIP_NO_INDEX", "1"),
    )
}

/// Creates T01 with releases 1.0.0 with pricing 1.0 in its environment, and 1.1.0 with 2.0; `None`
/// where no environment can be made.
fn two_environments() -> Option<Sandbox> {
    let sandbox = Sandbox::new(2);
    let settings = "version: 1\ntasks:\n  discover:\n    - glob: tasks/*\n  T01:\n    path: tasks/T01\n    env: {venv: .venv}\n    large_files: {patterns: [\"*.bin\"]}\nrollback: {env: sync}\n";
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox.write(".gitignore", b"*.bin\n.venv*/\n");
    sandbox
        .git(&["commit", "-q", "-a", "-m", "settings"])
        .expect(0);
    if sandbox
        .run("python3", &["-I", "-m", "venv", "tasks/T01/.venv"])
        .code
        != 0
    {
        println!("skipped: python3 -m venv does not work here");
        return None;
    }
    fs::create_dir(sandbox.home().join("wheels")).unwrap();
    for version in ["1.0", "2.0"] {
        sandbox
            .run(
                "python3",
                &[
                    "-I",
                    "-c",
                    MAKE_WHEEL,
                    sandbox.home().join("wheels").to_str().unwrap(),
                    version,
                ],
            )
            .expect(0);
    }
    install(&sandbox, "1.0");
    sandbox.release("T01", "1.0.0");
    install(&sandbox, "2.0");
    sandbox.write("tasks/T01/signal.py", b"import pricing\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let manifest = String::from_utf8(sandbox.read("snapshots/snapshot-T01-v1.1.0.yaml")).unwrap();
    assert!(manifest.contains("pricing==2.0"), "{manifest}");
    Some(sandbox)
}

#[test]
fn the_environment_goes_back_and_forth_with_the_task() {
    let Some(sandbox) = two_environments() else {
        return;
    };
    let planned = snapback(
        &sandbox,
        &["rollback", "--task", "T01", "--to", "1.0.0", "--dry-run"],
    )
    .expect(0);
    let text = planned.stdout + &planned.stderr;
    assert!(
        text.lines().any(|line| line.contains("deps")
            && line.contains("pricing")
            && line.contains("2.0 -> 1.0")),
        "{text}"
    );
    assert_eq!(imported(&sandbox), "2.0", "a plan changes nothing");
    snapback(
        &sandbox,
        &["rollback", "--task", "T01", "--to", "1.0.0", "--yes"],
    )
    .expect(0);
    assert_eq!(imported(&sandbox), "1.0");
    assert_released(&sandbox, "1.0.0");
    snapback(
        &sandbox,
        &["verify-rollback", "--task", "T01", "--expected", "1.0.0"],
    )
    .expect(0);
    snapback(&sandbox, &["undo", "--yes"]).expect(0);
    assert_eq!(imported(&sandbox), "2.0", "the old environment was kept");
    snapback(&sandbox, &["redo", "--yes"]).expect(0);
    assert_eq!(imported(&sandbox), "1.0");
    // Left alone as requested, the environment does not match the version, which is reported.
    let args = [
        "rollback",
        "--task",
        "T01",
        "--to",
        "1.1.0",
        "--env",
        "off",
        "--on-verify-fail",
        "keep",
        "--yes",
    ];
    let kept = snapback(&sandbox, &args).expect(0);
    assert!(
        kept.stderr.contains("pricing is 1.0, not 2.0"),
        "{}",
        kept.stderr
    );
    snapback(
        &sandbox,
        &["verify-rollback", "--task", "T01", "--expected", "1.1.0"],
    )
    .expect(4);
    assert_eq!(imported(&sandbox), "1.0", "--env off leaves it alone");
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn an_environment_that_cannot_be_built_changes_nothing() {
    let sandbox = Sandbox::new(1);
    let settings = "version: 1\ntasks:\n  T01:\n    path: tasks/T01\n    env: {venv: .venv}\nrollback: {env: sync}\n";
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox.write(".gitignore", b"*.bin\n.venv*/\n");
    sandbox
        .git(&["commit", "-q", "-a", "-m", "settings"])
        .expect(0);
    if sandbox
        .run("python3", &["-I", "-m", "venv", "tasks/T01/.venv"])
        .code
        != 0
    {
        println!("skipped: python3 -m venv does not work here");
        return;
    }
    fs::create_dir(sandbox.home().join("wheels")).unwrap();
    sandbox
        .run(
            "python3",
            &[
                "-I",
                "-c",
                MAKE_WHEEL,
                sandbox.home().join("wheels").to_str().unwrap(),
                "1.0",
            ],
        )
        .expect(0);
    install(&sandbox, "1.0");
    sandbox.release("T01", "1.0.0");
    sandbox
        .run(
            "tasks/T01/.venv/bin/python",
            &[
                "-I",
                "-m",
                "pip",
                "uninstall",
                "--quiet",
                "--yes",
                "pricing",
            ],
        )
        .expect(0);
    sandbox.write("tasks/T01/signal.py", b"# none\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    // Without the wheel there is no source, since there is no index.
    fs::remove_dir_all(sandbox.home().join("wheels")).unwrap();
    let (before, refs) = (sandbox.tree(), sandbox.git_out(&["for-each-ref"]));
    let failed = snapback(
        &sandbox,
        &["rollback", "--task", "T01", "--to", "1.0.0", "--yes"],
    );
    assert!(
        failed.code != 0 && failed.stderr.contains("pricing"),
        "{failed:?}"
    );
    assert_eq!(sandbox.git_out(&["for-each-ref"]), refs);
    let mut after = sandbox.tree();
    after.retain(|path, _| !path.contains("__pycache__"));
    let mut before = before;
    before.retain(|path, _| !path.contains("__pycache__"));
    assert_eq!(after, before);
    assert_released(&sandbox, "1.1.0");
}
