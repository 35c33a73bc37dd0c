//! Edits of registries, on the shapes that users have and on random ones.
//!
//! Results are never judged by the code under test: bytes are compared with independently assembled
//! bytes, and values with serde_json's reading.

use proptest::prelude::*;

use super::{Error, Registry};
use crate::{
    base::{Fault, Kind},
    model::{TaskId, Version},
};

fn task(text: &str) -> TaskId {
    text.parse().expect("it is an id")
}

fn version(text: &str) -> Version {
    text.parse().expect("it is a version")
}

fn registry(text: &str) -> Registry {
    Registry::parse(text.as_bytes()).expect("it is a registry")
}

fn with(text: &str, id: &str, to: &str) -> String {
    String::from_utf8(
        registry(text)
            .with_version(&task(id), &version(to))
            .expect("it is edited"),
    )
    .expect("it is text")
}

const SHAPES: [&str; 9] = [
    r#"{"T01": {"version": "1.2.0", "note": "竞价"}, "T02": {"version": "9.9.9"}}"#,
    r#"{"T01": "1.2.0", "T02": "9.9.9"}"#,
    "{\n\t\"tasks\": {\n\t\t\"T02\": {\"version\": \"9.9.9\"},\n\t\t\"T01\": {\"name\": \"x\", \"version\": \"1.2.0\"}\n\t}\n}\n",
    "\u{feff}{\r\n  \"tasks\": [\r\n    {\"id\": \"T01\", \"version\": \"1.2.0\"}, {\"id\": \"T02\", \"version\": \"9.9.9\"}\r\n  ]\r\n}",
    r#"{"tasks":[{"task_id":"T01","current_version":"1.2.0"},{"task_id":"T02","current_version":"9.9.9"}]}"#,
    r#"[ {"name": "T01", "active_version": "1.2.0"}, {"name": "T02", "active_version": "9.9.9"} ]"#,
    r#"{"updated": "2026-02-24", "version": "3.0.0", "T01": {"deps": {"version": "0.0.1"}, "version":"1.2.0"}, "T02": {"version": "9.9.9"}}"#,
    r#"{"tasks": {"T01": {"current_version": "1.2.0"}, "T02": {"active_version": "9.9.9"}}, "version": "3.0.0"}"#,
    "{\"T01\" : { \"version\" : \"1.\\u0032.0\" } , \"T02\" : { \"version\" : \"9.9.9\" } }",
];

#[test]
fn every_shape_is_read_and_only_the_version_changes() {
    for text in SHAPES {
        let registry = registry(text);
        assert_eq!(
            registry.version(&task("T01")).expect("it reads"),
            Some(version("1.2.0")),
            "{text}"
        );
        assert_eq!(registry.version(&task("T9")).expect("it reads"), None);
        let mut tasks = registry.tasks();
        tasks.sort();
        assert_eq!(
            tasks,
            [
                (task("T01"), Some(version("1.2.0"))),
                (task("T02"), Some(version("9.9.9")))
            ],
            "{text}"
        );
        let old = if text.contains("1.2.0") {
            "\"1.2.0\""
        } else {
            "\"1.\\u0032.0\""
        };
        let expected = text.replace(old, "\"1.3.0-rc.1\"");
        assert_eq!(with(text, "T01", "1.3.0-rc.1"), expected);
    }
}

