//! Verifies signatures of tags as git is configured, with one exception; `signing.rs` makes them.
//!
//! The programs to run and the settings of trust (`gpg.program`, `gpg.ssh.program`,
//! `gpg.openpgp.program`, `gpg.x509.program`, `gpg.ssh.allowedSignersFile`,
//! `gpg.ssh.revocationFile`, `gpg.minTrustLevel`) are read from the user's and the system's
//! configuration only, never from the repository's: a repository unpacked from an archive brings
//! its own `.git/config`. The key to sign with, and whether to sign, may be set in either.
//! `gpg.ssh.defaultKeyCommand` is not run.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use gix::{
    bstr::{BStr, BString, ByteSlice},
    config::{Source, file::Metadata},
    objs::{
        Kind, TagRef, TagRefIter,
        signature::{
            Format,
            verify::{self, Outcome, Status, TrustLevel},
        },
    },
};

use super::{Error, Repo, objects::timestamp};
use base::text;
use model::{
    GitId,
    signature::{SignatureJudgement, SignatureState},
};

/// True for configuration that does not come with a repository.
fn is_own(section: &Metadata) -> bool {
    !matches!(section.source, Source::Local | Source::Worktree)
}

/// Returns a configuration value; with `own`, only the user's or the system's.
pub(super) fn value(repo: &gix::Repository, key: &str, own: bool) -> Option<BString> {
    let config = repo.config_snapshot();
    config
        .plumbing()
        .string_filter(key, |section| !own || is_own(section))
        .filter(|value| !value.is_empty())
}

/// Expands a path from a configuration: `~/` is the home folder.
pub(super) fn path(text: &BStr) -> Option<PathBuf> {
    let path = gix::path::from_bstr(text).ok()?.into_owned();
    match path.strip_prefix("~") {
        Ok(rest) => Some(Path::new(&std::env::var_os("HOME")?).join(rest)),
        Err(_) => Some(path),
    }
}

/// Returns a path from the user's or the system's configuration.
fn own_path(repo: &gix::Repository, key: &str) -> Option<PathBuf> {
    path(value(repo, key, true)?.as_bstr())
}

/// Returns the program for a signature format.
pub(super) fn program(repo: &gix::Repository, format: Format) -> OsString {
    let (key, default) = match format {
        Format::OpenPgp => ("gpg.openpgp.program", "gpg"),
        Format::X509 => ("gpg.x509.program", "gpgsm"),
        Format::Ssh => ("gpg.ssh.program", "ssh-keygen"),
    };
    let general = || {
        (format == Format::OpenPgp)
            .then(|| own_path(repo, "gpg.program"))
            .flatten()
    };
    own_path(repo, key)
        .or_else(general)
        .map_or_else(|| default.into(), PathBuf::into_os_string)
}

impl Repo {
    /// Verifies the signature of a tag object, which must be for a tag of this name.
    pub fn tag_signature(&self, id: &GitId, name: &str) -> Result<SignatureJudgement, Error> {
        let (kind, _) = self
            .header(id)?
            .ok_or_else(|| Error::MissingObject { id: id.clone() })?;
        if kind != Kind::Tag {
            return Ok(SignatureJudgement::only(
                SignatureState::Missing,
                "the tag is a light one",
            ));
        }
        let bytes = self.read_object(id, Kind::Tag)?;
        let Some((signature, signed)) = TagRefIter::signature(&bytes) else {
            return Ok(SignatureJudgement::only(
                SignatureState::Missing,
                "the tag is not signed",
            ));
        };
        let bad = |why: String| Error::BadTag {
            id: id.clone(),
            why,
        };
        let tag =
            TagRef::from_bytes(&bytes, self.hash()).map_err(|error| bad(error.to_string()))?;
        let at = tag.tagger().ok().flatten().as_ref().and_then(timestamp);
        let seconds = at.map_or(0, jiff::Timestamp::as_second);
        let Some(options) = self.with(|repo| judging(repo, signature.format, seconds)) else {
            return Ok(SignatureJudgement::only(
                SignatureState::UnknownKey,
                "your own git configuration names no gpg.ssh.allowedSignersFile",
            ));
        };
        let judge = |options| match signed.verify(signature.data, options) {
            Ok(outcome) => judged(&outcome),
            Err(error) => SignatureJudgement::only(
                SignatureState::Unjudged,
                text::escape(error.to_string().as_bytes()),
            ),
        };
        let mut found = judge(options.clone());
        // `ssh-keygen` does not say why: if only the revocation list fails it, it is not a forgery.
        if found.state == SignatureState::Bad
            && let Some(options) = without_revocations(options)
            && let SignatureJudgement {
                state: SignatureState::Good,
                signer,
                key,
                ..
            } = judge(options)
        {
            found = SignatureJudgement {
                state: SignatureState::Revoked,
                signer,
                key,
                why: "its key was revoked".into(),
            };
        }
        if found.state == SignatureState::Good && tag.name != name {
            found.state = SignatureState::Bad;
            found.why = format!("it is that of the tag {}", text::escape(tag.name));
        }
        Ok(found)
    }
}

