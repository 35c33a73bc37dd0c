//! SQLite databases of a task, with the logs that would change their rows and the processes that
//! have them open.
//!
//! Releases, rollbacks and verifications work on files, but the rows of a database span several
//! files. This module groups those files, whatever the database is called and wherever its bytes
//! are stored. [`sqlite`] knows the format.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::base::{
    Failure, Fault, Fs, Hint, Kind, RelPath, Type, cancel,
    open_files::{Process, openers},
    sqlite::{self, LogEffect},
};

/// Interval between checks whether a database was closed.
const LOOK: Duration = Duration::from_millis(100);

/// A database and its companion files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// The database file.
    pub path: RelPath,
    /// Its log, the log's index and its journal, as far as they exist.
    pub logs: Vec<RelPath>,
}

/// Reasons why a database cannot be released or replaced.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A process has it open.
    #[error("{database} is open in {}, and it would be replaced{}", processes(.by), with_logs(.logs))]
    Open {
        /// The database.
        database: RelPath,
        /// Companion files that would be removed.
        logs: Vec<RelPath>,
        /// The processes that have it open.
        by: Vec<Process>,
    },
    /// Its log holds rows that its file lacks.
    #[error("{log} holds committed rows that {database} lacks, and they would not be part of the release{}", opened(.by))]
    Rows {
        /// The database.
        database: RelPath,
        /// Its log.
        log: RelPath,
        /// The processes that have it open.
        by: Vec<Process>,
    },
    /// A transaction has not ended.
    #[error("{log} says that a transaction on {database} has not ended, so {database} may hold half of it{}", opened(.by))]
    Transaction {
        /// The database.
        database: RelPath,
        /// Its journal.
        log: RelPath,
        /// The processes that have it open.
        by: Vec<Process>,
    },
    /// Database and log are both released, and one may change while the other is read.
    #[error("{database} and {log} are both part of the release, and they cannot be read at one moment{}", opened(.by))]
    Pair {
        /// The database.
        database: RelPath,
        /// Its log.
        log: RelPath,
        /// The processes that have them open.
        by: Vec<Process>,
    },
    /// Its log is protected.
    #[error("{log} is protected, and it would change the rows of {database}, which is replaced")]
    Protected {
        /// The database.
        database: RelPath,
        /// Its log.
        log: RelPath,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Refused
    }

    fn hints(&self) -> Vec<Hint> {
        let ask = |why: &str, database: &RelPath, sql: &str| {
            Hint::run(why, &["sqlite3", &database.to_string(), sql])
        };
        let fold =
            |why: &str, database: &RelPath| ask(why, database, "PRAGMA wal_checkpoint(TRUNCATE)");
        match self {
            Self::Open { .. } => vec![Hint::say(
                "end it, or give the task a `stop` command in snapback.yaml, and try again",
            )],
            Self::Rows { database, by, .. } => {
                let stop = (!by.is_empty()).then(|| {
                    Hint::say("end the process first, or it goes on writing into the log")
                });
                std::iter::once(fold("fold the log into the database", database))
                    .chain(stop)
                    .collect()
            }
            Self::Transaction { by, .. } if !by.is_empty() => vec![Hint::say(
                "try again when the transaction is over, or end the process",
            )],
            Self::Transaction { database, .. } => {
                vec![ask(
                    "let SQLite take the transaction back",
                    database,
                    "SELECT count(*) FROM sqlite_master",
                )]
            }
            Self::Pair { database, .. } => vec![
                Hint::say("end the process and try again"),
                fold(
                    "or fold the log into the database, and let .gitignore name the log",
                    database,
                ),
            ],
            Self::Protected { log, .. } => vec![Hint::say(format!(
                "protect the database itself, or take {log} out of `protect`"
            ))],
        }
    }
}

/// Returns `, tasks/T01/db.sqlite-wal with it`.
fn with_logs(logs: &[RelPath]) -> String {
    if logs.is_empty() {
        String::new()
    } else {
        format!(
            ", {} with it",
            logs.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        )
    }
}

