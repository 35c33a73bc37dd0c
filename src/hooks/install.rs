//! Hooks and the merge driver of git together: installed, taken away, looked at, run.

use super::{
    driver, moved,
    run::{self, Call},
    setup,
};
use crate::{
    base::Failure,
    model::hooks::{HookEvent, HooksPlan, HooksStatus, HooksWanted},
    operate::{self, Operator},
    site::RepoSite,
};

/// Which hooks are installed, how, and beside what.
pub fn status(site: &RepoSite) -> Result<HooksStatus, Failure> {
    setup::status(site)
}

/// What an installation would do; no lines when all is as wanted.
pub fn plan(site: &RepoSite, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
    let mut plan = setup::plan(site, wanted)?;
    plan.lines.extend(driver::plan(site, &wanted.program)?);
    Ok(plan)
}

/// Installs hooks beside those of others. May run again after a kill.
pub fn install(site: &RepoSite, wanted: &HooksWanted) -> Result<HooksPlan, Failure> {
    let _lock = site.lock()?;
    let act = || {
        let done = setup::install(site, wanted)?;
        driver::write(site, Some(&wanted.program))?;
        Ok(done)
    };
    if plan(site, wanted)?.lines.is_empty() {
        return act();
    }
    Operator::new(site).witnessed(operate::deed("hooks install"), "", act)
}

/// What taking them away would do.
pub fn plan_removal(site: &RepoSite) -> Result<HooksPlan, Failure> {
    let mut plan = setup::plan_removal(site)?;
    plan.lines.extend(driver::plan_removal(site)?);
    Ok(plan)
}

/// Takes all hooks away, and brings back what was there byte for byte.
pub fn remove(site: &RepoSite) -> Result<HooksPlan, Failure> {
    let _lock = site.lock()?;
    Operator::new(site).witnessed(operate::deed("hooks uninstall"), "", || {
        driver::write(site, None)?;
        setup::remove(site)
    })
}

/// Leads git to the hooks of this repository again, when it was moved or copied since they were
/// installed; returns where git looked.
///
/// # Errors
/// When the configuration cannot be read or written.
pub fn repair(site: &RepoSite) -> Result<Option<std::path::PathBuf>, Failure> {
    moved::repair(site)
}

/// Runs a hook: what it says, or its refusal.
pub fn run_hook(site: &RepoSite, event: HookEvent, call: &Call) -> Result<Vec<String>, Failure> {
    // What may be held or bad is in the settings too: who wants to be strict is not told less
    // than before.
    let refuses = matches!(
        event,
        HookEvent::PreCommit | HookEvent::CommitMsg | HookEvent::PrePush
    );
    if refuses && (call.strict || site.settings.hooks.strict) {
        site.refuse_flaws()?;
    }
    run::run(site, event, call)
}
