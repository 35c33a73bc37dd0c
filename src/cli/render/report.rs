//! A report as text, as an exit code and as next steps: three views of one object.

use std::fmt::Write;

use super::{Paint, TextStyle, count, duration, safe, verification};
use crate::{
    base::{Hint, Kind, text::size},
    model::{
        Advice, Report, Status, Verification, Version, operation::OpKind, report::Outcome,
        verification::AS_RELEASED,
    },
};

/// Returns the exit code for a report.
pub fn exit_code(report: &Report) -> i32 {
    match report.outcome {
        Outcome::Stuck => Kind::Stuck.exit_code(),
        Outcome::Undone => report.exit_code.unwrap_or(Kind::Bad.exit_code()),
        Outcome::Done => match report
            .verification
            .as_ref()
            .map_or(0, verification::exit_code)
        {
            // The user must review their own edits made meanwhile.
            0 if !report.kept.is_empty() || is_edited(report) => Kind::Conflict.exit_code(),
            code => code,
        },
    }
}

/// Returns true when files were changed while they were released.
fn is_edited(report: &Report) -> bool {
    report
        .verification
        .as_ref()
        .is_some_and(|verification| !verification.meanwhile().is_empty())
}

/// Renders the report, with the most important line last.
pub fn report(style: TextStyle, report: &Report) -> String {
    let mut text = String::new();
    if let Some(checked) = &report.verification {
        text.push_str(&verification::problems(style, checked));
    }
    for note in notes(report) {
        let _ = writeln!(text, "  {} {}", style.attention(), safe(note));
    }
    for kept in &report.kept {
        let _ = writeln!(text, "  {} {}", style.attention(), safe(&kept.words()));
    }
    text + &last_line(style, report) + "\n"
}

/// Renders the summary line.
pub fn last_line(style: TextStyle, report: &Report) -> String {
    format!("{}{}", sentence(style, report), tail(style, report))
}

/// Returns the notes, without those that repeat a check already shown with its evidence.
pub fn notes(report: &Report) -> impl Iterator<Item = &String> {
    let problems = report
        .verification
        .iter()
        .flat_map(crate::model::Verification::problems);
    let shown: Vec<&str> = problems.map(|check| check.id.as_str()).collect();
    report
        .notes
        .iter()
        .filter(move |note| !shown.iter().any(|id| note.contains(id)))
}

/// Returns the possible next steps, most useful first.
pub fn next(report: &Report) -> Vec<Hint> {
    let Some(op) = &report.op else {
        return Vec::new();
    };
    let id = op.short();
    if !report.kept.is_empty() {
        return vec![
            Advice::SeeKept { op: id.clone() }.because("see what was kept"),
            Advice::RestoreKept {
                op: id.clone(),
                into: "kept".into(),
            }
            .because("write it into a new folder"),
        ];
    }
    match report.outcome {
        Outcome::Stuck => vec![
            Advice::SeeOperation { op: id.clone() }.because("see what is left to do"),
            Advice::FinishOperation.because("try to go on"),
            Advice::AbortOperation.because("try to go back"),
        ],
        Outcome::Undone => {
            let failing = report.task.clone().filter(|_| is_refused_release(report));
            let failing = failing.map(|task| {
                Advice::ReleaseFailing { task }.because("release it all the same, as failed")
            });
            let see = Advice::SeeOperation { op: id.clone() }.because("see what was tried");
            failing.into_iter().chain([see]).collect()
        }
        Outcome::Done => next_of_done(report),
    }
}

/// Returns the possible next steps after a completed operation.
fn next_of_done(report: &Report) -> Vec<Hint> {
    let task = report.task.clone();
    let with_share =
        |hint: Option<Hint>| -> Vec<Hint> { hint.into_iter().chain(share(report)).collect() };
    match report.kind {
        OpKind::Rollback | OpKind::Redo | OpKind::Restore => {
            with_share(Some(Advice::Undo.because("take it back")))
        }
        OpKind::Undo if report.of_release => task
            .map(|task| Advice::Release { task }.because("release it again"))
            .into_iter()
            .collect(),
        OpKind::Undo => with_share(Some(Advice::Redo.because("bring it again"))),
        OpKind::CreateSnapshot if exit_code(report) == Kind::Bad.exit_code() => task
            .map(|task| Advice::RollBack { task }.because("go back to the newest good version"))
            .into_iter()
            .collect(),
        OpKind::CreateSnapshot if is_edited(report) => {
            with_share(task.map(|task| Advice::Compare { task }.because("see what differs")))
        }
        _ => with_share(None),
    }
}

