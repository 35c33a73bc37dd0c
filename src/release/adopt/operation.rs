//! The operation that adopts: it writes and commits manifests and registry entries. No tag is
//! created or moved, and in an existing registry only the new entries are committed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Adoption;
use crate::{
    base::{Failure, RelPath, text},
    catalog::{manifests, registry as read},
    draft::{CommitDraft, Draft, NewBlob, steps, tree},
    git::Tracked,
    model::{
        FileRecord, GitId, GitMode, Location, Manifest, PathChange, Plan, TaskId, Version,
        operation::{OpKind, TreeChange, TreeEntry},
        signature::Signing,
    },
    registry::Registry,
    site::RepoSite,
};

/// Drafts the operation that writes the manifests, the registry entries of tasks that have none,
/// and the configuration when it was derived from the tags.
pub fn draft(
    site: &RepoSite,
    adoption: &Adoption,
    configuration: Option<String>,
) -> Result<Draft, Failure> {
    let newest = newest(&adoption.manifests);
    let first = newest
        .keys()
        .next()
        .cloned()
        .unwrap_or_else(|| "none".parse().expect("because it is a legal id"));
    let registry = registry(site, &active(site, adoption, &newest))?;
    let entered = registry
        .as_ref()
        .map(|(_, entered)| entered.clone())
        .unwrap_or_default();
    let registry = registry.map(|(bytes, _)| bytes);
    let new = new_files(site, adoption, configuration, registry)?;
    let message = format!(
        "adopt: {} of {}",
        text::count(adoption.manifests.len(), "manifest"),
        text::count(newest.len(), "task")
    );
    let head = site.git.head()?;
    let mut draft = Draft::new(plan(&first, &new), &message);
    let tree = add_new_files(site, new, &entered, &mut draft)?;
    draft.commit = Some(CommitDraft {
        head,
        tree,
        message,
        tag: None,
        signing: Signing::default(),
        is_signed: false,
        manifest: None,
    });
    draft.steps = vec![steps::FILES, steps::PUBLISH];
    Ok(draft)
}

/// Returns the files to write, with their bytes, sorted by path.
fn new_files(
    site: &RepoSite,
    adoption: &Adoption,
    configuration: Option<String>,
    registry: Option<Vec<u8>>,
) -> Result<Vec<(RelPath, Vec<u8>)>, Failure> {
    let file = |manifest: &Manifest| {
        manifests::check_size(manifest, None)?;
        let (subject, text) = (&manifest.subject, manifest.render());
        let path = site.settings.manifest_path(&subject.task, &subject.version);
        Ok((path, text.into_bytes()))
    };
    let mut new: Vec<(RelPath, Vec<u8>)> = adoption
        .manifests
        .iter()
        .map(file)
        .collect::<Result<_, Failure>>()?;
    new.extend(configuration.map(|text| (RelPath::own("snapback.yaml"), text.into_bytes())));
    new.extend(registry.map(|bytes| (site.settings.registry.clone(), bytes)));
    new.sort();
    Ok(new)
}

/// Adds the files to work tree, blobs and index; returns the changes of the commit's tree.
fn add_new_files(
    site: &RepoSite,
    new: Vec<(RelPath, Vec<u8>)>,
    entered: &Entered,
    draft: &mut Draft,
) -> Result<Vec<TreeChange>, Failure> {
    let paths: Vec<RelPath> = new.iter().map(|(path, _)| path.clone()).collect();
    let scan = site.git.scan(&paths)?;
    let tracked: HashMap<&RelPath, &Tracked> = scan
        .tracked
        .iter()
        .map(|tracked| (&tracked.path, tracked))
        .collect();
    let mut changes = Vec::new();
    for (path, bytes) in new {
        let id = add_file(site, &path, bytes, draft)?;
        let tracked = tracked.get(&path);
        let (head, index) = (
            tracked.and_then(|tracked| tracked.head.clone()),
            tracked.and_then(|tracked| tracked.index.clone()),
        );
        let is_registry = path == site.settings.registry;
        if is_registry && head.is_none() && index.is_none() && scan.ignored.contains(&path) {
            continue;
        }
        let mut entry = |before: Option<&TreeEntry>| match before {
            // Only the new entries are committed; other uncommitted content stays uncommitted.
            Some(before) if is_registry => with_entries_in(site, before, entered, &mut draft.blobs),
            _ => Ok(TreeEntry {
                mode: GitMode::File,
                id: id.clone(),
            }),
        };
        let (in_head, in_index) = (entry(head.as_ref())?, entry(index.as_ref())?);
        draft.index.push(TreeChange {
            path: path.clone(),
            before: index,
            after: Some(in_index),
        });
        changes.push(TreeChange {
            path,
            before: head,
            after: Some(in_head),
        });
    }
    Ok(changes)
}

