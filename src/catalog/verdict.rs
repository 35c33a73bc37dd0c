//! Resolves which release a verdict refers to: the one with that number here.

use super::manifests;
use crate::{
    git::Repo,
    model::{
        GitId, Operation, TagName, TaskId, Verdict, VerdictRecord, Version, tag, verdict::Meant,
    },
    site::RepoSite,
};

/// Returns the release with this number here, by its tag or, if that cannot be resolved, by its
/// second reference; `None` when neither leads to a release.
pub fn meant(site: &RepoSite, task: &TaskId, version: &Version) -> Option<Meant> {
    let tags = site.settings.release_tags(task, version).into_iter();
    let mut names = tags
        .map(|tag| tag::reference(&tag))
        .chain([TagName::keep_reference(task, version)]);
    names.find_map(|name| named_by(&site.git, &site.git.find_ref(&name).ok()??))
}

/// Returns the release that an operation makes, by its second reference, whether it has that name
/// yet or not.
pub fn made_by(git: &Repo, operation: &Operation) -> Option<Meant> {
    let about = &operation.about;
    let name = TagName::keep_reference(about.task.as_ref()?, about.to.as_ref()?);
    let mut refs = operation.publication()?.refs.iter();
    named_by(git, &refs.find(|change| change.name == name)?.after)
}

/// Returns the release that a tag names.
fn named_by(git: &Repo, tag: &GitId) -> Option<Meant> {
    let tag = git.peel_tag(tag).ok()?;
    Some(manifests::digest_in(&tag.message).map_or(Meant::Commit(tag.commit), Meant::Manifest))
}

/// Builds a verdict of the current user on the release that is here.
pub fn verdict(
    site: &RepoSite,
    (task, version): (&TaskId, &Version),
    verdict: Verdict,
    reason: &str,
) -> VerdictRecord {
    // A machine used only for reading may have no identity configured.
    let who = site.git.identity();
    let who = who.map_or_else(|_| site.host.clone(), |who| who.to_string());
    VerdictRecord {
        task: task.clone(),
        version: version.clone(),
        release: meant(site, task, version),
        verdict,
        reason: reason.into(),
        who,
        at: site.clock.now(),
        op: None,
        seq: None,
        mends: None,
    }
}
