//! The house rules, as tests: who may import whom, who owns which outside library, how long
//! files and functions may be, and that nothing is forgotten.
//!
//! They read the sources as text, with comments and strings taken out, and rely on rustfmt.
//! When one fails, the code is in the wrong room or too long: move it, do not widen the rule.
#![allow(
    clippy::disallowed_methods,
    reason = "tests use the standard library directly"
)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The rooms by row. A room imports only from rows above its own, never from its own row.
const ROWS: [&[&str]; 12] = [
    &["base"],
    &["model"],
    &["policy"],
    &[
        "git", "store", "deps", "journal", "audit", "alert", "state", "trust",
    ],
    &["registry", "verify", "ground"],
    &["catalog"],
    &["steps", "draft", "session", "closure", "backup", "cluster"],
    &["release", "rollback", "guard", "drill", "hooks", "capsule"],
    &["config"],
    &["app"],
    &["server"],
    &["cli"],
];

/// Outside libraries with one owner: the name's beginning, and the paths that may use it.
const OWNERS: [(&str, &[&str]); 11] = [
    ("gix", &["src/git/"]),
    ("zstd", &["src/store/"]),
    ("clap", &["src/cli/", "src/main.rs", "src/bin/"]),
    ("indicatif", &["src/cli/"]),
    ("flate2", &["src/capsule/"]),
    ("duct", &["src/base/process"]),
    ("rusqlite", &["src/backup/sqlite.rs"]),
    ("ureq", &["src/base/http.rs"]),
    ("rustls", &["src/base/http.rs"]),
    ("lettre", &["src/alert/email.rs"]),
    ("ed25519_dalek", &["src/trust/keys/"]),
];

const MAX_FILE: usize = 500;
const MAX_FUNCTION: usize = 70;

/// The top of the repository.
fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below these folders: path from the top, text.
fn sources(folders: &[&str]) -> BTreeMap<String, String> {
    let mut todo: Vec<PathBuf> = folders.iter().map(|folder| top().join(folder)).collect();
    let mut found = BTreeMap::new();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(
                fs::read_dir(&path)
                    .expect("it lists")
                    .map(|entry| entry.expect("it lists").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(top())
                .expect("it is below the top")
                .to_str()
                .expect("sources have plain names");
            found.insert(
                name.to_string(),
                fs::read_to_string(&path).expect("sources are UTF-8"),
            );
        }
    }
    assert!(!found.is_empty(), "there are sources in {folders:?}");
    found
}

/// The text with comments, strings and character literals blanked; line ends stay.
fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = String::new();
    let mut at = 0;
    while at < bytes.len() {
        let end = match &bytes[at..] {
            [b'/', b'/', ..] => text[at..].find('\n').map_or(bytes.len(), |len| at + len),
            [b'/', b'*', ..] => text[at..]
                .find("*/")
                .map_or(bytes.len(), |len| at + len + 2),
            [b'r', b'"' | b'#', ..]
                if !text[..at].ends_with(|c: char| c.is_alphanumeric() && c != 'b') =>
            {
                raw_string_end(text, at)
            }
            [b'"', ..] => string_end(bytes, at),
            [b'\'', b'\\', ..] => at + 4 + text[at + 3..].find('\'').unwrap_or(0),
            [b'\'', rest @ ..] if text[at + 1..].chars().nth(1) == Some('\'') => {
                at + 2
                    + std::str::from_utf8(rest)
                        .map_or(1, |rest| rest.chars().next().map_or(1, char::len_utf8))
            }
            _ => at,
        };
        if end > at {
            code.extend(
                text[at..end]
                    .chars()
                    .map(|c| if c == '\n' { c } else { ' ' }),
            );
            at = end;
        } else {
            let next = text[at..].chars().next().expect("at is inside");
            code.push(next);
            at += next.len_utf8();
        }
    }
    code
}

