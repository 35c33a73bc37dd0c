//! Which release a verdict means: the one that has the number here.

use super::manifests;
use crate::{
    git::Repo,
    ground::Ground,
    model::{TagName, TaskId, Verdict, VerdictRecord, Version, verdict::Meant},
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
    ground: &Ground,
    (task, version): (&TaskId, &Version),
    verdict: Verdict,
    reason: &str,
) -> VerdictRecord {
    // A machine that only looks may know no name for whoever looks.
    let who = ground.git.identity().map_or_else(
        |_| ground.host.clone(),
        |who| format!("{} <{}>", who.name, who.email),
    );
    VerdictRecord {
        task: task.clone(),
        version: version.clone(),
        release: meant(&ground.git, task, version),
        verdict,
        reason: reason.into(),
        who,
        at: ground.clock.now(),
        op: None,
        seq: None,
        mends: None,
    }
}
