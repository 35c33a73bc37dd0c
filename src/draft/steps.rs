//! The steps of a draft: those of the operation, before the bytes they need are stored.
//!
//! [`write`](super::write) fills in what is known only then: the changes of [`FILES`], the
//! references of [`PUBLISH`], where an environment is built, and who gives a verdict. All other
//! steps are recorded as the engine made them.

use crate::{
    base::RelPath,
    catalog,
    model::{
        Verdict, Version,
        operation::{CommandRole, EnvironmentChange, FileChanges, Publication, Step},
    },
    site::RepoSite,
};

use super::Draft;

/// Runs the task's stop command.
pub const STOP: Step = Step::Command {
    role: CommandRole::Stop,
};
/// Runs the task's start command.
pub const START: Step = Step::Command {
    role: CommandRole::Start,
};
/// Changes the files of the draft.
pub const FILES: Step = Step::Files(FileChanges::of_work_tree(Vec::new()));
/// Verifies that every path holds exactly what the operation recorded.
pub const VERIFY_RECORDED: Step = Step::Verify {
    version: None,
    since: None,
};
/// Publishes the draft's commit, or the branch's return, and the index.
pub const PUBLISH: Step = Step::Publish(Publication {
    refs: Vec::new(),
    log_message: String::new(),
    tree: Vec::new(),
    index: Vec::new(),
});

/// Switches to an environment that is built from the packages of the draft.
pub fn new_environment(venv: &RelPath) -> Step {
    Step::Environment(EnvironmentChange {
        path: venv.clone(),
        aside: None,
        bring: None,
    })
}

/// Reverses a switch of the environment: the one moved aside returns.
pub fn environment_back(switch: &EnvironmentChange) -> Step {
    Step::Environment(EnvironmentChange {
        path: switch.path.clone(),
        aside: None,
        bring: switch.aside.clone(),
    })
}

impl Draft {
    /// Adds the step that gives a verdict on a version of the draft's task.
    pub fn give_verdict(&mut self, site: &RepoSite, version: &Version, verdict: Verdict) {
        let of = (&self.plan.task, version);
        let record = catalog::verdict::verdict(site, of, verdict, &self.message);
        self.steps.push(Step::Verdicts(vec![record]));
    }
}
