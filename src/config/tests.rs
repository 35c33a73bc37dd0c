//! Tests that load real files from real folders.

mod first_files;
mod mistakes;
mod page;
mod shapes;

use std::{fs, path::Path, time::Duration};

use super::*;
use crate::{
    base::Globs,
    model::settings::{CommandSpec, Probe},
};

/// Creates a work tree with these files (a name that ends in `/` is a folder).
#[expect(clippy::disallowed_methods, reason = "tests write files directly")]
fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("because tests can make folders");
    for (name, text) in files {
        let path = dir.path().join(name);
        let parent = if name.ends_with('/') {
            path.as_path()
        } else {
            path.parent().expect("it is below the folder")
        };
        fs::create_dir_all(parent).expect("it makes folders");
        if !name.ends_with('/') {
            fs::write(&path, text).expect("it writes");
        }
    }
    dir
}

fn loaded(files: &[(&str, &str)]) -> Result<(Settings, Vec<String>), Arc<dyn Fault>> {
    let dir = tree(files);
    let loaded = loaded_in(dir.path(), None).map_err(|error| Arc::new(error) as Arc<dyn Fault>)?;
    let warnings = loaded.warnings.clone();
    Ok((loaded.whole()?, warnings))
}

fn loaded_in(dir: &Path, explicit: Option<&Path>) -> Result<LoadedConfig, Error> {
    let tree = crate::base::Root::open(dir).expect("it opens");
    load(
        ConfigSource {
            tree: &tree,
            explicit,
            kinds: Kinds::ALL,
            only: "",
        },
        |path| fs::read(dir.join(path.as_os())).ok(),
        |_| Vec::new(),
        |_| false,
    )
}

fn settings(text: &str) -> Settings {
    loaded(&[("snapback.yaml", text)])
        .unwrap_or_else(|error| panic!("{text}: {}", into_failure(error)))
        .0
}

fn failure(text: &str) -> crate::base::Failure {
    into_failure(
        loaded(&[("snapback.yaml", text)])
            .map(drop)
            .expect_err(text),
    )
}

fn into_failure(error: Arc<dyn Fault>) -> crate::base::Failure {
    crate::site::Error::Settings(error).into()
}

fn id(text: &str) -> TaskId {
    text.parse().expect("it is an id")
}

fn matches(globs: &[String], path: &str) -> bool {
    Globs::new(globs)
        .expect("they compile")
        .matches(&RelPath::parse(path).expect("it is honest"))
}

#[test]
fn without_a_file_folders_with_a_configuration_are_tasks() {
    let files = [
        ("tasks/T02/config.json", "{}"),
        ("tasks/T01/config.yaml", ""),
        ("tasks/T01/config.json", "{}"),
        ("tasks/none/main.py", ""),
        ("tasks/bad id/config.yaml", ""),
        ("tasks/.hidden/config.yaml", ""),
        ("tasks/file", ""),
        ("task_registry.json", r#"{"T01": "1.0.0", "T77": "1.0.0"}"#),
    ];
    let (settings, warnings) = loaded(&files).expect("it loads");
    let found: Vec<_> = settings
        .tasks
        .iter()
        .map(|task| {
            (
                task.id.as_str(),
                task.config.as_ref().expect("it has one").to_text(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("T01", "tasks/T01/config.yaml".to_string()),
            ("T02", "tasks/T02/config.json".to_string())
        ]
    );
    assert_eq!(
        settings.task(&id("T01")).expect("it is there").paths,
        ["tasks/T01/**"]
    );
    assert!(!settings.from_file);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].contains("bad id") && warnings[1].contains("T77"),
        "{warnings:?}"
    );
    assert!(
        loaded(&[])
            .expect("an empty repository has no tasks")
            .0
            .tasks
            .is_empty()
    );
}

#[test]
fn a_linked_folder_is_no_task() {
    let dir = tree(&[("real/config.yaml", ""), ("tasks/", "")]);
    std::os::unix::fs::symlink("../real", dir.path().join("tasks/T01")).expect("it links");
    let LoadedConfig {
        settings, warnings, ..
    } = loaded_in(dir.path(), None).expect("it loads");
    assert!(
        settings.tasks.is_empty() && warnings[0].contains("symbolic link"),
        "{warnings:?}"
    );
}

/// Returns the example in the documentation of the room.
fn example() -> String {
    let lines: Vec<&str> = include_str!("mod.rs")
        .lines()
        .skip_while(|line| *line != "//! ```yaml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//! "))
        .collect();
    lines.join("\n")
}

