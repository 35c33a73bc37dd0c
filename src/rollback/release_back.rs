//! The inverse of a release that nobody else has: removes its tag, its two commits and thereby its
//! version number, and restores files and index.
//!
//! Releases that others have, or that later commits build on, are never rewritten: the inverse is
//! refused, with the reason. Work in the tree stays. In the configuration and the registry, only
//! what the release wrote is reverted.

use std::collections::HashMap;

use super::{Error, show, undo};
use crate::{
    base::{Failure, RelPath},
    catalog,
    draft::{Back, Draft, registry, steps, tree},
    git::{Head, Repo, Scan, branch_name},
    model::{
        FileRecord, GitId, Operation, PathChange, Plan, TaskSpec,
        operation::{NamedRef, OpKind, Publication, RefChange, Step, TreeChange, TreeEntry},
    },
    registry::task_config,
    site::RepoSite,
};

/// Describes the inverse, without changing anything.
pub fn draft(site: &RepoSite, task: &TaskSpec, operation: &Operation) -> Result<Draft, Failure> {
    let refuse = |why: String| Error::ReleaseStays {
        op: operation.about.id.short(),
        task: task.id.clone(),
        why,
    };
    let publication = operation
        .publication()
        .ok_or_else(|| refuse("it made no commit".into()))?;
    let (head, to) = newest(site, publication)?.map_err(refuse)?;
    let (named, notes) = unshared(site, publication, &to)?.map_err(refuse)?;
    let (mut files, scan) = (Vec::new(), scan(site, operation, publication)?);
    let indexed = undo::indexed(&scan);
    let beside = undo::beside_of(site, task, operation)?;
    let goes_by_entry = |path: &RelPath| {
        *path == site.settings.registry || beside.iter().any(|file| file.path() == path)
    };
    for change in operation
        .path_changes()
        .filter(|change| !goes_by_entry(&change.path))
    {
        files.extend(file_back(
            site,
            task,
            operation,
            change,
            indexed.get(&change.path).map(|entry| &entry.id),
        )?);
    }
    let mut draft = Draft::new(plan(site, task, operation, &files, notes), "");
    draft.undoes = Some(operation.about.id.clone());
    draft.files = files;
    draft.index = index_back(publication, &indexed, &goes_by_entry);
    for file in &beside {
        let mut edit = undo::beside_back(site, file, operation)?;
        draft.index.extend(edit.index.take());
        draft.blobs.append(&mut edit.blobs);
        edit.add_to(file.path(), &mut draft);
    }
    if let Some(change) = &operation.about.registry {
        let edit = registry::back(site, &task.id, operation, change)?;
        draft.index.extend(edit.index.clone());
        draft.blobs.extend(edit.blobs.iter().cloned());
        edit.add_to(&mut draft, change.before.clone());
    }
    draft.back = Some(Back { head, to });
    draft.steps = vec![
        steps::FILES,
        steps::VERIFY_RECORDED,
        steps::PUBLISH,
        Step::RemoveRefs(named),
    ];
    Ok(draft)
}

/// A result, or the reason why the release stays.
type OrStays<T> = Result<T, String>;

/// Returns the head and the commit to return to, if nothing builds on the release.
fn newest(site: &RepoSite, publication: &Publication) -> Result<OrStays<(Head, GitId)>, Failure> {
    let Some((branch, to)) = publication
        .refs
        .last()
        .and_then(|branch| Some((branch, branch.before.clone()?)))
    else {
        return Ok(Err("it was the first commit".into()));
    };
    let head = site.git.head()?;
    if head.branch != branch.name {
        return Ok(Err(format!(
            "it was made on {}, and HEAD is on {}",
            branch_name(&branch.name),
            branch_name(&head.branch)
        )));
    }
    if head.commit != branch.after {
        return Ok(Err(format!(
            "{} has commits on top of it, or was rewritten",
            branch_name(&branch.name)
        )));
    }
    Ok(Ok((head, to)))
}

/// The references to remove, and the queries that failed.
type Unshared = (Vec<NamedRef>, Vec<String>);

