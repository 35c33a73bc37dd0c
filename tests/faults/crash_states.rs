//! The crash model applied to the real code: store, journal, steps and recovery on a disk that
//! loses unsynced data, with a crash at every call. Invariants I1 to I6 are checked after each.
//!
//! `SNAPBACK_CRASH_STATES` sets the number of disks; the default keeps a debug build fast.

use std::{sync::Arc, time::Instant};

use snapback::{
    audit::{self, AppendMode, Trail},
    base::SyncPoint,
    journal,
    model::audit::AuditEnd,
    steps, store, verdict,
};

use crate::support::{
    explore::{Scenario, When, alone},
    scenarios::{first, indexing, release, second, third},
    trail,
    world::{Below, World},
};

/// Returns the total number of disks to examine.
fn wanted() -> usize {
    std::env::var("SNAPBACK_CRASH_STATES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1_000)
}

/// Explores a scenario and reports how far it got.
fn explore(name: &str, scenario: &Scenario, share: usize) {
    let begun = Instant::now();
    let calls = alone(|| scenario.calls());
    // Each disk leads to about two more: cut recoveries and what follows them.
    let limit = (wanted() / share / usize::try_from(calls).unwrap()).max(4);
    let looked = scenario
        .explore(limit, 31)
        .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    println!(
        "{name}: {looked} crash states at {calls} calls in {:.1} s",
        begun.elapsed().as_secs_f32()
    );
}

#[test]
fn a_first_operation_survives_every_crash() {
    explore("first operation", &first(), 2);
}

#[test]
fn the_inverse_right_after_it_survives_every_crash() {
    explore("second operation", &second(), 2);
}

#[test]
fn doing_it_again_right_after_that_survives_every_crash() {
    explore("third operation", &third(), 8);
}

#[test]
fn a_release_survives_every_crash() {
    explore("release", &release(), 4);
}

#[test]
fn an_operation_whose_commit_makes_an_index_survives_every_crash() {
    explore("indexing", &indexing(), 8);
}

#[test]
fn what_somebody_else_wrote_in_between_is_kept() {
    for (when, path) in [
        (When::BetweenPlanAndApply, "T/config.yaml"),
        (When::BetweenPlanAndApply, "T/gone/deep/only"),
        (When::BeforeRecovery, "T/config.yaml"),
        (When::BeforeRecovery, "T/run.sh"),
    ] {
        let scenario = Scenario {
            stranger: Some((when, path, b"a stranger's edit")),
            ..first()
        };
        explore(path, &scenario, 8);
    }
}

/// Begins a scenario on a disk that has an audit log already.
fn with_audit_log(scenario: Scenario) -> Scenario {
    let disk = scenario.base.fork();
    let state = Arc::new(Below(Arc::new(disk.clone()), "git/snapback"));
    let said = trail::saying("act-0000000000000001", AuditEnd::Done);
    let added = Trail::new(state).append(&said, AppendMode::New);
    added.expect("the disk is whole");
    disk.settle();
    Scenario {
        base: disk,
        ..scenario
    }
}

/// Returns the sync points of the rooms that an operation goes through.
fn points() -> Vec<SyncPoint> {
    [
        &store::SYNC_POINTS[..],
        &journal::SYNC_POINTS,
        &steps::files::SYNC_POINTS,
        &verdict::SYNC_POINTS,
        &audit::SYNC_POINTS,
    ]
    .concat()
}

#[test]
fn each_skipped_sync_is_noticed() {
    let begun = Instant::now();
    let points = points();
    for point in points.iter().copied() {
        // Only the indexing scenario writes an index.
        let scenarios = match point {
            store::sync_points::INDEX_FILE | store::sync_points::INDEX_DIR => vec![indexing()],
            // Making the audit log syncs the folder of both logs.
            verdict::DIR => vec![with_audit_log(first())],
            _ => vec![first(), second()],
        };
        let caught = scenarios.iter().find_map(|scenario| {
            let mutant = Scenario {
                base: scenario.base.fork(),
                ..scenario.clone()
            };
            mutant.base.skip(point);
            (1..4).find_map(|round| mutant.explore(4 << (2 * round), 13).err())
        });
        let caught = caught.unwrap_or_else(|| panic!("nothing notices that {point:?} is skipped"));
        println!("{point:?}: {caught}");
    }
    println!(
        "{} mutants in {:.1} s",
        points.len(),
        begun.elapsed().as_secs_f32()
    );
}

#[test]
fn reading_a_journal_that_another_process_is_writing_changes_nothing() {
    let scenario = first();
    let disk = scenario.base.fork();
    alone(|| assert_eq!(scenario.act(&disk), Some(true)));
    let journal = "git/snapback/ops/000001-00000007/journal.jsonl";
    let torn = [&disk.get(journal).unwrap()[..], b"half a rec"].concat();
    disk.put(journal, &torn);
    let calls = disk.calls();
    let (_, ended) = World::on(&disk).newest().unwrap().unwrap();
    assert_eq!(ended, Some(true), "the torn end does not count");
    assert_eq!((disk.calls(), disk.get(journal)), (calls, Some(torn)));
}
