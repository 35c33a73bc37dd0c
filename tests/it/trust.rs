//! Commands in a configuration run only after the repository's owner agreed to them here.

use std::fs;

use crate::support::{
    Sandbox,
    sandbox::snapback_program,
    story::{Story, rollback, set_version},
};

/// Every use of a command, each leaving a line in the log.
const COMMANDS: &str = "    stop: {run: 'echo stop >>\"$HOME/log\"'}\n    start: {run: 'echo start >>\"$HOME/log\"'}\n    verify: [{run: 'echo check >>\"$HOME/log\"'}]\n    ready: [{run: 'echo probe >>\"$HOME/log\"'}]\n";

/// Writes settings with these lines for T01 as in a clone: nobody has agreed.
fn settings(sandbox: &Sandbox, task: &str) {
    let text = format!(
        "version: 1\ndefaults:\n  large_files: {{patterns: [\"*.bin\"]}}\ntasks:\n  discover:\n    - glob: tasks/*\n  T01:\n    path: tasks/T01\n{task}"
    );
    fs::write(sandbox.at("snapback.yaml"), text).unwrap();
}

/// Creates two releases of T01, and then settings with commands.
fn cloned() -> Sandbox {
    let sandbox = Sandbox::new(1);
    Story::begin(&sandbox, |sandbox| {
        sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    });
    settings(&sandbox, COMMANDS);
    sandbox
}

fn log(sandbox: &Sandbox) -> Vec<String> {
    fs::read_to_string(sandbox.home().join("log"))
        .unwrap_or_default()
        .lines()
        .map(str::to_string)
        .collect()
}

#[test]
fn nothing_runs_and_nothing_changes_before_somebody_agreed() {
    let sandbox = cloned();
    set_version(&sandbox, "1.2.0");
    let before = (sandbox.everything(), sandbox.git_out(&["for-each-ref"]));
    let changing: [&[&str]; 4] = [
        &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"],
        &[
            "disaster-recovery",
            "-t",
            "T01",
            "--target-version",
            "1.0.0",
        ],
        &["create-snapshot", "-t", "T01", "--yes"],
        &["verify-rollback", "-t", "T01"],
    ];
    for args in changing {
        let ran = sandbox.snapback(args).expect(6);
        assert!(
            ran.stderr.contains("nobody agreed to") && ran.stderr.contains("snapback trust"),
            "{args:?}: {ran:?}"
        );
        let answer = sandbox
            .snapback(&[args, &["--json"]].concat())
            .expect(6)
            .json();
        assert_eq!(
            (
                answer["error"]["kind"].as_str(),
                answer["changed"].as_bool()
            ),
            (Some("refused"), Some(false)),
            "{answer}"
        );
        assert_eq!(
            answer["error"]["hints"][0]["argv"],
            serde_json::json!(["snapback", "trust"])
        );
    }
    assert_eq!(
        (sandbox.everything(), sandbox.git_out(&["for-each-ref"])),
        before
    );
    assert_eq!(log(&sandbox), Vec::<String>::new());
}

#[test]
fn the_plan_shows_commands_and_whether_they_are_trusted() {
    let sandbox = cloned();
    let plan = |args: &[&str]| {
        sandbox
            .snapback(
                &[
                    &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"],
                    args,
                ]
                .concat(),
            )
            .expect(0)
    };
    assert!(plan(&[]).stdout.contains("(not trusted)"));
    let states = |trusted: bool| {
        let answer = plan(&["--json"]).json();
        let commands = answer["data"]["plan"]["commands"]
            .as_array()
            .unwrap()
            .clone();
        let roles: Vec<_> = commands
            .iter()
            .map(|command| command["role"].as_str().unwrap().to_string())
            .collect();
        assert_eq!(roles, ["stop", "start", "smoke", "probe"]);
        assert!(
            commands.iter().all(|command| command["trusted"] == trusted),
            "{commands:?}"
        );
    };
    states(false);
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    states(true);
    assert!(!plan(&[]).stdout.contains("(not trusted)"));
    assert_eq!(log(&sandbox), Vec::<String>::new(), "a plan runs nothing");
}

