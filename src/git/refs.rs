//! References, read: tags by the thousand, peeled when asked, and single ones by full name.
//!
//! Tag names are untrusted bytes; they stay bytes. Only full names are looked up, never the
//! short forms that git guesses from.

use std::{collections::BTreeSet, io};

use gix::{
    bstr::{BString, ByteSlice},
    objs::Kind,
};
use jiff::Timestamp;

use super::{
    Error, Repo,
    error::During,
    objects::{person, timestamp},
    repo::git_id,
};
use crate::{base::GitId, model::operation::Person};

/// How many tags of tags are followed.
const MAX_PEEL: usize = 16;

/// A tag's reference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagRef {
    /// The name after `refs/tags/`.
    pub name: BString,
    /// What the reference points to: a tag object, or a commit.
    pub id: GitId,
}

/// Where a tag leads, and what its tag object says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeledTag {
    /// The commit.
    pub commit: GitId,
    /// True when there is a tag object.
    pub annotated: bool,
    /// The tag object's message without its signature; empty for a light tag.
    pub message: String,
    /// Who tagged.
    pub tagger: Option<Person>,
    /// When.
    pub at: Option<Timestamp>,
}

impl Repo {
    /// All tags, sorted by name.
    pub fn tags(&self) -> Result<Vec<TagRef>, Error> {
        self.tags_beginning_with("")
    }

    /// The tags whose names begin so, sorted by name; the others cost nothing when they are packed.
    pub fn tags_beginning_with(&self, beginning: &str) -> Result<Vec<TagRef>, Error> {
        let tags = self.list_refs(&format!("refs/tags/{beginning}"))?;
        let mut tags: Vec<_> = tags.into_iter().map(|(name, id)| TagRef { name: name["refs/tags/".len()..].into(), id }).collect();
        tags.sort_unstable();
        Ok(tags)
    }

    /// Follows a tag to its commit; an object that is a commit is a light tag's.
    pub fn peel_tag(&self, id: &GitId) -> Result<PeeledTag, Error> {
        let bad = |why: String| Error::BadTag { id: id.clone(), why };
        let mut peeled = PeeledTag { commit: id.clone(), annotated: false, message: String::new(), tagger: None, at: None };
        for _ in 0..MAX_PEEL {
            let at = peeled.commit.clone();
            match self.header(&at)?.map(|(kind, _)| kind) {
                None => return Err(Error::MissingObject { id: at }),
                Some(Kind::Commit) => return Ok(peeled),
                Some(Kind::Tag) => {}
                Some(kind) => return Err(bad(format!("it leads to a {kind}"))),
            }
            let bytes = self.read_object(&at, Kind::Tag)?;
            let tag = gix::objs::TagRef::from_bytes(&bytes, self.hash()).map_err(|error| bad(error.to_string()))?;
            if !peeled.annotated {
                peeled.annotated = true;
                peeled.message = tag.message.to_str_lossy().into_owned();
                let tagger = tag.tagger().map_err(|error| bad(error.to_string()))?;
                peeled.at = tagger.as_ref().and_then(timestamp);
                peeled.tagger = tagger.as_ref().map(person);
            }
            peeled.commit = git_id(&tag.target());
        }
        Err(bad(format!("it is a tag of a tag more than {MAX_PEEL} times")))
    }

    /// The object that a reference points to, symbolic references followed.
    pub fn find_ref(&self, full_name: &str) -> Result<Option<GitId>, Error> {
        if !full_name.starts_with("refs/") && full_name != "HEAD" {
            return Ok(None);
        }
        self.with(|repo| {
            let Some(mut reference) = repo.try_find_reference(full_name).during("looking for a reference")? else { return Ok(None) };
            // A partial name would be completed by git's rules: that is another reference.
            if reference.name().as_bstr() != full_name {
                return Ok(None);
            }
            let id = reference.follow_to_object().during("following a reference")?;
            Ok(Some(git_id(&id)))
        })
    }

    /// The references whose names begin with a prefix that ends in `/`, sorted by name.
    ///
    /// Names that are not UTF-8 are left out.
    pub fn refs_below(&self, prefix: &str) -> Result<Vec<(String, GitId)>, Error> {
        let refs = self.list_refs(prefix)?;
        let mut refs: Vec<_> = refs.into_iter().filter_map(|(name, id)| Some((String::from_utf8(name.into()).ok()?, id))).collect();
        refs.sort_unstable();
        Ok(refs)
    }

