//! Folders in the store, and the store's maintenance.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use super::App;
use crate::{
    backup::{
        self, PutOptions, RestoreOptions, roots,
        upkeep::{self, ObjectUsers},
    },
    base::Failure,
    model::{
        ObjectId,
        backup::{PutReport, RestoreReport, Saved},
        store::{CheckReport, GcReport, RepairReport, StoreStats},
    },
    store::CheckDepth,
};

impl App {
    /// Stores folders under a name.
    pub fn store_put(&self, put: &PutOptions) -> Result<PutReport, Failure> {
        backup::put(&self.site, put)
    }

    /// Restores the folders stored under a name into a folder.
    pub fn store_restore(&self, restore: &RestoreOptions) -> Result<RestoreReport, Failure> {
        backup::restore(&self.site, restore)
    }

    /// Returns what is stored, by name.
    pub fn store_list(&self) -> Result<Vec<Saved>, Failure> {
        backup::list(&self.site)
    }

    /// Returns what is stored under one name.
    pub fn store_show(&self, name: &str) -> Result<Saved, Failure> {
        backup::show(&self.site, name)
    }

    /// Removes a name; returns what it referred to.
    pub fn store_drop(&self, name: &str) -> Result<Saved, Failure> {
        backup::drop_name(&self.site, name)
    }

    /// Returns statistics on the store and on each task.
    pub fn store_stats(&self) -> Result<StoreStats, Failure> {
        upkeep::stats(&self.site)
    }

    /// Returns every object of the store that something in the repository refers to.
    pub fn store_roots(&self) -> Result<BTreeSet<ObjectId>, Failure> {
        Ok(roots::needed(&self.site)?.objects())
    }

    /// Checks the store; also returns who needs the damaged objects.
    pub fn check_store(
        &self,
        level: CheckDepth,
        budget: Option<Duration>,
    ) -> Result<(CheckReport, ObjectUsers), Failure> {
        upkeep::check(&self.site, level, budget)
    }

    /// Deletes unneeded objects. If it cannot be determined what is needed, nothing is deleted.
    pub fn collect_store(&self, dry_run: bool) -> Result<(GcReport, ObjectUsers), Failure> {
        upkeep::collect(&self.site, dry_run)
    }

    /// Repairs the store, using files of the work tree that have the right bytes.
    pub fn repair_store(&self) -> Result<(RepairReport, ObjectUsers), Failure> {
        upkeep::repair(&self.site)
    }

    /// Returns named items without a file of their own: names in the store, and shared verdicts.
    ///
    /// # Errors
    /// Fails when they cannot be read.
    pub fn named_records(&self) -> Result<Vec<String>, Failure> {
        backup::named(&self.site)
    }

    /// Returns where the contents of the store lie.
    pub fn store_places(&self) -> Vec<PathBuf> {
        self.site.store_places()
    }
}
