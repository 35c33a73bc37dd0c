//! Checks that no log or journal beside a database of the version changes its rows.

use crate::{
    base::{Failure, Sorted, sqlite::LogEffect, text},
    catalog::databases::with_sides,
    model::CheckResult,
    verify::{Check, CheckSubject, nothing, task_tree::TaskTree},
};

/// Checks that the rows of the version's databases are the released ones; no result without
/// databases.
pub struct DatabasesCheck;

impl Check for DatabasesCheck {
    fn id(&self) -> &'static str {
        "integrity.databases"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject {
            CheckSubject::WorkTree(tree) => Ok(self.of_tree(tree)?.into_iter().collect()),
            _ => nothing(),
        }
    }
}

impl DatabasesCheck {
    fn of_tree(&self, of: &TaskTree<'_>) -> Result<Option<CheckResult>, Failure> {
        let run = self.begin();
        let tree = &*of.site().tree;
        let restored = of.manifest.files.iter().filter(|file| of.paths.wants(file));
        let restored = Sorted::new(restored.map(|file| (file.path(), ())));
        let databases = with_sides(tree, of.scan.names(), |path| restored.contains(path))?;
        let mut problems = Vec::new();
        for database in &databases {
            let path = &database.path;
            problems.extend(
                match database.changed_by(tree, |log| !restored.contains(log))? {
                    Some((log, LogEffect::Transaction)) => Some(format!(
                        "{log} takes back a transaction on {path}, so its rows are others"
                    )),
                    Some((log, _)) => Some(format!(
                        "{log} holds committed rows that {path} of the version has not"
                    )),
                    None => None,
                },
            );
        }
        let proof = format!(
            "{}: no log or journal beside it changes its rows",
            text::count(databases.len(), "database")
        );
        Ok((!databases.is_empty()).then(|| run.judge(problems, proof)))
    }
}
