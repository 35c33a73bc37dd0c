//! The commands in the settings in force, and whether they may run here.

use super::RepoSite;
use crate::{
    consent::Error,
    model::{
        TaskId,
        alert::ChannelSpec,
        trust::{CommandState, CommandUse, ConfiguredCommand, channels_of, commands_of},
    },
};

impl RepoSite {
    /// Returns every command of the configuration.
    pub fn configured_commands(&self) -> Vec<ConfiguredCommand> {
        let of_tasks = self
            .settings
            .tasks
            .iter()
            .flat_map(|task| commands_of(task, &self.config));
        of_tasks
            .chain(channels_of(&self.settings.alerts, &self.config))
            .collect()
    }

    /// Returns the commands of these tasks, or of the whole configuration, with their permission.
    pub fn commands_of(&self, tasks: &[TaskId]) -> Vec<CommandState> {
        let all = self.configured_commands();
        let is_of = |command: &&ConfiguredCommand| {
            let task = command.task.as_ref();
            tasks.is_empty() || task.is_some_and(|task| tasks.contains(task))
        };
        let wanted: Vec<ConfiguredCommand> = all.iter().filter(is_of).cloned().collect();
        self.consent.states_of(&wanted, &all)
    }

    /// Returns the alert channels, each with its permission.
    pub fn alert_channels(&self) -> Vec<(ChannelSpec, CommandState)> {
        let states = self.consent.states_of(
            &channels_of(&self.settings.alerts, &self.config),
            &self.configured_commands(),
        );
        self.settings
            .alerts
            .channels
            .iter()
            .cloned()
            .zip(states)
            .collect()
    }

    /// Returns the commands of a task for these roles, with their permission.
    pub fn commands_for(&self, task: &TaskId, roles: &[CommandUse]) -> Vec<CommandState> {
        let mut states = self
            .settings
            .task(task)
            .map(|task| commands_of(task, &self.config))
            .unwrap_or_default();
        states.retain(|command| roles.contains(&command.role));
        if states.is_empty() {
            Vec::new()
        } else {
            self.consent.states_of(&states, &self.configured_commands())
        }
    }

    /// Returns the commands that a verification of a task's four levels would run.
    pub fn commands_of_verification(&self, task: &TaskId) -> Vec<CommandState> {
        if self.without_commands {
            Vec::new()
        } else {
            self.commands_for(task, &[CommandUse::Smoke, CommandUse::Probe])
        }
    }

    /// Refuses when a task's commands for these roles may not run.
    ///
    /// # Errors
    /// Returns [`Error::NotTrusted`], with the commands that may not run.
    pub fn require_trust(&self, task: &TaskId, roles: &[CommandUse]) -> Result<(), Error> {
        require(self.commands_for(task, roles))
    }
}

/// Refuses when one of these commands may not run.
///
/// # Errors
/// Returns [`Error::NotTrusted`], with the commands that may not run.
pub fn require(commands: Vec<CommandState>) -> Result<(), Error> {
    let refused: Vec<ConfiguredCommand> = commands
        .into_iter()
        .filter(|state| !state.trusted)
        .map(|state| state.command)
        .collect();
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Error::NotTrusted(refused))
    }
}
