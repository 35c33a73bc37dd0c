//! `keys`: the user's own signing key, and the keys whose signatures count on this machine.

use std::fmt::Write;

use clap::Subcommand;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde_json::json;

use super::Run;
use crate::{
    base::{Failure, Hint, clock::local, zone},
    cli::{
        render::{count, safe},
        reply::Reply,
        session::Session,
    },
    model::{
        Advice,
        signature::{KeyId, Signer},
    },
};

/// Sign releases without git's signing, and say whose signatures count
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:\n  snapback keys create             make your own key\n  snapback keys list               whose signatures count\n  snapback keys allow ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= --name \"Ada <ada@example.com>\"\n  snapback keys revoke \"Ada <ada@example.com>\"",
    after_help = "Key and list lie in your configuration folder (XDG_CONFIG_HOME or ~/.config), readable by you\nalone, never in the repository. To sign every release, put this into snapback.yaml:\n  releases: {sign: true}"
)]
pub struct Args {
    #[command(subcommand)]
    what: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make your key, and allow it here
    #[command(
        before_help = "Examples:\n  snapback keys create\n  snapback keys create --name \"Li Wei <li.wei@example.com>\""
    )]
    Create {
        /// Whose it is; else git's user.name and user.email
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// List the keys whose signatures count
    #[command(before_help = "Examples:\n  snapback keys list\n  snapback keys list --json")]
    List,
    /// Let the signatures of a key count
    #[command(
        before_help = "Examples:\n  snapback keys allow ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= --name \"Ada <ada@example.com>\"\n  snapback keys allow ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= --name Ada --until 2027-12-31"
    )]
    Allow {
        /// The key, as its owner's `snapback keys list` shows it
        #[arg(value_name = "KEY")]
        key: KeyId,
        /// Whose it is
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Releases made after this day (UTC), or at this time or later, do not count
        #[arg(long, value_name = "DATE", value_parser = until)]
        until: Option<Timestamp>,
    },
    /// Let nothing that a key signed count any more
    #[command(
        before_help = "Examples:\n  snapback keys revoke ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n  snapback keys revoke \"Ada <ada@example.com>\""
    )]
    Revoke {
        /// The key, or the name of its owner
        #[arg(value_name = "KEY")]
        which: String,
    },
}

/// Parses a moment, or a date as the end of that day.
fn until(text: &str) -> Result<Timestamp, String> {
    let end_of = |date: Date| {
        date.tomorrow()
            .and_then(|next| next.to_zoned(TimeZone::UTC))
            .map(|zoned| zoned.timestamp())
    };
    let day = text
        .parse::<Date>()
        .ok()
        .filter(|_| text.len() == 10)
        .and_then(|date| end_of(date).ok());
    day.or_else(|| text.parse().ok())
        .ok_or_else(|| "write it like 2027-12-31 or 2027-12-31T18:00:00Z".into())
}

impl Run for Args {
    fn changes(&self) -> bool {
        !matches!(self.what, KeysCommand::List)
    }

    fn run(&self, session: &Session) -> Result<Reply, Failure> {
        let app = session.app()?;
        if session.globals.dry_run && self.changes() {
            return Ok(Reply {
                dry_run: true,
                ..Reply::new("dry run: no key was made or changed\n".into(), json!({}))
            });
        }
        match &self.what {
            KeysCommand::Create { name } => create(session, name.as_deref()),
            KeysCommand::List => list(session),
            KeysCommand::Allow { key, name, until } => {
                let signer = Signer {
                    name: name.clone(),
                    key: *key,
                    valid_until: *until,
                    revoked: None,
                };
                app.keys().allow(&signer)?;
                let text = format!(
                    "signatures of {} count on this machine{}.\n",
                    safe(name.trim()),
                    ends(&signer)
                );
                Ok(Reply::new(text, json!({ "signer": signer })).changed())
            }
            KeysCommand::Revoke { which } => revoke(session, which),
        }
    }
}

/// Creates the user's own key.
fn create(session: &Session, name: Option<&str>) -> Result<Reply, Failure> {
    let (signer, path) = session.app()?.create_key(name)?;
    let text = format!(
        "made {}, which only you can read.\nyour key, allowed here as {}:\n  {}\n",
        safe(&path.to_string_lossy()),
        safe(&signer.name),
        signer.key
    );
    let key = signer.key.to_string();
    let next = vec![
        Advice::AllowKey {
            key: key.clone(),
            name: signer.name.clone(),
        }
        .because("let others verify what you sign; on their machines"),
        Hint::say("to sign every release, put `releases: {sign: true}` into snapback.yaml"),
    ];
    Ok(Reply::new(text, json!({ "signer": signer }))
        .changed()
        .with_next(next))
}

/// Revokes a key, or all keys of a name: their signatures no longer count.
fn revoke(session: &Session, which: &str) -> Result<Reply, Failure> {
    let revoked = session.app()?.revoke_key(which)?;
    let text = match revoked.len() {
        0 => format!("{} was revoked before.\n", safe(which)),
        some => format!(
            "{} of {} revoked: nothing that was signed with it counts any more.\n",
            count(some, "key"),
            safe(which)
        ),
    };
    let reply = Reply::new(text, json!({ "revoked": revoked }));
    Ok(if revoked.is_empty() {
        reply
    } else {
        reply.changed()
    })
}

/// Lists the keys, the user's own first.
fn list(session: &Session) -> Result<Reply, Failure> {
    let keys = session.app()?.keys();
    let own = keys.own_id()?;
    let signers = keys.signers()?;
    let mut text = String::new();
    let is_own = |signer: &&Signer| Some(signer.key) == own;
    for signer in signers
        .iter()
        .filter(is_own)
        .chain(signers.iter().filter(|signer| !is_own(signer)))
    {
        let mark = if is_own(&signer) { " (yours)" } else { "" };
        let _ = writeln!(
            text,
            "{}  {}{mark}{}",
            signer.key,
            safe(&signer.name),
            ends(signer)
        );
    }
    match own {
        Some(own) if !signers.iter().any(|signer| signer.key == own) => {
            let _ = writeln!(text, "{own}  yours, not allowed here");
        }
        None => text.push_str("you have no key of your own.\n"),
        Some(_) => {}
    }
    Ok(Reply::new(text, json!({ "own": own, "signers": signers })))
}

/// Says until when a key is valid.
fn ends(signer: &Signer) -> String {
    match (signer.revoked, signer.valid_until) {
        (Some(at), _) => format!(", revoked {}", local(at, &zone())),
        (None, Some(until)) => format!(", for releases before {}", local(until, &zone())),
        (None, None) => String::new(),
    }
}
