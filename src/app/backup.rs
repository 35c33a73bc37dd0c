//! Folders in the store: put, restore, list, drop. None of them is a journaled operation.
//!
//! A restore takes the operation lock, so that no rollback changes the same files meanwhile, and
//! keeps what it overwrites under a name of its own; the store's commit is atomic by itself.

use crate::operate::Operator;

use super::App;
use crate::operate::deed_about;
use crate::{
    backup::{self, Put, Restore},
    base::Failure,
    model::backup::{PutReport, RestoreReport, Saved},
};

impl App {
    /// Puts folders into the store under a name.
    pub fn store_put(&self, put: &Put) -> Result<PutReport, Failure> {
        let act = || backup::put::put(&self.site, put);
        if put.dry_run {
            act()
        } else {
            Operator::new(&self.site).witnessed(deed_about("store put", &put.name), "", act)
        }
    }

    /// Restores what was put under a name into a folder.
    pub fn store_restore(&self, restore: &Restore) -> Result<RestoreReport, Failure> {
        let _lock = (!restore.dry_run).then(|| self.site.lock()).transpose()?;
        let act = || backup::restore::restore(&self.site, restore);
        if restore.dry_run {
            act()
        } else {
            Operator::new(&self.site).witnessed(deed_about("store restore", &restore.name), "", act)
        }
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
        Operator::new(&self.site).witnessed(deed_about("store drop", name), "", || {
            backup::drop_name(&self.site, name)
        })
    }
}
