//! Copies the intact chunks of a damaged pack: by its table of contents, or, when that is
//! damaged too, by looking for chunks byte by byte. Each is proved before it is copied.

use std::io::{self, Read};

use bstr::ByteSlice;

use crate::{
    ChunkStore, Error, fetch,
    format::{blob, pack},
    gc::Copier,
    index::read_table,
    scan::{self, Proof, Scanner},
};
use base::Digest;

/// Copies what is intact of a pack.
pub fn copy(store: &ChunkStore, id: &Digest, copier: &mut Copier<'_>) -> Result<(), Error> {
    let path = store.layout.pack(id);
    if store.fs.stat(&path).map_err(Error::Io)?.is_none() {
        return Ok(());
    }
    let table = match read_table(&*store.fs, &path, None).map_err(Error::Io)? {
        Ok(table) if table.pack.id == *id => table,
        _ => return search(store, id, copier),
    };
    let mut scanner = Scanner::new();
    scanner.open(&*store.fs, &path).map_err(Error::Io)?;
    for entry in scan::by_offset(&table) {
        if let Ok((header, bytes)) = scanner.blob(&entry, Proof::Plain).map_err(Error::Io)? {
            copier.copy(&header, bytes)?;
        }
    }
    Ok(())
}

/// Looks for chunks in a pack whose table is lost. No length is believed before the checksum.
fn search(store: &ChunkStore, id: &Digest, copier: &mut Copier<'_>) -> Result<(), Error> {
    let mut bytes = Vec::new();
    let file = store.fs.open(&store.layout.pack(id)).map_err(Error::Io)?;
    file.take(pack::MAX)
        .read_to_end(&mut bytes)
        .map_err(|error: io::Error| Error::Io(error))?;
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

/// The header of an intact blob at the beginning of some bytes.
fn intact(bytes: &[u8]) -> Option<blob::Header> {
    let header = blob::read_header(bytes).ok()?;
    let own = bytes.get(..blob::HEADER + header.stored as usize)?;
    fetch::decode(own, header.blob).is_ok().then_some(header)
}
