//! The collection on disks that lose unsynced data, or are full.

use std::sync::Arc;

use snapback::{base::Fs, store::SYNC_POINTS};

use crate::{
    it::store_gc::all_there,
    support::{
        noise,
        shelf::{self, gc, ids, put},
        sim::{SimFs, sweep},
    },
};

/// Creates seven small files in three packs; four of them are referenced.
fn simulated() -> (SimFs, Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let sim = SimFs::new();
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let store = shelf::open(&fs);
    let contents: Vec<Vec<u8>> = (0..7)
        .map(|seed| noise(seed + 1, 300 + 40 * usize::try_from(seed).unwrap()))
        .collect();
    for some in contents.chunks(3) {
        drop(put(&store, some).unwrap());
    }
    sim.settle();
    let kept: Vec<Vec<u8>> = contents.iter().step_by(2).cloned().collect();
    (sim, contents, kept)
}

fn collect_on(sim: &SimFs, kept: &[Vec<u8>]) -> Result<(), snapback::base::Failure> {
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let store = shelf::open(&fs);
    let roots = ids(kept);
    gc(&store, &roots).map(drop)
}

/// Checks a crashed store: all references are there, and a collection succeeds and is complete.
fn look(disk: &SimFs, kept: &[Vec<u8>]) -> Result<(), String> {
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    all_there(&shelf::open(&fs), kept)?;
    gc(&shelf::open(&fs), &ids(kept)).map_err(|error| format!("collecting again: {error}"))?;
    all_there(&shelf::open(&fs), kept)?;
    let store = shelf::open(&fs);
    let left = store
        .stats(&[("all".into(), ids(kept).into_iter().collect())])
        .map_err(|error| error.to_string())?;
    // A fifth of a pack may be garbage.
    if left.garbage * 5 <= left.stored {
        Ok(())
    } else {
        Err(format!("{} bytes of garbage are left", left.garbage))
    }
}

#[test]
fn a_power_cut_at_any_call_of_a_collection_loses_nothing() {
    let (sim, _, kept) = simulated();
    let looked = sweep(
        &sim,
        6,
        11,
        |fs| collect_on(fs, &kept),
        |disk, _| look(disk, &kept),
    )
    .unwrap();
    assert!(looked > 100, "{looked} disks");
}

#[test]
fn a_collection_makes_room_on_a_full_disk() {
    let sim = SimFs::new();
    let fs: Arc<dyn Fs> = Arc::new(sim.clone());
    let store = shelf::open(&fs);
    let (kept, gone) = (
        vec![noise(1, 40_000), noise(2, 900)],
        vec![noise(3, 3 << 20)],
    );
    let mixed = vec![noise(4, 100_000), noise(5, 50_000)];
    drop(put(&store, &kept).unwrap());
    // The first collection sets space aside.
    gc(&store, &ids(&kept)).unwrap();
    drop(put(&store, &gone).unwrap());
    drop(put(&store, &mixed).unwrap());
    sim.limit_room(sim.used());
    assert!(put(&store, &[noise(6, 5000)]).is_err(), "the disk is full");
    let kept = [&kept[..], &mixed[..1]].concat();
    let report = gc(&store, &ids(&kept)).unwrap();
    assert!(report.freed > 3 << 20, "{report:?}");
    all_there(&store, &kept).unwrap();
    drop(put(&store, &[noise(6, 5000)]).unwrap());
}

#[test]
fn every_sync_of_a_collection_is_needed() {
    for point in SYNC_POINTS {
        let (sim, _, kept) = simulated();
        sim.skip(point);
        let swept = sweep(
            &sim,
            24,
            5,
            |fs| collect_on(fs, &kept),
            |disk, _| look(disk, &kept),
        );
        assert!(swept.is_err(), "nobody notices that {point:?} is skipped");
    }
}
