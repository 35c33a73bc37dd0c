//! Drills as a use case: which versions, under whose agreement, and what is kept of it.

use std::path::PathBuf;

use super::{App, rehearse::Obstacle, signing::Signatures, way_back};
use crate::{
    base::{Failure, cancel, process::offline::Offline},
    catalog::manifests,
    drill::{self, Drill, reports},
    model::{
        Status, TaskId, TaskSpec, Version,
        drill::{DrillReport, WAY},
        manifest::FileEntry,
        settings::EnvMode,
        trust::{CommandState, Role},
    },
    verify::{Checking, Commands},
};

/// How drills are held.
#[derive(Debug, Clone, Default)]
pub struct DrillHow {
    /// The folder in which the scratch place is made; `None` = that of temporary files.
    pub scratch: Option<PathBuf>,
    /// Overrides the settings: `sync` installs the packages.
    pub env: Option<EnvMode>,
    /// True when shared files are those of the version.
    pub with_shared: bool,
}

/// What a drill would do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct DrillPlan {
    /// The task.
    pub task: TaskId,
    /// The version.
    pub version: Version,
    /// Number of files.
    pub files: usize,
    /// Number of their bytes.
    pub bytes: u64,
}

impl App {
    /// The version that a drill of a task returns to when nobody says: that of a rollback.
    pub fn way_back(&self, task: &TaskId) -> Result<crate::model::overview::WayBack, Failure> {
        let spec = self.spec(task)?;
        let active = self.active_told(spec);
        let releases = self.tagged_releases(task)?;
        let way = way_back::of(
            &self.site,
            spec,
            active.as_ref(),
            &releases,
            &self.standings_of(task)?,
        );
        Ok(way_back::for_want_of_tags(
            way,
            &self.missing_beside(&releases, Some(task))?,
            task,
            active.as_ref(),
        ))
    }

    /// Every released version of a task, oldest first.
    pub fn released_versions(&self, task: &TaskId) -> Result<Vec<Version>, Failure> {
        Ok(self
            .tagged_releases(task)?
            .of(task)
            .map(|release| release.version.clone())
            .collect())
    }

    /// What drills of these versions would do. Reads only.
    pub fn plan_drills(&self, wanted: &[(TaskId, Version)]) -> Result<Vec<DrillPlan>, Failure> {
        let plan = |(task, version): &(TaskId, Version)| -> Result<DrillPlan, Failure> {
            let releases = self.release_for(task, version)?;
            let found = manifests::load(&self.site, releases.find(task, version)?)?;
            let own: Vec<&FileEntry> = found
                .manifest
                .files
                .iter()
                .filter(|file| file.is_restored())
                .collect();
            let bytes = own.iter().filter_map(|file| file.size).sum();
            Ok(DrillPlan {
                task: task.clone(),
                version: version.clone(),
                files: own.len(),
                bytes,
            })
        };
        wanted.iter().map(plan).collect()
    }

    /// The commands that drills of a task would run.
    pub fn commands_of_drill(&self, task: &TaskId, how: &DrillHow) -> Vec<CommandState> {
        if self.site.without_commands {
            return Vec::new();
        }
        let environment = self.installs(how).then_some(Role::Environment);
        self.site.commands_for(
            task,
            &[Role::Smoke]
                .into_iter()
                .chain(environment)
                .collect::<Vec<_>>(),
        )
    }

    /// Holds drills one after the other, and keeps a report of each. `see` gets each report.
    ///
    /// # Errors
    /// When commands may not run, before anything; when a drill could not be held.
    pub fn drill(
        &self,
        wanted: &[(TaskId, Version)],
        how: &DrillHow,
        mut see: impl FnMut(&DrillReport),
    ) -> Result<Vec<DrillReport>, Failure> {
        for (task, _) in wanted {
            self.require_commands(&self.commands_of_drill(task, how))?;
        }
        let offline = Offline::find();
        let mut held = Vec::new();
        for (task, version) in wanted {
            cancel::check()?;
            let report = self.drill_one(self.spec(task)?, version, how, &offline)?;
            see(&report);
            held.push(report);
        }
        Ok(held)
    }

    fn installs(&self, how: &DrillHow) -> bool {
        how.env.unwrap_or(self.site.settings.rollback.env) == EnvMode::Sync
            && !self.site.without_commands
    }

    fn drill_one(
        &self,
        spec: &TaskSpec,
        version: &Version,
        how: &DrillHow,
        offline: &Offline,
    ) -> Result<DrillReport, Failure> {
        let releases = self.releases_for(&spec.id)?;
        let active = self.active_told(spec);
        let scratch = how.scratch.clone().unwrap_or_else(std::env::temp_dir);
        let drill = Drill {
            site: &self.site,
            task: spec,
            releases: &releases,
            version,
            active: active.as_ref(),
            how: drill::How {
                scratch: &scratch,
                offline,
                install: self.installs(how),
                with_shared: how.with_shared,
                commands: Commands::unless(self.site.without_commands),
            },
        };
        let mut report = drill.hold()?;
        self.look_at_way_here(spec, &mut report);
        if let Signatures::Unusable(failure) = self.signing() {
            report
                .notes
                .push(format!("a rollback would go unsigned: {failure}"));
        }
        // What was cut short proves nothing, and is no failure of the version's.
        cancel::check()?;
        reports::keep(&*self.site.state, &report).map_err(drill::Error::Reports)?;
        self.note_drill(&report);
        Ok(report)
    }

    /// What came back in an empty place must also have a way back into this work tree.
    fn look_at_way_here(&self, spec: &TaskSpec, report: &mut DrillReport) {
        let checking = Checking::begin(2, WAY);
        let check = match report.passed.then(|| self.obstacle(spec, &report.version)) {
            None => return,
            Some(None) => checking.end(
                Status::Pass,
                vec!["nothing in this work tree is in the way of a rollback".into()],
            ),
            Some(Some(Obstacle::Moment(failure))) => {
                // The version came back, which stays proven; nobody can go back to it here and now.
                report.why = format!(
                    "a rollback here would have to wait: {}",
                    failure.chain().join(": ")
                );
                checking.end(Status::Inconclusive, vec![report.why.clone()])
            }
            Some(Some(Obstacle::Lasting(failure))) => {
                report.passed = false;
                report.why = format!(
                    "a rollback here would be refused: {}",
                    failure.chain().join(": ")
                );
                checking.end(Status::Fail, vec![report.why.clone()])
            }
        };
        report.verification.checks.push(check);
    }
}
