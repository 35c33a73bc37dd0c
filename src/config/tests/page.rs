//! The manual's page `docs/settings.md`, made from the schema: a table for each block, a row for
//! each key. `just settings-page` regenerates it.

use std::{fmt::Write as _, path::Path};

use serde_json::{Map, Value};

use super::super::schema;

/// The text above the tables.
const HEAD: &str = "<!-- Generated from the declarations of the settings; do not edit. \
`just settings-page` writes it anew. -->

# Settings

Every key of `snapback.yaml`, and what it means. Keys are optional unless the default says
*required*. A key without a value counts as left out; an unknown key is refused.
[Configuration](configuration.md) explains the file by example.

`snapback schema config` prints the same as a JSON schema. Editors that read JSON schemas complete
and check the file with it:

```console
snapback schema config > snapback.schema.json
```
";

/// Returns the items of a list in a schema.
fn list<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    schema
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Returns a text of a schema.
fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the name that a schema refers to.
fn name_of(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

/// Gathers the names that a schema refers to, each before those that it refers to itself.
fn gather<'a>(root: &'a Value, schema: &'a Value, names: &mut Vec<&'a str>) {
    if let Some(name) = name_of(schema).filter(|name| !names.contains(name)) {
        names.push(name);
        gather(root, &root["$defs"][name], names);
    }
    match schema {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "$defs")
            .for_each(|(_, value)| gather(root, value, names)),
        Value::Array(list) => list.iter().for_each(|value| gather(root, value, names)),
        _ => {}
    }
}

/// Returns the block of a schema, or of one of its forms, with its keys.
fn block_of(schema: &Value) -> Option<(&Value, &Map<String, Value>)> {
    std::iter::once(schema)
        .chain(list(schema, "anyOf"))
        .find_map(|form| Some((form, form.get("properties")?.as_object()?)))
}

/// Returns the words that a key takes, each with its meaning.
fn words(schema: &Value) -> Vec<(String, &str)> {
    list(schema, "oneOf")
        .filter_map(|word| {
            let name = word.get("const")?.as_str()?;
            Some((format!("`{name}`"), text(word, "description")))
        })
        .collect()
}

/// Describes the values that a key takes.
fn kind(schema: &Value) -> String {
    let joined = |kinds: Vec<String>, between: &str| kinds.join(between);
    let words = words(schema);
    if !words.is_empty() {
        return joined(words.into_iter().map(|(word, _)| word).collect(), ", ");
    }
    if let Some(name) = name_of(schema) {
        return format!("[{name}](#{name})");
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    let inner = |key: &str| schema.get(key).filter(|inner| inner.is_object()).map(kind);
    let named = |kind: &str| match kind {
        "boolean" => "`true` or `false`".into(),
        "string" => "text".into(),
        "integer" | "number" => "number".into(),
        "array" => match inner("items").unwrap_or_default().as_str() {
            "text" => "list of texts".into(),
            items => format!("list of {items}"),
        },
        "object" => inner("additionalProperties")
            .map_or("block".into(), |kind| format!("a {kind} for each name")),
        other => panic!("what does {other} take?"),
    };
    let types: Vec<String> = match schema.get("type") {
        Some(Value::String(only)) => vec![named(only)],
        Some(_) => list(schema, "type")
            .filter_map(Value::as_str)
            .filter(|kind| *kind != "null")
            .map(named)
            .collect(),
        None => list(schema, "oneOf").map(kind).collect(),
    };
    joined(types, " or ")
}

/// Returns the row of a key.
fn row(name: &str, schema: &Value, is_required: bool) -> String {
    let usual = match schema.get("default") {
        Some(Value::String(usual)) => format!("`{usual}`"),
        Some(usual) => format!("`{usual}`"),
        None if is_required => "*required*".into(),
        None => String::new(),
    };
    let mut about = text(schema, "description").to_string();
    for (word, meaning) in words(schema) {
        let _ = write!(about, "<br>{word}: {meaning}");
    }
    let about = about.replace('|', "\\|");
    format!("| `{name}` | {} | {usual} | {about} |\n", kind(schema))
}

/// Returns the table of a block's keys.
fn table(schema: &Value, keys: &Map<String, Value>) -> String {
    let mut page = "| Key | Value | Default | Meaning |\n|---|---|---|---|\n".to_string();
    for (name, key) in keys {
        page += &row(
            name,
            key,
            list(schema, "required").any(|required| required == name),
        );
    }
    if let Some(other) = schema
        .get("additionalProperties")
        .filter(|other| other.is_object())
    {
        let _ = writeln!(page, "| any other | {} | | |", kind(other));
    }
    page
}

/// Returns the page of a schema: the blocks, then the forms of values.
fn page(schema: &Value) -> String {
    let mut names = Vec::new();
    gather(schema, schema, &mut names);
    let of = |name: &str| &schema["$defs"][name];
    names.sort_by_key(|name| block_of(of(name)).is_none());
    let blocks = names.iter().map(|name| (*name, of(name)));
    let mut page = String::new();
    for (title, block) in std::iter::once((text(schema, "title"), schema)).chain(blocks) {
        let _ = write!(page, "\n## {title}\n\n{}\n", text(block, "description"));
        if let Some((block, keys)) = block_of(block) {
            let _ = write!(page, "\n{}", table(block, keys));
        }
    }
    page
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "it writes the page when asked to"
)]
fn the_settings_page_says_what_the_declarations_say() {
    let page = format!("{HEAD}{}", page(&schema()));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    if std::env::var_os("SNAPBACK_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("it writes");
    }
    let written = std::fs::read_to_string(&path).expect("it is there");
    let differs = page
        .lines()
        .zip(written.lines())
        .find(|(now, then)| now != then);
    assert!(
        page == written,
        "docs/settings.md is out of date; write it anew with `just settings-page`\n{differs:?}"
    );
}

