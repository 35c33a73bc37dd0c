//! Hints for a refused rollback, undo or redo: commands that can be run as printed, in the order in
//! which to try them. Does not repeat the error message.

use super::Error;
use crate::{
    base::{Fault, Hint},
    catalog::fetch_tags,
    model::{Advice, TaskId, Version, operation::OpKind},
    policy::target::NoTarget,
};

impl Error {
    /// Returns the hints.
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
            Self::NoSuchVersion { task, .. } => vec![its_versions(task)],
            Self::TagsNotHere { .. } => vec![fetch_tags()],
            Self::DoneElsewhere { place, op, kind } => {
                let reversal = if *kind == OpKind::Redo {
                    Advice::RedoThis { op: op.clone() }
                } else {
                    Advice::UndoThis { what: op.clone() }
                };
                vec![in_work_tree(place, "do it there", reversal)]
            }
            Self::NotTheLast { .. }
            | Self::MovedOn { .. }
            | Self::NothingTo(_)
            | Self::ReleaseNotNamed { .. }
            | Self::ReleaseStays { .. }
            | Self::CannotUndo { .. } => self.of_an_undo(),
        }
    }

    /// Returns hints for a target that is unknown, or that needs confirmation.
    fn of_the_target(&self) -> Vec<Hint> {
        match self {
            Self::StaleFrom {
                task, active, to, ..
            } => from_where_it_is(task, active, to.as_deref()),
            Self::NoGoodVersion { task, why, others } => to_choose(task, why, *others),
            Self::OneWay { task, to, .. } => past_one_way(task, to),
            Self::TakenBack { told: true, .. } => vec![Hint::say(
                "say why it is gone to all the same: --message \"…\"",
            )],
            Self::TakenBack { task, version, .. } => despite_the_verdict(task, version),
            Self::ActiveUnknown { task, .. } => vec![
                its_versions(task),
                go_to(task, "<version>").because("go to one of them"),
            ],
            _ => Vec::new(),
        }
    }

    /// Returns hints for a release that is invalid or cannot be restored here.
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

    /// Returns hints for a refused undo or redo.
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
                vec![Advice::ListOperations.because("see all operations")]
            }
            Self::ReleaseNotNamed { tag } => {
                vec![Advice::UndoThis { what: tag.clone() }.because("take it back")]
            }
            Self::ReleaseStays { task, .. } => vec![
                go_to(task, "previous").because("go back to an earlier version instead"),
                Hint::say(
                    "or call it bad, so that nobody goes to it: snapback mark bad VERSION -m WHY",
                ),
            ],
            Self::CannotUndo { op, .. } => {
                vec![Advice::SeeOperation { op: op.clone() }.because("see what it did")]
            }
            _ => Vec::new(),
        }
    }
}

/// Returns hints for a task that is not at the expected version.
fn from_where_it_is(task: &TaskId, active: &str, to: Option<&str>) -> Vec<Hint> {
    let is_way = |to: &&str| active != *to && active.parse::<Version>().is_ok();
    let go = to.filter(is_way).map(|to| {
        let back = Advice::RollBackFrom {
            task: task.clone(),
            from: active.into(),
            to: to.into(),
        };
        back.because("roll back from where it is")
    });
    go.into_iter().chain([what_happened(task)]).collect()
}

/// To look at what was done with a task.
fn what_happened(task: &TaskId) -> Hint {
    Advice::SeeHistory { task: task.clone() }.because("see what happened")
}

/// To look at the versions of a task.
fn its_versions(task: &TaskId) -> Hint {
    Advice::ListVersions { task: task.clone() }.because("see its versions")
}

/// To go to a version.
fn go_to(task: &TaskId, to: &str) -> Advice {
    Advice::RollBackTo {
        task: task.clone(),
        to: to.into(),
    }
}

/// Returns hints for a one-way version.
fn past_one_way(task: &TaskId, to: &str) -> Vec<Hint> {
    let past = Advice::RollBackPastFloor {
        task: task.clone(),
        to: to.into(),
    };
    vec![
        past.because("go back all the same, when you know how to live with what stays"),
        Advice::ListVersions { task: task.clone() }.because("or see which version is on this side"),
    ]
}

/// Returns hints for a target that was taken back.
fn despite_the_verdict(task: &TaskId, version: &Version) -> Vec<Hint> {
    let all_the_same = Advice::RollBackDespiteVerdict {
        task: task.clone(),
        to: version.to_string(),
    };
    vec![
        Advice::ListVerdicts { task: task.clone() }.because("see who said so, and why"),
        all_the_same.because("go to it all the same"),
    ]
}

/// Returns hints when there is no default target.
fn to_choose(task: &TaskId, why: &NoTarget, others: bool) -> Vec<Hint> {
    let NoTarget::Unproven {
        version,
        is_previous,
    } = why
    else {
        return vec![its_versions(task)];
    };
    let version = version.to_string();
    let to = if *is_previous { "previous" } else { &version };
    let go = go_to(task, to).because("go to it");
    let prove = Advice::Rehearse {
        task: task.clone(),
        to: version.clone(),
    };
    let fetch = others.then(|| Advice::FetchVerdicts.because("fetch what others proved"));
    let here = [go, prove.because("prove it first")];
    here.into_iter().chain(fetch).collect()
}

/// Returns hints when a later operation must be undone first, perhaps in another work tree.
fn later_first(task: &TaskId, later: &str, place: Option<&str>) -> Vec<Hint> {
    let why = "take the later one back first";
    let undo = Advice::UndoThis { what: later.into() };
    let back = match place {
        Some(place) => in_work_tree(place, why, undo),
        None => undo.because(why),
    };
    let see = Advice::SeeHistory { task: task.clone() };
    vec![back, see.because("see its operations")]
}

/// Returns the hint for advice in another work tree, unless that is gone.
pub fn in_work_tree(place: &str, why: &str, advice: Advice) -> Hint {
    if std::path::Path::new(place).is_dir() {
        return advice.there(place).because(why);
    }
    Hint::say(
        "that work tree is gone, and with it the files that were changed; to go to a version: snapback rollback",
    )
}

/// Returns hints for a task that is no longer where the operation left it.
fn where_it_is(task: &TaskId, active: &str, before: Option<&str>, held: bool) -> Vec<Hint> {
    let hint = match before {
        // It is there already, but not through an undo, which would have lifted the hold.
        Some(before) if active == before && held => Advice::LiftHold {
            task: task.clone(),
            version: before.into(),
        }
        .because("it is there already, and held; if it is good after all, lift the hold"),
        Some(before) if active != before => {
            go_to(task, before).because("go to the version before it")
        }
        _ => what_happened(task),
    };
    vec![hint]
}
