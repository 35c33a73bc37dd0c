//! The owner's agreement to the commands in the configuration: requesting, giving and revoking it.
//!
//! Nothing runs without it. Any change that would run a command is refused before it begins
//! ([`App::check_commands`]); the places where commands start check once more.

use std::path::PathBuf;

use super::App;
use crate::{
    base::{Digest, Failure, Kind},
    keys::Keys,
    model::{
        Plan, TaskId,
        signature::Signer,
        trust::{CommandState, ConfiguredCommand, digest_of_all},
    },
    site,
};

impl App {
    /// Returns the commands that the configuration names, of these tasks or of all, and whether
    /// each may run.
    pub fn commands(&self, tasks: &[TaskId]) -> Vec<CommandState> {
        self.site.commands_of(tasks)
    }

    /// Returns the digest of all commands of the configuration, as `SNAPBACK_TRUST` expects it.
    pub fn commands_digest(&self) -> Digest {
        digest_of_all(&self.site.configured_commands())
    }

    /// Returns the commands that verifying a task on all four levels would run.
    pub fn commands_of_verification(&self, task: &TaskId) -> Vec<CommandState> {
        self.site.commands_of_verification(task)
    }

    /// Returns the name of the file that names the commands.
    pub fn config_file(&self) -> &str {
        &self.site.config
    }

    /// Returns why an existing agreement for this repository does not count, if it does not.
    pub fn trust_trouble(&self) -> Option<(Kind, String)> {
        let failure = self.site.consent.trouble().map(Failure::from)?;
        Some((failure.kind(), failure.to_string()))
    }

    /// Records that these commands may run in this repository, on this machine, from now on.
    ///
    /// # Errors
    /// Fails when there is no private folder outside the work tree to keep the agreement in.
    pub fn agree(&self, commands: &[ConfiguredCommand]) -> Result<(), Failure> {
        let all = self.site.configured_commands();
        let now = self.site.clock.now();
        Ok(self.site.consent.agree(commands, &all, now)?)
    }

    /// Returns the user's key, and the keys whose signatures count on this machine.
    pub fn keys(&self) -> Keys<'_> {
        self.site.keys()
    }

    /// Creates the user's key and allows it under a name; `None` = the user's name and address from
    /// git.
    ///
    /// # Errors
    /// Fails when a key exists, or there is no private folder outside the work tree to keep it in.
    pub fn create_key(&self, name: Option<&str>) -> Result<(Signer, PathBuf), Failure> {
        self.site.create_key(name)
    }

    /// Revokes a key, or all keys of a name.
    ///
    /// # Errors
    /// Fails when `which` matches no key and no name.
    pub fn revoke_key(&self, which: &str) -> Result<Vec<Signer>, Failure> {
        Ok(self.keys().revoke(which, self.site.clock.now())?)
    }

    /// Revokes every agreement for this repository; returns false when there was none.
    ///
    /// # Errors
    /// Fails when the file exists and cannot be removed.
    pub fn revoke_trust(&self) -> Result<bool, Failure> {
        Ok(self.site.consent.revoke()?)
    }

    /// Refuses a plan with commands that may not run, before anyone is asked to confirm it.
    ///
    /// # Errors
    /// Returns those commands.
    pub fn check_commands(&self, plan: &Plan) -> Result<(), Failure> {
        Ok(site::consent::require(plan.commands.clone())?)
    }
}
