//! Decides what happens to each pack, and rewrites those that are worth it.

use std::collections::HashSet;

use super::{Collection, replace};
use crate::{
    ChunkStore, Error, Lease,
    backend::FileName,
    commit::{self, EnteredSession},
    format::{
        BlobId, blob,
        dead::Dead,
        pack::{self, PackEntry},
    },
    generation::Generation,
    index::Table,
    packer::{FinishedPack, Packer},
    scan::{self, ProofDepth, Scanner},
};
use base::{Failure, cancel};

/// A pack is rewritten when more than this fraction of its bytes is dead: one fifth.
const WASTE: u64 = 5;
/// Packs below this size, in bytes, are small.
const SMALL: u64 = 8 << 20;
/// Up to this many small packs are left alone.
const FEW: usize = 16;
/// Number of bytes of packs that are rewritten before the old ones are removed.
const BATCH: u64 = 512 << 20;

/// The decision on a pack.
pub struct PackDecision {
    /// Its table.
    pub table: Table,
    /// Entries that stay, ordered by offset.
    pub live: Vec<PackEntry>,
    /// Blobs that are dropped.
    pub dead: Vec<BlobId>,
    /// Number of bytes of the dropped blobs.
    pub dead_bytes: u64,
}

impl PackDecision {
    /// True when nothing in it stays.
    pub fn is_gone(&self) -> bool {
        self.live.is_empty()
    }

    /// True when so much of it is dead that it is rewritten.
    fn is_wasteful(&self) -> bool {
        self.dead_bytes * WASTE > self.table.pack.size
    }

    /// True when it is small and stays at least in part.
    fn is_small(&self) -> bool {
        !self.is_gone() && self.table.pack.size < SMALL
    }
}

/// Returns the packs to rewrite: wasteful ones, and small ones when there are many.
pub fn due(decisions: &[PackDecision]) -> Vec<&PackDecision> {
    let many = decisions
        .iter()
        .filter(|decision| decision.is_small())
        .count()
        > FEW;
    let due = |decision: &&PackDecision| {
        !decision.is_gone() && (decision.is_wasteful() || (many && decision.is_small()))
    };
    let mut due: Vec<&PackDecision> = decisions.iter().filter(due).collect();
    due.sort_unstable_by_key(|decision| decision.table.pack.size);
    due
}

/// Decides what happens to every pack of a commit: a blob is dropped when it is condemned, not
/// reached, and in a pack that existed when it was condemned.
pub fn decide(
    store: &ChunkStore,
    generation: &Generation,
    dead: &Dead,
    reached: &HashSet<BlobId>,
) -> Result<Vec<PackDecision>, Error> {
    let mut decisions = Vec::new();
    for pack in generation.index.packs() {
        let table = scan::sound_table(store, pack)?;
        let may = dead.packs.binary_search(&pack.id).is_ok();
        let drops =
            |entry: &PackEntry| may && dead.has(entry.blob) && !reached.contains(&entry.blob);
        let (gone, live): (Vec<PackEntry>, Vec<PackEntry>) =
            scan::by_offset(&table).into_iter().partition(drops);
        let dead_bytes = gone
            .iter()
            .map(|entry| (entry.span() + pack::ENTRY) as u64)
            .sum();
        decisions.push(PackDecision {
            table,
            live,
            dead: gone.iter().map(|entry| entry.blob).collect(),
            dead_bytes,
        });
    }
    Ok(decisions)
}

