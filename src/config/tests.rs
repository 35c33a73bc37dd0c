//! Loading real files from real folders.

use std::{fs, path::Path, time::Duration};

use super::*;
use crate::{
    base::Globs,
    model::{
        Version,
        overview::InitFile,
        settings::{CommandSpec, EnvMode, OnVerifyFail, Probe},
    },
};

/// A work tree with these files (a name that ends in `/` is a folder).
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

fn loaded(files: &[(&str, &str)]) -> Result<(Settings, Vec<String>), Arc<Error>> {
    let dir = tree(files);
    let loaded = loaded_in(dir.path(), None).map_err(Arc::new)?;
    let warnings = loaded.warnings.clone();
    Ok((loaded.whole()?, warnings))
}

fn loaded_in(dir: &Path, explicit: Option<&Path>) -> Result<Loaded, Error> {
    let tree = crate::base::Root::open(dir).expect("it opens");
    load(
        &tree,
        explicit,
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

fn into_failure(error: Arc<Error>) -> crate::base::Failure {
    Arc::into_inner(error)
        .expect("because the rest of what was read is gone")
        .into()
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
    let Loaded {
        settings, warnings, ..
    } = loaded_in(dir.path(), None).expect("it loads");
    assert!(
        settings.tasks.is_empty() && warnings[0].contains("symbolic link"),
        "{warnings:?}"
    );
}

#[test]
fn the_documented_example_says_what_it_shows() {
    let doc: Vec<&str> = include_str!("mod.rs")
        .lines()
        .skip_while(|line| *line != "//! ```yaml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//! "))
        .collect();
    let doc = doc.join("\n");
    let files = [
        ("snapback.yaml", doc.as_str()),
        ("strategies/S1/x", ""),
        ("strategies/.git2/x", ""),
        ("lib/util.py", ""),
    ];
    let (settings, warnings) = loaded(&files).expect("it loads");
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
fn the_first_file_is_valid_with_and_without_its_sample() {
    assert!(settings(init::TEMPLATE).tasks.is_empty());
    let (head, sample) = init::TEMPLATE
        .split_once("#\n")
        .expect("the sample follows an empty comment");
    let all = head.to_string() + &sample.replace("\n# ", "\n").replacen("# ", "", 1);
    let settings = settings(&all);
    assert_eq!(
        settings.task(&id("T01")).expect("it is there").probes,
        [Probe::DiskFree(1_000_000_000)]
    );
    assert_eq!(
        (
            settings.on_verify_fail,
            settings.env,
            settings.require_reason
        ),
        (OnVerifyFail::Undo, EnvMode::Plan, false)
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
    let whole = self::settings("tasks: {discover: [], all: {path: .}}");
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
fn what_is_wrong_is_named() {
    let cases = [
        ("version: 2", "version: the format 2"),
        ("tasks: {T01: {protekt: [x]}}", "unknown field `protekt`"),
        ("registry: ../x", "registry"),
        ("registry: /etc/x", "registry"),
        ("snapshots: .git/x", "snapshots"),
        ("tasks: {T01: {path: a/../b}}", "tasks.T01.path"),
        ("tasks: {T01: {path: []}}", "empty list"),
        ("tasks: {T01: {exclude: ['[']}}", "tasks.T01.exclude"),
        ("tasks: {'a b': {}}", "not a task id"),
        (
            "tasks: {T01: {}, T01: {}}",
            "line 1 column 18: duplicate mapping key: T01",
        ),
        ("tasks: {A: {path: a}, B: {path: a/b}}", "both own a/b/**"),
        ("tasks: {A: {path: a}, B: {path: a}}", "both own a/**"),
        ("tasks: {A: {path: .}, B: {path: b}}", "both own b/**"),
        (
            "tasks: {A: {path: ['x', 'q/*.py']}, B: {path: ['y', 'x/z/*.c']}}",
            "both own",
        ),
        (
            "tasks: {T01: {verify: [{run: x, timeout: 5}]}}",
            "not a time limit",
        ),
        (
            "tasks: {T01: {verify: [{timeout: 5s}]}}",
            "missing field `run`",
        ),
        ("tasks: {T01: {verify: [{run: ' '}]}}", "empty"),
        ("tasks: {T01: {ready: [{}]}}", "exactly one"),
        (
            "tasks: {T01: {ready: [{port: 80, disk_free: 1GB}]}}",
            "exactly one",
        ),
        ("tasks: {T01: {ready: [{port: x}]}}", "not a port"),
        ("tasks: {T01: {ready: [{http: 'https://x/'}]}}", "http://"),
        ("tasks: {T01: {large_files: {over: 1.5GB}}}", "not a size"),
        (
            "tasks: {T01: {start: {run: a}, restart: {run: b}}}",
            "keep one",
        ),
        (
            "tasks: {T01: {env: {variables: ['A=secret']}}}",
            "names only",
        ),
        ("tasks: {T01: {version_key: a..b}}", "empty name"),
        ("tasks: {discover: [{glob: '**/x'}]}", "**"),
        ("tasks: {discover: [{glob: 'a/*', id: T}]}", "{name}"),
        ("defaults: {path: x}", "defaults"),
        ("rollback: {env: of}", "unknown variant `of`"),
        ("a: &a [*a]", "acceptable"),
        ("- 1", "snapback.yaml is not a valid"),
    ];
    for (text, expected) in cases {
        let failure = failure(text);
        assert!(failure.to_string().contains(expected), "{text}: {failure}");
        assert_eq!(failure.kind(), Kind::Usage, "{text}");
    }
    assert!(
        !failure("tasks: {T01: {env: {variables: ['A=secret']}}}")
            .to_string()
            .contains("secret")
    );
    assert_eq!(
        failure("tasks: {T01: {protekt: [x]}}").hints()[0].why,
        "did you mean `protect`?"
    );
    assert_eq!(
        failure("regestry: x").hints()[0].why,
        "did you mean `registry`?"
    );
    assert_eq!(
        failure("rollback: {env: of}").hints()[0].why,
        "did you mean `off`?"
    );
    let nested = settings("tasks: {A: {path: ., exclude: [b/]}, B: {path: b}}");
    assert_eq!(
        nested.tasks.len(),
        2,
        "an outer task may give a folder away"
    );
}

#[test]
fn one_file_counts() {
    assert!(
        loaded(&[("snapback.yaml", ""), ("snapback.yml", "")])
            .is_err_and(|error| matches!(*error, Error::Choose))
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

fn init(dir: &Path, tracked: &[&str]) -> Vec<InitFile> {
    let settings = loaded_in(dir, None).expect("it loads").settings;
    let tracked: Vec<RelPath> = tracked
        .iter()
        .map(|path| RelPath::parse(path).expect("it is honest"))
        .collect();
    init_files(
        dir,
        &settings,
        |globs| tracked.iter().any(|path| globs.matches(path)),
        &[],
    )
    .expect("it plans")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests write files directly")]
fn init_writes_what_is_missing_and_nothing_twice() {
    let before = "# mine\r\n*.log\r\n!data/\r\nkeep";
    let dir = tree(&[
        ("tasks/T01/config.yaml", "version: 1.2.0\n"),
        ("tasks/T02/config.yaml", "name: x\n"),
        (".gitignore", before),
    ]);
    let files = init(dir.path(), &["exports/2025.csv", "tmp/x/y"]);
    assert_eq!(
        files
            .iter()
            .map(|file| file.path.to_text())
            .collect::<Vec<_>>(),
        [
            "snapback.yaml",
            "task_registry.json",
            ".gitignore",
            ".gitattributes"
        ]
    );
    let registry = Registry::parse(files[1].after.as_bytes()).expect("it is a registry");
    let version: Version = "1.2.0".parse().expect("it is a version");
    assert_eq!(registry.tasks(), [(id("T01"), Some(version))]);
    let ignore = &files[2];
    assert_eq!(ignore.before.as_deref(), Some(before));
    let added = ignore
        .after
        .strip_prefix(before)
        .expect("the text stays")
        .strip_prefix("\r\n\r\n# ")
        .expect("a new paragraph");
    let lines: Vec<&str> = added.split("\r\n").collect();
    for line in ["*.log", "data/", "*.csv", "tmp/"] {
        assert!(!lines.contains(&line), "{line} is there, wanted or tracked");
    }
    for line in [
        "logs/",
        "*.jsonl",
        ".env",
        ".venv/",
        "temp/",
        "!task_registry.json",
        "!tasks/*/config.yaml",
    ] {
        assert!(lines.contains(&line), "{line}");
    }
    for file in &files {
        fs::write(dir.path().join(file.path.as_os()), &file.after).expect("it writes");
    }
    assert!(
        init(dir.path(), &["exports/2025.csv", "tmp/x/y"]).is_empty(),
        "the second run has nothing to do"
    );
}

#[test]
#[expect(clippy::disallowed_methods, reason = "git is the judge")]
fn git_ignores_what_it_should_and_nothing_of_snapback() {
    let config = "registry: state/registry.json\nsnapshots: logs/manifests\ntasks: {discover: [{glob: 'data/*/'}]}\n";
    let dir = tree(&[
        ("snapback.yaml", config),
        ("data/T01/config.yaml", "version: 1.2.0\n"),
    ]);
    let files = init(dir.path(), &[]);
    assert_eq!(
        files
            .iter()
            .map(|file| file.path.to_text())
            .collect::<Vec<_>>(),
        ["state/registry.json", ".gitignore", ".gitattributes"]
    );
    fs::write(dir.path().join(".gitignore"), &files[1].after).expect("it writes");
    let git = |args: &[&str]| {
        let run = std::process::Command::new("git")
            .current_dir(dir.path())
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output();
        run.expect("git runs").status.success()
    };
    assert!(git(&["init", "-q"]));
    for path in [
        "a.log",
        "data/T01/x.log",
        "x/__pycache__/a",
        ".env",
        "data/T01/.venv/bin/python",
        "deep/x.db",
        "tmp/a",
    ] {
        assert!(git(&["check-ignore", "-q", path]), "{path} is ignored");
    }
    let own = [
        "snapback.yaml",
        "state/registry.json",
        "logs/manifests/snapshot-T01-v1.2.0.yaml",
        "data/T01/config.yaml",
        "data/T01/main.py",
    ];
    for path in own {
        assert!(!git(&["check-ignore", "-q", path]), "{path} is not ignored");
    }
}

#[test]
fn the_schema_knows_the_same_keys_as_the_reader() {
    let schema = schema();
    for place in [
        "/properties",
        "/$defs/task/properties",
        "/$defs/command/properties",
        "/$defs/ready/properties",
        "/$defs/rollback/properties",
        "/$defs/alerts/properties",
        "/$defs/channel/properties",
        "/$defs/hook/properties",
        "/$defs/email/properties",
        "/$defs/rule/properties",
    ] {
        let known: Vec<String> = schema
            .pointer(place)
            .and_then(|at| at.as_object())
            .expect(place)
            .keys()
            .cloned()
            .collect();
        let wrong = match place {
            "/properties" => "zzz: 1".to_string(),
            "/$defs/task/properties" => "tasks: {T01: {zzz: 1}}".to_string(),
            "/$defs/command/properties" => "tasks: {T01: {stop: {zzz: 1}}}".to_string(),
            "/$defs/ready/properties" => "tasks: {T01: {ready: [{zzz: 1}]}}".to_string(),
            "/$defs/rule/properties" => "tasks: {T01: {guard: [{zzz: 1}]}}".to_string(),
            "/$defs/alerts/properties" => "alerts: {zzz: 1}".to_string(),
            "/$defs/channel/properties" => "alerts: {channels: {a: {zzz: 1}}}".to_string(),
            "/$defs/hook/properties" => "alerts: {channels: {a: {webhook: {zzz: 1}}}}".to_string(),
            "/$defs/email/properties" => "alerts: {channels: {a: {email: {zzz: 1}}}}".to_string(),
            _ => "rollback: {zzz: 1}".to_string(),
        };
        let message = failure(&wrong).to_string();
        let mut read: Vec<String> = message
            .split('`')
            .skip(3)
            .step_by(2)
            .map(String::from)
            .collect();
        let mut known = known;
        known.sort();
        read.sort();
        assert_eq!(known, read, "{place}");
    }
}
