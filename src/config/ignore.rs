//! The lines that `.gitignore` should have: logs, data, caches, secrets, editors, environments.
//!
//! The rules are those of the users' own document, plus environments, which would otherwise become
//! part of releases. Only missing lines are added, at the end; the existing text stays as it is.
//! No rule may hide files that belong to a task, to snapback or to git.

use std::collections::HashSet;

use crate::{
    base::{Globs, RelPath},
    model::Settings,
};

/// The headings and their rules.
const RULES: [(&str, &[&str]); 7] = [
    ("Logs", &["*.log", "logs/"]),
    (
        "Data",
        &[
            "*.db",
            "*.sqlite",
            "*.csv",
            "*.jsonl",
            "data/",
            "*-wal",
            "*-shm",
            "*-journal",
        ],
    ),
    ("Caches", &["__pycache__/", "*.pyc", ".pytest_cache/"]),
    (
        "Secrets of the environment",
        &[".env", ".env.local", ".env.*.local"],
    ),
    (
        "Environments and packages",
        &[".venv/", "venv/", "node_modules/"],
    ),
    ("Editors", &[".vscode/", ".idea/", "*.swp", "*.swo"]),
    ("Temporary files", &["*.tmp", "temp/", "tmp/", ".snapback/"]),
];

/// Returns the whole text with the missing lines added; `None` when nothing is missing.
pub(super) fn completed(
    before: &str,
    settings: &Settings,
    tracks: impl Fn(&Globs) -> bool,
) -> Option<String> {
    let there: HashSet<&str> = before.lines().map(str::trim_end).collect();
    let own = own_paths(settings);
    let is_safe = |rule: &str| {
        globs_of(rule)
            .is_some_and(|globs| !own.iter().any(|path| globs.matches(path)) && !tracks(&globs))
    };
    let headings = headings(&tracks);
    let is_missing = |rule: &&str| {
        !there.contains(rule) && !there.contains(format!("!{rule}").as_str()) && is_safe(rule)
    };
    let mut lines: Vec<String> = Vec::new();
    let wanted = RULES
        .iter()
        .filter(|(heading, _)| headings.contains(heading));
    for (heading, rules) in wanted {
        let missing: Vec<&str> = rules.iter().copied().filter(is_missing).collect();
        if !missing.is_empty() {
            lines.extend([String::new(), format!("# {heading}")]);
            lines.extend(missing.into_iter().map(String::from));
        }
    }
    let keep: Vec<String> = kept(settings)
        .into_iter()
        .filter(|rule| !there.contains(rule.as_str()))
        .collect();
    if !keep.is_empty() {
        lines.extend([
            String::new(),
            "# But never what says which version is which".to_string(),
        ]);
        lines.extend(keep);
    }
    if lines.is_empty() {
        return None;
    }
    let newline = if before.contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    let lines = if before.is_empty() {
        &lines[1..]
    } else {
        &lines[..]
    };
    let gap = if before.is_empty() || before.ends_with('\n') {
        ""
    } else {
        newline
    };
    Some(format!("{before}{gap}{}{newline}", lines.join(newline)))
}

/// Returns the headings whose rules fit the repository: one of Node, Rust, Go or Java, without any
/// Python, has neither data nor caches of Python.
fn headings(tracks: &impl Fn(&Globs) -> bool) -> Vec<&'static str> {
    let has = |globs: &[&str]| {
        let globs: Vec<String> = globs.iter().map(ToString::to_string).collect();
        Globs::new(&globs).is_ok_and(|globs| tracks(&globs))
    };
    let is_other = has(&[
        "**/package.json",
        "**/Cargo.toml",
        "**/go.mod",
        "**/pom.xml",
    ]) && !has(&["**/*.py", "**/*.ipynb", "**/pyproject.toml"]);
    let of_python = ["Data", "Caches"];
    let all = RULES.iter().map(|(heading, _)| *heading);
    all.filter(|heading| !is_other || !of_python.contains(heading))
        .collect()
}

/// Returns the rules that exempt files from the rules above them.
fn kept(settings: &Settings) -> Vec<String> {
    let mut rules = vec![format!("!{}", settings.registry.to_text())];
    let usual = |config: &RelPath| {
        let text = config.to_text();
        text.strip_prefix("tasks/")
            .and_then(|rest| rest.split_once('/'))
            .is_some_and(|(_, name)| name == "config.yaml")
    };
    if settings
        .tasks
        .iter()
        .filter_map(|task| task.config.as_ref())
        .any(usual)
    {
        rules.push("!tasks/*/config.yaml".to_string());
    }
    rules
}

/// Returns paths that no rule may match: snapback's files, each task's folder and configuration.
fn own_paths(settings: &Settings) -> Vec<RelPath> {
    let manifest = settings.snapshots.join("snapshot-x-v1.0.0.yaml");
    let mut paths = vec![
        settings.registry.clone(),
        manifest,
        RelPath::own("snapback.yaml"),
        RelPath::own("snapback.yml"),
    ];
    for task in &settings.tasks {
        paths.push(task.dir.join("x"));
        paths.extend(task.config.clone());
    }
    paths
}

/// A rule of `.gitignore` without a `/` but at its end, as globs from the work tree.
fn globs_of(rule: &str) -> Option<Globs> {
    let below = format!("**/{}/**", rule.trim_end_matches('/'));
    let itself = (!rule.ends_with('/')).then(|| format!("**/{rule}"));
    Globs::new(&itself.into_iter().chain([below]).collect::<Vec<_>>()).ok()
}
