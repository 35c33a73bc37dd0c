//! Ctrl-C at any moment, a time limit, and a second snapback at the same time.

use std::{
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{BACK, references, refused, released};
use crate::support::{
    Sandbox,
    sandbox::{Ran, Tree, snapback_program},
};

/// Starts a command without waiting for it.
fn start(sandbox: &Sandbox, args: &[&str]) -> Child {
    sandbox
        .command(snapback_program())
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a child.
fn wait(child: Child) -> Ran {
    use std::os::unix::process::ExitStatusExt;
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = output
        .status
        .code()
        .unwrap_or_else(|| 1000 + output.status.signal().unwrap_or(0));
    Ran {
        code,
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Reads the files that a rollback of T01 concerns, without their times.
fn content(sandbox: &Sandbox) -> Vec<(String, String)> {
    let tree: Tree =
        sandbox.tree_where(|path| path.starts_with("tasks/T01") || path == "task_registry.json");
    tree.into_iter()
        .map(|(path, entry)| {
            (
                path,
                format!("{}{:o}{}", entry.kind, entry.mode, entry.digest),
            )
        })
        .collect()
}

/// Asserts that the output has one sentence: an error, or that nothing was changed.
fn assert_one_reason(ran: &Ran, ended_at_once: bool) {
    let errors = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("error:"))
        .count();
    let put_back = ran.stdout.contains("everything was put back");
    let cancelled = ran.stderr.ends_with("cancelled; nothing was changed\n");
    assert!(
        ended_at_once || errors == 1 || put_back || cancelled,
        "{ran:?}"
    );
}

/// Asserts that git is content and that nothing needs resuming.
fn assert_nothing_is_left(sandbox: &Sandbox, when: &str) {
    assert_eq!(sandbox.unsound(), Vec::<String>::new(), "{when}");
    let resumed = sandbox.snapback(&["op", "resume"]).expect(5);
    assert!(
        resumed.stderr.contains("no operation is unfinished"),
        "{resumed:?}"
    );
}

#[test]
fn a_signal_at_any_moment() {
    let mut random = crate::support::sim::crash::Random(20_260_824);
    let sandbox = released();
    let old = content(&sandbox);
    let begun = Instant::now();
    sandbox.snapback(BACK).expect(0);
    let takes = begun.elapsed();
    let new = content(&sandbox);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(content(&sandbox), old);
    let mut ends = std::collections::BTreeMap::<i32, usize>::new();
    // On a busy machine the first signals may all come too late: send some more, immediately.
    for nth in 0..200_u32 {
        if nth >= 24 && ends.len() > 1 {
            break;
        }
        let (signal, code) = if nth % 2 == 0 {
            (Signal::INT, 130)
        } else {
            (Signal::TERM, 143)
        };
        let before = references(&sandbox);
        let child = start(&sandbox, BACK);
        let micros = if nth < 24 {
            u64::try_from(takes.as_micros()).unwrap() * u64::from(nth) / 22 + random.next() % 5000
        } else {
            0
        };
        thread::sleep(Duration::from_micros(micros));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ran = wait(child);
        *ends.entry(ran.code).or_default() += 1;
        // A signal before the first instruction kills the program; a shell reports that code too.
        let ended_at_once = ran.code == 1000 + code - 128;
        assert!(
            ran.code == 0 || ran.code == code || ended_at_once,
            "{micros} µs: {ran:?}"
        );
        let now = content(&sandbox);
        if ran.code == 0 {
            assert_eq!(now, new, "{micros} µs: {ran:?}");
            sandbox.snapback(&["undo", "--yes"]).expect(0);
        } else {
            assert_eq!(now, old, "{micros} µs: {ran:?}");
            assert_eq!(references(&sandbox), before, "{micros} µs: {ran:?}");
            assert_one_reason(&ran, ended_at_once);
        }
        assert_nothing_is_left(&sandbox, &format!("{micros} µs: {ran:?}"));
    }
    println!("{ends:?} in {takes:?}");
    assert!(
        ends.len() > 1,
        "signals came before and after the end: {ends:?}"
    );
}

/// Creates a task whose rollback waits in its smoke test until it is told to go on.
fn slow() -> Sandbox {
    let sandbox = released();
    let smoke = "echo started > ../../../home/started; while [ ! -e ../../../home/go ]; do sleep 0.02; done";
    sandbox.write(
        "snapback.yaml",
        format!("version: 1\ndefaults:\n  large_files: {{patterns: [\"*.bin\"]}}\ntasks:\n  T01:\n    verify: [{{run: \"{smoke}\", timeout: 60s}}]\n").as_bytes(),
    );
    sandbox
        .git(&["commit", "-qam", "a slow smoke test"])
        .expect(0);
    sandbox
}

/// Waits until the smoke test of `slow` runs.
fn until_started(sandbox: &Sandbox, child: &mut Child) {
    let begun = Instant::now();
    // The file appears before its bytes do.
    while std::fs::read(sandbox.home().join("started"))
        .unwrap_or_default()
        .is_empty()
    {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the smoke test never began"
        );
        if let Some(status) = child.try_wait().unwrap() {
            let mut text = String::new();
            std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut text).unwrap();
            panic!("ended {status} before its smoke test: {text}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_while_the_task_is_tested() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let sandbox = slow();
        let (old, before) = (content(&sandbox), references(&sandbox));
        let mut child = start(&sandbox, BACK);
        until_started(&sandbox, &mut child);
        assert_ne!(
            content(&sandbox),
            old,
            "the files are there while they are tested"
        );
        sandbox
            .run("kill", &[signal, &child.id().to_string()])
            .expect(0);
        let ran = wait(child);
        println!("{}", ran.stderr);
        assert_eq!(ran.code, code, "{ran:?}");
        assert_eq!(
            (content(&sandbox), references(&sandbox)),
            (old, before),
            "put back"
        );
        assert_eq!(sandbox.unsound(), Vec::<String>::new());
    }
}

#[test]
fn a_time_limit_that_passes() {
    let sandbox = slow();
    let (old, before) = (content(&sandbox), references(&sandbox));
    let ran = sandbox
        .snapback(&[BACK, &["--timeout", "1s"]].concat())
        .expect(124);
    println!("{}", ran.stderr);
    assert_eq!(
        (content(&sandbox), references(&sandbox)),
        (old, before),
        "put back"
    );
    let answer = sandbox
        .snapback(&[BACK, &["--timeout", "1s", "--json"]].concat())
        .expect(124)
        .json();
    assert_eq!(
        (&answer["exit_code"], &answer["changed"]),
        (&124.into(), &false.into()),
        "{answer}"
    );
}

#[test]
fn a_second_snapback_at_the_same_moment() {
    let sandbox = slow();
    let mut child = start(&sandbox, BACK);
    until_started(&sandbox, &mut child);
    let pid = child.id().to_string();
    refused(
        &sandbox,
        11,
        BACK,
        &[
            "another snapback is at work",
            &pid,
            "rollback",
            "--lock-wait",
        ],
    );
    refused(
        &sandbox,
        11,
        &["create-snapshot", "-t", "T02", "--yes"],
        &[&pid],
    );
    refused(
        &sandbox,
        11,
        &["mark", "bad", "1.0.0", "-t", "T01"],
        &[&pid],
    );
    sandbox.snapback(&["status"]).expect(0);
    sandbox.snapback(&["op", "list"]).expect(0);
    let waiting = start(
        &sandbox,
        &[
            "create-snapshot",
            "-t",
            "T02",
            "-m",
            "after the other",
            "--yes",
            "--lock-wait",
            "60s",
        ],
    );
    std::fs::write(sandbox.home().join("go"), b"").unwrap();
    assert_eq!(wait(child).code, 0);
    let waited = wait(waiting);
    println!("{}", waited.stderr);
    assert!(waited.code == 0, "{waited:?}");
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.0.0"));
    sandbox
        .git(&["rev-parse", "refs/tags/T02-v1.0.0"])
        .expect(0);
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}

#[test]
fn many_at_the_same_moment() {
    let sandbox = Sandbox::new(4);
    let ids = ["T01", "T02", "T03", "T04"];
    let children: Vec<Child> = ids
        .iter()
        .map(|id| {
            start(
                &sandbox,
                &["create-snapshot", "-t", id, "--yes", "--lock-wait", "60s"],
            )
        })
        .collect();
    for (child, id) in children.into_iter().zip(ids) {
        let ran = wait(child);
        assert_eq!(ran.code, 0, "{id}: {ran:?}");
        sandbox
            .git(&["rev-parse", &format!("refs/tags/{id}-v1.0.0")])
            .expect(0);
    }
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
    assert_eq!(sandbox.status(), Vec::<String>::new());
}
