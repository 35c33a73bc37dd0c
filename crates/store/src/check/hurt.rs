//! Whom damage hurts: which objects need what is bad, and which have no other copy of it.

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

/// Why an object is not whole.
const NOWHERE: &str = "it is in no pack";

/// Walks the objects of a store, with what is known to be bad.
struct HarmWalk<'a> {
    store: &'a ChunkStore,
    found: &'a FoundDamage,
    /// Packs of which something is bad.
    bad: HashSet<Digest>,
    /// The objects that need what a defect is about.
    needs: Vec<BTreeSet<ObjectId>>,
    /// Blobs that were tried.
    tried: HashMap<BlobId, bool>,
    /// Chunks that no pack has, or why not, and whose objects.
    absent: Vec<(BlobId, ObjectId, String)>,
}

/// Everything bad with the objects that it hurts, and the objects that cannot be given back.
/// Without roots nothing was found, and no object is looked at.
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
            // Of a list that nothing names, a collection may have dropped some chunks already.
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
    // A bad chunk that no list names is an object of its own.
    for defect in &found.defects {
        if let Some(blob) = defect.blob.filter(|blob| !walk.tried.contains_key(blob))
            && !walk.can_be_read(blob)?
        {
            lost.insert(ObjectId(blob.id));
        }
    }
    Ok((harms, lost.into_iter().collect()))
}

/// A defect for people and programs.
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
    /// True when an object can be given back; notes by what it is hurt. What is absent counts
    /// only when the object must be there.
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

    /// True when an object that is in no pack is one of the old format, and whole.
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

    /// True when a blob of an object can be read.
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

    /// True when one of the places of a blob gives it.
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
