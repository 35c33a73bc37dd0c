//! What helps when a rollback, undo or redo is stopped: commands that can be run as they stand, in
//! the order in which a person tries them. Says nothing that the error itself says.

use super::Error;
use crate::{
    base::{Fault, Hint},
    catalog::fetch_tags,
    model::{TaskId, Version},
    policy::target::NoTarget,
};

impl Error {
    /// What helps.
    pub(super) fn what_helps(&self) -> Vec<Hint> {
        match self {
            Self::StaleFrom { .. }
            | Self::ActiveUnknown { .. }
            | Self::NoGoodVersion { .. }
            | Self::OneWay { .. }
            | Self::TakenBack { .. } => self.of_the_target(),
            Self::OutOfScope { .. }
            | Self::InTheWay { .. }
            | Self::CaseTwins(..)
            | Self::Signature { .. } => self.of_the_release(),
            Self::NoReason => vec![Hint::say("say why: --message \"…\"")],
            Self::NoBranch(error) => [
                error.hints(),
                vec![Hint::say(
                    "or change files only, which works here: --no-commit",
                )],
            ]
            .concat(),
            Self::NoSuchVersion { task, .. } => vec![Hint::run(
                "see its versions",
                &["snapback", "list", "--task", task.as_str()],
            )],
            Self::TagsNotHere { .. } => vec![fetch_tags()],
            Self::DoneElsewhere { place, op, word } => {
                vec![in_work_tree(place, "do it there", &[word, op])]
            }
            Self::NotTheLast { .. }
            | Self::MovedOn { .. }
            | Self::NothingTo(_)
            | Self::ReleaseNotNamed { .. }
            | Self::ReleaseStays { .. }
            | Self::CannotUndo { .. } => self.of_an_undo(),
        }
    }

    /// What helps when the version to go to is not known, or not gone to without a word.
    fn of_the_target(&self) -> Vec<Hint> {
        match self {
            Self::StaleFrom {
                task, active, to, ..
            } => from_where_it_is(task, active, to.as_deref()),
            Self::NoGoodVersion { task, why, others } => to_choose(task, why, *others),
            Self::OneWay { task, to, .. } => past_the_door(task, to),
            Self::TakenBack { told: true, .. } => vec![Hint::say(
                "say why it is gone to all the same: --message \"…\"",
            )],
            Self::TakenBack { task, version, .. } => despite_the_verdict(task, version),
            Self::ActiveUnknown { task, .. } => vec![
                Hint::run(
                    "see its versions",
                    &["snapback", "list", "--task", task.as_str()],
                ),
                Hint::run(
                    "go to one of them",
                    &[
                        "snapback",
                        "rollback",
                        "--task",
                        task.as_str(),
                        "--to",
                        "<version>",
                    ],
                ),
            ],
            _ => Vec::new(),
        }
    }

    /// What helps when the release is not as it must be, or cannot come here.
    fn of_the_release(&self) -> Vec<Hint> {
        match self {
            Self::OutOfScope { task, .. } => vec![
                Hint::run(
                    "see who wrote it",
                    &[
                        "git",
                        "log",
                        "-p",
                        "--",
                        &format!("snapshots/snapshot-{task}-v*.yaml"),
                    ],
                ),
                Hint::say(
                    "if the task had another folder then, look at the release with `snapback preview`",
                ),
            ],
            Self::InTheWay { path, .. } => vec![Hint::say(format!(
                "move {path} out of the way and try again"
            ))],
            Self::CaseTwins(..) => vec![Hint::say("roll back on a file system that keeps case")],
            Self::Signature { tag, .. } => vec![
                Hint::run("see what git says of it", &["git", "tag", "--verify", tag]),
                Hint::say(
                    "the keys that are trusted are those of gpg, or of gpg.ssh.allowedSignersFile in your own git configuration",
                ),
            ],
            _ => Vec::new(),
        }
    }

    /// What helps when an undo or redo is refused.
    fn of_an_undo(&self) -> Vec<Hint> {
        match self {
            Self::NotTheLast {
                later, task, place, ..
            } => later_first(task, later, place.as_deref()),
            Self::MovedOn {
                task,
                active,
                before,
                held,
                ..
            } => where_it_is(task, active, before.as_deref(), *held),
            Self::NothingTo(_) => {
                vec![Hint::run("see all operations", &["snapback", "op", "list"])]
            }
            Self::ReleaseNotNamed { tag } => {
                vec![Hint::run("take it back", &["snapback", "undo", tag])]
            }
            Self::ReleaseStays { task, .. } => vec![
                Hint::run(
                    "go back to an earlier version instead",
                    &[
                        "snapback",
                        "rollback",
                        "--task",
                        task.as_str(),
                        "--to",
                        "previous",
                    ],
                ),
                Hint::say(
                    "or call it bad, so that nobody goes to it: snapback mark bad VERSION -m WHY",
                ),
            ],
            Self::CannotUndo { op, .. } => vec![Hint::run(
                "see what it did",
                &["snapback", "op", "show", op],
            )],
            _ => Vec::new(),
        }
    }
}

