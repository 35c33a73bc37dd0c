//! How the tags of a task are written: `{task}-v{version}`, `v{version}`, `{task}@{version}`,
//! `{path}/v{version}`, or any other text with the word for the version in it.
//!
//! A marker of a rollback stands where the version does, so it has the same form.

use std::{fmt, str::FromStr, sync::LazyLock};

use base::RelPath;

use crate::{TagName, TaskId, Version, ids};

/// The word that the version stands for.
const VERSION: &str = "{version}";
/// Stands for the id of the task.
const TASK: &str = "{task}";
/// Stands for the task's folder; in the root of the repository for nothing, and no `/` follows.
const PATH: &str = "{path}";
/// Maximum length of a form, in bytes.
const LONGEST: usize = 200;

/// How the tags of a task are written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagForm {
    before: FormSide,
    after: FormSide,
}

/// One side of the version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct FormSide {
    /// The text up to the word, or all.
    begin: String,
    /// The word, and the text behind it.
    rest: Option<(FormWord, String)>,
}

/// A word that names the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum FormWord {
    Task,
    Path,
}

/// The error for a text that is not a form of tags.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{form:?} is no form of tags: {why}")]
pub struct NotATagForm {
    /// The text.
    pub form: String,
    /// The reason.
    pub why: &'static str,
}

/// Whom a tag's name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagOwner<'a> {
    /// The task with this id.
    Id(&'a str),
    /// The task with this folder; empty for the root.
    Folder(&'a str),
    /// The task that has this form.
    OfForm,
}

impl Default for TagForm {
    fn default() -> Self {
        Self {
            before: FormSide {
                begin: String::new(),
                rest: Some((FormWord::Task, "-v".into())),
            },
            after: FormSide::plain(""),
        }
    }
}

impl TagForm {
    /// The default form.
    pub fn usual() -> &'static Self {
        static USUAL: LazyLock<TagForm> = LazyLock::new(TagForm::default);
        &USUAL
    }

    /// True when only one task can have this form: it names neither a task nor a folder.
    pub fn is_of_one_task(&self) -> bool {
        self.word().is_none()
    }

    /// Returns the name of a tag of the task in this folder.
    pub fn write(&self, name: &TagName, dir: &RelPath) -> String {
        let word = |side: &FormSide| side.write(name.task(), dir);
        format!("{}{}{}", word(&self.before), name.stem(), word(&self.after))
    }

    /// Returns what all names of a task's tags begin with.
    pub fn beginning(&self, task: &TaskId, dir: &RelPath) -> String {
        self.before.write(task, dir)
    }

    /// Returns each way to take a name apart: whom it names, and what stands for the version. The
    /// longest owner comes first.
    pub fn splits<'a>(&'a self, name: &'a str) -> Vec<(TagOwner<'a>, &'a str)> {
        let mut found = Vec::new();
        match (&self.before.rest, &self.after.rest) {
            (None, None) => {
                let stem = name.strip_prefix(self.before.begin.as_str());
                let stem = stem.and_then(|rest| rest.strip_suffix(self.after.begin.as_str()));
                found.extend(stem.map(|stem| (TagOwner::OfForm, stem)));
            }
            (Some((word, behind)), _) => {
                let rest = name.strip_prefix(self.before.begin.as_str());
                let rest = rest.and_then(|rest| rest.strip_suffix(self.after.begin.as_str()));
                let rest = rest.unwrap_or_default();
                let cut = |(at, _): (usize, &'a str)| (&rest[..at], &rest[at + behind.len()..]);
                let cuts = rest.rmatch_indices(behind.as_str()).map(cut);
                found.extend(cuts.map(|(owner, stem)| (word.owner(owner), stem)));
                found.extend(word.in_root(behind, rest));
            }
            (None, Some((word, behind))) => {
                let rest = name.strip_prefix(self.before.begin.as_str());
                let rest = rest.and_then(|rest| rest.strip_suffix(behind.as_str()));
                let (rest, begin) = (rest.unwrap_or_default(), self.after.begin.as_str());
                let cut = |(at, _): (usize, &'a str)| (&rest[at + begin.len()..], &rest[..at]);
                let cuts = rest.match_indices(begin).map(cut);
                found.extend(cuts.map(|(owner, stem)| (word.owner(owner), stem)));
            }
        }
        // The cheap test comes first: thousands of foreign tags must cost nothing.
        found.retain(|(_, stem)| stem.starts_with(|c: char| c.is_ascii_digit()));
        found
    }

    /// Returns each meaning of a name, the longest owner first; `find` knows the tasks.
    pub fn readings(
        &self,
        name: &str,
        find: &dyn Fn(TagOwner<'_>) -> Option<TaskId>,
    ) -> Vec<TagName> {
        let splits = self.splits(name).into_iter();
        splits
            .filter_map(|(owner, stem)| TagName::of_stem(find(owner)?, stem))
            .collect()
    }

    /// Returns the word that names the task.
    fn word(&self) -> Option<FormWord> {
        let word = |side: &FormSide| side.rest.as_ref().map(|(word, _)| *word);
        word(&self.before).or(word(&self.after))
    }
}

impl FormSide {
    /// Returns a side without a word.
    fn plain(text: &str) -> Self {
        Self {
            begin: text.into(),
            rest: None,
        }
    }

    /// Takes a text apart at its word.
    fn parse(text: &str) -> Self {
        let word = |word: FormWord| {
            let (begin, rest) = text.split_once(word.text())?;
            Some(Self {
                begin: begin.into(),
                rest: Some((word, rest.into())),
            })
        };
        let found = word(FormWord::Task).or_else(|| word(FormWord::Path));
        found.unwrap_or_else(|| Self::plain(text))
    }

    /// Returns the text of this side for a task.
    fn write(&self, task: &TaskId, dir: &RelPath) -> String {
        match &self.rest {
            None => self.begin.clone(),
            Some((FormWord::Task, rest)) => format!("{}{task}{rest}", self.begin),
            Some((FormWord::Path, rest)) if dir.is_root() => {
                let rest = rest.strip_prefix('/').unwrap_or(rest);
                format!("{}{rest}", self.begin)
            }
            Some((FormWord::Path, rest)) => format!("{}{}{rest}", self.begin, dir.to_text()),
        }
    }
}

impl FormWord {
    /// Returns the word as it is written in a form.
    fn text(self) -> &'static str {
        match self {
            Self::Task => TASK,
            Self::Path => PATH,
        }
    }

    /// Returns the owner whom this word named.
    fn owner(self, text: &str) -> TagOwner<'_> {
        match self {
            Self::Task => TagOwner::Id(text),
            Self::Path => TagOwner::Folder(text),
        }
    }

    /// Returns the reading of a name as one of the task in the root of the repository.
    fn in_root<'a>(self, behind: &str, rest: &'a str) -> Option<(TagOwner<'a>, &'a str)> {
        let behind = behind.strip_prefix('/').unwrap_or(behind);
        let stem = rest.strip_prefix(behind)?;
        (self == Self::Path).then_some((TagOwner::Folder(""), stem))
    }
}

