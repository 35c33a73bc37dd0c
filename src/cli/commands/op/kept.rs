//! `op kept` and `op restore`: list and restore the files that operations put aside.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{
    base::{Failure, Hint, RelPath},
    cli::{
        change::{self, Ask, RequestEnd},
        error::Error,
        render::{count, safe},
        reply::Reply,
        session::Session,
    },
    model::{Advice, OpId, Request, kept::KeptFile, report::Outcome, request::RestoreKept},
};

/// What is to be brought back, and whereto.
#[derive(Debug, clap::Args)]
pub struct RestoreArgs {
    /// The operation, and which of its files; all that somebody wrote when none is named
    #[arg(value_name = "OPERATION [PATH]", required = true)]
    words: Vec<String>,
    #[command(flatten)]
    to: To,
}

/// Whereto.
#[derive(Debug, clap::Args)]
pub struct To {
    /// Write them into DIR, which must be empty or new
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with = "in_place")]
    into: Option<PathBuf>,
    /// Write them back to where they were; `snapback undo` takes it back
    #[arg(long)]
    in_place: bool,
}

/// An operation whose kept files are listed; also `list [OPERATION]`, `restore OPERATION [PATH]`.
#[derive(Debug, clap::Args)]
pub struct KeptArgs {
    /// Only of this operation
    #[arg(value_name = "OPERATION")]
    words: Vec<String>,
    #[command(flatten)]
    #[command(next_help_heading = "With `op kept restore`")]
    to: To,
}

impl KeptArgs {
    /// Returns true for the spelling `op kept restore …`.
    pub fn changes(&self) -> bool {
        self.words.first().is_some_and(|word| word == "restore")
    }

    /// Lists the files, or restores them for the spelling `op kept restore …`.
    pub fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        match words[..] {
            ["restore", ref rest @ ..] => restore(session, rest, &self.to),
            ["list", op] | [op] if op != "list" => list(session, Some(op)),
            [] | ["list"] => list(session, None),
            _ => Err(Error::usage("one operation at a time: snapback op kept OPERATION").into()),
        }
    }
}

impl RestoreArgs {
    /// Restores the files.
    pub fn run(&self, session: &Session) -> Result<Reply, Failure> {
        restore(
            session,
            &self.words.iter().map(String::as_str).collect::<Vec<_>>(),
            &self.to,
        )
    }
}

/// Lists the restorable files, one per line.
fn list(session: &Session, op: Option<&str>) -> Result<Reply, Failure> {
    let app = session.app()?;
    let all = app.kept(op)?;
    let (mut text, mut data) = (String::new(), Vec::new());
    for (id, files) in &all {
        let _ = writeln!(
            text,
            "operation {}: {}",
            id.short(),
            count(files.len(), "file")
        );
        for file in files {
            let size = crate::base::text::size(file.state.size);
            let released = if file.as_released {
                ", as released"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "  {:<9} {}  ({size}{released})",
                file.why.word(),
                safe(&file.path.to_text())
            );
        }
        for note in app.kept_notes(id) {
            let _ = writeln!(text, "  note      {}", safe(&note.words()));
        }
        data.push(json!({ "op": id, "files": files, "notes": app.kept_notes(id) }));
    }
    if text.is_empty() {
        text = "no operation has put anything aside.\n".into();
    }
    let is_work = |file: &KeptFile| app.is_somebodys(file);
    Ok(Reply::new(text, json!({ "operations": data })).with_next(ways_back(&all, &is_work)))
}

/// The destination folder in hints.
const FOLDER: &str = "kept";

/// Returns hints on restoring the newest operation that put a person's work aside. Files that
/// nobody wrote are only restored by name.
fn ways_back(all: &[(OpId, Vec<KeptFile>)], is_work: &dyn Fn(&KeptFile) -> bool) -> Vec<Hint> {
    if let Some((id, _)) = all.iter().find(|(_, files)| files.iter().any(is_work)) {
        return ways(
            id,
            "write them into a new folder",
            "or back to where they were",
        );
    }
    let last = all.iter().find_map(|(id, files)| Some((id, files.last()?)));
    let one = |(id, file): (&OpId, &KeptFile)| {
        Advice::RestoreKeptFile {
            op: id.short(),
            path: file.path.to_text(),
            into: FOLDER.into(),
        }
        .because("nobody had written any; one comes back by its name")
    };
    last.map(one).into_iter().collect()
}

/// Returns the hints for restoring into a new folder, and to the original places.
fn ways(op: &OpId, into: &str, in_place: &str) -> Vec<Hint> {
    let new = Advice::RestoreKept {
        op: op.short(),
        into: FOLDER.into(),
    };
    let back = Advice::RestoreKeptInPlace { op: op.short() };
    vec![new.because(into), back.because(in_place)]
}

/// Restores files.
fn restore(session: &Session, words: &[&str], to: &To) -> Result<Reply, Failure> {
    let app = session.app()?;
    let [op, paths @ ..] = words else {
        return Err(Error::usage("which operation? see `snapback op kept`").into());
    };
    let (line, ..) = app.operation(op)?;
    let paths = paths
        .iter()
        .map(|path| RelPath::from_text(path).map_err(|bad| Error::usage(bad.to_string())));
    let wanted = RestoreKept {
        op: line.id.clone(),
        paths: paths.collect::<Result<_, _>>()?,
    };
    if to.in_place {
        return restore_in_place(session, wanted);
    }
    match &to.into {
        Some(into) => restore_into(session, &wanted, into),
        None => Err(where_to(&wanted.op).into()),
    }
}

/// Restores the files to their original places.
fn restore_in_place(session: &Session, wanted: RestoreKept) -> Result<Reply, Failure> {
    let op = wanted.op.clone();
    let course = change::carry_out(session, &Request::RestoreKept(wanted), Ask::Once)?;
    Ok(match course {
        RequestEnd::Shown(plan) => Reply::dry_run(session.out, &plan, session.globals.verbose),
        RequestEnd::Done(plan, report) => {
            if report.outcome == Outcome::Done {
                session.app()?.note_restored(&op);
            }
            Reply::of_report(session.out, Some(&plan), &report)
        }
    })
}

/// Returns the error for a restore without a destination.
fn where_to(op: &OpId) -> Error {
    Error::Usage {
        message: "where to?".into(),
        hints: ways(op, "a new folder", "back where they were"),
    }
}

/// Writes the files into an empty or new folder.
fn restore_into(session: &Session, wanted: &RestoreKept, into: &Path) -> Result<Reply, Failure> {
    let app = session.app()?;
    let dir = session.dir().join(into);
    let names = app.restore_kept_into(wanted, &dir, true)?;
    let data = json!({ "op": wanted.op, "into": into.to_string_lossy(), "files": names });
    if session.globals.dry_run {
        let list = names.iter().fold(String::new(), |list, name| {
            list + "  " + &safe(&name.to_text()) + "\n"
        });
        let text = format!(
            "{list}dry run: {} would be written\n",
            count(names.len(), "file")
        );
        return Ok(Reply {
            dry_run: true,
            ..Reply::new(text, data)
        });
    }
    session.confirm(&format!(
        "Write {} into {}?",
        count(names.len(), "file"),
        into.display()
    ))?;
    session.about_to_change(std::slice::from_ref(&dir));
    let names = app.restore_kept_into(wanted, &dir, false)?;
    let text = format!(
        "{} of operation {} written into {}\n",
        count(names.len(), "file"),
        wanted.op.short(),
        into.display()
    );
    Ok(Reply::new(text, data).changed())
}
