//! Checks that each pack is whole and that every byte of it is accounted for.

use std::{collections::BTreeMap, io, sync::Mutex, time::Instant};

use rayon::prelude::*;

use super::{CheckDepth, Defect, ProofNotes};
use crate::{
    ChunkStore, Error,
    backend::FileName,
    format::{BlobKind, PackRef, pack},
    gc::GcProgress,
    generation::Generation,
    index::Table,
    scan::{self, ProofDepth, Scanner},
};
use base::{Digest, Failure, cancel};
use model::ObjectId;

/// The packs that were read.
#[derive(Default)]
pub struct CheckedPacks {
    /// Their ids.
    pub seen: Vec<Digest>,
    /// Number of bytes of their files.
    pub bytes: u64,
    /// Number of blobs in them.
    pub blobs: u64,
    /// The lists of chunks in all packs, checked or not.
    pub lists: Vec<ObjectId>,
    /// Number of packs left unchecked for lack of time.
    pub remaining: usize,
}

/// The result of checking one pack.
struct CheckedPack {
    pack: PackRef,
    defects: Vec<Defect>,
    blobs: u64,
}

/// Checks all packs that a commit relies on, those checked longest ago first; returns the packs
/// that were read, and their defects.
pub fn check(
    store: &ChunkStore,
    generation: &Generation,
    level: CheckDepth,
    end: Option<Instant>,
    progress: &GcProgress<'_>,
) -> Result<(CheckedPacks, Vec<Defect>), Failure> {
    let packs = all(generation);
    let verified = ProofNotes::read(store);
    let mut due: Vec<PackRef> = packs
        .into_iter()
        .map(|(id, size)| PackRef { id, size })
        .collect();
    due.sort_by_key(|pack| verified.last(&pack.id, level));
    let results = Mutex::new(Vec::new());
    // Threads take packs in this order, so the unchecked ones are always the end of it.
    let next = Mutex::new(due.iter());
    let work = |scanner: &mut Scanner| -> Result<(), Failure> {
        loop {
            cancel::check()?;
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(());
            }
            let Some(pack) = next.lock().expect("because no holder panics").next() else {
                return Ok(());
            };
            let one = check_one(store, *pack, level, scanner).map_err(Error::Io)?;
            progress(pack.size);
            results.lock().expect("because no holder panics").push(one);
        }
    };
    (0..rayon::current_num_threads())
        .into_par_iter()
        .try_for_each(|_| work(&mut Scanner::new()))?;
    let mut checked = CheckedPacks {
        lists: lists(store, &due)?,
        ..CheckedPacks::default()
    };
    let results = results.into_inner().expect("because no holder panics");
    checked.remaining = due.len() - results.len();
    let mut defects = Vec::new();
    for one in results {
        checked.seen.push(one.pack.id);
        checked.bytes += one.pack.size;
        checked.blobs += one.blobs;
        defects.extend(one.defects);
    }
    checked.seen.sort_unstable();
    Ok((checked, defects))
}

/// Returns the packs that a commit relies on, including those that its damaged index lacks.
fn all(generation: &Generation) -> BTreeMap<Digest, u64> {
    let named = generation.record.packs.iter().copied();
    generation
        .index
        .packs()
        .chain(named)
        .map(|pack| (pack.id, pack.size))
        .collect()
}

/// Returns the lists of chunks in some packs.
fn lists(store: &ChunkStore, packs: &[PackRef]) -> Result<Vec<ObjectId>, Error> {
    let mut lists = Vec::new();
    for pack in packs {
        let Ok(table) = scan::table_of(store, *pack).map_err(Error::Io)? else {
            continue;
        };
        lists.extend(
            table
                .entries
                .iter()
                .filter(|entry| entry.blob.kind == BlobKind::File)
                .map(|entry| ObjectId(entry.blob.id)),
        );
    }
    lists.sort_unstable();
    lists.dedup();
    Ok(lists)
}

/// Checks one pack.
fn check_one(
    store: &ChunkStore,
    pack: PackRef,
    level: CheckDepth,
    scanner: &mut Scanner,
) -> io::Result<CheckedPack> {
    let name = FileName::pack(&pack.id);
    let mut one = CheckedPack {
        pack,
        defects: Vec::new(),
        blobs: 0,
    };
    let broken = |why: String| Defect {
        place: Some((pack.id, None)),
        ..Defect::file(name.clone(), why)
    };
    let table = match scan::table_of(store, pack)? {
        Ok(table) => table,
        Err(why) => {
            one.defects.push(broken(why.0));
            return Ok(one);
        }
    };
    scanner.open(&*store.backend, &name)?;
    if let Err(why) = scanner.header()? {
        one.defects.push(broken(why.0));
    }
    one.blobs = table.entries.len() as u64;
    if level == CheckDepth::Quick {
        return Ok(one);
    }
    let proof = if level == CheckDepth::Deep {
        ProofDepth::Plain
    } else {
        ProofDepth::Checksum
    };
    if let Err(why) = blobs(&table, proof, scanner, &mut one.defects, &name)? {
        one.defects.push(broken(why));
    }
    Ok(one)
}

/// Checks the blobs of a pack; the inner error reports bytes that belong to no blob.
fn blobs(
    table: &Table,
    proof: ProofDepth,
    scanner: &mut Scanner,
    defects: &mut Vec<Defect>,
    name: &FileName,
) -> io::Result<Result<(), String>> {
    let mut at = pack::HEADER as u64;
    let mut stray = Ok(());
    for entry in scan::by_offset(table) {
        if u64::from(entry.offset) != at {
            stray = Err(format!("{at} is followed by bytes that belong to no chunk"));
        }
        at = entry.end();
        if let Err(why) = scanner.blob(&entry, proof)? {
            let place = Some((table.pack.id, Some(entry.offset)));
            defects.push(Defect {
                file: Some(name.clone()),
                why: why.0,
                blob: Some(entry.blob),
                place,
            });
        }
    }
    if at + (table.entries.len() * pack::ENTRY + pack::TRAILER) as u64 != table.pack.size {
        stray = Err(format!("{at} is followed by bytes that belong to no chunk"));
    }
    Ok(stray)
}
