//! `preview`: the files of a version, without touching the work tree.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap_complete::ArgValueCandidates;
use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, Kind, RelPath},
    cli::{
        args::OneTask,
        complete,
        error::Error,
        render::{count, safe},
        reply::Reply,
        session::Session,
    },
    model::{TaskId, Version},
};

/// Look at a version without touching the work tree
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback preview -t T01 1.2.0 --into scratch    its files, in a new folder\n  snapback preview -t T01 1.2.0 --cat tasks/T01/config.yaml\n  snapback preview -t T01 1.2.0 --run \"make check\""
)]
pub struct Args {
    #[command(flatten)]
    task: OneTask,
    /// The version
    #[arg(value_name = "VERSION", add = ArgValueCandidates::new(complete::versions))]
    version: String,
    #[command(flatten)]
    what: PreviewTarget,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct PreviewTarget {
    /// Write its files into DIR, which must be empty or new
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    into: Option<PathBuf>,
    /// Print one file of them
    #[arg(long, value_name = "PATH")]
    cat: Option<String>,
    /// Run a command in a folder with its files; its exit code is this one's
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,
}

impl Run for Args {
    fn writes(&self) -> bool {
        self.what.into.is_some()
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let task = self.task.find(session)?;
        let app = session.app()?;
        let version = app.resolve_version(&task, &self.version)?;
        if let Some(path) = &self.what.cat {
            return cat(session, &task, &version, path);
        }
        if let Some(command) = self.what.run.as_ref().filter(|_| session.globals.dry_run) {
            let text = format!(
                "`{}` would run in a folder with the files of {task} {version}",
                safe(command)
            );
            return Ok(Reply::would(&text, json!({ "command": command })));
        }
        if let Some(command) = &self.what.run {
            let code = app.run_in_preview(&task, &version, command)?;
            let output = session.preview_output();
            let text = output
                .lines()
                .map(safe)
                .fold(String::new(), |text, line| text + &line + "\n");
            return Ok(Reply {
                exit_code: code,
                ..Reply::new(
                    text,
                    json!({ "command": command, "exit_code": code, "output": output }),
                )
            });
        }
        let into = self
            .what
            .into
            .as_ref()
            .ok_or_else(|| Error::usage("add --into, --cat or --run"))?;
        let data = |files: usize| json!({ "into": into.to_string_lossy(), "files": files });
        if session.globals.dry_run {
            let files = app.export(&task, &version, into, true)?;
            let text = format!(
                "{} of {task} {version} would be written into {}",
                count(files, "file"),
                into.display()
            );
            return Ok(Reply::would(&text, data(files)));
        }
        session.about_to_change(std::slice::from_ref(into));
        let files = app.export(&task, &version, into, false)?;
        let text = format!(
            "{task} {version}: {} in {}\n",
            count(files, "file"),
            into.display()
        );
        Ok(Reply::new(text, data(files)).changed())
    }
}

/// Prints one file, byte for byte; as JSON only when it is text.
fn cat(session: &Session, task: &TaskId, version: &Version, path: &str) -> Result<Reply, Failure> {
    let path = RelPath::parse(path).map_err(|unsafe_path| Error::usage(unsafe_path.to_string()))?;
    let app = session.app()?;
    if !session.globals.json {
        let mut out = Out { failed: None };
        app.cat(task, version, &path, &mut out)?;
        let reply = Reply::new(String::new(), ());
        return match out.failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::Answer(error).into())
            }
            _ => Ok(reply),
        };
    }
    let mut bytes = Vec::new();
    app.cat(task, version, &path, &mut bytes)?;
    let text = String::from_utf8(bytes);
    let reply =
        |text: Option<&str>| Reply::new(String::new(), json!({ "path": path, "text": text }));
    Ok(match &text {
        Ok(text) => reply(Some(text)),
        Err(_) => reply(None).with_problem(Kind::Usage, "the file is not text: leave --json out"),
    })
}

/// Standard output that stores its first error instead of ending the command midway.
struct Out {
    failed: Option<io::Error>,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            self.failed = io::stdout().write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.failed.is_none() {
            self.failed = io::stdout().flush().err();
        }
        Ok(())
    }
}
