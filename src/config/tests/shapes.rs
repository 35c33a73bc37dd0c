//! Compares the schema with the hand-written one of 0.1.0: both must accept and refuse the same.
//! Where they differ, the reader of the file decides: the new one must be right.

use std::fs;

use serde_json::{Value, json};

use super::{super::*, loaded, mistakes::MISTAKES};

/// The schema that 0.1.0 printed.
const BEFORE: &str = include_str!("../../../tests/fixtures/settings/schema-0.1.0.json");

/// Returns true when a schema (draft 2020-12, as far as it is used here) accepts a value.
fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    let Value::Object(rules) = schema else {
        return *schema != Value::Bool(false);
    };
    rules
        .iter()
        .all(|(rule, wanted)| holds(root, schema, (rule, wanted), value))
}

/// Returns true when a value follows one rule of a schema.
fn holds(root: &Value, schema: &Value, (rule, wanted): (&str, &Value), value: &Value) -> bool {
    let list = || wanted.as_array().expect("it is a list");
    let text = || wanted.as_str().expect("it is a text");
    let number = |holds: fn(f64, f64) -> bool| {
        let wanted = wanted.as_f64().expect("it is a number");
        value.as_f64().is_none_or(|value| holds(value, wanted))
    };
    let count = || wanted.as_u64().expect("it is a count");
    let matching = |schemas: &[Value]| {
        schemas
            .iter()
            .filter(|schema| accepts(root, schema, value))
            .count()
    };
    match rule {
        "$ref" => {
            let target = root
                .pointer(text().trim_start_matches('#'))
                .expect("it is there");
            accepts(root, target, value)
        }
        "type" if wanted.is_array() => list().iter().any(|kind| is_a(kind, value)),
        "type" => is_a(wanted, value),
        "const" => wanted == value,
        "enum" => list().contains(value),
        "pattern" => value.as_str().is_none_or(|value| {
            regex::Regex::new(text())
                .expect("it is one")
                .is_match(value)
        }),
        "minLength" => value
            .as_str()
            .is_none_or(|text| text.chars().count() as u64 >= count()),
        "minItems" => value
            .as_array()
            .is_none_or(|list| list.len() as u64 >= count()),
        "minimum" => number(|value, least| value >= least),
        "maximum" => number(|value, most| value <= most),
        "exclusiveMinimum" => number(|value, least| value > least),
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| accepts(root, wanted, item))),
        "required" => value.as_object().is_none_or(|map| {
            list()
                .iter()
                .all(|key| map.contains_key(key.as_str().unwrap_or_default()))
        }),
        "properties" => value.as_object().is_none_or(|map| {
            map.iter().all(|(key, value)| {
                wanted
                    .get(key)
                    .is_none_or(|schema| accepts(root, schema, value))
            })
        }),
        "additionalProperties" => value.as_object().is_none_or(|map| {
            let is_known = |key: &str| schema["properties"].get(key).is_some();
            map.iter()
                .all(|(key, value)| is_known(key) || accepts(root, wanted, value))
        }),
        "propertyNames" => value
            .as_object()
            .is_none_or(|map| map.keys().all(|key| accepts(root, wanted, &json!(key)))),
        "oneOf" => matching(list()) == 1,
        "anyOf" => matching(list()) > 0,
        "$schema" | "$defs" | "title" | "description" | "default" => true,
        other => panic!("the rule {other} is not known here"),
    }
}

/// Returns true when a value is of a JSON type.
fn is_a(kind: &Value, value: &Value) -> bool {
    match kind.as_str().expect("it is a word") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other}"),
    }
}

/// Returns valid and invalid values for a key.
fn values() -> Vec<Value> {
    let texts = [
        "",
        "x",
        "1",
        "a/*",
        "{name}",
        "5m",
        "0s",
        "1m30s",
        "30",
        "50MB",
        "1.5GB",
        "host:80",
        "http://x",
        "https://x",
        "> 0.1",
        "<=5",
        "0.1",
        "undo",
        "sync",
        "off",
        "mean",
        "p95",
        "good",
        "starttls",
        "none",
        "NAME",
        "A=b",
        "~/x",
        "/x",
        "1.0.0",
    ];
    let texts = texts.into_iter().map(Value::from);
    texts
        .chain([
            json!(null),
            json!(true),
            json!(0),
            json!(1),
            json!(-1),
            json!(8080),
            json!(70000),
            json!(1.5),
            json!([]),
            json!(["x"]),
            json!([1]),
            json!([null]),
            json!({}),
            json!({ "run": "x" }),
            json!([{ "run": "x" }]),
            json!([{ "glob": "a/*" }]),
            json!([{ "port": 1 }]),
            json!([{ "port": 1, "run": "x" }]),
            json!([{ "version": "1.0.0" }]),
            json!({ "env": "X" }),
            json!({ "x": { "email": { "server": "s", "from": "a@b", "to": ["a@b"] } } }),
            json!([{ "name": "n", "run": "x", "fail": "> 1" }]),
            json!({ "T01": null }),
            json!({ "a b": null }),
            json!({ "zzz": 1 }),
        ])
        .collect()
}

