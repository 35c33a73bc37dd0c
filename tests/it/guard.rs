//! The guard's commands and sources on real repositories: trust, exit codes, kills, the daemon.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
    servers::Http,
    story::set_version,
};

/// Two releases of T01 and a rule.
fn guarded(rule: &str) -> Sandbox {
    let sandbox = Sandbox::new(1);
    for version in ["1.1.0", "1.2.0"] {
        sandbox.write("tasks/T01/signal.py", format!("# {version}\n").as_bytes());
        set_version(&sandbox, version);
        sandbox.release("T01", version);
    }
    rules(&sandbox, rule);
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    sandbox
}

fn rules(sandbox: &Sandbox, rule: &str) {
    let text = format!(
        "version: 1\ndefaults:\n  large_files: {{patterns: [\"*.bin\"]}}\ntasks:\n  T01:\n    guard:\n      - {{name: r, fail: \"> 0.5\", {rule}}}\n"
    );
    fs::write(sandbox.at("snapback.yaml"), text).unwrap();
}

#[test]
fn no_metric_is_read_before_the_owner_agreed() {
    let sandbox = guarded("run: 'echo 0'");
    let server = Http::start("{\"v\": 0}");
    for rule in [
        "run: 'touch $HOME/pwned; echo 0'".to_string(),
        format!("http: \"{}\", value: v", server.url("/m")),
        "file: /etc/hostname".into(),
    ] {
        rules(&sandbox, &rule);
        let ran = sandbox.snapback(&["guard", "check"]).expect(6);
        assert!(ran.stderr.contains("nobody agreed to"), "{ran:?}");
    }
    assert!(!sandbox.home().join("pwned").exists() && server.rest().is_empty());
    // Nor is anything made or sent, and that is what it says.
    let _ = fs::remove_dir_all(sandbox.at(".git/snapback/alerts"));
    let ran = sandbox.snapback(&["guard", "run", "--once"]).expect(6);
    assert!(ran.stderr.contains("nothing was changed"), "{ran:?}");
    assert!(!sandbox.exists(".git/snapback/alerts"));
    let ran = sandbox
        .snapback(&["guard", "check", "--no-commands"])
        .expect(8);
    assert!(ran.stdout.contains("--no-commands"), "{ran:?}");
}

#[test]
fn exit_codes_say_what_rules_say() {
    let sandbox = guarded("run: 'cat $HOME/value'");
    let value = |text: &str| fs::write(sandbox.home().join("value"), text).unwrap();
    let check = |code| sandbox.snapback(&["guard", "check"]).expect(code);
    for (text, code) in [
        ("0.1\n", 0),
        ("", 8),
        ("NaN\n", 8),
        ("what\n", 8),
        ("{\"x\": 1}\n", 8),
        ("noise\n0.2\n\n", 0),
    ] {
        value(text);
        // What was seen before would be judged, too.
        let _ = fs::remove_file(sandbox.at(".git/snapback/guard/T01.json"));
        check(code);
    }
    fs::remove_file(sandbox.home().join("value")).unwrap();
    fs::remove_file(sandbox.at(".git/snapback/guard/T01.json")).unwrap();
    let missing = check(8);
    assert!(
        missing.stdout.contains("exited with 1"),
        "a command that fails says nothing of the task: {missing:?}"
    );
    let empty = Sandbox::new(1);
    empty.snapback(&["guard", "check"]).expect(2);
}

