//! Checks that the lock files of a task are those that its release recorded.

use crate::{
    base::{Digest, Failure, Fs},
    git::{Attributes, Converter},
    model::{CheckResult, Manifest, Status},
    verify::{Check, CheckSubject, nothing},
};

/// Checks that the lock files are the recorded ones.
pub struct LockFilesCheck;

impl Check for LockFilesCheck {
    fn id(&self) -> &'static str {
        "configuration.lockfiles"
    }

    fn level(&self) -> u8 {
        2
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let result = match subject {
            CheckSubject::WorkTree(tree) if !tree.is_edited()? => {
                let site = tree.site();
                let converter = site.git.converter(Attributes::WorkTree)?;
                lock_files(&*site.tree, tree.manifest, &converter)
            }
            CheckSubject::Scratch(of) => {
                lock_files(of.checkout.tree, of.manifest, of.checkout.converter)
            }
            _ => return nothing(),
        };
        Ok(vec![result])
    }
}

/// Compares the lock files with the recorded ones.
fn lock_files(tree: &dyn Fs, manifest: &Manifest, converter: &Converter) -> CheckResult {
    let run = LockFilesCheck.begin();
    let files = &manifest.dependencies.lockfiles;
    if files.is_empty() {
        return run.end(
            Status::Skipped,
            vec!["the release has no lock files".into()],
        );
    }
    // No rollback restores files outside the task, so a difference there is reported but is no
    // failure.
    let mut outside = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        let problems = if manifest.file(&file.path).is_some() {
            &mut problems
        } else {
            &mut outside
        };
        let mut bytes = Vec::new();
        let read = tree
            .open(&file.path)
            .and_then(|mut reader| std::io::Read::read_to_end(&mut reader, &mut bytes));
        match read {
            Err(error) => problems.push(format!("{}: {error}", file.path)),
            Ok(_) if Digest::of(&bytes) == file.checksum => {}
            Ok(_) => match converter.to_git(&file.path, bytes) {
                Ok(bytes) if Digest::of(&bytes) == file.checksum => {}
                _ => problems.push(format!("{} is not the recorded one", file.path)),
            },
        }
    }
    if problems.is_empty() && !outside.is_empty() {
        let said = outside
            .into_iter()
            .map(|problem| format!("{problem}; it is not part of the task"));
        return run.end(Status::Skipped, said.collect());
    }
    problems.extend(outside);
    run.judge(problems, format!("{} lock files as recorded", files.len()))
}
