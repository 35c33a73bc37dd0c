//! Hooks of git: installed, taken away, looked at, run.

use std::path::PathBuf;

use super::App;
use crate::{
    base::Failure,
    hooks::{install, moved, run::Call},
    model::hooks::{HookEvent, HooksPlan, HooksStatus, HooksWanted},
};

impl App {
    /// Which hooks are installed, how, and beside what.
    pub fn hooks(&self) -> Result<HooksStatus, Failure> {
        install::status(&self.site)
    }

    /// What an installation would do; no lines when all is as wanted.
    pub fn plan_hooks(&self, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
        install::plan(&self.site, wanted)
    }

    /// Installs hooks beside those of others. May run again after a kill.
    pub fn install_hooks(&self, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
        install::install(&self.site, wanted)
    }

    /// What taking them away would do.
    pub fn plan_hooks_removal(&self) -> Result<HooksPlan, Failure> {
        install::plan_removal(&self.site)
    }

    /// Takes all hooks away, and brings back what was there byte for byte.
    pub fn remove_hooks(&self) -> Result<HooksPlan, Failure> {
        install::remove(&self.site)
    }

    /// Leads git to the hooks of this repository again, when it was moved or copied since they were
    /// installed; returns where git looked.
    ///
    /// # Errors
    /// When the configuration cannot be read or written.
    pub fn repair_hooks(&self) -> Result<Option<PathBuf>, Failure> {
        moved::repair(&self.site)
    }

    /// Runs a hook: what it says, or its refusal.
    pub fn run_hook_of_git(&self, event: HookEvent, call: &Call) -> Result<Vec<String>, Failure> {
        install::run_hook(&self.site, event, call)
    }
}
