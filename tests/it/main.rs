//! The integration tests: library level first, the command line only for wiring.
//!
//! `support/` holds what they share: the simulated file system, the sandbox of real
//! repositories, the harness that kills the real program at a chosen system call.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests use the standard library directly and may panic"
)]

#[path = "../support/mod.rs"]
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
mod broken_refs;
mod broken_registry;
mod broken_settings;
mod canary_config;
mod capsule;
mod capsule_ways;
mod checker;
mod clones;
mod commands;
mod confirm;
mod crash_states;
mod damage;
mod databases;
mod databases_back;
mod databases_put_back;
mod dependencies;
mod disk_errors;
mod downgrades;
mod drill;
mod dry_runs;
mod elsewhere;
mod environment;
mod facts;
mod failed_versions;
mod formats;
mod git_at_work;
mod going_back;
mod grown;
mod guard;
mod guard_kills;
mod guard_scenario;
mod health;
mod hints;
mod hooks_crashes;
mod hooks_hostile;
mod hooks_matrix;
mod hooks_moves;
mod identity;
mod in_the_way;
mod kept;
mod kill_sweep;
mod killer_harness;
mod left_out;
mod line_ends;
mod lost_tasks;
mod manifest_signatures;
mod meanwhile;
mod moved_tags;
mod obstacles;
mod old_repositories;
mod other_copies;
mod outputs;
mod owners;
mod power_cuts;
mod proven_travels;
mod pushing;
mod pushing_again;
mod reading;
mod recovery_report;
mod registry_merges;
mod release_back;
mod releasing;
mod review;
mod said;
mod same_words;
mod sandbox;
mod secrets;
mod settings;
mod shapes;
mod shapes_git;
mod shapes_large;
mod shared_commits;
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
mod task_names;
mod trust;
mod twins;
mod unchanged_files;
mod undoing;
mod verdict_refs;
mod walks;
mod while_commands_run;