/// Returns the hint on sharing the commit; without a commit, on viewing uncommitted changes.
fn share(report: &Report) -> Option<Hint> {
    let words: Vec<&str> = report.share.iter().map(String::as_str).collect();
    match report.commit {
        // Without a remote there is nobody to share it with.
        Some(_) => (!words.is_empty()).then(|| Hint::run("share it", &words)),
        None => Some(Hint::run(
            "see what is not committed",
            &["git", "status", "--short"],
        )),
    }
}

/// Returns true for a release that got no tag because its checks failed.
fn is_refused_release(report: &Report) -> bool {
    let mut checks = report.verification.iter().flat_map(|found| &found.checks);
    report.kind == OpKind::CreateSnapshot
        && report.outcome == Outcome::Undone
        && checks.any(|check| check.status == Status::Fail)
}

/// Renders the summary sentence.
fn sentence(style: TextStyle, report: &Report) -> String {
    let task = task_name(style, report);
    match report.outcome {
        Outcome::Stuck => format!(
            "{task} is {}: a person is needed, see below.",
            style.paint(Paint::Bad, "stuck half-way")
        ),
        Outcome::Undone => {
            let version = report
                .from
                .as_ref()
                .map(|_| format!(" ({})", strong_version(style, report.from.as_ref())))
                .unwrap_or_default();
            let failed = style.paint(Paint::Bad, "failed");
            let all = match report.kept.len() {
                0 => "everything".to_string(),
                some => format!("everything but {}", count(some, "file")),
            };
            if is_refused_release(report) {
                let to = strong_version(style, report.to.as_ref());
                return format!(
                    "{task} {to} is not released: its checks {failed}, and {all} was put back."
                );
            }
            format!(
                "{task} is as it was{version}: the {} {failed} and {all} was put back.",
                report.kind.word()
            )
        }
        Outcome::Done if !report.changed => format!(
            "{task} is at {} already{}; nothing to do.",
            strong_version(style, report.to.as_ref()),
            verified(style, report)
        ),
        Outcome::Done => sentence_of_done(style, report),
    }
}

/// Renders the sentence about a completed operation.
fn sentence_of_done(style: TextStyle, report: &Report) -> String {
    let task = task_name(style, report);
    let from = strong_version(style, report.from.as_ref());
    let to = strong_version(style, report.to.as_ref());
    match report.kind {
        OpKind::CreateSnapshot => format!(
            "{task} {to} is released{}{}.",
            made(report),
            verified(style, report)
        ),
        OpKind::Adopt => format!("{task}: manifests written{}.", made(report)),
        OpKind::RegistrySync => format!("{task}: registry and configs agree{}.", made(report)),
        OpKind::Init => "the first files are written, not committed.".into(),
        OpKind::Restore => format!(
            "{} brought back to where they were.",
            count(report.files_changed, "file")
        ),
        OpKind::Rollback if report.from > report.to => format!(
            "{task} is at {to}{}.  {from} is held.",
            verified(style, report)
        ),
        OpKind::Undo if report.of_release => {
            format!("{task} {from} is no release any more; {task} is at {to}.")
        }
        // A registry that was unreadable or had no entry provides no version.
        OpKind::Undo if report.to.is_none() => {
            format!("{task} is as it was before{}.", unless_well(style, report))
        }
        OpKind::Redo if report.to.is_none() => {
            format!("{task}: done again{}.", unless_well(style, report))
        }
        OpKind::Rollback | OpKind::Redo | OpKind::Undo => {
            format!("{task} is at {to}{}.", verified(style, report))
        }
    }
}

