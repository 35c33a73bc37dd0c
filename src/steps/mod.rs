//! Row 5, the steps that engines share, one file a step.
//!
//! Each one implements [`journal::Step`] over the ports of the ground;
//! [`build`] turns an operation's plan into steps, for a first run and for recovery alike, so
//! that a crash is finished by the very code that was interrupted.

pub mod command;
pub mod environment;
pub mod files;
pub mod publish;
pub mod remove_refs;
pub mod verdicts;
pub mod verify;

use crate::{
    journal,
    model::{Operation, TaskSpec, operation::Step},
    site::RepoSite,
    verify::arrival::Arrival,
};

/// The steps of an operation, ready to run; those that verify say in `verified` what they proved.
pub fn build<'a>(
    site: &'a RepoSite,
    operation: &'a Operation,
    task: Option<&'a TaskSpec>,
    verified: &'a verify::Verified,
) -> Vec<Box<dyn journal::Step + 'a>> {
    let check = |arrival| {
        Box::new(verify::Verify::new(
            site, operation, task, arrival, verified,
        ))
    };
    let make = |step: &'a Step| -> Box<dyn journal::Step + 'a> {
        match step {
            Step::Command { role } => {
                let task = task.filter(|_| !site.leaves_commands_out(operation));
                Box::new(command::Command::new(site, task, *role))
            }
            Step::Files(changes) => Box::new(files::Files::new(
                site,
                &operation.about.id,
                operation.about.at,
                changes,
            )),
            Step::Environment(change) => {
                Box::new(environment::Environment::new(&*site.tree, change))
            }
            Step::Verify {
                version: Some(version),
            } => check(Arrival::Version(version)),
            Step::Verify { version: None } => check(Arrival::Recorded),
            Step::Ready { version } => check(Arrival::Ready(version)),
            Step::Publish(publication) => {
                Box::new(publish::Publish::new(site, operation, publication, task))
            }
            Step::RemoveRefs(refs) => Box::new(remove_refs::RemoveRefs::new(
                site,
                &operation.about.id,
                refs,
            )),
            Step::Verdicts(records) => {
                Box::new(verdicts::Verdicts::new(&*site.state, records).shared_in(site))
            }
        }
    };
    operation.steps.iter().map(make).collect()
}
