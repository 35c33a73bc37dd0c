//! Conventional Commits 1.0.0 (<https://www.conventionalcommits.org>): derives the next version and
//! a changelog section from commit messages.
//!
//! A message that does not follow the rules requires a patch: something was changed.

use std::fmt::Write;

use crate::version::Bump;

/// A message that follows the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conventional {
    /// `feat`, `fix`, … in lower case.
    pub kind: String,
    /// The text in parentheses.
    pub scope: Option<String>,
    /// True with `!` or a `BREAKING CHANGE` footer.
    pub is_breaking: bool,
    /// The text after the colon.
    pub subject: String,
    /// The text of the `BREAKING CHANGE` footer.
    pub breaks: Option<String>,
}

/// Parses a message; `None` when its first line does not have the right form.
///
/// Uses the `git-conventional` crate, which is more lenient than the rules about the first line and
/// stricter about the rest. Both are normalised: a kind is a word (`net/http: x` has none), a space
/// follows the colon, a body needs no empty line before it, a breaking change counts wherever its
/// line is, and a footer without a value at the end does not count.
pub fn parse(message: &str) -> Option<Conventional> {
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let first = first.trim_end();
    let rest = rest.replace("\nBREAKING", "\n\nBREAKING");
    let rest = rest.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, ':' | '#'));
    let text = format!("{first}\n\n{rest}");
    let commit = git_conventional::Commit::parse(&text).ok()?;
    let kind = commit.type_().as_str().to_ascii_lowercase();
    let is_word = kind
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let head = first.strip_suffix(commit.description())?;
    if !is_word || !head[head.trim_end().len()..].starts_with(' ') {
        return None;
    }
    let footer = commit.footers().iter().find(|footer| footer.breaking());
    Some(Conventional {
        kind,
        scope: commit.scope().map(|scope| scope.as_str().to_string()),
        is_breaking: commit.breaking(),
        subject: commit.description().into(),
        breaks: footer.map(|footer| first_paragraph(footer.value())),
    })
}

/// Returns the first paragraph of a text, on one line.
fn first_paragraph(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    lines.join(" ")
}

/// Returns the part of the version to raise; `None` when there are no messages. While the major
/// number is 0 nothing is stable, so breaking changes raise the minor number, and features the
/// patch number.
pub fn bump<'a>(messages: impl IntoIterator<Item = &'a str>, is_initial: bool) -> Option<Bump> {
    let asks = |message: &str| match parse(message) {
        Some(commit) if commit.is_breaking => 2,
        Some(commit) if commit.kind == "feat" => 1,
        _ => 0,
    };
    let most = messages.into_iter().map(asks).max()?;
    Some(match (most, is_initial) {
        (2, false) => Bump::Major,
        (2, true) | (1, false) => Bump::Minor,
        _ => Bump::Patch,
    })
}

/// Headings of a section, with the kinds of commits below each.
const HEADINGS: [(&str, &[&str]); 4] = [
    ("Added", &["feat"]),
    ("Fixed", &["fix"]),
    ("Faster", &["perf"]),
    ("Changed", &["refactor", "revert", ""]),
];

