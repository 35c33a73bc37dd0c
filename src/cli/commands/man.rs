//! `man`: writes the manual pages, generated from the same definitions as `--help`.

use std::path::PathBuf;

use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, output},
    cli::{help, render::count, reply::Reply, session::Session},
};

/// Write the manual pages into a folder
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback man ~/.local/share/man/man1      then: man snapback-rollback"
)]
pub struct Args {
    /// The folder; made when it is missing
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
}

impl Run for Args {
    fn writes(&self) -> bool {
        true
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let pages = help::manual_pages();
        let names: Vec<_> = pages.iter().map(|(name, _)| name).collect();
        let data = json!({ "dir": self.dir.to_string_lossy(), "pages": names });
        let (many, dir) = (count(names.len(), "page"), self.dir.display());
        if session.globals.dry_run {
            return Ok(Reply::would(
                &format!("{many} would be written into {dir}"),
                data,
            ));
        }
        session.about_to_change(std::slice::from_ref(&self.dir));
        output::folder(&self.dir, true)?;
        for (name, page) in &pages {
            output::write(&self.dir.join(name), page, 0o666)?;
        }
        Ok(Reply::new(format!("{many} in {dir}\n"), data).changed())
    }
}
