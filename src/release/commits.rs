//! The commits of a task since its newest release: what they say of the next version, and the
//! section of the changelog that goes into the tag.

use super::{NewRelease, files::ReleaseFiles};
use crate::{
    base::Failure,
    catalog::{Release, Scope, manifests, rewritten},
    model::{GitId, manifest::ManifestFile, request::NextVersion},
    policy::conventional,
    site::RepoSite,
};

/// Commits that are looked at; in more of them nobody finds anything.
const MOST: usize = 2_000;

/// The messages of the commits since a release that changed files of the task, newest first; none
/// when there is no release. Merges say nothing themselves: what they brought does.
pub fn since(
    site: &RepoSite,
    scope: &Scope,
    release: Option<&Release>,
    head: &GitId,
) -> Result<Vec<String>, Failure> {
    let Some(release) = release else {
        return Ok(Vec::new());
    };
    let git = &site.git;
    let (released, dirs) = (git.peel_tag(&release.tag_id)?.commit, scope.dirs());
    let mut messages = Vec::new();
    // After a rebase the branch has the release's commit under another id.
    let now = rewritten::read(&*site.state)
        .remove(&released)
        .filter(|id| git.has_object(id));
    let hidden: Vec<GitId> = std::iter::once(released).chain(now).collect();
    for id in git.commits_between(&hidden, head, MOST)? {
        let commit = git.commit(&id)?;
        let parent = match commit.parents.as_slice() {
            [] => None,
            [parent] => Some(parent),
            _ => continue,
        };
        if git
            .changed_paths(parent, &id, &dirs)?
            .iter()
            .any(|path| scope.owns(path))
        {
            messages.push(commit.message);
        }
    }
    Ok(messages)
}

/// Which version is asked for, when the commits are to say: the very one that is released when
/// nothing changed since, which makes nothing to do.
pub(super) fn resolve(
    new: &NewRelease<'_>,
    newest: Option<&Release>,
    messages: &[String],
    found: &ReleaseFiles,
) -> Option<NextVersion> {
    let asked = new.request.version.as_ref();
    let (Some(NextVersion::Auto), Some(newest)) = (asked, newest) else {
        return asked.cloned();
    };
    if new.active.as_ref() == Some(&newest.version) && is_released(new.site, newest, found) {
        return Some(NextVersion::Exactly(newest.version.clone()));
    }
    let bump = conventional::bump(
        messages.iter().map(String::as_str),
        newest.version.is_initial(),
    );
    bump.map_or(asked.cloned(), |bump| Some(NextVersion::Bump(bump)))
}

/// True when the files are those of a release.
fn is_released(site: &RepoSite, release: &Release, found: &ReleaseFiles) -> bool {
    manifests::load(site, release)
        .is_ok_and(|kept| found.restores_like(&kept.manifest, &ManifestFile::is_same))
}

/// A tag's text, with the section of the changelog below it. Trailers come after both.
pub fn with_section(text: String, messages: &[String]) -> String {
    let section = conventional::section(messages.iter().map(String::as_str));
    if section.is_empty() {
        text
    } else {
        format!("{}\n\n{}", text.trim_end(), section.trim_end())
    }
}
