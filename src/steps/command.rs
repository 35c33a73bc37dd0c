//! Stops the task before a change and starts it afterwards, by the commands of its settings.
//!
//! The commands come from the settings in force now, never from the target version. After a crash
//! they may run a second time: a stop command must tolerate that nothing is running.

use serde_json::Value;

use crate::{
    base::{Due, Failure},
    journal::JournalStep,
    model::{TaskSpec, operation::CommandRole, trust::CommandUse},
    site::RepoSite,
    verify::{commands, evidence::TaskVariables},
};

/// The step that runs a command.
pub struct CommandStep<'a> {
    site: &'a RepoSite,
    task: Option<&'a TaskSpec>,
    role: CommandRole,
}

impl<'a> CommandStep<'a> {
    /// Creates the step for one task. It does nothing when the task is gone, has no such command,
    /// or commands are left out.
    pub fn new(site: &'a RepoSite, task: Option<&'a TaskSpec>, role: CommandRole) -> Self {
        Self { site, task, role }
    }

    /// Runs the command of a role.
    fn run(&self, role: CommandRole) -> Result<(), Failure> {
        let Some(task) = self.task else { return Ok(()) };
        let (word, command, of) = match role {
            CommandRole::Stop => ("stop", &task.stop, CommandUse::Stop),
            CommandRole::Start => ("start", &task.start, CommandUse::Start),
        };
        let Some(command) = command else {
            return Ok(());
        };
        self.site.require_trust(&task.id, &[of])?;
        let dir = commands::folder(self.site.git.work_tree(), task);
        let variables = TaskVariables::read(&self.site.environment, &task.environment_variables);
        match role {
            CommandRole::Stop => commands::stop(command, &dir, &variables, true)?,
            CommandRole::Start => commands::start(command, &dir, &variables, true)?,
        };
        self.site.say(word, variables.line(&command.run));
        Ok(())
    }
}

impl JournalStep for CommandStep<'_> {
    fn name(&self) -> &'static str {
        match self.role {
            CommandRole::Stop => "stop",
            CommandRole::Start => "start",
        }
    }

    fn prepare(&mut self, _due: &Due) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn apply(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        self.run(self.role)
    }

    /// Runs the opposite command: what was stopped is started again, in the restored version.
    fn undo(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        self.run(match self.role {
            CommandRole::Stop => CommandRole::Start,
            CommandRole::Start => CommandRole::Stop,
        })
    }
}
