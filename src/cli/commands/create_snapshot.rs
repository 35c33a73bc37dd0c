//! `create-snapshot`: releases a task.

use std::collections::BTreeMap;

use clap::ValueEnum;

use super::Run;
use crate::{
    base::Failure,
    cli::{args::OneTask, change, reply::Reply, session::Session},
    git::Hooks,
    model::{
        Request,
        request::{CreateSnapshot, NextVersion},
        signature::Signing,
        version,
    },
};

/// Release a task: commit its files, manifest and registry entry, and tag them
#[derive(Debug, clap::Args)]
#[command(
    visible_alias = "snap",
    before_help = "Examples:\n  snapback create-snapshot -t T01 -m \"tighter stop\"    its config's version, or a patch\n  snapback create-snapshot -t T01 --version 1.3.0\n  snapback snap -t T01 --bump minor --dry-run          show what would be released"
)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Args {
    #[command(flatten)]
    task: OneTask,
    /// The version, such as 1.3.0
    #[arg(long, value_name = "VERSION", conflicts_with = "bump")]
    version: Option<String>,
    /// Raise the newest version; auto: as the messages of the commits ask for
    #[arg(long, value_enum, value_name = "PART")]
    bump: Option<BumpWord>,
    /// Why
    #[arg(
        short,
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    message: String,
    /// Release it though its checks fail, as failed
    #[arg(long)]
    allow_failing: bool,
    /// Run neither your own pre-commit nor pre-push hook
    #[arg(long)]
    no_verify: bool,
    /// Sign the tag, with KEY instead of user.signingKey
    #[arg(long, value_name = "KEY", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with = "no_sign")]
    sign: Option<String>,
    /// Sign the manifest with your own key (`snapback keys`)
    #[arg(long, conflicts_with_all = ["sign", "no_sign"])]
    sign_manifest: bool,
    /// Sign nothing, whatever the settings ask for
    #[arg(long)]
    no_sign: bool,
    /// Push it afterwards as `git push`, or to REMOTE
    #[arg(long, value_name = "REMOTE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    push: Option<String>,
}

/// A part of a version.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum BumpWord {
    Major,
    Minor,
    Patch,
    Auto,
}

impl Args {
    fn signing(&self) -> Signing {
        match &self.sign {
            Some(key) => Signing::With(Some(key.clone()).filter(|key| !key.is_empty())),
            None if self.no_sign => Signing::Never,
            None if self.sign_manifest => Signing::Manifest,
            None => Signing::AsConfigured,
        }
    }

    fn next_version(&self) -> Result<Option<NextVersion>, Failure> {
        if let Some(text) = &self.version {
            return Ok(Some(NextVersion::Exactly(change::new_version(text)?)));
        }
        Ok(self.bump.map(|bump| match bump {
            BumpWord::Major => NextVersion::Bump(version::Bump::Major),
            BumpWord::Minor => NextVersion::Bump(version::Bump::Minor),
            BumpWord::Patch => NextVersion::Bump(version::Bump::Patch),
            BumpWord::Auto => NextVersion::Auto,
        }))
    }
}

impl Run for Args {
    fn changes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let (version, task) = (self.next_version()?, self.task.find(session)?);
        // A version that exists at the remote is not released again, and a push that would be
        // refused is reported beforehand.
        let elsewhere = match &self.push {
            Some(remote) => session.app()?.look_beyond(&task, remote)?.elsewhere,
            None => BTreeMap::new(),
        };
        let request = Request::CreateSnapshot(CreateSnapshot {
            task,
            version,
            message: self.message.clone(),
            run_hooks: !self.no_verify,
            allow_failing: self.allow_failing,
            signing: self.signing(),
            elsewhere,
        });
        let hooks = if self.no_verify {
            Hooks::Skip
        } else {
            Hooks::Run
        };
        change::reply_and_push(session, &request, self.push.as_deref(), hooks)
    }
}