#[test]
fn a_rule_fires_once_then_cools_down_and_a_frozen_task_is_left_alone() {
    let sandbox = guarded("run: 'cat $HOME/value'");
    let check = |code| sandbox.snapback(&["guard", "check"]).expect(code);
    fs::write(sandbox.home().join("value"), "0.9\n").unwrap();
    let shown = sandbox
        .snapback(&["guard", "check", "--dry-run", "--json"])
        .expect(4)
        .json();
    assert_eq!(
        shown["data"]["tasks"][0]["rules"][0]["decision"]["what"], "fire",
        "{shown}"
    );
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.2.0"));
    let fired = sandbox
        .snapback(&["guard", "check", "--json"])
        .expect(4)
        .json();
    assert_eq!(
        (
            fired["changed"].as_bool(),
            sandbox.registry_version("T01").as_deref()
        ),
        (Some(true), Some("1.1.0"))
    );
    assert!(
        fired["warnings"]
            .to_string()
            .contains("no channel for alerts"),
        "{fired}"
    );
    let again = check(4);
    assert!(again.stdout.contains("cooling down"), "{again:?}");
    sandbox
        .snapback(&["guard", "freeze", "-t", "T01", "-m", "maintenance"])
        .expect(0);
    check(13);
    let state = sandbox.snapback(&["guard", "status"]).expect(0).stdout;
    assert!(
        state.contains("frozen since")
            && state.contains("maintenance")
            && state.contains("went back 1.2.0 -> 1.1.0"),
        "{state}"
    );
    sandbox.snapback(&["guard", "thaw", "-t", "T01"]).expect(0);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        sandbox.registry_version("T01").as_deref(),
        Some("1.2.0"),
        "an ordinary undo"
    );
}

/// Five bad lines of a log, written by a shell with the time that it is.
const BAD_LINES: &str =
    "for n in 1 2 3 4 5; do echo '{\\\"v\\\": 1, \\\"ts\\\": '$(date +%s)'}' >> run.log; done";

#[test]
fn what_a_version_wrote_while_it_was_left_does_not_count_for_the_next_one() {
    let sandbox = guarded("file: run.log, value: v, time: ts, min_samples: 3, cooldown: 1s");
    let text = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    // It writes on for longer than a second after the rollback was planned.
    let stop = format!(
        "    stop: {{run: \"test -e stopped || {{ : > stopped; sleep 1.2; {BAD_LINES}; }}\"}}\n    guard:"
    );
    fs::write(
        sandbox.at("snapback.yaml"),
        text.replace("    guard:", &stop),
    )
    .unwrap();
    fs::write(sandbox.at(".git/info/exclude"), "run.log\nstopped\n").unwrap();
    sandbox.trust();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let lines = BAD_LINES.replace("\\\"", "\"");
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &lines])
            .current_dir(sandbox.at("tasks/T01"))
            .status()
            .unwrap()
            .success()
    );
    sandbox.snapback(&["guard", "run", "--once"]).expect(4);
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.1.0"));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let again = sandbox.snapback(&["guard", "run", "--once"]).expect(8);
    assert!(again.stdout.contains("0 of 3 samples"), "{again:?}");
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.1.0"));
    // Nor for one that somebody brings back by hand, however long ago it was released.
    let sandbox = guarded("file: run.log, value: v, time: ts, min_samples: 3");
    assert!(
        std::process::Command::new("sh")
            .args(["-c", &lines])
            .current_dir(sandbox.at("tasks/T01"))
            .status()
            .unwrap()
            .success()
    );
    sandbox
        .git(&[
            "checkout",
            "-q",
            "T01-v1.1.0",
            "--",
            "tasks/T01",
            "task_registry.json",
        ])
        .expect(0);
    let by_hand = sandbox.snapback(&["guard", "run", "--once"]).expect(8);
    assert!(by_hand.stdout.contains("0 of 3 samples"), "{by_hand:?}");
}

/// What the rule says of a value now, whatever was seen before.
fn judged_anew(sandbox: &Sandbox) -> Ran {
    let _ = fs::remove_file(sandbox.at(".git/snapback/guard/T01.json"));
    let mut command = sandbox.command(snapback_program());
    finish(
        command
            .args(["guard", "check", "--dry-run"])
            .env("METRIC_TOKEN", "CANARY-token-5c5c"),
    )
}

