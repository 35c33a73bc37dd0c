//! Disk errors at every call: a full and a broken disk, once and for ever; and recovery on a disk
//! without a single free byte.
//!
//! Success is never reported falsely, and an operation that could not end is ended once the disk
//! works again. Undoing needs no space but the reserve, on the simulated and on a real small disk.

use snapback::journal::RunEnd;

use crate::support::{
    explore::{Scenario, alone},
    scenarios::{first, second},
    sim::SimFs,
    world::World,
};

/// Injects one error at the `k`-th call. Returns whether the error occurred.
fn fails(scenario: &Scenario, k: u64, errno: i32, for_ever: bool) -> Result<bool, String> {
    let disk = scenario.base.fork();
    disk.fail_at(k, errno, for_ever);
    let world = World::on(&disk);
    let ended = scenario.attempt(&disk, &world);
    let came = disk.calls() >= k;
    disk.calm();
    let reported = matches!(ended, Some(Ok(RunEnd::Done)));
    match ended {
        None | Some(Ok(RunEnd::Done | RunEnd::Undone(_))) => {
            world.judge(&scenario.case(), reported)?
        }
        Some(Err(_) | Ok(RunEnd::Stuck(_))) => scenario.mend(&disk, k.is_multiple_of(2), false)?,
    };
    for (nth, cut) in disk.crash_states(3, k).iter().enumerate() {
        scenario
            .mend(cut, nth % 2 == 0, reported)
            .map_err(|wrong| format!("power cut after it, disk {nth}: {wrong}"))?;
    }
    Ok(came)
}

#[test]
fn every_error_at_every_call_is_survived_and_never_a_false_success() {
    let mut runs = 0;
    for (scenario, stride) in [(first(), 1), (second(), 3)] {
        for (errno, for_ever) in [
            (libc::ENOSPC, false),
            (libc::ENOSPC, true),
            (libc::EIO, false),
            (libc::EIO, true),
        ] {
            alone(|| {
                for k in (1..).step_by(stride) {
                    runs += 1;
                    let came = fails(&scenario, k, errno, for_ever);
                    if !came.unwrap_or_else(|wrong| {
                        panic!("errno {errno} at call {k}, for ever {for_ever}: {wrong}")
                    }) {
                        break;
                    }
                }
            });
        }
    }
    println!("{runs} runs with an error");
}

/// Undoes on a disk that is full to the last byte, even when cut once on the way.
fn takes_back_without_room(scenario: &Scenario, disk: &SimFs, cut_at: u64) -> Result<(), String> {
    let room = disk.used();
    disk.limit_room(room);
    let again = disk.fork();
    again.limit_room(room);
    again.crash_at(cut_at);
    let _ = World::on(&again).recover(false);
    for cut in again.crash_states(3, cut_at) {
        cut.limit_room(room);
        scenario
            .mend(&cut, false, false)
            .map_err(|wrong| format!("cut at {cut_at}: {wrong}"))?;
    }
    scenario.mend(disk, false, false).map(drop)
}

#[test]
fn taking_back_needs_no_room() {
    let mut disks = 0;
    for (scenario, stride) in [(first(), 1), (second(), 5)] {
        alone(|| {
            for k in (1..).step_by(stride) {
                let disk = scenario.base.fork();
                disk.crash_at(k);
                scenario.act(&disk);
                if !disk.crashed() {
                    break;
                }
                let killed = disk.fork();
                for (nth, left) in disk
                    .crash_states(5, k)
                    .into_iter()
                    .chain([killed])
                    .enumerate()
                {
                    disks += 1;
                    let cut_at = 1 + (k + nth as u64 * 7) % 60;
                    takes_back_without_room(&scenario, &left, cut_at)
                        .unwrap_or_else(|wrong| panic!("crash at {k}, disk {nth}: {wrong}"));
                }
            }
        });
    }
    println!("{disks} full disks");
}
