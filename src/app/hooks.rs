//! Hooks of git as a use case: installed, taken away, looked at, run.

use super::{App, audit};
use crate::{
    base::Failure,
    hooks::{
        driver, moved,
        run::{self, Call},
        setup,
    },
    model::hooks::{HookEvent, HooksPlan, HooksStatus, HooksWanted},
};

impl App {
    /// Which hooks are installed, how, and beside what.
    pub fn hooks(&self) -> Result<HooksStatus, Failure> {
        setup::status(&self.site)
    }

    /// What an installation would do; no lines when all is as wanted.
    pub fn plan_hooks(&self, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
        let mut plan = setup::plan(&self.site, wanted)?;
        plan.lines
            .extend(driver::plan(&self.site, &wanted.program)?);
        Ok(plan)
    }

    /// Installs hooks beside those of others. May run again after a kill.
    pub fn install_hooks(&self, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
        let _lock = self.lock()?;
        let install = || {
            let done = setup::install(&self.site, wanted)?;
            driver::write(&self.site, Some(&wanted.program))?;
            Ok(done)
        };
        if self.plan_hooks(wanted)?.lines.is_empty() {
            return install();
        }
        self.witnessed(audit::deed("hooks install"), "", install)
    }

    /// What taking them away would do.
    pub fn plan_hooks_removal(&self) -> Result<HooksPlan, Failure> {
        let mut plan = setup::plan_removal(&self.site)?;
        plan.lines.extend(driver::plan_removal(&self.site)?);
        Ok(plan)
    }

    /// Takes all hooks away, and brings back what was there byte for byte.
    pub fn remove_hooks(&self) -> Result<HooksPlan, Failure> {
        let _lock = self.lock()?;
        self.witnessed(audit::deed("hooks uninstall"), "", || {
            driver::write(&self.site, None)?;
            setup::remove(&self.site)
        })
    }

    /// Leads git to the hooks of this repository again, when it was moved or copied since they were
    /// installed; returns where git looked.
    ///
    /// # Errors
    /// When the configuration cannot be read or written.
    pub fn repair_hooks(&self) -> Result<Option<std::path::PathBuf>, Failure> {
        moved::repair(&self.site)
    }

    /// Runs a hook: what it says, or its refusal.
    pub fn run_hook_of_git(&self, event: HookEvent, call: &Call) -> Result<Vec<String>, Failure> {
        // What may be held or bad is in the settings too: who wants to be strict is not told less
        // than before.
        let refuses = matches!(
            event,
            HookEvent::PreCommit | HookEvent::CommitMsg | HookEvent::PrePush
        );
        if refuses && (call.strict || self.site.settings.hooks.strict) {
            self.refuse_flaws()?;
        }
        run::run(&self.site, event, call)
    }
}
