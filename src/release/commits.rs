//! The commits of a task since its newest release: what they imply for the next version, and the
//! changelog section for the tag.

use super::{NewRelease, files::ReleaseFiles};
use crate::{
    base::Failure,
    catalog::{Release, Scope, manifests, rewritten},
    model::{GitId, Scheme, manifest::ManifestFile, request::NextVersion},
    policy::conventional,
    site::RepoSite,
};

/// Maximum number of commits examined; nobody would read more.
const MOST: usize = 2_000;

/// Returns the messages of commits since a release that changed files of the task, newest first;
/// none without a release. Merges are skipped: the merged commits count.
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
    // After a rebase, the release's commit is in the branch under another id.
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

/// Resolves the requested version when the commits are to decide: if nothing changed since a
/// release, that very version, so that there is nothing to do.
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
    // Dates do not say what changed.
    let bump = bump.filter(|_| new.task.scheme != Scheme::Calver);
    bump.map_or(asked.cloned(), |bump| Some(NextVersion::Bump(bump)))
}

/// Returns true when the files are those of a release.
fn is_released(site: &RepoSite, release: &Release, found: &ReleaseFiles) -> bool {
    manifests::load(site, release)
        .is_ok_and(|kept| found.restores_like(&kept.manifest, &ManifestFile::is_same))
}

/// Appends the changelog section to a tag's text. Trailers come after both.
pub fn with_section(text: String, messages: &[String]) -> String {
    let section = conventional::section(messages.iter().map(String::as_str));
    if section.is_empty() {
        text
    } else {
        format!("{}\n\n{}", text.trim_end(), section.trim_end())
    }
}
