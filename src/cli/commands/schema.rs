//! `schema`: the JSON schemas of the formats, for editors and programs.

use clap::ValueEnum;
use serde_json::Value;

use super::Run;
use crate::{
    base::Failure,
    cli::{reply::Reply, session::Session},
};

/// Print the JSON schema of a format
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback schema config > snapback.schema.json\n  snapback schema answer      what --json prints"
)]
pub struct Args {
    /// The format
    #[arg(value_enum, value_name = "FORMAT")]
    format: SchemaName,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemaName {
    /// snapback.yaml
    Config,
    /// What --json prints
    Answer,
    /// snapshots/*.yaml
    Manifest,
}

impl SchemaName {
    fn schema(self) -> Value {
        let read =
            |text: &str| serde_json::from_str(text).expect("because a test reads every schema");
        match self {
            Self::Config => crate::config::schema(),
            Self::Answer => read(include_str!("../schema/answer.json")),
            Self::Manifest => read(include_str!("../schema/manifest.json")),
        }
    }
}

impl Run for Args {
    fn run(&self, _session: &Session) -> Result<Reply, Failure> {
        let schema = self.format.schema();
        let text =
            serde_json::to_string_pretty(&schema).expect("because a JSON value always renders");
        Ok(Reply::new(text + "\n", schema))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::yaml;

    /// Returns why a value does not match a schema, as far as these schemas go. Keys that are not
    /// in the schema are a mismatch too.
    fn misfit(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
        if let Some(reference) = schema["$ref"].as_str() {
            let named = root.pointer(&reference[1..]).expect("it is there");
            return misfit(root, named, value, at);
        }
        let is_type = match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_u64(),
            Some("boolean") => value.is_boolean(),
            _ => true,
        };
        let is_listed = |all: &Value| all.as_array().is_none_or(|all| all.contains(value));
        if !is_type || !is_listed(&schema["enum"]) {
            return Some(format!("{at} is {value}"));
        }
        if schema.get("const").is_some_and(|only| only != value) {
            return Some(format!("{at} is not {}", schema["const"]));
        }
        let required = schema["required"].as_array().into_iter().flatten();
        let mut missing = required
            .filter_map(Value::as_str)
            .filter(|key| value[key].is_null());
        if let Some(key) = missing.next() {
            return Some(format!("{at} lacks {key}"));
        }
        if let Some(ways) = schema["oneOf"].as_array() {
            let whys: Vec<_> = ways
                .iter()
                .map(|way| misfit(root, way, value, at))
                .collect();
            let fits = whys.iter().filter(|why| why.is_none()).count();
            return (fits != 1).then(|| format!("{at} fits {fits} ways: {whys:?}"));
        }
        let mut keys = value.as_object().into_iter().flatten();
        let of_key = keys.find_map(|(key, value)| match schema["properties"].get(key) {
            Some(schema) => misfit(root, schema, value, &format!("{at}/{key}")),
            None => Some(format!("{at} has {key}, which the schema does not name")),
        });
        let items = value.as_array().into_iter().flatten();
        of_key.or_else(|| {
            items
                .into_iter()
                .find_map(|item| misfit(root, &schema["items"], item, at))
        })
    }

    #[test]
    fn the_schema_of_manifests_fits_both_formats_and_the_users_example() {
        let schema = SchemaName::Manifest.schema();
        let misfit = |text: &str| {
            let value =
                yaml::parse(text.as_bytes(), yaml::YamlLimits::machine()).expect("it is YAML");
            misfit(&schema, &schema, &value, "")
        };
        let release = include_str!("../../../crates/model/src/manifest/release-1.yaml");
        let folder = include_str!("../../../crates/model/src/manifest/folder-2.yaml");
        let by_hand = "metadata: {task_id: T01, version: 1.2.0, created_at: today, git_commit: a1b2c3d, git_tag: T01-v1.2.0}\nfiles:\n- {path: a, checksum: 'sha256:abc...'}\n";
        let with = |subject: &str| folder.replacen("  kind: folder\n  name: plugins\n", subject, 1);
        for text in [
            release,
            folder,
            by_hand,
            &with("  {kind: session, home: a, session: 'b:c', snapshot: d}\n"),
            &with("  {kind: closure, session: 'b:c', workflow: e/f.yaml}\n"),
            &with("  {kind: cluster, name: a, epoch: 7}\n"),
        ] {
            assert_eq!(misfit(text), None);
        }
        for text in [
            release.replacen("manifest/1", "manifest/2", 1),
            folder.replacen("manifest/2", "manifest/1", 1),
            with("  {kind: task_version, name: a}\n"),
            folder.replacen("mode:", "modes:", 1),
        ] {
            assert!(misfit(&text).is_some(), "{text}");
        }
    }

    #[test]
    fn schemas_are_json_and_name_every_field_of_the_formats() {
        for format in SchemaName::value_variants() {
            assert!(format.schema().is_object());
        }
        let schema = SchemaName::Answer.schema();
        let answer = serde_json::to_value(crate::model::Answer::new("x")).expect("it renders");
        for key in answer.as_object().expect("it is an object").keys() {
            assert!(schema["properties"].get(key).is_some(), "{key}");
        }
    }
}
