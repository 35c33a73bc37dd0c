//! One pipeline: only the operator's room begins a journal or writes to the audit log. Any other
//! room could forget to say what was changed.

use crate::sources::{code_only, sources};

/// The calls that only some rooms may make.
const CALLS: [(&str, &[&str]); 6] = [
    ("Log::begin(", &["src/operate/", "src/journal/"]),
    ("Runner::begin(", &["src/operate/", "src/journal/"]),
    ("Runner::new(", &["src/operate/", "src/journal/"]),
    (".audit().append(", &["src/operate/"]),
    (".audit().append_at(", &["src/operate/"]),
    (".audit().begin(", &["src/operate/"]),
];

/// Lists the calls of a file that its room may not make.
fn foreign_calls(file: &str, text: &str) -> Vec<String> {
    let code: String = code_only(text).split_whitespace().collect();
    let is_foreign = |(call, rooms): &&(&str, &[&str])| {
        code.contains(call) && !rooms.iter().any(|room| file.starts_with(room))
    };
    CALLS
        .iter()
        .filter(is_foreign)
        .map(|(call, rooms)| format!("{file}: {call}…) belongs to {}", rooms.join(", ")))
        .collect()
}

#[test]
fn only_the_operator_begins_a_journal_or_writes_an_audit_line() {
    let wrong: Vec<String> = sources(&["src"])
        .iter()
        .flat_map(|(file, text)| foreign_calls(file, text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn calls_of_foreign_rooms_are_found() {
    let wrong = |file: &str, text: &str| foreign_calls(file, text).len();
    assert_eq!(
        wrong("src/app/adopt.rs", "Log::begin(state, &operation)?;"),
        1
    );
    assert_eq!(
        wrong("src/operate/execute.rs", "Log::begin(state, &operation)?;"),
        0
    );
    assert_eq!(
        wrong(
            "src/guard/fire.rs",
            "site\n    .audit()\n    .append(&said, once)"
        ),
        1
    );
    assert_eq!(
        wrong(
            "src/release/mod.rs",
            "// Log::begin(state)\nsite.audit().head()"
        ),
        0
    );
}
