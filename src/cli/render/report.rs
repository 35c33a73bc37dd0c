//! A report as text, as an exit code and as next steps: three views of one object.

use std::fmt::Write;

use super::{Paint, Style, count, duration, safe, verification};
use crate::{
    base::{Hint, Kind, text::size},
    model::{
        Report, Status, Verification, Version, operation::OpKind, report::Outcome,
        verification::AS_RELEASED,
    },
};

/// The exit code that a report stands for.
pub fn exit_code(report: &Report) -> i32 {
    match report.outcome {
        Outcome::Stuck => Kind::Stuck.exit_code(),
        Outcome::Undone => report.exit_code.unwrap_or(Kind::Bad.exit_code()),
        Outcome::Done => match report
            .verification
            .as_ref()
            .map_or(0, verification::exit_code)
        {
            // Somebody has to look at what they wrote meanwhile.
            0 if !report.kept.is_empty() || is_edited(report) => Kind::Conflict.exit_code(),
            code => code,
        },
    }
}

/// True when somebody changed files while they were released.
fn is_edited(report: &Report) -> bool {
    report
        .verification
        .as_ref()
        .is_some_and(|verification| !verification.meanwhile().is_empty())
}

/// What happened, the most important line last.
pub fn report(style: Style, report: &Report) -> String {
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

/// The line that says it all.
pub fn last_line(style: Style, report: &Report) -> String {
    format!("{}{}", sentence(style, report), tail(style, report))
}

/// The notes, without those that repeat a check that is shown with its evidence.
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

/// What can be done after it, most useful first.
pub fn next(report: &Report) -> Vec<Hint> {
    let Some(op) = &report.op else {
        return Vec::new();
    };
    let id = op.short();
    if !report.kept.is_empty() {
        return vec![
            Hint::run("see what was kept", &["snapback", "op", "kept", &id]),
            Hint::run(
                "write it into a new folder",
                &["snapback", "op", "restore", &id, "--into", "kept"],
            ),
        ];
    }
    let share = || {
        let words: Vec<&str> = report.share.iter().map(String::as_str).collect();
        match report.commit {
            // Without a remote there is nobody to share it with.
            Some(_) => (!words.is_empty()).then(|| Hint::run("share it", &words)),
            None => Some(Hint::run(
                "see what is not committed",
                &["git", "status", "--short"],
            )),
        }
    };
    let with_share = |hints: Vec<Hint>| hints.into_iter().chain(share()).collect();
    match (report.outcome, report.kind) {
        (Outcome::Stuck, _) => vec![
            Hint::run("see what is left to do", &["snapback", "op", "show", &id]),
            Hint::run("try to go on", &["snapback", "op", "resume"]),
            Hint::run("try to go back", &["snapback", "op", "abort"]),
        ],
        (Outcome::Undone, _) => vec![Hint::run(
            "see what was tried",
            &["snapback", "op", "show", &id],
        )],
        (Outcome::Done, OpKind::Rollback | OpKind::Redo | OpKind::Restore) => {
            with_share(vec![Hint::run("take it back", &["snapback", "undo"])])
        }
        (Outcome::Done, OpKind::Undo) if report.of_release => {
            let task = report
                .task
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            vec![Hint::run(
                "release it again",
                &["snapback", "create-snapshot", "--task", &task],
            )]
        }
        (Outcome::Done, OpKind::Undo) => {
            with_share(vec![Hint::run("bring it again", &["snapback", "redo"])])
        }
        (Outcome::Done, OpKind::CreateSnapshot) if exit_code(report) == Kind::Bad.exit_code() => {
            let task = report
                .task
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            vec![Hint::run(
                "go back to the newest good version",
                &["snapback", "rollback", "--task", &task],
            )]
        }
        (Outcome::Done, OpKind::CreateSnapshot) if is_edited(report) => {
            let task = report
                .task
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            with_share(vec![Hint::run(
                "see what differs",
                &["snapback", "diff", "--task", &task],
            )])
        }
        (Outcome::Done, _) => with_share(Vec::new()),
    }
}

/// The sentence that says it all.
fn sentence(style: Style, report: &Report) -> String {
    let strong = |text: &str| style.paint(Paint::Strong, text);
    let everything = if report.kind == OpKind::Init {
        "the repository"
    } else {
        "every task"
    };
    let task = strong(
        report
            .task
            .as_ref()
            .map_or(everything, |task| task.as_str()),
    );
    let (from, to) = (
        strong(&Version::or_none(report.from.as_ref())),
        strong(&Version::or_none(report.to.as_ref())),
    );
    match report.outcome {
        Outcome::Stuck => format!(
            "{task} is {}: a person is needed, see below.",
            style.paint(Paint::Bad, "stuck half-way")
        ),
        Outcome::Undone => {
            let version = report
                .from
                .as_ref()
                .map(|_| format!(" ({from})"))
                .unwrap_or_default();
            let failed = style.paint(Paint::Bad, "failed");
            let all = match report.kept.len() {
                0 => "everything".to_string(),
                some => format!("everything but {}", count(some, "file")),
            };
            format!(
                "{task} is as it was{version}: the {} {failed} and {all} was put back.",
                report.kind.word()
            )
        }
        Outcome::Done if !report.changed => format!(
            "{task} is at {to} already{}; nothing to do.",
            verified(style, report)
        ),
        Outcome::Done => match report.kind {
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
            OpKind::Rollback if report.from > report.to => {
                format!(
                    "{task} is at {to}{}.  {from} is held.",
                    verified(style, report)
                )
            }
            OpKind::Undo if report.of_release => {
                format!("{task} {from} is no release any more; {task} is at {to}.")
            }
            // What a registry said that could not be read, or had no entry, is no version.
            OpKind::Undo if report.to.is_none() => {
                format!("{task} is as it was before{}.", unless_well(style, report))
            }
            OpKind::Redo if report.to.is_none() => {
                format!("{task}: done again{}.", unless_well(style, report))
            }
            OpKind::Rollback | OpKind::Redo | OpKind::Undo => {
                format!("{task} is at {to}{}.", verified(style, report))
            }
        },
    }
}

/// What is wrong, if anything is.
fn unless_well(style: Style, report: &Report) -> String {
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

/// `, verified`, or what is wrong.
fn verified(style: Style, report: &Report) -> String {
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

/// What is said where nothing is bad: no more than was looked at.
fn whole(style: Style, kind: OpKind, verification: &Verification) -> String {
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
    // A task without smoke commands has this one check.
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

/// `: commit 88ad0f12, tag T01-v1.3.0`.
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

/// `  (1.9 s, 4 files changed, operation 9f3c21aa)`.
fn tail(style: Style, report: &Report) -> String {
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
pub(crate) mod tests {
    use super::*;
    use crate::base::OpId;

    /// A rollback that was done and verified.
    pub fn sample() -> Report {
        let mut verification = verification::tests::sample();
        verification.version = "1.2.0".parse().expect("it is a version");
        verification.checks.truncate(2);
        Report {
            op: Some(OpId::new(7, 0x9f3c_21aa)),
            kind: OpKind::Rollback,
            task: "T01".parse().ok(),
            from: "1.3.0".parse().ok(),
            to: "1.2.0".parse().ok(),
            outcome: Outcome::Done,
            changed: true,
            message: "drawdown".into(),
            who: "Li Wei <li@example.com>".into(),
            at: "2026-02-24T05:10:00Z".parse().expect("it is a time"),
            duration_ms: 1940,
            commit: "4be1c07000000000000000000000000000000000".parse().ok(),
            tag: Some("T01-v1.2.0-rollback-from-v1.3.0".into()),
            files_changed: 4,
            saved_bytes: 4_000_000,
            verification: Some(verification),
            exit_code: None,
            notes: Vec::new(),
            timeline: Vec::new(),
            share: [
                "git",
                "push",
                "--atomic",
                "origin",
                "main",
                "T01-v1.2.0-rollback-from-v1.3.0",
            ]
            .map(String::from)
            .to_vec(),
            kept: Vec::new(),
            of_release: false,
        }
    }

    #[test]
    fn done() {
        insta::assert_snapshot!(report(Style::default(), &sample()), @"T01 is at 1.2.0, verified.  1.3.0 is held.  (1.9 s, 4 files changed, 4.0 MB saved, operation 9f3c21aa)");
        assert_eq!(exit_code(&sample()), 0);
        let release = Report {
            kind: OpKind::CreateSnapshot,
            tag: Some("T01-v1.2.0".into()),
            saved_bytes: 0,
            ..sample()
        };
        insta::assert_snapshot!(report(Style::default(), &release), @"T01 1.2.0 is released: commit 4be1c070, tag T01-v1.2.0, verified.  (1.9 s, 4 files changed, operation 9f3c21aa)");
        assert_eq!(next(&release)[0].argv[..3], ["git", "push", "--atomic"]);
        assert!(
            next(&Report {
                share: Vec::new(),
                ..release.clone()
            })
            .is_empty(),
            "there is no remote"
        );
        let bad = Report {
            verification: Some(verification::tests::sample()),
            ..release
        };
        assert_eq!(
            next(&bad)[0].argv,
            ["snapback", "rollback", "--task", "T01"]
        );
    }

    #[test]
    fn undone_stuck_and_kept_although_bad() {
        let bad = Report {
            verification: Some(verification::tests::sample()),
            ..sample()
        };
        insta::assert_snapshot!(report(Style::default(), &bad), @r"
          x  smoke.command             python3 smoke.py: exit code 1  (830 ms)
               AssertionError: \u{1b}[31mdrawdown
        T01 is at 1.2.0, but verification failed.  1.3.0 is held.  (1.9 s, 4 files changed, 4.0 MB saved, operation 9f3c21aa)
        ");
        assert_eq!(exit_code(&bad), 4);
        let again = "1.3.0 does not hold up: smoke.command: exit code 1".to_string();
        let undone = Report {
            outcome: Outcome::Undone,
            changed: false,
            notes: vec![again],
            ..bad
        };
        insta::assert_snapshot!(report(Style::default(), &undone), @r"
          x  smoke.command             python3 smoke.py: exit code 1  (830 ms)
               AssertionError: \u{1b}[31mdrawdown
        T01 is as it was (1.3.0): the rollback failed and everything was put back.  (1.9 s, 4.0 MB saved, operation 9f3c21aa)
        ");
        assert_eq!(exit_code(&undone), 4);
        let stuck = Report {
            outcome: Outcome::Stuck,
            notes: vec!["files: No space left on device".into()],
            verification: None,
            ..undone
        };
        insta::assert_snapshot!(report(Style::default(), &stuck), @"
          !  files: No space left on device
        T01 is stuck half-way: a person is needed, see below.  (1.9 s, 4.0 MB saved, operation 9f3c21aa)
        ");
        assert_eq!(exit_code(&stuck), 13);
        assert_eq!(next(&stuck)[0].argv, ["snapback", "op", "show", "9f3c21aa"]);
    }

    #[test]
    fn nothing_to_do() {
        let idle = Report {
            op: None,
            changed: false,
            verification: None,
            commit: None,
            ..sample()
        };
        assert_eq!(
            report(Style::default(), &idle),
            "T01 is at 1.2.0 already; nothing to do.\n"
        );
        assert!(next(&idle).is_empty());
    }
}
