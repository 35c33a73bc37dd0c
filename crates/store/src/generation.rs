//! The state of the store at one commit: the newest log record and the index it names.
//!
//! A store whose newest record is damaged can still be read: the previous record is used, and
//! existing packs are read through their own tables. `check` reports the damage.

use std::io;

use super::{
    backend::{Backend, FileName},
    files::{read_whole, sequences},
    format::{MalformedBytes, record::CommitRecord},
    index::Index,
};
use base::Digest;

/// Largest size of a record, in bytes.
const MAX_RECORD: u64 = 256 << 20;

/// One commit, opened.
pub struct Generation {
    /// The record of the commit.
    pub record: CommitRecord,
    /// SHA-256 of the record's bytes.
    pub hash: Digest,
    /// The index of its blobs.
    pub index: Index,
}

impl Generation {
    /// Opens the newest commit. A concurrent collection may remove files between reading the record
    /// and opening the files it names; in that case a newer record exists and is tried.
    pub fn open(backend: &dyn Backend) -> io::Result<Self> {
        loop {
            let newest = sequences(backend)?.last().copied();
            let opened = Self::open_newest(backend);
            let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
            let lacks = opened
                .as_ref()
                .map_or_else(gone, |generation| !generation.index.damage.is_empty());
            if !lacks || sequences(backend)?.last().copied() == newest {
                return opened;
            }
        }
    }

    /// Opens the newest readable record.
    fn open_newest(backend: &dyn Backend) -> io::Result<Self> {
        let mut damage = Vec::new();
        for sequence in sequences(backend)?.into_iter().rev() {
            match read_record(backend, sequence)? {
                Ok((record, hash)) => {
                    let mut index = Index::open(backend, &record)?;
                    if !damage.is_empty() {
                        index.rescue(backend)?;
                    }
                    index.damage.append(&mut damage);
                    return Ok(Self {
                        record,
                        hash,
                        index,
                    });
                }
                Err(broken) => damage.push(super::index::Damage {
                    file: FileName::record(sequence),
                    why: broken.0,
                }),
            }
        }
        let mut index = Index::default();
        if !damage.is_empty() {
            index.rescue(backend)?;
        }
        index.damage.append(&mut damage);
        Ok(Self {
            record: CommitRecord::empty(),
            hash: CommitRecord::empty().previous,
            index,
        })
    }

    /// Returns the record of the next commit, with everything that this one holds.
    pub fn next(&self, newest: u64) -> CommitRecord {
        let mut record = self.record.clone();
        record.sequence = newest.max(self.record.sequence) + 1;
        record.previous = self.hash;
        if !self.index.damage.is_empty() {
            // Names the rescued packs from now on, and drops damaged segments.
            let named: std::collections::BTreeSet<_> = self.index.segment_packs().collect();
            let damaged = |file: &super::format::record::FileRef| {
                let name = FileName::index(&file.id);
                self.index.damage.iter().any(|damage| damage.file == name)
            };
            record.segments.retain(|file| !damaged(file));
            let rescued = self.index.tables().iter().map(|table| table.pack);
            record
                .packs
                .extend(rescued.filter(|pack| !named.contains(pack)));
            record.packs.sort_unstable();
            record.packs.dedup();
        }
        record
    }
}

/// Reads one record; its sequence number must match its name.
pub fn read_record(
    backend: &dyn Backend,
    sequence: u64,
) -> io::Result<Result<(CommitRecord, Digest), MalformedBytes>> {
    let name = FileName::record(sequence);
    if backend.size(&name)?.is_some_and(|size| size > MAX_RECORD) {
        return Ok(Err(MalformedBytes::because("it is too large")));
    }
    Ok(read_whole(backend, &name, None)?.and_then(|bytes| {
        let record = CommitRecord::decode(&bytes)?;
        if record.sequence != sequence {
            return Err(MalformedBytes::because(
                "it is the record of another commit",
            ));
        }
        Ok((record, Digest::of(&bytes)))
    }))
}
