//! A blob that is a delta of the one before it: manifests, of which a release changes a few lines.
//!
//! git looks for the base of a delta in the same pack only. So the pack that has the base is merged
//! into the one that is being made, and goes when that has its name, like other small packs
//! (`gather.rs`). Its bytes are written again each time, but of the new object only the delta.
//! Where the base is in no such pack (git has packed it, or it is loose) the object is written
//! whole, and the next one is a delta again.
//!
//! A chain has few deltas, so that reading stays cheap. Then the next delta is made of its first
//! object; if it has become too large, the object is written whole. Each delta is applied to what
//! the pack has before it is added.

use std::{collections::HashMap, io, path::Path};

use gix::{ObjectId, objs::Kind};

use super::{
    super::{Error, delta, gather, pack},
    PendingObjects,
};
use gather::ReadPack;
use pack::PackOffset;

/// Most deltas in a chain: each takes as long as copying the object.
const LONGEST: usize = 16;
/// A pack is merged if it has at most this many bytes, and those of two such objects.
const SMALL: u64 = 64 << 10;
/// Largest object that is written as a delta, in bytes. Reading one takes two buffers of this size
/// and all deltas of its chain, and the reader refuses to take a gibibyte.
const LARGEST: usize = 32 << 20;
/// A delta takes at most this part of the object's bytes.
const WORTH: usize = 8;

impl PendingObjects {
    /// Adds a blob as a delta of a similar one; `record` begins the first line of their records.
    /// Returns false, and adds nothing, when that cannot be or is not worth it.
    pub fn add_delta(
        &self,
        objects: &Path,
        (id, bytes): (ObjectId, &[u8]),
        like: ObjectId,
        record: &[u8],
    ) -> Result<bool, Error> {
        if self.has(&id) {
            return Ok(true);
        }
        if bytes.len() > LARGEST {
            return Ok(false);
        }
        let most = SMALL + 2 * bytes.len() as u64;
        let packs = gather::packs_with(objects, &like, most, id.kind());
        let is_there = |pack: &ReadPack| pack.places.iter().any(|(listed, _)| *listed == id);
        let is_blob = |pack: &&ReadPack| {
            let mut places = pack.places.iter();
            places.any(|(listed, place)| *listed == like && place.kind == Kind::Blob)
        };
        let first = packs.first().filter(|_| !packs.iter().any(is_there));
        let Some(first) = first.filter(is_blob) else {
            return Ok(false);
        };
        // What cannot be read back is no base; the object is then written whole.
        let Ok(Some((entry, place))) = delta_for(first, like, bytes, record) else {
            return Ok(false);
        };
        let mut state = self.state();
        for pack in &packs {
            state.add_pack(objects, pack)?;
        }
        state.add(objects, id, &entry, place)?;
        Ok(true)
    }
}

/// Returns a blob's entry as a delta of an object of this pack; `None` when it is not worth it.
fn delta_for(
    pack: &ReadPack,
    like: ObjectId,
    bytes: &[u8],
    record: &[u8],
) -> io::Result<Option<(Vec<u8>, PackOffset)>> {
    let mut chain = DeltaChain::of(pack, like);
    if chain.ids.len() > LONGEST {
        chain.ids.drain(..chain.ids.len() - 1);
    }
    let base = chain.ids[0];
    let base_bytes = chain.read(pack)?;
    let Some(delta) = delta::encode(&base_bytes, bytes, record) else {
        return Ok(None);
    };
    let described = (Kind::Blob, bytes.len() as u64);
    let (entry, place) = pack::delta_entry(base, &delta, described, 0);
    if entry.len() > bytes.len() / WORTH {
        return Ok(None);
    }
    let again = pack::unpack_delta(&entry, base.kind())?;
    let is_right = delta::makes(&base_bytes, &again, bytes)?;
    Ok(is_right.then_some((entry, place)))
}

/// An object of a pack and what it is a delta of.
struct DeltaChain {
    /// The object, its base, and so on to a whole one.
    ids: Vec<ObjectId>,
    places: HashMap<ObjectId, PackOffset>,
}

impl DeltaChain {
    /// Follows the deltas from an object; the pack is closed.
    fn of(pack: &ReadPack, id: ObjectId) -> Self {
        let places: HashMap<_, _> = pack.places.iter().copied().collect();
        let next = |id: &ObjectId| places.get(id)?.base;
        let ids = std::iter::successors(Some(id), next).collect();
        Self { ids, places }
    }

    /// Returns the object's bytes.
    fn read(&self, pack: &ReadPack) -> io::Result<Vec<u8>> {
        let mut deltas = Vec::new();
        for id in &self.ids {
            let place = self.places.get(id).ok_or(io::ErrorKind::NotFound)?;
            let entry = pack.entry(place);
            if pack::head_of(entry, id.kind())?.unpacked > LARGEST as u64 {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            if place.base.is_some() {
                deltas.push(pack::unpack_delta(entry, id.kind())?);
            } else {
                let whole = pack::unpack(entry, place.size, id.kind())?;
                return delta::apply_all(whole, &deltas);
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests;
