//! Verification after an operation is done, or when there was nothing to do.
//!
//! A release is verified both where it is stored and in the work tree. An undo restores an earlier
//! state exactly, whatever it was; afterwards the report says whether that state is a release and
//! whether it holds. Nothing here reverses an operation.

use std::time::Instant;

use super::Operator;
use crate::{
    base::Failure,
    catalog::{registry as read, tasks},
    model::{
        CheckResult, Operation, Report, Status, TaskSpec, Verification, Version,
        operation::{OpKind, Step},
        verification::AS_RELEASED,
    },
    verdict::{self, standing_of},
    verify::{
        CheckRun, Commands, Levels, RegistryEntry, Verifier,
        arrival::{self, leave_packages},
    },
};

impl Operator<'_> {
    /// Runs what follows a finished operation.
    pub(super) fn after(
        &self,
        operation: &Operation,
        task: Option<&TaskSpec>,
        begun: Instant,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let (Some(task), Some(version)) = (task, &operation.about.to) else {
            return Ok(());
        };
        match operation.about.kind {
            OpKind::CreateSnapshot => {
                let verification = match report.verification.take() {
                    Some(verification) => verification,
                    None => self.verify_released(operation, (task, version), begun)?,
                };
                let meanwhile = verification.meanwhile();
                let notes = meanwhile.iter();
                let notes = notes.map(|line| format!("changed meanwhile, not as released: {line}"));
                report.notes.extend(notes);
                report.verification = Some(verification);
            }
            OpKind::Undo | OpKind::Redo => {
                let checks = self.verify_arrived(operation, task, version, report)?;
                let (task, version) = (task.id.clone(), version.clone());
                report
                    .verification
                    .get_or_insert_with(|| Verification {
                        task,
                        version,
                        checks: Vec::new(),
                    })
                    .checks
                    .extend(checks);
            }
            OpKind::Rollback => self.look_after_a_kill(operation, task, version, report)?,
            _ => {}
        }
        Ok(())
    }

    /// Verifies a rollback again if its files were verified by a run that was killed: others may
    /// have changed them since. Its commands passed and are not run again.
    fn look_after_a_kill(
        &self,
        operation: &Operation,
        task: &TaskSpec,
        version: &Version,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let is_seen = |found: &Verification| {
            found
                .checks
                .iter()
                .any(|check| check.id == "integrity.files")
        };
        if report.verification.as_ref().is_some_and(is_seen) {
            return Ok(());
        }
        let levels = Levels {
            registry: RegistryEntry::of(operation),
            tag: false,
            ..Levels::FIRST_TWO
        };
        let releases = tasks::release_of(self.site, &task.id, version)?;
        let now = Verifier::new(self.site, task, &releases, version).work_tree(levels)?;
        match &mut report.verification {
            Some(verification) => verification.checks.extend(now.checks),
            None => report.verification = Some(now),
        }
        Ok(())
    }

    /// Verifies a release whose run was killed after its commit point, or whose plan is of a time
    /// when releases were verified after that.
    fn verify_released(
        &self,
        operation: &Operation,
        (task, version): (&TaskSpec, &Version),
        begun: Instant,
    ) -> Result<Verification, Failure> {
        let taken_in = operation.steps.iter().find_map(|step| match step {
            Step::Verify { since, .. } => *since,
            _ => None,
        });
        // Otherwise when the operation was requested, before it was planned.
        let at = operation.about.at;
        let since = taken_in.or_else(|| at.checked_sub(begun.elapsed()).ok());
        arrival::released(self.site, operation, (task, version), since.unwrap_or(at))
    }

    /// Verifies the version that an undo or redo arrived at. Differences from the release existed
    /// before, so they are only reported; a failing command fails its check.
    fn verify_arrived(
        &self,
        operation: &Operation,
        task: &TaskSpec,
        version: &Version,
        report: &mut Report,
    ) -> Result<Vec<CheckResult>, Failure> {
        let releases = tasks::release_of(self.site, &task.id, version)?;
        if releases.find(&task.id, version).is_err() {
            let said =
                format!("{version} was never released here: there is nothing to verify it against");
            return Ok(vec![
                CheckRun::begin(1, "integrity.manifest").end(Status::Skipped, vec![said]),
            ]);
        }
        let levels = Levels {
            commands: Commands::of(self.site, operation),
            tag: false,
            ..Levels::ALL
        };
        let verifier = Verifier::new(self.site, task, &releases, version);
        let mut checks = verifier.work_tree(levels)?.checks;
        leave_packages(self.site, operation, &mut checks);
        let mut other = Vec::new();
        for check in &mut checks {
            let differs = check.level <= 2
                && check.status > Status::Skipped
                && check.id != "integrity.manifest";
            if differs {
                report.notes.extend(
                    check
                        .evidence
                        .iter()
                        .map(|line| format!("as before, not as released: {line}")),
                );
                other.push(check.id.clone());
            }
            // An undo asks for no consent to commands; a command that could not run is not checked.
            let not_run =
                check.status == Status::Inconclusive && check.level >= 3 && !self.may_run(task);
            if differs || not_run {
                check.status = Status::Skipped;
            }
        }
        if !other.is_empty() {
            checks.push(CheckRun::begin(1, AS_RELEASED).end(
                Status::Skipped,
                vec![format!("as before, not as released: {}", other.join(", "))],
            ));
        }
        Ok(checks)
    }

    /// Returns true when the owner agreed to every command that verifies this task.
    fn may_run(&self, task: &TaskSpec) -> bool {
        self.site
            .commands_of_verification(&task.id)
            .iter()
            .all(|command| command.trusted)
    }

    /// Verifies the active version for a rollback to that same version: reads every byte.
    pub(super) fn verify_active(
        &self,
        task: &TaskSpec,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let active = read::active(self.site, task).version;
        let Some(version) = active.filter(|active| report.to.as_ref() == Some(active)) else {
            return Ok(());
        };
        let releases = tasks::release_of(self.site, &task.id, &version)?;
        let commands = if self.may_run(task) {
            Commands::unless(self.site.without_commands)
        } else {
            Commands::NotTrusted
        };
        let standing = standing_of(
            &verdict::standings_of(self.site, &task.id)?,
            &task.id,
            &version,
        );
        // As in an operation: the file that all tasks share blocks no task's rollback.
        let registry = match read::entry(&*self.site.tree, &self.site.settings, &task.id) {
            Ok(_) => RegistryEntry::Counts,
            Err(_) => RegistryEntry::Told,
        };
        let levels = Levels {
            commands,
            registry,
            deep: true,
            held: standing.held,
            ..Levels::ALL
        };
        let verification = Verifier::new(self.site, task, &releases, &version).work_tree(levels)?;
        self.note_tree_under_lock(&verification, commands);
        report.verification = Some(verification);
        Ok(())
    }
}
