//! Whether objects are there by the names on the disk: what an open handle can still read, but
//! something removed or cut short, is not there.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::{
    ChunkStore, Error,
    backend::FileName,
    format::BlobId,
    generation::Generation,
    index::{data, list},
};
use base::Digest;
use model::ObjectId;

/// The newest commit as the disk has it now, and which of its packs were looked for.
pub struct PresenceLook<'a> {
    store: &'a ChunkStore,
    generation: Generation,
    /// Whether a pack has its full size.
    packs: Mutex<HashMap<Digest, bool>>,
}

impl ChunkStore {
    /// Opens the newest commit anew, to look for objects.
    pub fn look(&self) -> Result<PresenceLook<'_>, Error> {
        Ok(PresenceLook {
            store: self,
            generation: Generation::open(&*self.backend).map_err(Error::Io)?,
            packs: Mutex::default(),
        })
    }
}

impl PresenceLook<'_> {
    /// Returns the number of plain bytes of an object, `None` when any of it is missing. Packs are
    /// looked for, not read, but for the object's list of chunks.
    pub fn size(&self, id: &ObjectId) -> Result<Option<u64>, Error> {
        if let Some(size) = self.blob(data(id.0))? {
            return Ok(Some(size));
        }
        if self.blob(list(id.0))?.is_none() {
            return self.store.legacy.size(id);
        }
        let Some(file) = self.store.packs.file(&self.generation, id)? else {
            return Ok(None);
        };
        for chunk in &file.chunks {
            if self.blob(data(chunk.id))?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(file.size))
    }

    /// Returns the number of plain bytes of a blob that lies in a pack of full size.
    fn blob(&self, blob: BlobId) -> Result<Option<u64>, Error> {
        for place in self.generation.index.find(blob).map_err(Error::Io)? {
            if self.has_pack(place.pack.id, place.pack.size)? {
                return Ok(Some(place.plain.into()));
            }
        }
        Ok(None)
    }

    /// True when a pack is there in its full size.
    fn has_pack(&self, id: Digest, size: u64) -> Result<bool, Error> {
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = packs.get(&id) {
            return Ok(*known);
        }
        let found = self.store.backend.size(&FileName::pack(&id));
        let whole = found.map_err(Error::Io)? == Some(size);
        packs.insert(id, whole);
        Ok(whole)
    }
}