impl FromStr for TagForm {
    type Err = NotATagForm;

    fn from_str(form: &str) -> Result<Self, NotATagForm> {
        let wrong = |why| NotATagForm {
            form: form.into(),
            why,
        };
        if form.len() > LONGEST {
            return Err(wrong("it is too long"));
        }
        let Some((before, after)) = form.split_once(VERSION) else {
            return Err(wrong("it does not hold {version}"));
        };
        let own = Self {
            before: FormSide::parse(before),
            after: FormSide::parse(after),
        };
        let texts = [&own.before, &own.after].map(|side| {
            let rest = side.rest.as_ref().map(|(_, rest)| rest.as_str());
            [side.begin.as_str(), rest.unwrap_or_default()]
        });
        if texts.iter().flatten().any(|text| text.contains(['{', '}'])) {
            return Err(wrong(
                "it may hold {version} once, and {task} or {path} once",
            ));
        }
        if own.before.rest.is_some() && own.after.rest.is_some() {
            return Err(wrong("{task} or {path} may be in it once"));
        }
        let beside = own.before.rest.as_ref().map(|(_, rest)| rest.as_str());
        let beside = beside.or(own.after.rest.as_ref().map(|_| own.after.begin.as_str()));
        if beside == Some("") {
            return Err(wrong("nothing is between the task and the version"));
        }
        if before.ends_with(|c: char| c.is_ascii_digit()) {
            return Err(wrong("a digit is before {version}"));
        }
        if after.starts_with(|c: char| c.is_ascii_alphanumeric() || ".-+".contains(c)) {
            return Err(wrong("what follows {version} could be a part of it"));
        }
        if is_tag(&form.replace(['{', '}'], "")) {
            Ok(own)
        } else {
            Err(wrong("git does not take it as the name of a tag"))
        }
    }
}

