//! Mistakes in the settings as findings, graded by whether they stop a rollback.

use crate::{
    model::{
        TaskId,
        health::{HealthFinding, HealthLevel},
    },
    site::{Flaw, RepoSite, StoppedTasks},
};

/// Returns findings for mistakes outside the entries of single tasks.
pub(super) fn look_at_flaws(site: &RepoSite) -> Vec<HealthFinding> {
    let level = |flaw: &Flaw| {
        if flaw.stops == StoppedTasks::Nothing {
            HealthLevel::Warning
        } else {
            HealthLevel::Critical
        }
    };
    let wide = site
        .flaws
        .iter()
        .filter(|flaw| !matches!(flaw.stops, StoppedTasks::Tasks(_)));
    wide.map(|flaw| finding(flaw, level(flaw))).collect()
}

/// Returns the finding for a mistake in one task's settings.
pub(super) fn look_at_flaw(site: &RepoSite, task: &TaskId) -> Option<HealthFinding> {
    site.flaw_of(task)
        .map(|flaw| finding(flaw, HealthLevel::Critical))
}

/// Builds the finding for a mistake.
fn finding(flaw: &Flaw, level: HealthLevel) -> HealthFinding {
    HealthFinding {
        check: "settings",
        level,
        seen: flaw.sentence(),
        fix: flaw.error.hints().into_iter().next(),
    }
}
