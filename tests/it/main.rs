//! The integration tests: library level first, the command line only for wiring.
//!
//! `support/` holds what they share: the simulated file system, the sandbox of real
//! repositories, the harness that kills the real program at a chosen system call.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests use the standard library directly and may panic")]

mod support;

mod alerts;
mod alerts_aiosmtpd;
mod alerts_tls;
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
mod broken;
mod canary_config;
mod capsule;
mod capsule_ways;
mod checker;
mod clones;
mod commands;
mod confirm;
mod crash_states;
mod damage;
mod disk_errors;
mod downgrades;
mod drill;
mod environment;
mod facts;
mod git_at_work;
mod guard;
mod guard_kills;
mod guard_scenario;
mod health;
mod hooks_crashes;
mod hooks_hostile;
mod hooks_matrix;
mod hooks_moves;
mod identity;
mod kill_sweep;
mod killer_harness;
mod manifest_signatures;
mod old_repositories;
mod power_cuts;
mod pushing;
mod recovery_report;
mod releasing;
mod review;
mod said;
mod sandbox;
mod secrets;
mod settings;
mod shapes;
mod shapes_git;
mod shapes_large;
mod signatures;
mod signing;
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
