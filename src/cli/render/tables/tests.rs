//! Each table as a whole page, with wide titles and hostile texts.

use super::*;
use crate::model::{OpId, operation::OpKind, overview::WayBack};

fn task(id: &str, title: &str, drift: usize, standing: VersionState, trouble: &str) -> TaskLine {
    TaskLine {
        task: id.parse().expect("it is an id"),
        title: Some(title.into()),
        active: "1.2.0".parse().ok(),
        config: "1.2.0".parse().ok(),
        newest: "1.10.0".parse().ok(),
        releases: 7,
        standing,
        said_by: None,
        drift,
        unread: 0,
        released: crate::model::overview::ReleasePlace::Here,
        trouble: trouble.into(),
        moved: Vec::new(),
        untagged: Vec::new(),
        way_back: WayBack::default(),
        left_out: crate::model::IgnoredFiles::default(),
    }
}

fn operation_line() -> OperationLine {
    OperationLine {
        id: OpId::new(7, 0x9f3c_21aa),
        kind: OpKind::Rollback,
        task: "T01".parse().ok(),
        from: "1.3.0".parse().ok(),
        to: "1.2.0".parse().ok(),
        at: "2026-02-24T05:10:00Z".parse().expect("it is a time"),
        who: "Li Wei <li@example.com>".into(),
        host: "prod-1".into(),
        message: "drawdown".into(),
        outcome: None,
        stands_at: Some("files".into()),
        undone_by: None,
        pruned: false,
    }
}

#[test]
fn status_with_wide_titles() {
    let bad = VersionState {
        bad: true,
        ..VersionState::default()
    };
    let lines = [
        task("T03", "配对", 0, bad, "config says 1.3.0, registry 1.2.0"),
        task(
            "T02",
            "carry",
            2,
            VersionState {
                proven: true,
                pinned: true,
                ..VersionState::default()
            },
            "",
        ),
        task(
            "T01",
            "momentum",
            0,
            VersionState {
                good: true,
                ..VersionState::default()
            },
            "",
        ),
    ];
    insta::assert_snapshot!(tasks(TextStyle::default(), &lines), @"
    TASK  TITLE     ACTIVE  STATE           DRIFT    NEWEST  RELEASES
    T03   配对      1.2.0   bad             -        1.10.0  7         config says 1.3.0, registry 1.2.0
    T02   carry     1.2.0   proven, pinned  2 files  1.10.0  7
    T01   momentum  1.2.0   good            -        1.10.0  7
    3 tasks: 2 need a look
    ");
}

#[test]
fn operations_and_the_unfinished_one() {
    let zone = TimeZone::UTC;
    let done = OperationLine {
        outcome: Some(Outcome::Done),
        undone_by: Some(OpId::new(8, 1)),
        ..operation_line()
    };
    insta::assert_snapshot!(operations(TextStyle::default(), &zone, &[operation_line(), done]), @"
    DATE                     WHAT      VERSION             WHO     REASON    ID        STATE
    2026-02-24 05:10 +00:00  rollback  T01 1.3.0 -> 1.2.0  Li Wei  drawdown  9f3c21aa  unfinished at files
    2026-02-24 05:10 +00:00  rollback  T01 1.3.0 -> 1.2.0  Li Wei  drawdown  9f3c21aa  undone by 00000001
    ");
    insta::assert_snapshot!(unfinished(TextStyle::default(), &operation_line()), @"
    !  an operation did not finish: 9f3c21aa  rollback T01 1.3.0 -> 1.2.0 (prod-1)
      finish it:  snapback op resume
      go back:    snapback op abort
    ");
    insta::assert_snapshot!(operation(TextStyle::default(), &zone, &operation_line(), &["stop", "files"]), @"
    9f3c21aa  rollback T01 1.3.0 -> 1.2.0
      when     2026-02-24 05:10 +00:00
      who      Li Wei <li@example.com> on prod-1
      reason   drawdown
      steps    stop, files
      state    unfinished at files
    ");
}

#[test]
fn releases_and_history() {
    let line = ReleaseLine {
        version: "1.2.0".parse().expect("it is a version"),
        tag: "T01-v1.2.0".into(),
        commit: "4be1c07000000000000000000000000000000000"
            .parse()
            .expect("it is an id"),
        at: "2026-02-20T05:10:00Z".parse().expect("it is a time"),
        author: "Li Wei".into(),
        message: "tighter\nstop".into(),
        standing: VersionState::default(),
        said_by: None,
        active: true,
        manifest: true,
    };
    insta::assert_snapshot!(releases(TextStyle::default(), &TimeZone::UTC, std::slice::from_ref(&line)), @r"
      VERSION  DATE                     STATE    AUTHOR  REASON
    * 1.2.0    2026-02-20 05:10 +00:00  unknown  Li Wei  tighter\nstop
    ");
    let lines = [
        HistoryLine::Operation(operation_line()),
        HistoryLine::Release(line),
    ];
    insta::assert_snapshot!(history(TextStyle::default(), &TimeZone::UTC, &lines), @r"
    DATE                     WHAT      VERSION             WHO     REASON         ID
    2026-02-24 05:10 +00:00  rollback  T01 1.3.0 -> 1.2.0  Li Wei  drawdown       9f3c21aa
    2026-02-20 05:10 +00:00  release   T01-v1.2.0          Li Wei  tighter\nstop  4be1c070
    ");
}

#[test]
fn what_is_left_out_is_named() {
    let line = |tag: &str, reason: Option<&str>| AdoptionLine {
        tag: tag.into(),
        release: None,
        files: 0,
        reason: reason.map(Into::into),
    };
    let lines = [
        line("T01-v1.0.0", None),
        line("v9", Some("no task has this name")),
    ];
    insta::assert_snapshot!(adoption(TextStyle::default(), &lines, true, false), @"
      -  v9  no task has this name
    1 tag would be adopted, 1 left out.
    ");
}
