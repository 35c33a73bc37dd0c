//! The real program, killed, refused and signalled at its mutating system calls, for every
//! operation of the table; see `support/sweep.rs` for the harness and its environment variables.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use crate::support::{
    operations::operation,
    sweep::{FAULTS, report, sweep},
};

/// The number of points of each operation visited by default: each fault once.
const VISITS: usize = 14;

fn survives(name: &str) {
    report(name, &sweep(&operation(name), &FAULTS, VISITS));
}

#[test]
fn create_snapshot_survives_a_fault_at_every_call() {
    survives("create-snapshot");
}

#[test]
fn rollback_survives_a_fault_at_every_call() {
    survives("rollback");
    survives("rollback --no-commit");
}

#[test]
fn rollback_of_an_environment_survives_a_fault_at_every_call() {
    let operation = operation("rollback, env: sync");
    report(operation.name, &sweep(&operation, &FAULTS, 4));
}

#[test]
fn undo_survives_a_fault_at_every_call() {
    survives("undo");
}

#[test]
fn undo_of_a_release_survives_a_fault_at_every_call() {
    survives("undo of a release");
}

#[test]
fn redo_survives_a_fault_at_every_call() {
    survives("redo");
}

#[test]
fn adopt_survives_a_fault_at_every_call() {
    survives("adopt");
}

#[test]
fn a_registry_sync_survives_a_fault_at_every_call() {
    survives("registry sync");
}

#[test]
fn a_restore_of_what_was_kept_survives_a_fault_at_every_call() {
    survives("op restore");
}

#[test]
fn init_survives_a_fault_at_every_call() {
    survives("init");
}

#[test]
fn resuming_survives_a_fault_at_every_call() {
    survives("op resume, of files");
    survives("op resume, of a release");
}

#[test]
fn aborting_survives_a_fault_at_every_call() {
    survives("op abort, of files");
    survives("op abort, later");
}

#[test]
fn pruning_survives_a_fault_at_every_call() {
    survives("op prune");
}

#[test]
fn collecting_and_repairing_the_store_survive_a_fault_at_every_call() {
    survives("store put");
    survives("store gc");
    survives("store repair");
}
