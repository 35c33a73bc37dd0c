//! Signs commits and tags as git is configured.
//!
//! Whether to sign, and with which key, may be set in any configuration; the signing program only
//! in the user's own (`signature.rs` says why). gix runs the program as git does, so it may ask for
//! a passphrase on the terminal. Where nobody can answer, prompts are disabled and a time limit
//! applies: a key that waits for a person or a token must not block a rollback at night. Every
//! failure is [`Error::Unsigned`], in the words of the program.

use std::{ffi::OsString, io::IsTerminal, path::PathBuf};

use gix::{
    bstr::{BString, ByteSlice},
    error::MetadataValue,
    objs::signature::{
        Format,
        sign::{self, is_literal_ssh_key},
    },
};

use super::{
    Error, Repo,
    signature::{path, program, value},
};
use base::{secret, text};
use model::signature::Signing;

/// Time limit of the program where nobody can be asked, in seconds.
const ALONE: &str = "10";
/// Time limit where the user may be asked in a window, in seconds.
const IN_A_WINDOW: &str = "300";
/// Exit code of `timeout` when the limit is exceeded.
const TIMED_OUT: i64 = 124;

/// Whether and how a commit or tag is signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sign {
    /// The requested kind of signing.
    pub wanted: Signing,
    /// True when the user may be asked for a passphrase.
    pub ask: bool,
}

/// A signing program with its key.
pub(super) struct SigningProgram {
    options: sign::Options,
    /// The program, for messages.
    program: String,
    key: String,
}

impl SigningProgram {
    /// Signs an object.
    pub(super) fn sign<T>(
        &self,
        what: &'static str,
        with: impl FnOnce(sign::Options) -> gix::Result<T>,
    ) -> Result<T, Error> {
        with(self.options.clone()).map_err(|error| {
            let (why, needs_person) = why(&error, &self.program, self.options.format);
            Error::Unsigned {
                what,
                key: self.key.clone(),
                why,
                needs_person,
            }
        })
    }
}

