//! Installs, removes, inspects and runs git hooks together with the merge driver.

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

/// Returns which hooks are installed, how, and beside which others.
pub fn status(site: &RepoSite) -> Result<HooksStatus, Failure> {
    setup::status(site)
}

/// Returns what an installation would do; no lines when everything is as wanted.
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
    Operator::new(site).audited(operate::action("hooks install"), "", act)
}

/// Returns what a removal would do.
pub fn plan_removal(site: &RepoSite) -> Result<HooksPlan, Failure> {
    let mut plan = setup::plan_removal(site)?;
    plan.lines.extend(driver::plan_removal(site)?);
    Ok(plan)
}

/// Removes all hooks, and restores the earlier state byte for byte.
pub fn remove(site: &RepoSite) -> Result<HooksPlan, Failure> {
    let _lock = site.lock()?;
    Operator::new(site).audited(operate::action("hooks uninstall"), "", || {
        driver::write(site, None)?;
        setup::remove(site)
    })
}

/// Redirects git to this repository's hooks again if it was moved or copied since the installation;
/// returns the path that git used before.
///
/// # Errors
/// Fails when the configuration cannot be read or written.
pub fn repair(site: &RepoSite) -> Result<Option<std::path::PathBuf>, Failure> {
    moved::repair(site)
}

/// Runs a hook: returns its messages, or its refusal.
pub fn run_hook(site: &RepoSite, event: HookEvent, call: &Call) -> Result<Vec<String>, Failure> {
    // Held or bad versions also depend on the settings: a strict hook must not report less because
    // of a mistake in them.
    let refuses = matches!(
        event,
        HookEvent::PreCommit | HookEvent::CommitMsg | HookEvent::PrePush
    );
    if refuses && (call.strict || site.settings.hooks.strict) {
        site.refuse_flaws()?;
    }
    run::run(site, event, call)
}
