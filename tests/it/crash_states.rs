//! The crash model over the real code: store, journal, steps and recovery on a disk that loses
//! whatever was not synced, at every call. Invariants I1 to I6 after each.
//!
//! `SNAPBACK_CRASH_STATES` says how many disks to look at; the default keeps a debug build fast.

use std::time::Instant;

use snapback::{
    base::{RelPath, SyncPoint},
    model::operation::EnvironmentChange,
};

use crate::support::{
    explore::{Scenario, When, alone},
    world::{Tree, World},
};

/// A tree from lines of kind, mode, path and text.
fn tree(lines: &[(char, u32, &str, &str)]) -> Tree {
    lines.iter().map(|(kind, mode, path, text)| (path.to_string(), (*kind, *mode, text.as_bytes().to_vec()))).collect()
}

/// Two versions of a task that differ in every way that files can.
fn versions() -> (Tree, Tree) {
    let before = tree(&[
        ('f', 0o644, "T/config.yaml", "version: 2\n"),
        ('f', 0o644, "T/run.sh", "#!/bin/sh\n"),
        ('l', 0o777, "T/link", "config.yaml"),
        ('f', 0o644, "T/linked", "a file"),
        ('f', 0o600, "T/todir", "a file that becomes a folder"),
        ('f', 0o644, "T/tofile/x", "in a folder that becomes a file"),
        ('f', 0o644, "T/gone/deep/only", "the only file of its folder"),
        ('f', 0o644, "T/same", "unchanged"),
        ('f', 0o644, "other/file", "of another task"),
        ('f', 0o755, "T/.venv/python", "old"),
        ('f', 0o755, "T/.venv-built/python", "new"),
    ]);
    let after = tree(&[
        ('f', 0o644, "T/config.yaml", "version: 1, which is longer than the other one\n"),
        ('f', 0o755, "T/run.sh", "#!/bin/sh\n"),
        ('l', 0o777, "T/link", "run.sh"),
        ('l', 0o777, "T/linked", "same"),
        ('f', 0o644, "T/todir/y", "in a folder that was a file"),
        ('f', 0o644, "T/tofile", ""),
        ('f', 0o644, "T/new/and/deep", "in new folders"),
        ('f', 0o644, "T/same", "unchanged"),
        ('f', 0o644, "other/file", "of another task"),
        ('f', 0o755, "T/.venv-aside/python", "old"),
        ('f', 0o755, "T/.venv/python", "new"),
    ]);
    (before, after)
}

/// The switch of the environment, there and back.
fn switch(there: bool) -> EnvironmentChange {
    let [aside, built] = ["T/.venv-aside", "T/.venv-built"].map(RelPath::own);
    let (aside, bring) = if there { (aside, built) } else { (built, aside) };
    EnvironmentChange { path: RelPath::own("T/.venv"), aside: Some(aside), bring: Some(bring) }
}

/// The first operation of a repository.
fn first() -> Scenario {
    let (before, after) = versions();
    Scenario { base: World::with(&before), before, after, environment: Some(switch(true)), earlier: 0, stranger: None }
}

/// Its inverse, right after it: nothing has had time to become durable by itself.
fn second() -> Scenario {
    let first = first();
    let base = first.base.fork();
    alone(|| assert_eq!(first.act(&base), Some(true)));
    Scenario { base, before: first.after, after: first.before, environment: Some(switch(false)), earlier: 1, stranger: None }
}

/// How many disks to look at in all.
fn wanted() -> usize {
    std::env::var("SNAPBACK_CRASH_STATES").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000)
}

/// Explores and says how far it got.
fn explore(name: &str, scenario: &Scenario, share: usize) {
    let begun = Instant::now();
    let calls = alone(|| scenario.calls());
    // Each disk brings about two more: cut recoveries and what follows them.
    let limit = (wanted() / share / usize::try_from(calls).unwrap()).max(4);
    let looked = scenario.explore(limit, 13).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    println!("{name}: {looked} crash states at {calls} calls in {:.1} s", begun.elapsed().as_secs_f32());
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
fn what_somebody_else_wrote_in_between_is_kept() {
    for (when, path) in [
        (When::BetweenPlanAndApply, "T/config.yaml"),
        (When::BetweenPlanAndApply, "T/gone/deep/only"),
        (When::BeforeRecovery, "T/config.yaml"),
        (When::BeforeRecovery, "T/run.sh"),
    ] {
        let scenario = Scenario { stranger: Some((when, path, b"a stranger's edit")), ..first() };
        explore(path, &scenario, 8);
    }
}

#[test]
fn each_skipped_sync_is_noticed() {
    let begun = Instant::now();
    for point in SyncPoint::ALL {
        let caught = [first(), second()].iter().find_map(|scenario| {
            let mutant = Scenario { base: scenario.base.fork(), ..scenario.clone() };
            mutant.base.skip(point);
            (0..3).find_map(|round| mutant.explore(8 << (2 * round), 5).err())
        });
        let caught = caught.unwrap_or_else(|| panic!("nothing notices that {point:?} is skipped"));
        println!("{point:?}: {caught}");
    }
    println!("{} mutants in {:.1} s", SyncPoint::ALL.len(), begun.elapsed().as_secs_f32());
}
