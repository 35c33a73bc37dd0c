//! Tests commits, collections and repairs over a backend that fails or loses power at every call.
//!
//! Committed data stays readable, the store stays sound, and completed actions stay completed. Each
//! barrier is also needed: a store over a backend that skips one is caught.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use base::{Digest, Failure};
use model::ObjectId;
use store::{
    CheckDepth, CheckOptions, ChunkStore, Gc,
    backend::{Area, Backend, FileName, MemoryBackend, stage_bytes},
    wrap::{FaultPlan, FaultyBackend},
};

/// Pseudo-random numbers, reproducible by seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Returns incompressible bytes.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    std::iter::repeat_with(|| numbers.next().to_le_bytes())
        .flatten()
        .skip(64)
        .take(len)
        .collect()
}

fn id(bytes: &[u8]) -> ObjectId {
    ObjectId(Digest::of(bytes))
}

fn ids(contents: &[Vec<u8>]) -> BTreeSet<ObjectId> {
    contents.iter().map(|bytes| id(bytes)).collect()
}

/// A store at rest: everything in it is durable.
struct Case {
    files: Vec<(FileName, Vec<u8>)>,
    kept: Vec<Vec<u8>>,
}

impl Case {
    /// Creates a store with fourteen small files in seven packs, one fewer than get a segment. One
    /// file of each pack is named.
    fn new() -> Self {
        let backend = FaultyBackend::new(Arc::new(MemoryBackend::default()));
        let contents: Vec<Vec<u8>> = (0..14).map(|seed| noise(seed + 1, 400)).collect();
        for two in contents.chunks(2) {
            put(&open(&backend), two).unwrap();
        }
        let mut files = Vec::new();
        for area in [Area::Packs, Area::Index, Area::Log] {
            for name in backend.list(area).unwrap() {
                let name = FileName::new(area, name);
                files.push((name.clone(), backend.read(&name, 1 << 20).unwrap()));
            }
        }
        let kept = contents.into_iter().step_by(2).collect();
        Self { files, kept }
    }

    /// Like [`Self::new`], with a changed byte in one of its packs.
    fn damaged() -> Self {
        let mut case = Self::new();
        let needle = case.kept[1][100..132].to_vec();
        for (_, bytes) in &mut case.files {
            if let Some(at) = bytes.windows(32).position(|window| window == needle) {
                bytes[at] ^= 2;
            }
        }
        case
    }

    /// Returns a backend with its files.
    fn start(&self) -> FaultyBackend {
        let inner = MemoryBackend::default();
        for (name, bytes) in &self.files {
            let staged = stage_bytes(&inner, name.area, "case", bytes).unwrap();
            staged.put(name).unwrap();
        }
        FaultyBackend::new(Arc::new(inner))
    }
}

fn open(backend: &FaultyBackend) -> ChunkStore {
    ChunkStore::new(Arc::new(backend.clone()))
}

fn put(store: &ChunkStore, contents: &[Vec<u8>]) -> Result<(), Failure> {
    let session = store.begin();
    for bytes in contents {
        session.put(&mut &bytes[..])?;
    }
    drop(session.commit()?);
    Ok(())
}

fn collect(store: &ChunkStore, kept: &[Vec<u8>]) -> Result<(), Failure> {
    let how = Gc {
        dry_run: false,
        patience: Duration::ZERO,
        seconds: 1,
    };
    store.gc(&|| Ok(ids(kept)), how, &|_| ()).map(drop)
}

fn repair(store: &ChunkStore, kept: &[Vec<u8>]) -> Result<(), Failure> {
    let candidates = |wanted: &ObjectId| -> Vec<Box<dyn io::Read>> {
        let fits = kept.iter().filter(|bytes| id(bytes) == *wanted);
        fits.map(|bytes| Box::new(io::Cursor::new(bytes.clone())) as Box<dyn io::Read>)
            .collect()
    };
    store.repair(&ids(kept), &candidates, &|_| ()).map(drop)
}

/// Checks that all contents can be read and that the store is sound.
fn is_whole(backend: &FaultyBackend, contents: &[Vec<u8>]) -> Result<(), String> {
    let store = open(backend);
    for bytes in contents {
        let mut found = Vec::new();
        store
            .read(&id(bytes), &mut found)
            .map_err(|error| format!("{} bytes: {error}", bytes.len()))?;
        if found != *bytes {
            return Err(format!("{} bytes came back changed", bytes.len()));
        }
    }
    let how = CheckOptions {
        level: CheckDepth::Deep,
        budget: None,
        seconds: 1,
    };
    let report = store.check(&ids(contents), how, &|_| ());
    match report.map_err(|failure| failure.to_string())? {
        report if report.is_sound() => Ok(()),
        report => Err(format!("{report:?}")),
    }
}

