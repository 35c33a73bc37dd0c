//! The mark phase: finds everything that is reachable from the roots.

use std::collections::{BTreeSet, HashSet};

use crate::{
    ChunkStore, Error,
    format::{BlobId, BlobKind, file::FileObject},
    generation::Generation,
    index::{data, list},
};
use model::ObjectId;

/// The result of the mark phase.
#[derive(Default)]
pub struct Reachable {
    /// Every reachable blob.
    pub blobs: HashSet<BlobId>,
    /// Roots that are missing or incomplete.
    pub missing: BTreeSet<ObjectId>,
}

/// Follows every root to its list and its chunks. An unreadable list is an error, because the
/// chunks that it needs are unknown.
pub fn reach(
    store: &ChunkStore,
    generation: &Generation,
    roots: &BTreeSet<ObjectId>,
) -> Result<Reachable, Error> {
    let mut reached = Reachable::default();
    let mut absent = HashSet::new();
    for id in roots {
        let whole = !generation
            .index
            .find(data(id.0))
            .map_err(Error::Io)?
            .is_empty();
        reached.blobs.insert(data(id.0));
        if !whole {
            absent.insert(data(id.0));
        }
        // A chunk and a longer file never have the same digest; keeping both does no harm.
        match list_of(store, generation, id)? {
            Some(file) => {
                reached.blobs.insert(list(id.0));
                if !add_chunks(generation, &file, &mut reached.blobs, &mut absent)? {
                    reached.missing.insert(*id);
                }
            }
            None if !whole && store.legacy.size(id)?.is_none() => {
                reached.missing.insert(*id);
            }
            None => {}
        }
    }
    Ok(reached)
}

/// Returns the list of an object, if it has one.
fn list_of(
    store: &ChunkStore,
    generation: &Generation,
    id: &ObjectId,
) -> Result<Option<FileObject>, Error> {
    store
        .packs
        .file(generation, id)
        .map_err(|error| match error {
            Error::Damaged { id, why } => Error::Unsound {
                file: format!("the list of chunks of {id}"),
                why,
            },
            other => other,
        })
}

/// Adds a file's chunks; returns false when one of them is missing. Each chunk is looked up once,
/// however many files share it.
fn add_chunks(
    generation: &Generation,
    file: &FileObject,
    blobs: &mut HashSet<BlobId>,
    absent: &mut HashSet<BlobId>,
) -> Result<bool, Error> {
    let mut all = true;
    for blob in file.chunks.iter().map(|chunk| data(chunk.id)) {
        if blobs.insert(blob) && generation.index.find(blob).map_err(Error::Io)?.is_empty() {
            absent.insert(blob);
        }
        all &= !absent.contains(&blob);
    }
    Ok(all)
}

/// Returns the objects among some blobs: the lists, and the chunks in none of these lists.
pub fn objects(
    store: &ChunkStore,
    generation: &Generation,
    blobs: &HashSet<BlobId>,
) -> Result<BTreeSet<ObjectId>, Error> {
    let mut parts = HashSet::new();
    let lists = blobs.iter().filter(|blob| blob.kind == BlobKind::File);
    for blob in lists {
        match store.packs.file(generation, &ObjectId(blob.id)) {
            Ok(Some(file)) => parts.extend(file.chunks.iter().map(|chunk| chunk.id)),
            Ok(None) | Err(Error::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let whole = |blob: &&BlobId| blob.kind == BlobKind::File || !parts.contains(&blob.id);
    Ok(blobs
        .iter()
        .filter(whole)
        .map(|blob| ObjectId(blob.id))
        .collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{backend::MemoryBackend, format::file::Chunk};
    use base::Digest;

    #[test]
    fn every_file_that_misses_a_chunk_is_missed() {
        let store = ChunkStore::new(Arc::new(MemoryBackend::default()));
        let [a, b, c, shared] = ["a", "b", "c", "shared"].map(|text| Digest::of(text.as_bytes()));
        let session = store.begin();
        session.store_chunks(&[c], &[b"c"]).expect("it stores");
        for (id, own) in [(a, c), (b, c)] {
            let chunks = [own, shared].map(|id| Chunk { id, len: 1 }).to_vec();
            session
                .store_file(
                    id,
                    &FileObject {
                        chunker: 1,
                        cutter: 0,
                        size: 2,
                        chunks,
                    },
                )
                .expect("it stores");
        }
        drop(session.commit().expect("it commits"));
        let generation = store.refresh().expect("it opens");
        for roots in [vec![a, b], vec![a, b, c], vec![a, b, c, shared]] {
            let roots: BTreeSet<ObjectId> = roots.into_iter().map(ObjectId).collect();
            let mut missing = reach(&store, &generation, &roots)
                .expect("it can be read")
                .missing;
            missing.remove(&ObjectId(shared));
            assert_eq!(missing, BTreeSet::from([ObjectId(a), ObjectId(b)]));
        }
    }
}
