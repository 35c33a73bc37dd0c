//! Finds the manifest of a release and checks the chain tag -> commit -> manifest.
//!
//! Everything that is restored, compared or derived from a manifest goes through [`load`], so no
//! command can bypass its refusals (a moved tag, a manifest other than the tag's). Where the tag
//! names a digest, bytes with that digest are the manifest, wherever they lie. The copies in HEAD
//! and in the work tree have no authority; differences in them are only reported
//! ([`copy_trouble`]).

mod copies;
mod locate;

use std::sync::Arc;

use super::{Error, Release, absent::Absent, capture, grown};
pub use crate::site::ReadRelease as Found;
use crate::{
    base::{Digest, Failure, Hint, RelPath, yaml::YamlLimits},
    git::{self, BrokenRef, PeeledTag, Repo},
    model::{DependencyList, GitId, Manifest, TagName, manifest::ManifestFile, tag},
    site::{ReleaseKey, RepoSite},
};

use copies::other_copy;
pub use copies::{copy_trouble, has_another, line_ends};
use locate::bytes_of;

/// The line of a tag's message that holds the manifest's digest.
pub const MANIFEST_TRAILER: &str = "Snapback-Manifest: ";

/// Maximum size of a manifest, in bytes: what its reader takes.
pub const LIMIT: u64 = Manifest::MAX_BYTES as u64;

/// Refuses a release that could not be read back, before anything of it is written. Any commit of
/// the repository stands in for its own, if that is not made yet.
///
/// # Errors
/// Fails when its text will be larger than [`LIMIT`], or what is not files larger than the YAML
/// parser reads, or when it has more files and folders than [`git::MAX_ENTRIES`].
pub fn check_size(manifest: &Manifest, commit: Option<&GitId>) -> Result<(), Error> {
    let (size, around) = manifest.written_size(commit);
    check_within(manifest, size as u64, (LIMIT, git::MAX_ENTRIES))?;
    if around <= YamlLimits::machine().bytes {
        return Ok(());
    }
    let what = "more notes and dependencies than are read back".to_string();
    Err(too_large(manifest, what))
}

/// Refuses a manifest of this size if its text or its tree is larger than these limits.
fn check_within(manifest: &Manifest, size: u64, most: (u64, usize)) -> Result<(), Error> {
    let what = if size > most.0 {
        format!("{size} bytes, more than the {} that are read back", most.0)
    } else if most_entries(manifest) > most.1 && entries(manifest) > most.1 {
        format!(
            "{} files and folders, more than the {} that are read back",
            entries(manifest),
            most.1
        )
    } else {
        return Ok(());
    };
    Err(too_large(manifest, what))
}

/// Returns a number that files and folders cannot exceed; cheaper than [`entries`].
fn most_entries(manifest: &Manifest) -> usize {
    let deepest = manifest.files.iter().map(|file| {
        let path = file.path().as_bytes();
        1 + path.iter().filter(|byte| **byte == b'/').count()
    });
    deepest.sum()
}

/// Returns the error for a manifest that has too much of something.
fn too_large(manifest: &Manifest, what: String) -> Error {
    Error::ManifestTooLarge {
        task: manifest.subject.task.clone(),
        version: manifest.subject.version.clone(),
        what,
    }
}

/// Returns the number of files in a manifest, and of folders that hold them.
fn entries(manifest: &Manifest) -> usize {
    let folders = |path: &RelPath| path.as_bytes().split(|byte| *byte == b'/').count() - 1;
    let paths = manifest.files.iter().map(ManifestFile::path);
    let (mut count, mut last) = (manifest.files.len(), None);
    for path in paths {
        let shared = last.map_or(0, |last: &RelPath| {
            let pairs = last.as_bytes().split(|byte| *byte == b'/');
            let pairs = pairs.zip(path.as_bytes().split(|byte| *byte == b'/'));
            pairs.take_while(|(a, b)| a == b).count()
        });
        count += folders(path).saturating_sub(shared);
        last = Some(path);
    }
    count
}

