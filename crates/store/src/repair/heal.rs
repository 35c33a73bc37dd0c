//! Restores an object from bytes found elsewhere, trusted only if their digest matches.

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

/// Heals an object if necessary; returns true when it is whole in the end.
pub fn heal(store: &ChunkStore, id: &ObjectId, sources: &Candidates<'_>) -> Result<bool, Failure> {
    if is_whole(store, id)? {
        return Ok(true);
    }
    // An intact object of the old format was read above, unless a list in a pack hides it.
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

/// Takes the missing parts of an object from a candidate.
fn try_one(store: &ChunkStore, id: &ObjectId, candidate: &mut dyn Read) -> Result<(), Error> {
    let generation = store.refresh()?;
    match store.packs.file(&generation, id) {
        Ok(Some(file)) => put_chunks(store, &file, candidate),
        Ok(None) | Err(Error::Damaged { .. }) => put_whole(store, id, candidate),
        Err(error) => Err(error),
    }
}

/// True when the object can be read to its end.
fn is_whole(store: &ChunkStore, id: &ObjectId) -> Result<bool, Error> {
    match store.read(id, &mut io::sink()) {
        Ok(_) => Ok(true),
        Err(Error::Missing(_) | Error::Damaged { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Puts bytes that may be the whole object; keeps them only if they are.
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

/// Puts the chunks of a list that the store lacks and that a candidate has at their place.
fn put_chunks(store: &ChunkStore, file: &FileObject, from: &mut dyn Read) -> Result<(), Error> {
    let generation = store.refresh()?;
    let mut copier = Copier::new(store);
    let mut bytes = Vec::new();
    for chunk in &file.chunks {
        bytes.clear();
        // A candidate that ends early or cannot be read has no more usable chunks.
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