/// Returns the changelog section for these messages, newest first; empty without any. Kinds that
/// users of the task do not notice (`chore`, `ci`, `docs`, …) are omitted unless they are breaking.
/// Lines have the form `- subject`, so none can be mistaken for a trailer.
pub fn section<'a>(messages: impl IntoIterator<Item = &'a str>) -> String {
    /// Largest number of lines per heading; the rest is counted.
    const MOST: usize = 100;
    let mut groups: Vec<(&str, Vec<String>)> = [("Breaking", Vec::new())]
        .into_iter()
        .chain(HEADINGS.map(|(name, _)| (name, Vec::new())))
        .collect();
    for message in messages {
        let plain = || {
            message
                .lines()
                .next()
                .unwrap_or_default()
                .trim()
                .to_string()
        };
        let commit = parse(message).unwrap_or_else(|| Conventional {
            kind: String::new(),
            scope: None,
            is_breaking: false,
            subject: plain(),
            breaks: None,
        });
        let heading = if commit.is_breaking {
            Some("Breaking")
        } else {
            HEADINGS
                .iter()
                .find(|(_, kinds)| kinds.contains(&commit.kind.as_str()))
                .map(|(name, _)| *name)
        };
        let Some((_, lines)) = groups.iter_mut().find(|(name, _)| Some(*name) == heading) else {
            continue;
        };
        let text = commit.breaks.unwrap_or(commit.subject);
        let clean: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
        if !clean.trim().is_empty() && !lines.contains(&clean) {
            lines.push(clean);
        }
    }
    let mut text = String::new();
    for (name, lines) in groups.iter().filter(|(_, lines)| !lines.is_empty()) {
        let _ = writeln!(text, "{}{name}:", if text.is_empty() { "" } else { "\n" });
        for line in lines.iter().take(MOST) {
            let _ = writeln!(text, "- {line}");
        }
        if lines.len() > MOST {
            let _ = writeln!(text, "- and {} more", lines.len() - MOST);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_specification() {
        let commit = parse("feat(lang)!: add Polish\n\nbody\n\nBREAKING CHANGE: no more Latin")
            .expect("it follows");
        assert_eq!(
            (
                commit.kind.as_str(),
                commit.scope.as_deref(),
                commit.is_breaking
            ),
            ("feat", Some("lang"), true)
        );
        assert_eq!(
            (commit.subject.as_str(), commit.breaks.as_deref()),
            ("add Polish", Some("no more Latin"))
        );
        assert!(
            parse("Fix: x").is_some_and(|commit| commit.kind == "fix"),
            "kinds are not case-sensitive"
        );
        for wrong in [
            "",
            "feat",
            "feat:",
            "feat:no space",
            "feat: ",
            "two words: x",
            "feat(): x",
            "feat(a: x",
            "(a): x",
            ": x",
            "net/http: x",
            "http://x: y",
            "Merge branch 'x'",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_follows_the_first_line_may_have_any_form() {
        for (message, breaks) in [
            ("feat: a\nbody at once", None),
            ("feat: a\r\n\r\nbody\r\n", None),
            ("feat: a\n\nbody\n\nNote:", None),
            ("feat: a\n\nbody\n\nFixes #", None),
            ("feat: a\n\nBREAKING CHANGES are none", None),
            ("feat: a\n\nbody\nBREAKING CHANGE: b", Some("b")),
            (
                "feat: a\n\nBREAKING CHANGE: b\n  goes on\n\nmore",
                Some("b goes on"),
            ),
            (
                "feat: a\n\nRefs: 1\nBREAKING-CHANGE #2 goes\nNote: x",
                Some("2 goes"),
            ),
        ] {
            let commit = parse(message).expect(message);
            assert_eq!(commit.subject, "a", "{message:?}");
            assert_eq!(commit.breaks.as_deref(), breaks, "{message:?}");
            assert_eq!(commit.is_breaking, breaks.is_some(), "{message:?}");
        }
    }

    #[test]
    fn the_strongest_message_counts() {
        assert_eq!(bump([], false), None);
        assert_eq!(bump(["whatever"], false), Some(Bump::Patch));
        assert_eq!(
            bump(["fix: a", "feat: b", "chore: c"], false),
            Some(Bump::Minor)
        );
        assert_eq!(bump(["fix!: a", "feat: b"], false), Some(Bump::Major));
        assert_eq!(
            bump(["docs: a\n\nBREAKING-CHANGE: b"], false),
            Some(Bump::Major)
        );
        assert_eq!(
            (bump(["feat!: a"], true), bump(["feat: a"], true)),
            (Some(Bump::Minor), Some(Bump::Patch))
        );
    }

    #[test]
    fn a_section_names_what_people_notice() {
        let section = section([
            "feat: a stop",
            "fix(T01): the sign",
            "chore: tidy",
            "no form at all",
            "feat!: other units",
            "feat: a stop",
        ]);
        insta::assert_snapshot!(section, @"
        Breaking:
        - other units

        Added:
        - a stop

        Fixed:
        - the sign

        Changed:
        - no form at all
        ");
    }
}
