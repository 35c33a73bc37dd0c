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
#[command(before_help = "Examples:\n  snapback schema config > snapback.schema.json\n  snapback schema answer      what --json prints")]
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
    fn text(self) -> &'static str {
        match self {
            Self::Config => include_str!("../schema/config.json"),
            Self::Answer => include_str!("../schema/answer.json"),
            Self::Manifest => include_str!("../schema/manifest.json"),
        }
    }
}

impl Run for Args {
    fn run(&self, _session: &Session) -> Result<Reply, Failure> {
        let text = self.format.text();
        let schema: Value = serde_json::from_str(text).expect("because a test reads every schema");
        Ok(Reply::new(text.into(), schema))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_json_and_name_every_field_of_the_formats() {
        for format in Format::value_variants() {
            serde_json::from_str::<Value>(format.text()).expect("it is JSON");
        }
        let schema: Value = serde_json::from_str(Format::Answer.text()).expect("it is JSON");
        let answer = serde_json::to_value(crate::model::Answer::new("x")).expect("it renders");
        for key in answer.as_object().expect("it is an object").keys() {
            assert!(schema["properties"].get(key).is_some(), "{key}");
        }
    }
}
