//! `completions`: the script that provides a shell with the commands and flags.

use clap_complete::Shell;
use serde_json::json;

use super::Run;
use crate::{
    base::Failure,
    cli::{help, reply::Reply, session::Session},
};

/// Print a completion script
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback completions bash > ~/.local/share/bash-completion/completions/snapback\n  snapback completions zsh > ~/.zfunc/_snapback\n  snapback completions fish > ~/.config/fish/completions/snapback.fish",
    after_help = "For task ids and versions too, put this into ~/.bashrc instead:\n  source <(COMPLETE=bash snapback)"
)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Run for Args {
    fn run(&self, _session: &Session) -> Result<Reply, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut help::command(), "snapback", &mut script);
        let script = String::from_utf8_lossy(&script).into_owned();
        let data = json!({ "shell": self.shell.to_string(), "script": script });
        Ok(Reply::new(script, data))
    }
}
