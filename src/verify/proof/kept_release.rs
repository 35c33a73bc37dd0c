//! A release where it is kept: its tag, the tag's signature and second reference, the commit, the
//! manifest and its copy, and every byte in git and the store. Nothing is read from a manifest
//! before the tag that vouches for it was looked at, and nothing of the work tree is looked at.

use super::{Damaged, signature};
use crate::{
    base::{Failure, Fault, Hint, Kind, RelPath},
    catalog::{
        self, Release, Scope, grown,
        manifests::{self, Found, Kept},
        releases::Releases,
    },
    git::Attributes,
    model::{Check, Status, TagName, TaskSpec, Verification, Version, signature::Demand},
    site::RepoSite,
    verify::{
        Checking,
        integrity::{self, Depth},
    },
};

/// Checks a release where it is kept: tag, its signature, commit, manifest, and every byte of it
/// when `deep`.
pub fn release(
    site: &RepoSite,
    task: &TaskSpec,
    releases: &Releases,
    version: &Version,
    (deep, demand): (bool, Demand),
) -> Result<Verification, Failure> {
    let mut verification = Verification {
        task: task.id.clone(),
        version: version.clone(),
        checks: Vec::new(),
    };
    let release = match releases.find(&task.id, version) {
        Err(broken @ catalog::Error::TagBroken { .. }) => {
            verification
                .checks
                .push(Checking::begin(1, "integrity.tag").unmade(broken.into(), &site.git)?);
            return Ok(verification);
        }
        found => found?,
    };
    // Before the manifest, which the tag vouches for, is read.
    verification
        .checks
        .extend(signature::check(site, release, demand)?);
    let tag = tag_check(site, release)?;
    if tag.status == Status::Fail && !release.lost {
        // What such a tag leads to is not what was released.
        verification.checks.push(tag);
        return Ok(verification);
    }
    let checking = Checking::begin(1, "integrity.manifest");
    let found = match manifests::load(site, release) {
        Ok(found) => found,
        Err(failure) => {
            verification
                .checks
                .push(checking.unmade(failure, &site.git)?);
            return Ok(verification);
        }
    };
    verification
        .checks
        .push(checking.end(Status::Pass, vec![chain(release, &found)]));
    verification.checks.push(tag);
    verification.checks.extend(copy_check(release, &found));
    let depth = if deep { Depth::Deep } else { Depth::Present };
    verification
        .checks
        .extend(contents(site, task, release, &found, depth)?);
    Ok(verification)
}

/// The commit of a release whose manifest was read, and every byte that is kept of it. Where the
/// commit cannot be looked at, neither are the bytes.
fn contents(
    site: &RepoSite,
    task: &TaskSpec,
    release: &Release,
    found: &Found,
    depth: Depth,
) -> Result<Vec<Check>, Failure> {
    let scope = Scope::new(&site.settings, task)?;
    let checking = Checking::begin(1, "integrity.commit");
    let commit = match commit(site, &scope, found, true) {
        Ok(check) => check,
        Err(failure) => return Ok(vec![checking.unmade(failure, &site.git)?]),
    };
    let converter = site.git.converter(Attributes::Commit(&found.tag.commit))?;
    let total = found.manifest.files.len() as u64;
    let absent = manifests::absent(&site.git, release);
    let kept = site.work("verifying", total, false, || {
        integrity::kept(
            (&site.git, &*site.store, absent),
            &converter,
            &found.manifest,
            depth,
            &|n| site.progress(n),
        )
    });
    Ok(vec![commit, kept])
}

/// The tag's commit holds what the manifest says, and, when `exactly`, no other file of the task.
pub fn commit(
    site: &RepoSite,
    scope: &Scope,
    found: &Found,
    exactly: bool,
) -> Result<Check, Failure> {
    let mut dirs = scope.dirs();
    dirs.extend(
        found
            .manifest
            .files
            .iter()
            .filter(|file| !scope.owns(&file.path))
            .map(|file| file.path.clone()),
    );
    let grown = (!found.grown.is_empty()).then(|| grown::words(found));
    let exactly = exactly && found.manifest.schema.is_some();
    let owns = |path: &RelPath| exactly && scope.owns(path);
    Ok(integrity::commit(
        &found.manifest,
        &site.git.entries(&found.tag.commit, &dirs)?,
        grown,
        &owns,
    ))
}

/// Refuses a release whose tag's commit does not hold what its manifest says.
pub fn refuse_other_commit(site: &RepoSite, scope: &Scope, found: &Found) -> Result<(), Failure> {
    let meta = &found.manifest.metadata;
    // The users' own form does not say what git has.
    if found.manifest.schema.is_none() {
        return Ok(());
    }
    let check = commit(site, scope, found, false)?;
    if check.status == Status::Pass {
        return Ok(());
    }
    Err(Damaged {
        tag: meta.git_tag.clone(),
        problems: check.evidence.join("; "),
        task: meta.task_id.clone(),
    }
    .into())
}

/// What is said of a copy of the manifest that is another one; nothing where there is none. Its own
/// fault: the release has the manifest that its tag names.
fn copy_check(release: &Release, found: &Found) -> Option<Check> {
    let copy = found.copy.as_ref()?;
    let Some(error) = manifests::copy_trouble(release, copy) else {
        return Some(
            Checking::begin(1, Check::COPY)
                .end(Status::Skipped, vec![manifests::line_ends(release)]),
        );
    };
    let id = if error.kind() == Kind::Conflict {
        Check::NUMBER
    } else {
        Check::COPY
    };
    Some(Check {
        hints: error.hints(),
        ..Checking::begin(1, id).end(Status::Fail, vec![error.to_string()])
    })
}

/// The second reference names the same tag, so a moved or deleted tag shows.
pub(super) fn tag_check(site: &RepoSite, release: &Release) -> Result<Check, Failure> {
    let checking = Checking::begin(1, "integrity.tag");
    let name = TagName::keep_reference(&release.task, &release.version);
    if release.lost {
        let (why, hints) = manifests::lost_tag(&site.git, release);
        let bring = hints
            .iter()
            .map(|hint| format!("{}: {}", hint.why, hint.argv.join(" ")));
        return Ok(Check {
            hints: hints.clone(),
            ..checking.end(Status::Fail, std::iter::once(why).chain(bring).collect())
        });
    }
    Ok(match manifests::kept(&site.git, release)? {
        Kept::Nothing => checking.end(
            Status::Skipped,
            vec![format!(
                "there is no {name}: the release was made elsewhere, or adopted"
            )],
        ),
        Kept::Same => checking.end(Status::Pass, vec![format!("{name} names the same tag")]),
        Kept::Broken(broken) => {
            let again = Hint::run(
                "make it again",
                &["git", "update-ref", &name, release.tag_id.as_str()],
            );
            let hints = broken.hints().into_iter().take(1).chain([again]).collect();
            Check {
                hints,
                ..checking.end(
                    Status::Inconclusive,
                    vec![format!("{name} is broken: {}", broken.why)],
                )
            }
        }
        Kept::Other(id) => {
            checking.unmade(catalog::Error::tag_replaced(release, id).into(), &site.git)?
        }
    })
}

/// By what a manifest was found: the tag, or where that is gone its second reference.
pub(super) fn chain(release: &Release, found: &Found) -> String {
    let tag = format!("tag {}", release.tag());
    let by = if release.lost {
        TagName::keep_reference(&release.task, &release.version)
    } else {
        tag
    };
    format!("{by} -> commit {} -> manifest", found.tag.commit.short())
}
