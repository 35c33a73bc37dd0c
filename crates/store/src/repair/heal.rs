//! Makes an object whole again from bytes found elsewhere, believed only by their digest.

use std::io::{self, Read};

use super::Candidates;
use crate::{
    ChunkStore, Error,
    format::file::FileObject,
    gc::{Copier, piped, replace},
    index::data,
};
use base::{Digest, Failure};
use model::ObjectId;

/// True when an object is whole, or could be made whole.
pub fn heal(store: &ChunkStore, id: &ObjectId, sources: &Candidates<'_>) -> Result<bool, Failure> {
    if is_whole(store, id)? {
        return Ok(true);
    }
    // One of the old format that is whole was read above, unless a list in a pack hides it.
    if store.legacy.size(id).is_ok_and(|size| size.is_some()) {
        piped(store, id, |old| try_one(store, id, old))?.0?;
        if is_whole(store, id)? {
            return Ok(true);
        }
    }
    for mut candidate in sources(id) {
        try_one(store, id, &mut *candidate)?;
        if is_whole(store, id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes from a candidate what the store lacks of an object.
fn try_one(store: &ChunkStore, id: &ObjectId, candidate: &mut dyn Read) -> Result<(), Error> {
    let generation = store.refresh()?;
    match store.packs.file(&generation, id) {
        Ok(Some(file)) => put_chunks(store, &file, candidate),
        Ok(None) | Err(Error::Damaged { .. }) => put_whole(store, id, candidate),
        Err(error) => Err(error),
    }
}

/// True when an object can be read to its end.
fn is_whole(store: &ChunkStore, id: &ObjectId) -> Result<bool, Error> {
    match store.read(id, &mut io::sink()) {
        Ok(_) => Ok(true),
        Err(Error::Missing(_) | Error::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts what may be the whole object; kept only when it is.
fn put_whole(store: &ChunkStore, id: &ObjectId, from: &mut dyn Read) -> Result<(), Error> {
    let session = store.begin();
    match session.put(from) {
        Ok(stored) if stored.id == *id => drop(session.commit()?),
        // Another candidate may be readable.
        Ok(_) | Err(Error::Read(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Puts those chunks of a list that the store lacks and that a candidate has at their place.
fn put_chunks(store: &ChunkStore, file: &FileObject, from: &mut dyn Read) -> Result<(), Error> {
    let generation = store.refresh()?;
    let mut copier = Copier::new(store);
    let mut bytes = Vec::new();
    for chunk in &file.chunks {
        bytes.clear();
        // What ends early or cannot be read has no more chunks for us.
        if from.take(chunk.len.into()).read_to_end(&mut bytes).is_err()
            || bytes.len() < chunk.len as usize
        {
            break;
        }
        let lacks = matches!(
            store.packs.fetch(&generation, data(chunk.id)),
            Err(Error::Missing(_) | Error::Damaged { .. })
        );
        if lacks && Digest::of(&bytes) == chunk.id {
            copier.add(data(chunk.id), &bytes)?;
        }
    }
    let (packed, _lease) = copier.finish()?;
    if !packed.is_empty() {
        replace(store, &[], packed, false)?;
    }
    Ok(())
}
