//! The check: verifies that everything the store relies on exists and is intact.
//!
//! A quick check covers the log, the index and the frame of every pack; a fast one also the
//! checksum of every stored byte; a deep one also the digest of every chunk and every list. Packs
//! checked longest ago come first, so that repeated short checks cover all of them. Damage is
//! reported by file and by affected objects. Only the notes of check times are changed.

mod hurt;
mod index;
mod packs;
mod verified;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

pub(super) use hurt::harm;
pub use verified::ProofNotes;

use super::{
    ChunkStore, Error,
    backend::FileName,
    format::BlobId,
    gc::{GcProgress, leftovers},
    generation::Generation,
};
use base::{Digest, Failure};
use model::{ObjectId, store::CheckReport};

/// How thorough a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckDepth {
    /// The log, the index and the frame of every pack.
    Quick,
    /// Also the checksum of every stored byte.
    Fast,
    /// Also the digest of every chunk, and that every object is whole.
    Deep,
}

impl CheckDepth {
    /// Returns its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Fast => "fast",
            Self::Deep => "deep",
        }
    }
}

/// Options of a check.
#[derive(Debug, Clone, Copy)]
pub struct CheckOptions {
    /// How thorough the check is.
    pub level: CheckDepth,
    /// Time after which no further pack is begun.
    pub budget: Option<Duration>,
    /// Current time in seconds since 1970, for the notes of check times.
    pub seconds: i64,
}

/// A defect found by a check.
#[derive(Debug, Clone)]
pub struct Defect {
    /// The file; `None` when it is unknown.
    pub file: Option<FileName>,
    /// Description of the damage.
    pub why: String,
    /// The bad blob.
    pub blob: Option<BlobId>,
    /// The pack, and the offset of the bad blob.
    pub place: Option<(Digest, Option<u32>)>,
}

impl Defect {
    /// Creates a defect of a whole file.
    pub fn file(file: FileName, why: impl Into<String>) -> Self {
        Self {
            file: Some(file),
            why: why.into(),
            blob: None,
            place: None,
        }
    }
}

/// The findings of a check, before their effect on objects is known.
pub struct FoundDamage {
    /// The commit that was checked.
    pub generation: std::sync::Arc<Generation>,
    /// The defects.
    pub defects: Vec<Defect>,
    /// The packs that were read, with their tables.
    pub packs: packs::CheckedPacks,
}

/// Returns the first index file that does not match the packs.
pub(super) fn index_damage(
    store: &ChunkStore,
    generation: &Generation,
) -> std::io::Result<Option<(FileName, String)>> {
    let defects = index::files(store, generation, CheckDepth::Fast)?;
    Ok(defects
        .into_iter()
        .find_map(|defect| Some((defect.file?, defect.why))))
}

impl ChunkStore {
    /// Checks the store. `roots` are the objects that must exist; a missing one is damage at every
    /// level.
    pub fn check(
        &self,
        roots: &BTreeSet<ObjectId>,
        how: CheckOptions,
        progress: &GcProgress<'_>,
    ) -> Result<CheckReport, Failure> {
        let found = self.find_damage(how, progress)?;
        let mut report = CheckReport {
            level: how.level.word().into(),
            packs: found.packs.seen.len(),
            bytes: found.packs.bytes,
            blobs: found.packs.blobs,
            remaining: found.packs.remaining,
            leftovers: leftovers::look(self, &found.generation)
                .map_err(Error::Io)?
                .files,
            ..CheckReport::default()
        };
        let walk = how.level == CheckDepth::Deep
            || !found.defects.is_empty()
            || self.lacks_any(roots).map_err(Failure::from)?;
        let harm = hurt::harm(self, &found, if walk { Some(roots) } else { None })?;
        (report.damage, report.lost) = harm;
        if how.level > CheckDepth::Quick {
            let mut verified = ProofNotes::read(self);
            let good = |id: &Digest| {
                !found
                    .defects
                    .iter()
                    .any(|defect| defect.place.is_some_and(|(pack, _)| pack == *id))
            };
            verified.note(
                found.packs.seen.iter().copied().filter(good),
                how.level,
                how.seconds,
            );
            verified.keep(|id| found.generation.index.packs().any(|pack| pack.id == *id));
            // Checking a missing store must not create it. Notes that cannot be written only cost a
            // repeated check.
            if !found.packs.seen.is_empty() {
                let _ = verified.write(self);
            }
        }
        Ok(report)
    }

    /// True when any of these objects is not there.
    fn lacks_any(&self, objects: &BTreeSet<ObjectId>) -> Result<bool, Error> {
        let look = self.look()?;
        for id in objects {
            if look.size(id)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns all defects.
    pub(super) fn find_damage(
        &self,
        how: CheckOptions,
        progress: &GcProgress<'_>,
    ) -> Result<FoundDamage, Failure> {
        let end = how.budget.map(|budget| Instant::now() + budget);
        let generation = self.refresh()?;
        let mut defects = index::records(self).map_err(Error::Io)?;
        defects.extend(index::files(self, &generation, how.level).map_err(Error::Io)?);
        let (packs, damaged) = packs::check(self, &generation, how.level, end, progress)?;
        defects.extend(damaged);
        // Adds damage found on opening, of packs that only a damaged index names.
        for damage in &generation.index.damage {
            if !defects
                .iter()
                .any(|defect| defect.file.as_ref() == Some(&damage.file))
            {
                defects.push(Defect::file(damage.file.clone(), damage.why.clone()));
            }
        }
        Ok(FoundDamage {
            generation,
            defects,
            packs,
        })
    }
}
