//! Versions that are not semantic: those of Python packages, and dates.

use crate::support::Sandbox;

/// A repository with two tasks of this scheme, whose first version is this.
fn with_scheme(scheme: &str, first: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    for task in ["T01", "T02"] {
        let config = format!("# the task\nversion: {first}   # released\n");
        sandbox.write(&format!("tasks/{task}/config.yaml"), config.as_bytes());
        sandbox.write(&format!("tasks/{task}/signal.py"), b"VALUE = 1\n");
    }
    let settings = format!("version: 1\ndefaults: {{scheme: {scheme}}}\n");
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox.commit("tasks");
    sandbox
}

/// Releases T01 with this option for its version.
#[track_caller]
fn release(sandbox: &Sandbox, option: &[&str]) -> crate::support::sandbox::Ran {
    let count = sandbox.git_out(&["rev-list", "--count", "HEAD"]);
    let text = format!("VALUE = 'after {count}'\n");
    sandbox.write("tasks/T01/signal.py", text.as_bytes());
    let line = [
        &["create-snapshot", "-t", "T01", "-m", "x", "--yes"],
        option,
    ]
    .concat();
    sandbox.snapback(&line)
}

/// The versions that `list` shows, the newest first.
fn versions(sandbox: &Sandbox) -> Vec<String> {
    let list = sandbox.run_line("list -t T01 --json").expect(0).json();
    let lines = list["data"]["tasks"][0]["releases"].as_array().cloned();
    let version = |line: &serde_json::Value| line["version"].as_str().map(String::from);
    lines
        .unwrap_or_default()
        .iter()
        .filter_map(version)
        .collect()
}

/// The version in the configuration of T01; the rest of the file is as it was.
fn config_version(sandbox: &Sandbox) -> String {
    let text = String::from_utf8(sandbox.read("tasks/T01/config.yaml")).unwrap();
    let rest = text.strip_prefix("# the task\nversion: ").unwrap();
    let version = rest.strip_suffix("   # released\n").unwrap();
    version.trim_matches('"').to_string()
}

/// Versions of each scheme, ascending.
const LIVES: [(&str, &str); 4] = [
    ("pep440", "1.2 1.3rc1 1.3 1.3.post1 1.10 2!1.0"),
    (
        "pep440",
        "1.0.dev3 1.0a1 1.0+local.1 1.0+local.2 1.0.1 1.1+cpu",
    ),
    (
        "calver",
        "2026.2 2026.02.23 2026.02.24-rc1 2026.02.24 2026.10.01 20270224",
    ),
    (
        "calver",
        "26.02.1 26.02.2 26.02.2-hotfix-20260224 26.02.10 26.10.1 27.1.1",
    ),
];

#[test]
fn a_life_in_each_scheme() {
    for (scheme, texts) in LIVES {
        let texts: Vec<&str> = texts.split(' ').collect();
        let sandbox = with_scheme(scheme, texts[0]);
        for text in &texts {
            release(&sandbox, &["--version", text]).expect(0);
            assert_eq!(config_version(&sandbox), *text);
            let tag = format!("T01-v{text}");
            assert_eq!(sandbox.git_out(&["tag", "--list", &tag]), tag);
            assert!(sandbox.exists(&format!("snapshots/snapshot-{tag}.yaml")));
        }
        sandbox.release("T02", texts[0]);
        let newest_first: Vec<&str> = texts.iter().rev().copied().collect();
        assert_eq!(versions(&sandbox), newest_first, "{scheme}");
        there_and_back(&sandbox, &texts);
        for line in [
            "verify-rollback -t T01",
            "verify-snapshot --all --deep",
            "undo --yes",
            "redo --yes",
            "rollback -t T01 --to latest --yes",
            "rollback -t T01 --to previous --yes",
            "status",
            "health",
            "doctor",
            "audit verify",
            "registry sync --from config --yes",
        ] {
            sandbox.run_line(line).expect(0);
        }
        for text in &texts {
            let tag = format!("T01-v{text}");
            for way in [["show", "-t", "T01", text], ["show", "-t", "T01", &tag]] {
                sandbox.snapback(&way).expect(0);
            }
            let mark = format!("mark good {text} -t T01 -m x");
            sandbox.run_line(&mark).expect(0);
        }
        let capsule = format!("capsule create -t T01 --version {} ../t.tar", texts[5]);
        sandbox.run_line(&capsule).expect(0);
        sandbox.run_line("capsule verify ../t.tar").expect(0);
        sandbox.git(&["fsck", "--strict"]).expect(0);
    }
}

