//! The JSON schema of `snapback.yaml`, for editors, made from the declarations in `file`.
//!
//! Nothing is declared here. Two things differ from schemars' own form. `null` is not offered as a
//! value of a key, although a key without a value counts as left out. A key with a default is not
//! required.

#[cfg(test)]
use schemars::JsonSchema;
use schemars::{
    Schema, SchemaGenerator,
    generate::SchemaSettings,
    transform::{RecursiveTransform, Transform},
};
use serde_json::{Map, Value, json};

use super::{
    file::ConfigFile,
    kinds::{KindKeys, Kinds},
};

/// Returns the JSON schema (draft 2020-12) of `snapback.yaml`.
pub fn schema() -> Value {
    schema_with(Kinds::ALL)
}

/// Returns the JSON schema of a file that may name these kinds.
pub fn schema_with(kinds: Kinds<'_>) -> Value {
    let mut generator = generator();
    let keys = KindKeys::of(kinds, &mut generator);
    let mut root = generator.into_root_schema_for::<ConfigFile>().to_value();
    keys.complete(kinds, &mut root);
    in_our_form_all(root.try_into().expect("because an object is a schema"))
}

/// Returns the keys that these kinds add.
pub(super) fn keys_of(kinds: Kinds<'_>) -> KindKeys {
    KindKeys::of(kinds, &mut generator())
}

/// Returns the JSON schema of a declared type.
#[cfg(test)]
pub(super) fn schema_of<T: JsonSchema>() -> Value {
    in_our_form_all(generator().into_root_schema_for::<T>())
}

/// Returns the generator of schemas.
fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// Converts a schema and everything in it to our form.
fn in_our_form_all(mut schema: Schema) -> Value {
    RecursiveTransform(in_our_form).transform(&mut schema);
    schema.to_value()
}

/// Returns the rule that exactly one of these keys must be present.
pub(super) fn one_of(keys: &[&str]) -> Value {
    keys.iter()
        .map(|key| json!({ "required": [key] }))
        .collect()
}

/// Removes `null` from the types of a key, unless the key is marked `nullable`.
fn leave_null_out(key: &mut Map<String, Value>) {
    if key.remove("nullable").is_some() {
        return;
    }
    if let Some(Value::Array(types)) = key.get_mut("type") {
        types.retain(|kind| *kind != json!("null"));
        if let [only] = &mut types[..] {
            let only = only.take();
            key.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(ways)) = key.get_mut("anyOf") {
        ways.retain(|way| *way != json!({ "type": "null" }));
        if let [Value::Object(only)] = &mut ways[..] {
            let only = std::mem::take(only);
            key.remove("anyOf");
            for (name, value) in only {
                key.entry(name).or_insert(value);
            }
        }
    }
}

/// Converts one schema to our form.
fn in_our_form(schema: &mut Schema) {
    schema.remove("format");
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    let Some(Value::Object(keys)) = schema.get_mut("properties") else {
        return;
    };
    let optional: Vec<String> = keys
        .iter()
        .filter(|(_, key)| key.get("default").is_some())
        .map(|(name, _)| name.clone())
        .collect();
    for key in keys.values_mut().filter_map(Value::as_object_mut) {
        leave_null_out(key);
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| optional.iter().all(|optional| name != optional));
        if required.is_empty() {
            schema.remove("required");
        }
    }
}
