//! Limits on the length of files, functions and comment lines, measured at rustfmt's own width: a
//! wider line would make everything shorter and nothing simpler.

use std::fs;

use crate::sources::{code_only, comments_only, sources, top, words};

const MAX_FILE: usize = 500;

const MAX_FUNCTION: usize = 70;
/// A use case passes on what is asked for; anything that takes more lines belongs to an engine.
const MAX_USE_CASE: usize = 10;
const MAX_COLUMNS: usize = 100;

/// The folders of our sources.
const FOLDERS: [&str; 4] = ["crates", "src", "tests", "fuzz/fuzz_targets"];

/// Returns the functions of a file that are longer than `most`: line, name, length.
fn functions_over(most: usize, text: &str) -> Vec<(usize, String, usize)> {
    let code = code_only(text);
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (nth, line) in lines.iter().enumerate() {
        let inner = line.trim_start();
        let Some(at) = words(inner).iter().position(|(.., word)| *word == "fn") else {
            continue;
        };
        let leading = [
            "pub", "crate", "super", "in", "self", "async", "const", "unsafe", "extern",
        ];
        if !words(inner)[..at]
            .iter()
            .all(|(.., word)| leading.contains(word))
        {
            continue;
        }
        let indent = &line[..line.len() - inner.len()];
        let closes = |line: &&str| {
            line.strip_prefix(indent).is_some_and(|rest| {
                !rest.starts_with(' ') && (rest.ends_with('}') || rest.ends_with(';'))
            })
        };
        let length = lines[nth..]
            .iter()
            .position(closes)
            .map_or(1, |end| end + 1);
        if length > most {
            let name = words(inner).get(at + 1).map_or("?", |(.., word)| *word);
            found.push((nth + 1, name.to_string(), length));
        }
    }
    found
}

#[test]
fn files_and_functions_are_short_and_files_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for (file, text) in sources(&FOLDERS) {
        let lines = text.lines().count();
        if lines > MAX_FILE {
            wrong.push(format!("{file}: {lines} lines, at most {MAX_FILE}"));
        }
        if !text.starts_with("//! ") {
            wrong.push(format!("{file}: must begin with `//!` and what it is for"));
        }
        let most = if file.starts_with("src/app/") {
            MAX_USE_CASE
        } else {
            MAX_FUNCTION
        };
        for (line, name, length) in functions_over(most, &text) {
            wrong.push(format!(
                "{file}:{line}: {name} has {length} lines, at most {most}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the comment lines that are too long; addresses and tables cannot be broken.
fn long_comments(text: &str) -> Vec<(usize, usize)> {
    let comments = comments_only(text);
    let is_whole = |comment: &str| {
        let words = comment.trim_start_matches(['/', '!', '*', ' ']);
        words.starts_with('|') || words.contains("://")
    };
    let lines = text.lines().zip(comments.lines()).enumerate();
    lines
        .map(|(nth, (line, comment))| (nth + 1, line.chars().count(), comment.trim()))
        .filter(|(_, columns, comment)| {
            *columns > MAX_COLUMNS && !comment.is_empty() && !is_whole(comment)
        })
        .map(|(line, columns, _)| (line, columns))
        .collect()
}

#[test]
fn lines_of_comments_fit_the_width() {
    let mut wrong = Vec::new();
    for (file, text) in sources(&FOLDERS) {
        for (line, columns) in long_comments(&text) {
            wrong.push(format!(
                "{file}:{line}: a comment of {columns} columns, at most {MAX_COLUMNS}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the settings of rustfmt that change its width.
fn widths(settings: &str) -> Vec<&str> {
    let of_width = |line: &&str| {
        let key = line.split(['=', '#']).next().unwrap_or_default().trim();
        let key = key.trim_matches(['"', '\'']);
        key.ends_with("width") || key == "use_small_heuristics"
    };
    settings.lines().filter(of_width).collect()
}

#[test]
fn rustfmt_has_its_own_width() {
    for name in ["rustfmt.toml", ".rustfmt.toml"] {
        let settings = fs::read_to_string(top().join(name)).unwrap_or_default();
        assert_eq!(widths(&settings), Vec::<&str>::new(), "{name}");
    }
}

#[test]
fn long_functions_are_found() {
    let body = |lines: usize| {
        format!(
            "impl X {{\n    pub(crate) fn f(\n        a: u8,\n    ) -> u8 {{\n{}    }}\n\n    fn g();\n}}\n",
            "        x();\n".repeat(lines)
        )
    };
    let long_functions = |text: &str| functions_over(MAX_FUNCTION, text);
    assert_eq!(long_functions(&body(66)), []);
    assert_eq!(long_functions(&body(67)), [(2, "f".to_string(), 71)]);
}

#[test]
fn long_comments_are_found_and_nothing_else() {
    let long = "word ".repeat(20);
    let found = |text: &str| long_comments(text).len();
    assert_eq!(found(&format!("/// {long}")), 1);
    assert_eq!(found(&format!("let a = 1; // {long}")), 1);
    assert_eq!(found(&format!("/* {long}")), 1);
    assert_eq!(found(&format!("//! {}", &long[..96])), 0);
    assert_eq!(found(&format!("/// | a | {long} |")), 0);
    assert_eq!(found(&format!("// https://host/{long}")), 0);
    assert_eq!(found(&format!("let a = \"// {long}\";")), 0);
}

#[test]
fn widths_are_found() {
    let settings = "edition = \"2024\"\nmax_width = 140\n# max_width = 1\nchain_width=9\n";
    assert_eq!(widths(settings), ["max_width = 140", "chain_width=9"]);
    assert_eq!(widths("use_small_heuristics = \"Max\"").len(), 1);
}
