//! Checks the audit log against outside evidence: tags that name its lines, and journals of
//! operations that must have one.

use std::collections::BTreeSet;

use crate::{
    audit::{
        self,
        check::{Anchored, EndedOperation, Outside},
    },
    base::Failure,
    journal::{
        history::{self, OperationState},
        status::OperationPhase,
    },
    model::{
        audit::{Anchor, AuditCheck},
        operation::OpKind,
    },
    site::RepoSite,
};

/// Checks the audit log against itself, the tags and the journals.
pub fn check(site: &RepoSite) -> Result<AuditCheck, Failure> {
    // If the log were read first, these could refer to lines that it does not have yet.
    let outside = outside(site)?;
    Ok(audit::check::check(&site.audit().segments()?, &outside))
}

/// Collects the evidence in tags and journals.
fn outside(site: &RepoSite) -> Result<Outside, Failure> {
    let git = &site.git;
    let (mut over, mut made) = (Vec::new(), BTreeSet::new());
    for found in history::all(&site.state)? {
        let OperationState {
            summary,
            phase,
            owed,
            ..
        } = found;
        let OperationPhase::Finished { done } = phase else {
            continue;
        };
        if let (true, OpKind::CreateSnapshot, Some(task), Some(to)) = (
            done,
            summary.about.kind,
            &summary.about.task,
            &summary.about.to,
        ) {
            made.extend(site.settings.release_tags(task, to));
        }
        over.push(EndedOperation {
            id: summary.about.id,
            owed: owed.is_some(),
        });
    }
    let kept = git
        .refs_below("refs/snapback/keep/")?
        .into_iter()
        .filter_map(|(name, id)| {
            let (task, version) = name.strip_prefix("refs/snapback/keep/")?.split_once('/')?;
            let (task, version) = (task.parse().ok()?, version.parse().ok()?);
            Some((site.settings.release_tag(&task, &version), id))
        });
    let tags = git
        .tags()?
        .whole
        .into_iter()
        .map(|tag| (String::from_utf8_lossy(&tag.name).into_owned(), tag.id));
    let mut seen = BTreeSet::new();
    let mut anchors = Vec::new();
    for (tag, id) in tags.chain(kept).filter(|(_, id)| seen.insert(id.clone())) {
        // An unreadable tag is another check's concern.
        let Ok(peeled) = git.peel_tag(&id) else {
            continue;
        };
        if let Some(anchor) = Anchor::in_message(&peeled.message) {
            anchors.push(Anchored {
                own: made.contains(&tag),
                tag,
                anchor,
            });
        }
    }
    Ok(Outside {
        anchors,
        over,
        moved_aside: site.audit().moved_aside()?,
    })
}
