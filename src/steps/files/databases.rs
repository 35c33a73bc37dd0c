//! Treats a database and what SQLite keeps beside it as one thing.
//!
//! The plan names the logs that lay there when it was made. A log that came later was written for
//! the database as it is now, and SQLite would read it into any other database beside it. So such a
//! log is put aside where a database is replaced. A database that was written to meanwhile does not
//! go back: it stays as it is, with everything beside it.

use std::time::Duration;

use super::{
    Files, TREE_DIR, failed,
    foreign_edits::{PendingChange, SplitChanges},
};
use crate::{
    base::{
        Failure, RelPath,
        sqlite::{self, LogEffect},
    },
    catalog::databases::{self, Database},
    model::{Operation, PathChange, operation::FileChanges},
    site::RepoSite,
};

/// How long a process that was told to stop may take to close a database.
const LETS_GO: Duration = Duration::from_secs(5);

/// Refuses to take an operation back while another process has a database open that this would
/// replace. Nothing is changed.
///
/// # Errors
/// Names the database and the process that has it open.
pub fn refuse_open(site: &RepoSite, operation: &Operation) -> Result<(), Failure> {
    let changes = operation.path_changes().cloned().collect();
    let changes = FileChanges::of_work_tree(changes);
    let files = Files::new(site, &operation.about, &changes)?;
    let mut open = Vec::new();
    for database in files.databases(changes.changes.iter())? {
        for (at, change) in changes
            .changes
            .iter()
            .enumerate()
            .filter(|(_, change)| is_part(&change.path, &database))
        {
            if !files.is(&change.path, change.before.as_ref())? {
                open.push((at, change));
            }
        }
    }
    let SplitChanges { own, .. } = files.part(open)?;
    let databases = files.databases(own.into_iter().map(|(_, change)| change))?;
    databases::wait_closed(site.git.work_tree(), &databases, Duration::ZERO, true).map(drop)
}

/// Returns true for a database and what lies beside it.
fn is_part(path: &RelPath, database: &Database) -> bool {
    *path == database.path || sqlite::database_of(path).as_ref() == Some(&database.path)
}

impl Files<'_> {
    /// Returns the databases that exist now and that changes touch.
    fn databases<'c>(
        &self,
        changes: impl Iterator<Item = &'c PathChange>,
    ) -> Result<Vec<Database>, Failure> {
        let sizes = |change: &'c PathChange| {
            let of = |state: &Option<crate::model::FileRecord>| {
                (&change.path, state.as_ref().map_or(0, |state| state.size))
            };
            [of(&change.before), of(&change.after)]
        };
        Ok(databases::among(&*self.tree, changes.flat_map(sizes))?)
    }

    /// Waits a little until no process has a database open that is about to be replaced: the task's
    /// stop command may have run just before.
    pub(super) fn wait_closed(
        &self,
        open: &[PendingChange<'_>],
        forward: bool,
    ) -> Result<(), Failure> {
        let Some(site) = self.site else {
            return Ok(());
        };
        let top = &site.roots.get(self.root)?.top;
        let databases = self.databases(open.iter().map(|(_, change)| *change))?;
        databases::wait_closed(top, &databases, LETS_GO, !forward).map(drop)
    }

    /// Leaves alone a database of which any part has foreign edits, and what would change its rows.
    pub(super) fn leave_written<'c>(
        &self,
        parted: SplitChanges<'c>,
    ) -> Result<SplitChanges<'c>, Failure> {
        let SplitChanges { own, mut stay } = parted;
        let parts = own.iter().map(|(_, change)| *change).chain(
            self.changes
                .iter()
                .filter(|change| stay.contains(&change.path)),
        );
        let mut written = Vec::new();
        for database in self.databases(parts)? {
            let rows = if own.iter().any(|(_, change)| change.path == database.path) {
                self.rows_since(&database)?
            } else {
                Vec::new()
            };
            if !rows.is_empty() || stay.iter().any(|path| is_part(path, &database)) {
                stay.extend(rows);
                written.push(database);
            }
        }
        let (left, own) = own.into_iter().partition(|(_, change)| {
            written
                .iter()
                .any(|database| is_part(&change.path, database))
        });
        let left: Vec<PendingChange<'c>> = left;
        stay.extend(left.into_iter().map(|(_, change)| change.path.clone()));
        Ok(SplitChanges { own, stay })
    }

    /// Removes what appeared since the plan beside databases about to be replaced: rows are put
    /// aside, and a log that is folded in has nothing that its database lacks.
    pub(super) fn take_logs_away(&self, open: &[PendingChange<'_>]) -> Result<(), Failure> {
        for database in self.databases(open.iter().map(|(_, change)| *change))? {
            if !open.iter().any(|(_, change)| change.path == database.path) {
                continue;
            }
            let rows = self.rows_since(&database)?;
            let is_folded = |log: &&RelPath| {
                !rows.contains(log) && sqlite::is_log(&*self.tree, log).unwrap_or(false)
            };
            let folded: Vec<&RelPath> = self.logs_since(&database).filter(is_folded).collect();
            for log in &rows {
                self.put_aside(log, log)?;
            }
            for log in rows.iter().chain(folded) {
                self.tree.remove_file(log).map_err(failed("remove", log))?;
            }
            // Before another database is there: after a power cut the log must not lie beside it.
            let above = database.path.parent();
            self.tree
                .sync_dir(&above, TREE_DIR)
                .map_err(failed("sync", &above))?;
        }
        Ok(())
    }

    /// Returns what lies beside a database and is not in the plan.
    fn logs_since<'d>(&self, database: &'d Database) -> impl Iterator<Item = &'d RelPath> {
        database
            .logs
            .iter()
            .filter(|log| !self.changes.iter().any(|change| change.path == **log))
    }

    /// Returns the logs since the plan that change its rows.
    fn rows_since(&self, database: &Database) -> Result<Vec<RelPath>, Failure> {
        let mut rows = Vec::new();
        for log in self.logs_since(database) {
            if sqlite::log_to_its_end(&*self.tree, &database.path, log)
                .map_err(failed("read", log))?
                > LogEffect::Idle
            {
                rows.push(log.clone());
            }
        }
        Ok(rows)
    }
}
