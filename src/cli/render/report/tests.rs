//! Reports of operations that were done, undone, stuck and not needed, as whole pages.

use super::*;
use crate::{cli::advice, model::OpId};

/// Returns a rollback that was done and verified.
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
    insta::assert_snapshot!(report(TextStyle::default(), &sample()), @"T01 is at 1.2.0, verified.  1.3.0 is held.  (1.9 s, 4 files changed, 4.0 MB saved, operation 9f3c21aa)");
    assert_eq!(exit_code(&sample()), 0);
    let release = Report {
        kind: OpKind::CreateSnapshot,
        tag: Some("T01-v1.2.0".into()),
        saved_bytes: 0,
        ..sample()
    };
    insta::assert_snapshot!(report(TextStyle::default(), &release), @"T01 1.2.0 is released: commit 4be1c070, tag T01-v1.2.0, verified.  (1.9 s, 4 files changed, operation 9f3c21aa)");
    assert_eq!(
        next(&release)[0].command()[..3],
        ["git", "push", "--atomic"]
    );
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
        advice::next(next(&bad).swap_remove(0)).argv,
        ["snapback", "rollback", "--task", "T01"]
    );
}

#[test]
fn undone_stuck_and_kept_although_bad() {
    let bad = Report {
        verification: Some(verification::tests::sample()),
        ..sample()
    };
    insta::assert_snapshot!(report(TextStyle::default(), &bad), @r"
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
    insta::assert_snapshot!(report(TextStyle::default(), &undone), @r"
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
    insta::assert_snapshot!(report(TextStyle::default(), &stuck), @"
      !  files: No space left on device
    T01 is stuck half-way: a person is needed, see below.  (1.9 s, 4.0 MB saved, operation 9f3c21aa)
    ");
    assert_eq!(exit_code(&stuck), 13);
    let look = advice::next(next(&stuck).swap_remove(0));
    assert_eq!(look.argv, ["snapback", "op", "show", "9f3c21aa"]);
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
        report(TextStyle::default(), &idle),
        "T01 is at 1.2.0 already; nothing to do.\n"
    );
    assert!(next(&idle).is_empty());
}
