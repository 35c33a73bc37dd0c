//! The effect of damage: which objects need bad blobs, and which have no other copy.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io,
};

use super::{Defect, FoundDamage};
use crate::{
    ChunkStore, Error,
    format::BlobId,
    index::{data, list},
};
use base::Digest;
use model::{ObjectId, store::Harm};

/// Reason why an object is not whole.
const NOWHERE: &str = "it is in no pack";

/// Walks the objects of a store, given the known defects.
struct HarmWalk<'a> {
    store: &'a ChunkStore,
    found: &'a FoundDamage,
    /// Packs with defects.
    bad: HashSet<Digest>,
    /// For each defect, the objects that need the affected data.
    needs: Vec<BTreeSet<ObjectId>>,
    /// Blobs that were tried, and whether they can be read.
    tried: HashMap<BlobId, bool>,
    /// Blobs that cannot be found or read, with their objects and the reasons.
    absent: Vec<(BlobId, ObjectId, String)>,
}

/// Returns all damage with the objects it affects, and the objects that cannot be read. `roots` is
/// `None` when nothing was found; then no object is examined.
pub fn harm(
    store: &ChunkStore,
    found: &FoundDamage,
    roots: Option<&BTreeSet<ObjectId>>,
) -> Result<(Vec<Harm>, Vec<ObjectId>), Error> {
    let bad = found
        .defects
        .iter()
        .filter_map(|defect| Some(defect.place?.0))
        .collect();
    let needs = vec![BTreeSet::new(); found.defects.len()];
    let mut walk = HarmWalk {
        store,
        found,
        bad,
        needs,
        tried: HashMap::new(),
        absent: Vec::new(),
    };
    let mut lost = BTreeSet::new();
    if let Some(roots) = roots {
        for id in found
            .packs
            .lists
            .iter()
            .chain(roots)
            .collect::<BTreeSet<_>>()
        {
            // A collection may already have dropped some chunks of a list that nothing names.
            if !walk.is_whole(*id, roots.contains(id))? {
                lost.insert(*id);
            }
        }
    }
    let mut harms: Vec<Harm> = found
        .defects
        .iter()
        .zip(&walk.needs)
        .map(|(defect, needs)| to_harm(store, defect, needs))
        .collect();
    for (blob, object, why) in &walk.absent {
        let why = why.clone();
        harms.push(Harm {
            file: String::new(),
            why,
            blob: Some(ObjectId(blob.id)),
            objects: vec![*object],
        });
    }
    // A bad chunk that no list names counts as an object.
    for defect in &found.defects {
        if let Some(blob) = defect.blob.filter(|blob| !walk.tried.contains_key(blob))
            && !walk.can_be_read(blob)?
        {
            lost.insert(ObjectId(blob.id));
        }
    }
    Ok((harms, lost.into_iter().collect()))
}

/// Converts a defect for reports.
fn to_harm(store: &ChunkStore, defect: &Defect, needs: &BTreeSet<ObjectId>) -> Harm {
    let mut objects = needs.clone();
    if objects.is_empty() {
        objects.extend(defect.blob.map(|blob| ObjectId(blob.id)));
    }
    Harm {
        file: defect
            .file
            .as_ref()
            .map(|file| store.backend.location(file))
            .unwrap_or_default(),
        why: defect.why.clone(),
        blob: defect.blob.map(|blob| ObjectId(blob.id)),
        objects: objects.into_iter().collect(),
    }
}

impl HarmWalk<'_> {
    /// True when the object can be read in full; records which defects affect it. Absent chunks
    /// count only when the object is needed.
    fn is_whole(&mut self, id: ObjectId, needed: bool) -> Result<bool, Error> {
        let generation = &self.found.generation;
        if !generation
            .index
            .find(data(id.0))
            .map_err(Error::Io)?
            .is_empty()
        {
            return self.has(id, data(id.0));
        }
        if generation
            .index
            .find(list(id.0))
            .map_err(Error::Io)?
            .is_empty()
        {
            return self.is_whole_in_old_format(id);
        }
        if !self.has(id, list(id.0))? {
            return Ok(false);
        }
        let Ok(Some(file)) = self.store.packs.file(generation, &id) else {
            return Ok(false);
        };
        let mut whole = true;
        for chunk in &file.chunks {
            let places = self
                .found
                .generation
                .index
                .find(data(chunk.id))
                .map_err(Error::Io)?;
            if places.is_empty() && !needed {
                continue;
            }
            if places.is_empty() {
                self.absent.push((data(chunk.id), id, NOWHERE.into()));
                whole = false;
            } else if places.iter().all(|place| place.plain != chunk.len) {
                whole = false;
            } else {
                whole &= self.has(id, data(chunk.id))?;
            }
        }
        Ok(whole)
    }

    /// True when an object that is in no pack is an intact one of the old format.
    fn is_whole_in_old_format(&mut self, id: ObjectId) -> Result<bool, Error> {
        let why = match self.store.legacy.read(&id, &mut io::sink()) {
            Ok(_) => return Ok(true),
            Err(Error::Missing(_)) => NOWHERE.into(),
            Err(Error::Damaged { why, .. }) => why,
            Err(error) => return Err(error),
        };
        self.absent.push((list(id.0), id, why));
        Ok(false)
    }

    /// True when the object's blob can be read; records which defects affect it.
    fn has(&mut self, id: ObjectId, blob: BlobId) -> Result<bool, Error> {
        let places = self.found.generation.index.find(blob).map_err(Error::Io)?;
        if !places.iter().any(|place| self.bad.contains(&place.pack.id)) {
            return Ok(true);
        }
        for (defect, needs) in self.found.defects.iter().zip(&mut self.needs) {
            let hits = |(pack, offset): (Digest, Option<u32>)| {
                places.iter().any(|place| {
                    place.pack.id == pack && offset.is_none_or(|offset| offset == place.offset)
                })
            };
            if defect.place.is_some_and(hits) {
                needs.insert(id);
            }
        }
        self.can_be_read(blob)
    }

    /// True when the blob can be read from one of its places.
    fn can_be_read(&mut self, blob: BlobId) -> Result<bool, Error> {
        if let Some(known) = self.tried.get(&blob) {
            return Ok(*known);
        }
        let readable = match self.store.packs.fetch(&self.found.generation, blob) {
            Ok(_) => true,
            Err(Error::Missing(_) | Error::Damaged { .. }) => false,
            Err(error) => return Err(error),
        };
        self.tried.insert(blob, readable);
        Ok(readable)
    }
}
