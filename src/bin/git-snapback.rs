//! The program that `git snapback` looks for: it replaces itself with the `snapback` next to it, or
//! the one on the search path.
//!
//! It never does anything by itself and links nothing of the library, so it stays small.

use std::{
    env::{args_os, current_exe},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, ExitCode},
};

/// The exit code for a program that cannot be started (POSIX, `env`).
const CANNOT_START: u8 = 127;

fn main() -> ExitCode {
    let program = beside_this_one().unwrap_or_else(|| "snapback".into());
    #[expect(
        clippy::disallowed_methods,
        reason = "this process becomes the other one: there is no child to look after"
    )]
    let why = Command::new(&program).args(args_os().skip(1)).exec();
    eprintln!("error: cannot start {}: {why}", program.display());
    eprintln!("  put snapback beside git-snapback, or on the search path");
    ExitCode::from(CANNOT_START)
}

/// Returns the `snapback` in this program's own folder, if it was installed there.
fn beside_this_one() -> Option<PathBuf> {
    let own = current_exe().and_then(|path| path.canonicalize()).ok()?;
    let beside = own.with_file_name("snapback");
    beside.is_file().then_some(beside)
}
