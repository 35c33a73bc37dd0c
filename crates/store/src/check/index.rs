//! Checks the log and the index: records must chain, segments must match their packs' tables.

use std::io;

use super::{CheckDepth, Defect};
use crate::{
    ChunkStore,
    backend::FileName,
    commit,
    files::{read_whole, sequences},
    format::{MalformedBytes, dead::Dead, record::FileRef, segment},
    generation::{Generation, read_record},
    scan,
};
use base::Digest;

/// Returns damage of the commit log. Every record but the oldest holds the digest of the previous
/// one; records that are old enough to be forgotten may be missing.
pub fn records(store: &ChunkStore) -> io::Result<Vec<Defect>> {
    let mut defects = Vec::new();
    let sequences = sequences(&*store.backend)?;
    let newest = sequences.last().copied().unwrap_or(0);
    let mut before: Option<Digest> = None;
    for sequence in sequences {
        let name = FileName::record(sequence);
        match read_record(&*store.backend, sequence)? {
            Ok((record, hash)) => {
                let forgotten = sequence + commit::KEPT as u64 <= newest;
                if !forgotten && before.is_some_and(|before| before != record.previous) {
                    defects.push(Defect::file(
                        name,
                        "the record before it is missing or another one",
                    ));
                }
                before = Some(hash);
            }
            Err(broken) => defects.push(Defect::file(name, broken.0)),
        }
    }
    Ok(defects)
}

/// Returns damage of the index files.
pub fn files(
    store: &ChunkStore,
    generation: &Generation,
    level: CheckDepth,
) -> io::Result<Vec<Defect>> {
    let mut defects = Vec::new();
    for file in &generation.record.segments {
        let name = FileName::index(&file.id);
        let read = read_file(store, &name, file)?;
        let seen = match read {
            Ok(bytes) => check_segment(store, &bytes, level)?,
            Err(broken) => Err(broken),
        };
        defects.extend(seen.err().map(|broken| Defect::file(name, broken.0)));
    }
    if let Some(file) = &generation.record.dead {
        let name = FileName::index(&file.id);
        let read = read_file(store, &name, file)?.and_then(|bytes| Dead::decode(&bytes));
        defects.extend(read.err().map(|broken| Defect::file(name, broken.0)));
    }
    Ok(defects)
}

/// Reads an index file, whose name is the digest of its bytes.
fn read_file(
    store: &ChunkStore,
    name: &FileName,
    file: &FileRef,
) -> io::Result<Result<Vec<u8>, MalformedBytes>> {
    let read = read_whole(&*store.backend, name, Some(file.size))?;
    Ok(read.and_then(|bytes| {
        if Digest::of(&bytes) == file.id {
            Ok(bytes)
        } else {
            Err(MalformedBytes::because("its checksum does not agree"))
        }
    }))
}

/// Compares a segment with the tables of its packs. An unreadable table counts as damage of the
/// pack, not of the segment.
fn check_segment(
    store: &ChunkStore,
    bytes: &[u8],
    level: CheckDepth,
) -> io::Result<Result<(), MalformedBytes>> {
    let parsed = || {
        let len = segment::head_len(
            bytes.get(..segment::HEAD).unwrap_or_default(),
            bytes.len() as u64,
        )?;
        let head = segment::SegmentHeader::decode(&bytes[..len])?;
        let rows = bytes[len..bytes.len() - 32].chunks_exact(segment::ENTRY);
        let entries = rows
            .map(|row| head.entry(row))
            .collect::<Result<Vec<_>, MalformedBytes>>()?;
        Ok((head, entries))
    };
    let (head, mut entries) = match parsed() {
        Ok(parsed) => parsed,
        Err(broken) => return Ok(Err(broken)),
    };
    if level == CheckDepth::Quick {
        return Ok(Ok(()));
    }
    entries.sort_unstable_by_key(|entry| (entry.pack, entry.offset));
    for (nth, pack) in head.packs.iter().enumerate() {
        let nth = u32::try_from(nth).map_err(io::Error::other)?;
        let Ok(table) = scan::table_of(store, *pack)? else {
            continue;
        };
        let from = entries.partition_point(|entry| entry.pack < nth);
        let said = entries[from..].iter().take_while(|entry| entry.pack == nth);
        let table = scan::by_offset(&table);
        if !said.copied().eq(table
            .iter()
            .map(|entry| segment::SegmentEntry::of(entry, nth)))
        {
            return Ok(Err(MalformedBytes::because(format!(
                "it does not say what the table of the pack {} says",
                pack.id
            ))));
        }
    }
    Ok(Ok(()))
}
