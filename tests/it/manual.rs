//! The README and the manual: every printed command parses, the README's first steps run as
//! printed, and every exit code is explained.

use std::{fs, path::Path};

use snapback::cli::help::{self, EXIT_CODES};

use crate::support::{Sandbox, sandbox::snapback_program};

/// Reads a file of the repository.
fn text(path: &str) -> String {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(top.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Returns every page by its path.
fn pages() -> Vec<(String, String)> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let names = fs::read_dir(docs).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        format!("docs/{}", name.to_str().unwrap())
    });
    ["README.md", "SECURITY.md", "hooks/README.md"]
        .map(String::from)
        .into_iter()
        .chain(names)
        .map(|path| (path.clone(), text(&path)))
        .collect()
}

/// Returns the lines in fenced blocks of this language.
fn fenced<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let mut lines = Vec::new();
    let mut inside: Option<&str> = None;
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), inside) {
            (Some(_), Some(_)) => inside = None,
            (Some(language), None) => inside = Some(language),
            (None, Some(here)) if here == language => lines.push(line),
            (None, _) => {}
        }
    }
    lines
}

/// Returns the words of the first command of a shell line.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    let is_end = |word: &String| ["|", "&&", ">", "2>&1", "#"].contains(&word.as_str());
    let end = words.iter().position(is_end).unwrap_or(words.len());
    words.truncate(end);
    words
}

#[test]
fn every_printed_command_parses() {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (path, page) in pages() {
        let lines = [fenced(&page, "sh"), fenced(&page, "console")].concat();
        let lines = lines.iter().map(|line| line.trim_start_matches("$ "));
        for line in lines.filter(|line| line.starts_with("snapback ")) {
            seen += 1;
            if let Err(error) = help::command().try_get_matches_from(words(line))
                && error.use_stderr()
            {
                wrong.push(format!("{path}: {line}: {error}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 100, "{seen}");
}

#[test]
fn the_first_steps_run_as_the_readme_prints_them() {
    let mut sandbox = Sandbox::empty();
    sandbox.write("tasks/T01/config.yaml", b"version: 1.2.0\n");
    sandbox.write("tasks/T01/strategy.py", b"LIMIT = 3\n");
    sandbox.commit("a task");
    let program = Path::new(snapback_program());
    let path = std::env::var("PATH").unwrap_or_default();
    let here = program.parent().unwrap().display();
    sandbox
        .variables
        .push(("PATH".into(), format!("{here}:{path}")));
    // The answer to every question.
    sandbox.variables.push(("SNAPBACK_YES".into(), "1".into()));

    let readme = text("README.md");
    let (_, rest) = readme.split_once("## Five minutes").unwrap();
    let (steps, rest) = rest.split_once("\n## Commands").unwrap();
    let (everyday, _) = rest.split_once("\n## ").unwrap();
    let run = |commands: Vec<&str>| {
        assert!(commands.len() > 6, "{commands:?}");
        for command in commands {
            let ran = sandbox.run("sh", &["-c", command]);
            assert_eq!(ran.code, 0, "{command}: {ran:?}");
        }
    };
    let console = fenced(steps, "console");
    run(console
        .iter()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect());
    let config = String::from_utf8(sandbox.read("tasks/T01/config.yaml")).unwrap();
    assert_eq!(config, "version: 1.2.1\n", "the rollback was undone");
    assert_eq!(
        sandbox.git_out(&["tag", "--list", "T01-v*"]),
        "T01-v1.2.0\nT01-v1.2.0-rollback-from-v1.2.1\nT01-v1.2.1"
    );
    run(fenced(everyday, "sh"));
}

#[test]
fn every_exit_code_is_explained() {
    let page = text("docs/command-line.md");
    for (code, _) in EXIT_CODES {
        assert!(page.contains(&format!("| {code} |")), "{code}");
    }
}
