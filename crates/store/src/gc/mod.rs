//! The garbage collection: removes unneeded data while sessions keep storing.
//!
//! It has two phases, and its correctness depends on no clock. First every unreachable blob is
//! *condemned*, by a commit that lists them: later sessions store such a chunk again rather than
//! rely on it. Then the collection waits until no session older than that commit is left, asks for
//! the roots again, and drops condemned blobs that are still unreachable, but only from packs that
//! existed at that commit. A pack's replacement is durable before the pack is removed. A crash at
//! any point leaves the list of condemned chunks, and the next run continues.
//!
//! Read `mark.rs` (reachability), `sessions.rs` (active sessions), `rewrite.rs`, `replace.rs`.

pub(super) mod leftovers;
mod legacy;
mod mark;
mod replace;
mod rewrite;
pub(super) mod sessions;

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

pub(super) use legacy::piped;
pub(super) use mark::reach;
use mark::{Reachable, objects};
pub(super) use replace::replace;
pub(super) use rewrite::Copier;
use rewrite::{PackDecision, decide, due};

use super::{
    ChunkStore, Error,
    backend::{Lease, LeaseOn},
    check::{ProofNotes, index_damage},
    commit,
    format::{BlobId, dead::Dead, record::FileRef},
    generation::Generation,
    scan,
};
use base::Failure;
use model::{ObjectId, store::GcReport};

/// Returns everything that must stay; called again for each phase.
pub type LiveObjects<'a> = dyn Fn() -> Result<BTreeSet<ObjectId>, Failure> + 'a;
/// Called with the number of further bytes processed.
pub type GcProgress<'a> = dyn Fn(u64) + Sync + 'a;

/// Options of a collection.
#[derive(Debug, Clone, Copy)]
pub struct Gc {
    /// Only report what would be done.
    pub dry_run: bool,
    /// How long to wait for sessions that began before the condemning commit.
    pub patience: Duration,
    /// Current time in seconds since 1970, for display.
    pub seconds: i64,
}

/// A collection under way.
struct Collection<'a> {
    store: &'a ChunkStore,
    roots: &'a LiveObjects<'a>,
    gc: Gc,
    progress: &'a GcProgress<'a>,
    report: GcReport,
}

/// How often a blocked collection tries again, 5 ms apart.
const BRIEFLY: usize = 40;

impl ChunkStore {
    /// Collects what neither `roots` nor the store's own named objects need. The caller's roots
    /// must include everything that is named anywhere, or be an error when that is unknown.
    pub fn gc(
        &self,
        roots: &LiveObjects<'_>,
        gc: Gc,
        progress: &GcProgress<'_>,
    ) -> Result<GcReport, Failure> {
        let mut report = GcReport {
            dry_run: gc.dry_run,
            ..GcReport::default()
        };
        if self.is_empty()? {
            report.missing = roots()?.into_iter().collect();
            report.roots = report.missing.len();
            return Ok(report);
        }
        let mut collection = Collection {
            store: self,
            roots,
            gc,
            progress,
            report,
        };
        if gc.dry_run {
            collection.preview()?;
            return Ok(collection.report);
        }
        let _one = self.collecting()?;
        // A full disk must not prevent a collection from freeing space.
        let _ = self.backend.set_room_aside(false);
        let result = collection.run();
        let _ = self.backend.set_room_aside(true);
        result?;
        let mut verified = ProofNotes::read(self);
        verified.gc = Some(gc.seconds);
        // For display only: a full disk is no reason to fail.
        let _ = verified.write(self);
        Ok(collection.report)
    }

    /// Takes the lease for collections and repairs.
    pub(super) fn collecting(&self) -> Result<Lease, Error> {
        self.backend.prepare().map_err(Error::Write)?;
        for _ in 0..BRIEFLY {
            let lease = self.backend.lease(&LeaseOn::Collection, false);
            if let Some(lease) = lease.map_err(Error::Write)? {
                return Ok(lease);
            }
            // A child process that is just starting still holds its parent's released lock.
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(Error::Collecting)
    }

    /// Returns the newest commit, which must be undamaged: nothing is discarded on a guess.
    fn sound(&self) -> Result<Arc<Generation>, Error> {
        let generation = self.refresh()?;
        match generation.index.damage.first() {
            Some(damage) => Err(scan::unsound(self, &damage.file, &damage.why)),
            None => Ok(generation),
        }
    }
}

impl Collection<'_> {
    /// Returns everything that must stay, and the newest commit, which contains all of it.
    fn roots(&self) -> Result<(BTreeSet<ObjectId>, Arc<Generation>), Failure> {
        let mut roots = (self.roots)()?;
        let generation = self.store.sound()?;
        // Only buckets of a large segment are read; one with a missing entry would hide needed
        // blobs.
        let damage = index_damage(self.store, &generation).map_err(Error::Io)?;
        if let Some((file, why)) = damage {
            return Err(scan::unsound(self.store, &file, &why).into());
        }
        roots.extend(generation.record.roots.iter().map(|root| ObjectId(root.id)));
        Ok((roots, generation))
    }

    /// Reports what would be removed.
    fn preview(&mut self) -> Result<(), Failure> {
        let (roots, generation) = self.roots()?;
        let reached = reach(self.store, &generation, &roots)?;
        let mut packs: Vec<_> = generation.index.packs().map(|pack| pack.id).collect();
        packs.sort_unstable();
        let blobs = condemned(self.store, &generation, &reached)?;
        let dead = Dead {
            sequence: 0,
            packs,
            blobs,
        };
        let decisions = decide(self.store, &generation, &dead, &reached.blobs)?;
        self.note(&roots, &reached, &generation, &decisions)?;
        for decision in decisions.iter().filter(|decision| decision.is_gone()) {
            self.report.removed_packs += 1;
            self.report.freed += decision.table.pack.size;
        }
        for decision in due(&decisions) {
            self.report.rewritten_packs += 1;
            self.report.freed += decision.dead_bytes;
        }
        let left = leftovers::look(self.store, &generation).map_err(Error::Io)?;
        self.report.leftovers = left.files;
        self.report.freed += left.bytes;
        self.preview_legacy(&roots)?;
        Ok(())
    }

