//! Differences as text: between two versions of a task, and for the files that `init` writes.

use std::fmt::Write;

use super::{
    Paint, TextStyle, count,
    plan::{file_rows, package_lines},
    safe,
};
use crate::model::{
    operation::OpKind,
    overview::{InitFile, VersionDifference},
};

/// Returns true when nothing differs.
pub fn is_empty(diff: &VersionDifference) -> bool {
    diff.code.is_empty()
        && diff.config.is_empty()
        && diff.packages.is_empty()
        && diff.variables.is_empty()
        && diff.unlisted.is_empty()
}

/// Renders the difference, including the patch unless `stat`.
pub fn difference(style: TextStyle, diff: &VersionDifference, stat: bool) -> String {
    let side = |version: &Option<crate::model::Version>| {
        version
            .as_ref()
            .map_or("work tree".into(), ToString::to_string)
    };
    let (before, after) = (side(&diff.before), side(&diff.after));
    let head = style.paint(
        Paint::Strong,
        &format!("{}  {before} {} {after}", diff.task, style.arrow()),
    );
    if is_empty(diff) && diff.unknown.is_empty() {
        return format!("{head}: no difference\n");
    }
    let mut text = format!("{head}: {}\n", count(diff.code.len(), "file"));
    let mut section = |title: &str, lines: Vec<String>| {
        for (at, line) in lines.iter().enumerate() {
            let title = if at == 0 { title } else { "" };
            let _ = writeln!(
                text,
                "  {} {line}",
                style.paint(Paint::Faint, &format!("{title:<8}"))
            );
        }
    };
    section("files", file_rows(style, &diff.code, OpKind::Rollback));
    section(
        "config",
        diff.config
            .iter()
            .map(|(key, before, after)| value(style, key, before.as_deref(), after.as_deref()))
            .collect(),
    );
    section(
        "deps",
        diff.unknown
            .iter()
            .map(|version| format!("not known for {version} (adopted)"))
            .collect(),
    );
    let unlisted = diff.unlisted.iter().map(|line| safe(line));
    section(
        "deps",
        package_lines(style, &diff.packages, true)
            .into_iter()
            .chain(unlisted)
            .collect(),
    );
    section(
        "needs",
        diff.variables
            .iter()
            .map(|(name, new)| format!("{} {}", safe(name), if *new { "is new" } else { "goes" }))
            .collect(),
    );
    if !stat && !diff.patch.is_empty() {
        text.push('\n');
        text.push_str(&patch(style, &diff.patch));
    }
    text
}

fn value(style: TextStyle, key: &str, before: Option<&str>, after: Option<&str>) -> String {
    let side = |value: Option<&str>| value.map_or("(none)".into(), safe);
    format!(
        "{}: {} {} {}",
        safe(key),
        side(before),
        style.arrow(),
        side(after)
    )
}

/// Renders a unified patch in colour, with each line escaped except for tabs.
fn patch(style: TextStyle, patch: &str) -> String {
    let line = |line: &str| {
        let paint = match line.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] => Paint::Strong,
            [b'+', ..] => Paint::Good,
            [b'-', ..] => Paint::Bad,
            [b'@', ..] => Paint::Copy,
            _ => Paint::Plain,
        };
        let safe = line.split('\t').map(safe).collect::<Vec<_>>().join("\t");
        style.paint(paint, &safe) + "\n"
    };
    patch.lines().map(line).collect()
}

/// Renders the removed and added lines of a file that `init` would write, without context.
pub fn init_file(style: TextStyle, file: &InitFile) -> String {
    let before: Vec<&str> = file.before.as_deref().unwrap_or("").lines().collect();
    let after: Vec<&str> = file.after.lines().collect();
    let same = before
        .iter()
        .zip(&after)
        .take_while(|(a, b)| a == b)
        .count();
    let (old, new) = (&before[same..], &after[same..]);
    let tail = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let verb = if file.before.is_some() {
        "change"
    } else {
        "write "
    };
    let mut text = format!(
        "  {verb} {}\n",
        style.paint(Paint::Strong, &file.path.to_string())
    );
    let mut lines = |sign: char, paint: Paint, lines: &[&str]| {
        for line in lines {
            let _ = writeln!(
                text,
                "    {}",
                style.paint(paint, &format!("{sign}{}", safe(line)))
            );
        }
    };
    lines('-', Paint::Bad, &old[..old.len() - tail]);
    lines('+', Paint::Good, &new[..new.len() - tail]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::render::plan::tests::sample;

    #[test]
    fn code_config_and_dependencies() {
        let plan = sample();
        let mut diff = VersionDifference {
            task: plan.task,
            before: plan.from,
            after: None,
            code: plan.files,
            patch: "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-\told\n+new\x1b[31m\n".into(),
            config: vec![("max_leverage".into(), Some("5".into()), None)],
            packages: plan.packages,
            variables: vec![("TOKEN".into(), true)],
            unknown: Vec::new(),
            unlisted: Vec::new(),
        };
        insta::assert_snapshot!(difference(TextStyle::default(), &diff, false), @r"
        T01  1.3.0 -> work tree: 4 files
          files    M tasks/T01/signal.py              +4  -31
                   M tasks/T01/config.yaml            +1  -1   max_leverage: 5 -> 3
                   D tasks/T01/new\u{1b}[2Jfilter.py      -8   added in 1.3.0
                   M tasks/T01/model.bin                       214.0 MB from the store
          config   max_leverage: 5 -> (none)
          deps     pandas 2.2.1 -> 2.1.4
          needs    TOKEN is new

        --- a/x
        +++ b/x
        @@ -1 +1 @@
        -	old
        +new\u{1b}[31m
        ");
        assert!(!difference(TextStyle::default(), &diff, true).contains("@@"));
        diff = VersionDifference {
            code: vec![],
            config: vec![],
            packages: vec![],
            variables: vec![],
            ..diff
        };
        assert_eq!(
            difference(TextStyle::default(), &diff, false),
            "T01  1.3.0 -> work tree: no difference\n"
        );
    }

    #[test]
    fn init_shows_only_what_changes() {
        let path = crate::base::RelPath::parse(".gitignore").expect("it is honest");
        let file = InitFile {
            path,
            before: Some("a\nb\nc\n".into()),
            after: "a\nx\ny\nc\n".into(),
        };
        insta::assert_snapshot!(init_file(TextStyle::default(), &file), @"
        change .gitignore
          -b
          +x
          +y
        ");
    }
}
