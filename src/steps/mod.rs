//! Row 7, the steps that engines share, one file a step.
//!
//! Each one implements [`JournalStep`] over the ports of the site. [`build`] turns an operation's
//! plan into steps, for a first run and for recovery alike, so that the code that was interrupted
//! by a crash also finishes the operation.
//!
//! A new step is a variant of [`Step`] with its name, a file here, and a line in
//! `Making::implementation`.

pub mod command;
pub mod environment;
pub mod files;
pub mod publish;
pub mod remove_refs;
pub mod verdicts;
pub mod verify;

use crate::{
    base::Failure,
    journal::JournalStep,
    model::{Operation, TaskSpec, operation::Step},
    site::{self, RepoSite, Site},
    verify::arrival::Arrival,
};
use command::CommandStep;
use environment::EnvironmentStep;
use files::Files;
use publish::Publish;
use remove_refs::RemoveRefs;
use verdicts::Verdicts;
use verify::VerifyStep;

/// Returns the steps of an operation, ready to run; verifying steps put their proof in `verified`.
///
/// # Errors
/// When a step is of a folder that the site does not know.
pub fn build<'a>(
    site: &'a RepoSite,
    operation: &'a Operation,
    task: Option<&'a TaskSpec>,
    verified: &'a verify::ProvenSoFar,
) -> Result<Vec<Box<dyn JournalStep + 'a>>, Failure> {
    let making = Making {
        site,
        operation,
        task,
        verified,
    };
    let make = |step| making.implementation(step);
    operation.steps.iter().map(make).collect()
}

/// Returns the steps of an operation at a site without a repository: all of them change files.
///
/// # Errors
/// When a step needs a repository, or is of a folder that the site does not know.
pub fn build_without_git<'a>(
    site: &'a Site,
    operation: &'a Operation,
) -> Result<Vec<Box<dyn JournalStep + 'a>>, Failure> {
    let make = |step: &'a Step| -> Result<Box<dyn JournalStep + 'a>, Failure> {
        match step {
            Step::Files(files) => Ok(Box::new(Files::below(site, &operation.about, files)?)),
            other => {
                Err(site::Error::NoRepository(format!("what {:?} changes", other.name())).into())
            }
        }
    };
    operation.steps.iter().map(make).collect()
}

/// The inputs from which the steps of one operation are made.
struct Making<'a> {
    site: &'a RepoSite,
    operation: &'a Operation,
    task: Option<&'a TaskSpec>,
    verified: &'a verify::ProvenSoFar,
}

impl<'a> Making<'a> {
    /// Returns the implementation of a step: the list to which a new one is added.
    fn implementation(&self, step: &'a Step) -> Result<Box<dyn JournalStep + 'a>, Failure> {
        let (site, about) = (self.site, &self.operation.about);
        Ok(match step {
            Step::Command { role } => Box::new(CommandStep::new(site, self.commanded(), *role)),
            Step::Files(files) => Box::new(Files::new(site, about, files)?),
            Step::Environment(change) => Box::new(EnvironmentStep::new(&*site.tree, change)),
            Step::Verify { version, since } => self.verify(Arrival::of(version.as_ref(), *since)),
            Step::Ready { version } => self.verify(Arrival::Ready(version)),
            Step::Publish(moves) => Box::new(Publish::new(
                (site, self.operation),
                moves,
                self.task,
                self.verified,
            )),
            Step::RemoveRefs(refs) => Box::new(RemoveRefs::new(site, &about.id, refs)),
            Step::Verdicts(records) => {
                let verdicts = Verdicts::new(&*site.state, records).shared_in(site);
                Box::new(verdicts.as_commit_point(self.operation.publication().is_none()))
            }
            Step::Proven(record) => Box::new(Verdicts::if_proven(site, record)),
        })
    }

    /// Returns the task, unless its commands are left out.
    fn commanded(&self) -> Option<&'a TaskSpec> {
        self.task
            .filter(|_| !self.site.leaves_commands_out(self.operation))
    }

    /// Returns the step that verifies something.
    fn verify(&self, arrival: Arrival<'a>) -> Box<dyn JournalStep + 'a> {
        let (site, operation, task) = (self.site, self.operation, self.task);
        Box::new(VerifyStep::new(
            site,
            operation,
            task,
            arrival,
            self.verified,
        ))
    }
}
