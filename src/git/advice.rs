//! What helps after some errors of git: which remote is meant, and what may not be changed now.

use super::{BrokenRef, Error, branch_name};
use crate::base::Hint;

impl BrokenRef {
    /// How what is left of it goes, so that it can be made or fetched again.
    pub fn hints(&self) -> Vec<Hint> {
        let remove = match &self.file {
            // git itself cannot remove one that holds no id.
            Some(file) => Hint::run(
                "remove what is left of it",
                &["rm", &file.to_string_lossy()],
            ),
            None => Hint::run(
                "remove it, if its object is lost",
                &["git", "update-ref", "-d", &self.name],
            ),
        };
        vec![
            remove,
            Hint::run("then fetch it again", &["git", "fetch", "--tags"]),
        ]
    }
}

impl Error {
    /// How a shallow or partial clone gets what it lacks.
    pub fn lacking() -> Vec<Hint> {
        vec![
            Hint::run(
                "fetch everything",
                &["git", "fetch", "--refetch", "--no-filter"],
            ),
            Hint::run("in a shallow clone", &["git", "fetch", "--unshallow"]),
        ]
    }

    /// What helps when nothing says which remote is meant.
    pub(super) fn of_the_choice(&self) -> Vec<Hint> {
        match self {
            Self::NoRemote => vec![Hint::run(
                "name one",
                &["git", "remote", "add", "origin", "<url>"],
            )],
            Self::WhichRemote { remotes } => vec![
                Hint::say(format!(
                    "name it: --push={0}, or `verdicts push {0}`",
                    remotes.first().map_or("REMOTE", String::as_str)
                )),
                Hint::run(
                    "or for all pushes",
                    &[
                        "git",
                        "config",
                        "remote.pushDefault",
                        remotes.first().map_or("REMOTE", String::as_str),
                    ],
                ),
            ],
            Self::OtherName { .. } => vec![
                Hint::run(
                    "to the branch that it follows",
                    &["git", "config", "push.default", "upstream"],
                ),
                Hint::run(
                    "to one of its own name",
                    &["git", "config", "push.default", "current"],
                ),
            ],
            _ => Vec::new(),
        }
    }

    /// What helps where nothing may be changed, or nothing can be understood.
    pub(super) fn of_the_state(&self) -> Vec<Hint> {
        match self {
            Self::Format(_) | Self::Extension(_) => vec![
                Hint::run("see what git says of it", &["git", "status"]),
                Hint::say("go on with a newer snapback, or in a clone without the extension"),
            ],
            Self::CommitRuns { .. } => vec![
                Hint::say("call it from post-commit, or after git has ended"),
                Hint::say("a hook may look: status, health, verify-snapshot"),
            ],
            Self::OtherIndex { .. } => vec![Hint::say(
                "run it without that variable: env -u GIT_INDEX_FILE snapback …",
            )],
            Self::Owner { dir } => vec![Hint::run(
                "if you trust it, say so",
                &[
                    "git",
                    "config",
                    "--global",
                    "--add",
                    "safe.directory",
                    &dir.to_string_lossy(),
                ],
            )],
            Self::Bare { dir } => vec![Hint::run(
                "work in a clone",
                &["git", "clone", &dir.to_string_lossy()],
            )],
            Self::NoRepository { named: true, .. } => {
                vec![Hint::say("unset GIT_DIR, or let it name one")]
            }
            Self::NoRepository { .. } => vec![Hint::run(
                "name yours",
                &["snapback", "-C", "DIR", "status"],
            )],
            Self::Detached => vec![Hint::run("go to a branch", &["git", "switch", "<branch>"])],
            Self::LinkedHead { target } => vec![Hint::run(
                "let it name its branch",
                &["git", "symbolic-ref", "HEAD", target],
            )],
            Self::SymbolicBranch { target, .. } => {
                vec![Hint::run(
                    "go to the branch itself",
                    &["git", "switch", branch_name(target)],
                )]
            }
            Self::InProgress { abort, .. } => {
                vec![Hint::say("finish it"), Hint::run("or give it up", abort)]
            }
            Self::Unborn { .. } => vec![Hint::run(
                "make a first commit",
                &["git", "commit", "--allow-empty", "-m", "Begin"],
            )],
            Self::BadPath { source, .. } => vec![
                Hint::say("no release can hold such a name; give it another one and commit"),
                Hint::run(
                    "or let git forget it, commit, and move it out of the task's folder",
                    &["git", "rm", "-r", "--cached", &source.path],
                ),
            ],
            Self::GitLocked { file, .. } => {
                vec![
                    Hint::say("wait until git has ended"),
                    Hint::run(
                        "if no git is running, remove the lock",
                        &["rm", &file.to_string_lossy()],
                    ),
                ]
            }
            Self::Identity { .. } => vec![
                Hint::run("set your name", &["git", "config", "user.name", "<name>"]),
                Hint::run(
                    "set your address",
                    &["git", "config", "user.email", "<email>"],
                ),
            ],
            Self::Date { variable, .. } => vec![Hint::say(format!(
                "unset {variable}, or write it as 2026-11-21T05:57:00Z"
            ))],
            Self::Parameters => vec![Hint::say(
                "unset GIT_CONFIG_PARAMETERS, and give settings with git -c KEY=VALUE",
            )],
            Self::BrokenRef(broken) => broken.hints(),
            Self::Attribute { path, attribute } => {
                vec![Hint::say(format!(
                    "take `{attribute}` off {path} in .gitattributes, or name it in the task's `exclude`"
                ))]
            }
            Self::RefClash { other, .. } => vec![Hint::run(
                "see what it is",
                &["git", "show", "--no-patch", other],
            )],
            Self::RefName { .. } => vec![Hint::say(
                "choose a task id and a version that git takes in a reference's name",
            )],
            Self::AlreadyPublished { .. } => vec![Hint::run(
                "finish the operation",
                &["snapback", "op", "resume"],
            )],
            Self::Push { remote, .. } | Self::Fetch { remote, .. } | Self::Asked { remote, .. } => {
                vec![Hint::run(
                    "see whether it can be reached",
                    &["git", "ls-remote", remote],
                )]
            }
            Self::Convert { .. } => vec![Hint::say(
                "see what .gitattributes ask for this path, or exclude it from the task",
            )],
            Self::TooMany { .. } => vec![Hint::say(
                "no release is that large: do not trust this commit, or give the task a smaller scope",
            )],
            Self::RefStorage(_) => vec![Hint::run(
                "convert the references",
                &["git", "refs", "migrate", "--ref-format=files"],
            )],
            Self::Sparse => vec![Hint::run(
                "check everything out",
                &["git", "sparse-checkout", "disable"],
            )],
            Self::HookRefused {
                hook: "pre-commit", ..
            } => vec![Hint::say("mend what it names, or use --no-verify")],
            Self::HookRefused { .. } => vec![Hint::say("mend what it names, and push again")],
            Self::Unmerged { .. } => vec![Hint::run("see what is unresolved", &["git", "status"])],
            _ => Vec::new(),
        }
    }
}