/// Returns a file with one block that has its required keys and one more key.
fn with(block: &str, key: &str, value: &Value) -> Value {
    let and = |base: Value| {
        let mut base = base;
        base[key] = value.clone();
        base
    };
    let task = |key: &str, block: Value| json!({ "tasks": { "T01": { key: block } } });
    let alert = |channel: Value| json!({ "alerts": { "channels": { "a": channel } } });
    let secret = json!({ "env": "X" });
    match block {
        "file" => and(json!({})),
        "task" => json!({ "tasks": { "T01": and(json!({})) } }),
        "defaults" => json!({ "defaults": and(json!({})) }),
        "discover" => json!({ "tasks": { "discover": [and(json!({ "glob": "a/*" }))] } }),
        "command" => task("stop", and(json!({ "run": "x" }))),
        "ready" => task("ready", json!([and(json!({}))])),
        "one_way" => task("one_way", json!([and(json!({ "version": "1.0.0" }))])),
        "large_files" => task("large_files", and(json!({}))),
        "env" => task("env", and(json!({}))),
        "releases" | "rollback" | "hooks" | "alerts" => json!({ block: and(json!({})) }),
        "channel" => alert(and(
            json!({ "webhook": { "url": "http://x", "secret_from": secret } }),
        )),
        "hook" => alert(json!({ "feishu": and(json!({ "url_from": secret })) })),
        "email" => {
            alert(json!({ "email": and(json!({ "server": "s", "from": "a@b", "to": ["a@b"] })) }))
        }
        "rule" => task(
            "guard",
            json!([and(json!({ "name": "n", "file": "x", "fail": "> 1" }))]),
        ),
        "secret" => alert(json!({ "feishu": { "url_from": and(json!({})) } })),
        other => panic!("no block {other}"),
    }
}

/// Returns where the keys of a block are in the old schema.
fn place(block: &str) -> String {
    match block {
        "file" => "/properties".into(),
        "defaults" => "/$defs/task/properties".into(),
        "hooks" => "/properties/hooks/properties".into(),
        "large_files" | "env" => format!("/$defs/task/properties/{block}/properties"),
        "one_way" => "/$defs/one_way/oneOf/1/properties".into(),
        _ => format!("/$defs/{block}/properties"),
    }
}

#[test]
fn every_key_takes_what_it_took_before() {
    let (before, after) = (serde_json::from_str(BEFORE).expect("it is JSON"), schema());
    let before: Value = before;
    let blocks = [
        "file",
        "task",
        "defaults",
        "discover",
        "command",
        "ready",
        "one_way",
        "large_files",
        "env",
        "releases",
        "rollback",
        "hooks",
        "alerts",
        "channel",
        "hook",
        "email",
        "rule",
        "secret",
    ];
    let (mut taken, mut refused, mut better) = (0, 0, 0);
    for block in blocks {
        let keys = before
            .pointer(&place(block))
            .and_then(Value::as_object)
            .expect(block);
        for key in keys.keys().map(String::as_str).chain(["zzz"]) {
            for value in values() {
                let file = with(block, key, &value);
                let (was, is) = (
                    accepts(&before, &before, &file),
                    accepts(&after, &after, &file),
                );
                *(if is { &mut taken } else { &mut refused }) += 1;
                if was != is {
                    let read = loaded(&[("snapback.yaml", &file.to_string())]);
                    assert_eq!(is, read.is_ok(), "{file}: {read:?}");
                    better += 1;
                }
            }
        }
    }
    assert!(taken > 300 && refused > 3000, "{taken} {refused}");
    assert_eq!(
        better, 2,
        "the port of a mail server: -1 and 70000 are none"
    );
}

#[test]
fn examples_and_mistakes_are_told_apart_as_before() {
    let (before, after): (Value, Value) =
        (serde_json::from_str(BEFORE).expect("it is JSON"), schema());
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut examples = vec![super::example(), init::TEMPLATE.to_string()];
    for page in [
        "docs/configuration.md",
        "docs/guard.md",
        "docs/releasing.md",
    ] {
        let page = fs::read_to_string(top.join(page)).expect("it is there");
        let blocks = page.split("```yaml\n").skip(1);
        examples.extend(blocks.filter_map(|rest| Some(rest.split_once("```")?.0.to_string())));
    }
    let read = |text: &str| yaml::parse::<Value>(text.as_bytes(), yaml::YamlLimits::human()).ok();
    let mut taken = 0;
    for text in &examples {
        let Some(file) = read(text) else { continue };
        let is = accepts(&after, &after, &file);
        // A key that is newer than the schema of before is refused by it.
        assert!(is || !accepts(&before, &before, &file), "{text}");
        taken += usize::from(is);
    }
    assert!(taken >= 4, "{taken} examples");
    for (text, _) in MISTAKES {
        if let Some(file) = read(text) {
            assert_eq!(
                accepts(&before, &before, &file),
                accepts(&after, &after, &file),
                "{text}"
            );
        }
    }
}