/// True for the name of a tag that can be one of the version, in whatever form.
pub fn could_name(tag: &str, version: &Version) -> bool {
    let text = version.as_str();
    // A longer number is another version: `1.2` does not name `T01-v1.2.0`.
    let is_whole = |(at, _): (usize, &str)| {
        let (before, behind) = (&tag[..at], &tag[at + text.len()..]);
        let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        let ends_in_number = |text: &str| text.ends_with(|c: char| c.is_ascii_digit());
        !ends_in_number(before.strip_suffix('.').unwrap_or(before))
            && !is_number(behind.strip_prefix('.').unwrap_or(behind))
    };
    tag.len() <= LONGEST * 2 && is_tag(tag) && tag.match_indices(text).any(is_whole)
}

/// True for a name that git takes for a tag (git-check-ref-format(1)), without signs that a shell
/// or Markdown may take for something else.
pub fn is_tag(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.as_bytes().ends_with(b".lock")
            && !part.ends_with('.')
    };
    let is_usual = |c: char| ids::is_of_word(c) || "._+-@/!=#,".contains(c);
    name.split('/').all(part)
        && !name.starts_with('-')
        && !name.contains("..")
        && !name.contains("@{")
        && name.chars().all(is_usual)
}

impl fmt::Display for TagForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &FormSide| match &side.rest {
            None => side.begin.clone(),
            Some((word, rest)) => format!("{}{}{rest}", side.begin, word.text()),
        };
        write!(f, "{}{VERSION}{}", side(&self.before), side(&self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> TagForm {
        text.parse().expect("it is a form")
    }

    fn written(text: &str, dir: &str) -> String {
        let task: TaskId = "web".parse().expect("id");
        let name = TagName::release(&task, &"1.2.0".parse().expect("version"));
        let dir = match dir {
            "." => RelPath::root(),
            dir => RelPath::parse(dir.as_bytes()).expect("path"),
        };
        form(text).write(&name, &dir)
    }

    #[test]
    fn the_forms_that_people_have() {
        for (text, dir, name) in [
            ("{task}-v{version}", "tasks/web", "web-v1.2.0"),
            ("v{version}", "tasks/web", "v1.2.0"),
            ("{version}", "tasks/web", "1.2.0"),
            ("{task}@{version}", "packages/web", "web@1.2.0"),
            ("@acme/web@{version}", "packages/web", "@acme/web@1.2.0"),
            ("{path}/v{version}", "services/web", "services/web/v1.2.0"),
            ("{path}/v{version}", ".", "v1.2.0"),
            ("release/{version}/{task}", "x", "release/1.2.0/web"),
        ] {
            assert_eq!(written(text, dir), name, "{text}");
            assert_eq!(form(text).to_string(), text);
            let splits = form(text);
            let splits = splits.splits(name);
            assert!(
                splits.iter().any(|(owner, stem)| *stem == "1.2.0"
                    && match owner {
                        TagOwner::Id(id) => *id == "web",
                        TagOwner::Folder(folder) => folder == &dir.trim_start_matches('.'),
                        TagOwner::OfForm => true,
                    }),
                "{text}: {splits:?}"
            );
        }
        assert_eq!(TagForm::default(), form("{task}-v{version}"));
    }

    #[test]
    fn what_is_no_form_is_refused() {
        for text in [
            "",
            "{task}",
            "{task}{version}",
            "{version}{task}",
            "{version}-{task}",
            "v1{version}",
            "{task}/{path}/{version}",
            "{name}-{version}",
            "{version}-{version}",
            "a b{version}",
            "/{version}",
            "-{version}",
            "x..{version}",
            "{version}.lock",
            "x.lock/{version}",
        ] {
            assert!(text.parse::<TagForm>().is_err(), "{text}");
        }
    }
}
