//! Edits of the version in configurations, in every notation, and the notations that are refused.
//!
//! Expected bytes are assembled independently of the code under test.

use proptest::prelude::*;

use super::{Error, task_config};
use crate::{
    base::{Failure, RelPath},
    model::{Scheme, Version},
};

fn version(text: &str) -> Version {
    text.parse().expect("it is a version")
}

fn file(name: &str) -> RelPath {
    RelPath::parse(name).expect("it is honest")
}

fn edited(text: &str, name: &str, key: &str) -> Result<String, Error> {
    task_config::with_version(text.as_bytes(), &file(name), key, &version("2.0.0"))
        .map(|bytes| String::from_utf8(bytes).expect("it is text"))
}

/// File name, key and text of every form in which a version is read and written.
const VERSION_FORMS: [(&str, &str, &str); 11] = [
    (
        "c.yaml",
        "version",
        "# top\nname: x\nversion: 1.10.0 # mine\nlist: [1, 2]\n",
    ),
    (
        "c.yaml",
        "version",
        "\u{feff}version: '1.10.0'\r\nname: 舆情 # c\r\n",
    ),
    ("c.yml", "version", "\"version\": \"1.10.0\""),
    (
        "c.yaml",
        "task.version",
        "task: {name: a, version: 1.10.0, x: 1.10.0}\nversion: 1.10.0x",
    ),
    (
        "c.yaml",
        "version",
        "---\nbase: &b {a: 1}\nuse: *b\nmore:\n  <<: *b\nversion: 1.10.0\n...\n",
    ),
    (
        "c.yaml",
        "version",
        "text: |\n  version: 9\n? [a, b]\n: c\nversion:   1.10.0\n1: one\non: yes\n",
    ),
    (
        "c.yaml",
        "version",
        "on: \nversion: 1.10.0\ny: \nn: 1\nno: 2\n",
    ),
    (
        "c.json",
        "version",
        "{\n\t\"version\" : \"1.10.0\",\r\n\t\"n\": 1e3\n}",
    ),
    (
        "c.JSON",
        "a.b.version",
        "\u{feff}{\"a\":{\"b\":{\"version\":\"1.10.0\"}}}",
    ),
    (
        "c.toml",
        "project.version",
        "# c\n[project]\nname = 'x'\nversion = \"1.10.0\" # v\n[tool]\nversion = 1\n",
    ),
    (
        "c.toml",
        "project.version",
        "project.version = '1.10.0'\r\n",
    ),
];

#[test]
fn only_the_version_of_a_config_changes() {
    for (name, key, text) in VERSION_FORMS {
        let read = task_config::version(text.as_bytes(), &file(name), key)
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(read, Some(version("1.10.0")), "{text}");
        let at = if key == "task.version" {
            text.find("1.10.0").expect("it is there")
        } else {
            text.rfind("1.10.0").expect("it is there")
        };
        let expected = format!("{}2.0.0{}", &text[..at], &text[at + 6..]);
        assert_eq!(
            edited(text, name, key).unwrap_or_else(|error| panic!("{text}: {error}")),
            expected
        );
    }
}

#[test]
fn edits_that_could_mean_more_than_one_place_are_refused() {
    let refused = [
        "version: &v 1.0.0\nother: *v\n",
        "other: &v 1.0.0\nversion: *v\n",
        "version: !!str 1.0.0\n",
        "version: |\n  1.0.0\n",
        "version: >-\n  1.0.0\n",
        "version: \"1.0\\\n  .0\"\n",
        "base: &b {version: 1.0.0}\n<<: *b\n",
        "version: 1.0.0\nversion: 1.0.0\n",
        "version: 1.0.0\n---\nversion: 1.0.0\n",
        "version: \"1.0\\x2e0\"\n",
        "version: {a: 1}\n",
        "version: [1.0.0]\n",
        "version: !: 1.0\n",
        "&root\nversion: 1.0.0\nall: *root\n",
        "version: 1.0.0\n  more\n",
    ];
    for text in refused {
        assert!(edited(text, "c.yaml", "version").is_err(), "{text}");
    }
    for text in [
        "version = 1.0\n",
        "version = '''1.0.0'''\n",
        "version = \"\"\"\n1.0.0\"\"\"\n",
        "version = [1]\n",
        "version = 1979-05-27\n",
        "version =",
    ] {
        assert!(edited(text, "c.toml", "version").is_err(), "{text}");
    }
    for text in [
        "{\"version\": 1}",
        "{\"version\": \"1.0.0\", \"version\": \"1.0.0\"}",
        "{\"version\": \"1.0.\\u0030\"}",
        "{\"version\": \"1.0.0\",,}",
    ] {
        assert!(edited(text, "c.json", "version").is_err(), "{text}");
    }
}

#[test]
fn a_version_that_yaml_takes_for_a_number_is_read_as_written_and_set_in_quotes() {
    for (before, new, after) in [
        ("version: 1.2 # x\n", "1.10", "version: \"1.10\" # x\n"),
        ("version: 1.2\n", "1.3rc1", "version: 1.3rc1\n"),
        ("version: '1.2'\n", "1.3", "version: '1.3'\n"),
        ("version: 1.2.0\n", "20260224", "version: \"20260224\"\n"),
        (
            "version: 2026.02.24\n",
            "2026.03.01",
            "version: 2026.03.01\n",
        ),
        ("version: 2!1.0\n", "2!1.1", "version: 2!1.1\n"),
    ] {
        let read = |text: &str| task_config::version(text.as_bytes(), &file("c.yaml"), "version");
        let found =
            task_config::with_version(before.as_bytes(), &file("c.yaml"), "version", &version(new));
        let found = String::from_utf8(found.expect(before)).expect("it is text");
        assert_eq!(found, after);
        let found = read(&found).expect("it is one").expect("it is there");
        assert_eq!(found.as_str(), new);
        assert!(read(before).expect("it is one").is_some());
    }
    for (name, text) in [
        ("c.json", "{\"version\": 1.2}"),
        ("c.toml", "version = 1.2\n"),
    ] {
        let read = task_config::version(text.as_bytes(), &file(name), "version");
        assert!(matches!(read, Err(Error::ReadVersion { .. })), "{text}");
    }
}

