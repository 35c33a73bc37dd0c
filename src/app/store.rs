//! Folders in the store, and its upkeep.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use super::App;
use crate::{
    backup::{
        self, Put, Restore, roots,
        upkeep::{self, Names},
    },
    base::Failure,
    model::{
        ObjectId,
        backup::{PutReport, RestoreReport, Saved},
        store::{CheckReport, GcReport, RepairReport, StoreStats},
    },
    store::Level,
};

impl App {
    /// Puts folders into the store under a name.
    pub fn store_put(&self, put: &Put) -> Result<PutReport, Failure> {
        backup::put(&self.site, put)
    }

    /// Restores what was put under a name into a folder.
    pub fn store_restore(&self, restore: &Restore) -> Result<RestoreReport, Failure> {
        backup::restore(&self.site, restore)
    }

    /// What was put, by name.
    pub fn store_list(&self) -> Result<Vec<Saved>, Failure> {
        backup::list(&self.site)
    }

    /// What was put under one name.
    pub fn store_show(&self, name: &str) -> Result<Saved, Failure> {
        backup::show(&self.site, name)
    }

    /// Takes a name away; returns what it stood for.
    pub fn store_drop(&self, name: &str) -> Result<Saved, Failure> {
        backup::drop_name(&self.site, name)
    }

    /// Figures of the store, and of each task.
    pub fn store_stats(&self) -> Result<StoreStats, Failure> {
        upkeep::stats(&self.site)
    }

    /// Everything in the repository that names objects of the store.
    pub fn store_roots(&self) -> Result<BTreeSet<ObjectId>, Failure> {
        Ok(roots::needed(&self.site)?.objects())
    }

    /// Checks the store; also says who needs what is damaged.
    pub fn check_store(
        &self,
        level: Level,
        budget: Option<Duration>,
    ) -> Result<(CheckReport, Names), Failure> {
        upkeep::check(&self.site, level, budget)
    }

    /// Collects what nothing needs. When it cannot be known what is needed, nothing is collected.
    pub fn collect_store(&self, dry_run: bool) -> Result<(GcReport, Names), Failure> {
        upkeep::collect(&self.site, dry_run)
    }

    /// Repairs the store; files of the work tree that have the right bytes help.
    pub fn repair_store(&self) -> Result<(RepairReport, Names), Failure> {
        upkeep::repair(&self.site)
    }

    /// What is named and has no file of its own: what was put into the store, and shared verdicts.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn named_records(&self) -> Result<Vec<String>, Failure> {
        backup::named(&self.site)
    }

    /// Where what is in the store lies.
    pub fn store_places(&self) -> Vec<PathBuf> {
        self.site.store_places()
    }
}
