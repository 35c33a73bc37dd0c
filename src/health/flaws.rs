//! Mistakes in the settings as findings, graded by whether they stop a rollback.

use crate::{
    model::{
        TaskId,
        health::{Finding, Level},
    },
    site::{Flaw, RepoSite, Stops},
};

/// Returns findings for mistakes outside the entries of single tasks.
pub(super) fn look_at_flaws(site: &RepoSite) -> Vec<Finding> {
    let level = |flaw: &Flaw| {
        if flaw.stops == Stops::Nothing {
            Level::Warning
        } else {
            Level::Critical
        }
    };
    let wide = site
        .flaws
        .iter()
        .filter(|flaw| !matches!(flaw.stops, Stops::Tasks(_)));
    wide.map(|flaw| finding(flaw, level(flaw))).collect()
}

/// Returns the finding for a mistake in one task's settings.
pub(super) fn look_at_flaw(site: &RepoSite, task: &TaskId) -> Option<Finding> {
    site.flaw_of(task)
        .map(|flaw| finding(flaw, Level::Critical))
}

/// Builds the finding for a mistake.
fn finding(flaw: &Flaw, level: Level) -> Finding {
    Finding {
        check: "settings",
        level,
        seen: flaw.sentence(),
        fix: flaw.error.hints().into_iter().next(),
    }
}
