//! What is wrong in the settings, as findings: whose way back it stops.

use crate::{
    model::{
        TaskId,
        health::{Finding, Level},
    },
    site::{Flaw, RepoSite, Stops},
};

/// What is wrong in the settings beside the entries of single tasks.
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

/// What is wrong in the settings of one task.
pub(super) fn look_at_flaw(site: &RepoSite, task: &TaskId) -> Option<Finding> {
    site.flaw_of(task)
        .map(|flaw| finding(flaw, Level::Critical))
}

/// The finding for a mistake.
fn finding(flaw: &Flaw, level: Level) -> Finding {
    Finding {
        check: "settings",
        level,
        seen: flaw.sentence(),
        fix: flaw.error.hints().into_iter().next(),
    }
}
