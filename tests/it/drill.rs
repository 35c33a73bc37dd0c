//! Drills: a version comes back in an empty place, offline, or the report says why it does not.

mod concerned;

use std::{fs, net::TcpListener, path::PathBuf};

use crate::support::{
    Sandbox,
    sandbox::{Ran, snapback_program},
    story::set_version,
};

/// Settings with these lines for T01, agreed to.
pub fn settings(sandbox: &Sandbox, task: &str, rest: &str) {
    let text = format!(
        "version: 1\ndefaults:\n  large_files: {{patterns: [\"*.bin\"]}}\ntasks:\n  discover:\n    - glob: tasks/*\n  T01:\n    path: tasks/T01\n{task}{rest}"
    );
    sandbox.write("snapback.yaml", text.as_bytes());
}

/// Two releases of T01; the smoke test runs `command`.
fn released(command: &str) -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"# 1.1.0\n");
    sandbox.write("tasks/T01/new.py", b"# only since 1.1.0\n");
    set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    settings(
        &sandbox,
        &format!("    verify: [{{run: '{command}'}}]\n"),
        "",
    );
    sandbox
}

pub fn drill(sandbox: &Sandbox, args: &[&str]) -> Ran {
    sandbox.snapback(&[&["drill", "--json", "-t", "T01"], args].concat())
}

/// The scratch places that are there.
fn scratches(sandbox: &Sandbox) -> Vec<PathBuf> {
    let found = fs::read_dir(sandbox.top().join("scratch"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    found
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("snapback-drill-")
        })
        .collect()
}

/// A folder for scratch places, so that tests do not see each other's.
fn scratch(sandbox: &Sandbox) -> String {
    let path = sandbox.top().join("scratch");
    fs::create_dir_all(&path).unwrap();
    path.to_str().unwrap().to_string()
}

#[test]
fn a_version_comes_back_in_an_empty_place_and_nothing_else_changes() {
    let look = "pwd >\"$HOME/pwd\"; ls -A >\"$HOME/seen\"; ls -A ../.. >>\"$HOME/seen\"; test \"$SNAPBACK_DRILL\" = 1; grep -q \"1.0.0\" config.yaml";
    let sandbox = released(look);
    sandbox.write("tasks/T01/mine.txt", b"untracked\n");
    let place = scratch(&sandbox);
    let before = (
        sandbox.tree(),
        sandbox.git_out(&["for-each-ref"]),
        sandbox.read(".git/index"),
    );
    let answer = drill(&sandbox, &["--scratch", &place]).expect(0).json();
    let report = &answer["data"]["drills"][0];
    assert_eq!(
        (report["version"].as_str(), report["active"].as_str()),
        (Some("1.0.0"), Some("1.1.0")),
        "{report}"
    );
    assert_eq!(
        (report["passed"].as_bool(), report["files"].as_u64()),
        (Some(true), Some(5)),
        "{report}"
    );
    let phases: Vec<&str> = report["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| phase["name"].as_str().unwrap())
        .collect();
    assert_eq!(phases, ["read", "restore", "verify", "smoke"]);
    assert_eq!(
        (
            sandbox.tree(),
            sandbox.git_out(&["for-each-ref"]),
            sandbox.read(".git/index")
        ),
        before
    );
    let home = |name: &str| fs::read_to_string(sandbox.home().join(name)).unwrap();
    let seen = home("seen");
    let seen: Vec<&str> = seen.lines().collect();
    assert_eq!(
        seen,
        [
            "config.yaml",
            "lib",
            "model.bin",
            "run.sh",
            "signal.py",
            "task_registry.json",
            "tasks"
        ]
    );
    assert!(home("pwd").contains("/scratch/snapback-drill-") && scratches(&sandbox).is_empty());
    let status = sandbox.snapback(&["status"]).expect(0).stdout;
    assert!(
        status.contains("T01 can go back to 1.0.0 in ") && status.contains("s, proved just now"),
        "{status}"
    );
    let health = sandbox.snapback(&["health", "--json", "-t", "T01"]).json();
    assert_eq!(
        health["data"]["tasks"][0]["way_back"]["proof"]["passed"], true,
        "{health}"
    );
}

#[test]
fn the_network_is_shut_off_or_the_report_says_that_it_was_not() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let connect = format!(
        "python3 -c \"import socket; socket.create_connection((\\\"127.0.0.1\\\", {port}), 5)\" && touch \"$HOME/reached\"; env >\"$HOME/env\""
    );
    let sandbox = released(&connect);
    let report = drill(&sandbox, &[]).json()["data"]["drills"][0].clone();
    let shut_off = report["network"]["shut_off"].as_bool().unwrap();
    assert_ne!(
        sandbox.home().join("reached").exists(),
        shut_off,
        "{report}"
    );
    let environment = fs::read_to_string(sandbox.home().join("env")).unwrap();
    assert!(
        environment.contains("https_proxy=http://127.0.0.1:9\n")
            && environment.contains("PIP_NO_INDEX=1\n"),
        "{environment}"
    );
    // Where the kernel does not let us: no program of that name.
    let path = std::env::var("PATH").unwrap();
    let tools = sandbox.top().join("tools");
    fs::create_dir_all(&tools).unwrap();
    fs::write(
        tools.join("unshare"),
        "#!/bin/sh\necho 'unshare: not permitted here' >&2; exit 1\n",
    )
    .unwrap();
    std::process::Command::new("chmod")
        .arg("755")
        .arg(tools.join("unshare"))
        .status()
        .unwrap();
    let mut command = sandbox.command(snapback_program());
    command
        .env("PATH", format!("{}:{path}", tools.display()))
        .args(["drill", "--json", "-t", "T01"]);
    let report = crate::support::sandbox::finish(&mut command).json()["data"]["drills"][0].clone();
    assert_eq!(report["network"]["shut_off"], false, "{report}");
    assert!(
        report["network"]["how"]
            .as_str()
            .unwrap()
            .contains("direct connections were not prevented (unshare: not permitted here)")
    );
}

