//! Holds drills as a use case: which versions, with whose consent, and what is kept of them.

use std::path::PathBuf;

use super::{Drill, reports};
use crate::{
    base::{Failure, cancel, process::offline::Offline},
    catalog::{manifests, registry, tasks},
    drill,
    model::{
        Status, TaskId, TaskSpec, Verdict, Version,
        drill::{DrillReport, WAY},
        manifest::ManifestFile,
        settings::EnvMode,
        trust::{CommandState, CommandUse},
    },
    operate::{NewVerdict, Operator},
    rollback::obstacle::{self, Obstacle},
    site::{self, RepoSite, Signatures},
    verify::{CheckRun, Commands, findings},
};

/// Options of how drills are held.
#[derive(Debug, Clone, Default)]
pub struct DrillHow {
    /// The folder in which the scratch place is made; `None` = that of temporary files.
    pub scratch: Option<PathBuf>,
    /// Overrides the settings: `sync` installs the packages.
    pub env: Option<EnvMode>,
    /// True when shared files are those of the version.
    pub with_shared: bool,
}

/// The plan of a drill.
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

/// Returns what drills of these versions would do. Reads only.
pub fn plan_drills(
    site: &RepoSite,
    wanted: &[(TaskId, Version)],
) -> Result<Vec<DrillPlan>, Failure> {
    let plan = |(task, version): &(TaskId, Version)| -> Result<DrillPlan, Failure> {
        let releases = tasks::release_of(site, task, version)?;
        let found = manifests::load(site, releases.find(task, version)?)?;
        let own: Vec<&ManifestFile> = found
            .manifest
            .files
            .iter()
            .filter(|file| file.is_restored())
            .collect();
        let bytes = own.iter().filter_map(|file| file.size()).sum();
        Ok(DrillPlan {
            task: task.clone(),
            version: version.clone(),
            files: own.len(),
            bytes,
        })
    };
    wanted.iter().map(plan).collect()
}

/// Returns the commands that drills of a task would run.
pub fn commands_of_drill(site: &RepoSite, task: &TaskId, how: &DrillHow) -> Vec<CommandState> {
    if site.without_commands {
        return Vec::new();
    }
    let environment = installs(site, how).then_some(CommandUse::Environment);
    site.commands_for(
        task,
        &[CommandUse::Smoke]
            .into_iter()
            .chain(environment)
            .collect::<Vec<_>>(),
    )
}

/// Holds drills one after the other, and keeps a report of each. `see` gets each report.
///
/// # Errors
/// When commands may not run, before anything is done; when a drill could not be held.
pub fn drill(
    site: &RepoSite,
    wanted: &[(TaskId, Version)],
    how: &DrillHow,
    mut see: impl FnMut(&DrillReport),
) -> Result<Vec<DrillReport>, Failure> {
    for (task, _) in wanted {
        site::consent::require(commands_of_drill(site, task, how))?;
    }
    let offline = Offline::find();
    let mut held = Vec::new();
    for (task, version) in wanted {
        cancel::check()?;
        let report = drill_one(site, tasks::spec(site, task)?, version, how, &offline)?;
        see(&report);
        held.push(report);
    }
    Ok(held)
}

fn installs(site: &RepoSite, how: &DrillHow) -> bool {
    how.env.unwrap_or(site.settings.rollback.env) == EnvMode::Sync && !site.without_commands
}

fn drill_one(
    site: &RepoSite,
    spec: &TaskSpec,
    version: &Version,
    how: &DrillHow,
    offline: &Offline,
) -> Result<DrillReport, Failure> {
    let releases = tasks::releases_of(site, &spec.id)?;
    let active = registry::active_told(site, spec);
    let scratch = how.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let drill = Drill {
        site,
        task: spec,
        releases: &releases,
        version,
        active: active.as_ref(),
        how: drill::DrillOptions {
            scratch: &scratch,
            offline,
            install: installs(site, how),
            with_shared: how.with_shared,
            commands: Commands::unless(site.without_commands),
        },
    };
    let mut report = drill.hold()?;
    look_at_way_here(site, spec, &mut report);
    if let Signatures::Unusable(failure) = site.signing() {
        report
            .notes
            .push(format!("a rollback would go unsigned: {failure}"));
    }
    // A drill that was cut short proves nothing, and is no failure of the version's.
    cancel::check()?;
    reports::keep(&*site.state, &report).map_err(drill::Error::Reports)?;
    note(site, &report);
    Ok(report)
}

/// Checks that a version restored in an empty place also has a way back into this work tree.
fn look_at_way_here(site: &RepoSite, spec: &TaskSpec, report: &mut DrillReport) {
    let checking = CheckRun::begin(2, WAY);
    let check = match report
        .passed
        .then(|| obstacle::obstacle(site, spec, &report.version))
    {
        None => return,
        Some(None) => checking.end(
            Status::Pass,
            vec!["nothing in this work tree is in the way of a rollback".into()],
        ),
        Some(Some(Obstacle::Moment(failure))) => {
            // The version came back and stays proven; a rollback to it is impossible here and now.
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

/// Writes down what a drill says of its version.
fn note(site: &RepoSite, report: &DrillReport) {
    let said = |verdict, reason| NewVerdict {
        task: &report.task,
        version: &report.version,
        verdict,
        reason,
    };
    if report.passed {
        Operator::new(site).note(&said(
            Verdict::Proven,
            format!("came back in a drill, in {} ms", report.recovery_ms),
        ));
    } else if let Some(reason) = findings::own_failure(&report.verification, true) {
        Operator::new(site).note(&said(
            Verdict::Failed,
            format!("did not come back in a drill: {reason}"),
        ));
    }
}
