//! The repair: takes damaged data out of use, and heals everything that has another copy.
//!
//! Intact chunks of a damaged pack are copied into a new one, which replaces the old pack in one
//! commit; the old pack then moves to the quarantine and is never deleted. Log and index are
//! rebuilt from the packs. Objects that are still not whole are then looked for elsewhere: among
//! objects of the old format, and among the caller's candidates, which are trusted only if their
//! digest matches. After a crash, the next repair continues.

mod heal;
mod quarantine;
mod salvage;

use std::{
    collections::{BTreeSet, HashSet},
    io::Read,
};

use super::{
    ChunkStore, Error,
    backend::{Area, FileName},
    check::{CheckDepth, CheckOptions, Defect, FoundDamage, harm},
    commit::{self, LOOSE},
    files,
    format::{PackRef, record::FileRef},
    gc::{Copier, GcProgress},
    packer::FinishedPack,
    scan,
};
use base::{Digest, Failure, cancel};
use model::{ObjectId, store::RepairReport};

/// Returns candidates for the bytes of an object, read from wherever the caller has them.
pub type Candidates<'a> = dyn Fn(&ObjectId) -> Vec<Box<dyn Read>> + 'a;

impl ChunkStore {
    /// Repairs the store. `roots` are the objects that must exist.
    pub fn repair(
        &self,
        roots: &BTreeSet<ObjectId>,
        sources: &Candidates<'_>,
        progress: &GcProgress<'_>,
    ) -> Result<RepairReport, Failure> {
        if self.is_empty()? {
            return Ok(RepairReport::default());
        }
        let _one = self.collecting()?;
        let how = CheckOptions {
            level: CheckDepth::Deep,
            budget: None,
            seconds: 0,
        };
        let found = self.find_damage(how, progress)?;
        let (damage, lost) = harm(self, &found, Some(roots))?;
        let mut report = RepairReport {
            damage,
            ..RepairReport::default()
        };
        if !found.defects.is_empty() {
            self.take_out(&found, &mut report)?;
        }
        let mut hurt: BTreeSet<ObjectId> = report
            .damage
            .iter()
            .flat_map(|harm| harm.objects.iter().copied())
            .collect();
        hurt.extend(&lost);
        for id in lost {
            cancel::check()?;
            if !heal::heal(self, &id, sources)? {
                report.lost.push(id);
            }
        }
        report.healed = hurt
            .into_iter()
            .filter(|id| !report.lost.contains(id))
            .collect();
        Ok(report)
    }

    /// Copies the intact parts, commits without the damaged ones, and quarantines those.
    fn take_out(&self, found: &FoundDamage, report: &mut RepairReport) -> Result<(), Failure> {
        let bad = bad_packs(&found.defects);
        let mut copier = Copier::new(self);
        for id in &bad {
            cancel::check()?;
            salvage::copy(self, id, &mut copier)?;
        }
        report.copied = copier.copied;
        let (packed, _lease) = copier.finish()?;
        let _alone = self.alone()?;
        let new: HashSet<Digest> = packed.iter().map(|packed| packed.table.pack.id).collect();
        for id in bad.iter().filter(|id| new.contains(*id)) {
            // The healed pack has the same name as the damaged one.
            report
                .quarantined
                .extend(quarantine::copy(self, &FileName::pack(id))?);
        }
        // Must happen before the commit reuses the names of damaged packs.
        quarantine::settle(self)?;
        self.commit_without(&bad, found, packed)?;
        for id in &bad {
            self.packs.forget(id);
        }
        let packs = bad
            .iter()
            .filter(|id| !new.contains(*id))
            .map(FileName::pack);
        let files = found
            .defects
            .iter()
            .filter_map(|defect| defect.file.clone())
            .filter(|file| file.area == Area::Index);
        for file in packs.chain(files) {
            report.quarantined.extend(quarantine::take(self, &file)?);
        }
        report.quarantined.extend(quarantine::broken_records(self)?);
        quarantine::settle(self)?;
        self.forget();
        Ok(())
    }

    /// Commits everything but some packs and the damaged parts of the index. The caller holds the
    /// commit lease.
    fn commit_without(
        &self,
        bad: &BTreeSet<Digest>,
        found: &FoundDamage,
        packed: Vec<FinishedPack>,
    ) -> Result<(), Error> {
        let newest = self.refresh()?;
        let mut record = newest.next(files::newest(&*self.backend).map_err(Error::Io)?);
        let broken = |file: &FileRef| {
            let name = FileName::index(&file.id);
            found
                .defects
                .iter()
                .any(|defect| defect.file.as_ref() == Some(&name))
        };
        let new: HashSet<Digest> = packed.iter().map(|packed| packed.table.pack.id).collect();
        let (mut segments, mut loose): (Vec<FileRef>, Vec<PackRef>) =
            (Vec::new(), record.packs.clone());
        for (file, head) in newest.index.heads() {
            if broken(&file) || head.packs.iter().any(|pack| bad.contains(&pack.id)) {
                loose.extend(&head.packs);
            } else {
                segments.push(file);
            }
        }
        loose.retain(|pack| !bad.contains(&pack.id) && !new.contains(&pack.id));
        loose.sort_unstable();
        loose.dedup();
        let mut tables = Vec::new();
        for pack in loose {
            tables.push(scan::sound_table(self, pack)?);
        }
        let (packs, fresh): (Vec<_>, Vec<_>) = packed.into_iter().map(FinishedPack::split).unzip();
        tables.extend(fresh);
        let indexes = if tables.len() < LOOSE {
            Vec::new()
        } else {
            commit::segments_of(&tables)
        };
        record.packs = if indexes.is_empty() {
            tables.iter().map(|table| table.pack).collect()
        } else {
            Vec::new()
        };
        record.segments = segments
            .into_iter()
            .chain(indexes.iter().map(|bytes| FileRef::of(bytes)))
            .collect();
        // Without this list, a collection starts over. None is running now.
        record.dead = record.dead.filter(|file| !broken(file));
        commit::write(self, packs, &indexes, &record).map_err(Error::Write)?;
        self.forget();
        Ok(())
    }
}

/// Returns the packs with defects.
fn bad_packs(defects: &[Defect]) -> BTreeSet<Digest> {
    let named = |defect: &Defect| {
        let file = defect.file.as_ref();
        Digest::from_hex(&file.filter(|file| file.area == Area::Packs)?.name).ok()
    };
    defects
        .iter()
        .filter_map(|defect| defect.place.map(|(id, _)| id).or_else(|| named(defect)))
        .collect()
}