/// Returns what to remove if no remote is known to have the release; otherwise names who has it.
fn unshared(
    site: &RepoSite,
    publication: &Publication,
    to: &GitId,
) -> Result<OrStays<Unshared>, Failure> {
    let git = &site.git;
    let named = match own_names(git, publication)? {
        Ok(named) => named,
        Err(why) => return Ok(Err(why)),
    };
    let Some(tag) = publication
        .refs
        .iter()
        .find(|change| change.name.starts_with("refs/tags/"))
    else {
        return Ok(Ok((named, Vec::new())));
    };
    // The branch also has its manifest, one commit later.
    let commits = [
        Some(git.peel_tag(&tag.after)?.commit),
        publication.refs.last().map(|branch| branch.after.clone()),
    ];
    let commits: Vec<GitId> = commits.into_iter().flatten().collect();
    let own: Vec<&str> = publication
        .refs
        .iter()
        .map(|change| change.name.as_str())
        .collect();
    if let Some(place) = git.holder_of(&commits, to, &own)? {
        return Ok(Err(format!("{place} has its commits")));
    }
    let mut notes = Vec::new();
    for remote in git.remotes() {
        match ask(git, &remote, tag, (&commits, to))? {
            Ok(note) => notes.extend(note),
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(Ok((named, notes)))
}

/// Returns the tag and its second reference, if they exist as the release created them.
fn own_names(git: &Repo, publication: &Publication) -> Result<OrStays<Vec<NamedRef>>, Failure> {
    let is_name = |change: &&RefChange| {
        change.name.starts_with("refs/tags/") || change.name.starts_with("refs/snapback/keep/")
    };
    let mut named = Vec::new();
    for change in publication.refs.iter().filter(is_name) {
        match git.find_ref(&change.name)? {
            Some(now) if now == change.after => named.push(NamedRef {
                name: change.name.clone(),
                value: now,
            }),
            Some(_) => {
                return Ok(Err(format!(
                    "{} is not the one that it made any more",
                    change.name
                )));
            }
            None => {}
        }
    }
    Ok(Ok(named))
}

/// Queries a remote for the release: its tag, or one of its commits, which come after `to`. A push
/// by URL leaves no trace here. Failed queries are noted.
fn ask(
    git: &Repo,
    remote: &str,
    tag: &RefChange,
    (commits, to): (&[GitId], &GitId),
) -> Result<OrStays<Option<String>>, Failure> {
    match git.remote_refs(remote, &[tag.name.clone(), "refs/heads/*".into()]) {
        // A tag of this name with other content is a foreign release.
        Ok(found) if found.get(&tag.name) == Some(&tag.after) => Ok(Err(format!(
            "{remote} has its tag {}",
            &tag.name["refs/tags/".len()..]
        ))),
        Ok(mut found) => {
            found.retain(|name, _| name.starts_with("refs/heads/"));
            let (holder, away) = git.branch_with(&found, commits, to)?;
            if let Some(branch) = holder {
                return Ok(Err(format!(
                    "{remote}/{} has its commits",
                    branch_name(&branch)
                )));
            }
            Ok(Ok(away.then(|| format!("{remote} has commits that are not here; as far as is known here none is on top of the release"))))
        }
        Err(error) => {
            let failure = Failure::from(error);
            if failure.is_stop() {
                return Err(failure);
            }
            Ok(Ok(Some(format!(
                "{remote} could not be asked whether it has the release; as far as is known here it has not"
            ))))
        }
    }
}

/// Scans the paths that the release changed.
fn scan(
    site: &RepoSite,
    operation: &Operation,
    publication: &Publication,
) -> Result<Scan, Failure> {
    let paths: Vec<RelPath> = operation
        .path_changes()
        .map(|change| &change.path)
        .chain(publication.index.iter().map(|change| &change.path))
        .cloned()
        .collect();
    undo::scan_of(site, &paths)
}

/// Restores one file of the work tree. In a configuration edited since, only the version is
/// reverted.
fn file_back(
    site: &RepoSite,
    task: &TaskSpec,
    operation: &Operation,
    change: &PathChange,
    blob: Option<&GitId>,
) -> Result<Option<PathChange>, Failure> {
    let path = &change.path;
    let now = tree::existing(&*site.tree, &site.git, path, blob)?;
    if FileRecord::same_at(now.as_ref(), change.before.as_ref()) {
        return Ok(None);
    }
    if FileRecord::same_at(now.as_ref(), change.after.as_ref()) || change.before.is_none() {
        return Ok(Some(PathChange {
            path: path.clone(),
            before: now,
            after: change.before.clone(),
        }));
    }
    let (Some(record), Some(version), true) = (
        &now,
        &operation.about.from,
        task.config.as_ref() == Some(path),
    ) else {
        return Ok(None);
    };
    let Some(bytes) = catalog::registry::read_small(&*site.tree, path)? else {
        return Ok(None);
    };
    let edited = task_config::with_version(&bytes, path, &task.version_key, version)?;
    let after = FileRecord::with_bytes(path.clone(), record.mode, edited);
    Ok(Some(PathChange {
        path: path.clone(),
        before: now,
        after: Some(after),
    }))
}

/// Restores the index; changes staged since stay.
fn index_back(
    publication: &Publication,
    indexed: &HashMap<&RelPath, &TreeEntry>,
    goes_by_entry: &dyn Fn(&RelPath) -> bool,
) -> Vec<TreeChange> {
    let own = |change: &&TreeChange| !goes_by_entry(&change.path);
    let is_as_left =
        |change: &&TreeChange| indexed.get(&change.path).copied() == change.after.as_ref();
    let back = |change: &TreeChange| TreeChange {
        path: change.path.clone(),
        before: change.after.clone(),
        after: change.before.clone(),
    };
    publication
        .index
        .iter()
        .filter(own)
        .filter(is_as_left)
        .map(back)
        .collect()
}

/// Builds the plan.
fn plan(
    site: &RepoSite,
    task: &TaskSpec,
    operation: &Operation,
    files: &[PathChange],
    notes: Vec<String>,
) -> Plan {
    let version = operation
        .about
        .to
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let what = format!(
        "the tag and the commits of {} {version} go; your files stay, not committed, as before it",
        task.id
    );
    Plan {
        title: task.title.clone(),
        from: operation.about.to.clone(),
        to: operation.about.from.clone(),
        about: format!(
            "takes back the release {version} ({})",
            operation.about.id.short()
        ),
        files: show::file_lines(site, task, files, &std::collections::BTreeSet::new()),
        notes: std::iter::once(what).chain(notes).collect(),
        of_release: true,
        ..Plan::new(OpKind::Undo, &task.id)
    }
}
