//! `capsule create`, `capsule verify`: a version in one file, for when everything else is lost.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::ArgValueCandidates;

use super::Run;
use crate::{
    app::App,
    base::{Failure, Kind, output},
    cli::{
        args::{OneTask, version},
        complete,
        render::capsule as render,
        reply::Reply,
        session::Session,
    },
    model::Advice,
    verify::OTHER_VERSION,
};

/// Put a version into one file that restores without git, network or snapback
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback capsule create -t T01 --version 1.2.0 T01-v1.2.0.tar.zst\n  snapback capsule verify T01-v1.2.0.tar.zst\n  snapback dr --from T01-v1.2.0.tar.zst --into /srv/t01"
)]
pub struct Args {
    #[command(subcommand)]
    act: CapsuleAct,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum CapsuleAct {
    Create(Create),
    Verify(VerifyArgs),
}

/// Make a capsule; never over a file that is there
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback capsule create -t T01 --version 1.2.0 T01-v1.2.0.tar.zst\n  snapback capsule create -t T01 t01.tar.gz    the active version, for gzip\n  snapback capsule create -t T01 t01.tar -n    show what it would hold",
    after_help = "The end of FILE says how it is compressed: .zst, .gz, anything else not at all. The same release\ngives the same bytes. Inside: the tree, wheels that are here, manifest.yaml, SHA256SUMS, restore.sh."
)]
struct Create {
    #[command(flatten)]
    task: OneTask,
    /// The version; without it the active one
    #[arg(long, value_name = "VERSION", add = ArgValueCandidates::new(complete::versions))]
    version: Option<String>,
    /// The file to make
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Check a capsule: every byte, its digests, and the release manifest inside
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback capsule verify T01-v1.2.0.tar.zst    needs no repository"
)]
struct VerifyArgs {
    /// The capsule
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

impl Run for Args {
    fn writes(&self) -> bool {
        matches!(self.act, CapsuleAct::Create(_))
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        match &self.act {
            CapsuleAct::Create(create) => create.run(session),
            CapsuleAct::Verify(verify) => {
                let report = App::verify_capsule(&verify.file)?;
                let verb = if report.compared {
                    "is whole in"
                } else {
                    "is whole but for its texts, which were not checked, in"
                };
                let reply = Reply::new(render::page(session.out, &report, verb), &report);
                Ok(if report.compared {
                    reply
                } else {
                    reply.with_problem(Kind::Missing, OTHER_VERSION)
                })
            }
        }
    }
}

impl Create {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        let task = self.task.find(session)?;
        let typed = self.version.clone().unwrap_or_else(|| "active".into());
        let wanted = version(session, &task, Some(&typed))?.expect("because a version was typed");
        let dry_run = session.globals.dry_run;
        if !dry_run {
            session.about_to_change(std::slice::from_ref(&self.file));
        }
        let report = app.create_capsule(&task, &wanted, &self.file, dry_run)?;
        if dry_run {
            let text = render::page(session.out, &report, "would be in");
            return Ok(Reply {
                dry_run: true,
                ..Reply::new(text, &report)
            });
        }
        let text = render::page(session.out, &report, "is in") + &render::without_snapback(&report);
        let file = self.file.to_string_lossy().into_owned();
        let check = Advice::VerifyCapsule { file }.because("check it");
        // What went into a device or a pipe is not there to be read.
        let check = Some(check).filter(|_| !output::is_stream(&self.file));
        Ok(Reply::new(text, &report)
            .with_next(check.into_iter().collect())
            .changed())
    }
}