/// Returns the digest in a tag's message, if any.
pub fn digest_in(message: &str) -> Option<Digest> {
    message
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(MANIFEST_TRAILER)?.trim().parse().ok())
}

/// Loads and checks the manifest of a release: the tag is the original one, its commit is the
/// manifest's, and the manifest's digest is the tag's (adopted tags name none).
pub fn load(site: &RepoSite, release: &Release) -> Result<Arc<Found>, Failure> {
    if let TagCopy::Other(kept) = kept(&site.git, release)? {
        return Err(Error::tag_replaced(release, kept).into());
    }
    let known = || {
        site.read
            .lock()
            .expect("because no holder of this lock panics")
    };
    let (task, version, tag_id) = (
        release.task.clone(),
        release.version.clone(),
        release.tag_id.clone(),
    );
    let key = ReleaseKey {
        task,
        version,
        tag_id,
        head: site.git.head_commit()?,
    };
    if let Some(found) = known().get(&key) {
        return Ok(found.clone());
    }
    let found = Arc::new(read(site, release)?);
    if release.lost {
        let (why, hints) = lost_tag(&site.git, release);
        let bring: Vec<String> = hints.iter().map(|hint| hint.command().join(" ")).collect();
        let kept = TagName::keep_reference(&release.task, &release.version);
        site.warn(format!(
            "{why}, and only {kept} has it: {}",
            bring.join(" && ")
        ));
    }
    if let Some(copy) = &found.copy {
        site.warn(format!(
            "{}; what its tag names is taken",
            copy_trouble(release, copy)
                .map_or_else(|| line_ends(release), |error| error.to_string())
        ));
    }
    known().insert(key, found.clone());
    Ok(found)
}

/// Describes a tag of which only the second reference is left, and how to restore it.
pub fn lost_tag(git: &Repo, release: &Release) -> (String, Vec<Hint>) {
    let (tag, reference) = (&release.tag, tag::reference(&release.tag));
    let bring = Hint::run(
        "bring the tag back",
        &["git", "update-ref", &reference, release.tag_id.as_str()],
    );
    match git.find_ref(&reference) {
        // git does not overwrite a reference that holds no id.
        Err(git::Error::BrokenRef(broken)) => {
            let why = format!("the tag {tag} is broken: {}", broken.why);
            (
                why,
                broken.hints().into_iter().take(1).chain([bring]).collect(),
            )
        }
        Ok(Some(_)) => (
            format!("the tag {tag} leads to an object that is missing here"),
            vec![bring],
        ),
        _ => (format!("the tag {tag} is missing"), vec![bring]),
    }
}

/// Returns what this clone may legitimately lack of a release.
pub fn absent(git: &Repo, release: &Release) -> Absent {
    // What an operation is making here is here, though it has no second reference yet.
    let is_own = release.pending.is_some() || !matches!(kept(git, release), Ok(TagCopy::Nothing));
    Absent::of(git, is_own)
}

/// The second reference of a release, compared with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagCopy {
    /// It equals the tag.
    Same,
    /// There is none: the release was made elsewhere, or adopted.
    Nothing,
    /// It differs, so the tag was moved.
    Other(GitId),
    /// It is broken itself, so it proves nothing about the tag.
    Broken(BrokenRef),
}

/// Reads the second reference of a release.
pub fn kept(git: &Repo, release: &Release) -> Result<TagCopy, Failure> {
    let found = match git.find_ref(&TagName::keep_reference(&release.task, &release.version)) {
        Err(git::Error::BrokenRef(broken)) => return Ok(TagCopy::Broken(broken)),
        found => found?,
    };
    Ok(match found {
        None => TagCopy::Nothing,
        Some(id) if id == release.tag_id => TagCopy::Same,
        Some(id) => TagCopy::Other(id),
    })
}

/// Returns the exact, unparsed bytes of a release's manifest, and its tag. If the tag names a
/// digest, the bytes have it.
pub fn bytes(site: &RepoSite, release: &Release) -> Result<(PeeledTag, Vec<u8>), Failure> {
    let tag = site.git.peel_tag(&release.tag_id)?;
    let bytes = bytes_of(&site.git, &site.settings, release, &tag)?.bytes;
    Ok((tag, bytes))
}