/// Rolls back to the third of the versions, twice; each rollback has its marker.
fn there_and_back(sandbox: &Sandbox, texts: &[&str]) {
    let files = sandbox.read("tasks/T01/signal.py");
    let back = ["rollback", "-t", "T01", "--to", texts[2], "--yes"];
    sandbox.snapback(&back).expect(0);
    assert_ne!(sandbox.read("tasks/T01/signal.py"), files);
    assert_eq!(config_version(sandbox), texts[2]);
    sandbox
        .run_line("rollback -t T01 --to latest --yes")
        .expect(0);
    assert_eq!(sandbox.read("tasks/T01/signal.py"), files);
    sandbox.snapback(&back).expect(0);
    let pattern = format!("T01-v{}-rollback-from-v{}*", texts[2], texts[5]);
    let markers = sandbox.git_out(&["tag", "--list", &pattern]);
    assert_eq!(markers.lines().count(), 2, "{markers}");
    let adopt = sandbox.run_line("adopt --all --dry-run").expect(0);
    assert_eq!(adopt.stdout.matches("it marks a rollback").count(), 3);
}

#[test]
fn bumps_count_as_the_scheme_does() {
    let sandbox = with_scheme("pep440", "1.2");
    release(&sandbox, &[]).expect(0);
    release(&sandbox, &[]).expect(0);
    release(&sandbox, &["--bump", "minor"]).expect(0);
    release(&sandbox, &["--bump", "major"]).expect(0);
    release(&sandbox, &["--version", "2.1.0rc1"]).expect(0);
    release(&sandbox, &["--bump", "patch"]).expect(0);
    release(&sandbox, &["--bump", "auto"]).expect(0);
    let expected = [
        "2.1.1", "2.1.0", "2.1.0rc1", "2.0.0", "1.3.0", "1.2.1", "1.2",
    ];
    assert_eq!(versions(&sandbox), expected);

    let sandbox = with_scheme("calver", "2020.02.24");
    release(&sandbox, &[]).expect(0);
    release(&sandbox, &["--bump", "patch"]).expect(0);
    release(&sandbox, &["--bump", "auto"]).expect(0);
    release(&sandbox, &[]).expect(0);
    let all = versions(&sandbox);
    let today = &all[1];
    assert_eq!(today.len(), "2020.02.24".len(), "{all:?}");
    assert!(today.as_str() > "2026.01.01", "{all:?}");
    assert!(
        all[0] == format!("{today}.1") || all[0].len() == 10,
        "{all:?}"
    );
    assert_eq!(all[2..], ["2020.02.24.1", "2020.02.24"]);
    for bump in ["major", "minor"] {
        let ran = release(&sandbox, &["--bump", bump]);
        assert_eq!(ran.code, 2, "{ran:?}");
        let words = [format!("has no {bump} number"), "the date of today".into()];
        assert!(
            words.iter().all(|word| ran.stderr.contains(word)),
            "{ran:?}"
        );
    }
    assert_eq!(versions(&sandbox), all);
}

