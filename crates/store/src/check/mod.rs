//! The check: is everything there that the store relies on, and is it what it should be?
//!
//! Quick looks at the log, the index and the frame of every pack; fast also at the checksum of
//! every stored byte; deep also at the digest of every chunk and at every list. Packs that were
//! checked longest ago come first, so that short checks reach all of them in turn. Damage is
//! named by file, and by the objects that it hurts. Nothing is changed but the notes of when.

mod hurt;
mod index;
mod packs;
mod verified;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

pub(super) use hurt::harm;
pub use verified::Verified;

use super::{
    ChunkStore, Error, backend::FileName, format::BlobId, gc::Progress, generation::Generation,
};
use base::{Digest, Failure};
use model::{ObjectId, store::CheckReport};

/// How thorough a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The log, the index, the frame of every pack.
    Quick,
    /// And the checksum of every stored byte.
    Fast,
    /// And the digest of every chunk, and that every object is whole.
    Deep,
}

impl Level {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Fast => "fast",
            Self::Deep => "deep",
        }
    }
}

/// How to check.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// How thorough.
    pub level: Level,
    /// No further pack is begun after this long.
    pub budget: Option<Duration>,
    /// Seconds since 1970, for the notes of what was checked when.
    pub seconds: i64,
}

/// Something that is not what it should be.
#[derive(Debug, Clone)]
pub struct Defect {
    /// The file; `None` when nobody knows in which it should be.
    pub file: Option<FileName>,
    /// What was seen.
    pub why: String,
    /// The bad blob.
    pub blob: Option<BlobId>,
    /// The pack, and where the bad blob begins.
    pub place: Option<(Digest, Option<u32>)>,
}

impl Defect {
    /// A file that is not what it should be.
    pub fn file(file: FileName, why: impl Into<String>) -> Self {
        Self {
            file: Some(file),
            why: why.into(),
            blob: None,
            place: None,
        }
    }
}

/// What a check found, before it is known what it hurts.
pub struct FoundDamage {
    /// The commit that was checked.
    pub generation: std::sync::Arc<Generation>,
    /// Damage.
    pub defects: Vec<Defect>,
    /// The packs that were read, with their tables.
    pub packs: packs::CheckedPacks,
}

/// The first file of the index that does not say what the packs say.
pub(super) fn index_damage(
    store: &ChunkStore,
    generation: &Generation,
) -> std::io::Result<Option<(FileName, String)>> {
    let defects = index::files(store, generation, Level::Fast)?;
    Ok(defects
        .into_iter()
        .find_map(|defect| Some((defect.file?, defect.why))))
}

impl ChunkStore {
    /// Checks the store. `roots` are the objects that must be there: a deep check finds those
    /// that are missing.
    pub fn check(
        &self,
        roots: &BTreeSet<ObjectId>,
        how: Check,
        progress: &Progress<'_>,
    ) -> Result<CheckReport, Failure> {
        let found = self.find_damage(how, progress)?;
        let mut report = CheckReport {
            level: how.level.word().into(),
            packs: found.packs.seen.len(),
            bytes: found.packs.bytes,
            blobs: found.packs.blobs,
            remaining: found.packs.remaining,
            leftovers: index::leftovers(self, &found.generation).map_err(Error::Io)?,
            ..CheckReport::default()
        };
        let walk = how.level == Level::Deep || !found.defects.is_empty();
        let harm = hurt::harm(self, &found, if walk { Some(roots) } else { None })?;
        (report.damage, report.lost) = harm;
        if how.level > Level::Quick {
            let mut verified = Verified::read(self);
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
            // A check of a store that is not there makes none; notes that cannot be written cost
            // a pack a second look.
            if !found.packs.seen.is_empty() {
                let _ = verified.write(self);
            }
        }
        Ok(report)
    }

    /// Everything that is not what it should be.
    pub(super) fn find_damage(
        &self,
        how: Check,
        progress: &Progress<'_>,
    ) -> Result<FoundDamage, Failure> {
        let end = how.budget.map(|budget| Instant::now() + budget);
        let generation = self.refresh()?;
        let mut defects = index::records(self).map_err(Error::Io)?;
        defects.extend(index::files(self, &generation, how.level).map_err(Error::Io)?);
        let (packs, damaged) = packs::check(self, &generation, how.level, end, progress)?;
        defects.extend(damaged);
        // What was seen while opening, of packs that nothing but a damaged index names.
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