impl Repo {
    /// Returns the signer for a tag; `None` if it is not to be signed.
    pub(super) fn tag_signer(&self, how: &Sign) -> Result<Option<SigningProgram>, Error> {
        match &how.wanted {
            Signing::Never => Ok(None),
            Signing::With(key) => self.signer("the tag", key.as_deref(), how.ask).map(Some),
            _ if self.signs_tags() => self.signer("the tag", None, how.ask).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns the signer for a commit; `None` if it is not to be signed.
    pub(super) fn commit_signer(&self, how: &Sign) -> Result<Option<SigningProgram>, Error> {
        let wanted = how.wanted != Signing::Never && self.signs_commits();
        wanted
            .then(|| self.signer("the commit", None, how.ask))
            .transpose()
    }

    /// True when git is configured to sign every tag.
    fn signs_tags(&self) -> bool {
        self.is_set("tag.gpgSign") || self.is_set("tag.forceSignAnnotated")
    }

    /// True when git is configured to sign every commit.
    fn signs_commits(&self) -> bool {
        self.is_set("commit.gpgSign")
    }

    fn is_set(&self, key: &str) -> bool {
        self.with(|repo| repo.config_snapshot().boolean(key).unwrap_or(false))
    }

    /// Signs a throwaway object as a commit or tag would be signed, without asking the user.
    /// Returns what is signed and with which key; `None` if git is not configured to sign.
    pub fn try_signing(&self) -> Result<Option<String>, Error> {
        let what = match (self.signs_commits(), self.signs_tags()) {
            (false, false) => return Ok(None),
            (true, false) => "commits",
            (false, true) => "tags",
            (true, true) => "commits and tags",
        };
        let signer = self.signer("what git is set to sign", None, false)?;
        let trial = gix::objs::Tag {
            target: gix::ObjectId::null(self.hash()),
            target_kind: gix::objs::Kind::Commit,
            name: "trial".into(),
            tagger: None,
            message: "snapback tries whether it can sign\n".into(),
            signature: None,
        };
        signer.sign("what git is set to sign", |options| trial.sign(options))?;
        Ok(Some(format!("{what} are signed with {}", signer.key)))
    }

    /// Determines the program and key.
    fn signer(
        &self,
        what: &'static str,
        key: Option<&str>,
        ask: bool,
    ) -> Result<SigningProgram, Error> {
        let unsigned = |key: &str, why: String| Error::Unsigned {
            what,
            key: key.into(),
            why,
            needs_person: false,
        };
        let identity = self.committer()?;
        self.with(|repo| {
            let format = match value(repo, "gpg.format", false) {
                None => Format::OpenPgp,
                Some(name) => Format::parse(name.as_bstr()).map_err(|_| {
                    unsigned(
                        "gpg.format",
                        format!("{:?} is no form of signatures", text::escape(&name)),
                    )
                })?,
            };
            let configured = key
                .map(BString::from)
                .or_else(|| value(repo, "user.signingKey", false));
            let shown = configured
                .as_ref()
                .map_or_else(|| identity.email.clone(), |key| text::escape(key));
            let signing_key = match configured {
                Some(key) if format == Format::Ssh && is_literal_ssh_key(&key).is_none() => {
                    path(key.as_bstr()).map(PathBuf::into_os_string)
                }
                Some(key) => gix::path::from_bstring(key)
                    .ok()
                    .map(PathBuf::into_os_string),
                None if format == Format::Ssh => None,
                None => Some(identity.to_string().into()),
            };
            let signing_key =
                signing_key.ok_or_else(|| unsigned("user.signingKey", "it is not set".into()))?;
            let program = program(repo, format);
            let shown_program = text::escape(program.as_encoded_bytes());
            let options = sign::Options {
                signing_key,
                ..around(program, format, ask)
            };
            Ok(SigningProgram {
                options,
                program: shown_program,
                key: format!("the key {shown}"),
            })
        })
    }
}

/// Adds a time limit to the program, and prevents prompts where nobody can answer.
fn around(program: OsString, format: Format, ask: bool) -> sign::Options {
    let somebody = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let plain = |program, program_arguments, environment| sign::Options {
        format,
        program,
        program_arguments,
        signing_key: OsString::new(),
        environment,
    };
    match (ask, somebody) {
        (true, true) => plain(program, Vec::new(), Vec::new()),
        (true, false) => plain(
            "timeout".into(),
            vec![IN_A_WINDOW.into(), program],
            Vec::new(),
        ),
        (false, _) => {
            let mut arguments = vec![ALONE.into(), program];
            if format != Format::Ssh {
                arguments
                    .extend(["--batch", "--no-tty", "--pinentry-mode=error"].map(OsString::from));
            }
            let nobody = [("SSH_ASKPASS", "false"), ("SSH_ASKPASS_REQUIRE", "force")];
            plain(
                "timeout".into(),
                arguments,
                nobody
                    .map(|(name, value)| (name.into(), value.into()))
                    .into(),
            )
        }
    }
}

/// Returns the reason in plain words, and whether typing a passphrase would help.
fn why(error: &gix::Error, program: &str, format: Format) -> (String, bool) {
    let said = error.metadata_merged();
    if let Some(MetadataValue::I64(TIMED_OUT)) = said.get("exit_code") {
        return ("it did not answer in time".into(), false);
    }
    let Some(MetadataValue::Bytes(stderr)) = said.get("stderr") else {
        let cause = text::escape(error.probable_cause().to_string().as_bytes());
        return (
            format!("{program} cannot be run, or ended before it signed ({cause})"),
            false,
        );
    };
    let mut lines: Vec<String> = Vec::new();
    for line in secret::clean(stderr).lines() {
        let line = line.strip_prefix(b"timeout: ").unwrap_or(line).trim();
        let line = text::escape(line);
        // gpg's message about creating its home folder is not a reason.
        let says_nothing =
            line.is_empty() || line.starts_with("[GNUPG:]") || line.ends_with("' created");
        if !says_nothing && !lines.contains(&line) {
            lines.push(line);
        }
    }
    let all = lines.join("; ");
    let asks = match format {
        Format::Ssh => all.contains("incorrect passphrase"),
        Format::OpenPgp | Format::X509 => all.contains("No pinentry"),
    };
    match () {
        () if asks => (
            "it asks for a passphrase, and nobody can be asked here".into(),
            true,
        ),
        () if all.is_empty() => (format!("{program} failed and did not say why"), false),
        () => (all, false),
    }
}