#[test]
fn a_version_of_another_scheme_is_refused_and_a_tag_of_it_is_told() {
    for (scheme, first, wrong, why) in [
        ("semver", "1.2.0", "1.2", "scheme semver"),
        ("semver", "1.2.0", "2026.02.24", "scheme semver"),
        ("pep440", "1.2", "1.3.0-rc.1", "1.3.0rc1"),
        ("pep440", "1.2", "1.2-hotfix-20260224", "1.2.post1"),
        (
            "calver",
            "2026.02.24",
            "1.2.0",
            "does not begin with a year",
        ),
    ] {
        let sandbox = with_scheme(scheme, first);
        release(&sandbox, &[]).expect(0);
        let ran = release(&sandbox, &["--version", wrong]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(
            ran.stderr.contains(why) && ran.stderr.contains("snapback.yaml"),
            "{ran:?}"
        );
        sandbox.commit("more");
        let tag = format!("T01-v{wrong}");
        sandbox.git(&["tag", &tag]).expect(0);
        assert_eq!(versions(&sandbox), [first]);
        let ran = sandbox.snapback(&["rollback", "-t", "T01", "--to", wrong, "--yes"]);
        assert_eq!(ran.code, 5, "{ran:?}");
        let ran = sandbox.run_line("adopt --all --dry-run").expect(0);
        assert!(
            ran.stdout.contains(&tag) && ran.stdout.contains(why),
            "{ran:?}"
        );
        let ran = sandbox.run_line("list -t T01").expect(0);
        assert_eq!(ran.stderr.contains(&tag), scheme != "semver", "{ran:?}");
        // The version in the configuration is told with its file.
        let text = format!("version: {wrong}\n");
        sandbox.write("tasks/T01/config.yaml", text.as_bytes());
        let ran = release(&sandbox, &[]);
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(
            ran.stderr.contains("config.yaml") && ran.stderr.contains(why),
            "{ran:?}"
        );
    }
}

#[test]
fn two_spellings_of_a_version_are_one() {
    let sandbox = with_scheme("pep440", "1.2");
    release(&sandbox, &[]).expect(0);
    for other in ["1.2", "1.2.0", "1.02"] {
        let ran = release(&sandbox, &["--version", other]);
        assert_eq!(ran.code, 7, "{ran:?}");
        assert!(ran.stderr.contains("T01-v1.2 exists already"), "{ran:?}");
    }
    release(&sandbox, &["--version", "1.3"]).expect(0);
    // A tag that somebody else spelled differently does not take its place.
    for tag in ["T01-v1.02", "T01-v1.2.0"] {
        sandbox.git(&["tag", tag]).expect(0);
        assert_eq!(versions(&sandbox), ["1.3", "1.2"]);
        let ran = sandbox.run_line("adopt --all --dry-run").expect(0);
        let line = ran
            .stdout
            .lines()
            .find(|line| line.contains(tag))
            .unwrap_or_default();
        assert!(line.contains("T01-v1.2 is the same version"), "{ran:?}");
    }
    for typed in ["1.2", "T01-v1.2", "v1.2", "1.2.00"] {
        sandbox
            .snapback(&["rollback", "-t", "T01", "--to", typed, "--yes"])
            .expect(0);
        assert_eq!(config_version(&sandbox), "1.2");
        sandbox.run_line("undo --yes").expect(0);
    }

    let sandbox = with_scheme("calver", "2026.02.24");
    release(&sandbox, &[]).expect(0);
    release(&sandbox, &["--version", "2026.03.01"]).expect(0);
    sandbox
        .run_line("rollback -t T01 --to 2026.2.24 --yes")
        .expect(0);
    assert_eq!(config_version(&sandbox), "2026.02.24");
    sandbox.run_line("verify-rollback -t T01").expect(0);
}

#[test]
fn init_proposes_the_scheme_that_tags_and_files_show() {
    let python = "[project]\nname = \"quant\"\nversion = \"1.3\"\n";
    for (file, text, tags, found) in [
        ("pyproject.toml", python, &[][..], Some("pep440")),
        (
            "pyproject.toml",
            python,
            &["v1.2", "v1.3rc1"],
            Some("pep440"),
        ),
        ("VERSION", "2026.02.24\n", &[], Some("calver")),
        ("notes.txt", "x\n", &["v2026.02.24"], Some("calver")),
        ("notes.txt", "x\n", &["2025.12", "2026.1"], Some("calver")),
        (
            "package.json",
            "{\"name\": \"quant\", \"version\": \"1.3.0\"}\n",
            &["v1", "v1.2"],
            None,
        ),
        ("notes.txt", "x\n", &["v1.2.0", "v1", "v1.2"], None),
    ] {
        let sandbox = Sandbox::empty();
        sandbox.write(file, text.as_bytes());
        sandbox.commit("files");
        for tag in tags {
            sandbox.git(&["tag", tag]).expect(0);
        }
        sandbox.run_line("init --yes").expect(0);
        let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
        let scheme = settings.split("scheme: ").nth(1).map(|rest| &rest[..6]);
        assert_eq!(scheme, found, "{file} {tags:?}: {settings}");
        if found.is_some() {
            sandbox.commit("settings");
            if !tags.is_empty() {
                sandbox.run_line("adopt --all --yes").expect(0);
            }
            sandbox.run_line("create-snapshot -m next --yes").expect(0);
            let count = sandbox.git_out(&["tag", "--list"]).lines().count();
            assert_eq!(count, tags.len() + 1);
            sandbox.run_line("verify-snapshot --all").expect(0);
        }
    }
    // Tasks that are found without settings have theirs in `defaults`.
    let sandbox = Sandbox::empty();
    sandbox.write("tasks/T01/config.yaml", b"version: 2026.02.24\n");
    sandbox.commit("tasks");
    sandbox.run_line("init --yes").expect(0);
    let settings = String::from_utf8(sandbox.read("snapback.yaml")).unwrap();
    assert!(
        settings.contains("\ndefaults:\n  scheme: calver\n"),
        "{settings}"
    );
    sandbox.commit("settings");
    sandbox
        .run_line("create-snapshot -t T01 -m first --yes")
        .expect(0);
    assert_eq!(versions(&sandbox), ["2026.02.24"]);
}

#[test]
fn versions_of_python_packages_are_set_in_their_files() {
    for (files, place) in [
        (
            &[(
                "pyproject.toml",
                "[project]\nname = \"q\"\nversion = \"1.2\"\n",
            )][..],
            0,
        ),
        (&[("setup.cfg", "[metadata]\nname = q\nversion = 1.2\n")], 0),
        (
            &[
                ("q/__init__.py", "\"\"\"q\"\"\"\n__version__ = '1.2'\n"),
                (
                    "pyproject.toml",
                    "[project]\nname = \"q\"\ndynamic = [\"version\"]\n[tool.setuptools.dynamic]\nversion = {attr = \"q.__version__\"}\n",
                ),
            ],
            0,
        ),
    ] {
        let sandbox = Sandbox::empty();
        for (path, text) in files {
            sandbox.write(path, text.as_bytes());
        }
        sandbox.write(
            "snapback.yaml",
            b"version: 1\ntasks:\n  discover: []\n  q: {path: ., tag: \"v{version}\", scheme: pep440}\n",
        );
        sandbox.commit("package");
        sandbox.run_line("create-snapshot -m first --yes").expect(0);
        sandbox.write("more.py", b"MORE = 1\n");
        sandbox
            .run_line("create-snapshot -m next --version 1.10.dev2 --yes")
            .expect(0);
        let (path, text) = files[place];
        let after = String::from_utf8(sandbox.read(path)).unwrap();
        assert_eq!(after, text.replace("1.2", "1.10.dev2"), "{path}");
        sandbox.write("more.py", b"MORE = 2\n");
        sandbox.run_line("create-snapshot -m next --yes").expect(0);
        assert_eq!(
            sandbox.git_out(&["tag", "--list"]),
            "v1.10\nv1.10.dev2\nv1.2"
        );
        sandbox.run_line("rollback --to 1.2 --yes").expect(0);
        assert_eq!(String::from_utf8(sandbox.read(path)).unwrap(), *text);
        sandbox.run_line("verify-rollback").expect(0);
    }
}