/// Loads that example in a work tree with some of the files it names.
fn documented_example() -> (Settings, Vec<String>) {
    let doc = example();
    let files = [
        ("snapback.yaml", doc.as_str()),
        ("strategies/S1/x", ""),
        ("strategies/.git2/x", ""),
        ("lib/util.py", ""),
    ];
    loaded(&files).expect("it loads")
}

#[test]
fn the_documented_example_names_the_files_that_it_shows() {
    let (settings, warnings) = documented_example();
    assert_eq!(warnings, ["the folder of T01 is not there: research/t01"]);
    assert_eq!(
        settings
            .tasks
            .iter()
            .map(|task| task.id.as_str())
            .collect::<Vec<_>>(),
        ["S1", "T01"]
    );
    let task = settings.task(&id("T01")).expect("it is there");
    assert_eq!(
        (task.dir.to_text().as_str(), task.paths.as_slice()),
        ("research/t01", ["research/t01/**".to_string()].as_slice())
    );
    assert!(
        matches(&task.exclude, "research/t01/a/b.parquet")
            && matches(&task.exclude, "research/t01/logs/x/y")
    );
    assert!(!matches(&task.exclude, "research/t01/logs") && !matches(&task.exclude, "logs/x"));
    assert_eq!(task.shared, ["lib/util.py"]);
    assert!(
        matches(&task.protect, "research/t01/deep/positions.json")
            && matches(&task.large_files, "research/t01/m.bin")
    );
    assert_eq!(
        (task.large_over, task.title.as_deref()),
        (Some(50_000_000), Some("Momentum"))
    );
    assert_eq!(
        task.config.as_ref().map(RelPath::to_text).as_deref(),
        Some("research/t01/config.yaml")
    );
    assert_eq!(
        task.venv.as_ref().map(RelPath::to_text).as_deref(),
        Some("research/t01/.venv")
    );
    let other = settings.task(&id("S1")).expect("it was found");
    assert!(
        matches(&other.exclude, "strategies/S1/a/__pycache__/x.pyc"),
        "defaults hold"
    );
    assert!(
        !matches(&task.exclude, "research/t01/__pycache__/x"),
        "a task's own list replaces the default"
    );
}

#[test]
fn the_documented_example_runs_what_it_shows() {
    let (settings, _) = documented_example();
    let task = settings.task(&id("T01")).expect("it is there");
    assert_eq!(task.environment_variables, ["TUSHARE_TOKEN"]);
    assert_eq!(
        task.smoke,
        [CommandSpec {
            run: "python -m pytest -q -m smoke".into(),
            timeout: Duration::from_mins(2)
        }]
    );
    let limit = Duration::from_secs(30);
    let http = "http://127.0.0.1:8080/ok".to_string();
    assert_eq!(
        task.probes,
        [
            Probe::Port("127.0.0.1".into(), 8080, limit),
            Probe::Http(http, limit),
            Probe::DiskFree(1_000_000_000)
        ]
    );
    assert_eq!(task.stop.as_ref().map(|stop| stop.timeout), Some(limit));
    assert_eq!(
        task.start.as_ref().map(|start| start.run.as_str()),
        Some("systemctl --user restart t01")
    );
}

#[test]
fn named_tasks_and_discovery_go_together() {
    let text = "tasks: {T01: {title: One}, X: {path: [lib/a.py, research/x/]}}";
    let files = [
        ("snapback.yaml", text),
        ("tasks/T01/config.yaml", ""),
        ("tasks/T02/config.yml", ""),
        ("lib/a.py", ""),
    ];
    let (settings, _) = loaded(&files).expect("it loads");
    assert_eq!(
        settings
            .tasks
            .iter()
            .map(|task| task.dir.to_text())
            .collect::<Vec<_>>(),
        ["tasks/T01", "tasks/T02", "research/x"]
    );
    assert_eq!(
        settings.task(&id("X")).expect("it is there").paths,
        ["lib/a.py", "research/x/**"]
    );
}

