//! Values for the TAB key: task ids, and the versions of the task on the command line.
//!
//! Silent on any failure: a completion must never get in the way.

use std::path::PathBuf;

use clap_complete::CompletionCandidate;

use crate::{
    app::{App, Options},
    model::TaskId,
};

/// Returns the ids of all tasks, with their titles.
pub fn tasks() -> Vec<CompletionCandidate> {
    let words = words();
    let Some(app) = open(&words, &typed_task(&words)) else {
        return Vec::new();
    };
    let candidate = |task: &crate::model::TaskSpec| {
        CompletionCandidate::new(task.id.to_string()).help(
            task.title
                .as_ref()
                .map(|title| super::render::safe(title).into()),
        )
    };
    app.settings().tasks.iter().map(candidate).collect()
}

/// Returns the versions of the task on the line (or of the folder), and the words for versions.
pub fn versions() -> Vec<CompletionCandidate> {
    let words = words();
    let by_name = named_task(&words).and_then(|name| {
        let app = open(&words, &name)?;
        let task = app.find_task(&name).ok()?;
        Some((app, task))
    });
    let any = || {
        let app = open(&words, "")?;
        let named = named_task(&words).and_then(|name| app.find_task(&name).ok());
        let task = named.or_else(|| here(&app))?;
        Some((app, task))
    };
    let Some((app, task)) = by_name.or_else(any) else {
        return Vec::new();
    };
    let names = app.release_names(&task).unwrap_or_default();
    let candidate = |(version, about): (crate::model::Version, String)| {
        CompletionCandidate::new(version.to_string()).help(Some(super::render::safe(&about).into()))
    };
    let words = [
        ("previous", "the one before the active one"),
        ("last-good", "the newest proven one"),
        ("latest", "the newest one"),
    ];
    let words = words
        .into_iter()
        .map(|(word, help)| CompletionCandidate::new(word).help(Some(help.into())));
    names.into_iter().map(candidate).chain(words).collect()
}

fn here(app: &App) -> Option<TaskId> {
    app.settings()
        .only_task()
        .map(|only| only.id.clone())
        .or_else(|| app.task_here())
}

/// Returns the words on the line, which follow the `--` of the completion call.
fn words() -> Vec<String> {
    let all = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    all.skip_while(|word| word != "--").skip(1).collect()
}

/// Opens the repository, with the tasks whose ids begin with `only`.
fn open(words: &[String], only: &str) -> Option<App> {
    let dir = value_of(words, "-C", "-C").map_or_else(|| PathBuf::from("."), PathBuf::from);
    let config = value_of(words, "--config", "--config").map(PathBuf::from);
    App::open(
        &dir,
        Options {
            config,
            only: only.into(),
            ..Options::default()
        },
    )
    .ok()
}

/// Returns what was typed of the last word, if that is a task.
fn typed_task(words: &[String]) -> String {
    let last = words.last().map_or("", String::as_str);
    let value = named_task(words).filter(|value| last.ends_with(&value[..]));
    value.unwrap_or_else(|| {
        let is_option = last.starts_with('-');
        if is_option { "" } else { last }.into()
    })
}

fn named_task(words: &[String]) -> Option<String> {
    value_of(words, "-t", "--task")
}

/// Returns the last value of an option: `-t X`, `-tX`, `--task X`, `--task=X`.
fn value_of(words: &[String], short: &str, long: &str) -> Option<String> {
    let mut found = None;
    for (at, word) in words.iter().enumerate() {
        let attached = word
            .strip_prefix(long)
            .and_then(|rest| rest.strip_prefix('='));
        let glued = word
            .strip_prefix(short)
            .filter(|rest| !rest.is_empty() && !short.starts_with("--"));
        if word == short || word == long {
            found = words.get(at + 1).cloned().or(found);
        } else if let Some(value) = attached.or(glued) {
            found = Some(value.to_string());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_on_the_line_is_found() {
        let task = |line: &str| named_task(&line.split(' ').map(String::from).collect::<Vec<_>>());
        assert_eq!(
            task("snapback rollback -t T01 --to").as_deref(),
            Some("T01")
        );
        assert_eq!(
            task("snapback rollback --task=T02 --to").as_deref(),
            Some("T02")
        );
        assert_eq!(task("snapback rollback -tT03 --to").as_deref(), Some("T03"));
        assert_eq!(task("snapback rollback --to"), None);
    }
}