impl Collection<'_> {
    /// Rewrites wasteful packs, and small ones when there are many. A full disk stops it without
    /// harm: packs removed before that have made some room for the next run.
    pub fn rewrite_all(&mut self, decisions: &[PackDecision]) -> Result<(), Failure> {
        let due = due(decisions);
        let mut rest = &due[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |decision: &&&PackDecision| {
                bytes += decision.table.pack.size;
                bytes <= BATCH
            };
            let (batch, after) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            match self.rewrite(batch) {
                Ok(()) => rest = after,
                Err(failure) if failure.is_disk_full() => {
                    self.report.kept_packs += rest.len();
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Rewrites some packs and replaces them with the new ones.
    fn rewrite(&mut self, batch: &[&PackDecision]) -> Result<(), Failure> {
        let mut copier = Copier::new(self.store);
        let mut removed = Vec::new();
        let mut scanner = Scanner::new();
        for decision in batch {
            cancel::check()?;
            let name = FileName::pack(&decision.table.pack.id);
            scanner
                .open(&*self.store.backend, &name)
                .map_err(Error::Io)?;
            let mut whole = true;
            for entry in &decision.live {
                match scanner.blob(entry, ProofDepth::Plain).map_err(Error::Io)? {
                    Ok((header, bytes)) => copier.copy(&header, bytes)?,
                    // The pack stays as it is, for a repair; the copied blobs exist twice.
                    Err(_) => whole = false,
                }
            }
            if whole {
                removed.push((decision.table.pack, !decision.dead.is_empty()));
            } else {
                self.report.kept_packs += 1;
            }
            (self.progress)(decision.table.pack.size);
        }
        let (packed, lease) = copier.finish()?;
        let grown: u64 = packed.iter().map(|packed| packed.table.pack.size).sum();
        let swept = replace::replace(self.store, &removed, packed, false)?;
        drop(lease);
        self.report.rewritten_packs += removed.len();
        self.report.freed += swept.bytes.saturating_sub(grown);
        Ok(())
    }
}

/// Copies encoded blobs into new packs, each once. When dropped, it leaves nothing behind.
///
/// It is a session like any other, so its files are not mistaken for those of a dead session.
/// Therefore the commit lease must not be held while it copies.
pub struct Copier<'a> {
    store: &'a ChunkStore,
    packer: Option<Packer>,
    packed: Vec<FinishedPack>,
    seen: HashSet<BlobId>,
    /// Dropped after the files that it protects.
    entered: Option<EnteredSession>,
    /// Number of blobs copied.
    pub copied: u64,
}

impl<'a> Copier<'a> {
    /// Creates a copier that has copied nothing yet.
    pub fn new(store: &'a ChunkStore) -> Self {
        Self {
            store,
            packer: None,
            packed: Vec::new(),
            seen: HashSet::new(),
            entered: None,
            copied: 0,
        }
    }

    /// Copies a verified blob: header and stored bytes.
    pub fn copy(&mut self, header: &blob::Header, bytes: &[u8]) -> Result<(), Error> {
        if !self.seen.insert(header.blob) {
            return Ok(());
        }
        let packer = self.packer()?;
        packer.append_encoded(header, bytes).map_err(Error::Write)?;
        self.copied += 1;
        self.close_full()
    }

    /// Adds a blob that is not encoded yet.
    pub fn add(&mut self, blob: BlobId, plain: &[u8]) -> Result<(), Error> {
        if !self.seen.insert(blob) {
            return Ok(());
        }
        self.packer()?.append(blob, plain).map_err(Error::Write)?;
        self.close_full()
    }

    /// Returns the pack being written; begins one if necessary.
    fn packer(&mut self) -> Result<&mut Packer, Error> {
        if self.packer.is_none() {
            let entered = match self.entered.take() {
                Some(entered) => entered,
                None => commit::enter(self.store)?,
            };
            let session = &self.entered.insert(entered).name;
            let packer = Packer::new(&*self.store.backend, session);
            self.packer = Some(packer.map_err(Error::Write)?);
        }
        Ok(self.packer.as_mut().expect("because it was just made"))
    }

    /// Completes the pack if it is full.
    fn close_full(&mut self) -> Result<(), Error> {
        match self.packer.take_if(|packer| packer.is_full()) {
            Some(packer) => self.close(packer),
            None => Ok(()),
        }
    }

    /// Completes a pack.
    fn close(&mut self, packer: Packer) -> Result<(), Error> {
        self.packed.push(packer.finish().map_err(Error::Write)?);
        Ok(())
    }

    /// Completes the last pack and returns all packs; keep the lease until they have names.
    pub fn finish(mut self) -> Result<(Vec<FinishedPack>, Lease), Error> {
        if let Some(packer) = self.packer.take() {
            self.close(packer)?;
        }
        let lease = self
            .entered
            .map_or_else(Lease::none, |entered| entered.lease);
        Ok((self.packed, lease))
    }
}