#[test]
fn rules_may_name_deep_folders_but_no_folder_twice() {
    let rules = "tasks: {discover: [{glob: 'q?/fix/*', id: 'S-{name}'}, {glob: q1/fix/}]}";
    let deep = loaded(&[
        ("snapback.yaml", rules),
        ("q1/fix/a/", ""),
        ("q2/fix/b/x", ""),
        ("q22/fix/c/", ""),
        ("q3/a/", ""),
    ]);
    assert_eq!(
        deep.err().map(|error| error.to_string()).as_deref(),
        Some(
            "the configuration is wrong at line 1, tasks.S-a: fix and S-a both own q1/fix/a/**; use `exclude` in one of them, or `shared` for files that both use"
        )
    );
    let deep = loaded(&[
        ("snapback.yaml", &rules.replace("q1/fix/}", "none/*/}")),
        ("q1/fix/a/", ""),
        ("q2/fix/b/x", ""),
        ("q22/fix/c/", ""),
    ]);
    assert_eq!(
        deep.expect("it loads")
            .0
            .tasks
            .iter()
            .map(|task| task.id.as_str())
            .collect::<Vec<_>>(),
        ["S-a", "S-b"]
    );
}

#[test]
fn without_discovery_only_what_is_named_is_a_task() {
    let none = loaded(&[
        ("snapback.yaml", "tasks: {discover: [], A: }"),
        ("tasks/T01/config.yaml", ""),
    ])
    .expect("it loads")
    .0;
    assert_eq!(
        none.tasks
            .iter()
            .map(|task| task.dir.to_text())
            .collect::<Vec<_>>(),
        ["tasks/A"]
    );
    let whole = settings("tasks: {discover: [], all: {path: .}}");
    assert_eq!(
        (
            whole.tasks[0].dir.is_root(),
            whole.tasks[0].paths.as_slice()
        ),
        (true, ["**".to_string()].as_slice())
    );
    assert!(
        matches(&whole.tasks[0].exclude, "snapshots/x.yaml")
            && matches(&whole.tasks[0].exclude, "task_registry.json")
    );
}

#[test]
fn patterns_of_a_task_are_read_as_git_reads_them() {
    let text = "tasks: {T01: {exclude: ['*.log', /top.txt, sub/x, build/, 'tasks/T01/y'], config: tasks/T01/s.yaml, env: {venv: /envs/t}}}";
    let task = settings(text).tasks.swap_remove(0);
    for hit in [
        "tasks/T01/a.log",
        "tasks/T01/d/e.log",
        "top.txt",
        "tasks/T01/sub/x",
        "tasks/T01/sub/x/y",
        "tasks/T01/q/build/o",
        "tasks/T01/y",
    ] {
        assert!(matches(&task.exclude, hit), "{hit}");
    }
    for miss in [
        "a.log",
        "tasks/T01/top.txt",
        "tasks/T01/q/sub/x",
        "tasks/T01/build",
        "tasks/T02/a.log",
    ] {
        assert!(!matches(&task.exclude, miss), "{miss}");
    }
    assert_eq!(
        task.config.expect("it is set").to_text(),
        "tasks/T01/s.yaml"
    );
    assert_eq!(task.venv.expect("it is set").to_text(), "envs/t");
}

#[test]
fn one_file_counts() {
    assert!(
        loaded(&[("snapback.yaml", ""), ("snapback.yml", "")])
            .is_err_and(|error| error.to_string() == Error::Choose.to_string())
    );
    let dir = tree(&[
        ("snapback.yaml", "registry: a"),
        ("other.yaml", "registry: b"),
        ("snapback.yml/", ""),
    ]);
    assert!(
        matches!(loaded_in(dir.path(), None), Err(Error::Read { .. })),
        "a folder is no file"
    );
    let explicit = dir.path().join("other.yaml");
    let settings = loaded_in(dir.path(), Some(&explicit))
        .expect("it loads")
        .settings;
    assert_eq!(
        (settings.registry.to_text().as_str(), settings.from_file),
        ("b", true)
    );
    assert!(loaded_in(dir.path(), Some(Path::new("missing.yaml"))).is_err());
    let large = " ".repeat((1 << 20) + 1);
    assert!(failure(&large).to_string().contains("more than"));
    assert!(self::settings("\u{feff}# nothing\n").tasks.is_empty());
}

#[test]
fn a_thousand_tasks_are_found() {
    let names: Vec<String> = (0..1000)
        .map(|n| format!("tasks/T{n:04}/config.yaml"))
        .collect();
    let dir = tree(
        &names
            .iter()
            .map(|name| (name.as_str(), "version: 1.0.0\n"))
            .collect::<Vec<_>>(),
    );
    let found = loaded_in(dir.path(), None)
        .expect("it loads")
        .settings
        .tasks;
    let ids: Vec<String> = found.iter().map(|task| task.id.to_string()).collect();
    assert_eq!(
        ids,
        (0..1000).map(|n| format!("T{n:04}")).collect::<Vec<_>>()
    );
}