#[test]
fn every_key_and_word_says_what_it_means() {
    let schema = schema();
    let blocks = schema["$defs"].as_object().expect("it has blocks");
    for (name, block) in blocks.iter().chain([(&"file".to_string(), &schema)]) {
        let keys = block.get("properties").and_then(Value::as_object);
        for (key, about) in keys.into_iter().flatten() {
            assert_ne!(text(about, "description"), "", "{name}: {key}");
            assert!(about.get("enum").is_none(), "{name}: {key}: words alone");
        }
    }
}

crate::model::settings_block! {
    /// A block that is only here.
    #[derive(Debug, PartialEq)]
    struct AddedBlock as "added", optional {
        /// How often it is tried
        /// again.
        #[schemars(range(min = 1))]
        retries: u32 = 3,
    }
}

/// A new key costs its declaration in the block above; everything else is made from it.
#[test]
fn an_added_key_has_a_reader_a_default_a_schema_and_a_row_of_the_page() {
    let read = |text: &str| {
        let limits = crate::base::yaml::YamlLimits::human();
        crate::base::yaml::parse::<AddedBlock>(text.as_bytes(), limits)
    };
    for (text, retries) in [("retries: 5", 5), ("retries:", 3), ("{}", 3)] {
        assert_eq!(read(text).expect(text), AddedBlock { retries });
    }
    assert_eq!(AddedBlock::default(), AddedBlock { retries: 3 });
    for (text, why) in [
        ("retrys: 5", "unknown field `retrys`, expected `retries`"),
        ("retries: many", "retries: invalid type"),
        ("5", "invalid type: integer `5`, expected a map of settings"),
    ] {
        let error = read(text).expect_err(text).to_string();
        assert!(error.contains(why), "{error}");
    }
    let schema = super::super::schema::schema_of::<AddedBlock>();
    assert_eq!(
        schema["properties"]["retries"],
        serde_json::json!({
            "type": "integer", "minimum": 1, "default": 3,
            "description": "How often it is tried again."
        })
    );
    assert!(schema.get("required").is_none() && schema["additionalProperties"] == false);
    let row = "| `retries` | number | `3` | How often it is tried again. |\n";
    assert!(page(&schema).contains(row), "{}", page(&schema));
}