    /// Runs the whole collection.
    fn run(&mut self) -> Result<(), Failure> {
        self.store.sound()?;
        {
            let _alone = self.store.alone()?;
            let left = leftovers::sweep(self.store)?;
            self.report.leftovers += left.files;
            self.report.freed += left.bytes;
        }
        self.migrate_legacy()?;
        // Blobs condemned by an earlier run come first: sessions have had time to end since.
        if self.store.sound()?.record.dead.is_some() && !self.finish()? {
            return Ok(());
        }
        self.condemn()?;
        if self.finish()? {
            self.drop_legacy()?;
        }
        Ok(())
    }

    /// Phase 1: lists unreachable blobs in a commit of its own.
    fn condemn(&mut self) -> Result<(), Failure> {
        let (roots, generation) = self.roots()?;
        let reached = reach(self.store, &generation, &roots)?;
        let mut packs: Vec<_> = generation.index.packs().map(|pack| pack.id).collect();
        packs.sort_unstable();
        let mut dead = Dead {
            sequence: 0,
            packs,
            blobs: condemned(self.store, &generation, &reached)?,
        };
        let decisions = decide(self.store, &generation, &dead, &reached.blobs)?;
        // A little garbage in large packs is left alone; waiting for sessions is not worth it.
        if decisions.iter().all(|decision| !decision.is_gone())
            && due(&decisions)
                .iter()
                .all(|decision| decision.dead.is_empty())
        {
            self.report.dead_blobs += decisions
                .iter()
                .map(|decision| decision.dead.len() as u64)
                .sum::<u64>();
            self.report.dead_bytes += decisions
                .iter()
                .map(|decision| decision.dead_bytes)
                .sum::<u64>();
            return Ok(());
        }
        let _alone = self.store.alone()?;
        let newest = self.store.sound()?;
        let mut record = newest.next(newest.record.sequence);
        // Packs that sessions added meanwhile are not in `dead.packs`.
        dead.sequence = record.sequence;
        let bytes = dead.encode();
        record.dead = Some(FileRef::of(&bytes));
        commit::write(self.store, Vec::new(), &[bytes], &record).map_err(Error::Write)?;
        self.store.forget();
        Ok(())
    }

    /// Phase 2: drops condemned blobs that are still unreachable. Returns false when sessions that
    /// began too early are still active.
    fn finish(&mut self) -> Result<bool, Failure> {
        let before = self.store.sound()?;
        if before.record.dead.is_some() {
            self.report.sessions_at_work =
                sessions::wait(self.store, before.index.dead().sequence, self.gc.patience)?;
            if self.report.sessions_at_work > 0 {
                return Ok(false);
            }
        }
        // Only after the sessions have ended do the roots include what they named.
        let (roots, generation) = self.roots()?;
        let reached = reach(self.store, &generation, &roots)?;
        let decisions = decide(
            self.store,
            &generation,
            generation.index.dead(),
            &reached.blobs,
        )?;
        self.note(&roots, &reached, &generation, &decisions)?;
        let gone: Vec<&PackDecision> = decisions
            .iter()
            .filter(|decision| decision.is_gone())
            .collect();
        if !gone.is_empty() {
            let removed: Vec<_> = gone
                .iter()
                .map(|decision| (decision.table.pack, true))
                .collect();
            let swept = replace::replace(self.store, &removed, Vec::new(), false)?;
            self.report.removed_packs += gone.len();
            self.report.freed += swept.bytes;
        }
        self.rewrite_all(&decisions)?;
        replace::replace(self.store, &[], Vec::new(), true)?;
        Ok(true)
    }

    /// Adds what follows from the decisions on all blobs to the report.
    fn note(
        &mut self,
        roots: &BTreeSet<ObjectId>,
        reached: &Reachable,
        generation: &Generation,
        decisions: &[PackDecision],
    ) -> Result<(), Error> {
        self.report.roots = roots.len();
        self.report.missing = reached.missing.iter().copied().collect();
        self.report.dead_blobs += decisions
            .iter()
            .map(|decision| decision.dead.len() as u64)
            .sum::<u64>();
        self.report.dead_bytes += decisions
            .iter()
            .map(|decision| decision.dead_bytes)
            .sum::<u64>();
        let mut dropped: HashSet<BlobId> = HashSet::new();
        for decision in decisions
            .iter()
            .filter(|decision| decision.is_gone())
            .chain(due(decisions))
        {
            dropped.extend(&decision.dead);
        }
        self.report
            .dropped
            .extend(objects(self.store, generation, &dropped)?);
        Ok(())
    }
}

/// Returns the unreachable blobs, sorted.
fn condemned(
    store: &ChunkStore,
    generation: &Generation,
    reached: &Reachable,
) -> Result<Vec<BlobId>, Error> {
    let mut blobs = Vec::new();
    for pack in generation.index.packs() {
        let table = scan::sound_table(store, pack)?;
        blobs.extend(
            table
                .entries
                .iter()
                .map(|entry| entry.blob)
                .filter(|blob| !reached.blobs.contains(blob)),
        );
    }
    blobs.sort_unstable();
    blobs.dedup();
    Ok(blobs)
}
