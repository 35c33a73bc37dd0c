//! The owner's word on the commands that the configuration names: asked for, given, taken back.
//!
//! What runs without it: nothing. Whatever would run a command is refused before anything is
//! changed ([`App::require_commands`]); the places where commands start look once more.

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
    /// The commands that the configuration names, of these tasks or of all, and whether each may
    /// run.
    pub fn commands(&self, tasks: &[TaskId]) -> Vec<CommandState> {
        self.site.commands_of(tasks)
    }

    /// The digest of all commands of the configuration, as `SNAPBACK_TRUST` takes it.
    pub fn commands_digest(&self) -> Digest {
        digest_of_all(&self.site.configured_commands())
    }

    /// The commands that a verification of a task's four levels would run.
    pub fn commands_of_verification(&self, task: &TaskId) -> Vec<CommandState> {
        self.site.commands_of_verification(task)
    }

    /// The file that names the commands.
    pub fn config_file(&self) -> &str {
        &self.site.config
    }

    /// Why the agreement of this repository does not count, if one is there that does not.
    pub fn trust_trouble(&self) -> Option<(Kind, String)> {
        let failure = self.site.consent.trouble().map(Failure::from)?;
        Some((failure.kind(), failure.to_string()))
    }

    /// Agrees that these commands run in this repository, on this machine, from now on.
    ///
    /// # Errors
    /// When there is no private folder outside the work tree to keep the agreement in.
    pub fn agree(&self, commands: &[ConfiguredCommand]) -> Result<(), Failure> {
        let all = self.site.configured_commands();
        let now = self.site.clock.now();
        Ok(self.site.consent.agree(commands, &all, now)?)
    }

    /// The user's key, and the keys whose signatures count on this machine.
    pub fn keys(&self) -> Keys<'_> {
        self.site.keys()
    }

    /// Makes the user's key, and allows it under a name; `None` = git's name and address of the
    /// user.
    ///
    /// # Errors
    /// When there is one, or no private folder outside the work tree to keep it in.
    pub fn create_key(&self, name: Option<&str>) -> Result<(Signer, PathBuf), Failure> {
        self.site.create_key(name)
    }

    /// Revokes a key, or all keys of a name.
    ///
    /// # Errors
    /// When none is, or belongs to, what was given.
    pub fn revoke_key(&self, which: &str) -> Result<Vec<Signer>, Failure> {
        Ok(self.keys().revoke(which, self.site.clock.now())?)
    }

    /// Takes every agreement for this repository back; false when there was none.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn revoke_trust(&self) -> Result<bool, Failure> {
        Ok(self.site.consent.revoke()?)
    }

    /// Refuses a plan with commands that may not run, before anybody is asked to confirm it.
    ///
    /// # Errors
    /// Those commands.
    pub fn check_commands(&self, plan: &Plan) -> Result<(), Failure> {
        Ok(site::consent::require(plan.commands.clone())?)
    }
}