/// Returns the dependencies in a release's manifest, without looking at its files; `None` when they
/// were never collected ([`Manifest::knows_dependencies`]).
pub fn dependencies(site: &RepoSite, release: &Release) -> Result<Option<DependencyList>, Failure> {
    let tag = site.git.peel_tag(&release.tag_id)?;
    let expected = digest_in(&tag.message);
    // The work tree's copy is faster to read, and equally good if it has the digest.
    let copy = capture::bytes(
        &*site.tree,
        &site.settings.manifest_path(&release.task, &release.version),
    )
    .ok()
    .flatten();
    let bytes = match copy.filter(|bytes| expected == Some(Digest::of(bytes))) {
        Some(bytes) => bytes,
        None => bytes_of(&site.git, &site.settings, release, &tag)?.bytes,
    };
    Ok(Manifest::parse_dependencies(&bytes)?)
}

/// Reads and checks the manifest.
fn read(site: &RepoSite, release: &Release) -> Result<Found, Failure> {
    let (git, settings) = (&site.git, &site.settings);
    let tag = git.peel_tag(&release.tag_id)?;
    let located = bytes_of(git, settings, release, &tag)?;
    let (copy, manifest) = rayon::join(
        || other_copy(site, release, &located),
        || Manifest::parse(&located.bytes),
    );
    let copy = copy?;
    let mut manifest = manifest?;
    if !manifest.subject.is(&release.task, &release.version) {
        return Err(crate::model::manifest::Error::Rule(format!(
            "it is of {} {}",
            manifest.subject.task, manifest.subject.version
        ))
        .into());
    }
    let commit = manifest.subject.commit.to_string();
    let same = if manifest.by_hand {
        commit.len() >= 7 && tag.commit.as_str().starts_with(&commit)
    } else {
        commit == tag.commit.as_str()
    };
    if !same {
        return Err(Error::TagMoved {
            tag: release.tag.clone(),
            expected: commit,
            found: tag.commit.to_string(),
        }
        .into());
    }
    let grown = match settings.task(&release.task).filter(|_| !manifest.by_hand) {
        Some(task) => grown::complete(site, task, &tag, &mut manifest)?,
        None => Vec::new(),
    };
    Ok(Found {
        manifest,
        tag,
        grown,
        copy,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Fault;

    #[test]
    fn a_manifest_that_is_too_large_to_be_read_back_is_refused() {
        let example = concat!(
            "schema: snapback.manifest/1\nmetadata:\n  task_id: T01\n  version: 1.0.0\n",
            "  created_at: \"2026-02-24T05:10:00Z\"\n",
            "  git_commit: 0123456789012345678901234567890123456789\n",
            "  git_tag: T01-v1.0.0\nfiles:\n",
        );
        let file = |path: &str| {
            let (digest, blob) = ("0".repeat(64), "1".repeat(40));
            format!(
                "  - path: {path}\n    checksum: sha256:{digest}\n    size: 1\n    mode: \"100644\"\n    role: source\n    blob: {blob}\n"
            )
        };
        let files = ["a/1", "a/b/2", "a/b/3", "c/d/4"].map(file).concat();
        let manifest = Manifest::parse((example.to_string() + &files).as_bytes());
        let manifest = manifest.expect("it is one");
        let text = manifest.render();
        let size = text.len() as u64;
        assert!(most_entries(&manifest) >= 8);
        assert_eq!(entries(&manifest), 8, "4 files in a, a/b, c and c/d");
        assert_eq!(manifest.written_size(None).0 as u64, size);
        assert!(check_within(&manifest, size, (size, 8)).is_ok());
        for most in [(size - 1, 8), (size, 7)] {
            let refused = check_within(&manifest, size, most).expect_err("it is larger");
            assert_eq!(refused.kind(), crate::base::Kind::Refused);
            assert!(!refused.hints().is_empty());
        }
    }
}
