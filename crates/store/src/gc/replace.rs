//! Replaces old packs with new ones in one commit, then removes everything that nothing names.

use std::collections::HashSet;

use super::leftovers::{Leftovers, sweep};
use crate::{
    ChunkStore, Error,
    commit::{self, SEGMENT},
    format::{PackRef, record::FileRef},
    generation::Generation,
    index::Table,
    packer::FinishedPack,
    scan,
};
use base::Digest;

/// Up to this many small segments are left alone.
const FEW_SEGMENTS: usize = 8;

/// Commits the replacement of some packs by others; each removed pack comes with whether some of
/// its blobs are dropped. `last` ends the collection: nothing remains condemned.
pub fn replace(
    store: &ChunkStore,
    removed: &[(PackRef, bool)],
    packed: Vec<FinishedPack>,
    last: bool,
) -> Result<Leftovers, Error> {
    let _alone = store.alone()?;
    let newest = store.sound()?;
    let mut record = newest.next(newest.record.sequence);
    let gone = packs_that_go(&newest, removed, &packed);
    let known: HashSet<Digest> = newest.index.packs().map(|pack| pack.id).collect();
    let mut tables: Vec<Table> = Vec::new();
    let mut segments = Vec::new();
    let heads: Vec<_> = newest.index.heads().collect();
    let merges = last
        && heads
            .iter()
            .filter(|(_, head)| head.entries < SEGMENT)
            .count()
            > FEW_SEGMENTS;
    for (file, head) in heads {
        let changes = head.packs.iter().any(|pack| gone.contains(&pack.id))
            || (merges && head.entries < SEGMENT);
        if !changes {
            segments.push(file);
            continue;
        }
        for pack in head.packs.iter().filter(|pack| !gone.contains(&pack.id)) {
            tables.push(scan::sound_table(store, *pack)?);
        }
    }
    record.packs.retain(|pack| !gone.contains(&pack.id));
    let fresh = packed
        .into_iter()
        .filter(|packed| !known.contains(&packed.table.pack.id));
    let mut packs = Vec::new();
    let unsegmented = tables.is_empty();
    for (pack, table) in fresh.map(FinishedPack::split) {
        packs.push(pack);
        if unsegmented {
            record.packs.push(table.pack);
        } else {
            tables.push(table);
        }
    }
    let indexes = commit::segments_of(&tables);
    record.segments = segments
        .into_iter()
        .chain(indexes.iter().map(|bytes| FileRef::of(bytes)))
        .collect();
    record.dead = record.dead.filter(|_| !last);
    let (old, now) = (&newest.record, &record);
    if (&old.packs, &old.segments, &old.dead) != (&now.packs, &now.segments, &now.dead) {
        commit::write(store, packs, &indexes, &record).map_err(Error::Write)?;
        store.forget();
    }
    sweep(store)
}

/// Returns the removed packs that may go now and do not return under the same name.
fn packs_that_go(
    newest: &Generation,
    removed: &[(PackRef, bool)],
    packed: &[FinishedPack],
) -> HashSet<Digest> {
    // A session may have stored the same pack again and rely on it: see `commit::spare`.
    let may = |(pack, drops): &&(PackRef, bool)| {
        !drops || newest.index.dead().packs.binary_search(&pack.id).is_ok()
    };
    removed
        .iter()
        .filter(may)
        .map(|(pack, _)| pack.id)
        .filter(|id| !packed.iter().any(|packed| packed.table.pack.id == *id))
        .collect()
}
