//! Tests that `init` writes valid, complete files, and not twice; git judges the rules.

use std::{fs, path::Path};

use super::{super::*, id, loaded_in, settings, tree};
use crate::model::{
    Version,
    overview::InitFile,
    settings::{EnvMode, OnVerifyFail, Probe},
};

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
            settings.rollback.on_verify_fail,
            settings.rollback.env,
            settings.rollback.require_reason
        ),
        (OnVerifyFail::Undo, EnvMode::Plan, false)
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
        None,
        |globs| tracked.iter().any(|path| globs.matches(path)),
        &[],
    )
    .expect("it plans")
    .0
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