/// Where a string that begins at `at` ends.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != b'"' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// Where a raw string that begins at `at` ends; `at` itself when it is a raw identifier.
fn raw_string_end(text: &str, at: usize) -> usize {
    let hashes = text[at + 1..]
        .bytes()
        .take_while(|byte| *byte == b'#')
        .count();
    if text.as_bytes().get(at + 1 + hashes) != Some(&b'"') {
        return at;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let begin = at + 2 + hashes;
    text[begin..]
        .find(&close)
        .map_or(text.len(), |len| begin + len + close.len())
}

/// The words of a code, each with where it begins and its line.
fn words(code: &str) -> Vec<(usize, usize, &str)> {
    let mut found = Vec::new();
    let (mut begin, mut line) = (None, 1);
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        if c.is_alphanumeric() || c == '_' {
            begin.get_or_insert(at);
        } else if let Some(from) = begin.take() {
            found.push((from, line, &code[from..at]));
        }
        line += usize::from(c == '\n');
    }
    found
}

/// The rooms that a code names by `crate::room` or `crate::{room, …}`, with their lines.
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

/// The row of a room.
fn row(room: &str) -> Option<usize> {
    ROWS.iter().position(|rooms| rooms.contains(&room))
}

/// The room of a file below `src`; `None` for `lib.rs` and the programs, which may use all.
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

