//! Tests with real child processes: exits, time limits, stubborn and orphaned groups.
//!
//! Leftover processes are looked up by process id, never by name.

#![expect(clippy::disallowed_methods, reason = "processes of the tests")]

use super::*;

fn sh(line: &str) -> Command {
    Command::new("sh", Path::new("/")).args(["-c", line])
}

fn run(line: &str) -> ChildExit {
    sh(line).run().expect("sh starts")
}

/// Waits until a process is gone, or is a zombie that its parent has not reaped.
fn is_gone(pid: &str) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(5) {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        if stat
            .rsplit_once(')')
            .is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
        {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn ends_are_told_apart() {
    assert!(run("true").succeeded());
    assert_eq!(run("exit 7").status, Exit::Code(7));
    assert_eq!(run("kill -9 $$").status, Exit::Signal(9));
    let ended = run("printf out; printf err >&2");
    assert_eq!(
        (text(&ended.stdout), text(&ended.stderr), ended.truncated),
        ("out".into(), "err".into(), false)
    );
    assert_eq!(
        text(
            &sh("printf a; printf b >&2; printf c")
                .merged()
                .run()
                .expect("sh starts")
                .stdout
        ),
        "abc"
    );
}

#[test]
fn what_is_missing_is_named() {
    let error = Command::new("no-such-program-here", Path::new("/"))
        .run()
        .expect_err("it is missing");
    assert!(matches!(error, Error::Start { .. }), "{error}");
    assert_eq!(error.kind(), Kind::Missing);
    let error = Command::new("true", Path::new("/no/such/folder"))
        .run()
        .expect_err("it is missing");
    assert!(error.to_string().contains("/no/such/folder"), "{error}");
}

#[test]
fn a_time_limit_ends_even_a_group_that_ignores_term() {
    let ended =
        sh("trap '' TERM; sleep 300 & echo $! ; echo $$; wait; while :; do sleep 300; done")
            .limit(Duration::from_millis(300))
            .grace(Duration::from_millis(300))
            .run()
            .expect("sh starts");
    assert_eq!(ended.status, Exit::TimedOut);
    assert!(
        ended.duration < Duration::from_secs(5),
        "{:?}",
        ended.duration
    );
    let pids = text(&ended.stdout);
    assert_eq!(pids.lines().count(), 2);
    assert!(pids.lines().all(is_gone), "{pids}");
}

#[test]
fn term_comes_before_kill() {
    let ended = sh("trap 'echo cleaned; exit 0' TERM; sleep 300 & wait")
        .limit(Duration::from_millis(300))
        .run()
        .expect("sh starts");
    assert_eq!(
        (ended.status, text(&ended.stdout)),
        (Exit::TimedOut, "cleaned\n".into())
    );
}

#[test]
fn grandchildren_neither_stall_us_nor_survive() {
    let ended = run("sleep 300 & echo $!; exit 0");
    assert_eq!(ended.status, Exit::Code(0));
    assert!(
        ended.duration < Duration::from_secs(5),
        "{:?}",
        ended.duration
    );
    assert!(is_gone(&text(&ended.stdout)));
}

#[test]
fn a_service_survives_and_can_go_on_writing() {
    let dir = tempfile::tempdir().expect("because tests can make folders");
    let go = dir.path().join("go");
    let line = "(until test -e go; do sleep 0.01; done; echo late && touch wrote) & echo $!";
    let ended = Command::new("sh", dir.path())
        .args(["-c", line])
        .may_daemonise()
        .run()
        .expect("sh starts");
    assert_eq!(ended.status, Exit::Code(0));
    assert!(!text(&ended.stdout).is_empty());
    std::fs::File::create(go).expect("it creates");
    assert!(is_gone(&text(&ended.stdout)));
    assert!(
        dir.path().join("wrote").exists(),
        "it was not killed by its output"
    );
}

#[test]
fn endless_output_is_bounded() {
    let ended = sh("yes")
        .limit(Duration::from_millis(500))
        .output_cap(1000)
        .run()
        .expect("sh starts");
    assert_eq!(ended.status, Exit::TimedOut);
    assert!(ended.truncated);
    assert!(ended.stdout.len() < 1100, "{}", ended.stdout.len());
}

#[test]
fn big_and_binary_output_is_kept_exactly() {
    let ended = run("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; printf '\\377\\000'");
    let mut zeros = vec![0; 300_000];
    assert_eq!(ended.stderr, zeros);
    zeros.extend([0xff, 0]);
    assert_eq!(ended.stdout, zeros);
    let last = run("seq 1 1000000");
    assert!(
        last.truncated
            && last.stdout.ends_with(b"\n999999\n1000000\n")
            && last.stdout.starts_with(b"1\n2\n")
    );
}

#[test]
fn what_is_set_counts_more_than_what_is_removed() {
    let ended = sh("printf %s \"$A ${B-none}\"")
        .env("A", "x")
        .env("A", "y")
        .env_remove("A")
        .env("B", "z")
        .env_remove("B")
        .env_remove("HOME")
        .run()
        .expect("sh starts");
    assert_eq!(text(&ended.stdout), "y z");
    let ended = sh("printf %s \"${HOME-none}\"").env_remove("HOME").run();
    assert_eq!(text(&ended.expect("sh starts").stdout), "none");
}

#[test]
fn a_signal_to_stop_ends_the_child() {
    let begin = Instant::now();
    let asked = || (begin.elapsed() > Duration::from_millis(200)).then_some(15);
    let error = sh("sleep 300")
        .run_until(&asked)
        .expect_err("it is cancelled");
    assert_eq!(error.kind(), Kind::Cancelled(15));
    assert!(begin.elapsed() < Duration::from_secs(5));
    let dir = tempfile::tempdir().expect("because tests can make folders");
    let error = Command::new("touch", dir.path())
        .arg("started")
        .run_until(&|| Some(2))
        .expect_err("it does not start");
    assert_eq!(error.kind(), Kind::Cancelled(2));
    assert!(!dir.path().join("started").exists());
}

#[test]
fn a_stopped_group_is_ended_too() {
    let ended = sh("kill -STOP $$")
        .limit(Duration::from_millis(200))
        .run()
        .expect("sh starts");
    assert_eq!(ended.status, Exit::TimedOut);
}

#[test]
fn a_child_that_was_let_go_is_reaped_by_the_next() {
    let detach = || sh("exec true").detach().expect("sh starts");
    let first = detach();
    assert!(is_gone(&first.to_string()));
    detach();
    assert!(!Path::new(&format!("/proc/{first}")).exists());
}

#[test]
fn a_path_is_one_from_here_and_a_name_is_looked_up() {
    let here = std::env::current_dir().expect("because a test has a folder");
    let up = "../".repeat(here.components().count());
    let ended = Command::new(format!("{up}bin/sh"), Path::new("/tmp"))
        .args(["-c", "pwd"])
        .run()
        .expect("sh starts");
    assert_eq!(text(&ended.stdout), "/tmp\n");
    let error = Command::new("./no-such-program", Path::new("/tmp"))
        .run()
        .expect_err("it is missing");
    assert_eq!(error.kind(), Kind::Missing);
}

#[test]
fn what_is_set_counts_more_than_what_is_removed_and_the_last_word_most() {
    let ended = sh("printf %s \"$A $B\"")
        .env("A", "1")
        .env("A", "2")
        .env_remove("A")
        .env("B", "x")
        .run()
        .expect("sh starts");
    assert_eq!(text(&ended.stdout), "2 x");
}
