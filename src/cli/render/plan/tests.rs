//! Plans as whole pages, in ASCII and in Unicode, shortened and in full.

use super::*;
use crate::model::IgnoredFiles;
use crate::model::trust::{CommandState, CommandUse, ConfiguredCommand};

fn path(text: &str) -> RelPath {
    RelPath::parse(text).expect("it is honest")
}

fn file(letter: Letter, name: &str, lines: Option<(u32, u32)>, note: &str) -> FileLine {
    FileLine {
        path: path(&format!("tasks/T01/{name}")),
        letter,
        added: lines.map(|(added, _)| added),
        removed: lines.map(|(_, removed)| removed),
        size: 214_000_000,
        large: lines.is_none(),
        note: note.into(),
    }
}

fn command(role: CommandUse, run: &str, trusted: bool) -> CommandState {
    let (task, dir) = (
        Some("T01".parse().expect("it is an id")),
        RelPath::own("tasks/T01"),
    );
    let command = ConfiguredCommand {
        task,
        role,
        run: run.into(),
        dir,
        timeout_ms: 1000,
        config: "snapback.yaml".into(),
    };
    CommandState { command, trusted }
}

/// Returns a rollback with a bit of everything.
pub fn sample() -> Plan {
    Plan {
        kind: OpKind::Rollback,
        task: "T01".parse().expect("it is an id"),
        title: Some("momentum".into()),
        from: "1.3.0".parse().ok(),
        to: "1.2.0".parse().ok(),
        about: "1.2.0 by Li Wei, 3 days ago: \"tighter stop\", good".into(),
        files: vec![
            file(Letter::M, "signal.py", Some((4, 31)), ""),
            file(
                Letter::M,
                "config.yaml",
                Some((1, 1)),
                "max_leverage: 5 -> 3",
            ),
            file(
                Letter::D,
                "new\x1b[2Jfilter.py",
                Some((0, 8)),
                "added in 1.3.0",
            ),
            file(Letter::M, "model.bin", None, ""),
        ],
        unchanged: 11,
        untracked: vec![path("a"), path("b"), path("c")],
        protected: vec![path("tasks/T01/positions.json")],
        left_out: IgnoredFiles::of(vec![
            (path("tasks/T01/train.csv"), 4000),
            (path("tasks/T01/market.sqlite"), 3_000_000_000),
        ]),
        radius: Vec::new(),
        doors: Vec::new(),
        drift: vec![
            "lib/util.py differs from what 1.2.0 was released with; T02 uses it too".into(),
        ],
        packages: vec![PackageChange {
            ecosystem: "python",
            name: "pandas".into(),
            before: Some("2.2.1".into()),
            after: Some("2.1.4".into()),
        }],
        missing_variables: vec!["TUSHARE_TOKEN".into()],
        commands: vec![
            command(CommandUse::Start, "systemctl restart momentum", true),
            command(CommandUse::Smoke, "python -m pytest -q", false),
        ],
        space: None,
        notes: Vec::new(),
        nothing_to_do: false,
        of_release: false,
        contents: None,
    }
}

#[test]
fn a_rollback() {
    insta::assert_snapshot!(plan(TextStyle::default(), &sample(), false), @r#"
    Plan  T01 momentum  1.3.0 -> 1.2.0  (1.2.0 by Li Wei, 3 days ago: "tighter stop", good)
      files    M tasks/T01/signal.py              +4  -31
               M tasks/T01/config.yaml            +1  -1   max_leverage: 5 -> 3
               D tasks/T01/new\u{1b}[2Jfilter.py      -8   added in 1.3.0
               M tasks/T01/model.bin                       214.0 MB from the store
               11 unchanged, 3 untracked stay, 1 protected (positions.json)
      ignored  2 ignored files, 3.0 GB, are in no release and stay as they are: tasks/T01/market.sqlite, tasks/T01/train.csv
      deps     pandas 2.2.1 -> 2.1.4
      shared   lib/util.py differs from what 1.2.0 was released with; T02 uses it too
      needs    environment variables not set: TUSHARE_TOKEN
      start    systemctl restart momentum
      check    python -m pytest -q  (not trusted)
      safety   everything is saved first; `snapback undo` brings it back
    "#);
    assert_eq!(
        question(&sample()),
        "Roll T01 back from 1.3.0 to 1.2.0: 4 files, 856.0 MB?"
    );
}

#[test]
fn a_release_in_unicode() {
    let release = Plan {
        kind: OpKind::CreateSnapshot,
        from: None,
        to: "0.1.0".parse().ok(),
        about: String::new(),
        drift: Vec::new(),
        packages: Vec::new(),
        missing_variables: Vec::new(),
        commands: Vec::new(),
        protected: Vec::new(),
        files: vec![file(Letter::A, "model.bin", None, "ignored by git")],
        ..sample()
    };
    insta::assert_snapshot!(plan(TextStyle { colour: false, unicode: true }, &release, false), @"
    Plan  create-snapshot  T01 momentum  nothing → 0.1.0
      files    A tasks/T01/model.bin  214.0 MB into the store, ignored by git
               11 unchanged, 3 untracked stay
      ignored  2 ignored files, 3.0 GB, are not part of it: tasks/T01/market.sqlite, tasks/T01/train.csv (`large_files` keeps them)
    ");
}

#[test]
fn long_lists_are_cut_unless_all_is_wanted() {
    let mut long = sample();
    long.files = (0..50)
        .map(|n| file(Letter::M, &format!("f{n:02}"), Some((1, 0)), ""))
        .collect();
    assert!(plan(TextStyle::default(), &long, false).contains("... and 20 more (-v lists all)"));
    assert!(plan(TextStyle::default(), &long, true).contains("tasks/T01/f49"));
}
