//! The author and committer of commits and tags, and their times, by git's own rules.
//!
//! Author and committer may differ: a pipeline commits what a person wrote. Names and addresses
//! come from `GIT_AUTHOR_*`, `GIT_COMMITTER_*` and the configuration; the delimiters of an address
//! (`<`, `>`) and newlines are removed, as in git. In cases not handled here (nothing is set, or a
//! date is given) the git program is asked, so that git's own rules apply.

use gix::bstr::{BString, ByteSlice};
use jiff::Timestamp;

use super::{Error, Repo, objects::zone_seconds};
use model::operation::Person;

/// The two roles in a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signature {
    Author,
    Committer,
}

impl Signature {
    /// Returns the configuration keys for name and address, highest precedence first.
    fn keys(self) -> [&'static [&'static str]; 2] {
        match self {
            Self::Author => [
                &["author.name", "user.name"],
                &["author.email", "user.email", "gitoxide.user.emailFallback"],
            ],
            Self::Committer => [
                &["committer.name", "user.name"],
                &[
                    "committer.email",
                    "user.email",
                    "gitoxide.user.emailFallback",
                ],
            ],
        }
    }

    /// Returns git's variable for `git var`.
    fn ident(self) -> &'static str {
        match self {
            Self::Author => "GIT_AUTHOR_IDENT",
            Self::Committer => "GIT_COMMITTER_IDENT",
        }
    }

    /// Returns the environment variable for the date.
    fn date(self) -> &'static str {
        match self {
            Self::Author => "GIT_AUTHOR_DATE",
            Self::Committer => "GIT_COMMITTER_DATE",
        }
    }
}

impl Repo {
    /// Returns the user as git would record them as the author of a commit.
    pub fn identity(&self) -> Result<Person, Error> {
        self.who(Signature::Author)
    }

    /// Returns the user as git would record them as the committer of a commit.
    pub fn committer(&self) -> Result<Person, Error> {
        self.who(Signature::Committer)
    }

    /// Returns the author line of a commit.
    pub(super) fn author_line(
        &self,
        who: &Person,
        at: Timestamp,
    ) -> Result<gix::actor::Signature, Error> {
        self.line(Signature::Author, who, at)
    }

    /// Returns the committer line of a commit, which is also the tagger line of a tag.
    pub(super) fn committer_line(&self, at: Timestamp) -> Result<gix::actor::Signature, Error> {
        self.line(Signature::Committer, &self.committer()?, at)
    }

    /// Combines a person with a time; a date in the environment takes precedence.
    fn line(
        &self,
        part: Signature,
        who: &Person,
        at: Timestamp,
    ) -> Result<gix::actor::Signature, Error> {
        let named = std::env::var_os(part.date()).is_some_and(|date| !date.is_empty());
        let bad = |error| match error {
            Error::Identity { said } => Error::Date {
                variable: part.date(),
                said,
            },
            error => error,
        };
        let time = if named {
            self.ask(part).map_err(bad)?.1
        } else {
            gix::date::Time {
                seconds: at.as_second(),
                offset: zone_seconds(at),
            }
        };
        Ok(gix::actor::Signature {
            name: without_crud(&who.name).into(),
            email: without_crud(&who.email).into(),
            time,
        })
    }

    fn who(&self, part: Signature) -> Result<Person, Error> {
        let found = self.with(|repo| {
            // gix's own author is not used: it comes with a date in the local zone, for which all
            // zones would be listed.
            let config = repo.config_snapshot();
            let first = |keys: &[&str]| keys.iter().find_map(|key| config.string(*key));
            let text = |bytes: BString| without_crud(&bytes.to_str_lossy());
            let [name, email] = part.keys();
            Some(Person {
                name: text(first(name)?),
                email: text(first(email)?),
            })
        });
        match found {
            Some(person) if !person.name.is_empty() => Ok(person),
            _ => self.ask(part).map(|(person, _)| person),
        }
    }

    /// Asks the git program for a person and a date.
    fn ask(&self, part: Signature) -> Result<(Person, gix::date::Time), Error> {
        let ended = self
            .program(&["var", part.ident()])
            .run()
            .map_err(Error::Program)?;
        if !ended.succeeded() {
            let said = ended
                .stderr
                .lines()
                .rfind(|line| !line.trim().is_empty())
                .unwrap_or_default();
            let said = said.strip_prefix(b"fatal: ").unwrap_or(said);
            return Err(Error::Identity {
                said: base::text::escape(said),
            });
        }
        let line = gix::actor::SignatureRef::from_bytes(ended.stdout.trim()).ok();
        let read = line.and_then(|line| Some((super::objects::person(&line), line.time().ok()?)));
        read.ok_or_else(|| Error::Identity {
            said: "git var prints no name, address and date".into(),
        })
    }
}

/// Removes what git drops from a name or address: `<`, `>` and newlines anywhere, and blanks and
/// punctuation at both ends (git's `strbuf_addstr_without_crud`).
fn without_crud(text: &str) -> String {
    let is_crud = |c: char| c <= ' ' || ",:;<>\"\\'".contains(c);
    text.trim_matches(is_crud).replace(['\n', '<', '>'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_git_makes_of_them() {
        for (given, wanted) in [
            ("Ann <x>", "Ann x"),
            ("A <b> .", "A b ."),
            (" Dr. \"x\",", "Dr. \"x"),
            ("a\nb", "ab"),
            ("<<>>", ""),
            ("O'Brien", "O'Brien"),
            ("\u{5f20}\u{4f1f}", "\u{5f20}\u{4f1f}"),
        ] {
            assert_eq!(without_crud(given), wanted, "{given:?}");
        }
    }
}
