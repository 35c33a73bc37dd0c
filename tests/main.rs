//! The integration tests, one program, so that it is compiled and linked once: `it` is fast,
//! `faults` breaks things, `outside` needs programs that are not ours. Only the fast ones:
//! `cargo test --test it -- --skip faults:: --skip outside::`.
//!
//! `support` holds what they share: the simulated file system, the sandbox of real repositories,
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