/// Returns the subject of a report: a task, all of them, or the repository.
fn task_name(style: TextStyle, report: &Report) -> String {
    let everything = if report.kind == OpKind::Init {
        "the repository"
    } else {
        "every task"
    };
    let name = report
        .task
        .as_ref()
        .map_or(everything, |task| task.as_str());
    style.paint(Paint::Strong, name)
}

/// Renders a version in the sentence.
fn strong_version(style: TextStyle, version: Option<&Version>) -> String {
    style.paint(Paint::Strong, &Version::or_none(version))
}

/// Returns the verification problem, or nothing if there is none.
fn unless_well(style: TextStyle, report: &Report) -> String {
    let is_well = report
        .verification
        .as_ref()
        .is_none_or(|checked| verification::exit_code(checked) == 0);
    if is_well {
        String::new()
    } else {
        verified(style, report)
    }
}

/// Returns `, verified`, or the verification problem.
fn verified(style: TextStyle, report: &Report) -> String {
    let Some(verification) = &report.verification else {
        return String::new();
    };
    match verification::exit_code(verification) {
        0 => whole(style, report.kind, verification),
        4 => format!(", but {}", style.paint(Paint::Bad, "verification failed")),
        _ => format!(
            ", but {}",
            style.paint(Paint::Attention, "not all of it could be verified")
        ),
    }
}

/// Words a result without failures, claiming no more than was checked.
fn whole(style: TextStyle, kind: OpKind, verification: &Verification) -> String {
    let skipped = |begin: &str| {
        verification
            .checks
            .iter()
            .any(|check| check.status == Status::Skipped && check.id.starts_with(begin))
    };
    let goes_back = matches!(kind, OpKind::Undo | OpKind::Redo);
    if goes_back && skipped("integrity.manifest") {
        return ", exactly as it was (that is no release, so it cannot be verified as one)".into();
    }
    if goes_back && skipped(AS_RELEASED) {
        return ", exactly as it was, which is not as released".into();
    }
    if !verification.meanwhile().is_empty() {
        return format!(
            ", {} where it is kept; the work tree was changed meanwhile",
            style.paint(Paint::Good, "verified")
        );
    }
    if skipped("configuration.registry") {
        return format!(
            ", its files {} (the registry stays as it is)",
            style.paint(Paint::Good, "as released")
        );
    }
    // A task without smoke commands has this check only.
    let left_out = skipped("smoke.") && !skipped("smoke.commands");
    let but: Vec<&str> = [
        if left_out { "not checked: smoke" } else { "" },
        verification::line_ends(verification),
    ]
    .into_iter()
    .filter(|text| !text.is_empty())
    .collect();
    let rest = if but.is_empty() {
        String::new()
    } else {
        format!(" ({})", but.join("; "))
    };
    format!(", {}{rest}", style.paint(Paint::Good, "verified"))
}

/// Renders `: commit 88ad0f12, tag T01-v1.3.0`.
fn made(report: &Report) -> String {
    let commit = report
        .commit
        .as_ref()
        .map(|commit| format!("commit {}", commit.short()));
    let tag = report.tag.as_ref().map(|tag| format!("tag {}", safe(tag)));
    let made: Vec<_> = commit.into_iter().chain(tag).collect();
    if made.is_empty() {
        String::new()
    } else {
        format!(": {}", made.join(", "))
    }
}

/// Renders `  (1.9 s, 4 files changed, operation 9f3c21aa)`.
fn tail(style: TextStyle, report: &Report) -> String {
    let Some(op) = &report.op else {
        return String::new();
    };
    let mut parts = vec![duration(report.duration_ms)];
    if report.outcome == Outcome::Done && report.changed {
        parts.push(format!("{} changed", count(report.files_changed, "file")));
    }
    if report.saved_bytes > 0 {
        parts.push(format!("{} saved", size(report.saved_bytes)));
    }
    parts.push(format!("operation {}", op.short()));
    style.paint(Paint::Faint, &format!("  ({})", parts.join(", ")))
}

#[cfg(test)]
pub(crate) mod tests;
