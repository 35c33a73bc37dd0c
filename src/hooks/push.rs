//! The checks before a push: release tags that would be deleted, moved or broken on the remote are
//! refused, and tags that should accompany a branch but do not are reported. Writes nothing.

use super::{
    facts::HookFacts,
    run::{Call, HookMessages, few, held, is_zero, tag_of},
};
use crate::{
    base::{Failure, Hint, Kind, text},
    catalog::{self, Release, manifests, releases},
    model::{Advice, GitId, TagName, tag},
};

/// One reference of a push.
struct PushedRef<'a> {
    local: &'a str,
    id: &'a str,
    remote: &'a str,
    there: &'a str,
}

/// Checks what is about to be pushed: lines of `local id remote id`.
pub(super) fn before_push(facts: &HookFacts<'_>, call: &Call) -> Result<HookMessages, Failure> {
    let text = String::from_utf8_lossy(&call.input);
    let parse = |line| {
        let parts: Vec<&str> = str::split(line, ' ').collect();
        if let [local, id, remote, there] = parts[..] {
            Some(PushedRef {
                local,
                id,
                remote,
                there,
            })
        } else {
            None
        }
    };
    let pushed: Vec<PushedRef<'_>> = text.lines().filter_map(parse).collect();
    let mut said = HookMessages::default();
    if pushed.is_empty() {
        return Ok(said);
    }
    let (mut unseen, mut behind) = (0, Vec::new());
    for one in &pushed {
        if let Some(name) = one
            .remote
            .strip_prefix("refs/tags/")
            .and_then(|name| Some((name, tag_of(facts, name)?)))
        {
            if !push_tag(
                facts,
                (name.0, &name.1),
                one,
                call.may_change_tags,
                &mut said,
            ) {
                unseen += 1;
            }
        } else if one.remote.starts_with("refs/heads/") && !is_zero(one.id) {
            behind.extend(push_branch(facts, one, &pushed, &mut said)?);
        }
    }
    if unseen > 0 {
        said.lines.push(format!(
            "{} not looked at, for it would take too long; `snapback verify-snapshot` does",
            text::count(unseen, "tag")
        ));
    }
    let remote = call.args.first().map_or_else(
        || "<remote>".into(),
        |name| text::escape(name.as_encoded_bytes()),
    );
    said.lines.extend(left_behind(behind, &remote));
    Ok(said)
}

/// Returns messages about tags that should be pushed too; each is given with whether its commit was
/// rewritten.
fn left_behind(tags: Vec<(String, bool)>, remote: &str) -> Vec<String> {
    let (rewritten, followed): (Vec<_>, Vec<_>) =
        tags.into_iter().partition(|(_, rewritten)| *rewritten);
    let names = |tags: Vec<(String, bool)>| few(tags.into_iter().map(|(name, _)| name));
    let mut lines = Vec::new();
    if !followed.is_empty() {
        lines.push(format!(
            "{} not pushed: git push --follow-tags takes tags along",
            names(followed).join(", ")
        ));
    }
    if !rewritten.is_empty() {
        let tags = names(rewritten);
        let why = "on commits that were rewritten, so only their names take them along";
        lines.push(format!(
            "{} not pushed, {why}: git push {remote} {}",
            tags.join(", "),
            tags.join(" ")
        ));
    }
    lines
}

/// Checks one tag of a push; returns false when there was no time for it.
fn push_tag(
    facts: &HookFacts<'_>,
    (name, meaning): (&str, &TagName),
    one: &PushedRef<'_>,
    may_change: bool,
    said: &mut HookMessages,
) -> bool {
    let allow = || {
        vec![Hint::say(
            "if everybody knows: SNAPBACK_ALLOW_TAG_DELETE=1 git push …",
        )]
    };
    if is_zero(one.id) {
        if !may_change {
            said.refused.push((
                format!("{name} is a release, and would be deleted on the remote"),
                allow(),
            ));
        }
        return true;
    }
    if !is_zero(one.there) && one.there != one.id && !may_change {
        said.refused.push((
            format!("{name} is a release that the remote has with another content"),
            allow(),
        ));
        return true;
    }
    let TagName::Release { task, version } = meaning else {
        return true;
    };
    said.warnings.extend(held(facts, task, version));
    if facts.is_late() {
        return false;
    }
    if let Ok(tag_id) = one.id.parse::<GitId>() {
        let release = Release::of((task, version), name.into(), tag_id);
        said.refused.extend(broken(facts, &release, may_change));
    }
    true
}

/// Returns why a pushed release is broken, with hints.
fn broken(
    facts: &HookFacts<'_>,
    release: &Release,
    may_change: bool,
) -> Option<(String, Vec<Hint>)> {
    match manifests::load(facts.site, release) {
        // A user who allows tags to change has moved it.
        Err(failure)
            if may_change && matches!(failure.find(), Some(catalog::Error::TagReplaced { .. })) =>
        {
            None
        }
        Err(failure) if failure.kind() == Kind::Bad => {
            let hint = Advice::VerifyVersion {
                task: release.task.clone(),
                version: release.version.to_string(),
            }
            .because("see what is wrong");
            Some((
                format!("{} does not hold: {failure}", release.tag),
                vec![hint],
            ))
        }
        // A tag older than snapback has no manifest, and absent objects cannot be checked.
        _ => None,
    }
}

/// Checks one branch of a push; returns the release tags that should accompany it but do not, each
/// with whether its commit was rewritten.
fn push_branch(
    facts: &HookFacts<'_>,
    one: &PushedRef<'_>,
    pushed: &[PushedRef<'_>],
    said: &mut HookMessages,
) -> Result<Vec<(String, bool)>, Failure> {
    let git = &facts.site.git;
    let Ok(new) = one.id.parse::<GitId>() else {
        return Ok(Vec::new());
    };
    let old = one
        .there
        .parse::<GitId>()
        .ok()
        .filter(|id| !is_zero(id.as_str()) && git.has_object(id));
    // An unreadable registry is no reason to stop a push.
    let moved = facts.moved(old.as_ref(), &new).unwrap_or_default();
    let mut behind = Vec::new();
    for moved in &moved {
        said.warnings.extend(
            held(facts, moved.task, &moved.to)
                .map(|line| format!("{line} (active in {})", text::escape(one.local.as_bytes()))),
        );
        let releases = releases::one(git, &facts.site.settings, moved.task, &moved.to)?;
        // Without the old commit it is unknown which tags the remote has.
        let Some(release) = releases.of(moved.task).next().filter(|_| old.is_some()) else {
            continue;
        };
        let reference = tag::reference(&release.tag);
        if !pushed.iter().any(|other| other.remote == reference) {
            let rewritten = git
                .peel_tag(&release.tag_id)
                .is_ok_and(|peeled| facts.rewritten().contains_key(&peeled.commit));
            behind.push((release.tag.clone(), rewritten));
        }
    }
    Ok(behind)
}
