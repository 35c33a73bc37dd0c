//! Conventional Commits 1.0.0 (<https://www.conventionalcommits.org>): what a commit's message says
//! of the next version, and the section of a changelog that messages make.
//!
//! A message that does not follow the rules asks for a patch: something was changed.

use std::fmt::Write;

use crate::version::Bump;

/// A message that follows the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conventional {
    /// `feat`, `fix`, … in lower case.
    pub kind: String,
    /// What is in the parentheses.
    pub scope: Option<String>,
    /// True with `!` or a `BREAKING CHANGE` footer.
    pub is_breaking: bool,
    /// What follows the colon.
    pub subject: String,
    /// What the `BREAKING CHANGE` footer says.
    pub breaks: Option<String>,
}

/// Reads a message; `None` when its first line does not have the form.
pub fn parse(message: &str) -> Option<Conventional> {
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let (head, subject) = first.split_once(": ")?;
    let (head, bang) = head
        .strip_suffix('!')
        .map_or((head, false), |head| (head, true));
    let (kind, scope) = match head.split_once('(') {
        Some((kind, scope)) => (
            kind,
            Some(
                scope
                    .strip_suffix(')')
                    .filter(|scope| !scope.is_empty() && !scope.contains(['(', ')']))?,
            ),
        ),
        None => (head, None),
    };
    let is_word = !kind.is_empty()
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let subject = subject.trim();
    if !is_word || subject.is_empty() {
        return None;
    }
    let footer = |line: &str| {
        ["BREAKING CHANGE: ", "BREAKING-CHANGE: "]
            .iter()
            .find_map(|mark| Some(line.strip_prefix(mark)?.trim().to_string()))
    };
    let breaks = rest.lines().find_map(footer);
    Some(Conventional {
        kind: kind.to_ascii_lowercase(),
        scope: scope.map(str::to_string),
        is_breaking: bang || breaks.is_some(),
        subject: subject.into(),
        breaks,
    })
}

/// Which part of a version these messages raise; `None` when there are none. While the major number
/// is 0 nothing is stable, so what breaks raises the minor number, and what is new the patch
/// number.
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

/// The headings of a section, and the kinds of commits below each.
const HEADINGS: [(&str, &[&str]); 4] = [
    ("Added", &["feat"]),
    ("Fixed", &["fix"]),
    ("Faster", &["perf"]),
    ("Changed", &["refactor", "revert", ""]),
];

/// The section of a changelog that these messages make, the newest first; empty without any.
/// Kinds that nobody who uses the task notices (`chore`, `ci`, `docs`, …) are left out unless they
/// break something. Lines have the form `- subject`, so none can be taken for a trailer.
pub fn section<'a>(messages: impl IntoIterator<Item = &'a str>) -> String {
    /// More lines than anybody reads; the rest is counted.
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
            "Merge branch 'x'",
        ] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
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
