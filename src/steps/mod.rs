//! Row 7, the steps that engines share, one file a step.
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

use std::{cell::RefCell, rc::Rc};

use crate::{
    base::Failure,
    journal,
    model::{Operation, TaskSpec, operation::Step},
    site::RepoSite,
};

/// Runs a verification; an error turns the operation back.
pub type VerifyFn<'a> = Box<dyn FnMut(verify::What<'_>) -> Result<(), Failure> + 'a>;

/// The steps of an operation, ready to run.
pub fn build<'a>(
    site: &'a RepoSite,
    operation: &'a Operation,
    task: Option<&'a TaskSpec>,
    verify: VerifyFn<'a>,
) -> Vec<Box<dyn journal::Step + 'a>> {
    let verify = Rc::new(RefCell::new(verify));
    let check = |what| Box::new(verify::Verify::new(what, verify.clone()));
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
            } => check(verify::What::Version(version)),
            Step::Verify { version: None } => check(verify::What::Recorded),
            Step::Ready { version } => check(verify::What::Ready(version)),
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
