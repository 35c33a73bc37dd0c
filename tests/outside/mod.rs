//! Tests with real outside programs: gpg, ssh-keygen, git-lfs, pip, hook managers, a mail server,
//! TLS. Where one is not installed, its tests say so and skip.
//!
//! `cargo test --test it outside::` runs only these.

mod alerts_aiosmtpd;
mod alerts_tls;
mod calls;
mod capsule_ways;
mod drill_packages;
mod environment;
mod git_lfs;
mod hooks_matrix;
mod mapped_files;
mod signatures;
mod signing;
mod sync_rounds;

use crate::support::{Sandbox, sandbox::snapback_program};

/// Runs snapback, which must succeed, under strace with these options; returns strace's log.
fn traced(sandbox: &Sandbox, options: &[&str], argv: &[&str]) -> String {
    let log = sandbox.home().join("strace.log");
    let ran = sandbox
        .command("strace")
        .args(options)
        .args(["-o", log.to_str().unwrap()])
        .arg(snapback_program())
        .args(argv)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{argv:?}: {said}");
    std::fs::read_to_string(&log).unwrap()
}
