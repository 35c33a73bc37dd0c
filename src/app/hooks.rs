//! Git hooks: installing, removing, inspecting and running them.

use std::path::PathBuf;

use super::App;
use crate::{
    base::Failure,
    hooks::{install, moved, run::Call},
    model::hooks::{HookEvent, HooksPlan, HooksStatus, HooksWanted},
};

impl App {
    /// Returns which hooks are installed, how, and next to which other hooks.
    pub fn hooks(&self) -> Result<HooksStatus, Failure> {
        install::status(&self.site)
    }

    /// Returns what an installation would do; no lines when everything is as requested.
    pub fn plan_hooks(&self, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
        install::plan(&self.site, wanted)
    }

    /// Installs hooks alongside existing ones. Can be repeated after it was killed.
    pub fn install_hooks(&self, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
        install::install(&self.site, wanted)
    }

    /// Returns what removing the hooks would do.
    pub fn plan_hooks_removal(&self) -> Result<HooksPlan, Failure> {
        install::plan_removal(&self.site)
    }

    /// Removes all hooks and restores the previous state byte for byte.
    pub fn remove_hooks(&self) -> Result<HooksPlan, Failure> {
        install::remove(&self.site)
    }

    /// Points git to this repository's hooks again if the repository was moved or copied after they
    /// were installed; returns where git looked before.
    ///
    /// # Errors
    /// Fails when git's configuration cannot be read or written.
    pub fn repair_hooks(&self) -> Result<Option<PathBuf>, Failure> {
        moved::repair(&self.site)
    }

    /// Runs a hook; returns its messages, or its refusal as an error.
    pub fn run_hook_of_git(&self, event: HookEvent, call: &Call) -> Result<Vec<String>, Failure> {
        install::run_hook(&self.site, event, call)
    }
}
