//! The store as a use case: figures, check, collection, repair; objects are named by who needs
//! them.

mod needed;
mod roots;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    time::Duration,
};

use super::App;
use crate::{
    base::Failure,
    model::{
        ObjectId,
        store::{CheckReport, GcReport, RepairReport, StoreStats},
    },
    operate::{Operator, deed},
    store::{Check, Gc, Level},
};

pub use needed::Needed;

/// How long a collection waits for sessions that began before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who needs some objects, in words: `T01 1.2.0 tasks/T01/model.bin`, `operation 9f3c21aa`.
pub type Names = BTreeMap<ObjectId, Vec<String>>;

impl App {
    /// Figures of the store, and of each task.
    pub fn store_stats(&self) -> Result<StoreStats, Failure> {
        let needed = self.needed()?;
        Ok(self.site.chunks.stats(&needed.groups())?)
    }

    /// Checks the store; also says who needs what is damaged.
    pub fn check_store(
        &self,
        level: Level,
        budget: Option<Duration>,
    ) -> Result<(CheckReport, Names), Failure> {
        // Whom damage hurts is worth knowing even when not everything that is named can be read.
        let needed = self.needed().unwrap_or_else(|failure| {
            self.site.warn(format!(
                "not everything that needs the store can be read: {failure}"
            ));
            Needed::default()
        });
        let how = Check {
            level,
            budget,
            seconds: self.seconds(),
        };
        let total = self.site.chunks.stored().unwrap_or(0);
        let report = self.site.work("checking", total, true, || {
            self.site
                .chunks
                .check(&needed.objects(), how, &|more| self.site.progress(more))
        })?;
        let hurt = report
            .damage
            .iter()
            .flat_map(|harm| &harm.objects)
            .chain(&report.lost);
        let names = needed.names(hurt);
        Ok((report, names))
    }

    /// Collects what nothing needs. When it cannot be known what is needed, nothing is collected.
    pub fn collect_store(&self, dry_run: bool) -> Result<(GcReport, Names), Failure> {
        let roots = || -> Result<BTreeSet<ObjectId>, Failure> { Ok(self.needed()?.objects()) };
        let how = Gc {
            dry_run,
            patience: PATIENCE,
            seconds: self.seconds(),
        };
        let collect = || {
            self.site
                .chunks
                .gc(&roots, how, &|more| self.site.progress(more))
        };
        let act = || self.site.work("collecting", 0, true, collect);
        let report = if dry_run {
            act()?
        } else {
            Operator::new(&self.site).witnessed(deed("store gc"), "", act)?
        };
        let names = self.needed()?.names(report.missing.iter());
        Ok((report, names))
    }

    /// Repairs the store; files of the work tree that have the right bytes help.
    pub fn repair_store(&self) -> Result<(RepairReport, Names), Failure> {
        let needed = self.needed()?;
        let tree = &self.site.tree;
        let candidates = |id: &ObjectId| -> Vec<Box<dyn Read>> {
            let files = needed.paths(id).filter_map(|path| tree.open(path).ok());
            files.map(|file| Box::new(file) as Box<dyn Read>).collect()
        };
        let total = self.site.chunks.stored().unwrap_or(0);
        let run = || {
            self.site
                .chunks
                .repair(&needed.objects(), &candidates, &|more| {
                    self.site.progress(more);
                })
        };
        let report = Operator::new(&self.site).witnessed(deed("store repair"), "", || {
            self.site.work("repairing", total, true, run)
        })?;
        let names = needed.names(report.lost.iter().chain(&report.healed));
        Ok((report, names))
    }

    /// Now, for notes that people read.
    fn seconds(&self) -> i64 {
        self.site.clock.now().as_second()
    }
}
