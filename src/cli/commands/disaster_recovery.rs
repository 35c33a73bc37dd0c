//! `disaster-recovery`: backup, rollback, verification and a report, without a question.

use std::{
    fmt::Write as _,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use clap_complete::ArgValueCandidates;
use jiff::tz::TimeZone;

use super::{Run, rollback::How};
use crate::{
    app::App,
    base::Failure,
    cli::{
        args::OneTask,
        change::{Ask, Course, carry_out},
        complete,
        error::Error,
        render::{capsule as capsules, recovery, recovery_html},
        reply::Reply,
        session::Session,
    },
    model::{Request, recovery::Recovery},
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
    how: How,
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Markdown,
    Html,
    Json,
}

impl Form {
    /// By the end of a file's name.
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("html" | "htm") => Self::Html,
            Some("json") => Self::Json,
            _ => Self::Markdown,
        }
    }

    fn render(self, of: &Recovery<'_>, zone: &TimeZone) -> String {
        match self {
            Self::Markdown => recovery::markdown(of, zone),
            Self::Html => recovery_html::html(of, zone),
            Self::Json => serde_json::to_string_pretty(of).expect("because plain data always renders") + "\n",
        }
    }
}

impl Args {
    /// From nothing: out of a capsule.
    fn restore_capsule(&self, session: &Session, capsule: &Path, into: &Path) -> Result<Reply, Failure> {
        if session.globals.dry_run {
            let report = App::verify_capsule(capsule)?;
            return Ok(Reply { dry_run: true, ..Reply::new(capsules::page(session.out, &report, "would come out of"), &report) });
        }
        session.about_to_change();
        let report = App::restore_capsule(capsule, into, self.links_out)?;
        Ok(Reply::new(capsules::page(session.out, &report, "is in"), &report).changed())
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
        let rollback = self.how.request(session, &self.task, None, self.target_version.as_ref())?;
        let (plan, report) = match carry_out(session, &Request::Rollback(rollback), Ask::Never)? {
            Course::Shown(plan) => return Ok(Reply::dry_run(session.out, &plan, session.globals.verbose)),
            Course::Done(plan, report) => (plan, report),
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
            let written = File::create(path).and_then(|mut file| file.write_all(page.as_bytes()).and_then(|()| file.sync_all()));
            match written {
                Ok(()) => {
                    let _ = writeln!(reply.text, "  report: {}", path.display());
                }
                // The recovery itself is done: its exit code stays.
                Err(source) => session.print_failure(&Error::Write { path: path.clone(), source }.into(), false),
            }
        }
        Ok(reply)
    }
}
