//! Real-world configurations and registries: every edit changes the version alone.

use super::{Error, Registry, task_config};
use crate::{
    base::{Fault, Kind, RelPath},
    model::{Advice, Version},
};

fn version(text: &str) -> Version {
    text.parse().expect("it is a version")
}

fn edited(name: &str, key: &str, text: &str) -> Result<String, Error> {
    let file = RelPath::parse(name).expect("it is honest");
    let after = task_config::with_version(text.as_bytes(), &file, key, &version("2.0.0"))?;
    Ok(String::from_utf8(after).expect("it is text"))
}

/// Asserts that `1.0.0`, which occurs once, is read as the version, and only it is edited.
fn is_edited(name: &str, key: &str, text: &str) {
    let file = RelPath::parse(name).expect("it is honest");
    let read = task_config::version(text.as_bytes(), &file, key)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(read, Some(version("1.0.0")), "{text}");
    task_config::values(text.as_bytes(), &file).unwrap_or_else(|error| panic!("{text}: {error}"));
    let after = edited(name, key, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(after, text.replacen("1.0.0", "2.0.0", 1), "{text}");
}

#[test]
fn numbers_of_yaml_are_text_for_us() {
    let numbers = [
        ".inf",
        "-.inf",
        "+.INF",
        ".nan",
        ".NaN",
        "61e9540",
        "1e400",
        "0x1F",
        "0o17",
        "1_000",
        "-0",
        "190:20:30",
        "2026-01-01",
    ];
    let large = [
        "1".repeat(78),
        format!("-{}", "9".repeat(40)),
        format!("0x{}", "f".repeat(64)),
        format!("1.{}", "3".repeat(60)),
    ];
    for number in numbers.into_iter().map(String::from).chain(large) {
        is_edited(
            "c.yaml",
            "version",
            &format!("a: {number}\nversion: 1.0.0 # v\nb: [{number}, {number}]\n"),
        );
        is_edited(
            "c.yaml",
            "task.version",
            &format!("{number}: x\ntask:\n  version: '1.0.0'\n  n: {number}\n"),
        );
    }
}

#[test]
fn tags_merge_keys_and_odd_blanks_stay() {
    for text in [
        "a: !!timestamp 2026-01-01\nb: !Ref x\nc: !!binary aGk=\nd: !!set {x, y}\ne: !<tag:example.org,2026:x> [1]\nversion: 1.0.0\n",
        "%TAG !e! tag:example.org,2026:\n---\na: !e!x 1\nversion: 1.0.0\n",
        "%YAML 1.2\n---\nversion: 1.0.0\n",
        "a: &a {x: 1}\nb: &b {y: 2}\nc:\n  <<: *a\n  <<: *b\n  z: 3\nversion: 1.0.0\n",
        "a: &a {x: 1}\nc:\n  <<: [*a, *a]\nversion: 1.0.0\n",
        "a: \"x\u{2028}y\"\nversion: 1.0.0\n",
        "# one\u{2028}two\u{2029}three\u{85}four\nversion: 1.0.0\n",
        "a: 1\n\t\nversion: 1.0.0\n",
        "a: 1\n \t \n\n  \nversion: 1.0.0\n",
        "a: |+\n  x\n\n\nversion: 1.0.0\nb: >-\n  y\n",
        "version: &v 1.0.0\n",
        "&root\nversion: 1.0.0\n",
        "task: &t\n  x: 1\nversion: 1.0.0\n",
        "? a\n: b\n? [x, y]\n: c\nversion: 1.0.0\n",
        "version: 1.0.0\r\na: 1\r\n",
        "{version: 1.0.0, a: [.inf, ~, null]}",
        "on: yes\noff: no\ny: n\nversion: 1.0.0\n",
        "null: x\n~: y\nversion: 1.0.0\n",
        "a: 'it''s'\nb: \"\\x41\\u0042\\\"\"\nversion: 1.0.0\n",
        "emoji: 😀\nversion: 1.0.0\n",
    ] {
        is_edited("c.yaml", "version", text);
    }
}

#[test]
fn many_aliases_are_no_bomb_and_a_bomb_is_refused() {
    let jobs = (0..3_000)
        .map(|n| format!("  j{n}: *d\n"))
        .collect::<Vec<_>>()
        .concat();
    is_edited(
        "c.yaml",
        "version",
        &format!("d: &d {{retries: 3}}\njobs:\n{jobs}version: 1.0.0\n"),
    );
    let levels = (1..30)
        .map(|n| {
            format!(
                "a{n}: &a{n} [{}]\n",
                vec![format!("*a{}", n - 1); 9].join(",")
            )
        })
        .collect::<Vec<_>>()
        .concat();
    let error = edited(
        "c.yaml",
        "version",
        &format!("a0: &a0 [x]\n{levels}version: 1.0.0\n"),
    )
    .expect_err("it is a bomb");
    assert!(
        error.to_string().contains("written out") && error.kind() == Kind::Bad,
        "{error}"
    );
}

#[test]
fn of_several_documents_the_first_that_has_the_version_is_edited() {
    for text in [
        "version: 1.0.0\n---\n",
        "version: 1.0.0\n...\n",
        "---\nversion: 1.0.0\n---\n...\n",
        "a: 1\n---\nversion: 1.0.0\n---\nb: .nan\n",
        "version: 1.0.0\n---\nb: 1\n---\n- version: 9.9.9\n",
        "- x\n---\nversion: 1.0.0\n",
        "x: &x {a: 1}\ny: *x\n---\nversion: &x 1.0.0\n",
        "<<: {a: 1}\n---\nversion: 1.0.0\n",
    ] {
        is_edited("c.yaml", "version", text);
    }
    let error = edited(
        "c.yaml",
        "version",
        "version: 1.0.0\n---\na: 1\n---\nversion: 1.1.0\n",
    )
    .expect_err("it is ambiguous");
    assert!(
        error.to_string().contains("line 1") && error.to_string().contains("line 5"),
        "{error}"
    );
    assert_eq!(error.kind(), Kind::Refused);
}

#[test]
fn toml_of_every_kind_stays() {
    for (key, text) in [
        (
            "version",
            "version = \"1.0.0\"\nthreshold = nan\nmore = [inf, -inf, +nan, -nan]\n",
        ),
        (
            "version",
            "version = '1.0.0'\nbig = 115792089237316195423570985008687907853269984665640564039457584007913129639935\n",
        ),
        (
            "project.version",
            "project.version = \"1.0.0\"\nproject.\"a.b\".c = 1\n",
        ),
        (
            "tool.poetry.version",
            "[tool.poetry]\nversion = \"1.0.0\" # v\n[[tool.poetry.source]]\nname = 'x'\n",
        ),
        (
            "project.version",
            "project = { version = \"1.0.0\", list = [ 1, 2, ] }\n",
        ),
        (
            "version",
            "at = 1979-05-27T07:32:00.999999-07:00\nd = 1979-05-27\nt = 07:32:00\nl = 1979-05-27 07:32:00\nversion = \"1.0.0\"\n",
        ),
        (
            "version",
            "a = 0xDEADBEEF\nb = 0o755\nc = 0b1101\nd = 1_000\ne = 6.626e-34\nversion = \"1.0.0\"\n",
        ),
        (
            "version",
            "s = \"\"\"\nversion = 9\n\"\"\"\nl = '''\nx'''\nversion = \"1.0.0\"\r\n",
        ),
        (
            "package.version",
            "[package]\nversion = \"1.0.0\"\n[dependencies]\nversion = \"9\"\n",
        ),
    ] {
        is_edited("c.toml", key, text);
    }
}

#[test]
fn json_with_comments_and_words_of_python_stays() {
    for text in [
        "{\n  // the version\n  \"version\": \"1.0.0\", /* now */\n  \"a\": [1, 2,],\n}\n",
        "{\"a\": NaN, \"b\": [Infinity, -Infinity], \"version\": \"1.0.0\"}",
        "{\"wei\": 115792089237316195423570985008687907853269984665640564039457584007913129639935, \"version\": \"1.0.0\"}",
        "{\"e\": 1e999, \"f\": -1E-400, \"version\": \"1.0.0\"}",
        "{\"s\": \"\\ud83d\\ude00 // no\", \"version\": \"1.0.0\"}",
    ] {
        is_edited("c.json", "version", text);
        is_edited("c.jsonc", "version", text);
    }
}

#[test]
fn hints_are_written_in_the_format_of_the_file() {
    let hints = |name: &str, key: &str, text: &str| {
        let error = edited(name, key, text).expect_err("it has no version");
        error
            .hints()
            .into_iter()
            .map(|hint| hint.why)
            .collect::<Vec<_>>()
            .join(" | ")
    };
    let toml = hints(
        "pyproject.toml",
        "project.version",
        "[project]\nname = 'x'\n",
    );
    assert!(
        toml.contains("`version = \"2.0.0\"`") && toml.contains("below `[project]`"),
        "{toml}"
    );
    let dynamic = hints(
        "pyproject.toml",
        "project.version",
        "[project]\ndynamic = ['version']\n",
    );
    assert!(
        dynamic.contains("dynamic") && dynamic.contains("version_key"),
        "{dynamic}"
    );
    let json = hints("package.json", "version", "{}");
    assert!(json.contains("`\"version\": \"2.0.0\"`"), "{json}");
    let yaml = hints("c.yaml", "task.version", "a: 1\n");
    assert!(
        yaml.contains("`version: 2.0.0`") && yaml.contains("below `task:`"),
        "{yaml}"
    );
}

#[test]
fn a_merge_that_went_wrong_is_called_that() {
    let marked =
        "{\n<<<<<<< HEAD\n  \"T01\": \"1.0.0\"\n=======\n  \"T01\": \"1.1.0\"\n>>>>>>> other\n}\n";
    let error = Registry::parse(marked.as_bytes()).expect_err("it is in conflict");
    assert!(matches!(error, Error::Conflict { line: 2, .. }), "{error}");
    let advised = error.hints()[0].act.as_ref().and_then(Advice::of);
    assert_eq!(advised, Some(Advice::SyncFromConfigs));
    for name in ["c.yaml", "c.json", "c.toml"] {
        let error = edited(name, "version", &marked.replace("\"T01\":", "version ="))
            .expect_err("it is in conflict");
        assert!(matches!(error, Error::Conflict { .. }), "{name}: {error}");
    }
}

#[test]
fn a_registry_keeps_its_comments_and_words() {
    let task = "T02".parse().expect("it is an id");
    let text = "{\n  // all tasks\n  \"tasks\": {\n    \"T01\": {\"version\": \"0.9.0\", \"sharpe\": NaN}, // one\n    \"T02\": {\"version\": \"1.0.0\", \"wei\": 100000000000000000000}, // two\n  },\n}\n";
    let registry = Registry::parse(text.as_bytes()).expect("it is read");
    let after = registry
        .with_version(&task, &version("2.0.0"))
        .expect("it is edited");
    assert_eq!(
        String::from_utf8_lossy(&after),
        text.replace("1.0.0", "2.0.0")
    );
    let added = registry
        .with_version(&"T03".parse().expect("it is an id"), &version("3.0.0"))
        .expect("it is added");
    let expected = text.replace(
        "}, // two\n",
        "}, // two\n    \"T03\": {\"version\": \"3.0.0\"},\n",
    );
    assert_eq!(String::from_utf8_lossy(&added), expected);
    let error = registry
        .without_task(&task)
        .expect_err("a comment would go with it");
    assert!(
        error.to_string().contains("comment") && error.kind() == Kind::Refused,
        "{error}"
    );
    let entry = registry.entry_text(&task).expect("it is there");
    assert_eq!(entry, r#"{"version":"1.0.0","wei":100000000000000000000}"#);
}