#[test]
fn a_missing_version_is_absent_and_a_wrong_one_is_named() {
    let read = |text: &str| {
        task_config::version_of(
            text.as_bytes(),
            &file("tasks/T01/config.yaml"),
            "task.version",
            Scheme::Semver,
        )
    };
    for text in [
        "",
        "# nothing\n",
        "version: 1.0.0\n",
        "task: {}\n",
        "task: {version: }\n",
        "task: {version: ~}\n",
        "task: x\n",
    ] {
        assert_eq!(read(text).expect("it is absent"), None, "{text}");
        assert!(
            matches!(
                edited(text, "c.yaml", "task.version"),
                Err(Error::NoVersion { .. })
            ),
            "{text}"
        );
    }
    for (text, shown) in [
        ("task: {version: 1.10}", "1.10"),
        ("task: {version: v1.0.0}", "v1.0.0"),
        ("task:\n  version: 010", "010"),
    ] {
        let error = read(text).expect_err("it is none");
        let lines = Failure::from(error).chain().join(" ");
        assert!(
            lines.contains("tasks/T01/config.yaml")
                && lines.contains("task.version")
                && lines.contains(shown),
            "{lines}"
        );
    }
    assert!(matches!(
        task_config::version(b"", &file("c.ini"), "version"),
        Err(Error::Format { .. })
    ));
    assert!(
        task_config::version(
            b"<<: {task: {version: 1.0.0}}\n",
            &file("c.yaml"),
            "task.version"
        )
        .is_err()
    );
}

#[test]
fn values_are_flat_exact_and_without_secrets() {
    let text = "version: 1.10\nrisk: {max_leverage: 5, stop: 0.10}\nlist: [a, {b: on}]\nempty: []\nnone: ~\napi: {token: abc, keys: 2}\nurl: http://u:p@h/\nsecrets:\n  a: x\n";
    let read = task_config::values(text.as_bytes(), &file("c.yaml")).expect("it reads");
    let lines: Vec<String> = read
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let expected = [
        "version=1.10",
        "risk.max_leverage=5",
        "risk.stop=0.10",
        "list[0]=a",
        "list[1].b=on",
        "empty=[]",
        "none=null",
        "api.token=***",
        "api.keys=2",
        "url=***",
        "secrets.a=***",
    ];
    assert_eq!(lines, expected);
    assert_eq!(
        task_config::values(b"[a]\nb = 1.50\n", &file("c.toml")).expect("it reads"),
        [("a.b".to_string(), "1.50".to_string())]
    );
}

proptest! {
    #[test]
    fn random_configs_keep_every_other_byte(
        before in proptest::collection::vec("([a-u]{1,5}: ([a-z0-9]{0,4}|'[a-z #:]{0,5}'|\\[a, 1\\]|\"舆\"))?( #[ -~]{0,6})?", 0..4),
        after in proptest::collection::vec("[v-z]{1,5}: [a-z0-9]{0,4}", 0..3),
        (quote, gap, comment) in ("['\"]?", " {1,3}", "( {1,2}#[ -~舆]{0,8})?"),
        (crlf, bom, nested, open) in any::<(bool, bool, bool, bool)>(),
    ) {
        let indent = if nested { "  " } else { "" };
        let write = |version: &str| {
            let head = if nested { vec!["top:".to_string()] } else { Vec::new() };
            let line = format!("version:{gap}{quote}{version}{quote}{comment}");
            let lines = before.iter().chain([&line]).chain(&after).map(|line| format!("{indent}{line}"));
            let end = if open { "" } else { "\n" };
            let text = format!("{}{}{end}", if bom { "\u{feff}" } else { "" }, head.into_iter().chain(lines).collect::<Vec<_>>().join("\n"));
            if crlf { text.replace('\n', "\r\n") } else { text }
        };
        let key = if nested { "top.version" } else { "version" };
        let text = write("1.10.0");
        match edited(&text, "c.yaml", key) {
            Ok(after) => prop_assert_eq!(after, write("2.0.0")),
            // Random keys may collide; every other edit must succeed.
            Err(error) => prop_assert!(matches!(error, Error::DuplicateKey { .. }), "{text:?}: {error}"),
        }
    }

    #[test]
    fn hostile_text_never_panics(text in "[\\[\\]{}'\"&*!|>%@`?,:#=<.~ \n\t\r0-9version舆\u{feff}-]{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for (name, lead) in [("c.yaml", "version: 1.0.0\n"), ("c.yaml", ""), ("c.json", ""), ("c.toml", "version = '1.0.0'\n")] {
            for tail in [text.as_bytes(), &bytes] {
                let all = [lead.as_bytes(), tail].concat();
                let _ = (task_config::version(&all, &file(name), "version"), task_config::values(&all, &file(name)));
                if let Ok(after) = task_config::with_version(&all, &file(name), "version", &version("2.0.0")) {
                    prop_assert_eq!(task_config::version(&after, &file(name), "version").expect("it reads"), Some(version("2.0.0")));
                }
            }
        }
    }
}
