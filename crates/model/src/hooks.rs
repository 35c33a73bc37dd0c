//! Git hooks as data: which exist, how they are installed, and reports about them.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::Serialize;

/// Set for every command that snapback runs; a hook that finds it does not run again.
pub const DEPTH_VARIABLE: &str = "SNAPBACK_HOOK_DEPTH";

/// A git event that snapback has a hook for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    /// A commit was made.
    PostCommit,
    /// Another commit was checked out.
    PostCheckout,
    /// A merge was made.
    PostMerge,
    /// Commits were rewritten, by a rebase or an amendment.
    PostRewrite,
    /// References are about to be pushed.
    PrePush,
    /// A commit is about to be made.
    PreCommit,
    /// The message of a commit was written.
    CommitMsg,
}

impl HookEvent {
    /// All events.
    pub const ALL: [Self; 7] = [
        Self::PostCommit,
        Self::PostCheckout,
        Self::PostMerge,
        Self::PostRewrite,
        Self::PrePush,
        Self::PreCommit,
        Self::CommitMsg,
    ];
    /// The events installed by default.
    pub const DEFAULT: [Self; 5] = [
        Self::PostCommit,
        Self::PostCheckout,
        Self::PostMerge,
        Self::PostRewrite,
        Self::PrePush,
    ];

    /// Returns git's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PostCommit => "post-commit",
            Self::PostCheckout => "post-checkout",
            Self::PostMerge => "post-merge",
            Self::PostRewrite => "post-rewrite",
            Self::PrePush => "pre-push",
            Self::PreCommit => "pre-commit",
            Self::CommitMsg => "commit-msg",
        }
    }

    /// True when git passes lines to its standard input.
    pub fn reads_input(self) -> bool {
        matches!(self, Self::PostRewrite | Self::PrePush)
    }
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error for a name that is not in [`HookEvent::ALL`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("snapback has no hook {0:?}")]
pub struct NoSuchHook(pub String);

impl FromStr for HookEvent {
    type Err = NoSuchHook;
    fn from_str(text: &str) -> Result<Self, NoSuchHook> {
        Self::ALL
            .into_iter()
            .find(|event| event.name() == text)
            .ok_or_else(|| NoSuchHook(text.into()))
    }
}

/// How hooks run next to those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookMethod {
    /// Through git's own configuration (`hook.<name>.command`, git 2.54); no file is touched.
    Config,
    /// Through a script in the hooks folder, which runs the existing hook first.
    Shim,
    /// Through a folder of our own in `core.hooksPath`, whose scripts forward to the previous one.
    Redirect,
}

impl HookMethod {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Shim => "shim",
            Self::Redirect => "redirect",
        }
    }
}

/// The options of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksWanted {
    /// The hooks, each once.
    pub events: Vec<HookEvent>,
    /// The method; `None` = chosen automatically.
    pub method: Option<HookMethod>,
    /// True when a missing program, a failure or a warning should stop git.
    pub strict: bool,
    /// The program that the hooks run.
    pub program: PathBuf,
}

/// Changes to be made, or that were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HooksPlan {
    /// How the hooks run afterwards; `None` when none does.
    pub method: Option<HookMethod>,
    /// The changes, one line each; empty when nothing needs to change.
    pub lines: Vec<String>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// The installation of one hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookLine {
    /// The event.
    pub event: HookEvent,
    /// How it runs; `None` when it does not.
    pub method: Option<HookMethod>,
    /// A foreign hook that runs at the same event.
    pub beside: Option<String>,
    /// A problem with it.
    pub trouble: Option<String>,
}

/// The installation of all hooks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HooksStatus {
    /// The folder in which git looks for hooks.
    pub folder: String,
    /// Every hook that snapback has.
    pub hooks: Vec<HookLine>,
    /// Notes for the user.
    pub notes: Vec<String>,
}