#[test]
fn values_of_servers() {
    let server = Http::start("{\"stats\": {\"rate\": 0.1}}");
    let sandbox = guarded(&format!(
        "http: \"{}\", value: stats.rate, token_from: {{env: METRIC_TOKEN}}",
        server.url("/m.json")
    ));
    let check = || judged_anew(&sandbox);
    check().expect(0);
    let got = server.next();
    assert_eq!(
        (got.line.as_str(), got.headers["authorization"].as_str()),
        ("GET /m.json", "Bearer CANARY-token-5c5c")
    );
    server.usually("{\"stats\": {\"rate\": 0.9}}");
    check().expect(4);
    for (say, word) in [
        ((500, "", "{}".to_string()), "status 500"),
        ((302, "Location: /other\r\n", String::new()), "status 302"),
        ((200, "", "no json CANARY-token-5c5c".into()), "no JSON"),
        ((200, "", "{\"stats\": {}}".into()), "no value"),
        (
            (200, "", "{\"stats\": {\"rate\": [1]}}".into()),
            "no number",
        ),
        ((200, "", " ".repeat(5 << 20)), "more than"),
    ] {
        server.say(Some(say));
        let ran = check().expect(8);
        assert!(
            ran.stdout.contains(word) && !ran.stdout.contains("CANARY"),
            "{word}: {ran:?}"
        );
    }
}

#[test]
fn values_of_prometheus() {
    let server = Http::start("{}");
    let sandbox = guarded(&format!(
        "prometheus: \"{}\", query: 'sum(rate(errors{{task=\"T01\"}}[5m]))'",
        server.url("")
    ));
    let vector = |series: &str| {
        format!(
            "{{\"status\": \"success\", \"data\": {{\"resultType\": \"vector\", \"result\": [{series}]}}}}"
        )
    };
    let one = "{\"metric\": {}, \"value\": [1900000000.1, \"0.75\"]}";
    for (body, code, word) in [
        (vector(one), 4, "0.75"),
        (vector(""), 8, "no series"),
        (vector(&format!("{one}, {one}")), 8, "2 series"),
        (vector("{\"metric\": {}, \"value\": [1, \"NaN\"]}"), 8, "no value"),
        (vector("{\"metric\": {}, \"value\": [1, \"+Inf\"]}"), 8, "no value"),
        ("{\"status\": \"success\", \"data\": {\"resultType\": \"scalar\", \"result\": [1, \"0.25\"]}}".into(), 0, "0.25"),
        ("{\"status\": \"error\", \"error\": \"parse error\"}".into(), 8, "parse error"),
    ] {
        server.usually(&body);
        let ran = judged_anew(&sandbox).expect(code);
        assert!(ran.stdout.contains(word), "{word}: {ran:?}");
    }
    assert!(server.next().line.starts_with(
        "GET /api/v1/query?query=sum%28rate%28errors%7Btask%3D%22T01%22%7D%5B5m%5D%29%29"
    ));
}

