//! The layers of the rooms: each room imports only from rows above its own.

use std::collections::BTreeMap;

use crate::sources::{code_only, sources, words};

/// The rooms by row. A room imports only from rows above its own, never from its own row.
///
/// The first three rows, except `records` and `stat_cache`, are separate crates, whose boundaries
/// Cargo enforces.
const ROWS: [&[&str]; 17] = [
    &["base"],
    &["model", "policy"],
    &["git", "store", "state", "records", "stat_cache"],
    &["deps", "journal", "audit", "consent", "keys"],
    &["registry", "site"],
    &["catalog"],
    &["verdict", "verify", "materialise"],
    &["steps", "draft", "source", "session", "closure", "cluster"],
    &["operate"],
    &["rollback", "alert", "backup"],
    &["drill", "hooks", "capsule"],
    &["release", "setup", "guard", "push", "overview"],
    &["config"],
    &["requests", "health"],
    &["app"],
    &["server"],
    &["cli"],
];

/// Returns the rooms that code names by `crate::room` or `crate::{room, …}`, with their lines.
fn rooms_named(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line, word) in words(code) {
        let Some(rest) = code[at + word.len()..]
            .strip_prefix("::")
            .filter(|_| word == "crate")
        else {
            continue;
        };
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut first = true;
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => first = true,
                    _ if first && depth == 0 && (c.is_alphabetic() || c == '_') => {
                        let name: String = group[at..]
                            .chars()
                            .take_while(|c| c.is_alphanumeric() || *c == '_')
                            .collect();
                        found.push((line + group[..at].matches('\n').count(), name));
                        first = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.push((
                line,
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            ));
        }
    }
    found
}

/// Returns the row of a room.
fn row(room: &str) -> Option<usize> {
    ROWS.iter().position(|rooms| rooms.contains(&room))
}

/// Returns the room of a file below `src`; `None` for `lib.rs` and the programs, which may use all.
fn room_of(file: &str) -> Option<&str> {
    let inner = file.strip_prefix("src/")?;
    match inner.split_once('/') {
        Some(("bin", _)) => None,
        Some((room, _)) => Some(room),
        None => inner
            .strip_suffix(".rs")
            .filter(|name| !matches!(*name, "lib" | "main")),
    }
}

/// Lists the imports of a file that violate the table.
fn wrong_imports(file: &str, text: &str) -> Vec<String> {
    let Some(room) = room_of(file) else {
        return Vec::new();
    };
    let Some(own) = row(room) else {
        return vec![format!(
            "{file}: the room {room:?} is not in the table of tests/tidy/rooms.rs"
        )];
    };
    let code = code_only(text);
    let mut wrong = Vec::new();
    for (line, named) in rooms_named(&code) {
        match row(&named) {
            _ if named == room => {}
            None => wrong.push(format!(
                "{file}:{line}: crate::{named} is no room; import from the room that defines it"
            )),
            Some(other) if other < own => {}
            Some(other) => wrong.push(format!(
                "{file}:{line}: {room} imports {named}, which is {}",
                if other == own {
                    "in the same row"
                } else {
                    "below it"
                }
            )),
        }
    }
    // `super` may climb inside the room, never out of it; an inline module adds one level.
    let depth = file.matches('/').count() - usize::from(file.ends_with("/mod.rs"));
    let inline = code
        .lines()
        .position(|line| line.trim_start().starts_with("mod ") && line.ends_with('{'))
        .unwrap_or(usize::MAX);
    for (nth, line) in code.lines().enumerate() {
        let climbs = (1..8)
            .take_while(|n| line.contains(&"super::".repeat(*n)))
            .count();
        if climbs >= depth + usize::from(nth > inline) {
            wrong.push(format!(
                "{file}:{}: `super` climbs out of the room; write crate::<room>",
                nth + 1
            ));
        }
    }
    wrong
}

#[test]
fn rooms_import_only_from_rows_above() {
    let wrong: Vec<String> = sources(&["src"])
        .iter()
        .flat_map(|(file, text)| wrong_imports(file, text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Lists the root files of rooms whose `//!` names another row than the table does, or none.
fn wrong_rows(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, text) in files {
        let room = file
            .strip_suffix("/mod.rs")
            .or(file.strip_suffix("/src/lib.rs"))
            .and_then(|folder| folder.rsplit_once('/'))
            .filter(|(above, _)| matches!(*above, "src" | "crates"))
            .and_then(|(_, room)| row(room));
        let Some(room) = room else { continue };
        if !text.starts_with(&format!("//! Row {room}, ")) {
            wrong.push(format!("{file}: must begin with `//! Row {room}, `"));
        }
    }
    wrong
}

#[test]
fn rooms_say_in_which_row_they_are() {
    let wrong = wrong_rows(&sources(&["crates", "src"]));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wrong_rows_are_found() {
    let wrong = |file: &str, text: &str| {
        wrong_rows(&BTreeMap::from([(file.to_string(), text.to_string())])).len()
    };
    assert_eq!(wrong("crates/base/src/lib.rs", "//! Row 0, words."), 0);
    assert_eq!(wrong("crates/base/src/lib.rs", "//! Row 1, words."), 1);
    assert_eq!(wrong("src/journal/mod.rs", "//! The journal."), 1);
    assert_eq!(wrong("src/journal/log.rs", "//! The log."), 0);
    assert_eq!(wrong("src/operate/deep/mod.rs", "//! Something."), 0);
}

#[test]
fn imports_against_the_table_are_found_in_every_form() {
    let bad = |file: &str, text: &str| wrong_imports(file, text).len();
    assert_eq!(
        bad(
            "src/journal/log.rs",
            "use crate::{base::RelPath, model::{self, Manifest}};"
        ),
        0
    );
    assert_eq!(
        bad(
            "src/journal/log.rs",
            "use crate::{\n    base::{RelPath, Fs},\n    audit::Log,\n};"
        ),
        1,
        "the same row"
    );
    assert_eq!(
        bad("src/base/fs.rs", "fn f(x: &crate::model::Version) {}"),
        1,
        "a row below"
    );
    assert_eq!(bad("src/app.rs", "use crate::{cli, server};"), 2);
    assert_eq!(
        bad("src/app.rs", "use crate::{rollback, config::Settings};"),
        0
    );
    assert_eq!(
        bad("src/nowhere/mod.rs", ""),
        1,
        "a room that is not in the table"
    );
    assert_eq!(bad("src/lib.rs", "use crate::cli::run;"), 0);
    assert_eq!(
        bad("src/store/mod.rs", "use super::git::Repository;"),
        1,
        "out of the room by super"
    );
    assert_eq!(
        bad(
            "src/store/objects.rs",
            "use super::Error;\nmod tests {\n    use super::*;\n}"
        ),
        0
    );
    assert_eq!(
        bad("src/store/mod.rs", "mod tests {\n    use super::*;\n}"),
        0
    );
    assert_eq!(
        bad("src/store/objects.rs", "use super::super::git::Repository;"),
        1
    );
}