/// Returns `python3 (process 77)`.
fn processes(by: &[Process]) -> String {
    by.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Returns `; python3 (process 77) has it open`.
fn opened(by: &[Process]) -> String {
    match by {
        [] => String::new(),
        [one] => format!("; {one} has it open"),
        more => format!("; {} have it open", processes(more)),
    }
}

impl Database {
    /// Returns the database at a path with its companion files; `None` if there is no database.
    pub fn at(tree: &dyn Fs, path: &RelPath) -> Result<Option<Self>, super::Error> {
        let failed = |source| super::Error::Read {
            path: path.clone(),
            source,
        };
        if !sqlite::is_database(tree, path).map_err(failed)? {
            return Ok(None);
        }
        let mut logs = Vec::new();
        for side in sqlite::ENDS.map(|end| sqlite::side(path, end)) {
            if sqlite::stat(tree, &side).map_err(failed)?.is_some() {
                logs.push(side);
            }
        }
        Ok(Some(Self {
            path: path.clone(),
            logs,
        }))
    }

    /// Returns the log among the selected ones that changes the rows most, and how; `None` when
    /// none does.
    pub fn changed_by(
        &self,
        tree: &dyn Fs,
        is_meant: impl Fn(&RelPath) -> bool,
    ) -> Result<Option<(&RelPath, LogEffect)>, super::Error> {
        let mut worst = None;
        for log in self.logs.iter().filter(|log| is_meant(log)) {
            let found =
                sqlite::log(tree, &self.path, log).map_err(|source| super::Error::Read {
                    path: log.clone(),
                    source,
                })?;
            if found > worst.map_or(LogEffect::Idle, |(_, log)| log) {
                worst = Some((log, found));
            }
        }
        Ok(worst)
    }

    /// Returns the files that SQLite opens for the database.
    fn files(&self, work_tree: &Path) -> Vec<PathBuf> {
        let sides = sqlite::ENDS.map(|end| sqlite::side(&self.path, end));
        std::iter::once(&self.path)
            .chain(&sides)
            .map(|path| work_tree.join(path.as_os()))
            .collect()
    }

    /// Returns the processes that have the database or its companions open, and whether some
    /// processes could not be inspected.
    pub fn openers(&self, work_tree: &Path) -> (Vec<Process>, bool) {
        let found = openers(&self.files(work_tree));
        let mut by: Vec<Process> = found
            .found
            .into_iter()
            .map(|(_, process)| process)
            .collect();
        by.sort_unstable();
        by.dedup();
        (by, found.unsure)
    }
}

/// Returns the wanted databases that have companion files, among all existing paths.
pub fn with_sides<'a>(
    tree: &dyn Fs,
    names: impl Iterator<Item = &'a RelPath>,
    is_wanted: impl Fn(&RelPath) -> bool,
) -> Result<Vec<Database>, super::Error> {
    let paths: BTreeSet<RelPath> = names
        .filter_map(sqlite::database_of)
        .filter(|path| is_wanted(path))
        .collect();
    let found = paths
        .iter()
        .map(|path| Database::at(tree, path))
        .filter_map(Result::transpose);
    found
        .filter(|database| {
            database
                .as_ref()
                .map_or(true, |database| !database.logs.is_empty())
        })
        .collect()
}

/// Returns the databases affected by changes of some paths, given with their current sizes:
/// databases themselves, and those whose logs are among the paths.
pub fn among<'a>(
    tree: &dyn Fs,
    paths: impl Iterator<Item = (&'a RelPath, u64)>,
) -> Result<Vec<Database>, super::Error> {
    let named = |(path, size): (&RelPath, u64)| {
        [
            sqlite::database_of(path),
            sqlite::is_sized(size).then(|| path.clone()),
        ]
    };
    let paths: BTreeSet<RelPath> = paths.flat_map(named).flatten().collect();
    paths
        .iter()
        .map(|path| Database::at(tree, path))
        .filter_map(Result::transpose)
        .collect()
}

/// Returns the file beside which a log, its index or a journal lies, if it exists.
pub fn file_beside(tree: &dyn Fs, path: &RelPath) -> Option<RelPath> {
    let is_file = |path: &RelPath| {
        tree.stat(path)
            .is_ok_and(|stat| stat.is_some_and(|stat| stat.kind == Type::File))
    };
    sqlite::database_of(path).filter(is_file)
}

/// Returns true for a log of an existing database that is not part of the task.
pub fn is_lone_log(tree: &dyn Fs, path: &RelPath, is_part: impl Fn(&RelPath) -> bool) -> bool {
    file_beside(tree, path).is_some_and(|database| {
        !is_part(&database) && sqlite::is_database(tree, &database).unwrap_or(false)
    })
}

/// Waits until no other process has any of these databases open, and refuses after `at_most`.
/// Returns true when some process could not be inspected. Signals do not interrupt it when it
/// restores (`puts_back`).
pub fn wait_closed(
    work_tree: &Path,
    databases: &[Database],
    at_most: Duration,
    puts_back: bool,
) -> Result<bool, Failure> {
    let until = Instant::now() + at_most;
    // Check all of them at once; nearly always that suffices.
    let files: Vec<_> = databases
        .iter()
        .flat_map(|database| database.files(work_tree))
        .collect();
    let found = openers(&files);
    let mut unsure = found.unsure;
    for database in databases.iter().filter(|_| !found.found.is_empty()) {
        loop {
            let (by, unseen) = database.openers(work_tree);
            unsure |= unseen;
            if by.is_empty() {
                break;
            }
            if Instant::now() >= until {
                return Err(Error::Open {
                    database: database.path.clone(),
                    logs: database.logs.clone(),
                    by,
                }
                .into());
            }
            if !puts_back {
                cancel::check()?;
            }
            std::thread::sleep(LOOK);
        }
    }
    Ok(unsure)
}