#[test]
fn a_guard_that_was_killed_goes_on_where_it_was() {
    // The smoke test kills the guard in the middle of the rollback, once.
    let smoke = "    verify: [{run: 'test -e $HOME/killed && exit 0; test -e $HOME/armed || exit 0; : > $HOME/killed; kill -9 $PPID; sleep 5'}]\n";
    let sandbox = guarded("run: 'echo 1'");
    let text = String::from_utf8(sandbox.read("snapback.yaml"))
        .unwrap()
        .replace("    guard:", &format!("{smoke}    guard:"));
    fs::write(sandbox.at("snapback.yaml"), text).unwrap();
    sandbox.snapback(&["trust", "--yes"]).expect(0);
    fs::write(sandbox.home().join("armed"), "").unwrap();
    assert_eq!(sandbox.snapback(&["guard", "check"]).code, 137);
    sandbox.snapback(&["guard", "check", "--dry-run"]);
    let ran = sandbox
        .snapback(&["guard", "check", "--json"])
        .expect(4)
        .json();
    assert!(
        ran["data"]["tasks"][0]["notes"]
            .to_string()
            .contains("had been interrupted"),
        "{ran}"
    );
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.1.0"));
    let list = sandbox
        .snapback(&["alert", "list", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        list["data"]["alerts"][0]["alert"]["event"], "guard.rolled-back",
        "{list}"
    );
    assert_eq!(list["data"]["alerts"].as_array().map(Vec::len), Some(1));
    // The cooldown survived, too.
    let again = sandbox.snapback(&["guard", "check"]).expect(4);
    assert!(again.stdout.contains("cooling down"), "{again:?}");
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn a_running_guard_is_alone_and_stops_when_it_is_asked_to() {
    let sandbox = guarded("run: 'cat $HOME/value', every: 1s");
    fs::write(sandbox.home().join("value"), "0.1\n").unwrap();
    let mut command = sandbox.command(snapback_program());
    let mut guard = command
        .args(["guard", "run"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(guard.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert_eq!(said.next().as_deref(), Some("guard: watching T01"));
    assert!(said.next().is_some_and(|line| line.contains("pass")));
    let second = sandbox.snapback(&["guard", "run"]).expect(11);
    assert!(second.stderr.contains("another guard runs"), "{second:?}");
    fs::write(sandbox.home().join("value"), "0.9\n").unwrap();
    assert!(said.any(|line| line.contains("T01 is at 1.1.0, verified")));
    let pid = rustix::process::Pid::from_raw(guard.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(guard.wait().unwrap().code(), Some(0));
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.1.0"));
}

#[test]
fn a_dry_run_of_the_guard_needs_no_lock_and_keeps_none() {
    let sandbox = guarded("run: 'echo 0'");
    let run = |words: &[&str]| {
        let mut command = sandbox.command(snapback_program());
        let mut guard = command
            .args(words)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(guard.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok);
        assert_eq!(said.next().as_deref(), Some("guard: watching T01"));
        (guard, said)
    };
    let folder = sandbox.at(".git/snapback/guard");
    fs::remove_dir_all(&folder).unwrap_or_default();
    let (mut dry, _said) = run(&["guard", "run", "--dry-run"]);
    assert!(!folder.exists());
    let (mut real, _said) = run(&["guard", "run"]);
    // A dry run only looks, and a look that is stopped says so.
    for (guard, code) in [(&mut dry, 143), (&mut real, 0)] {
        let pid = rustix::process::Pid::from_raw(guard.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(guard.wait().unwrap().code(), Some(code));
    }
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new(1);
    let refused = |rule: &str| {
        fs::write(
            sandbox.at("snapback.yaml"),
            format!("tasks: {{T01: {{guard: [{rule}]}}}}\n"),
        )
        .unwrap();
        sandbox
            .snapback(&["create-snapshot", "-t", "T01", "--yes"])
            .expect(2)
            .stderr
    };
    assert!(refused("{name: a, fail: '> 1'}").contains("exactly one of"));
    assert!(refused("{name: a, fail: '1', run: x}").contains("no comparison"));
    assert!(refused("{name: a, fail: '> NaN', run: x}").contains("no comparison"));
    assert!(refused("{name: a, fail: '> 1', pass: '> 0', run: x}").contains("the same way"));
    assert!(refused("{name: a, fail: '> 1', run: x, min_samples: 0}").contains("at least 1"));
    assert!(
        refused("{name: a, fail: '> 1', run: x}, {name: a, fail: '> 1', run: x}").contains("twice")
    );
    assert!(refused("{name: '../x', fail: '> 1', run: x}").contains("letters"));
    assert!(refused("{name: a, fail: '> 1', prometheus: 'http://h'}").contains("query"));
    assert!(refused("{name: a, fail: '> 1', http: 'http://li:pw@h/x'}").contains("holds a secret"));
    assert!(refused("{name: a, fail: '> 1', run: x, bad: y}").contains("lines of a `file`"));
}
