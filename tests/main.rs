//! The integration tests, in one program, so that it is compiled and linked once: `it` is fast,
//! `faults` injects faults, `outside` needs outside programs. To run only the fast ones: `cargo
//! test --test it -- --skip faults:: --skip outside::`.
//!
//! `support` holds the shared code: the simulated file system, the sandbox of real repositories,
//! the harness that kills the real program at a chosen system call.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests use the standard library directly and may panic"
)]

mod faults;
mod it;
mod outside;
mod support;
