//! `verdicts`: judgements on versions, and how they are shared.

use std::fmt::Write;

use clap::Subcommand;
use serde_json::json;

use super::Run;
use crate::{
    base::Failure,
    cli::{args::SomeTasks, render, reply::Reply, session::Session},
    model::{Verdict, VerdictRecord},
};

/// Show what was said of versions, and share it with other clones
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback verdicts list -t T01\n  snapback verdicts fetch            what others said\n  snapback verdicts push             what you said, to where `git push` goes",
    after_help = "People, rollbacks and checks say them. Each is a record below refs/snapback/verdicts, so nothing\ncan conflict; what one clone's own storage holds stays in it. To have every `git fetch` bring them:\n  git config --add remote.origin.fetch 'refs/snapback/verdicts/*:refs/snapback/verdicts/*'"
)]
pub struct Args {
    #[command(subcommand)]
    what: VerdictsCommand,
}

#[derive(Debug, Subcommand)]
enum VerdictsCommand {
    /// List them, what counts most last
    #[command(
        before_help = "Examples:\n  snapback verdicts list\n  snapback verdicts list -t T01 --json"
    )]
    List {
        #[command(flatten)]
        tasks: SomeTasks,
    },
    /// Push them
    #[command(
        before_help = "Examples:\n  snapback verdicts push\n  snapback verdicts push upstream"
    )]
    Push {
        /// Where to
        #[arg(value_name = "REMOTE")]
        remote: Option<String>,
    },
    /// Fetch those of others
    #[command(
        before_help = "Examples:\n  snapback verdicts fetch\n  snapback verdicts fetch upstream"
    )]
    Fetch {
        /// Where from
        #[arg(value_name = "REMOTE")]
        remote: Option<String>,
    },
}

impl Run for Args {
    fn changes(&self) -> bool {
        !matches!(self.what, VerdictsCommand::List { .. })
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        match &self.what {
            VerdictsCommand::List { tasks } => list(session, tasks),
            VerdictsCommand::Push { remote } => {
                if session.globals.dry_run {
                    return Ok(Reply {
                        dry_run: true,
                        ..Reply::new("dry run: nothing was pushed\n".into(), json!({}))
                    });
                }
                let app = session.app()?;
                let remote = app.verdicts_remote(remote.as_deref())?;
                session.about_to_change_records()?;
                session.may_change(&format!(
                    "the verdicts at {}",
                    crate::base::secret::clean_text(&remote)
                ));
                let (count, new, remote) = app.push_verdicts(Some(&remote))?;
                let remote = crate::base::secret::clean_text(&remote);
                let text = format!(
                    "{} at {}, {new} of them new.\n",
                    render::count(count, "verdict"),
                    render::safe(&remote)
                );
                let reply = Reply::new(
                    text,
                    json!({ "verdicts": count, "new": new, "remote": remote }),
                );
                Ok(if new == 0 { reply } else { reply.changed() })
            }
            VerdictsCommand::Fetch { remote } => {
                if session.globals.dry_run {
                    return Ok(Reply {
                        dry_run: true,
                        ..Reply::new("dry run: nothing was fetched\n".into(), json!({}))
                    });
                }
                session.about_to_change_records()?;
                let (count, remote) = session.app()?.fetch_verdicts(remote.as_deref())?;
                let remote = crate::base::secret::clean_text(&remote);
                let text = format!(
                    "{} came from {}.\n",
                    render::count(count, "new verdict"),
                    render::safe(&remote)
                );
                let reply = Reply::new(text, json!({ "new": count, "remote": remote }));
                Ok(if count == 0 { reply } else { reply.changed() })
            }
        }
    }
}

/// Lists the verdicts as text and data.
fn list(session: &Session, tasks: &SomeTasks) -> Result<Reply, Failure> {
    let tasks = tasks.named(session)?;
    let (records, ignored) = session.app()?.verdicts(&tasks)?;
    let (mut text, mut data) = (String::new(), Vec::new());
    for record in &records {
        let of_another = session.app()?.is_of_another(record);
        let another = if of_another {
            "  (of another release of this number)"
        } else {
            ""
        };
        let _ = writeln!(text, "{}{another}", line(session, record));
        let mut value = json!(record);
        value["of_another"] = of_another.into();
        data.push(value);
    }
    if records.is_empty() && session.app()?.closed_state().is_some() {
        text.push_str("what was said of versions cannot be read here; nothing was shared.\n");
    } else if records.is_empty() {
        text.push_str("nothing was said of any version yet.\n");
    }
    for why in &ignored {
        let _ = writeln!(text, "ignored: {}", render::safe(why));
    }
    Ok(Reply::new(
        text,
        json!({ "verdicts": data, "ignored": ignored }),
    ))
}

/// Renders one verdict. Reason and name may come from another clone, so every byte is escaped.
fn line(session: &Session, record: &VerdictRecord) -> String {
    let word = match &record.verdict {
        Verdict::Proven => "proven",
        Verdict::Good => "good",
        Verdict::Bad => "bad",
        Verdict::Held => "held",
        Verdict::HoldLifted => "hold lifted",
        Verdict::Pinned => "pinned",
        Verdict::Unpinned => "pin taken off",
        Verdict::Failed => "failed",
        Verdict::Damaged => "damaged",
        Verdict::Whole => "whole again",
        Verdict::Unknown(word) => word.as_str(),
    };
    let reason = if record.reason.is_empty() {
        String::new()
    } else {
        format!("  {}", render::safe(&record.reason))
    };
    let newer = if matches!(record.verdict, Verdict::Unknown(_)) {
        "  (not known to this snapback: it has no weight here)"
    } else {
        ""
    };
    let (task, version, at) = (
        &record.task,
        record.version.to_string(),
        render::moment(record.at, &session.zone),
    );
    format!(
        "{task} {version:<8} {word:<13} {at}  {}{reason}{newer}",
        render::safe(&record.who)
    )
}
