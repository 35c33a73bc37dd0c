//! `drill`: rehearses a rollback in an empty place, offline, and measures it.

use std::{fmt::Write, path::PathBuf};

use clap::ValueEnum;
use clap_complete::ArgValueCandidates;
use serde_json::json;

use super::Run;
use crate::{
    app::App,
    base::{Failure, Hint, Kind, text::size},
    cli::{
        args::SomeTasks,
        complete,
        render::{count, drill as render, safe, verification},
        reply::Reply,
        session::Session,
    },
    drill::hold::DrillHow,
    model::{Advice, Status, TaskId, Version, drill::DrillReport, settings::EnvMode},
};

/// Rehearse the way back in an empty place, offline, and measure it
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback drill -t T01                 the version that a rollback would choose\n  snapback drill -t T01 --all           every released version\n  snapback drill -t T01 --env sync      install its packages too, from wheels that are here",
    after_help = "Work tree, index and references stay as they are. What does not come back is exit 4."
)]
pub struct Args {
    #[command(flatten)]
    tasks: SomeTasks,
    /// The version to return to: last-good (default), 1.2.0, previous, …
    #[arg(long, value_name = "VERSION", visible_alias = "target-version", conflicts_with = "all", add = ArgValueCandidates::new(complete::versions))]
    to: Option<String>,
    /// Every released version
    #[arg(long)]
    all: bool,
    /// Packages: sync installs them from what is here, plan and off borrow the environment
    #[arg(long, value_enum, value_name = "MODE", hide_possible_values = true)]
    env: Option<DrillPackages>,
    /// Take shared files from the version, not from the work tree
    #[arg(long, hide_short_help = true)]
    with_shared: bool,
    /// Where the scratch place is made, instead of the folder of temporary files
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    scratch: Option<PathBuf>,
}

/// What to do with packages.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum DrillPackages {
    Plan,
    Sync,
    Off,
}

/// Versions to roll back to, and tasks without one.
struct DrillTargets {
    versions: Vec<(TaskId, Version)>,
    without: Vec<(TaskId, String)>,
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        let tasks = self.tasks.find_or_all(session)?;
        let wanted = self.wanted(app, &tasks)?;
        let how = DrillHow {
            scratch: self.scratch.clone(),
            env: self.mode(),
            with_shared: self.with_shared,
        };
        if session.globals.dry_run {
            return Self::planned(app, &wanted);
        }
        for task in &tasks {
            session.agree(&app.commands_of_drill(task, &how))?;
        }
        let several = wanted.versions.len() > 1;
        let reports = app.drill(&wanted.versions, &how, |report| {
            if several {
                session.say(&format!("  {}\n", render::sentence(session.err, report)));
            }
        })?;
        let reply = reply(session, &reports, &wanted.without);
        let is_of_all = self.tasks.named(session)?.is_empty() && app.task_here().is_none();
        Ok(if is_of_all {
            reply.without(&app.settings().left_out, "not rehearsed")
        } else {
            reply
        })
    }
}

impl Args {
    fn mode(&self) -> Option<EnvMode> {
        self.env.map(|mode| match mode {
            DrillPackages::Plan => EnvMode::Plan,
            DrillPackages::Sync => EnvMode::Sync,
            DrillPackages::Off => EnvMode::Off,
        })
    }

    /// Returns the versions of the tasks to be rehearsed.
    fn wanted(&self, app: &App, tasks: &[TaskId]) -> Result<DrillTargets, Failure> {
        let mut wanted = DrillTargets {
            versions: Vec::new(),
            without: Vec::new(),
        };
        for task in tasks {
            if self.all {
                let versions = app.released_versions(task)?;
                if versions.is_empty() {
                    let missing = app.missing_tags(Some(task))?.sentence();
                    wanted.without.push((
                        task.clone(),
                        missing.unwrap_or_else(|| "it was never released".into()),
                    ));
                }
                wanted
                    .versions
                    .extend(versions.into_iter().map(|version| (task.clone(), version)));
            } else if let Some(to) = self.to.as_deref().filter(|to| *to != "last-good") {
                wanted
                    .versions
                    .push((task.clone(), app.resolve_version(task, to)?));
            } else {
                let way = app.way_back(task)?;
                match way.version {
                    Some(version) => wanted.versions.push((task.clone(), version)),
                    None => wanted.without.push((
                        task.clone(),
                        way.why
                            .unwrap_or_else(|| "no older version is proven good".into()),
                    )),
                }
            }
        }
        match (wanted.versions.is_empty(), tasks) {
            (true, [task, ..]) => Err(app.no_target(task)?.into()),
            _ => Ok(wanted),
        }
    }

    fn planned(app: &App, wanted: &DrillTargets) -> Result<Reply, Failure> {
        let plans = app.plan_drills(&wanted.versions)?;
        let mut text = String::new();
        for plan in &plans {
            let _ = writeln!(
                text,
                "  {} {}  {}, {}",
                plan.task,
                plan.version,
                count(plan.files, "file"),
                size(plan.bytes)
            );
        }
        let _ = writeln!(
            text,
            "dry run: {} would be held",
            count(plans.len(), "drill")
        );
        Ok(Reply {
            dry_run: true,
            ..Reply::new(text, json!({ "drills": plans }))
        })
    }
}

/// Replies with the reports; the worst one determines the exit code.
fn reply(session: &Session, reports: &[DrillReport], without: &[(TaskId, String)]) -> Reply {
    let mut text = match reports {
        [only] => render::drill(session.out, only),
        all => render::drills(session.out, all),
    };
    for (task, why) in without {
        let _ = writeln!(
            text,
            "{} {task} has no way back: {}",
            session.out.attention(),
            safe(why)
        );
    }
    let without: Vec<_> = without
        .iter()
        .map(|(task, why)| json!({ "task": task, "why": why }))
        .collect();
    let reply = Reply::new(text, json!({ "drills": reports, "without": without })).changed();
    let worst = reports
        .iter()
        .max_by_key(|report| report.verification.status());
    let Some(worst) = worst.filter(|worst| verification::exit_code(&worst.verification) != 0)
    else {
        return reply;
    };
    let kind = if worst.verification.status() == Status::Fail {
        Kind::Bad
    } else {
        Kind::Missing
    };
    let mut next: Vec<Hint> = worst
        .verification
        .problems()
        .flat_map(|check| check.hints.clone())
        .collect();
    next.dedup();
    next.push(
        Advice::RehearseAll {
            task: worst.task.clone(),
        }
        .because("see which versions come back"),
    );
    reply
        .with_problem(
            kind,
            render::sentence(crate::cli::render::TextStyle::default(), worst),
        )
        .with_next(next)
}
