//! `disaster-recovery`: backup, rollback, verification and a report, without asking.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use clap_complete::ArgValueCandidates;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{Run, rollback::RollbackOptions};
use crate::{
    app::App,
    base::{Failure, RelPath, output},
    capsule,
    cli::{
        advice,
        args::OneTask,
        change::{Ask, RequestEnd, carry_out},
        complete,
        render::{capsule as capsules, capsule_report, recovery, recovery_html},
        reply::Reply,
        session::Session,
    },
    model::{
        Request, answer::NextCommand, capsule::CapsuleReport, recovery::Recovery, settings::EnvMode,
    },
};

/// Save everything, roll back, verify, and write a report; asks nothing
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "dr",
    before_help = "Examples:\n  snapback disaster-recovery -t T01 --target-version 1.2.0\n  snapback dr -t T01 --report recovery.html    to the newest version proven good\n  snapback dr --from T01-v1.2.0.tar.zst --into DIR    out of an escape capsule"
)]
pub struct Args {
    #[command(flatten)]
    task: OneTask,
    /// The version to go to
    #[arg(long, value_name = "V", alias = "to", add = ArgValueCandidates::new(complete::versions))]
    target_version: Option<String>,
    /// Write the report: .html, .json, else Markdown
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    report: Vec<PathBuf>,
    /// Restore this escape capsule, with --into DIR
    #[arg(long, value_name = "CAPSULE", requires = "into", conflicts_with = "target_version", value_hint = clap::ValueHint::FilePath)]
    from: Option<PathBuf>,
    /// The new or empty folder that a capsule is restored into
    #[arg(long, value_name = "DIR", requires = "from", hide_short_help = true, value_hint = clap::ValueHint::DirPath)]
    into: Option<PathBuf>,
    /// Let a capsule's links lead out of the folder
    #[arg(long, requires = "from", hide_short_help = true)]
    links_out: bool,
    #[command(flatten)]
    how: RollbackOptions,
}

/// The format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Markdown,
    Html,
    Json,
}

impl Form {
    /// Returns the format for a file name's extension.
    fn of(path: &Path) -> Self {
        match path
            .extension()
            .and_then(|end| end.to_str())
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
            Some("html" | "htm") => Self::Html,
            Some("json") => Self::Json,
            _ => Self::Markdown,
        }
    }

    fn render(self, of: &Recovery<'_>, zone: &TimeZone) -> String {
        match self {
            Self::Markdown => recovery::markdown(of, zone),
            Self::Html => recovery_html::html(of, zone),
            Self::Json => json(of),
        }
    }

    /// Renders the report of a recovery from a capsule.
    fn render_capsule(
        self,
        report: &CapsuleReport,
        is_whole: bool,
        next: &[NextCommand],
        (reason, zone): (&str, &TimeZone),
    ) -> String {
        match self {
            Self::Markdown => capsule_report::markdown(report, reason, next, zone),
            Self::Html => {
                let mood = if is_whole {
                    ("good", "restored")
                } else {
                    ("attention", "without its packages")
                };
                let facts = capsule_report::facts(report, reason, zone);
                recovery_html::capsule(report, mood, next, &facts)
            }
            Self::Json => json(report),
        }
    }
}

/// Renders a report as JSON.
fn json(report: &impl Serialize) -> String {
    serde_json::to_string_pretty(report).expect("because plain data always renders") + "\n"
}

impl Args {
    /// Restores from a capsule, without an existing repository.
    fn restore_capsule(
        &self,
        session: &Session,
        file: &Path,
        into: &Path,
    ) -> Result<Reply, Failure> {
        if session.globals.dry_run {
            return self.rehearse_capsule(session, file, into);
        }
        session.about_to_change(&[into.to_path_buf()]);
        let report = App::restore_capsule(file, into, self.links_out)?;
        let (venv, mode) = self.environment(session, &report);
        let sync = mode == EnvMode::Sync && !report.packages.is_empty();
        let (report, failure) = if sync {
            App::install_capsule(report, into, &venv)
        } else {
            (report, None)
        };
        let by_hand = mode == EnvMode::Plan || failure.is_some();
        let hints = if by_hand {
            capsule::packages::by_hand(&report, into, &venv)
        } else {
            Vec::new()
        };
        let next: Vec<NextCommand> = hints.iter().cloned().map(advice::next).collect();
        let mut reply = Reply::new(capsules::page(session.out, &report, "is in"), &report)
            .changed()
            .with_next(hints);
        for path in &self.report {
            let page = Form::of(path).render_capsule(
                &report,
                failure.is_none(),
                &next,
                (self.how.reason(), &session.zone),
            );
            reply = keep(session, path, &page, reply);
        }
        Ok(match failure {
            Some(failure) => reply.with_problem(
                failure.kind(),
                format!("the files are restored, the packages are not: {failure}"),
            ),
            None => reply,
        })
    }

    /// Replies to a dry run with what would be restored from a capsule.
    fn rehearse_capsule(
        &self,
        session: &Session,
        file: &Path,
        into: &Path,
    ) -> Result<Reply, Failure> {
        let report = App::rehearse_capsule(file, into, self.links_out)?;
        self.report
            .iter()
            .try_for_each(|path| output::check(path))?;
        Ok(Reply {
            dry_run: true,
            ..Reply::new(
                capsules::page(session.out, &report, "would come out of"),
                &report,
            )
        })
    }

    /// Returns where packages go, and how they are treated: by `--env`, else by the settings of the
    /// repository here, else by the defaults.
    fn environment(&self, session: &Session, report: &CapsuleReport) -> (RelPath, EnvMode) {
        let here = session
            .app()
            .ok()
            .map(|app| app.environment_of(&report.task));
        let (venv, mode) = here.unwrap_or_default();
        (
            venv.unwrap_or_else(|| RelPath::own(".venv")),
            self.how.env_mode().unwrap_or(mode),
        )
    }
}

/// Writes a report. The recovery itself stays done, but a missing report is not a success.
fn keep(session: &Session, path: &Path, page: &str, mut reply: Reply) -> Reply {
    match session.write_file(path, page.as_bytes(), 0o666) {
        Ok(()) => {
            let _ = writeln!(reply.text, "  report: {}", path.display());
            reply
        }
        Err(failure) => {
            session.print_failure(&failure, None);
            let fine = reply.exit_code == 0;
            if fine {
                reply.with_problem(
                    failure.kind(),
                    format!("done, but the report is missing: {failure}"),
                )
            } else {
                reply
            }
        }
    }
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        if let (Some(capsule), Some(into)) = (&self.from, &self.into) {
            return self.restore_capsule(session, capsule, into);
        }
        let rollback = self
            .how
            .request(session, &self.task, None, self.target_version.as_ref())?;
        let (plan, report) = match carry_out(session, &Request::Rollback(rollback), Ask::Never)? {
            RequestEnd::Shown(plan) => {
                self.report
                    .iter()
                    .try_for_each(|path| output::check(path))?;
                return Ok(Reply::dry_run(session.out, &plan, session.globals.verbose));
            }
            RequestEnd::Done(plan, report) => (plan, report),
        };
        let whole = recovery::recovery(&plan, &report, session.app()?.host());
        let mut reply = Reply::of_report(session.out, Some(&plan), &report);
        if self.report.is_empty() {
            reply.text = recovery::markdown(&whole, &session.zone);
            reply.next.clear();
            return Ok(reply);
        }
        for path in &self.report {
            let page = Form::of(path).render(&whole, &session.zone);
            reply = keep(session, path, &page, reply);
        }
        Ok(reply)
    }
}