/// Adds a file to the work tree and to the blobs; returns its id.
fn add_file(
    site: &RepoSite,
    path: &RelPath,
    bytes: Vec<u8>,
    draft: &mut Draft,
) -> Result<GitId, Failure> {
    let id = site.git.blob_id(&bytes);
    let before = tree::existing(&*site.tree, &site.git, path, None)?;
    let mode = before
        .as_ref()
        .map_or(0o666 & !site.umask, |record| record.mode);
    let record = FileRecord::with_bytes(path.clone(), mode, bytes.clone());
    draft.files.push(PathChange {
        path: path.clone(),
        before,
        after: Some(record.kept_at(Location::Blob(id.clone()))),
    });
    draft.blobs.push(NewBlob::Bytes(bytes));
    Ok(id)
}

/// Sets some tasks' versions in git's registry; returns its entry and adds its bytes to the blobs.
fn with_entries_in(
    site: &RepoSite,
    before: &TreeEntry,
    entered: &Entered,
    blobs: &mut Vec<NewBlob>,
) -> Result<TreeEntry, Failure> {
    let bytes = with_entries(&read::in_blob(&site.git, &before.id)?, entered)?;
    let id = site.git.blob_id(&bytes);
    blobs.push(NewBlob::Bytes(bytes));
    Ok(TreeEntry {
        mode: before.mode,
        id,
    })
}

/// Returns the newest release of each task among the manifests.
fn newest(manifests: &[Manifest]) -> BTreeMap<TaskId, Version> {
    let mut newest: BTreeMap<TaskId, Version> = BTreeMap::new();
    for subject in manifests.iter().map(|manifest| &manifest.subject) {
        let slot = newest
            .entry(subject.task.clone())
            .or_insert_with(|| subject.version.clone());
        if subject.version > *slot {
            *slot = subject.version.clone();
        }
    }
    newest
}

/// Builds the plan.
fn plan(task: &TaskId, new: &[(RelPath, Vec<u8>)]) -> Plan {
    Plan {
        about: format!("{} added", text::count(new.len(), "file")),
        ..Plan::new(OpKind::Adopt, task)
    }
}

/// The tasks that get a registry entry, with their versions.
type Entered = Vec<(TaskId, Version)>;

/// Returns the active version of each task with new manifests: the configuration's, if that is one
/// of its releases, otherwise the newest adopted one.
fn active(
    site: &RepoSite,
    adoption: &Adoption,
    newest: &BTreeMap<TaskId, Version>,
) -> BTreeMap<TaskId, Version> {
    let released: BTreeSet<&(TaskId, Version)> = adoption
        .lines
        .iter()
        .filter_map(|line| line.release.as_ref())
        .collect();
    let one = |(task, newest): (&TaskId, &Version)| {
        let said = site
            .settings
            .task(task)
            .and_then(|spec| read::config_version(&*site.tree, spec).ok().flatten());
        let said = said.filter(|said| released.contains(&(task.clone(), said.clone())));
        (task.clone(), said.unwrap_or_else(|| newest.clone()))
    };
    newest.iter().map(one).collect()
}

/// Returns the registry with the versions of tasks it does not name yet, and those tasks.
fn registry(
    site: &RepoSite,
    active: &BTreeMap<TaskId, Version>,
) -> Result<Option<(Vec<u8>, Entered)>, Failure> {
    let all = || {
        active
            .iter()
            .map(|(task, version)| (task.clone(), version.clone()))
    };
    let Some(registry) = read::in_tree(&*site.tree, &site.settings)? else {
        let entered: Entered = all().collect();
        return Ok(Some((Registry::of(&entered), entered)));
    };
    let mut entered = Entered::new();
    for (task, version) in all() {
        if registry.version(&task)?.is_none() {
            entered.push((task, version));
        }
    }
    let bytes = with_entries(&registry, &entered)?;
    Ok((bytes != registry.bytes()).then_some((bytes, entered)))
}

/// Returns the bytes of a registry with some tasks' versions set.
fn with_entries(registry: &Registry, entered: &Entered) -> Result<Vec<u8>, Failure> {
    let mut bytes = registry.bytes().to_vec();
    for (task, version) in entered {
        bytes = Registry::parse(&bytes)?.with_version(task, version)?;
    }
    Ok(bytes)
}
