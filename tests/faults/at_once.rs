//! Many concurrent processes on one repository and its linked work tree: snapback, git and an
//! editor, one of them killed at a random moment. There is no deadlock, a process that is locked
//! out learns by whom, every acknowledged release exists and verifies, and no update is lost.
//!
//! `SNAPBACK_ROUNDS` sets the number of rounds.

use std::{
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::support::{
    Sandbox,
    checker::{Seen, complaints},
    sandbox::{config, snapback_program},
    sim::crash::Random,
};

/// No process here takes this long, however busy the machine is.
const DEADLOCK: Duration = Duration::from_mins(2);

fn rounds() -> u64 {
    std::env::var("SNAPBACK_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(4)
}

/// Creates four tasks, each released as 1.0.0 and 1.1.0, and a linked work tree on another branch.
fn repository() -> Sandbox {
    let sandbox = Sandbox::new(4);
    for task in ["T01", "T02", "T03", "T04"] {
        sandbox.release(task, "1.0.0");
        raise(&sandbox, task, "1.0.0", "1.1.0");
        sandbox.release(task, "1.1.0");
    }
    sandbox
        .git(&["worktree", "add", "-q", "../linked", "-b", "other"])
        .expect(0);
    sandbox
}

/// Changes a task to a new version.
fn raise(sandbox: &Sandbox, task: &str, _from: &str, to: &str) {
    sandbox.write(
        &format!("tasks/{task}/config.yaml"),
        config(to, 4).as_bytes(),
    );
    sandbox.write(
        &format!("tasks/{task}/signal.py"),
        format!("# {to}\n").as_bytes(),
    );
}

/// The job of a process.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// A release of this task.
    Release(&'static str),
    /// A rollback of T04.
    Rollback,
    /// A commit of `README.md` with this message.
    Commit(String),
    /// Reading or tidying up only.
    Beside,
}

/// A running process.
struct Worker {
    part: Part,
    child: Child,
}

fn start(sandbox: &Sandbox, part: Part, program: &str, argv: &[&str]) -> Worker {
    let mut command = sandbox.command(program);
    command
        .args(argv)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Worker {
        part,
        child: command.spawn().unwrap(),
    }
}

/// Starts one process of every kind.
fn crowd(main: &Sandbox, linked: &Sandbox, round: u64) -> Vec<Worker> {
    let snapback = snapback_program();
    let wait = |argv: &[&'static str]| [argv, &["--yes", "--lock-wait", "60s"]].concat();
    let release = |task: &'static str| {
        wait(&[
            "create-snapshot",
            "-t",
            task,
            "--version",
            "1.2.0",
            "-m",
            "at once",
        ])
    };
    let message = format!("by hand {round}");
    main.write("README.md", message.as_bytes());
    vec![
        start(main, Part::Release("T01"), snapback, &release("T01")),
        start(main, Part::Release("T02"), snapback, &release("T02")),
        start(linked, Part::Release("T03"), snapback, &release("T03")),
        start(
            main,
            Part::Rollback,
            snapback,
            &wait(&["rollback", "-t", "T04", "--to", "1.0.0"]),
        ),
        // Does not wait: the lock is named.
        start(
            main,
            Part::Beside,
            snapback,
            &[
                "rollback",
                "-t",
                "T04",
                "--to",
                "1.0.0",
                "--yes",
                "--lock-wait",
                "0s",
            ],
        ),
        start(main, Part::Beside, snapback, &["status"]),
        start(linked, Part::Beside, snapback, &["status"]),
        start(main, Part::Beside, snapback, &["store", "gc", "--yes"]),
        start(
            main,
            Part::Commit(message.clone()),
            "git",
            &["commit", "-q", "-m", &message, "--", "README.md"],
        ),
        start(main, Part::Beside, "git", &["gc", "--quiet"]),
        start(linked, Part::Beside, "git", &["status", "--porcelain"]),
    ]
}

/// Waits for a process. Returns its exit code and output; one that does not end is a deadlock.
fn end(mut worker: Worker, seen: &mut Seen) -> (Part, Option<i32>, String) {
    let begun = Instant::now();
    while worker.child.try_wait().unwrap().is_none() {
        if begun.elapsed() > DEADLOCK {
            seen.left.push(format!("{:?} does not end", worker.part));
            worker.child.kill().unwrap();
        }
        std::thread::yield_now();
    }
    let output = worker.child.wait_with_output().unwrap();
    // The outcome of an operation is reported on standard output, even when it was undone.
    let words = String::from_utf8_lossy(&[output.stderr, output.stdout].concat()).into_owned();
    if words.contains("panicked at") {
        seen.left.push(format!("{:?} panics: {words}", worker.part));
    }
    // git's locks tell only where they are: their owner leaves no name in them.
    let named = ["pid ", "collection", ".lock exists"]
        .iter()
        .any(|holder| words.contains(holder));
    if output.status.code() == Some(11) && !named {
        seen.left.push(format!(
            "{:?} is locked out and is not told by whom: {words}",
            worker.part
        ));
    }
    (worker.part, output.status.code(), words)
}

/// Finishes what the killed process left, trying both work trees.
fn recover(main: &Sandbox, linked: &Sandbox, word: &str, seen: &mut Seen) {
    let codes = [main, linked].map(|sandbox| sandbox.snapback(&["op", word, "--yes"]));
    for again in [main, linked] {
        let rest = again.snapback(&["op", "resume", "--yes"]);
        if rest.code != 5 {
            seen.left.push(format!(
                "after {codes:?} there is still something to recover: {rest:?}"
            ));
        }
    }
}

/// Checks that everything that was acknowledged exists.
fn look(main: &Sandbox, linked: &Sandbox, done: &[Part], seen: &mut Seen) {
    for part in done {
        match part {
            Part::Release(task) => {
                let at = if *task == "T03" { linked } else { main };
                let verified = at.snapback(&["verify-snapshot", "-t", task, "--version", "1.2.0"]);
                if verified.code != 0 {
                    seen.lost.push(format!(
                        "{task} 1.2.0 was acknowledged, and does not verify: {} {}",
                        verified.stdout, verified.stderr
                    ));
                }
                if at.registry_version(task).as_deref() != Some("1.2.0") {
                    seen.overwritten.push(format!(
                        "the registry says {:?} of {task}",
                        at.registry_version(task)
                    ));
                }
            }
            Part::Rollback => {
                if main.registry_version("T04").as_deref() != Some("1.0.0") {
                    seen.overwritten.push(
                        "the rollback of T04 was acknowledged, and the registry does not have it"
                            .into(),
                    );
                }
            }
            Part::Commit(message) => {
                if !main
                    .git_out(&["log", "--format=%s"])
                    .contains(message.as_str())
                {
                    seen.overwritten
                        .push(format!("git's commit {message:?} is not on the branch"));
                }
            }
            Part::Beside => {}
        }
    }
    for sandbox in [main, linked] {
        for argv in [
            &["verify-snapshot", "--all"][..],
            &["store", "check", "--deep"],
            &["op", "list"],
        ] {
            let ran = sandbox.snapback(argv);
            if ran.code != 0 {
                seen.dangling.push(format!(
                    "{argv:?} ends with {}: {} {}",
                    ran.code, ran.stdout, ran.stderr
                ));
            }
        }
    }
    // A killed git leaves its lock, which is git's business.
    let unsound = main
        .unsound()
        .into_iter()
        .filter(|line| !line.ends_with("index.lock"));
    seen.dangling.extend(unsound);
}

#[test]
fn whoever_is_killed_no_acknowledged_work_of_anybody_is_lost() {
    let base = repository();
    let mut random = Random(0xa7);
    let (mut killed, mut acknowledged, mut refused) = (0, 0, 0);
    for round in 0..rounds() {
        let main = base.copy();
        // The linked work tree refers to the repository by its absolute path.
        main.git(&["worktree", "repair", "../linked"]).expect(0);
        let linked = Sandbox::beside(&main, "linked");
        for (sandbox, tasks) in [(&main, &["T01", "T02"][..]), (&linked, &["T03"])] {
            for task in tasks {
                raise(sandbox, task, "1.1.0", "1.2.0");
            }
        }
        let mut seen = Seen::default();
        let mut workers = crowd(&main, &linked, round);
        main.write("tasks/T03/notes.txt", b"an editor is at work too\n");
        let pause = Instant::now() + Duration::from_millis(random.next() % 400);
        while Instant::now() < pause {
            std::thread::yield_now();
        }
        let victim = random.below(5);
        killed += u64::from(workers[victim].child.try_wait().unwrap().is_none());
        let _ = workers[victim].child.kill();
        let ends: Vec<_> = workers
            .into_iter()
            .map(|worker| end(worker, &mut seen))
            .collect();
        let done: Vec<Part> = ends
            .iter()
            .filter(|(_, code, _)| *code == Some(0))
            .map(|(part, ..)| part.clone())
            .collect();
        acknowledged += done.iter().filter(|part| **part != Part::Beside).count();
        refused += ends
            .iter()
            .filter(|(_, code, _)| code.is_some_and(|code| code != 0))
            .count();
        // Every refusal has one of the known reasons.
        for (part, code, words) in &ends {
            let reasons = [Some(0), Some(6), Some(7), Some(8), Some(11), None];
            let git_refused = *part == Part::Beside && *code == Some(128);
            if !(matches!(part, Part::Commit(_)) || reasons.contains(code) || git_refused) {
                seen.alarms
                    .push(format!("{part:?} ends with {code:?}: {words}"));
            }
        }
        recover(
            &main,
            &linked,
            if round.is_multiple_of(2) {
                "resume"
            } else {
                "abort"
            },
            &mut seen,
        );
        look(&main, &linked, &done, &mut seen);
        let wrong = complaints(&seen);
        assert!(
            wrong.is_empty(),
            "round {round}, killed {victim}:\n{}\n{ends:#?}",
            wrong.join("\n")
        );
    }
    println!(
        "{} rounds of 11 processes, {killed} killed at work, {acknowledged} acknowledged, {refused} refused",
        rounds()
    );
}
