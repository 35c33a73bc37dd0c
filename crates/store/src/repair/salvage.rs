//! Copies the intact chunks of a damaged pack, found by its table of contents or, when that is
//! damaged too, by a byte-by-byte search. Each chunk is verified before it is copied.

use bstr::ByteSlice;

use crate::{
    ChunkStore, Error,
    backend::FileName,
    fetch,
    format::{blob, pack},
    gc::Copier,
    index::read_table,
    scan::{self, ProofDepth, Scanner},
};
use base::Digest;

/// Copies the intact blobs of a pack.
pub fn copy(store: &ChunkStore, id: &Digest, copier: &mut Copier<'_>) -> Result<(), Error> {
    let (backend, name) = (&*store.backend, FileName::pack(id));
    let Some(size) = backend.size(&name).map_err(Error::Io)? else {
        return Ok(());
    };
    let table = match read_table(backend, &name, None).map_err(Error::Io)? {
        Ok(table) if table.pack.id == *id => table,
        _ => return search(store, &name, size, copier),
    };
    let mut scanner = Scanner::new();
    scanner.open(backend, &name).map_err(Error::Io)?;
    for entry in scan::by_offset(&table) {
        if let Ok((header, bytes)) = scanner.blob(&entry, ProofDepth::Plain).map_err(Error::Io)? {
            copier.copy(&header, bytes)?;
        }
    }
    Ok(())
}

/// Searches a pack without a table for chunks. No length is trusted before the checksum matches.
fn search(
    store: &ChunkStore,
    name: &FileName,
    size: u64,
    copier: &mut Copier<'_>,
) -> Result<(), Error> {
    let len = usize::try_from(size.min(pack::MAX)).expect("because packs fit in memory");
    let mut bytes = vec![0; len];
    let input = store.backend.open(name).map_err(Error::Io)?;
    let read = input.read_at(0, &mut bytes).map_err(Error::Io)?;
    bytes.truncate(read);
    let mut at = 0;
    while let Some(found) = bytes[at..].find(blob::MAGIC) {
        at += found;
        match intact(&bytes[at..]) {
            Some(header) => {
                let len = blob::HEADER + header.stored as usize;
                copier.copy(&header, &bytes[at..at + len])?;
                at += len;
            }
            None => at += 1,
        }
    }
    Ok(())
}

/// Returns the header if the bytes begin with an intact blob.
fn intact(bytes: &[u8]) -> Option<blob::Header> {
    let header = blob::read_header(bytes).ok()?;
    let own = bytes.get(..blob::HEADER + header.stored as usize)?;
    fetch::decode(own, header.blob).is_ok().then_some(header)
}
