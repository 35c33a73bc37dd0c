//! `show`: one version in full.

use clap_complete::ArgValueCandidates;
use serde_json::json;

use super::Run;
use crate::{
    base::Failure,
    cli::{args::OneTask, complete, render::tables, reply::Reply, session::Session},
    model::Advice,
};

/// Show one version: who, when, why, its files and dependencies
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback show -t T01 1.2.0\n  snapback show -t T01            the active version"
)]
pub struct Args {
    #[command(flatten)]
    task: OneTask,
    /// The version
    #[arg(value_name = "VERSION", default_value = "active", add = ArgValueCandidates::new(complete::versions))]
    version: String,
}

impl Run for Args {
    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let task = self.task.find(session)?;
        let app = session.app()?;
        let version = app.resolve_version(&task, &self.version)?;
        let detail = app.show(&task, &version)?;
        let next = Advice::Preview {
            task: task.clone(),
            version: version.to_string(),
        }
        .because("look at its files");
        let next = if detail.release.active {
            Vec::new()
        } else {
            vec![next]
        };
        Ok(Reply::new(
            tables::release(session.out, &session.zone, &detail),
            json!({ "release": detail }),
        )
        .with_next(next))
    }
}
