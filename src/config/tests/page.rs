//! The page of the manual, `docs/settings.md`, as the schema makes it: one table a block, one row a
//! key. `SNAPBACK_WRITE_DOCS=1 cargo test --lib settings_page` writes it anew.

use std::{fmt::Write as _, path::Path};

use serde_json::{Map, Value};

use super::super::schema;

/// What stands above the tables; the example is that of the room.
const HEAD: &str = "<!-- Made from the declarations of the settings by a test, src/config/tests/page.rs: do not edit. -->

# Settings

Everything in `snapback.yaml` is optional, and so is the file. A key without a value counts as left
out; one that is not known is refused. `snapback schema config` prints the same for editors.

```yaml
";

/// The blocks and forms that a schema names, each before those that it names itself.
fn named(root: &Value, schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            let name = map.get("$ref").and_then(Value::as_str).and_then(name_of);
            if let Some(name) = name.filter(|name| !found.contains(name)) {
                found.push(name.clone());
                named(root, &root["$defs"][&name], found);
            }
            for (_, value) in map.iter().filter(|(key, _)| *key != "$defs") {
                named(root, value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| named(root, value, found)),
        _ => {}
    }
}

/// The keys of a block, or of the block that is one of the forms of a value.
fn block_of(schema: &Value) -> Option<(&Value, &Map<String, Value>)> {
    let forms = schema.get("anyOf").and_then(Value::as_array);
    std::iter::once(schema)
        .chain(forms.into_iter().flatten())
        .find_map(|form| Some((form, form.get("properties")?.as_object()?)))
}

/// What a reference names.
fn name_of(reference: &str) -> Option<String> {
    reference.strip_prefix("#/$defs/").map(str::to_string)
}

/// A text of a schema.
fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The words that a key takes, each with what it is.
fn words(schema: &Value) -> Vec<(String, &str)> {
    let quoted = |value: &Value| format!("`{}`", value.as_str().unwrap_or_default());
    let all = |key: &str| {
        schema
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let bare = all("enum").map(|word| (quoted(word), ""));
    let described =
        all("oneOf").filter_map(|way| Some((quoted(way.get("const")?), text(way, "description"))));
    bare.chain(described)
        .filter(|(word, _)| word != "``")
        .collect()
}

/// What a key takes, in words.
fn kind(schema: &Value) -> String {
    let words = words(schema);
    if !words.is_empty() {
        let words: Vec<String> = words.into_iter().map(|(word, _)| word).collect();
        return words.join(", ");
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(name_of) {
        return format!("[{name}](#{name})");
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    let of = |key: &str, before: &str| {
        let inner = schema.get(key).filter(|inner| inner.is_object())?;
        Some(format!("{before} {}", kind(inner)))
    };
    let types = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(only)) => vec![only.as_str()],
        _ => Vec::new(),
    };
    let one = |kind: &&str| match *kind {
        "boolean" => Some("`true` or `false`".into()),
        "string" => Some("text".into()),
        "integer" | "number" => Some("number".into()),
        "array" => of("items", "list of"),
        "object" => of("additionalProperties", "names with").or(Some("block".into())),
        _ => None,
    };
    let types: Vec<String> = types.iter().filter_map(one).collect();
    types.join(" or ")
}

/// The row of a key.
fn row(name: &str, schema: &Value, is_required: bool) -> String {
    let usual = match schema.get("default") {
        Some(Value::String(usual)) => format!("`{usual}`"),
        Some(usual) => format!("`{usual}`"),
        None if is_required => "must be there".into(),
        None => String::new(),
    };
    let mut about = text(schema, "description").to_string();
    for (word, is) in words(schema).into_iter().filter(|(_, is)| !is.is_empty()) {
        let _ = write!(about, " {word}: {}", is.trim_end_matches('.'));
        about.push('.');
    }
    let about = about.replace('<', "&lt;").replace('|', "\\|");
    format!("| `{name}` | {} | {usual} | {about} |\n", kind(schema))
}

/// One block: what it is, and a table of its keys.
fn table(schema: &Value, keys: &Map<String, Value>) -> String {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut page = "| key | value | default | what |\n|---|---|---|---|\n".to_string();
    for (name, key) in keys {
        page += &row(name, key, required.contains(&name.as_str()));
    }
    if let Some(others) = schema
        .get("additionalProperties")
        .filter(|more| more.is_object())
    {
        page += &format!("| any other | {} | | |\n", kind(others));
    }
    page
}

/// The page of a schema: the blocks, then the forms of values.
pub(super) fn page(schema: &Value) -> String {
    let mut names = Vec::new();
    named(schema, schema, &mut names);
    let of = |name: &str| &schema["$defs"][name];
    names.sort_by_key(|name| block_of(of(name)).is_none());
    let blocks = names.iter().map(|name| (name.as_str(), of(name)));
    let mut page = String::new();
    for (title, block) in std::iter::once((text(schema, "title"), schema)).chain(blocks) {
        let about = text(block, "description").replace('<', "&lt;");
        let _ = write!(page, "\n## {title}\n\n{about}\n");
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
fn the_settings_page_is_what_the_declarations_say() {
    let example = super::example();
    let page = format!("{HEAD}{example}\n```\n{}", page(&schema()));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    if std::env::var("SNAPBACK_WRITE_DOCS").is_ok() {
        std::fs::write(&path, &page).expect("it writes");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = page
        .lines()
        .zip(written.lines())
        .find(|(now, then)| now != then);
    assert!(
        page == written,
        "write the page anew: SNAPBACK_WRITE_DOCS=1 cargo test --lib settings_page\n{differs:?}"
    );
}

#[test]
fn every_key_says_what_it_is() {
    let schema = schema();
    let blocks = schema["$defs"].as_object().expect("it has blocks");
    for (name, block) in blocks.iter().chain([(&"file".to_string(), &schema)]) {
        let keys = block.get("properties").and_then(Value::as_object);
        for (key, about) in keys.into_iter().flatten() {
            assert_ne!(text(about, "description"), "", "{name}: {key}");
        }
    }
}

crate::model::settings_block! {
    /// A block that is only here.
    #[derive(Debug, PartialEq)]
    struct AddedBlock as "added" {
        /// So many times it is tried
        /// again.
        #[schemars(range(min = 1))]
        retries: u32 = 3,
    }
}

/// What it costs to add a flat key: the three lines above (and its use). Everything else is made.
#[test]
fn an_added_key_is_read_has_a_default_a_schema_and_a_row_in_the_manual() {
    let read = |text: &str| {
        let limits = crate::base::yaml::Limits::human();
        crate::base::yaml::parse::<AddedBlock>(text.as_bytes(), limits)
    };
    for (text, retries) in [("retries: 5", 5), ("retries:", 3), ("{}", 3)] {
        assert_eq!(read(text).expect(text), AddedBlock { retries });
    }
    assert_eq!(AddedBlock::default().retries, 3);
    for (text, why) in [
        ("retrys: 5", "unknown field `retrys`, expected `retries`"),
        ("retries: many", "retries: invalid type"),
    ] {
        let error = read(text).expect_err(text).to_string();
        assert!(error.contains(why), "{error}");
    }
    let schema = super::super::schema::schema_of::<AddedBlock>();
    assert_eq!(
        schema["properties"]["retries"],
        serde_json::json!({
            "type": "integer", "minimum": 1, "default": 3,
            "description": "So many times it is tried again."
        })
    );
    assert!(schema.get("required").is_none() && schema["additionalProperties"] == false);
    let row = "| `retries` | number | `3` | So many times it is tried again. |\n";
    assert!(page(&schema).contains(row), "{}", page(&schema));
}
