//! `registry sync`: makes the registry and the configs agree.

use std::{
    ffi::{OsStr, OsString},
    fmt::Write,
    path::PathBuf,
};

use clap::{Subcommand, ValueEnum};
use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, Hint, Kind},
    cli::{
        args::SomeTasks,
        render::{self, tables},
        reply::Reply,
        session::Session,
    },
    hooks::merge::merge_registries,
    model::{Advice, Plan, request::SyncFrom},
};

/// Compare the registry with the configs and tags, and make them agree
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback registry sync                  show where they differ\n  snapback registry sync --from config    the configs are right"
)]
pub struct Args {
    #[command(subcommand)]
    what: RegistryCommand,
}

#[derive(Debug, Subcommand)]
enum RegistryCommand {
    /// Show where registry and configs disagree; with --from, make them agree
    #[command(
        before_help = "Examples:\n  snapback registry sync\n  snapback registry sync -t T01 --from registry"
    )]
    Sync {
        #[command(flatten)]
        tasks: SomeTasks,
        /// Which side is right; `config` also mends a registry that cannot be read
        #[arg(long, alias = "use", value_enum, value_name = "SIDE")]
        from: Option<SideWord>,
    },
    /// What git runs to merge two registries by task; not for people
    #[command(
        hide = true,
        before_help = "Examples:\n  snapback registry merge BASE OURS THEIRS 7 task_registry.json"
    )]
    Merge {
        /// What both sides come from
        base: PathBuf,
        /// Our side, which becomes the result
        ours: PathBuf,
        /// The other side
        theirs: PathBuf,
        /// How long the marks of a conflict are
        marker: u16,
        /// The registry's name in the repository
        path: OsString,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SideWord {
    /// The versions in the configs
    Config,
    /// The versions in the registry
    Registry,
}

impl Run for Args {
    fn changes(&self) -> bool {
        matches!(self.what, RegistryCommand::Sync { from: Some(_), .. })
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let (tasks, from) = match &self.what {
            RegistryCommand::Sync { tasks, from } => (tasks.named(session)?, from),
            RegistryCommand::Merge {
                base,
                ours,
                theirs,
                marker,
                path,
            } => return merge(session, [base, ours, theirs], *marker, path),
        };
        let app = session.app()?;
        if matches!(from, Some(SideWord::Config))
            && let Some(plan) = app.plan_mending()?
        {
            return mend(session, &plan);
        }
        let mut lines = app.drift()?;
        lines.retain(|line| tasks.is_empty() || tasks.contains(&line.task));
        let shown = Reply::new(
            tables::drift(session.out, &lines),
            json!({ "drift": lines }),
        );
        let left_out = if tasks.is_empty() {
            app.settings().left_out.as_slice()
        } else {
            &[]
        };
        let from = match from {
            _ if lines.is_empty() => return Ok(shown.without(left_out, "not compared")),
            None => return Ok(disagreeing(shown).without(left_out, "not compared")),
            Some(_) if session.globals.dry_run => {
                app.refuse_flaws()?;
                return Ok(Reply {
                    dry_run: true,
                    ..shown
                });
            }
            Some(SideWord::Config) => SyncFrom::Config,
            Some(SideWord::Registry) => SyncFrom::Registry,
        };
        session.say(&tables::drift(session.err, &lines));
        session.confirm(if from == SyncFrom::Config {
            "Change the registry?"
        } else {
            "Change the configs?"
        })?;
        Ok(Reply::of_report(
            session.out,
            None,
            &app.sync_registry(&tasks, from)?,
        ))
    }
}

/// Replies that registry and configs disagree, with a hint for each side that may be right.
fn disagreeing(shown: Reply) -> Reply {
    shown
        .with_problem(Kind::Bad, "registry and configs disagree")
        .with_next(vec![
            Advice::SyncFromConfigs.because("the configs are right"),
            Advice::SyncFromRegistry.because("the registry is right"),
        ])
}

/// Shows the repair of an unreadable registry, asks, and writes it.
fn mend(session: &Session, plan: &Plan) -> Result<Reply, Failure> {
    let mut text = String::from("the registry cannot be read; it is written anew with:\n");
    for note in &plan.notes {
        let _ = writeln!(text, "  {}", render::safe(note));
    }
    if session.globals.dry_run {
        return Ok(Reply {
            dry_run: true,
            ..Reply::new(
                format!("{text}dry run: nothing was changed\n"),
                json!({ "plan": plan }),
            )
        });
    }
    session.say(&text);
    session.confirm("Write the registry?")?;
    let reply = Reply::of_report(session.out, None, &session.app()?.mend_registry()?);
    Ok(reply.with_next(vec![
        Hint::run("see what changed", &["git", "diff"]),
        Advice::Undo.because("if it was not right"),
    ]))
}

/// Merges two registries into our side's file, as git expects of a merge driver.
fn merge(
    session: &Session,
    sides: [&PathBuf; 3],
    marker: u16,
    path: &OsStr,
) -> Result<Reply, Failure> {
    let dir = session.dir();
    if session.globals.dry_run {
        return Ok(Reply::would(
            &format!("{} would be merged", render::safe(&path.to_string_lossy())),
            json!({}),
        ));
    }
    let said = merge_registries(&dir, sides.map(PathBuf::as_path), marker)?;
    let name = render::safe(&path.to_string_lossy());
    let data = json!({ "path": name, "merged": said.is_none() });
    Ok(match said {
        None => Reply::new(String::new(), data).changed(),
        Some(why) => {
            Reply::new(String::new(), data).with_problem(Kind::Conflict, format!("{name}: {why}"))
        }
    })
}
