//! `trust`: shows the commands that the configuration names, and agrees to them.

use std::fmt::Write;

use serde_json::json;

use super::Run;
use crate::{
    app::App,
    base::{Failure, Kind},
    cli::{
        args::SomeTasks,
        render::{commands, count},
        reply::Reply,
        session::Session,
    },
    model::{Advice, trust::CommandState},
};

/// Agree to the commands that this repository's configuration names
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback trust             show what would run, and ask\n  snapback trust --list      show it only\n  snapback trust -t T01 -y   agree to T01's without a question\n  snapback trust --revoke    nothing may run any more",
    after_help = "Nothing that a configuration names runs before you agreed to it on this machine, and\nwhat changes is asked for again. The agreement lies in your state folder\n(XDG_STATE_HOME or ~/.local/state), never in the repository.\nFor pipelines: SNAPBACK_TRUST=DIGEST, with the digest that `snapback trust --json` prints."
)]
pub struct Args {
    #[command(flatten)]
    tasks: SomeTasks,
    /// Show the commands and whether they are trusted
    #[arg(long, conflicts_with = "revoke")]
    list: bool,
    /// Take every agreement for this repository back
    #[arg(long)]
    revoke: bool,
}

impl Run for Args {
    fn changes(&self) -> bool {
        !self.list
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        if self.revoke && !session.globals.dry_run {
            let was = app.revoke_trust()?;
            let text = if was {
                "revoked: no command of this repository runs any more.\n"
            } else {
                "nothing was agreed to here.\n"
            };
            return Ok(Reply {
                changed: was,
                ..Reply::new(text.into(), json!({ "revoked": was }))
            });
        }
        let states = app.commands(&self.tasks.named(session)?);
        let new: Vec<CommandState> = states
            .iter()
            .filter(|state| !state.trusted)
            .cloned()
            .collect();
        let only_shown =
            self.list || session.globals.dry_run || (session.globals.json && !session.globals.yes);
        if only_shown || new.is_empty() {
            return Ok(Reply {
                dry_run: session.globals.dry_run,
                ..shown(session, app, &states)
            });
        }
        if !session.globals.yes && !session.can_ask() {
            let why = "nobody can be asked here; whoever has read them may say --yes";
            let mut reply = shown(session, app, &states);
            let _ = writeln!(reply.text, "not done: {why}");
            return Ok(reply.with_problem(Kind::Refused, why));
        }
        session.confirm(&format!(
            "{}{}",
            commands::list(session.err, &new),
            commands::question(&new)
        ))?;
        app.agree(
            &new.into_iter()
                .map(|state| state.command)
                .collect::<Vec<_>>(),
        )?;
        Ok(shown(session, app, &app.commands(&self.tasks.named(session)?)).changed())
    }
}

/// Replies with the commands and whether they are trusted.
fn shown(session: &Session, app: &App, states: &[CommandState]) -> Reply {
    let new = states.iter().filter(|state| !state.trusted).count();
    let trouble = app.trust_trouble().map(|(_, why)| why);
    let text = match (states.len(), new) {
        (0, _) => format!(
            "{} names no commands.\n",
            crate::cli::render::safe(app.config_file())
        ),
        (all, 0) => format!(
            "{}{} trusted.\n",
            commands::list(session.out, states),
            count(all, "command")
        ),
        (all, new) => format!(
            "{}{}: {new} not trusted.\n",
            commands::list(session.out, states),
            count(all, "command")
        ),
    };
    let data = json!({
        "repository": app.work_tree().to_string_lossy(),
        "config": app.config_file(),
        "digest": app.commands_digest(),
        "trusted": new == 0,
        "trouble": trouble,
        "commands": states,
    });
    let next = if new == 0 {
        Vec::new()
    } else {
        vec![Advice::AgreeToCommands.because("agree to them")]
    };
    Reply::new(text, data).with_next(next)
}
