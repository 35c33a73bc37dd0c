//! Hints for git errors: commands to type, by the kind of error.
//!
//! Each error has its hints in one of the groups here; nothing is looked up, and nothing is run.

use super::{BrokenRef, Error, branch_name};
use base::{Fault, Hint};
use model::Advice;

impl BrokenRef {
    /// Returns hints for removing what is left of the reference, so that it can be fetched again.
    pub fn hints(&self) -> Vec<Hint> {
        let remove = match &self.file {
            // git itself cannot remove a reference whose file holds no id.
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
    /// Returns all hints for this error.
    pub(super) fn advice(&self) -> Vec<Hint> {
        [
            self.of_the_repository(),
            self.of_the_branch(),
            self.of_the_references(),
            self.of_the_objects(),
            self.of_the_files(),
            self.of_the_user(),
            self.of_the_others(),
            self.of_the_choice(),
        ]
        .concat()
    }

    /// Returns the hints for getting the missing objects of a shallow or partial clone.
    pub fn lacking() -> Vec<Hint> {
        vec![
            Hint::run(
                "fetch everything",
                &["git", "fetch", "--refetch", "--no-filter"],
            ),
            Hint::run("in a shallow clone", &["git", "fetch", "--unshallow"]),
        ]
    }

    /// Returns hints for data that cannot be read or written.
    fn of_the_objects(&self) -> Vec<Hint> {
        match self {
            Self::MissingObject { .. } => Self::lacking(),
            Self::Unreadable { .. } => vec![Hint::say(
                "see who may read the files below .git/objects, and that the disk is well",
            )],
            Self::BadObject { .. } | Self::Failed { .. } => {
                vec![Hint::run("see what is damaged", &["git", "fsck", "--full"])]
            }
            Self::Git { .. } | Self::BadTag { .. } | Self::Prepared(_) | Self::MergeFile { .. } => {
                vec![Hint::run(
                    "see whether the repository is whole",
                    &["git", "fsck", "--full"],
                )]
            }
            Self::TooMany { .. } => vec![Hint::say(
                "no release is that large: do not trust this commit, or give the task a smaller scope",
            )],
            Self::Sync { .. } => vec![Hint::say("check the disk")],
            Self::File { path, .. } => {
                vec![Hint::run(
                    "see who owns it, and that the disk is neither full nor read-only",
                    &["ls", "-ld", &path.to_string_lossy()],
                )]
            }
            Self::Program(error) => error.hints(),
            _ => Vec::new(),
        }
    }

    /// Returns hints for a repository that cannot be used.
    fn of_the_repository(&self) -> Vec<Hint> {
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
            Self::NoRepository { .. } => vec![Advice::SeeStatus.there("DIR").because("name yours")],
            Self::RefStorage(_) => vec![Hint::run(
                "convert the references",
                &["git", "refs", "migrate", "--ref-format=files"],
            )],
            Self::Sparse => vec![Hint::run(
                "check everything out",
                &["git", "sparse-checkout", "disable"],
            )],
            _ => Vec::new(),
        }
    }

    /// Returns hints for a branch that cannot be moved now.
    fn of_the_branch(&self) -> Vec<Hint> {
        match self {
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
            Self::Unmerged { .. } => vec![Hint::run("see what is unresolved", &["git", "status"])],
            _ => Vec::new(),
        }
    }

    /// Returns hints for references and values that are invalid or have changed.
    fn of_the_references(&self) -> Vec<Hint> {
        match self {
            Self::PathChanged { .. }
            | Self::IndexChanged
            | Self::RefChanged { .. }
            | Self::MovedUnder { .. }
            | Self::HeadMoved { .. } => {
                vec![Hint::say(
                    "run the command again: it plans from what is there now",
                )]
            }
            Self::GitLocked { file, .. } => {
                vec![
                    Hint::say("wait until git has ended"),
                    Hint::run(
                        "if no git is running, remove the lock",
                        &["rm", &file.to_string_lossy()],
                    ),
                ]
            }
            Self::BrokenRef(broken) => broken.hints(),
            Self::RefClash { other, .. } => vec![Hint::run(
                "see what it is",
                &["git", "show", "--no-patch", other],
            )],
            Self::RefName { .. } => vec![Hint::say(
                "choose a task id and a version that git takes in a reference's name",
            )],
            Self::AlreadyPublished { .. } => {
                vec![Advice::FinishOperation.because("finish the operation")]
            }
            Self::Ambiguous { spec } => vec![Hint::run(
                "see all that begin so",
                &["git", "rev-parse", &format!("--disambiguate={spec}")],
            )],
            _ => Vec::new(),
        }
    }

    /// Returns hints for missing or invalid settings of the user.
    fn of_the_user(&self) -> Vec<Hint> {
        match self {
            Self::Unsigned { .. } => {
                let settings =
                    "^(commit|tag)\\.(gpgsign|forcesignannotated)|^user\\.signingkey|^gpg\\.";
                vec![
                    Hint::say("for this once, without a signature: add --no-sign"),
                    Hint::run(
                        "see what asks for it (gpgSign), and the key",
                        &["git", "config", "--show-origin", "--get-regexp", settings],
                    ),
                    Hint::run(
                        "or name a key that is here",
                        &["git", "config", "user.signingKey", "<key>"],
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
            _ => Vec::new(),
        }
    }

    /// Returns hints for a file of the tree that cannot be recorded.
    fn of_the_files(&self) -> Vec<Hint> {
        match self {
            Self::BadPath { source, .. } => vec![
                Hint::say("no release can hold such a name; give it another one and commit"),
                Hint::run(
                    "or let git forget it, commit, and move it out of the task's folder",
                    &["git", "rm", "-r", "--cached", &source.path],
                ),
            ],
            Self::Attribute { path, attribute } => {
                vec![Hint::say(format!(
                    "take `{attribute}` off {path} in .gitattributes, or name it in the task's `exclude`"
                ))]
            }
            Self::Convert { .. } => vec![Hint::say(
                "see what .gitattributes ask for this path, or exclude it from the task",
            )],
            Self::Filter { .. } => vec![Hint::say(
                "exclude the path from the task, or store it with Git LFS",
            )],
            Self::MissingLfs { .. } => {
                vec![Hint::run("fetch it", &["git", "lfs", "fetch", "--all"])]
            }
            _ => Vec::new(),
        }
    }

    /// Returns hints for a refusal by a remote or a hook.
    fn of_the_others(&self) -> Vec<Hint> {
        match self {
            Self::Push { remote, .. } | Self::Fetch { remote, .. } | Self::Asked { remote, .. } => {
                vec![Hint::run(
                    "see whether it can be reached",
                    &["git", "ls-remote", remote],
                )]
            }
            Self::HookRefused {
                hook: "pre-commit", ..
            } => vec![Hint::say("mend what it names, or use --no-verify")],
            Self::HookRefused { .. } => vec![Hint::say("mend what it names, and push again")],
            _ => Vec::new(),
        }
    }

    /// Returns hints for an unclear choice of remote.
    fn of_the_choice(&self) -> Vec<Hint> {
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
}
