//! Which release a verdict means: the one that has the number here.

use super::manifests;
use crate::{
    git::Repo,
    model::{TagName, TaskId, Verdict, VerdictRecord, Version, verdict::Meant},
    site::RepoSite,
};

/// The release that has this number here, by its tag or, where that cannot be followed, by its
/// second reference; `None` when neither leads to a release.
pub fn meant(git: &Repo, task: &TaskId, version: &Version) -> Option<Meant> {
    let names = [
        TagName::release(task, version).reference(),
        TagName::keep_reference(task, version),
    ];
    names.iter().find_map(|name| {
        let tag = git.peel_tag(&git.find_ref(name).ok()??).ok()?;
        Some(manifests::digest_in(&tag.message).map_or(Meant::Commit(tag.commit), Meant::Manifest))
    })
}

/// A verdict on the release that is here, by whoever works here.
pub fn verdict(
    site: &RepoSite,
    (task, version): (&TaskId, &Version),
    verdict: Verdict,
    reason: &str,
) -> VerdictRecord {
    // A machine that only looks may know no name for whoever looks.
    let who = site.git.identity();
    let who = who.map_or_else(|_| site.host.clone(), |who| who.to_string());
    VerdictRecord {
        task: task.clone(),
        version: version.clone(),
        release: meant(&site.git, task, version),
        verdict,
        reason: reason.into(),
        who,
        at: site.clock.now(),
        op: None,
        seq: None,
        mends: None,
    }
}
