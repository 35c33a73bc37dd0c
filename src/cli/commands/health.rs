//! `health`: problems that would prevent a rollback, for people, probes and monitors.

use std::path::PathBuf;

use clap::ValueEnum;

use super::Run;
use crate::{
    base::{Failure, Kind},
    cli::{advice, args::SomeTasks, render::health as render, reply::Reply, session::Session},
    model::{
        answer::NextCommand,
        health::{Health, HealthLevel},
    },
};

/// Look for whatever would keep a rollback from working, worst first
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback health                       4 when anything wants attention\n  snapback health --fail-on critical    for a probe that restarts or pages\n  snapback health --nagios -t T01       one line and 0, 1, 2 or 3\n  snapback health --textfile /var/lib/node_exporter/snapback.prom",
    after_help = "Exit codes: 0 fine, 4 at or above --fail-on, 8 something could not be looked at.\nWith --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN."
)]
pub struct Args {
    #[command(flatten)]
    tasks: SomeTasks,
    /// Exit with 4 from this level on
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "warning")]
    fail_on: FailOn,
    /// Read every byte of the active version, of the way back and of the store
    #[arg(long)]
    deep: bool,
    /// One line and the exit codes of a Nagios plugin
    #[arg(long, conflicts_with = "fail_on")]
    nagios: bool,
    /// Write metrics for node_exporter's textfile collector here, atomically
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    textfile: Option<PathBuf>,
}

/// From which level on the exit code is 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Anything that wants attention
    #[value(alias = "warn")]
    Warning,
    /// What would make a rollback fail
    #[value(alias = "crit")]
    Critical,
    /// Never
    Never,
}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let seen = self.look(session);
        if !self.nagios {
            return seen.map(|health| self.reply(session, &health));
        }
        Ok(match seen {
            Ok(health) => {
                let reply = Reply::new(render::nagios(&health), &health);
                Reply {
                    exit_code: health.level.nagios(),
                    ..reply
                }
            }
            // A monitor reads only standard output and four exit codes.
            Err(failure) => {
                let reply = Reply::new(render::nagios_failed(&failure.to_string()), ());
                Reply {
                    exit_code: HealthLevel::Unknown.nagios(),
                    ..reply
                }
            }
        })
    }
}

impl Args {
    /// Checks the health, and writes the text file.
    fn look(&self, session: &Session) -> Result<Health<NextCommand>, Failure> {
        let health = session
            .app()?
            .health(&self.tasks.named(session)?, self.deep)?
            .said(advice::next);
        if let Some(path) = &self.textfile {
            // The collector may read at any time, as another user.
            session.write_file(path, render::metrics(&health).as_bytes(), 0o644)?;
        }
        Ok(health)
    }

    fn reply(&self, session: &Session, health: &Health<NextCommand>) -> Reply {
        let mut reply = Reply::new(render::page(session.out, health), health);
        if let Some(path) = self.textfile.as_ref().filter(|_| session.globals.dry_run) {
            reply.dry_run = true;
            reply.text.push_str(
                &[
                    "dry run: ",
                    &path.display().to_string(),
                    " would be written\n",
                ]
                .concat(),
            );
        }
        let findings = health.findings();
        let Some((task, worst)) = findings.first() else {
            return reply;
        };
        let name = task.map(|task| format!("{task}: ")).unwrap_or_default();
        let fails = match self.fail_on {
            FailOn::Warning => worst.level >= HealthLevel::Warning,
            FailOn::Critical => worst.level >= HealthLevel::Unknown,
            FailOn::Never => false,
        };
        let kind = if worst.level == HealthLevel::Unknown {
            Kind::Missing
        } else {
            Kind::Bad
        };
        if fails {
            reply.with_problem(kind, format!("{name}{}", worst.seen))
        } else {
            reply
        }
    }
}