    /// The names of references below a prefix that ends in `/`, sorted. What they lead to is not
    /// read, so thousands of loose ones cost little more than the listing of their folders.
    ///
    /// Names that are not UTF-8 are left out.
    pub fn ref_names_below(&self, prefix: &str) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        let mut folders = vec![prefix.trim_end_matches('/').to_string()];
        while let Some(folder) = folders.pop() {
            let path = self.common_dir().join(&folder);
            let listing = match std::fs::read_dir(&path) {
                Ok(listing) => listing,
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
                Err(source) => return Err(Error::File { doing: "listing", path, source }),
            };
            for entry in listing {
                let failed = |source| Error::File { doing: "listing", path: path.clone(), source };
                let entry = entry.map_err(failed)?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let full = format!("{folder}/{name}");
                match entry.file_type().map_err(failed)? {
                    kind if kind.is_dir() => folders.push(full),
                    // git allows no name that ends so: it is a lock.
                    _ if name.ends_with(".lock") => {}
                    _ => drop(names.insert(full)),
                }
            }
        }
        let doing = "listing references";
        self.with(|repo| {
            let Some(packed) = repo.refs.cached_packed_buffer().during(doing)? else { return Ok(()) };
            for reference in packed.iter_prefixed(prefix.into()).during(doing)? {
                names.extend(reference.during(doing)?.name.as_bstr().to_str().ok().map(String::from));
            }
            Ok(())
        })?;
        Ok(names)
    }

    /// All references below a prefix; broken ones are an error, dangling symbolic ones are left out.
    fn list_refs(&self, prefix: &str) -> Result<Vec<(BString, GitId)>, Error> {
        let doing = "listing references";
        self.with(|repo| {
            let platform = repo.references().during(doing)?;
            let mut found = Vec::new();
            for reference in platform.prefixed(listable(prefix).as_bytes()).during(doing)? {
                let mut reference = reference.during(doing)?;
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
            Ok(found)
        })
    }
}

/// The folders of a prefix up to the first name that gix lists nothing below: those of devices of Windows.
fn listable(mut prefix: &str) -> &str {
    while <&gix::path::RelativePath>::try_from(prefix).is_err() {
        let above = prefix.trim_end_matches('/').rfind('/');
        prefix = &prefix[..above.map_or(0, |at| at + 1)];
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;
    use super::*;

    #[test]
    fn tags_are_the_same_loose_and_packed() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        let commit = sandbox.commit("first");
        sandbox.git(&["tag", "light"]);
        sandbox.git(&["tag", "-a", "T01-v1.0.0", "-m", "the message\n\nSnapback-Task: T01"]);
        sandbox.git(&["tag", "-a", "of/a/tag", "T01-v1.0.0", "-m", "outer"]);
        let loose = sandbox.repo().tags().unwrap();
        assert_eq!(loose.iter().map(|tag| tag.name.to_string()).collect::<Vec<_>>(), ["T01-v1.0.0", "light", "of/a/tag"]);
        assert_eq!(sandbox.repo().tags_beginning_with("T01-v").unwrap(), loose[..1]);
        sandbox.git(&["pack-refs", "--all"]);
        let repo = sandbox.repo();
        assert_eq!(repo.tags().unwrap(), loose);
        assert_eq!(repo.tags_beginning_with("T01-v").unwrap(), loose[..1]);
        assert_eq!(sandbox.repo().tags_beginning_with("li").unwrap(), loose[1..2]);
        assert_eq!(sandbox.repo().tags_beginning_with("x").unwrap(), []);

        let peeled = repo.peel_tag(&loose[0].id).unwrap();
        assert_eq!((peeled.commit.clone(), peeled.annotated), (commit.clone(), true));
        assert_eq!(peeled.message, "the message\n\nSnapback-Task: T01\n");
        assert_eq!(peeled.tagger.unwrap().name, "Ada");
        let light = repo.peel_tag(&loose[1].id).unwrap();
        assert_eq!((light.commit, light.annotated, light.at), (commit.clone(), false, None));
        assert_eq!(repo.peel_tag(&loose[2].id).unwrap().message, "outer\n");
        assert_eq!(repo.refs_below("refs/heads/").unwrap(), [("refs/heads/main".to_string(), commit.clone())]);
        assert_eq!(repo.find_ref("refs/heads/main").unwrap(), Some(commit));
        sandbox.git(&["tag", "of/another", "light"]);
        sandbox.write(".git/refs/tags/of/x.lock", b"");
        let names = sandbox.repo().ref_names_below("refs/tags/of/").unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["refs/tags/of/a/tag", "refs/tags/of/another"], "packed and loose");
        assert_eq!(sandbox.repo().ref_names_below("refs/none/").unwrap().len(), 0);
        assert_eq!((repo.find_ref("main").unwrap(), repo.find_ref("refs/heads/x").unwrap()), (None, None));
    }

    #[test]
    fn tags_that_lead_elsewhere_are_bad() {
        let sandbox = Sandbox::new();
        sandbox.write("a", b"1\n");
        sandbox.commit("first");
        sandbox.git(&["tag", "tree", "HEAD^{tree}"]);
        sandbox.git(&["tag", "-a", "blob", "HEAD:a", "-m", "m"]);
        let repo = sandbox.repo();
        for tag in repo.tags().unwrap() {
            assert!(matches!(repo.peel_tag(&tag.id), Err(Error::BadTag { .. })), "{}", tag.name);
        }
    }
}