/// What a file imports against the table.
fn wrong_imports(file: &str, text: &str) -> Vec<String> {
    let Some(room) = room_of(file) else {
        return Vec::new();
    };
    let Some(own) = row(room) else {
        return vec![format!(
            "{file}: the room {room:?} is not in the table of tests/tidy.rs"
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
    // `super` may climb inside the room, never out of it; an inline module is one level more.
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

/// The outside libraries that a file uses though another room owns them.
fn foreign_libraries(file: &str, text: &str) -> Vec<String> {
    let code = code_only(text);
    let is = |word: &str, name: &str| {
        word == name
            || word
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('_'))
    };
    let names_crate = |at: usize, word: &str| {
        code[at + word.len()..].starts_with("::") || code[..at].trim_end().ends_with("use")
    };
    let mut wrong = Vec::new();
    for (name, owners) in OWNERS {
        if owners.iter().any(|owner| file.starts_with(owner)) {
            continue;
        }
        // A path that ends in the name (`crate::store::zstd`) is our own module, not the crate.
        let used = words(&code).into_iter().find(|(at, _, word)| {
            is(word, name) && names_crate(*at, word) && !code[..*at].ends_with("::")
        });
        if let Some((_, line, word)) = used {
            wrong.push(format!(
                "{file}:{line}: {word} belongs to {}",
                owners.join(", ")
            ));
        }
    }
    wrong
}

#[test]
fn outside_libraries_have_one_owner() {
    let wrong: Vec<String> = sources(&["src"])
        .iter()
        .flat_map(|(file, text)| foreign_libraries(file, text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The functions of a file that are too long: line, name, length.
fn long_functions(text: &str) -> Vec<(usize, String, usize)> {
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
        if length > MAX_FUNCTION {
            let name = words(inner).get(at + 1).map_or("?", |(.., word)| *word);
            found.push((nth + 1, name.to_string(), length));
        }
    }
    found
}

#[test]
fn files_and_functions_are_short_and_files_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for (file, text) in sources(&["src", "tests", "fuzz/fuzz_targets"]) {
        let lines = text.lines().count();
        if lines > MAX_FILE {
            wrong.push(format!("{file}: {lines} lines, at most {MAX_FILE}"));
        }
        if !text.starts_with("//! ") {
            wrong.push(format!("{file}: must begin with `//!` and what it is for"));
        }
        for (line, name, length) in long_functions(&text) {
            wrong.push(format!(
                "{file}:{line}: {name} has {length} lines, at most {MAX_FUNCTION}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The one file of the product that may have unsafe code; its proofs stand in it.
const UNSAFE: &str = "src/base/sha256/kernel.rs";

#[test]
fn unsafe_code_is_in_one_file() {
    let has = |text: &str| {
        words(&code_only(text))
            .iter()
            .any(|(.., word)| ["unsafe", "unsafe_code"].contains(word))
    };
    let files: Vec<String> = sources(&["src"])
        .into_iter()
        .filter(|(_, text)| has(text))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(files, [UNSAFE]);
}

/// The files whose module nobody declares. `top` is the crate's first file.
fn undeclared(files: &BTreeMap<String, String>, top: &str) -> Vec<String> {
    let folder = top.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut wrong = Vec::new();
    for file in files
        .keys()
        .filter(|file| *file != top && file.starts_with(folder))
    {
        let path = file
            .strip_suffix("/mod.rs")
            .or(file.strip_suffix(".rs"))
            .unwrap_or(file);
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let candidates = if parent == folder {
            vec![top.to_string()]
        } else {
            vec![format!("{parent}/mod.rs"), format!("{parent}.rs")]
        };
        let declares = |text: &String| {
            code_only(text).lines().any(|line| {
                line.trim()
                    .strip_suffix(';')
                    .is_some_and(|line| line.ends_with(&format!("mod {name}")))
            })
        };
        if !candidates
            .iter()
            .filter_map(|candidate| files.get(candidate))
            .any(declares)
        {
            wrong.push(format!(
                "{file}: no `mod {name};` in {}",
                candidates.join(" or ")
            ));
        }
    }
    wrong
}

#[test]
fn no_module_is_forgotten() {
    let mut files = sources(&["src"]);
    files.retain(|file, _| file != "src/main.rs" && !file.starts_with("src/bin/"));
    let wrong = undeclared(&files, "src/lib.rs");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_is_in_the_readme_and_in_a_test() {
    let readme = fs::read_to_string(top().join("README.md")).unwrap_or_default();
    let tests: String = sources(&["tests/it"]).into_values().collect();
    let mut wrong = Vec::new();
    for file in sources(&["src"]).keys() {
        let Some(name) = file
            .strip_prefix("src/cli/commands/")
            .and_then(|name| name.strip_suffix(".rs"))
        else {
            continue;
        };
        let command = name.trim_end_matches("/mod").replace('_', "-");
        if name == "mod" || command.contains('/') {
            continue;
        }
        if ![format!("snapback {command}"), format!("`{command}")]
            .iter()
            .any(|mention| readme.contains(mention))
        {
            wrong.push(format!(
                "{file}: README.md does not name `snapback {command}`"
            ));
        }
        if !tests.contains(&format!("\"{command}\""))
            && !tests.contains(&format!("snapback {command}"))
        {
            wrong.push(format!("{file}: no test in tests/it runs {command:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The text files that git tracks, with their texts.
fn tracked() -> BTreeMap<String, String> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(top())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "the sources are a git repository");
    let names = String::from_utf8(output.stdout).expect("names are UTF-8");
    let text = |name: &str| {
        Some((
            name.to_string(),
            String::from_utf8(fs::read(top().join(name)).ok()?).ok()?,
        ))
    };
    names
        .split('\0')
        .filter(|name| !name.is_empty())
        .filter_map(text)
        .collect()
}

/// What in a line belongs to one machine only: a folder of its users, or a host that nobody else
/// has.
fn of_one_machine(line: &str) -> Option<&'static str> {
    let folders = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
    ];
    let inside_a_path =
        |before: &str| before.ends_with(|c: char| c.is_alphanumeric() || "_.-/}$*)>~".contains(c));
    if folders.iter().any(|folder| {
        line.match_indices(folder)
            .any(|(at, _)| !inside_a_path(&line[..at]))
    }) {
        return Some("a path of a machine");
    }
    let private = |url: &str| {
        let host: String = url
            .chars()
            .take_while(|c| c.is_alphanumeric() || ".-_@".contains(*c))
            .collect();
        let host = host.rsplit('@').next().unwrap_or_default();
        let numeric = host.starts_with(|c: char| c.is_ascii_digit())
            && host.chars().all(|c| c.is_ascii_digit() || c == '.')
            && !host.starts_with("127.");
        let named = [".internal", ".local", ".lan", ".corp"]
            .iter()
            .any(|end| host.ends_with(end));
        !host.is_empty() && (numeric || named)
    };
    line.match_indices("://")
        .any(|(at, _)| {
            line[..at].ends_with("http") | line[..at].ends_with("https") && private(&line[at + 3..])
        })
        .then_some("a private host")
}

#[test]
fn nothing_names_a_machine_or_a_private_host() {
    let mut wrong = Vec::new();
    for (file, text) in tracked() {
        for (nth, line) in text.lines().enumerate() {
            if let Some(what) = of_one_machine(line) {
                wrong.push(format!("{file}:{}: {what}: {}", nth + 1, line.trim()));
            }
            let foreign = file.ends_with("Cargo.lock")
                && line.starts_with("source = ")
                && !line.contains("github.com/rust-lang/crates.io-index");
            if foreign {
                wrong.push(format!(
                    "{file}:{}: a crate from elsewhere: {line}",
                    nth + 1
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

mod the_rules_themselves {
    use super::*;

    #[test]
    fn comments_and_strings_are_no_code() {
        let text = "a // gix::x\n/* zstd */ b \"crate::cli\" c r#\"duct \" x\"# d 'x' '\\'' e<'a> f \"\\\" g\" h '\"' i";
        let code = code_only(text);
        assert_eq!(
            code.split_whitespace().collect::<Vec<_>>(),
            ["a", "b", "c", "d", "e<'a>", "f", "h", "i"]
        );
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn imports_against_the_table_are_found_in_every_form() {
        let bad = |file: &str, text: &str| wrong_imports(file, text).len();
        assert_eq!(
            bad(
                "src/git/refs.rs",
                "use crate::{base::RelPath, model::{self, Manifest}};"
            ),
            0
        );
        assert_eq!(
            bad(
                "src/git/refs.rs",
                "use crate::{\n    base::{RelPath, Fs},\n    store::Store,\n};"
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

    #[test]
    fn libraries_in_foreign_rooms_are_found() {
        let bad = |file: &str, text: &str| foreign_libraries(file, text).len();
        assert_eq!(bad("src/release/mod.rs", "use gix::ObjectId;"), 1);
        assert_eq!(
            bad("src/release/mod.rs", "fn f(id: gix_hash::ObjectId) {}"),
            1
        );
        assert_eq!(bad("src/git/mod.rs", "use gix::ObjectId;"), 0);
        assert_eq!(bad("src/git/run.rs", "duct::cmd(\"git\", [\"x\"])"), 1);
        assert_eq!(bad("src/model/plan.rs", "let conduct = product::of(x);"), 0);
        assert_eq!(bad("src/config/mod.rs", "#[derive(clap::Args)]"), 1);
    }

    #[test]
    fn long_functions_and_forgotten_modules_are_found() {
        let body = |lines: usize| {
            format!(
                "impl X {{\n    pub(crate) fn f(\n        a: u8,\n    ) -> u8 {{\n{}    }}\n\n    fn g();\n}}\n",
                "        x();\n".repeat(lines)
            )
        };
        assert_eq!(long_functions(&body(66)), []);
        assert_eq!(long_functions(&body(67)), [(2, "f".to_string(), 71)]);
        let files = |text: &str| {
            BTreeMap::from([
                ("src/lib.rs".to_string(), text.to_string()),
                ("src/a/mod.rs".into(), "pub(crate) mod b;".into()),
                ("src/a/b.rs".into(), String::new()),
            ])
        };
        assert_eq!(undeclared(&files("pub mod a;"), "src/lib.rs").len(), 0);
        assert_eq!(undeclared(&files("// pub mod a;"), "src/lib.rs").len(), 1);
    }

    #[test]
    fn machines_and_hosts_are_found() {
        assert!(of_one_machine(concat!("see /ho", "me/li/notes")).is_some());
        assert!(
            of_one_machine(concat!("frame/wo", "rk/x")).is_none(),
            "inside a longer path"
        );
        assert!(of_one_machine(concat!("ht", "tps://10.0.0.7/simple")).is_some());
        assert!(of_one_machine(concat!("ht", "tp://me@mirror.inter", "nal:8080/x")).is_some());
        assert!(
            of_one_machine("https://git-scm.com/docs and http://127.0.0.1:8080 and https://host/x")
                .is_none()
        );
    }
}
