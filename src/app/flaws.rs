//! What is wrong in the settings: whose way back it stops, and what it stops besides.
//!
//! A way back needs nothing but its task, so a mistake in another task's entry, or in what no way
//! back takes from, is named and left out. What makes or changes what later ways back rely on (a
//! release, `adopt`, `init`, an edit of the registry) is no emergency, and wants settings without a
//! mistake.

use super::{App, Error, view::is_release};
use crate::{
    base::{Failure, Fault, Hint},
    catalog::releases::Releases,
    config::{self, Flaw, Stops},
    git::Repo,
    model::{
        LeftOut, TaskId,
        answer::Next,
        health::{Finding, Level},
        overview::{DoctorLine, Released, TaskLine, WayBack},
    },
    registry::Registry,
    rollback::{Standings, standing_of},
};

impl App {
    /// What is wrong in the settings, in the order in which it was found.
    pub fn flaws(&self) -> &[Flaw] {
        &self.flaws
    }

    /// What stops a task.
    pub fn flaw_of(&self, task: &TaskId) -> Option<&Flaw> {
        let stops = |flaw: &&Flaw| match &flaw.stops {
            Stops::Nothing => false,
            Stops::Tasks(tasks) => tasks.contains(task),
            Stops::Undeclared => self.site.settings.task(task).is_none(),
        };
        self.flaws.iter().find(stops)
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
        self.flaws.iter().map(line).collect()
    }

    /// Refuses what needs the settings of a task that cannot be used.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn refuse_flawed(&self, task: &TaskId) -> Result<(), Failure> {
        match self.flaw_of(task) {
            Some(flaw) => Err(Error::Settings(flaw.error.clone()).into()),
            None => Ok(()),
        }
    }

    /// Refuses what is no way back while anything is wrong in the settings.
    ///
    /// # Errors
    /// The first mistake.
    pub fn refuse_flaws(&self) -> Result<(), Failure> {
        match self.flaws.first() {
            Some(flaw) => Err(Error::Settings(flaw.error.clone()).into()),
            None => Ok(()),
        }
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

/// A mistake that stops every task, with how the file comes back as it was committed.
pub(super) fn with_committed(error: config::Error, git: &Repo) -> config::Error {
    error.with_committed(|path| {
        let head = git.head_commit().ok()??;
        git.read_blob_within(&git.entry(&head, path).ok()??.id, 1 << 20)
            .ok()
    })
}