#[test]
fn a_broken_version_fails_for_the_right_reason_and_everything_says_so() {
    let sandbox = released("touch \"$HOME/ran\"");
    let blob = sandbox.git_out(&["rev-parse", "T01-v1.0.0:tasks/T01/signal.py"]);
    let object = sandbox.at(&format!(".git/objects/{}/{}", &blob[..2], &blob[2..]));
    let away = sandbox.top().join("object");
    fs::rename(&object, &away).unwrap();
    let place = scratch(&sandbox);
    let report =
        drill(&sandbox, &["--scratch", &place]).expect(4).json()["data"]["drills"][0].clone();
    let why = report["why"].as_str().unwrap();
    assert!(
        why.starts_with("integrity.restore: ") && why.contains(&blob[..8]),
        "{why}"
    );
    assert!(!sandbox.home().join("ran").exists() && scratches(&sandbox).is_empty());
    let status = sandbox.snapback(&["status"]).expect(0).stdout;
    assert!(
        status.contains(
            "T01 cannot go back to 1.0.0: the drill just now failed: integrity.restore: "
        ),
        "{status}"
    );
    let health = sandbox
        .snapback(&["health", "--nagios", "-t", "T01"])
        .expect(2)
        .stdout;
    assert!(health.starts_with("SNAPBACK CRITICAL - T01: "), "{health}");
    set_version(&sandbox, "1.2.0");
    sandbox
        .snapback(&["mark", "bad", "1.1.0", "-t", "T01", "-m", "drawdown"])
        .expect(0);
    let plan = sandbox
        .snapback(&["create-snapshot", "-t", "T01", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(
        plan.contains("the way back to 1.0.0 is broken: the drill of "),
        "{plan}"
    );
    // It is mended, but nobody has rehearsed it again.
    fs::rename(&away, &object).unwrap();
    assert_eq!(
        drill(&sandbox, &[]).expect(0).json()["data"]["drills"][0]["passed"],
        true
    );
    let plan = sandbox
        .snapback(&["create-snapshot", "-t", "T01", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(!plan.contains("is broken"), "{plan}");
}

/// Makes the reports of drills what they were when they named no release.
fn forget_releases_of_reports(sandbox: &Sandbox) {
    let folder = sandbox.at(".git/snapback/drills/reports/T01");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut report: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert!(
            report.as_object_mut().unwrap().remove("release").is_some(),
            "{report}"
        );
        fs::write(&path, report.to_string()).unwrap();
    }
}

#[test]
fn a_drill_is_of_the_release_that_it_returned_to_and_not_of_another_one_of_its_number() {
    for (smoke, code) in [("true", 0), ("false", 4)] {
        let sandbox = Sandbox::new(1);
        settings(&sandbox, &format!("    verify: [{{run: '{smoke}'}}]\n"), "");
        sandbox.commit("settings");
        let release = |version: &str, bytes: &[u8]| {
            sandbox.write("tasks/T01/signal.py", bytes);
            set_version(&sandbox, version);
            let words = [
                "create-snapshot",
                "-t",
                "T01",
                "--version",
                version,
                "-m",
                "a release",
                "--no-commands",
                "--yes",
            ];
            sandbox.snapback(&words).expect(0);
            sandbox
                .snapback(&["mark", "good", version, "-t", "T01", "-m", "looked at"])
                .expect(0);
        };
        release("1.0.0", b"# one\n");
        release("1.1.0", b"# A\n");
        drill(&sandbox, &["--to", "1.1.0"]).expect(code);
        sandbox
            .snapback(&["undo", "T01-v1.1.0", "--no-commands", "--yes"])
            .expect(0);
        release("1.1.0", b"# B\n");
        release("1.2.0", b"# two\n");
        let way = || {
            let health = sandbox
                .snapback(&["health", "--json", "-t", "T01"])
                .expect(0)
                .json();
            health["data"]["tasks"][0]["way_back"].clone()
        };
        let found = way();
        assert_eq!(
            (found["version"].as_str(), &found["proof"]),
            (Some("1.1.0"), &serde_json::Value::Null),
            "{smoke}: {found}"
        );
        let status = sandbox.snapback(&["status"]).expect(0).stdout;
        assert!(!status.contains("go back to 1.1.0"), "{smoke}: {status}");
        let metrics = sandbox.top().join("snapback.prom");
        sandbox
            .snapback(&["health", "--textfile", metrics.to_str().unwrap()])
            .expect(0);
        let metrics = fs::read_to_string(metrics).unwrap();
        assert!(
            metrics.contains("snapback_task_") && !metrics.contains("last_drill_success{"),
            "{smoke}: {metrics}"
        );
        drill(&sandbox, &["--to", "1.1.0"]).expect(code);
        if code != 0 {
            assert_eq!(way()["version"], "1.0.0", "its own drill failed");
            continue;
        }
        assert_eq!(way()["proof"]["passed"], true);
        // The report of a program that named no release is of whatever has the number.
        forget_releases_of_reports(&sandbox);
        assert_eq!(way()["proof"]["passed"], true, "an old report");
    }
}

#[test]
fn a_release_warns_of_a_way_back_whose_bytes_are_gone() {
    let sandbox = released("true");
    fs::remove_dir_all(sandbox.at(".git/snapback/store")).unwrap();
    sandbox.write("tasks/T01/model.bin", b"another model\n");
    set_version(&sandbox, "1.2.0");
    let plan = sandbox
        .snapback(&["create-snapshot", "-t", "T01", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(
        plan.contains(
            "the way back to 1.1.0 is broken: tasks/T01/model.bin: the store has no object"
        ),
        "{plan}"
    );
    sandbox
        .snapback(&["create-snapshot", "-t", "T01", "--yes"])
        .expect(0);
}

#[test]
fn a_smoke_test_that_fails_fails_the_drill() {
    let sandbox = released("grep 1.1.0 config.yaml");
    let report = drill(&sandbox, &["--to", "1.0.0"]).expect(4).json()["data"]["drills"][0].clone();
    assert!(
        report["why"]
            .as_str()
            .unwrap()
            .starts_with("smoke.1: command: grep 1.1.0 config.yaml; exit 1"),
        "{report}"
    );
    assert_eq!(
        drill(&sandbox, &["--to", "active"]).expect(0).json()["data"]["drills"][0]["version"],
        "1.1.0"
    );
    let all = sandbox.snapback(&["drill", "-t", "T01", "--all"]).expect(4);
    assert!(all.stdout.contains("2 drills: 1 came back"), "{all:?}");
    sandbox
        .snapback(&["drill", "-t", "T01", "--to", "9.9.9"])
        .expect(5);
    sandbox.snapback(&["drill", "-t", "T02"]).expect(5);
}

#[test]
fn no_command_runs_before_somebody_agreed_and_a_dry_run_holds_nothing() {
    let sandbox = released("touch \"$HOME/ran\"");
    sandbox.snapback(&["trust", "--revoke"]).expect(0);
    drill(&sandbox, &[]).expect(6);
    let planned = sandbox
        .snapback(&["drill", "-t", "T01", "--all", "--dry-run"])
        .expect(0)
        .stdout;
    assert!(
        planned.contains("T01 1.0.0  5 files, ")
            && planned.contains("dry run: 2 drills would be held"),
        "{planned}"
    );
    assert!(!sandbox.home().join("ran").exists() && !sandbox.exists(".git/snapback/drills"));
    let report = drill(&sandbox, &["--no-commands"]).expect(0).json()["data"]["drills"][0].clone();
    assert_eq!(
        (report["passed"].as_bool(), report["why"].as_str()),
        (Some(false), Some("the smoke test was left out"))
    );
    assert!(!sandbox.home().join("ran").exists());
}

#[test]
fn what_a_killed_drill_left_is_removed_by_the_next_one() {
    let sandbox = released("test -e \"$HOME/go\" || { touch \"$HOME/there\"; sleep 60; }");
    let place = scratch(&sandbox);
    let mut child = sandbox.start(&format!("drill -t T01 --scratch {place}"));
    let until = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !sandbox.home().join("there").exists() {
        assert!(
            std::time::Instant::now() < until,
            "the smoke test never began"
        );
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(scratches(&sandbox).len(), 1);
    fs::write(sandbox.home().join("go"), "").unwrap();
    drill(&sandbox, &["--scratch", &place]).expect(0);
    assert_eq!(scratches(&sandbox), Vec::<PathBuf>::new());
}

#[test]
fn a_scratch_place_that_cannot_be_made_is_no_bad_version() {
    let sandbox = released("true");
    drill(&sandbox, &["--scratch", "/no/such/folder"]).expect(8);
    assert!(
        !sandbox
            .snapback(&["status"])
            .expect(0)
            .stdout
            .contains("go back"),
        "no report is kept"
    );
}
