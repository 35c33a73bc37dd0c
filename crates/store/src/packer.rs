//! Writes blobs into a new pack, which gets a name only when it is complete and durable.

use std::io::{self, Write};

use super::{
    backend::{Area, Backend, FileName, StagedFile, Upload},
    format::{
        BlobCodec, BlobId, PackRef, blob,
        pack::{self, PackEntry},
    },
    index::Table,
};
use base::Digest;

/// zstd compression level: 1 is as fast as the disk.
const LEVEL: i32 = 1;

/// A pack being written.
pub struct Packer {
    file: Box<dyn Upload>,
    size: u64,
    entries: Vec<PackEntry>,
    compressor: zstd::bulk::Compressor<'static>,
    scratch: Vec<u8>,
}

/// A complete and durable pack without a name yet.
pub struct FinishedPack {
    /// Its bytes.
    file: Box<dyn StagedFile>,
    /// Its table of contents.
    pub table: Table,
}

impl FinishedPack {
    /// Splits it into the file with its intended name, and the table of contents.
    pub fn split(self) -> (NamedFile, Table) {
        ((FileName::pack(&self.table.pack.id), self.file), self.table)
    }
}

/// A complete file and its intended name.
pub type NamedFile = (FileName, Box<dyn StagedFile>);

impl Packer {
    /// Begins a pack for a session.
    pub fn new(backend: &dyn Backend, session: &str) -> io::Result<Self> {
        let mut file = backend.stage(Area::Packs, session)?;
        file.write_all(&pack::header())?;
        let compressor = zstd::bulk::Compressor::new(LEVEL)?;
        Ok(Self {
            file,
            size: pack::HEADER as u64,
            entries: Vec::new(),
            compressor,
            scratch: Vec::new(),
        })
    }

    /// Appends a blob; returns how many bytes the pack grew by.
    pub fn append(&mut self, blob: BlobId, plain: &[u8]) -> io::Result<u64> {
        // Data that does not shrink by at least 1/32 is stored uncompressed. This is the only test
        // for incompressible bytes.
        let room = plain.len() - plain.len() / 32;
        self.scratch.resize(room.max(self.scratch.len()), 0);
        let (codec, stored) = match self
            .compressor
            .compress_to_buffer(plain, &mut self.scratch[..room])
        {
            Ok(n) if n < plain.len() => (BlobCodec::Zstd, &self.scratch[..n]),
            _ => (BlobCodec::Raw, plain),
        };
        let (header, crc) = blob::header(blob, codec, plain.len(), stored);
        self.file.write_all(&header)?;
        self.file.write_all(stored)?;
        self.push(blob, codec, (plain.len(), stored.len()), crc)
    }

    /// Appends an encoded blob: header and stored bytes.
    pub fn append_encoded(&mut self, header: &blob::Header, bytes: &[u8]) -> io::Result<u64> {
        self.file.write_all(bytes)?;
        self.push(
            header.blob,
            header.codec,
            (header.plain as usize, header.stored as usize),
            header.crc,
        )
    }

    /// Records an appended blob.
    fn push(
        &mut self,
        blob: BlobId,
        codec: BlobCodec,
        (plain, stored): (usize, usize),
        crc: u32,
    ) -> io::Result<u64> {
        let number = |len: usize| u32::try_from(len).map_err(io::Error::other);
        let offset = u32::try_from(self.size).map_err(io::Error::other)?;
        let entry = PackEntry {
            blob,
            offset,
            stored: number(stored)?,
            plain: number(plain)?,
            codec,
            crc,
        };
        self.size = entry.end();
        self.entries.push(entry);
        Ok(entry.span() as u64 + pack::ENTRY as u64)
    }

    /// True when no more blobs should be added.
    pub fn is_full(&self) -> bool {
        self.size >= pack::TARGET
    }

    /// Writes the table and makes everything durable.
    pub fn finish(mut self) -> io::Result<FinishedPack> {
        let table = pack::table(&mut self.entries);
        let count = u32::try_from(self.entries.len()).map_err(io::Error::other)?;
        let trailer = pack::Trailer {
            offset: self.size,
            count,
            id: Digest::of(&table),
        };
        self.file.write_all(&table)?;
        self.file.write_all(&pack::trailer(trailer))?;
        let size = self.size + (table.len() + pack::TRAILER) as u64;
        Ok(FinishedPack {
            file: self.file.finish()?,
            table: Table {
                pack: PackRef {
                    id: trailer.id,
                    size,
                },
                entries: self.entries,
            },
        })
    }
}
