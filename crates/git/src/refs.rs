//! Reading references: tags by the thousand, peeled on request, and single ones by full name.
//!
//! Tag names are untrusted bytes and stay bytes. Only full names are looked up, never the short
//! forms that git expands. A broken reference (its file is empty after a power failure, or its
//! object is missing) is reported and skipped, as in git: it does not affect the others.

use std::{collections::BTreeSet, io, os::unix::fs::MetadataExt, path::PathBuf};

use gix::{
    bstr::{BString, ByteSlice},
    objs::Kind,
    refs::file::find::ReferenceDecode,
};
use jiff::Timestamp;

use super::{
    Error, Repo,
    error::During,
    objects::{person, timestamp},
    repo::git_id,
};
use base::text;
use model::{GitId, operation::Person};

/// How many nested tags are followed.
const MAX_PEEL: usize = 16;
/// How often references are read again while git packs them.
const ATTEMPTS: usize = 5;

/// A tag's reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagRef {
    /// The name after `refs/tags/`.
    pub name: BString,
    /// The target of the reference: a tag object or a commit.
    pub id: GitId,
}

/// A broken reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenRef {
    /// The full name, escaped where it is not text.
    pub name: String,
    /// The file, if it holds no id; `None` if its id is that of a missing object.
    pub file: Option<PathBuf>,
    /// The reason.
    pub why: String,
}

/// The tags of a repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags {
    /// Tags whose object is present, sorted by name.
    pub whole: Vec<TagRef>,
    /// Broken tags.
    pub broken: Vec<BrokenRef>,
}

/// The target of a tag, with the contents of its tag object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeledTag {
    /// The commit.
    pub commit: GitId,
    /// True when there is a tag object.
    pub annotated: bool,
    /// The tag object's message without its signature; empty for a lightweight tag.
    pub message: String,
    /// The tagger.
    pub tagger: Option<Person>,
    /// The time of tagging.
    pub at: Option<Timestamp>,
}

/// References with their ids, and those whose files hold no id.
type RefList = (Vec<(BString, GitId)>, Vec<BrokenRef>);

impl Repo {
    /// Returns all tags.
    pub fn tags(&self) -> Result<Tags, Error> {
        self.tags_beginning_with("")
    }

    /// Returns the tags whose names have this prefix; other packed tags cost nothing.
    pub fn tags_beginning_with(&self, beginning: &str) -> Result<Tags, Error> {
        let (found, mut broken) = self.list_refs(&format!("refs/tags/{beginning}"))?;
        let missing = self.missing(found.iter().map(|(_, id)| id));
        let mut whole = Vec::with_capacity(found.len());
        for (name, id) in &found {
            if missing.contains(id) {
                let why = Error::MissingObject { id: id.clone() }.to_string();
                broken.push(BrokenRef {
                    name: text::escape(name),
                    file: None,
                    why,
                });
            } else {
                whole.push(TagRef {
                    name: name["refs/tags/".len()..].into(),
                    id: id.clone(),
                });
            }
        }
        whole.sort_unstable();
        Ok(Tags { whole, broken })
    }

    /// Follows a tag to its commit; an object that is itself a commit is a lightweight tag's.
    pub fn peel_tag(&self, id: &GitId) -> Result<PeeledTag, Error> {
        let bad = |why: String| Error::BadTag {
            id: id.clone(),
            why,
        };
        let mut peeled = PeeledTag {
            commit: id.clone(),
            annotated: false,
            message: String::new(),
            tagger: None,
            at: None,
        };
        for _ in 0..MAX_PEEL {
            let at = peeled.commit.clone();
            match self.header(&at)?.map(|(kind, _)| kind) {
                None => return Err(Error::MissingObject { id: at }),
                Some(Kind::Commit) => return Ok(peeled),
                Some(Kind::Tag) => {}
                Some(kind) => return Err(bad(format!("it leads to a {kind}"))),
            }
            let bytes = self.read_object(&at, Kind::Tag)?;
            let tag = gix::objs::TagRef::from_bytes(&bytes, self.hash())
                .map_err(|error| bad(error.to_string()))?;
            if !peeled.annotated {
                peeled.annotated = true;
                peeled.message = tag.message.to_str_lossy().into_owned();
                let tagger = tag.tagger().map_err(|error| bad(error.to_string()))?;
                peeled.at = tagger.as_ref().and_then(timestamp);
                peeled.tagger = tagger.as_ref().map(person);
            }
            peeled.commit = git_id(&tag.target());
        }
        Err(bad(format!(
            "it is a tag of a tag more than {MAX_PEEL} times"
        )))
    }

    /// Returns the id that a reference points to, following symbolic references.
    pub fn find_ref(&self, full_name: &str) -> Result<Option<GitId>, Error> {
        if !full_name.starts_with("refs/") && full_name != "HEAD" {
            return Ok(None);
        }
        self.settled(|repo| {
            let found = match repo.try_find_reference(full_name) {
                Err(error) => {
                    return Err(self
                        .broken(&error)
                        .map_or_else(|| unread(error), Error::BrokenRef));
                }
                Ok(found) => found,
            };
            let Some(mut reference) = found else {
                return Ok(None);
            };
            // gix would complete a partial name by git's rules, to another reference.
            if reference.name().as_bstr() != full_name {
                return Ok(None);
            }
            match reference.follow_to_object() {
                Ok(id) => Ok(Some(git_id(&id))),
                // An unborn branch is not an error of HEAD's.
                Err(error) if full_name == "HEAD" => Err(error).during("following a reference"),
                Err(_) => Err(Error::BrokenRef(BrokenRef {
                    name: full_name.into(),
                    file: Some(self.common_dir().join(full_name)),
                    why: "it is another name of a reference that is not there, or of itself".into(),
                })),
            }
        })
    }

