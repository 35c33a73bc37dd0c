//! The commands that the settings in force name, and whether they may run here.

use super::Ground;
use crate::{
    base::TaskId,
    model::trust::{CommandState, ConfiguredCommand, Role, commands_of},
    trust::Error,
};

impl Ground {
    /// Every command of the configuration.
    pub fn configured_commands(&self) -> Vec<ConfiguredCommand> {
        self.settings.tasks.iter().flat_map(|task| commands_of(task, &self.config)).collect()
    }

    /// The commands of a task for these uses, and whether each may run.
    pub fn commands_for(&self, task: &TaskId, roles: &[Role]) -> Vec<CommandState> {
        let mut states = self.settings.task(task).map(|task| commands_of(task, &self.config)).unwrap_or_default();
        states.retain(|command| roles.contains(&command.role));
        if states.is_empty() { Vec::new() } else { self.trust.states_of(&states, &self.configured_commands()) }
    }

    /// Refuses when a task's commands for these uses may not run.
    ///
    /// # Errors
    /// [`Error::NotTrusted`], with those that may not.
    pub fn require_trust(&self, task: &TaskId, roles: &[Role]) -> Result<(), Error> {
        require(self.commands_for(task, roles))
    }
}

/// Refuses when one of these may not run.
///
/// # Errors
/// [`Error::NotTrusted`], with those that may not.
pub fn require(commands: Vec<CommandState>) -> Result<(), Error> {
    let refused: Vec<ConfiguredCommand> = commands.into_iter().filter(|state| !state.trusted).map(|state| state.command).collect();
    if refused.is_empty() { Ok(()) } else { Err(Error::NotTrusted(refused)) }
}
