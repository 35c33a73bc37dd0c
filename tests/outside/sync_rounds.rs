//! How often a change waits for the disk: rounds of syncs one after the other, counted by strace on
//! a disk that is made slow, so that syncs of the same round overlap.

use std::{collections::BTreeMap, path::Path};

use super::traced;
use crate::support::{Sandbox, sandbox::have, story};

/// How much longer each sync takes, in microseconds.
const DELAY: u32 = 300_000;

/// The system calls that wait for the disk.
const SYNCS: &str = "fsync,fdatasync,syncfs,sync,msync,sync_file_range";

/// Returns the rounds of syncs of a command, each with the names of what it synced.
fn rounds(sandbox: &Sandbox, argv: &[&str]) -> Vec<Vec<String>> {
    let inject = format!("inject={SYNCS}:delay_enter={DELAY}");
    let trace = format!("trace={SYNCS}");
    let options = ["-f", "-ttt", "-T", "-y", "-e", &trace, "-e", &inject];
    let mut syncs = parse(&traced(sandbox, &options, argv));
    syncs.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut rounds: Vec<Vec<String>> = Vec::new();
    let mut end = f64::MIN;
    for (begin, ended, name) in syncs {
        if begin >= end {
            rounds.push(Vec::new());
            end = ended;
        }
        rounds.last_mut().expect("because one was begun").push(name);
    }
    rounds
}

/// Does [`rounds`] again, from the same state, while there are more than `most`: on a busy machine
/// a thread may begin its sync when others of the same round have ended, and never earlier.
fn fewest_rounds(sandbox: &Sandbox, argv: &[&str], most: usize) -> Vec<Vec<String>> {
    let before = sandbox.copy();
    let mut fewest = rounds(sandbox, argv);
    for _ in 0..2 {
        if fewest.len() > most {
            sandbox.become_copy_of(before.top());
            fewest = rounds(sandbox, argv);
        }
    }
    fewest
}

/// Returns the syncs of a log: begin and end in seconds, and the name of the file.
fn parse(log: &str) -> Vec<(f64, f64, String)> {
    let mut open: BTreeMap<&str, (f64, String)> = BTreeMap::new();
    let mut syncs = Vec::new();
    for line in log.lines() {
        let mut words = line.split_whitespace();
        let (Some(process), Some(at)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(at) = at.parse::<f64>() else { continue };
        let within = |open, close| Some(line.split_once(open)?.1.split_once(close)?.0);
        if line.contains(" resumed>") {
            if let Some((begin, name)) = open.remove(process) {
                syncs.push((begin, at, name));
            }
        } else if let Some(path) = within('<', '>') {
            let name = Path::new(path).file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            if line.contains("<unfinished") {
                open.insert(process, (at, name));
            } else if let Some((_, took)) = line.trim_end_matches('>').rsplit_once('<') {
                syncs.push((at, at + took.parse::<f64>().unwrap_or(0.0), name));
            }
        }
    }
    syncs
}

#[test]
fn a_change_of_some_files_waits_for_the_disk_a_few_times() {
    if !have("strace") {
        println!("SKIPPED: strace is not installed");
        return;
    }
    let sandbox = Sandbox::empty().with_tasks(1);
    for n in 0..60 {
        sandbox.write(&format!("tasks/T01/d{}/f{n}", n % 4), b"of the first");
    }
    sandbox.commit("files");
    sandbox.release("T01", "1.0.0");
    for n in 0..20 {
        sandbox.write(&format!("tasks/T01/d{}/f{n}", n % 4), b"of the second");
    }
    sandbox.release("T01", "1.1.0");
    for (most, argv) in [
        (3, &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"][..]),
        (3, &["undo", "--yes"]),
        (3, &["redo", "--yes"]),
        (
            3,
            &["create-snapshot", "-t", "T01", "--bump", "minor", "--yes"],
        ),
    ] {
        let rounds = fewest_rounds(&sandbox, argv, most);
        for (nth, round) in rounds.iter().enumerate() {
            println!("{} {}: {round:?}", argv[0], nth + 1);
        }
        assert!(
            rounds.len() <= most,
            "{argv:?} waited {} times, at most {most}",
            rounds.len()
        );
    }
}

#[test]
fn a_recovery_forces_the_logs_of_references_to_the_disk() {
    if !have("strace") {
        println!("SKIPPED: strace is not installed");
        return;
    }
    let sandbox = Sandbox::two_releases(1);
    story::rollback(&sandbox, "1.1.0", "1.0.0").expect(0);
    // As after a kill between the moves of the references and the barrier.
    let (path, lines) = story::newest_journal(&sandbox);
    let kept = story::publication_started(&lines) + 1;
    sandbox.write(&path, lines[..kept].concat().as_bytes());
    let options = ["-f", "-y", "-e", "trace=fsync,fdatasync"];
    let log = traced(&sandbox, &options, &["op", "resume", "--yes"]);
    for name in ["/logs/HEAD>", "/logs/refs/heads/main>"] {
        assert!(log.contains(name), "{name} is not in {log}");
    }
}
