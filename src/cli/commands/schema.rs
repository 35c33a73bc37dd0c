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
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// snapback.yaml
    Config,
    /// What --json prints
    Answer,
    /// snapshots/*.yaml
    Manifest,
}

impl Format {
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

    #[test]
    fn schemas_are_json_and_name_every_field_of_the_formats() {
        for format in Format::value_variants() {
            assert!(format.schema().is_object());
        }
        let schema = Format::Answer.schema();
        let answer = serde_json::to_value(crate::model::Answer::new("x")).expect("it renders");
        for key in answer.as_object().expect("it is an object").keys() {
            assert!(schema["properties"].get(key).is_some(), "{key}");
        }
    }
}
