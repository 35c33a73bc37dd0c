//! The files of a version, in the work tree or in the scratch folder of a drill; and the files that
//! an operation recorded, when it returns to the state before the first version.

use crate::{
    base::Failure,
    catalog::holds,
    git::{Attributes, WorkState, rules_gone},
    model::{CheckResult, Status, manifest::ManifestFile, verification::MEANWHILE},
    verify::{Check, CheckSubject, arrival::RecordedPaths, nothing, task_tree::TaskTree},
};

use super::checkout::{self, Checkout};

/// Checks that every file is as expected: type, mode and bytes.
pub struct FilesCheck;

impl Check for FilesCheck {
    fn id(&self) -> &'static str {
        "integrity.files"
    }

    fn level(&self) -> u8 {
        1
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let result = match subject {
            CheckSubject::WorkTree(tree) => tree.files()?.files.clone(),
            CheckSubject::Scratch(of) => {
                let wanted = |file: &ManifestFile| (of.is_of_version)(file);
                checkout::as_released(&of.checkout, of.manifest, &wanted, &|_| false)
            }
            CheckSubject::Recorded(of) => recorded(of),
            _ => return nothing(),
        };
        Ok(vec![result])
    }
}

/// Checks that every path holds exactly what the operation recorded.
fn recorded(of: &RecordedPaths<'_>) -> CheckResult {
    let run = FilesCheck.begin();
    let changes = || of.operation.path_changes();
    let is_as_recorded = |change: &&crate::model::PathChange| {
        holds(of.tree, Some(of.known), &change.path, change.after.as_ref()).unwrap_or(false)
    };
    let problems = changes()
        .filter(|change| !is_as_recorded(change))
        .map(|change| format!("{} is not what it was", change.path))
        .collect();
    let proof = format!("{} paths exactly as recorded", changes().count());
    run.judge(problems, proof)
}

/// The files of a version as found in the work tree.
pub struct FilesNow {
    /// Whether they are as released, leaving out files edited meanwhile.
    pub files: CheckResult,
    /// The files edited meanwhile, which fail nothing.
    pub meanwhile: Option<CheckResult>,
}

impl FilesNow {
    /// Checks the files of a version in the work tree.
    pub fn of(tree: &TaskTree<'_>) -> Result<Self, Failure> {
        let site = tree.site();
        let lost_rules = tree
            .scan
            .tracked
            .iter()
            .filter(|tracked| tracked.state == WorkState::Missing)
            .filter(|tracked| tree.scope().owns(&tracked.path));
        // During an operation the index may still have the rules of the version that is left.
        let gone = rules_gone(lost_rules.map(|tracked| (&tracked.path, None)));
        let converter = site.git.converter(Attributes::After(&gone))?;
        let checkout = Checkout {
            tree: &*site.tree,
            converter: &converter,
            file_mode: site.git.trusts_file_mode(),
            known: (!tree.levels.deep).then_some(&*site.known),
            // Files taken in a moment ago are accepted as they are, even a pointer.
            takes_pointers: tree.levels.since.is_some(),
        };
        let found = as_released(tree, &checkout);
        Ok(Self {
            files: checkout::without(found.files, tree.paths.absent(tree.manifest)),
            ..found
        })
    }
}

/// Checks whether the files are as released. Differences touched since the operation began are
/// foreign edits and form a separate result.
fn as_released(tree: &TaskTree<'_>, checkout: &Checkout<'_>) -> FilesNow {
    let paths = &tree.paths;
    let is_clean = |file: &ManifestFile| !tree.levels.deep && paths.is_clean(file);
    let look = |wanted: &dyn Fn(&ManifestFile) -> bool| {
        checkout::as_released(checkout, tree.manifest, wanted, &is_clean)
    };
    let all = |files| FilesNow {
        files,
        meanwhile: None,
    };
    let files = look(&|file| paths.wants(file));
    let (Status::Fail, Some(since)) = (files.status, tree.levels.since) else {
        return all(files);
    };
    let is_touched = |file: &ManifestFile| tree.is_touched(file.path(), since);
    let theirs = look(&|file| paths.wants(file) && is_touched(file));
    if theirs.status != Status::Fail {
        return all(files);
    }
    FilesNow {
        files: look(&|file| paths.wants(file) && !is_touched(file)),
        meanwhile: Some(CheckResult {
            id: MEANWHILE.into(),
            status: Status::Skipped,
            ..theirs
        }),
    }
}
