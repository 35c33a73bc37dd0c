//! Databases restored by a rollback or an undo, together with their companion files.
//!
//! SQLite would apply a log that is not part of the target to the restored database, so the log is
//! saved and removed, even if the database itself is unchanged and only the log would change its
//! rows. Such a database is still part of the operation, because a log may only be restored beside
//! the exact database it was taken from. A log whose database does not belong to the task stays: it
//! is part of that database.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::compare::{Comparison, RestoredFiles, TreeDifference};
use crate::{
    base::{Failure, RelPath, sqlite},
    catalog::{
        Scope, capture,
        databases::{self, Database, Error, is_lone_log},
    },
    draft::{Draft, steps, tree},
    git::{Attributes, Scan},
    model::{
        FileRecord, PathChange,
        manifest::{FileRole, ManifestFile},
    },
    site::RepoSite,
};

impl Comparison<'_> {
    /// Adds the companion files of the target's databases to the changes, and drops logs whose
    /// database stays.
    pub(super) fn settle_databases(
        &self,
        scan: &Scan,
        wanted: &RestoredFiles<'_>,
        compared: &mut TreeDifference,
    ) -> Result<(), Failure> {
        self.leave_lone_logs(wanted, compared);
        for database in self.databases(scan, wanted, compared)?.into_values() {
            let is_kept = self.scope.protects(&database.path)
                && capture::stat(&*self.site.tree, &database.path)?.is_some();
            if !is_kept {
                self.settle_one(&database, wanted, compared)?;
            }
        }
        compared.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(())
    }

    /// Returns the databases of the target, and the removed ones, with their companion files.
    fn databases(
        &self,
        scan: &Scan,
        wanted: &RestoredFiles<'_>,
        compared: &TreeDifference,
    ) -> Result<BTreeMap<RelPath, Database>, Failure> {
        let tree = &*self.site.tree;
        let changed: BTreeSet<&RelPath> = compared.files.iter().map(|file| &file.path).collect();
        let is_meant = |path: &RelPath| wanted.contains(path) || changed.contains(path);
        let found = databases::with_sides(tree, scan.names(), is_meant)?;
        let mut found: BTreeMap<_, _> = found
            .into_iter()
            .map(|database| (database.path.clone(), database))
            .collect();
        // The scan covers the task's own folders only, not paths that only a release lists.
        let shared = wanted.values().filter(|file| {
            file.role == FileRole::Shared && file.size().is_none_or(sqlite::is_sized)
        });
        let beside = changed
            .iter()
            .filter_map(|path| sqlite::database_of(path))
            .filter(|path| is_meant(path));
        for path in shared.map(|file| file.path().clone()).chain(beside) {
            if !found.contains_key(&path)
                && let Some(database) = Database::at(tree, &path)?
            {
                found.insert(path, database);
            }
        }
        Ok(found)
    }

    /// Removes the companion files of one database, unless neither it nor its rows change.
    fn settle_one(
        &self,
        database: &Database,
        wanted: &RestoredFiles<'_>,
        compared: &mut TreeDifference,
    ) -> Result<(), Failure> {
        let tree = &*self.site.tree;
        let changes = |path: &RelPath| compared.files.iter().any(|file| file.path == *path);
        let is_foreign = |path: &RelPath| !wanted.contains(path);
        let is_touched = changes(&database.path)
            || sqlite::ENDS
                .iter()
                .any(|end| changes(&sqlite::side(&database.path, end)))
            || database.changed_by(tree, is_foreign)?.is_some();
        if !is_touched {
            return Ok(());
        }
        let go: Vec<&RelPath> = database
            .logs
            .iter()
            .filter(|log| is_foreign(log) && !changes(log))
            .collect();
        for log in go {
            if !may_go(self.site, self.scope, database, log)? {
                continue;
            }
            if let Some(before) = tree::existing(tree, &self.site.git, log, None)? {
                compared.untracked.retain(|path| path != log);
                compared.protected.retain(|path| path != log);
                compared.files.push(PathChange {
                    path: log.clone(),
                    before: Some(before),
                    after: None,
                });
            }
        }
        if let Some(file) = wanted
            .get(&database.path)
            .filter(|_| !compared.files.iter().any(|file| file.path == database.path))
        {
            compared.files.extend(self.as_it_is(file)?);
        }
        Ok(())
    }

    /// Returns an unchanged file as part of the change.
    fn as_it_is(&self, file: &ManifestFile) -> Result<Option<PathChange>, Failure> {
        let Some(stat) = capture::stat(&*self.site.tree, file.path())? else {
            return Ok(None);
        };
        let converter = self.site.git.converter(Attributes::WorkTree)?;
        let after = tree::restored(self.site, &converter, file)?;
        let mut before = after.clone();
        before.mtime = Some(stat.mtime);
        Ok(Some(PathChange {
            path: file.path().clone(),
            before: Some(before),
            after: Some(after),
        }))
    }

    /// Leaves logs in place whose database exists and is not among the target's: they are part of
    /// it, whatever is listed.
    fn leave_lone_logs(&self, wanted: &RestoredFiles<'_>, compared: &mut TreeDifference) {
        let goes: BTreeSet<RelPath> = compared
            .files
            .iter()
            .map(|file| file.path.clone())
            .collect();
        let is_part = |path: &RelPath| wanted.contains(path) || goes.contains(path);
        let lone: BTreeSet<RelPath> = goes
            .iter()
            .filter(|path| is_lone_log(&*self.site.tree, path, is_part))
            .cloned()
            .collect();
        if lone.is_empty() {
            return;
        }
        compared.files.retain(|file| !lone.contains(&file.path));
        compared.tree.retain(|change| !lone.contains(&change.path));
        compared.index.retain(|change| !lone.contains(&change.path));
        compared.protected.extend(lone);
    }
}