/// What helps when the task is not where it was expected.
fn from_where_it_is(task: &TaskId, active: &str, to: Option<&str>) -> Vec<Hint> {
    let task = task.as_str();
    let is_way = |to: &&str| active != *to && active.parse::<Version>().is_ok();
    let seen = Hint::run(
        "see what happened",
        &["snapback", "history", "--task", task],
    );
    let go = to.iter().copied().filter(is_way).map(|to| {
        Hint::run(
            "roll back from where it is",
            &[
                "snapback", "rollback", "--task", task, "--from", active, "--to", to,
            ],
        )
    });
    go.chain([seen]).collect()
}

/// What helps before a one-way door.
fn past_the_door(task: &TaskId, to: &str) -> Vec<Hint> {
    vec![
        Hint::run(
            "go back all the same, when you know how to live with what stays",
            &[
                "snapback",
                "rollback",
                "--task",
                task.as_str(),
                "--to",
                to,
                "--past-floor",
            ],
        ),
        Hint::run(
            "or see which version is on this side",
            &["snapback", "list", "--task", task.as_str()],
        ),
    ]
}

/// What helps when somebody took the target back.
fn despite_the_verdict(task: &TaskId, version: &Version) -> Vec<Hint> {
    let (task, version) = (task.as_str(), &version.to_string());
    vec![
        Hint::run(
            "see who said so, and why",
            &["snapback", "verdicts", "list", "--task", task],
        ),
        Hint::run(
            "go to it all the same",
            &[
                "snapback",
                "rollback",
                "--task",
                task,
                "--to",
                version,
                "--despite-verdict",
                "--message",
                "why",
            ],
        ),
    ]
}

/// What helps when no version is chosen by itself.
fn to_choose(task: &TaskId, why: &NoTarget, others: bool) -> Vec<Hint> {
    let task = task.as_str();
    let NoTarget::Unproven {
        version,
        is_previous,
    } = why
    else {
        return vec![Hint::run(
            "see its versions",
            &["snapback", "list", "--task", task],
        )];
    };
    let version = version.to_string();
    let to = if *is_previous {
        "previous"
    } else {
        version.as_str()
    };
    let fetch = others.then(|| {
        Hint::run(
            "fetch what others proved",
            &["snapback", "verdicts", "fetch"],
        )
    });
    let here = [
        Hint::run(
            "go to it",
            &["snapback", "rollback", "--task", task, "--to", to],
        ),
        Hint::run(
            "prove it first",
            &["snapback", "drill", "--task", task, "--to", &version],
        ),
    ];
    here.into_iter().chain(fetch).collect()
}

/// What helps when a later operation must be taken back first, maybe in another work tree.
fn later_first(task: &TaskId, later: &str, place: Option<&str>) -> Vec<Hint> {
    let why = "take the later one back first";
    let back = match place {
        Some(place) => in_work_tree(place, why, &["undo", later]),
        None => Hint::run(why, &["snapback", "undo", later]),
    };
    let see = Hint::run(
        "see its operations",
        &["snapback", "history", "--task", task.as_str()],
    );
    vec![back, see]
}

/// What is to be done in another work tree, unless that is gone.
pub fn in_work_tree(place: &str, why: &str, words: &[&str]) -> Hint {
    if std::path::Path::new(place).is_dir() {
        return Hint::run(why, &[&["snapback"][..], &["-C", place], words].concat());
    }
    Hint::say(
        "that work tree is gone, and with it the files that were changed; to go to a version: snapback rollback",
    )
}

/// What helps when the task is no longer where the operation left it.
fn where_it_is(task: &TaskId, active: &str, before: Option<&str>, held: bool) -> Vec<Hint> {
    let task = task.as_str();
    let hint = match before {
        // It is there already, by other means than an undo, which would have lifted the hold.
        Some(before) if active == before && held => Hint::run(
            "it is there already, and held; if it is good after all, lift the hold",
            &["snapback", "hold", before, "--task", task, "--lift"],
        ),
        Some(before) if active != before => Hint::run(
            "go to the version before it",
            &["snapback", "rollback", "--task", task, "--to", before],
        ),
        _ => Hint::run(
            "see what happened",
            &["snapback", "history", "--task", task],
        ),
    };
    vec![hint]
}