#[test]
fn an_entry_is_added_in_the_style_of_the_file_and_taken_back() {
    let added = [
        (SHAPES[0], r#", "T03": {"version": "0.1.0"}}"#),
        (SHAPES[1], r#", "T03": "0.1.0"}"#),
        (
            SHAPES[2],
            ",\n\t\t\"T03\": {\"version\": \"0.1.0\"}\n\t}\n}\n",
        ),
        (
            SHAPES[3],
            ", {\"id\": \"T03\", \"version\": \"0.1.0\"}\r\n  ]\r\n}",
        ),
        (
            SHAPES[4],
            r#",{"task_id":"T03","current_version":"0.1.0"}]}"#,
        ),
        (
            SHAPES[5],
            r#", {"name": "T03", "active_version": "0.1.0"} ]"#,
        ),
        (
            SHAPES[7],
            r#", "T03": {"active_version": "0.1.0"}}, "version": "3.0.0"}"#,
        ),
        (SHAPES[8], " , \"T03\" : { \"version\" : \"0.1.0\" } }"),
    ];
    for (text, end) in added {
        let after = with(text, "T03", "0.1.0");
        assert!(after.ends_with(end), "{after}");
        assert_eq!(
            registry(&after)
                .without_task(&task("T03"))
                .expect("it is there"),
            text.as_bytes()
        );
    }
    assert!(
        with(SHAPES[1], "T00", "0.1.0").starts_with(r#"{"T00": "0.1.0", "T01""#),
        "sorted files stay sorted"
    );
}

#[test]
fn an_empty_registry_grows_and_shrinks() {
    let empty = Registry::empty();
    assert_eq!(empty.bytes(), b"{\n  \"tasks\": {}\n}\n");
    let one = empty
        .with_version(&task("T02"), &version("1.0.0"))
        .expect("it is added");
    let two = Registry::parse(&one)
        .and_then(|one| one.with_version(&task("T01"), &version("2.0.0")))
        .expect("it is added");
    assert_eq!(
        two,
        Registry::of(&[
            (task("T01"), version("2.0.0")),
            (task("T02"), version("1.0.0"))
        ])
    );
    let back = Registry::parse(&two)
        .and_then(|two| two.without_task(&task("T01")))
        .expect("it goes");
    assert_eq!(back, one);
    assert_eq!(
        Registry::parse(&one)
            .and_then(|one| one.without_task(&task("T02")))
            .expect("it goes"),
        empty.bytes()
    );
    assert_eq!(
        with("{}", "T01", "1.0.0"),
        "{\n  \"T01\": {\n    \"version\": \"1.0.0\"\n  }\n}"
    );
    assert_eq!(
        with("[]\n", "T01", "1.0.0"),
        "[\n  {\n    \"id\": \"T01\",\n    \"version\": \"1.0.0\"\n  }\n]\n"
    );
    assert_eq!(
        with(r#"{"tasks":{}}"#, "T01", "1.0.0"),
        r#"{"tasks":{"T01":{"version":"1.0.0"}}}"#
    );
}

#[test]
fn an_entry_without_a_version_gets_one() {
    assert_eq!(
        with(r#"{"T01": {"note": "x"}}"#, "T01", "1.0.0"),
        r#"{"T01": {"note": "x", "version": "1.0.0"}}"#
    );
    assert_eq!(
        with(r#"{"T01": {"version": null}}"#, "T01", "1.0.0"),
        r#"{"T01": {"version": "1.0.0"}}"#
    );
    assert_eq!(
        with("{\"T01\": {}}", "T01", "1.0.0"),
        "{\"T01\": {\"version\": \"1.0.0\"}}"
    );
}

#[test]
fn bad_registries_are_refused_with_the_place() {
    let error = |text: &str| Registry::parse(text.as_bytes()).expect_err("it is bad");
    assert!(
        matches!(error("{\n \"T01\": \"1.0.0\",\n \"T01\": \"1.0.0\"}"), Error::DuplicateKey { key, line: 3, .. } if key == "T01")
    );
    assert!(
        matches!(error("[{\"id\": \"A\"},\n{\"id\": \"A\"}]"), Error::DuplicateKey { key, line: 2, .. } if key == "A")
    );
    assert!(matches!(
        error("{\n\n \"a\": 1,,}"),
        Error::Parse { line: 3, .. }
    ));
    for text in [
        "",
        "{} # c",
        "{'a': 1}",
        "{\"a\": 1 \"b\": 2}",
        "{\"a\": nan}",
        "[1, 2,,]",
        "{a: 1}",
        "\"x\"",
        "{\"tasks\": null}",
        "\u{feff}",
    ] {
        assert_eq!(error(text).kind(), Kind::Bad, "{text}");
    }
    assert!(matches!(error(&"[".repeat(100_000)), Error::Parse { .. }));
    let large = vec![b' '; (16 << 20) + 1];
    assert!(matches!(
        Registry::parse(&large),
        Err(Error::TooLarge { .. })
    ));
    assert!(matches!(
        Registry::parse(b"{\"a\": \"\xff\"}"),
        Err(Error::Parse { line: 1, .. })
    ));
}

#[test]
fn bad_versions_are_named_and_never_overwritten_by_chance() {
    let wrong = registry(
        r#"{"T01": {"version": "v1.2"}, "T02": {"version": 1.2}, "T03": {"version": "1.0.0", "active_version": "1.0.0"}, "T04": [1]}"#,
    );
    assert!(
        wrong
            .version(&task("T01"))
            .expect_err("it is none")
            .to_string()
            .contains("T01.version")
    );
    assert!(wrong.version(&task("T02")).is_err());
    assert!(
        wrong
            .version(&task("T03"))
            .expect_err("two names")
            .to_string()
            .contains("active_version")
    );
    for id in ["T02", "T03", "T04"] {
        assert!(
            wrong.with_version(&task(id), &version("1.0.0")).is_err(),
            "{id}"
        );
    }
    assert!(matches!(
        wrong.without_task(&task("T9")),
        Err(Error::NoEntry { .. })
    ));
}

#[test]
fn the_text_of_an_entry_does_not_depend_on_layout() {
    let one = registry(r#"{"tasks": {"T01": {"b": [1, {"d": 1, "c": 2}], "version": "1.0.0"}}}"#);
    let two = registry(
        "{\"tasks\": {\n\"T01\": {\"version\":\"1.0.0\",\n\"b\": [1,{\"c\":2,\"d\":1}]}, \"T02\": {}}}",
    );
    assert_eq!(
        one.entry_text(&task("T01")).expect("it is there"),
        r#"{"b":[1,{"c":2,"d":1}],"version":"1.0.0"}"#
    );
    assert_eq!(one.entry_text(&task("T01")), two.entry_text(&task("T01")));
    assert_eq!(one.entry_text(&task("T02")), None);
}

/// Generates a registry as data (ids, versions, an extra field) and the style to write it in.
fn random_registry() -> impl Strategy<Value = (Vec<(String, String, String)>, usize, usize, bool)> {
    let entry = (
        "[A-Z][0-9]{1,3}",
        "[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]",
        "[a-z 舆\"\\\\{},:\\[\\]]{0,12}",
    );
    (
        proptest::collection::vec(entry, 1..8),
        0..3_usize,
        0..3_usize,
        any::<bool>(),
    )
}

/// Renders a random registry: shape 0 to 2, indentation 0 (one line), 1 (tab) or 2 (four blanks).
fn write(entries: &[(String, String, String)], shape: usize, indent: usize, crlf: bool) -> String {
    use serde::Serialize;
    use serde_json::{Map, Value, json};
    let fields = |(id, version, note): &(String, String, String)| match shape {
        2 => json!({ "id": id, "note": note, "version": version }),
        _ => json!({ "note": note, "version": version, "more": [note] }),
    };
    let map: Map<String, Value> = entries
        .iter()
        .map(|entry| (entry.0.clone(), fields(entry)))
        .collect();
    let value = match shape {
        0 => json!({ "schema": 1, "tasks": map }),
        1 => Value::Object(map),
        _ => Value::Array(entries.iter().map(fields).collect()),
    };
    let mut out = Vec::new();
    if indent == 0 {
        return value.to_string();
    }
    let unit: &[u8] = if indent == 1 { b"\t" } else { b"    " };
    let formatter = serde_json::ser::PrettyFormatter::with_indent(unit);
    value
        .serialize(&mut serde_json::Serializer::with_formatter(
            &mut out, formatter,
        ))
        .expect("it renders");
    let text = String::from_utf8(out).expect("it is text") + "\n";
    if crlf {
        text.replace('\n', "\r\n")
    } else {
        text
    }
}

proptest! {
    #[test]
    fn random_registries_keep_every_other_byte((mut entries, shape, indent, crlf) in random_registry(), pick in any::<prop::sample::Index>(), new in "[0-9]{1,2}\\.[0-9]\\.[0-9]") {
        entries.sort();
        entries.dedup_by(|a, b| a.0 == b.0);
        for entry in &mut entries {
            entry.1 = entry.1.split('.').map(|part| part.parse::<u8>().expect("a number").to_string()).collect::<Vec<_>>().join(".");
        }
        let new = new.trim_start_matches('0').to_string();
        let new = if new.starts_with('.') { format!("0{new}") } else { new };
        let before = write(&entries, shape, indent, crlf);
        let at = pick.index(entries.len());
        let id = task(&entries[at].0);
        let read = registry(&before);
        let after = read.with_version(&id, &version(&new)).expect("it is edited");
        let old = std::mem::replace(&mut entries[at].1, new.clone());
        prop_assert_eq!(String::from_utf8_lossy(&after), write(&entries, shape, indent, crlf));
        let edited = Registry::parse(&after).expect("it is a registry");
        prop_assert_eq!(edited.version(&id).expect("it reads"), Some(version(&new)));
        for (other, ..) in entries.iter().filter(|entry| entry.0 != id.as_str()) {
            prop_assert_eq!(edited.entry_text(&task(other)), read.entry_text(&task(other)));
        }
        prop_assert_eq!(edited.with_version(&id, &version(&old)).expect("it goes back"), before.as_bytes());
        let grown = read.with_version(&task("ZZ-new"), &version("0.1.0")).expect("it is added");
        prop_assert_eq!(Registry::parse(&grown).expect("it is a registry").without_task(&task("ZZ-new")).expect("it goes"), before.as_bytes());
    }
}

proptest! {
    #[test]
    fn hostile_text_never_panics(text in "[\\[\\]{}\",:\\\\ \nT01versionidtaskn舆\u{feff}]{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        for bytes in [text.as_bytes(), &bytes] {
            if let Ok(registry) = Registry::parse(bytes) {
                let id = task("T01");
                let _ = (registry.version(&id), registry.tasks(), registry.entry_text(&id), registry.without_task(&id));
                if let Ok(after) = registry.with_version(&id, &version("1.0.0")) {
                    prop_assert_eq!(Registry::parse(&after).expect("it stays valid").version(&id).expect("it reads"), Some(version("1.0.0")));
                }
            }
        }
    }
}