/// Makes every call of `act` fail in turn: once or permanently, before or after it takes effect.
/// Cuts the power there, with the worst and with random losses, and inspects what is left. `look`
/// is told whether `act` reported success. Returns the number of inspections.
fn sweep(
    case: &Case,
    skip: Option<Area>,
    act: impl Fn(&FaultyBackend) -> Result<(), Failure>,
    look: impl Fn(&FaultyBackend, bool) -> Result<(), String>,
) -> Result<u64, String> {
    let mut numbers = Numbers(7);
    let mut looks = 0;
    for call in 1.. {
        let mut ends = true;
        for way in 0..8 {
            let (happens, lasts, all) = (way & 1 != 0, way & 2 != 0, way & 4 != 0);
            let backend = case.start();
            if let Some(area) = skip {
                backend.skip(area);
            }
            backend.plan(FaultPlan {
                call,
                kind: io::ErrorKind::ConnectionReset,
                happens,
                lasts,
            });
            let done = act(&backend).is_ok();
            ends &= backend.calls() < call;
            let mut lose = |changes: usize| {
                let some = usize::try_from(numbers.next() >> 1).unwrap();
                if all { 0 } else { some % (changes + 1) }
            };
            backend.cut_power(&mut lose).unwrap();
            look(&backend, done).map_err(|wrong| {
                format!("call {call}, happens {happens}, lasts {lasts}, done {done}: {wrong}")
            })?;
            looks += 1;
        }
        if ends {
            return Ok(looks);
        }
    }
    unreachable!("the act ends")
}

/// Sweeps a put, after whose completion the new contents must exist.
fn sweep_puts(skip: Option<Area>) -> Result<u64, String> {
    let (case, new) = (Case::new(), [noise(50, 500), noise(51, 200_000)]);
    let act = |backend: &FaultyBackend| put(&open(backend), &new);
    let look = |backend: &FaultyBackend, done: bool| {
        is_whole(backend, &case.kept)?;
        let more = noise(99, 700);
        put(&open(backend), std::slice::from_ref(&more)).map_err(|failure| failure.to_string())?;
        let mut contents = case.kept.clone();
        contents.push(more);
        if done {
            contents.extend_from_slice(&new);
        }
        is_whole(backend, &contents)
    };
    sweep(&case, skip, act, look)
}

/// Sweeps a collection, after which the next one must succeed.
fn sweep_collections(skip: Option<Area>) -> Result<u64, String> {
    let case = Case::new();
    let act = |backend: &FaultyBackend| collect(&open(backend), &case.kept);
    let look = |backend: &FaultyBackend, _: bool| {
        is_whole(backend, &case.kept)?;
        act(backend).map_err(|failure| format!("collecting again: {failure}"))?;
        is_whole(backend, &case.kept)?;
        let groups = [("all".to_string(), Vec::from_iter(ids(&case.kept)))];
        let stats = open(backend).stats(&groups);
        let stats = stats.map_err(|error| error.to_string())?;
        if stats.garbage * 5 <= stats.stored {
            Ok(())
        } else {
            Err(format!("{} bytes of garbage are left", stats.garbage))
        }
    };
    sweep(&case, skip, act, look)
}

/// Sweeps a repair. Once it completes, everything is whole and the damaged pack is kept; otherwise
/// the next one heals the rest.
fn sweep_repairs(skip: Option<Area>) -> Result<u64, String> {
    let case = Case::damaged();
    let act = |backend: &FaultyBackend| repair(&open(backend), &case.kept);
    let look = |backend: &FaultyBackend, done: bool| {
        if !done {
            act(backend).map_err(|failure| format!("repairing again: {failure}"))?;
        }
        is_whole(backend, &case.kept)?;
        if done && backend.list(Area::Quarantine).unwrap().is_empty() {
            return Err("the damaged pack is not kept".into());
        }
        Ok(())
    };
    sweep(&case, skip, act, look)
}

#[test]
fn no_fault_of_a_put_loses_what_was_there() {
    let looks = sweep_puts(None).unwrap();
    assert!(looks > 500, "{looks} looks");
}

#[test]
fn no_fault_of_a_collection_loses_what_is_named() {
    let looks = sweep_collections(None).unwrap();
    assert!(looks > 500, "{looks} looks");
}

#[test]
fn no_fault_of_a_repair_loses_what_can_be_healed() {
    let looks = sweep_repairs(None).unwrap();
    assert!(looks > 500, "{looks} looks");
}

#[test]
fn every_barrier_is_needed() {
    let caught = |what: &str, area: Area, swept: Result<u64, String>| {
        println!("{what} without {area:?}: {swept:?}");
        assert!(swept.is_err(), "no {what} notices that {area:?} is skipped");
    };
    for area in [Area::Packs, Area::Index, Area::Log] {
        caught("put", area, sweep_puts(Some(area)));
        caught("collection", area, sweep_collections(Some(area)));
    }
    for area in [Area::Packs, Area::Log, Area::Quarantine] {
        caught("repair", area, sweep_repairs(Some(area)));
    }
}
