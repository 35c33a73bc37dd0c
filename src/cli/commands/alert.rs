//! `alert`: lists alerts to people, tests their delivery, and records answers.

use clap::Subcommand;
use serde_json::json;

use super::Run;
use crate::{
    alert::SendAttempt,
    base::{Failure, Kind},
    cli::{
        error::Error,
        render::{self, alert, count},
        reply::Reply,
        session::Session,
    },
    model::{
        Advice, Request,
        alert::{AlertOption, StoredAlert},
        request::RollbackRequest,
    },
};

/// See, test and answer the alerts that call people
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback alert test\n  snapback alert list\n  snapback alert answer 9f3c21aa last-good\n  snapback alert answer 9f3c21aa 1.2.0\n  snapback alert answer 9f3c21aa hold",
    after_help = "Where alerts go stands under `alerts:` in snapback.yaml; docs/guard.md shows how."
)]
pub struct Args {
    #[command(subcommand)]
    what: AlertCommand,
}

#[derive(Debug, Subcommand)]
enum AlertCommand {
    /// Send a test through every channel, or one
    #[command(
        before_help = "Examples:\n  snapback alert test\n  snapback alert test --channel ops\n  snapback alert test --dry-run     show the channels only"
    )]
    Test {
        /// This channel only
        #[arg(long, value_name = "NAME")]
        channel: Option<String>,
    },
    /// List the alerts, newest first, and whether they arrived
    #[command(
        before_help = "Examples:\n  snapback alert list\n  snapback alert list --open --json"
    )]
    List {
        /// Only those that nobody answered, or that did not arrive
        #[arg(long)]
        open: bool,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Send again what did not arrive
    #[command(before_help = "Examples:\n  snapback alert retry\n  snapback alert retry 9f3c21aa")]
    Retry {
        /// This alert only
        #[arg(value_name = "ALERT")]
        alert: Option<String>,
    },
    /// Answer an alert; the answer is recorded, then carried out
    #[command(
        before_help = "Examples:\n  snapback alert answer 9f3c21aa last-good    back to the last good version\n  snapback alert answer 9f3c21aa 1.2.0        back to this version\n  snapback alert answer 9f3c21aa hold         leave it, guard included, until somebody mends it"
    )]
    Answer {
        /// The alert, as it names itself
        #[arg(value_name = "ALERT")]
        alert: String,
        /// last-good, hold, or a version
        #[arg(value_name = "ANSWER")]
        answer: String,
    },
}

impl Run for Args {
    fn changes(&self) -> bool {
        matches!(self.what, AlertCommand::Answer { .. })
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        match &self.what {
            AlertCommand::Test { channel } => test(session, channel.as_deref()),
            AlertCommand::List { open, limit } => list(session, *open, *limit),
            AlertCommand::Retry { alert } => retry(session, alert.as_deref()),
            AlertCommand::Answer { alert, answer } => answered(session, alert, answer),
        }
    }
}

/// Tests the channels.
fn test(session: &Session, channel: Option<&str>) -> Result<Reply, Failure> {
    let app = session.app()?;
    if session.globals.dry_run {
        let channels = &app.settings().alerts.channels;
        let lines: Vec<String> = channels
            .iter()
            .map(|spec| render::safe(&spec.describe()))
            .collect();
        return Ok(Reply {
            dry_run: true,
            ..Reply::new(lines.join("\n") + "\n", json!({ "channels": lines }))
        });
    }
    app.require_channels()?;
    Ok(of_attempts(session, &app.test_alerts(channel)?))
}

/// Replies with the results of the attempts.
fn of_attempts(session: &Session, attempts: &[SendAttempt]) -> Reply {
    let reply = Reply::new(
        alert::attempts(session.out, attempts),
        json!({ "attempts": attempts }),
    );
    let failed = attempts
        .iter()
        .filter(|attempt| attempt.error.is_some())
        .count();
    if failed == 0 {
        return reply;
    }
    let kind = if attempts.iter().any(|attempt| attempt.untrusted) {
        Kind::Refused
    } else {
        Kind::Network
    };
    reply.with_problem(
        kind,
        format!("{} did not get through", count(failed, "message")),
    )
}

