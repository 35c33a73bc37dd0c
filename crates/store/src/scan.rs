//! Reads packs sequentially, a window at a time, into one reused buffer: for checks, collections
//! and repairs, which touch every byte of a pack once.
//!
//! Each result is attributed to its own entry: one flipped bit is one bad blob.

use std::io;

use super::{
    ChunkStore, Error,
    backend::{Backend, FileName, Input},
    fetch,
    format::{MalformedBytes, PackRef, blob, pack},
    index::{Table, read_table},
};
use base::aligned::{self, Aligned};

/// Number of bytes read at once.
const WINDOW: u64 = 4 << 20;
/// Packs up to this size go through the page cache.
const SMALL: u64 = 1 << 20;

/// How thoroughly a blob is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofDepth {
    /// Its checksum, and that its header matches the table.
    Checksum,
    /// Also that its plain bytes match its id, or are a readable list.
    Plain,
}

/// Reads packs one after another.
pub struct Scanner {
    input: Option<Box<dyn Input>>,
    size: u64,
    buffer: Aligned,
    begin: u64,
    len: usize,
}

impl Scanner {
    /// Creates a scanner with no open file.
    pub fn new() -> Self {
        Self {
            input: None,
            size: 0,
            buffer: Aligned::new(0),
            begin: 0,
            len: 0,
        }
    }

    /// Opens a file, replacing the previous one; returns its number of bytes.
    pub fn open(&mut self, backend: &dyn Backend, name: &FileName) -> io::Result<u64> {
        self.size = backend.size(name)?.ok_or(io::ErrorKind::NotFound)?;
        self.input = Some(backend.open(name)?);
        (self.begin, self.len) = (0, 0);
        Ok(self.size)
    }

    /// Returns at most `len` bytes from an offset; fewer at the file's end.
    pub fn bytes(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let end = offset.saturating_add(len as u64).min(self.size);
        if offset < self.begin || end > self.begin + self.len as u64 {
            let begin = aligned::floor(offset.min(self.size));
            let wanted =
                aligned::ceil(end.saturating_sub(begin).max(WINDOW.min(self.size - begin)));
            let wanted = usize::try_from(wanted).map_err(io::Error::other)?;
            if self.buffer.len() < wanted {
                self.buffer = Aligned::new(wanted);
            }
            let target = &mut self.buffer[..wanted];
            let input = self
                .input
                .as_ref()
                .expect("because nothing is read before a file is opened");
            self.len = if self.size > SMALL {
                input.read_once_at(begin, target)?
            } else {
                input.read_at(begin, target)?
            };
            self.begin = begin;
        }
        let from = usize::try_from(offset - self.begin)
            .map_err(io::Error::other)?
            .min(self.len);
        Ok(&self.buffer[from..(from + len).min(self.len)])
    }

    /// Returns a blob's header and verified bytes, or why it is not the blob that the table names.
    pub fn blob(
        &mut self,
        entry: &pack::PackEntry,
        proof: ProofDepth,
    ) -> io::Result<Result<(blob::Header, &[u8]), MalformedBytes>> {
        let bytes = self.bytes(entry.offset.into(), entry.span())?;
        let proved = || {
            let (header, _) = blob::split(bytes)?;
            let said = (
                entry.blob,
                entry.codec,
                entry.plain,
                entry.stored,
                entry.crc,
            );
            if said
                != (
                    header.blob,
                    header.codec,
                    header.plain,
                    header.stored,
                    header.crc,
                )
            {
                return Err(MalformedBytes::because(
                    "its header is not what the table of contents says",
                ));
            }
            if proof == ProofDepth::Plain {
                fetch::decode(bytes, entry.blob)?;
            }
            Ok(header)
        };
        Ok(proved().map(|header| (header, bytes)))
    }

    /// Checks that the file begins with a pack header.
    pub fn header(&mut self) -> io::Result<Result<(), MalformedBytes>> {
        let bytes = self.bytes(0, pack::HEADER)?;
        Ok(if bytes.len() < pack::HEADER {
            Err(MalformedBytes::because("it is too short"))
        } else {
            pack::read_header(bytes)
        })
    }
}

/// Returns the entries in the order of their offsets.
pub fn by_offset(table: &Table) -> Vec<pack::PackEntry> {
    let mut entries = table.entries.clone();
    entries.sort_unstable_by_key(|entry| entry.offset);
    entries
}

/// Returns the table of a pack; `Broken` when its id is not the pack's name.
pub fn table_of(store: &ChunkStore, pack: PackRef) -> io::Result<Result<Table, MalformedBytes>> {
    let table = read_table(&*store.backend, &FileName::pack(&pack.id), Some(pack.size))?;
    Ok(table.and_then(|table| {
        if table.pack.id == pack.id {
            Ok(table)
        } else {
            Err(MalformedBytes::because("it is another pack"))
        }
    }))
}

/// Returns the table of a pack; an error when it is damaged.
pub fn sound_table(store: &ChunkStore, pack: PackRef) -> Result<Table, Error> {
    table_of(store, pack)
        .map_err(Error::Io)?
        .map_err(|broken| unsound(store, &FileName::pack(&pack.id), &broken.0))
}

/// Returns the error for a damaged file.
pub fn unsound(store: &ChunkStore, file: &FileName, why: &str) -> Error {
    Error::Unsound {
        file: store.backend.location(file),
        why: why.into(),
    }
}
