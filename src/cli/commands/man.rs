//! `man`: writes the manual pages, made from the same definitions as `--help`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, output},
    cli::{error::Error, help, render::count, reply::Reply, session::Session},
};

/// Write the manual pages into a folder
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:\n  snapback man ~/.local/share/man/man1      then: man snapback-rollback")]
pub struct Args {
    /// The folder; made when it is missing
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
}

impl Run for Args {
    fn run(&self, _session: &Session) -> Result<Reply, Failure> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            |source| Failure::from(Error::Write { path, source })
        };
        fs::create_dir_all(&self.dir).map_err(failed(&self.dir))?;
        let pages = help::manual_pages();
        for (name, page) in &pages {
            let path = self.dir.join(name);
            output::write(&path, page, 0o666)?;
        }
        let names: Vec<_> = pages.iter().map(|(name, _)| name).collect();
        let text = format!("{} in {}\n", count(names.len(), "page"), self.dir.display());
        Ok(Reply::new(text, json!({ "dir": self.dir.to_string_lossy(), "pages": names })).changed())
    }
}
