//! The repair on disks that lose unsynced data.

use std::{collections::BTreeSet, sync::Arc};

use snapback::{
    base::Fs,
    store::{CheckDepth, sync_points},
};

use crate::support::{
    noise,
    shelf::{self, check, ids, put, repair},
    sim::{SimFs, sweep},
};

/// Creates a settled disk with a store of six objects in two packs, one of them with a changed
/// byte. Returns the contents and the damaged pack as well.
fn damaged() -> (SimFs, Vec<Vec<u8>>, Vec<u8>) {
    let sim = SimFs::new();
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let contents: Vec<Vec<u8>> = (0..6).map(|seed| noise(seed + 1, 400)).collect();
    for some in contents.chunks(3) {
        drop(put(&shelf::open(&fs), some).unwrap());
    }
    let packs: Vec<Vec<u8>> = sim
        .tree()
        .into_keys()
        .filter(|path| path.starts_with(b"store/packs/"))
        .collect();
    let path = String::from_utf8(packs[0].clone()).unwrap();
    let mut bytes = sim.get(&path).unwrap();
    bytes[200] ^= 2;
    sim.put_synced(&path, &bytes);
    sim.settle();
    (sim, contents, bytes)
}

/// Cuts the power at every call of a repair. Once it is done, everything is whole and the damaged
/// pack is kept, without another repair. Before that, another repair that finds no copies elsewhere
/// loses nothing more.
fn cut_repairs(sim: &SimFs, contents: &[Vec<u8>], pack: &[u8]) -> Result<u64, String> {
    let roots = ids(contents);
    let on = |sim: &SimFs| -> Arc<dyn Fs> { Arc::new(sim.clone()) };
    let look = |disk: &SimFs, done: bool| {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        if done {
            let after = check(&shelf::open(&on(disk)), &roots, CheckDepth::Deep)
                .map_err(|error| text(&error))?;
            let is_kept = disk.tree().into_keys().any(|path| {
                let path = String::from_utf8_lossy(&path).into_owned();
                path.contains("quarantine") && disk.get(&path).is_some_and(|bytes| bytes == pack)
            });
            return if after.is_sound() && is_kept {
                Ok(())
            } else {
                Err(format!("kept: {is_kept}, {after:?}"))
            };
        }
        let report = repair(&shelf::open(&on(disk)), &roots, &[]).map_err(|error| text(&error))?;
        let after = check(&shelf::open(&on(disk)), &BTreeSet::new(), CheckDepth::Deep)
            .map_err(|error| text(&error))?;
        if report.lost.len() <= 1 && after.damage.is_empty() {
            Ok(())
        } else {
            Err(format!("{report:?}, {after:?}"))
        }
    };
    sweep(
        sim,
        24,
        3,
        |sim| repair(&shelf::open(&on(sim)), &roots, contents),
        look,
    )
}

#[test]
fn a_repair_that_is_done_survives_a_power_cut_and_every_sync_of_it_is_needed() {
    let (sim, contents, pack) = damaged();
    assert!(cut_repairs(&sim, &contents, &pack).unwrap() > 50);
    for point in [
        sync_points::PACK_FILE,
        sync_points::PACK_DIR,
        sync_points::COMMIT_FILE,
        sync_points::COMMIT_DIR,
    ] {
        let mutant = sim.fork();
        mutant.skip(point);
        let caught = cut_repairs(&mutant, &contents, &pack);
        println!("{point:?}: {caught:?}");
        assert!(caught.is_err(), "nobody notices that {point:?} is skipped");
    }
}

#[test]
fn a_power_cut_at_any_call_of_a_repair_is_repaired_by_the_next() {
    let (sim, contents, _) = damaged();
    let roots = ids(&contents);
    let mend = |sim: &SimFs| {
        let fs: Arc<dyn Fs> = Arc::new(sim.clone());
        repair(&shelf::open(&fs), &roots, &contents)
    };
    let look = |disk: &SimFs, _: bool| {
        let report = mend(disk).map_err(|error| error.to_string())?;
        let fs: Arc<dyn Fs> = Arc::new(disk.clone());
        let after = check(&shelf::open(&fs), &roots, CheckDepth::Deep)
            .map_err(|error| error.to_string())?;
        if report.lost.is_empty() && after.is_sound() {
            Ok(())
        } else {
            Err(format!("{report:?}, {after:?}"))
        }
    };
    let looked = sweep(&sim, 6, 3, mend, look).unwrap();
    assert!(looked > 50, "{looked} disks");
}
