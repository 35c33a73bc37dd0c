//! Sentences of the program that name a command, in backticks, name one that there is, with options
//! that it has.

use std::{fs, path::Path};

use regex::Regex;
use snapback::cli::help;

/// Returns every source of the program with its path.
fn sources(folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            into.push((path.display().to_string(), text));
        }
    }
}

/// Returns what is wrong with a command line of a sentence; its values may be placeholders.
fn trouble(line: &str) -> Option<String> {
    let mut command = help::command();
    command.build();
    let mut command = &command;
    for word in line.split_whitespace() {
        let name = word.trim_start_matches('-').split('=').next().unwrap();
        let has = |found: &clap::Arg| {
            found.get_long() == Some(name)
                || found
                    .get_all_aliases()
                    .is_some_and(|all| all.contains(&name))
        };
        if word.starts_with("--") {
            if !command.get_arguments().any(has) {
                return Some(format!("{} has no option {word}", command.get_name()));
            }
        } else if let Some(below) = command.find_subcommand(word) {
            command = below;
        } else if command.has_subcommands()
            && command.get_arguments().all(|arg| !arg.is_positional())
        {
            return Some(format!("{} has no command {word}", command.get_name()));
        }
    }
    None
}

#[test]
fn a_sentence_names_only_commands_that_there_are() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in ["src", "crates"] {
        sources(&top.join(folder), &mut all);
    }
    let named = Regex::new("`snapback ([a-z][^`\"{}]*)").unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for (path, text) in &all {
        for found in named.captures_iter(text) {
            seen += 1;
            let line = found[1].trim();
            wrong.extend(trouble(line).map(|why| format!("{path}: snapback {line}: {why}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 40, "{seen}");
}

#[test]
fn a_command_or_an_option_that_is_not_there_is_found() {
    assert_eq!(trouble("registry sync --from config"), None);
    assert_eq!(trouble("create-snapshot -t T01 --version VERSION"), None);
    assert!(trouble("registry sing").is_some());
    assert!(trouble("rollback --to-and-fro 1.0.0").is_some());
    assert!(trouble("roll back").is_some());
}