#[test]
fn after_the_word_all_of_it_runs_and_what_changes_is_asked_for_again() {
    let sandbox = cloned();
    let shown = sandbox.snapback(&["trust", "--list"]).expect(0);
    assert!(
        shown.stdout.contains("4 commands: 4 not trusted"),
        "{shown:?}"
    );
    let asked = sandbox.snapback(&["trust"]).expect(6);
    assert!(
        asked.stdout.contains("4 commands: 4 not trusted") && asked.stdout.contains("not done"),
        "nobody agrees to what was not shown: {asked:?}"
    );
    let agreed = sandbox.snapback(&["trust", "--yes"]).expect(0);
    assert!(agreed.stdout.contains("4 commands trusted"), "{agreed:?}");
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    assert_eq!(log(&sandbox), ["stop", "check", "start", "probe"]);
    // One letter of one command, its folder, its time limit, another file: other commands.
    for other in [
        COMMANDS.replace("echo check", "echo Check"),
        COMMANDS.replace("verify: [{", "verify: [{timeout: 9s, "),
        COMMANDS.replace("verify: [", "verify: [{run: ': new'}, "),
    ] {
        settings(&sandbox, &other);
        sandbox.snapback(&["undo", "--yes"]).expect(0);
        sandbox.snapback(&["redo", "--yes"]).expect(0);
        rollback(&sandbox, "1.0.0", "1.1.0").expect(6);
        let state = sandbox.snapback(&["trust", "--json"]).expect(0).json();
        let new = state["data"]["commands"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|command| command["trusted"] == false)
            .count();
        assert_eq!(
            (new, state["data"]["trusted"].as_bool()),
            (1, Some(false)),
            "{state}"
        );
    }
    settings(&sandbox, COMMANDS);
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(0);
    fs::copy(
        sandbox.at("snapback.yaml"),
        sandbox.home().join("other.yaml"),
    )
    .unwrap();
    sandbox
        .snapback(&[
            "verify-rollback",
            "-t",
            "T01",
            "--config",
            "../home/other.yaml",
        ])
        .expect(6);
    sandbox.snapback(&["trust", "--revoke"]).expect(0);
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(6);
    let again = sandbox
        .snapback(&["trust", "--revoke", "--json"])
        .expect(0)
        .json();
    assert_eq!(again["changed"], false);
}

#[test]
fn the_word_holds_for_one_repository_and_lies_outside_of_it() {
    let sandbox = cloned();
    let before = sandbox.tree();
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    assert_eq!(
        sandbox.tree(),
        before,
        "nothing is written into the work tree"
    );
    assert_eq!(sandbox.status(), [" M snapback.yaml"]);
    // A copy of everything but the user's state folder, at another path.
    let copy = sandbox.root().with_file_name("copy");
    assert!(
        sandbox
            .command("cp")
            .arg("-a")
            .arg(sandbox.root())
            .arg(&copy)
            .status()
            .unwrap()
            .success()
    );
    let ran = |dir: &str| sandbox.snapback(&["-C", dir, "verify-rollback", "-t", "T01"]);
    ran(copy.to_str().unwrap()).expect(6);
    ran(".").expect(0);
    // Another clone with the same commands takes over the path.
    fs::remove_dir_all(sandbox.at(".git/snapback")).unwrap();
    ran(".").expect(6);
    // Without a home there is no agreement, and no place for one.
    let mut homeless = sandbox.command(snapback_program());
    homeless
        .env_remove("HOME")
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    assert_eq!(
        crate::support::sandbox::finish(homeless.args(["trust", "--yes"])).code,
        8
    );
    let mut inside = sandbox.command(snapback_program());
    inside.env("XDG_STATE_HOME", sandbox.at("tasks"));
    assert_eq!(
        crate::support::sandbox::finish(inside.args(["trust", "--yes"])).code,
        6
    );
    assert!(!sandbox.exists("tasks/snapback"));
}

#[test]
fn a_pipeline_pins_the_commands_that_it_knows() {
    let sandbox = cloned();
    let digest = sandbox.snapback(&["trust", "--json"]).expect(0).json()["data"]["digest"]
        .as_str()
        .unwrap()
        .to_string();
    let verify = |pin: &str| {
        let mut command = sandbox.command(snapback_program());
        crate::support::sandbox::finish(
            command
                .args(["verify-rollback", "-t", "T01"])
                .env("SNAPBACK_TRUST", pin),
        )
        .code
    };
    assert_eq!(
        [verify(&digest), verify("all"), verify("1"), verify("")],
        [0, 6, 6, 6]
    );
    settings(&sandbox, &COMMANDS.replace("echo probe", "echo Probe"));
    assert_eq!(verify(&digest), 6, "the pull request changed a command");
    // The commands do not see the digest, so they cannot vouch for another repository.
    settings(
        &sandbox,
        "    verify: [{run: 'test -z \"$SNAPBACK_TRUST\"'}]\n",
    );
    let digest = sandbox.snapback(&["trust", "--json"]).expect(0).json()["data"]["digest"]
        .as_str()
        .unwrap()
        .to_string();
    assert_eq!(verify(&digest), 0);
}

#[test]
fn a_command_cannot_agree_for_its_owner() {
    let sandbox = cloned();
    let program = snapback_program();
    settings(
        &sandbox,
        &format!("    verify: [{{run: '{program} trust --yes'}}]\n"),
    );
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    let found = sandbox
        .snapback(&["verify-rollback", "-t", "T01", "-v"])
        .expect(4);
    assert!(found.stdout.contains("inside a hook"), "{found:?}");
}

