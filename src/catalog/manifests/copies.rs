//! Compares the copies of a release's manifest in HEAD and in the work tree with the one named by
//! its tag. They have no authority, so an unreadable copy blocks nothing.

use super::super::{Error, NumberTaken, Release, capture};
use super::{LIMIT, bytes, digest_in, locate::ManifestLocation};
use crate::{
    base::{Digest, Failure, Kind, RelPath, fs::read_limited},
    git::{self, Attributes},
    model::{GitId, Manifest},
    site::{Differs, OtherCopy, RepoSite},
};

/// Maximum size of a file as a multiple of its blob: UTF-32 with a byte-order mark.
const MOST: u64 = 5;

/// Returns what is wrong with a manifest's copy; `None` when only its line ends differ.
pub fn copy_trouble(release: &Release, copy: &OtherCopy) -> Option<Error> {
    let (task, version) = (release.task.clone(), release.version.clone());
    match &copy.differs {
        Differs::LineEnds => None,
        Differs::Bytes { expected, found } => Some(Error::ManifestChanged {
            task,
            version,
            expected: expected.to_string(),
            found: found.clone(),
        }),
        Differs::Release { commit } => Some(Error::NumberTaken(Box::new(NumberTaken {
            tag: release.tag.clone(),
            task,
            version,
            commit: commit.clone(),
            path: copy.path.clone(),
            source: copy.source.clone(),
        }))),
    }
}

/// Returns the message for a copy that differs only in its line ends.
pub fn line_ends(release: &Release) -> String {
    format!(
        "the copy of the manifest of {} {} differs by its line ends alone",
        release.task, release.version
    )
}

/// Returns the copy in HEAD or in the work tree, if it differs from the manifest found.
pub(super) fn other_copy(
    site: &RepoSite,
    release: &Release,
    located: &ManifestLocation,
) -> Result<Option<OtherCopy>, Failure> {
    let path = site.settings.manifest_path(&release.task, &release.version);
    let bytes = &located.bytes[..];
    let differs = match &located.head {
        Some(id) => {
            let large = || Differs::Bytes {
                expected: Digest::of(bytes),
                found: "larger than any manifest".into(),
            };
            match site.git.read_blob_within(id, LIMIT) {
                Ok(copy) => Some(difference(release, &located.commit, bytes, &copy)),
                Err(git::Error::BadObject { .. } | git::Error::OtherObject(..)) => Some(large()),
                Err(_) => None,
            }
        }
        None if capture::is_now(&*site.tree, &path, bytes) => None,
        None => match in_work_tree(site, &path, bytes) {
            Ok(WorkTreeCopy::Bytes(copy)) => {
                Some(difference(release, &located.commit, bytes, &copy))
            }
            Ok(WorkTreeCopy::Large(found)) => Some(Differs::Bytes {
                expected: Digest::of(bytes),
                found: found.to_string(),
            }),
            // A copy has no authority, so an unreadable one blocks nothing.
            Err(failure)
                if matches!(
                    failure.kind(),
                    Kind::Cancelled(_) | Kind::TimeLimit | Kind::Bug
                ) =>
            {
                return Err(failure);
            }
            Ok(WorkTreeCopy::Same) | Err(_) => None,
        },
    };
    Ok(differs.map(|differs| OtherCopy {
        path,
        differs,
        source: located.source.clone(),
    }))
}

/// The copy of a manifest in the work tree.
enum WorkTreeCopy {
    /// Absent, or equal, converted or not.
    Same,
    /// Different bytes.
    Bytes(Vec<u8>),
    /// Different, and too large to be a manifest.
    Large(Digest),
}

/// Compares the copy in the work tree; if it is too large for memory, only as much as necessary.
fn in_work_tree(site: &RepoSite, path: &RelPath, bytes: &[u8]) -> Result<WorkTreeCopy, Failure> {
    let is_same = |copy: &[u8]| -> Result<bool, Failure> {
        Ok(copy == bytes
            || site
                .git
                .converter(Attributes::WorkTree)?
                .to_git(path, copy.to_vec())?
                == bytes)
    };
    if let Some(copy) = capture::bytes(&*site.tree, path)? {
        return Ok(if is_same(&copy)? {
            WorkTreeCopy::Same
        } else {
            WorkTreeCopy::Bytes(copy)
        });
    }
    // The raw file was compared before; no line ends or encoding can make it larger than this.
    let Some(copy) = capture::read(&*site.tree, path)? else {
        return Ok(WorkTreeCopy::Same);
    };
    if copy.record.size <= MOST * bytes.len() as u64 {
        let read = read_limited(&*site.tree, path, MOST * LIMIT);
        if is_same(&read.map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?)? {
            return Ok(WorkTreeCopy::Same);
        }
    }
    Ok(WorkTreeCopy::Large(copy.record.digest))
}

/// Returns how a copy differs from the manifest of a release with this commit.
fn difference(release: &Release, commit: &GitId, bytes: &[u8], copy: &[u8]) -> Differs {
    let is_end = |(at, byte): &(usize, &u8)| **byte == b'\r' && copy.get(at + 1) == Some(&b'\n');
    if copy
        .iter()
        .enumerate()
        .filter(|byte| !is_end(byte))
        .map(|(_, byte)| byte)
        .eq(bytes)
    {
        return Differs::LineEnds;
    }
    match Manifest::parse_subject(copy) {
        Ok((subject, _))
            if subject.is(&release.task, &release.version)
                && subject.commit.to_string() != commit.as_str() =>
        {
            Differs::Release {
                commit: subject.commit.to_string(),
            }
        }
        _ => Differs::Bytes {
            expected: Digest::of(bytes),
            found: Digest::of(copy).to_string(),
        },
    }
}

/// Returns true when a commit has the manifest of a different release with this number. A commit
/// without one (an adopted tag, a version written before its release), an unreadable one, and an
/// edited copy prove nothing.
pub fn has_another(site: &RepoSite, release: &Release, commit: &GitId) -> bool {
    let git = &site.git;
    let path = site.settings.manifest_path(&release.task, &release.version);
    let read = || {
        git.read_blob_within(&git.entry(commit, &path).ok()??.id, LIMIT)
            .ok()
    };
    let (Some(copy), Ok(tag)) = (read(), git.peel_tag(&release.tag_id)) else {
        return false;
    };
    let there = Manifest::parse_subject(&copy).ok();
    let of_number = there.filter(|(subject, _)| subject.is(&release.task, &release.version));
    let Some((subject, created_at)) = of_number else {
        return false;
    };
    // The same files may be released twice from one commit.
    let made_at = || {
        let here = Manifest::parse_subject(&bytes(site, release).ok()?.1).ok();
        here.map(|(_, created_at)| created_at)
    };
    let is_named =
        |digest| digest == Digest::of(&copy) || made_at().is_none_or(|at| at == created_at);
    !tag.commit.as_str().starts_with(&subject.commit.to_string())
        || !digest_in(&tag.message).is_none_or(is_named)
}
