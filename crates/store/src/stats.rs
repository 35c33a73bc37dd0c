//! Statistics of the store: what is named, what is stored, and for which task.

use std::collections::{BTreeSet, HashSet};

use super::{
    ChunkStore, Error,
    check::{CheckDepth, ProofNotes},
    format::{BlobId, BlobKind, blob},
    gc::{leftovers, reach},
    generation::Generation,
    scan,
};
use model::{
    ObjectId,
    store::{GroupStats, StoreStats},
};

impl ChunkStore {
    /// Returns the number of bytes of all packs.
    pub fn stored(&self) -> Result<u64, Error> {
        Ok(self.refresh()?.index.packs().map(|pack| pack.size).sum())
    }

    /// Returns statistics of the store and of each group of objects.
    pub fn stats(&self, groups: &[(String, Vec<ObjectId>)]) -> Result<StoreStats, Error> {
        let generation = self.refresh()?;
        let mut stats = StoreStats {
            segments: generation.record.segments.len(),
            ..StoreStats::default()
        };
        let (mut seen, mut all_stored) = (HashSet::new(), 0);
        let verified = ProofNotes::read(self);
        let mut times: Vec<(i64, i64)> = Vec::new();
        for pack in generation.index.packs() {
            stats.packs += 1;
            stats.stored += pack.size;
            times.push((
                verified.last(&pack.id, CheckDepth::Fast),
                verified.last(&pack.id, CheckDepth::Deep),
            ));
            for entry in scan::sound_table(self, pack)?.entries {
                all_stored += entry.span() as u64;
                if seen.insert(entry.blob) {
                    match entry.blob.kind {
                        BlobKind::Data => {
                            (stats.chunks, stats.unique) =
                                (stats.chunks + 1, stats.unique + u64::from(entry.plain));
                        }
                        BlobKind::File => stats.lists += 1,
                    }
                }
            }
        }
        let when = |time: Option<i64>| time.filter(|time| *time != 0);
        stats.last_fast = when(times.iter().map(|times| times.0).min());
        stats.last_deep = when(times.iter().map(|times| times.1).min());
        stats.last_gc = verified.gc;
        stats.index = generation
            .record
            .segments
            .iter()
            .map(|file| file.size)
            .sum();
        stats.old_objects = self.legacy.all().map_err(Error::Io)?.len();
        let mut needed = HashSet::new();
        for (name, objects) in groups {
            let group = self.group(&generation, name, objects, &mut needed)?;
            stats.logical += group.logical;
            stats.groups.push(group);
        }
        stats.garbage = all_stored.saturating_sub(sizes(&generation, &needed)?.1)
            + leftovers::look(self, &generation).map_err(Error::Io)?.bytes;
        Ok(stats)
    }

    /// Returns the statistics of one group.
    fn group(
        &self,
        generation: &Generation,
        name: &str,
        objects: &[ObjectId],
        needed: &mut HashSet<BlobId>,
    ) -> Result<GroupStats, Error> {
        let ids: BTreeSet<ObjectId> = objects.iter().copied().collect();
        let reached = reach(self, generation, &ids)?;
        let mut logical = 0;
        for id in objects {
            logical += self.size(id)?.unwrap_or(0);
        }
        let (unique, stored) = sizes(generation, &reached.blobs)?;
        needed.extend(&reached.blobs);
        Ok(GroupStats {
            name: name.into(),
            objects: ids.len(),
            logical,
            unique,
            stored,
            missing: reached.missing.len(),
        })
    }
}

/// Returns the plain bytes of the chunks and the stored bytes of all blobs.
fn sizes(generation: &Generation, blobs: &HashSet<BlobId>) -> Result<(u64, u64), Error> {
    let (mut plain, mut stored) = (0, 0);
    for blob in blobs {
        let Some(place) = generation
            .index
            .find(*blob)
            .map_err(Error::Io)?
            .into_iter()
            .next()
        else {
            continue;
        };
        stored += blob::HEADER as u64 + u64::from(place.stored);
        plain += if blob.kind == BlobKind::Data {
            u64::from(place.plain)
        } else {
            0
        };
    }
    Ok((plain, stored))
}