/// Lists the alerts.
fn list(session: &Session, open: bool, limit: usize) -> Result<Reply, Failure> {
    let (mut all, damaged) = session.app()?.alerts()?;
    all.retain(|kept| !open || alert::is_open(kept));
    let more = all.len().saturating_sub(limit);
    all.truncate(limit);
    let reply = Reply::new(
        alert::list(session.out, &session.zone, &all, more),
        json!({ "alerts": all, "more": more, "damaged": damaged }),
    );
    Ok(if damaged == 0 {
        reply
    } else {
        reply.with_problem(
            Kind::Bad,
            format!("{} cannot be read", count(damaged, "alert")),
        )
    })
}

/// Sends alerts again.
fn retry(session: &Session, id: Option<&str>) -> Result<Reply, Failure> {
    let app = session.app()?;
    let kept = id.map(|text| app.alert(text)).transpose()?;
    if session.globals.dry_run {
        let all = app.alerts()?.0;
        let waiting: Vec<&StoredAlert> = all.iter().filter(|one| alert::waits(one)).collect();
        let text = format!("{} would be sent again.\n", count(waiting.len(), "alert"));
        return Ok(Reply {
            dry_run: true,
            ..Reply::new(text, json!({ "alerts": waiting }))
        });
    }
    Ok(of_attempts(
        session,
        &app.retry_alerts(kept.as_ref().map(|kept| &kept.alert.id))?,
    ))
}

/// Records an answer and executes it.
fn answered(session: &Session, id: &str, answer: &str) -> Result<Reply, Failure> {
    let app = session.app()?;
    let choice: AlertOption = answer
        .parse()
        .map_err(|error: crate::model::alert::NotAChoice| Error::usage(error.to_string()))?;
    let kept = app.alert(id)?;
    let wanted = match &choice {
        AlertOption::Hold => None,
        AlertOption::LastGood => Some("last-good".to_string()),
        AlertOption::Version(version) => Some(version.to_string()),
    };
    let Some(wanted) = wanted else {
        return hold(session, &kept, &choice);
    };
    let task = kept.alert.notice.task.clone().ok_or_else(|| {
        Error::usage("this alert is about no task, so there is nothing to go back")
    })?;
    let to = app.resolve_version(&task, &wanted)?;
    let message = format!(
        "answer to alert {}: {}",
        kept.alert.id, kept.alert.notice.title
    );
    let request = Request::Rollback(RollbackRequest::plain(task, to, message));
    let plan = app.plan(&request)?;
    if session.globals.dry_run {
        return Ok(Reply::dry_run(session.out, &plan, session.globals.verbose));
    }
    if !plan.nothing_to_do {
        session.say(&render::plan::plan(
            session.err,
            &plan,
            session.globals.verbose,
        ));
        app.check_commands(&plan)?;
        session.confirm(&render::plan::question(&plan))?;
    }
    app.record_answer(&kept, &choice)?;
    let report = app.apply(&request, Some(&plan))?;
    Ok(Reply::of_report(session.out, Some(&plan), &report).changed())
}

/// Records that everything stays as it is.
fn hold(session: &Session, kept: &StoredAlert, choice: &AlertOption) -> Result<Reply, Failure> {
    let app = session.app()?;
    let text = format!(
        "alert {}: everything stays as it is until somebody mends it.\n",
        kept.alert.id
    );
    if session.globals.dry_run {
        return Ok(Reply {
            dry_run: true,
            ..Reply::new(text, json!({ "alert": kept }))
        });
    }
    app.record_answer(kept, choice)?;
    if let Some(task) = kept
        .alert
        .notice
        .task
        .as_ref()
        .filter(|task| app.guarded().contains(task))
    {
        app.freeze(task, &format!("answer to alert {}: hold", kept.alert.id))?;
    }
    let reply = Reply::new(
        text,
        json!({ "alert": app.alert(&kept.alert.id.to_string())? }),
    )
    .changed();
    let Some(task) = &kept.alert.notice.task else {
        return Ok(reply);
    };
    Ok(reply.with_next(vec![
        Advice::Thaw { task: task.clone() }.because("let the guard touch it again"),
    ]))
}