#[test]
fn commands_that_are_left_out_are_reported_as_not_run() {
    let sandbox = cloned();
    let found = sandbox
        .snapback(&["verify-rollback", "-t", "T01", "--no-commands"])
        .expect(0);
    assert!(found.stdout.contains("not checked: smoke"), "{found:?}");
    let args = [
        "rollback",
        "-t",
        "T01",
        "--to",
        "1.0.0",
        "--no-commands",
        "--yes",
        "--json",
    ];
    let answer = sandbox.snapback(&args).expect(0).json();
    let checks = answer["data"]["report"]["verification"]["checks"]
        .as_array()
        .unwrap();
    let of = |id: &str| {
        checks
            .iter()
            .find(|check| check["id"] == id)
            .unwrap_or_else(|| panic!("{id} in {answer}"))["status"]
            .clone()
    };
    assert_eq!(
        (of("smoke.1"), of("readiness.command.1")),
        ("skipped".into(), "skipped".into())
    );
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        log(&sandbox),
        Vec::<String>::new(),
        "an operation without commands is taken back without them"
    );
    sandbox.write("tasks/T01/signal.py", b"# 1.2.0\n");
    set_version(&sandbox, "1.2.0");
    sandbox
        .snapback(&["create-snapshot", "-t", "T01", "--no-commands", "--yes"])
        .expect(0);
    let list = sandbox
        .snapback(&["list", "-t", "T01", "--json"])
        .expect(0)
        .json();
    let standing = list["data"].to_string();
    assert!(standing.contains("1.2.0"), "{standing}");
    let newest = sandbox
        .snapback(&["show", "-t", "T01", "1.2.0", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        newest["data"]["release"]["release"]["standing"]["proven"], false,
        "{newest}"
    );
    assert_eq!(log(&sandbox), Vec::<String>::new());
}

#[test]
fn an_interrupted_operation_needs_the_word_too() {
    let sandbox = cloned();
    settings(
        &sandbox,
        "    verify: [{run: 'echo check >>\"$HOME/log\"; test -e $HOME/killed && exit 0; : > $HOME/killed; kill -9 $PPID; sleep 5'}]\n",
    );
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    assert_ne!(rollback(&sandbox, "1.1.0", "1.0.0").code, 0);
    sandbox.snapback(&["trust", "--revoke"]).expect(0);
    sandbox.snapback(&["op", "resume"]).expect(6);
    assert_eq!(log(&sandbox), ["check"], "only the time before");
    sandbox
        .snapback(&["op", "resume", "--no-commands"])
        .expect(0);
    assert_eq!(log(&sandbox), ["check"]);
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.0.0"));
}

#[test]
fn a_target_with_other_commands_does_not_run_them() {
    let sandbox = Sandbox::new(1);
    let canary =
        "    verify: [{run: 'touch \"$HOME/pwned\"'}]\n    stop: {run: 'touch \"$HOME/pwned\"'}\n";
    settings(&sandbox, canary);
    sandbox
        .git(&["commit", "-qam", "hostile settings"])
        .expect(0);
    sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "--no-commands",
            "--yes",
        ])
        .expect(0);
    settings(
        &sandbox,
        "    verify: [{run: 'echo good >>\"$HOME/log\"'}]\n",
    );
    sandbox.git(&["commit", "-qam", "good settings"]).expect(0);
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    sandbox
        .snapback(&["preview", "-t", "T01", "1.0.0", "--run", "true"])
        .expect(0);
    assert!(!sandbox.home().join("pwned").exists());
    assert_eq!(log(&sandbox), ["good", "good"]);
    assert!(
        String::from_utf8(sandbox.read("snapback.yaml"))
            .unwrap()
            .contains("good"),
        "the settings are no part of a task"
    );
}

#[test]
fn building_an_environment_needs_the_word() {
    let sandbox = Sandbox::new(1);
    settings(&sandbox, "    env: {venv: .venv}\n");
    let state = sandbox.snapback(&["trust", "--json"]).expect(0).json();
    assert_eq!(
        state["data"]["commands"][0]["role"], "environment",
        "{state}"
    );
    // Without `env: sync` nothing is built, so nothing is asked.
    sandbox.release("T01", "1.0.0");
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(0);
}

#[test]
fn doctor_and_init_name_what_waits_for_the_word() {
    let sandbox = cloned();
    let found = sandbox.snapback(&["doctor"]);
    assert!(
        found.stdout.contains("4 not trusted") && found.stdout.contains("snapback trust"),
        "{found:?}"
    );
    fs::remove_file(sandbox.at("task_registry.json")).unwrap();
    let done = sandbox.snapback(&["init", "--yes"]).expect(0);
    assert!(done.stdout.contains("snapback trust"), "{done:?}");
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    assert!(!sandbox.snapback(&["doctor"]).stdout.contains("not trusted"));
}
