//! The house rules, as tests: who may import whom, who owns which outside library, how long files
//! and functions may be, and that nothing is forgotten.
//!
//! They read the sources as text, with comments and strings removed, and rely on rustfmt. When one
//! fails, the code is in the wrong room or too long: move it, do not widen the rule.
#![allow(
    clippy::disallowed_methods,
    reason = "tests use the standard library directly"
)]

mod command_lines;
mod docs;
mod forgotten;
mod libraries;
mod lines;
mod machines;
mod names;
mod pipeline;
mod rooms;
mod sources;
mod sync_points;
