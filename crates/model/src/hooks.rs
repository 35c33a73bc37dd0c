//! git hooks as data: which there are, how they are installed, and what is said of them.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::Serialize;

/// Set for every command that snapback runs; a hook that finds it is not run again.
pub const DEPTH_VARIABLE: &str = "SNAPBACK_HOOK_DEPTH";

/// An event of git that snapback has a hook for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookEvent {
    /// A commit was made.
    PostCommit,
    /// Another commit was checked out.
    PostCheckout,
    /// Something was merged.
    PostMerge,
    /// Commits were rewritten, by a rebase or an amendment.
    PostRewrite,
    /// References are about to be pushed.
    PrePush,
    /// A commit is about to be made.
    PreCommit,
    /// A commit has its message.
    CommitMsg,
}

impl HookEvent {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::PostCommit,
        Self::PostCheckout,
        Self::PostMerge,
        Self::PostRewrite,
        Self::PrePush,
        Self::PreCommit,
        Self::CommitMsg,
    ];
    /// Those that are installed when nobody chooses.
    pub const DEFAULT: [Self; 5] = [
        Self::PostCommit,
        Self::PostCheckout,
        Self::PostMerge,
        Self::PostRewrite,
        Self::PrePush,
    ];

    /// git's name for it.
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

    /// True when git hands lines to its standard input.
    pub fn reads_input(self) -> bool {
        matches!(self, Self::PostRewrite | Self::PrePush)
    }
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is none of [`HookEvent::ALL`].
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

/// How hooks come to run beside those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookMethod {
    /// By git's own configuration (`hook.<name>.command`, git 2.54): no file is touched.
    Config,
    /// By a script in the hooks folder, which runs the hook that was there first.
    Shim,
    /// By a folder of our own that `core.hooksPath` names, whose scripts hand on to the one before.
    Redirect,
}

impl HookMethod {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Shim => "shim",
            Self::Redirect => "redirect",
        }
    }
}

/// What is wanted of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksWanted {
    /// The hooks, each once.
    pub events: Vec<HookEvent>,
    /// How; `None` = what fits.
    pub method: Option<HookMethod>,
    /// True when a missing program, a failure or a warning stops git.
    pub strict: bool,
    /// The program that the hooks start.
    pub program: PathBuf,
}

/// What is to be done, or was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HooksPlan {
    /// How they run after it; `None` when none does.
    pub method: Option<HookMethod>,
    /// What changes, one line each; none when all is as it should be.
    pub lines: Vec<String>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// One hook, as it is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookLine {
    /// Which.
    pub event: HookEvent,
    /// How it runs; `None` when it does not.
    pub method: Option<HookMethod>,
    /// The hook of somebody else that runs at the same event.
    pub beside: Option<String>,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// All hooks, as they are installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HooksStatus {
    /// The folder in which git looks for hooks.
    pub folder: String,
    /// Every hook that snapback has.
    pub hooks: Vec<HookLine>,
    /// What a person should know.
    pub notes: Vec<String>,
}
