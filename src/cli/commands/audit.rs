//! `audit`: who changed what, when, why and from where, and the proof that the log was not edited.

use clap::Subcommand;
use jiff::{Span, Timestamp, civil::DateTime};
use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, Hint, Kind, text},
    cli::{args::SomeTasks, error::Error, render::audit, reply::Reply, session::Session},
    model::Advice,
};

/// Who changed what, when, why and from where; and whether anybody edited that log
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback audit list -t T01\n  snapback audit list --since 7d\n  snapback audit verify           exit 4 when it was tampered with"
)]
pub struct Args {
    #[command(subcommand)]
    what: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// List what was done, newest first
    #[command(
        before_help = "Examples:\n  snapback audit list --limit 5\n  snapback audit list -t T01 --since 2026-02-24\n  snapback audit list --since 12h --json"
    )]
    List {
        #[command(flatten)]
        tasks: SomeTasks,
        /// Only since then: 12h, 7d, 2026-02-24, 2026-02-24T15:00+08:00
        #[arg(long, value_name = "WHEN")]
        since: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Prove that no line was changed, added, moved or removed
    #[command(
        before_help = "Examples:\n  snapback audit verify\n  snapback audit verify --json",
        after_help = "The log's end is proved by the tags made since: push them, or sign them, so that\nwhoever can edit this repository cannot edit those too."
    )]
    Verify,
}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        match &self.what {
            AuditCommand::List {
                tasks,
                since,
                limit,
            } => list(session, tasks, since.as_deref(), *limit),
            AuditCommand::Verify => verify(session),
        }
    }
}

/// Lists the requested entries, newest first.
fn list(
    session: &Session,
    tasks: &SomeTasks,
    since: Option<&str>,
    limit: usize,
) -> Result<Reply, Failure> {
    let tasks = tasks.named(session)?;
    let since = since.map(|text| moment(session, text)).transpose()?;
    let (mut entries, damaged) = session.app()?.audit_entries()?;
    entries.retain(|entry| {
        let task = entry.said.what.task.as_ref();
        since.is_none_or(|since| entry.said.at >= since)
            && (tasks.is_empty() || task.is_some_and(|task| tasks.contains(task)))
    });
    entries.reverse();
    let more = entries.len().saturating_sub(limit);
    entries.truncate(limit);
    let text = audit::entries(session.out, &session.zone, &entries, more);
    let reply = Reply::new(
        text,
        json!({ "entries": entries, "more": more, "damaged": damaged }),
    );
    if damaged == 0 {
        return Ok(reply);
    }
    let next = vec![Advice::VerifyAudit.because("see which")];
    Ok(reply
        .with_problem(
            Kind::Bad,
            format!(
                "{} of the audit log cannot be read",
                text::count(damaged, "line")
            ),
        )
        .with_next(next))
}

/// Checks the whole log.
fn verify(session: &Session) -> Result<Reply, Failure> {
    let check = session.app()?.check_audit()?;
    let reply = Reply::new(audit::check(session.out, &check), json!({ "audit": check }));
    if check.is_good() {
        return Ok(reply);
    }
    let next = vec![
        Hint::say("keep .git/snapback/audit as it is: it is evidence"),
        Hint::run(
            "compare with the tags that others have",
            &["git", "fetch", "--tags", "--dry-run"],
        ),
    ];
    Ok(reply
        .with_problem(Kind::Bad, "the audit log is not as it was written")
        .with_next(next))
}

/// Parses a moment, or an age relative to now.
fn moment(session: &Session, text: &str) -> Result<Timestamp, Failure> {
    let wrong = || {
        Failure::from(Error::usage(format!(
            "--since {text:?}: write 12h, 7d, 2026-02-24 or 2026-02-24T15:00+08:00"
        )))
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    if let Ok(at) = text.parse::<DateTime>() {
        return at
            .to_zoned(session.zone.clone())
            .map(|at| at.timestamp())
            .map_err(|_| wrong());
    }
    let span: Span = text.parse().map_err(|_| wrong())?;
    let now = session.options().clock.now().to_zoned(session.zone.clone());
    now.checked_sub(span.abs())
        .map(|at| at.timestamp())
        .map_err(|_| wrong())
}
