//! The wiring of every subcommand: whole terminal sessions as snapshots, read as a person under
//! stress would read them.
//!
//! Values that change from run to run (times, ids, durations, folders) are filtered. Engines are
//! tested elsewhere; here the words, the exit codes and the next steps count.

mod changes;
mod looks;
mod setup;
mod verdicts;

use std::fmt::Write as _;

use crate::support::{
    Sandbox,
    sandbox::{finish, snapback_program},
};

/// Creates two tasks; T01 has the releases 1.0.0 and 1.1.0 and is at 1.1.0.
fn released() -> Sandbox {
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"def signal(x):\n    return x > 1\n");
    sandbox.write(
        "tasks/T01/config.yaml",
        crate::support::sandbox::config("1.0.0", 5).as_bytes(),
    );
    sandbox.write("tasks/T01/new.py", b"NEW = True\n");
    sandbox.release("T01", "1.1.0");
    sandbox
}

/// Runs command lines (words separated by spaces, or quoted) and returns what a person sees:
/// standard error first, with plans and progress, then the answer.
fn session(sandbox: &Sandbox, lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let mut shell = sandbox.command("sh");
        let path = std::env::var("PATH").unwrap_or_default();
        let folder = std::path::Path::new(snapback_program())
            .parent()
            .unwrap()
            .display()
            .to_string();
        let ran = finish(
            shell
                .arg("-c")
                .arg(line)
                .env("PATH", format!("{folder}:{path}")),
        );
        let _ = write!(text, "$ {line}\n{}{}", ran.stderr, ran.stdout);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        if ran.code != 0 {
            let _ = writeln!(text, "[exit {}]", ran.code);
        }
    }
    text.replace(
        &sandbox.root().parent().unwrap().display().to_string(),
        "/sandbox",
    )
}

/// The patterns of insta's filters, and their replacements.
const FILTERS: &[(&str, &str)] = &[
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? [+-]\d\d:\d\d", "[time]"),
    (r"sha256:[0-9a-f]{64}", "sha256:[digest]"),
    (r"\b[0-9a-f]{40}\b", "[commit]"),
    (r"\b\d{6}-[0-9a-f]{8}\b", "[operation]"),
    (r"\b[0-9a-f]{8}\b", "[id]"),
    (r"\b\d+(\.\d+)? (ms|s)\b", "[secs] s"),
    (r"\.tmp[A-Za-z0-9]{6}", "[tmp]"),
    (r"git version [0-9.]+", "git version [version]"),
    (r", [\d.]+ [kM]?B (saved|new in the store)", ""),
    (r"[\d.]+ [kM]?B were new", "[size] were new"),
    (r"as released \([^)]*\)", "as released"),
    (r"(example\.com>) on \S+", "$1 on [host]"),
    (r"- Host: \S+", "- Host: [host]"),
    (r"(nowhere cannot be asked): .*", "$1: [git's words]"),
];

/// Asserts that a session matches its snapshot.
macro_rules! shows {
    ($sandbox:expr, [$($line:expr),* $(,)?], @$snapshot:literal) => {
        insta::with_settings!({ filters => $crate::it::commands::FILTERS.to_vec() }, {
            insta::assert_snapshot!($crate::it::commands::session(&$sandbox, &[$($line),*]), @$snapshot);
        });
    };
}
use shows;
