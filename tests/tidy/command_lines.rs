//! Only one place knows command lines: rooms say what can be done next, `cli/advice.rs` how it is
//! typed. A list of words anywhere else would be a hint that no test passes to the parser.

use crate::sources::{sources, without_comments};

/// The file that spells command lines.
const SPELLING: &str = "src/cli/advice.rs";

/// Returns whether a file is a test.
fn is_test(file: &str) -> bool {
    file.contains("/tests/") || file.ends_with("tests.rs")
}

/// Counts the lists of words in a source that begin with the name of this program. In the room
/// `cli`, which holds the names of the commands, only the beginning of a list counts.
fn command_lines(file: &str, text: &str) -> usize {
    if file == SPELLING || is_test(file) {
        return 0;
    }
    let text = without_comments(text);
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String = code.split_whitespace().collect();
    let is_cli = file.starts_with("src/cli/");
    let mut parts = code.split("\"snapback\"").peekable();
    let mut found = 0;
    while let (Some(before), Some(after)) = (parts.next(), parts.peek()) {
        let begins = before.ends_with('[');
        let goes_on = after.starts_with([',', ']']);
        found += usize::from(if is_cli {
            begins && goes_on
        } else {
            begins || goes_on
        });
    }
    found
}

#[test]
fn command_lines_are_spelled_in_one_place() {
    let wrong: Vec<String> = sources(&["src", "crates"])
        .iter()
        .filter(|(file, text)| command_lines(file, text) > 0)
        .map(|(file, _)| format!("{file}: say it as an `Advice`, and spell that in {SPELLING}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_command_line_is_found() {
    let found = |file: &str, text: &str| command_lines(file, text);
    let hint = "Hint::run(\"see\", &[\"snapback\", \"op\", \"list\"])";
    assert_eq!(found("src/journal/mod.rs", hint), 1);
    assert_eq!(
        found(
            "crates/git/src/advice.rs",
            "[\n    \"snapback\",\n    \"undo\",\n]"
        ),
        1
    );
    assert_eq!(
        found(
            "src/health/mod.rs",
            "&[&[\"snapback\"][..], words].concat()"
        ),
        1
    );
    assert_eq!(found("src/cli/commands/undo.rs", hint), 1);
    assert_eq!(
        found(
            "src/cli/args.rs",
            "#[command(name = \"snapback\", version)]"
        ),
        0
    );
    assert_eq!(found("src/site/mod.rs", "common.join(\"snapback\")"), 0);
    assert_eq!(found("src/keys/mod.rs", "// [\"snapback\", \"keys\"]\n"), 0);
    assert_eq!(found("src/registry/honest_tests.rs", hint), 0);
}
