//! `init`: finds the tasks and writes the configuration, the initial registry and ignore rules.

use serde_json::json;

use super::Run;
use crate::{
    app::{App, Options},
    base::{Failure, Hint},
    cli::{
        render::{count, diff::init_file},
        reply::Reply,
        session::Session,
    },
    model::{
        Advice,
        overview::{InitFile, InitPlan},
        report::Outcome,
    },
};

/// Find tasks and write snapback.yaml, the registry and ignore rules
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback init --dry-run     show what would be written\n  snapback init"
)]
pub struct Args {}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let dir = session.dir();
        let options = || Options {
            config: None,
            ..session.options()
        };
        if !session.globals.dry_run && App::settle_init(&dir, options())? {
            session.warn("an earlier `init` was interrupted; what it had written is put back");
        }
        let InitPlan {
            mut files,
            left_out,
            remarks,
        } = App::init_files(&dir)?;
        let keep = keep_data(&files, &left_out);
        for remark in &remarks {
            session.warn(remark);
        }
        files.retain(|file| file.before.as_ref() != Some(&file.after));
        let data = json!({ "files": files, "left_out": left_out, "remarks": remarks });
        if files.is_empty() {
            return Ok(Reply::new(
                "everything is set up already; nothing to do.\n".into(),
                data,
            )
            .with_next(keep.into_iter().collect()));
        }
        let show = |style| {
            files
                .iter()
                .map(|file| init_file(style, file))
                .collect::<String>()
        };
        if session.globals.dry_run {
            return Ok(Reply {
                dry_run: true,
                ..Reply::new(show(session.out), data)
            });
        }
        session.say(&show(session.err));
        session.confirm(&format!("Write {}?", count(files.len(), "file")))?;
        let report = App::init(&dir, options(), &files)?;
        if report.outcome != Outcome::Done {
            return Ok(Reply::of_report(session.out, None, &report));
        }
        let mut next = next_steps(session, &files)?;
        next.extend(keep);
        let reply = Reply::new(
            format!("{} written, not committed.\n", count(files.len(), "file")),
            data,
        );
        Ok(Reply {
            op: report.op,
            ..reply
        }
        .changed()
        .with_next(next))
    }
}

/// Returns the hint on including the tasks' data in releases, when no release does. A new
/// configuration names the data already.
fn keep_data(files: &[InitFile], left_out: &[String]) -> Option<Hint> {
    let is_named = files
        .iter()
        .any(|file| file.path.name().starts_with(b"snapback."));
    let patterns = left_out.join(", ");
    (!is_named && !left_out.is_empty()).then(|| {
        Hint::say(format!(
            "no release keeps the data of the tasks; `large_files` in snapback.yaml would: {patterns}"
        ))
    })
}

/// Returns the next steps once the files exist.
fn next_steps(session: &Session, files: &[InitFile]) -> Result<Vec<Hint>, Failure> {
    let names: Vec<_> = files.iter().map(|file| file.path.to_text()).collect();
    let mut add = vec!["git", "add", "--"];
    add.extend(names.iter().map(String::as_str));
    let mut next = vec![
        Hint::run("keep them", &add),
        Hint::run("then", &["git", "commit", "-m", "Set up snapback"]),
        Advice::SeeStatus.because("see your tasks"),
    ];
    if session
        .app()?
        .commands(&[])
        .iter()
        .any(|state| !state.trusted)
    {
        next.push(Advice::AgreeToCommands.because("agree to the commands that it names"));
    }
    Ok(next)
}
