//! SQLite databases of a release: it holds every committed row, or it is refused.
//!
//! While the log is not empty, a database file's bytes do not contain all its rows. snapback never
//! writes to the user's files to merge the log: the process that has the database open does that,
//! or the command in the hint.

use super::files::ReleaseFiles;
use crate::{
    base::{Failure, RelPath, sqlite::LogEffect},
    catalog::{
        Scope,
        databases::{self, Database, Error, is_lone_log},
    },
    git::Scan,
    site::RepoSite,
};

/// Refuses a release that would lack committed rows, or contain uncommitted ones.
pub fn check(
    site: &RepoSite,
    scope: &Scope,
    scan: &Scan,
    found: &mut ReleaseFiles,
) -> Result<(), Failure> {
    let is_part = |path: &RelPath| {
        found
            .entries
            .iter()
            .any(|file| file.path() == path && file.is_restored())
    };
    let tree = &*site.tree;
    let mut notes = Vec::new();
    for database in databases::with_sides(tree, scan.names(), is_part)? {
        if let Some((log, change)) = database.changed_by(tree, |log| !is_part(log))? {
            let rows = if change == LogEffect::Rows {
                "holds committed rows that are"
            } else {
                "says that a transaction has not ended: it is"
            };
            if scope.protects(&database.path) {
                // No rollback overwrites it; the note states what is stored of it.
                notes.push(format!(
                    "{log} {rows} not part of the release; {} is protected, so it stays as it is",
                    database.path
                ));
                continue;
            }
            return Err(refusal(site, &database, log.clone(), change).into());
        }
        if let Some((log, _)) = database.changed_by(tree, is_part)? {
            let by = database.openers(site.git.work_tree()).0;
            if !by.is_empty() {
                return Err(Error::Pair {
                    database: database.path.clone(),
                    log: log.clone(),
                    by,
                }
                .into());
            }
        }
    }
    let logs = found
        .entries
        .iter()
        .map(|file| file.path())
        .filter(|path| is_lone_log(tree, path, is_part));
    notes.extend(logs.map(|log| {
        format!("{log} belongs to a database that is not part of the release, so no rollback touches it: take it out of git with `git rm --cached`")
    }));
    found.notes.extend(notes);
    Ok(())
}

/// Returns why a database cannot be released.
fn refusal(site: &RepoSite, database: &Database, log: RelPath, change: LogEffect) -> Error {
    let (by, database) = (
        database.openers(site.git.work_tree()).0,
        database.path.clone(),
    );
    if change == LogEffect::Transaction {
        Error::Transaction { database, log, by }
    } else {
        Error::Rows { database, log, by }
    }
}
