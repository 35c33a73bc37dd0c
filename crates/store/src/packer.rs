//! Writes blobs into one new pack, which has no name until it is complete and synced.

use std::io::{self, Write};

use super::{
    format::{
        BlobId, Codec, PackRef, blob,
        pack::{self, Entry},
    },
    index::Table,
    layout::{FILE_MODE, Layout},
    sync,
};
use base::{Digest, Fs, Output, RelPath};

/// zstd's level: 1 is as fast as the disk.
const LEVEL: i32 = 1;

/// A pack being written.
pub struct Packer {
    file: Box<dyn Output>,
    temp: RelPath,
    size: u64,
    entries: Vec<Entry>,
    compressor: zstd::bulk::Compressor<'static>,
    scratch: Vec<u8>,
}

/// A pack that is complete and synced, and has no name yet.
pub struct Packed {
    /// Where it is.
    pub temp: RelPath,
    /// What is in it.
    pub table: Table,
}

impl Packer {
    /// Begins a pack at a temporary path.
    pub fn new(fs: &dyn Fs, temp: RelPath) -> io::Result<Self> {
        remove_leftover(fs, &temp)?;
        let mut file = fs.create_bulk(&temp, FILE_MODE)?;
        file.write_all(&pack::header())?;
        let compressor = zstd::bulk::Compressor::new(LEVEL)?;
        Ok(Self {
            file,
            temp,
            size: pack::HEADER as u64,
            entries: Vec::new(),
            compressor,
            scratch: Vec::new(),
        })
    }

    /// Appends a blob; returns how many bytes the pack grew by.
    pub fn append(&mut self, blob: BlobId, plain: &[u8]) -> io::Result<u64> {
        // What does not become smaller by a thirty-second is stored as it is: that, and
        // nothing else, is the test for incompressible bytes.
        let room = plain.len() - plain.len() / 32;
        self.scratch.resize(room.max(self.scratch.len()), 0);
        let (codec, stored) = match self
            .compressor
            .compress_to_buffer(plain, &mut self.scratch[..room])
        {
            Ok(n) if n < plain.len() => (Codec::Zstd, &self.scratch[..n]),
            _ => (Codec::Raw, plain),
        };
        let (header, crc) = blob::header(blob, codec, plain.len(), stored);
        self.file.write_all(&header)?;
        self.file.write_all(stored)?;
        self.push(blob, codec, (plain.len(), stored.len()), crc)
    }

    /// Appends a blob that is encoded already, header and stored bytes.
    pub fn append_encoded(&mut self, header: &blob::Header, bytes: &[u8]) -> io::Result<u64> {
        self.file.write_all(bytes)?;
        self.push(
            header.blob,
            header.codec,
            (header.plain as usize, header.stored as usize),
            header.crc,
        )
    }

    /// Notes what was appended.
    fn push(
        &mut self,
        blob: BlobId,
        codec: Codec,
        (plain, stored): (usize, usize),
        crc: u32,
    ) -> io::Result<u64> {
        let number = |len: usize| u32::try_from(len).map_err(io::Error::other);
        let offset = u32::try_from(self.size).map_err(io::Error::other)?;
        let entry = Entry {
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

    /// True when no more blobs should go into it.
    pub fn is_full(&self) -> bool {
        self.size >= pack::TARGET
    }

    /// Where it is written.
    pub fn temp(&self) -> &RelPath {
        &self.temp
    }

    /// Writes the table and forces everything to the disk.
    pub fn finish(mut self) -> io::Result<Packed> {
        let table = pack::table(&mut self.entries);
        let count = u32::try_from(self.entries.len()).map_err(io::Error::other)?;
        let trailer = pack::Trailer {
            offset: self.size,
            count,
            id: Digest::of(&table),
        };
        self.file.write_all(&table)?;
        self.file.write_all(&pack::trailer(trailer))?;
        self.file.sync(sync::PACK_FILE)?;
        let size = self.size + (table.len() + pack::TRAILER) as u64;
        Ok(Packed {
            temp: self.temp,
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

/// Removes what a process that died left under a temporary name. The name is ours alone: a lock
/// is held on it, or on the whole store; but process ids come again, in containers always.
pub fn remove_leftover(fs: &dyn Fs, temp: &RelPath) -> io::Result<()> {
    if fs.stat(temp)?.is_some() {
        fs.remove_file(temp)
    } else {
        Ok(())
    }
}

/// Where a session writes its `nth` file.
pub fn temp(layout: &Layout, session: &str, nth: usize) -> RelPath {
    layout.tmp().join(format!("{session}-{nth}"))
}