/// Companion files of databases among files restored by an undo or from an operation's saved files.
/// Companions that do not belong to the restored state are removed, and a database whose log is
/// touched becomes part of the change even if unchanged.
pub struct Sides {
    /// Databases whose log is touched: they must not be left out.
    pub databases: BTreeSet<RelPath>,
    /// Present logs that do not belong to the restored state.
    pub go: Vec<RelPath>,
}

impl Sides {
    /// Finds them, given every touched path with its restored state.
    ///
    /// # Errors
    /// Returns [`Error::Protected`] for a log that must be removed but is protected.
    pub fn of<'a>(
        site: &RepoSite,
        scope: &Scope,
        comes: impl Iterator<Item = (&'a RelPath, Option<&'a FileRecord>)>,
    ) -> Result<Self, Failure> {
        let tree = &*site.tree;
        let comes: BTreeMap<&RelPath, Option<&FileRecord>> = comes.collect();
        let mut sides = Self {
            databases: BTreeSet::new(),
            go: Vec::new(),
        };
        for (path, state) in &comes {
            let is_sized = state.is_some_and(|state| sqlite::is_sized(state.size))
                || sqlite::stat(tree, path)
                    .is_ok_and(|stat| stat.is_some_and(|stat| sqlite::is_sized(stat.size)));
            let Some(database) = (if is_sized {
                Database::at(tree, path)?
            } else {
                None
            }) else {
                continue;
            };
            let others: Vec<RelPath> = database
                .logs
                .iter()
                .filter(|log| !comes.contains_key(log))
                .cloned()
                .collect();
            if others.is_empty() {
                continue;
            }
            let now = capture::record(tree, path)?;
            let is_back = now.is_some() && FileRecord::same_at(now.as_ref(), *state);
            let is_meant = |log: &RelPath| others.contains(log);
            // A database restored unchanged, with logs that change nothing, is left alone.
            if is_back && database.changed_by(tree, is_meant)?.is_none() {
                continue;
            }
            sides.databases.insert((*path).clone());
            for log in others {
                if may_go(site, scope, &database, &log)? {
                    sides.go.push(log);
                }
            }
        }
        sides.databases.extend(
            comes
                .keys()
                .filter_map(|path| sqlite::database_of(path))
                .filter(|path| comes.contains_key(path)),
        );
        Ok(sides)
    }
}

/// Returns true when a log may be removed. A log that is itself protected stays as long as it is
/// empty.
fn may_go(
    site: &RepoSite,
    scope: &Scope,
    database: &Database,
    log: &RelPath,
) -> Result<bool, Failure> {
    if !scope.protects(log) || scope.protects(&database.path) {
        return Ok(true);
    }
    let holds = !log.name().ends_with(b"-shm")
        && capture::stat(&*site.tree, log)?.is_some_and(|stat| stat.size > 0);
    if holds {
        Err(Error::Protected {
            database: database.path.clone(),
            log: log.clone(),
        }
        .into())
    } else {
        Ok(false)
    }
}

/// Refuses to replace databases that other processes have open. If the task is stopped first, the
/// step that changes the files checks this instead.
pub fn refuse_open(site: &RepoSite, draft: &mut Draft) -> Result<(), Failure> {
    let is_stopped = draft.steps.contains(&steps::STOP) && !site.without_commands;
    if is_stopped {
        return Ok(());
    }
    let changing = draft.files.iter().filter(|file| !is_same(file));
    let paths = changing.map(|file| {
        (
            &file.path,
            file.before.as_ref().map_or(0, |record| record.size),
        )
    });
    let databases = databases::among(&*site.tree, paths)?;
    if databases::wait_closed(site.git.work_tree(), &databases, Duration::ZERO, false)? {
        let names: Vec<String> = databases
            .iter()
            .map(|database| database.path.to_string())
            .collect();
        let note = format!(
            "processes of other users cannot be looked at: whether one has {} open is not known",
            names.join(", ")
        );
        draft.plan.notes.push(note);
    }
    Ok(())
}

/// Returns true for a path that is part of an operation but unchanged.
pub fn is_same(file: &PathChange) -> bool {
    matches!((&file.before, &file.after), (Some(before), Some(after)) if before.same(after))
}
