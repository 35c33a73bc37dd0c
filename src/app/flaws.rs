//! What is wrong in the settings: whose way back it stops, and what it stops besides.
//!
//! A way back needs nothing but its task, so a mistake in another task's entry, or in what no way
//! back takes from, is named and left out. What makes or changes what later ways back rely on (a
//! release, `adopt`, `init`, an edit of the registry) is no emergency, and wants settings without a
//! mistake.

use super::{App, view::is_release};
use crate::{
    base::{Failure, Hint},
    catalog::releases::Releases,
    model::{
        LeftOut, TaskId,
        answer::Next,
        health::{Finding, Level},
        overview::{DoctorLine, Released, TaskLine, WayBack},
    },
    registry::Registry,
    rollback::{Standings, standing_of},
    site::{Flaw, Stops},
};

impl App {
    /// What stops a task.
    pub fn flaw_of(&self, task: &TaskId) -> Option<&Flaw> {
        self.site.flaw_of(task)
    }

    /// What to do about what stops a task.
    pub fn flaw_hints(&self, task: &TaskId) -> Vec<Hint> {
        self.flaw_of(task)
            .map(|flaw| flaw.error.hints())
            .unwrap_or_default()
    }

    /// The lines of tasks whose settings cannot be used.
    pub(super) fn flawed_lines(
        &self,
        releases: &Releases,
        standings: &Standings,
        registry: Option<&Registry>,
    ) -> Vec<TaskLine> {
        let line = |task: &TaskId| {
            let active = registry.and_then(|registry| registry.version(task).ok().flatten());
            let standing = active
                .as_ref()
                .filter(|version| is_release(&self.site, task, version))
                .map(|version| standing_of(standings, task, version));
            let trouble = self.flaw_of(task).map(Flaw::mistake).unwrap_or_default();
            TaskLine {
                task: task.clone(),
                title: None,
                active,
                config: None,
                newest: releases
                    .of(task)
                    .next_back()
                    .map(|release| release.version.clone()),
                releases: releases.of(task).count(),
                standing: standing.unwrap_or_default(),
                said_by: None,
                drift: 0,
                unread: 0,
                released: Released::default(),
                way_back: WayBack {
                    why: Some("its settings cannot be used".into()),
                    ..WayBack::default()
                },
                trouble,
                untagged: Vec::new(),
                moved: Vec::new(),
                left_out: LeftOut::default(),
            }
        };
        self.site.settings.left_out.iter().map(line).collect()
    }

    /// What is wrong in the settings beside the entries of single tasks.
    pub(super) fn look_at_flaws(&self) -> Vec<Finding> {
        let level = |flaw: &Flaw| {
            if flaw.stops == Stops::Nothing {
                Level::Warning
            } else {
                Level::Critical
            }
        };
        let wide = self
            .site
            .flaws
            .iter()
            .filter(|flaw| !matches!(flaw.stops, Stops::Tasks(_)));
        wide.map(|flaw| finding(flaw, level(flaw))).collect()
    }

    /// What is wrong in the settings of one task.
    pub(super) fn look_at_flaw(&self, task: &TaskId) -> Option<Finding> {
        self.flaw_of(task)
            .map(|flaw| finding(flaw, Level::Critical))
    }

    /// The lines of `doctor` about what is wrong in the settings.
    pub(super) fn flaw_lines(&self) -> Vec<DoctorLine> {
        let line = |flaw: &Flaw| DoctorLine {
            what: "configuration".into(),
            ok: false,
            seen: flaw.sentence(),
            fix: super::doctor::remedy(flaw.error.hints()),
        };
        self.site.flaws.iter().map(line).collect()
    }

    /// Refuses what is no way back while anything is wrong in the settings.
    ///
    /// # Errors
    /// The first mistake.
    pub fn refuse_flaws(&self) -> Result<(), Failure> {
        Ok(self.site.refuse_flaws()?)
    }
}

/// The finding for a mistake.
fn finding(flaw: &Flaw, level: Level) -> Finding {
    Finding {
        check: "settings",
        level,
        seen: flaw.sentence(),
        fix: flaw.error.hints().into_iter().next().map(Next::from),
    }
}
