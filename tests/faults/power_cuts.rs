//! Real power cuts at the mutating system calls of the real program, on ext4 and XFS in a loop
//! device, for every operation of the table.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::path::PathBuf;

use crate::support::{
    mounted::{Disk, KINDS},
    operations::OPERATIONS,
    sandbox::snapback_program,
    sweep::{CUTS, everything, report, sweep_of},
};

/// The number of cuts of an operation on a disk by default.
const VISITS: usize = 4;
/// The operations cut by default, each on one kind of disk; a full sweep cuts all of them on all.
const SOME: [&str; 4] = ["create-snapshot", "rollback", "undo", "store gc"];

#[test]
fn every_operation_survives_a_power_cut_at_every_call() {
    let program = PathBuf::from(snapback_program());
    for (kind, only) in KINDS.into_iter().zip(SOME) {
        if let Err(why) = Disk::new(kind) {
            println!("{}: skipped: {why}", kind.name);
            continue;
        }
        let wanted = OPERATIONS
            .iter()
            .filter(|operation| operation.stride == 1 && (everything() || operation.name == only));
        for operation in wanted {
            let figures = sweep_of(operation, &program, &CUTS, VISITS, &|| {
                Disk::new(kind).map(Some)
            });
            report(&format!("{}, {}", operation.name, kind.name), &figures);
        }
    }
}
