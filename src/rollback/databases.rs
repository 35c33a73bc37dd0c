//! Databases that a rollback or an undo brings back: what lies beside them goes with them.
//!
//! A log that is no part of the target would be read into the database that is put there, so it is
//! saved and taken away, also when the database itself stays as it is and only its log would change
//! its rows. The database is then part of the operation all the same: a log may only come back
//! beside the very database that it was taken from. A log whose database is not the task's stays
//! where it is: it is part of that database.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::compare::{Compared, Comparison, Wanted};
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
        manifest::{ManifestFile, Role},
    },
    site::RepoSite,
};

impl Comparison<'_> {
    /// Adds to the changes what lies beside the databases of the target, and takes out of them logs
    /// whose database stays.
    pub(super) fn settle_databases(
        &self,
        scan: &Scan,
        wanted: &Wanted<'_>,
        compared: &mut Compared,
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

    /// The databases of the target, and those that go, with what lies beside them.
    fn databases(
        &self,
        scan: &Scan,
        wanted: &Wanted<'_>,
        compared: &Compared,
    ) -> Result<BTreeMap<RelPath, Database>, Failure> {
        let tree = &*self.site.tree;
        let changed: BTreeSet<&RelPath> = compared.files.iter().map(|file| &file.path).collect();
        let is_meant = |path: &RelPath| wanted.contains(path) || changed.contains(path);
        let found = databases::with_sides(tree, scan.names(), is_meant)?;
        let mut found: BTreeMap<_, _> = found
            .into_iter()
            .map(|database| (database.path.clone(), database))
            .collect();
        // The scan looked into the task's own folders, and knows nothing of what a release alone
        // lists.
        let shared = wanted
            .values()
            .filter(|file| file.role == Role::Shared && file.size().is_none_or(sqlite::is_sized));
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

    /// Takes away what lies beside one database, unless neither it nor its rows change.
    fn settle_one(
        &self,
        database: &Database,
        wanted: &Wanted<'_>,
        compared: &mut Compared,
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

    /// A file that stays as it is, as part of the change.
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

    /// Leaves logs where they are whose database is there and is none of the target's: they are
    /// part of it, whatever is listed.
    fn leave_lone_logs(&self, wanted: &Wanted<'_>, compared: &mut Compared) {
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

/// What lies beside the databases among files that are brought back, by an undo or out of what an
/// operation kept: what has no place beside what comes is taken away, and a database of which a log
/// is touched is part of the change, also when it is the same.
pub struct Sides {
    /// The databases of which a log is touched: they must not be left out.
    pub databases: BTreeSet<RelPath>,
    /// Logs that lie there now and have no place in what comes back.
    pub go: Vec<RelPath>,
}

impl Sides {
    /// Finds them, given every path that is touched with what comes there.
    ///
    /// # Errors
    /// [`Error::Protected`] for a log that must go and may not.
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
            // One that comes back as it is, with logs that say nothing else, is left alone.
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

/// True when a log may be taken away. One that is protected by itself stays, as long as nothing is
/// in it.
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

/// Refuses to replace databases that other processes have open. When the task is stopped first,
/// that is looked at afterwards, by the step that changes the files.
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

/// True for a path that is part of an operation and stays as it is.
pub fn is_same(file: &PathChange) -> bool {
    matches!((&file.before, &file.after), (Some(before), Some(after)) if before.same(after))
}