    /// Returns the references whose names have a prefix that ends in `/`, sorted by name.
    ///
    /// Names that are not UTF-8 and broken references are left out.
    pub fn refs_below(&self, prefix: &str) -> Result<Vec<(String, GitId)>, Error> {
        let mut refs: Vec<_> = self
            .list_refs(prefix)?
            .0
            .into_iter()
            .filter_map(|(name, id)| Some((String::from_utf8(name.into()).ok()?, id)))
            .collect();
        refs.sort_unstable();
        Ok(refs)
    }

    /// Returns the names of references below a prefix that ends in `/`, sorted. Their values are
    /// not read, so thousands of loose ones cost little more than listing their folders.
    ///
    /// Names that are not UTF-8 are left out.
    pub fn ref_names_below(&self, prefix: &str) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        let mut folders = vec![prefix.trim_end_matches('/').to_string()];
        while let Some(folder) = folders.pop() {
            let path = self.common_dir().join(&folder);
            let listing = match std::fs::read_dir(&path) {
                Ok(listing) => listing,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    continue;
                }
                Err(source) => {
                    return Err(Error::File {
                        doing: "listing",
                        path,
                        source,
                    });
                }
            };
            for entry in listing {
                let failed = |source| Error::File {
                    doing: "listing",
                    path: path.clone(),
                    source,
                };
                let entry = entry.map_err(failed)?;
                let Ok(name) = entry.file_name().into_string() else {
                    continue;
                };
                let full = format!("{folder}/{name}");
                match entry.file_type().map_err(failed)? {
                    kind if kind.is_dir() => folders.push(full),
                    // git allows no name with this suffix: it is a lock.
                    _ if name.ends_with(".lock") => {}
                    _ => drop(names.insert(full)),
                }
            }
        }
        let doing = "listing references";
        self.with(|repo| {
            let Some(packed) = repo.refs.cached_packed_buffer().during(doing)? else {
                return Ok(());
            };
            for reference in packed.iter_prefixed(prefix.into()).during(doing)? {
                names.extend(
                    reference
                        .during(doing)?
                        .name
                        .as_bstr()
                        .to_str()
                        .ok()
                        .map(String::from),
                );
            }
            Ok(())
        })?;
        Ok(names)
    }

    /// Returns all references with a prefix, and those whose files hold no id; dangling symbolic
    /// references are left out.
    fn list_refs(&self, prefix: &str) -> Result<RefList, Error> {
        self.settled(|repo| {
            let platform = repo.references().during("listing references")?;
            let (mut found, mut broken) = (Vec::new(), Vec::new());
            for reference in platform
                .prefixed(listable(prefix).as_bytes())
                .during("listing references")?
            {
                let mut reference = match reference {
                    Ok(reference) => reference,
                    // It was removed while the names were listed.
                    Err(error)
                        if error.downcast_any_ref().is_some_and(|error: &io::Error| {
                            error.kind() == io::ErrorKind::NotFound
                        }) =>
                    {
                        continue;
                    }
                    Err(error) => {
                        let found = self.broken(&error).ok_or_else(|| unread(error))?;
                        broken.extend(found.name.starts_with(prefix).then_some(found));
                        continue;
                    }
                };
                let name = reference.name().as_bstr().to_owned();
                let id = match reference.target().try_id() {
                    Some(id) => git_id(id),
                    None => match reference.follow_to_object() {
                        Ok(id) => git_id(&id),
                        Err(_) => continue,
                    },
                };
                if name.starts_with(prefix.as_bytes()) {
                    found.push((name, id));
                }
            }
            Ok((found, broken))
        })
    }

    /// Reads references, and repeats this if git packed some meanwhile: a reference may have been
    /// seen neither loose nor packed.
    fn settled<T>(&self, look: impl Fn(&gix::Repository) -> Result<T, Error>) -> Result<T, Error> {
        let packed = || {
            let found = std::fs::metadata(self.common_dir().join("packed-refs")).ok()?;
            Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
        };
        for _ in 1..ATTEMPTS {
            let before = packed();
            let found = self.with(&look);
            if packed() == before {
                return found;
            }
        }
        self.with(look)
    }

    /// Returns the reference whose file holds no id, if that is the cause of the error.
    fn broken(&self, error: &gix::Error) -> Option<BrokenRef> {
        let name = &error.downcast_any_ref::<ReferenceDecode>()?.relative_path;
        let file = [self.git_dir(), self.common_dir()]
            .map(|folder| folder.join(name))
            .into_iter()
            .find(|file| file.exists());
        let is_empty = file
            .as_ref()
            .and_then(|file| file.metadata().ok())
            .is_some_and(|found| found.len() == 0);
        let why = if is_empty {
            "its file is empty, as a power cut leaves one"
        } else {
            "its file holds no id of an object"
        };
        Some(BrokenRef {
            name: text::escape(name.as_os_str().as_encoded_bytes()),
            file,
            why: why.into(),
        })
    }
}

/// Makes the error for references that cannot be read.
fn unread(error: gix::Error) -> Error {
    Error::Git {
        doing: "reading references",
        source: error.into(),
    }
}

/// Shortens a prefix to the folders before the first name below which gix lists nothing, that is, a
/// Windows device name.
fn listable(mut prefix: &str) -> &str {
    while <&gix::path::RelativePath>::try_from(prefix).is_err() {
        let above = prefix.trim_end_matches('/').rfind('/');
        prefix = &prefix[..above.map_or(0, |at| at + 1)];
    }
    prefix
}

#[cfg(test)]
mod tests;
