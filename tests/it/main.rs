//! The integration tests: library level first, the command line only for wiring.
//!
//! `support/` holds what they share: the simulated file system, the sandbox of real
//! repositories, the harness that kills the real program at a chosen system call.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests use the standard library directly and may panic")]

mod support;

mod at_once;
mod attacks;
mod audit;
mod audit_crashes;
mod audit_tampering;
mod backup;
mod backup_hostile;
mod backup_kills;
mod backup_sqlite;
mod bad_input;
mod canary_config;
mod checker;
mod commands;
mod crash_states;
mod disk_errors;
mod environment;
mod facts;
mod hooks_crashes;
mod hooks_hostile;
mod hooks_matrix;
mod kill_sweep;
mod killer_harness;
mod power_cuts;
mod releasing;
mod review;
mod sandbox;
mod secrets;
mod settings;
mod shapes;
mod shapes_git;
mod shapes_large;
mod signatures;
mod sim_fs;
mod small_disk;
mod store;
mod store_check;
mod store_cli;
mod store_faults;
mod store_formats;
mod store_gc;
mod store_repair;
mod store_rounds;
mod trust;
mod undoing;
mod verdict_refs;
mod walks;