/// Returns the options of verification; `None` if no trust is configured.
fn judging(repo: &gix::Repository, format: Format, seconds: i64) -> Option<verify::Options> {
    let program = program(repo, format);
    let level = value(repo, "gpg.minTrustLevel", true);
    let minimum_trust = level
        .and_then(|level| TrustLevel::from_bytes(&level))
        .unwrap_or_default();
    let (program_arguments, environment) = (Vec::new(), Vec::new());
    Some(match format {
        Format::OpenPgp => verify::Options::OpenPgp {
            program,
            program_arguments,
            environment,
            minimum_trust,
        },
        Format::X509 => verify::Options::X509 {
            program,
            program_arguments,
            environment,
            minimum_trust,
        },
        Format::Ssh => verify::Options::Ssh {
            program,
            program_arguments,
            environment,
            allowed_signers: own_path(repo, "gpg.ssh.allowedSignersFile")?,
            revocation_file: own_path(repo, "gpg.ssh.revocationFile"),
            verify_time: gix::date::Time { seconds, offset: 0 },
            minimum_trust,
        },
    })
}

/// Removes the revocation list from the options; `None` if there is none.
fn without_revocations(options: verify::Options) -> Option<verify::Options> {
    match options {
        verify::Options::Ssh {
            program,
            program_arguments,
            environment,
            allowed_signers,
            revocation_file: Some(_),
            verify_time,
            minimum_trust,
        } => {
            let revocation_file = None;
            Some(verify::Options::Ssh {
                program,
                program_arguments,
                environment,
                allowed_signers,
                revocation_file,
                verify_time,
                minimum_trust,
            })
        }
        _ => None,
    }
}

/// Interprets the program's result.
fn judged(outcome: &Outcome) -> SignatureJudgement {
    let (state, why) = match outcome.status {
        Status::Good
            if outcome.is_valid()
                && outcome.trust_level != TrustLevel::Never
                && (outcome.format != Format::Ssh || outcome.signer.is_some()) =>
        {
            (SignatureState::Good, form(outcome.format))
        }
        Status::Good => (
            SignatureState::UnknownKey,
            "nothing here vouches for its key",
        ),
        Status::Bad => (SignatureState::Bad, "it was not made over these bytes"),
        Status::Expired => (SignatureState::Expired, "it has expired"),
        Status::ExpiredKey => (SignatureState::Expired, "its key has expired"),
        Status::RevokedKey => (SignatureState::Revoked, "its key was revoked"),
        Status::Error | Status::Unknown => {
            (SignatureState::UnknownKey, "its key is not known here")
        }
    };
    let safe = |text: &BString| text::escape(text);
    // For a missing key the owner is unknown: other output of the program is not a name.
    let is_known = !matches!(outcome.status, Status::Error | Status::Unknown);
    let key = outcome
        .fingerprint
        .as_ref()
        .or(outcome.key.as_ref())
        .map(safe);
    SignatureJudgement {
        state,
        signer: outcome.signer.as_ref().filter(|_| is_known).map(safe),
        key,
        why: why.into(),
    }
}

/// Returns the format's name, as in `gpg.format`.
fn form(format: Format) -> &'static str {
    match format {
        Format::OpenPgp => "openpgp",
        Format::X509 => "x509",
        Format::Ssh => "ssh",
    }
}
