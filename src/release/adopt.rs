//! Manifests for tags that are older than snapback here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use crate::{
    base::{Digest, Failure, GitId, RelPath, TaskId, text},
    catalog::{Release, Scope, grown, manifests, registry as read, releases},
    deps::{self, facts::Facts},
    draft::{CommitDraft, Draft, FileDraft, Keep, Kept, NewBlob, StepDraft, tree},
    ground::Ground,
    model::{
        DependencyList, FileState, Manifest, Plan, Source, TagName, TaskSpec, Version,
        manifest::{FileEntry, MANIFEST_SCHEMA, Metadata},
        operation::{OpKind, TreeChange, TreeEntry},
        overview::AdoptionLine,
        signature::Signing,
    },
    registry::Registry,
};

/// What can be adopted.
pub struct Adoption {
    /// Every tag, adopted or with the reason why not.
    pub lines: Vec<AdoptionLine>,
    /// The manifests to be written.
    pub manifests: Vec<Manifest>,
}

/// The newest release of each task that its manifests are made for.
fn newest(manifests: &[Manifest]) -> BTreeMap<TaskId, Version> {
    let mut newest: BTreeMap<TaskId, Version> = BTreeMap::new();
    for meta in manifests.iter().map(|manifest| &manifest.metadata) {
        let slot = newest
            .entry(meta.task_id.clone())
            .or_insert_with(|| meta.version.clone());
        if meta.version > *slot {
            *slot = meta.version.clone();
        }
    }
    newest
}

/// Looks at every tag.
pub fn find(ground: &Ground, wanted: &dyn Fn(&TaskId) -> bool) -> Result<Adoption, Failure> {
    let is_task = |id: &TaskId| ground.settings.task(id).is_some();
    let snapshots = std::slice::from_ref(&ground.settings.snapshots);
    let entries = ground
        .git
        .head_commit()?
        .map(|head| ground.git.entries(&head, snapshots))
        .transpose()?;
    let there: BTreeSet<RelPath> = entries
        .into_iter()
        .flatten()
        .map(|(path, _)| path)
        .collect();
    let all = releases::all_followed(&ground.git, &ground.settings)?;
    let mut lines = foreign_tags(ground, &is_task)?;
    let mut todo: Vec<&Release> = Vec::new();
    for release in all
        .by_task
        .values()
        .flat_map(BTreeMap::values)
        .filter(|release| wanted(&release.task))
    {
        if there.contains(
            &ground
                .settings
                .manifest_path(&release.task, &release.version),
        ) {
            lines.push(line(release, 0, Some("it has a manifest already".into())));
        } else if let Some(other) = ambiguous(ground, release) {
            lines.push(line(
                release,
                0,
                Some(format!(
                    "it may as well be a tag of {other}: give one of the two tasks another id"
                )),
            ));
        } else {
            todo.push(release);
        }
    }
    lines.extend(all.markers.iter().map(|marker| AdoptionLine {
        tag: marker.to_string(),
        release: None,
        files: 0,
        reason: Some("it marks a rollback".into()),
    }));
    lines.extend(all.broken_tags.iter().map(|broken| AdoptionLine {
        tag: broken.name.trim_start_matches("refs/tags/").to_string(),
        release: None,
        files: 0,
        reason: Some(broken.why.clone()),
    }));
    lines.extend(all.misnamed.iter().map(|(name, why)| AdoptionLine {
        tag: name.clone(),
        release: None,
        files: 0,
        reason: Some(why.to_string()),
    }));
    let scopes: HashMap<&TaskId, Scope> = ground
        .settings
        .tasks
        .iter()
        .filter(|task| wanted(&task.id))
        .map(|task| Ok((&task.id, Scope::new(&ground.settings, task)?)))
        .collect::<Result<_, Failure>>()?;
    let total = todo.len() as u64;
    let results: Vec<(AdoptionLine, Option<Manifest>)> =
        ground.work("reading tags", total, false, || {
            // By task, so that each worker hashes a file that many tags share only once.
            let groups = group_by_task(&todo);
            groups
                .into_par_iter()
                .flat_map_iter(|group| adopt_task(ground, &scopes, &group))
                .collect()
        });
    let mut manifests = Vec::new();
    for (line, manifest) in results {
        lines.push(line);
        manifests.extend(manifest);
    }
    lines.sort_by(|a, b| a.tag.cmp(&b.tag));
    Ok(Adoption { lines, manifests })
}

/// Another task that the tag of a release may be of, by its name.
fn ambiguous(ground: &Ground, release: &Release) -> Option<TaskId> {
    let readings = releases::readings(
        &ground.settings,
        &TagName::release(&release.task, &release.version),
    );
    readings
        .into_iter()
        .map(|reading| reading.task().clone())
        .find(|task| *task != release.task)
}

/// The tags that are no release of a known task, with the reason.
fn foreign_tags(
    ground: &Ground,
    is_task: &dyn Fn(&TaskId) -> bool,
) -> Result<Vec<AdoptionLine>, Failure> {
    let mut lines = Vec::new();
    for tag in ground.git.tags()?.whole {
        let name = std::str::from_utf8(&tag.name).ok();
        if name
            .and_then(|name| TagName::parse(name, is_task))
            .is_some()
        {
            continue;
        }
        let reason = match name.map(|name| TagName::parse(name, |_| true)) {
            None => "its name is not UTF-8".to_string(),
            Some(None) => "its name is not of the form <task>-v<version>".to_string(),
            Some(Some(parsed)) => format!("there is no task {:?}", parsed.task().as_str()),
        };
        lines.push(AdoptionLine {
            tag: text::escape(&tag.name),
            release: None,
            files: 0,
            reason: Some(reason),
        });
    }
    Ok(lines)
}

/// One line.
fn line(release: &Release, files: usize, reason: Option<String>) -> AdoptionLine {
    AdoptionLine {
        tag: release.tag(),
        release: Some((release.task.clone(), release.version.clone())),
        files,
        reason,
    }
}

/// The releases of each task, in rising order of versions.
fn group_by_task<'a>(releases: &[&'a Release]) -> Vec<Vec<&'a Release>> {
    let mut groups: BTreeMap<&TaskId, Vec<&Release>> = BTreeMap::new();
    for release in releases {
        groups.entry(&release.task).or_default().push(release);
    }
    groups.into_values().collect()
}

/// What is known of blobs: digest and size, and what sources say.
#[derive(Default)]
struct Known {
    blobs: HashMap<GitId, (Digest, u64)>,
    facts: Facts,
}

/// Adopts the releases of one task.
fn adopt_task(
    ground: &Ground,
    scopes: &HashMap<&TaskId, Scope>,
    group: &[&Release],
) -> Vec<(AdoptionLine, Option<Manifest>)> {
    let mut known = Known::default();
    let mut previous: Option<Version> = None;
    let mut results = Vec::with_capacity(group.len());
    for release in group {
        let made = scopes.get(&release.task).map_or_else(
            || Err("its task is not asked for".into()),
            |scope| adopt_one(ground, scope, release, previous.as_ref(), &mut known),
        );
        results.push(match made {
            Ok(manifest) => {
                previous = Some(release.version.clone());
                (line(release, manifest.files.len(), None), Some(manifest))
            }
            Err(reason) => (line(release, 0, Some(reason)), None),
        });
        ground.progress(1);
    }
    results
}

/// The manifest of one tag, or why it cannot be made.
fn adopt_one(
    ground: &Ground,
    scope: &Scope,
    release: &Release,
    previous: Option<&Version>,
    known: &mut Known,
) -> Result<Manifest, String> {
    let said = |error: crate::git::Error| error.to_string();
    let tag = ground.git.peel_tag(&release.tag_id).map_err(said)?;
    if manifests::digest_in(&tag.message).is_some() {
        return Err("it was released by snapback elsewhere: bring the branch with its manifest here (git fetch, git merge)".into());
    }
    let commit = ground.git.commit(&tag.commit).map_err(said)?;
    let task = ground
        .settings
        .task(&release.task)
        .ok_or("its task is gone")?;
    let mut files = Vec::new();
    for (path, entry) in ground
        .git
        .entries(&tag.commit, &scope.dirs())
        .map_err(said)?
    {
        if !scope.owns(&path) {
            continue;
        }
        if entry.mode == "160000" {
            return Err(format!("{path} is a submodule"));
        }
        let (digest, size) = match known.blobs.get(&entry.id) {
            Some(known) => *known,
            None => {
                let bytes = ground.git.read_blob(&entry.id).map_err(said)?;
                *known
                    .blobs
                    .entry(entry.id.clone())
                    .or_insert((Digest::of(&bytes), bytes.len() as u64))
            }
        };
        let role = grown::role(task, &path);
        files.push(FileEntry {
            path,
            checksum: digest.to_string(),
            size: Some(size),
            mode: Some(entry.mode),
            role,
            blob: Some(entry.id),
            object: None,
        });
    }
    if files.is_empty() {
        return Err(format!(
            "its commit has no file of the task ({})",
            task.paths.join(", ")
        ));
    }
    // What cannot be read is not known; it is no reason to leave the release out.
    let dependencies =
        dependencies(ground, task, &tag.commit, &files, &mut known.facts).unwrap_or_default();
    let subject = if tag.message.trim().is_empty() {
        &commit.message
    } else {
        &tag.message
    };
    Ok(Manifest {
        schema: Some(MANIFEST_SCHEMA.into()),
        metadata: Metadata {
            task_id: release.task.clone(),
            version: release.version.clone(),
            created_at: tag.at.unwrap_or(commit.time).to_string(),
            git_commit: tag.commit.to_string(),
            git_tag: release.tag(),
            previous: previous.cloned(),
            message: subject
                .lines()
                .next()
                .map(|line| line.trim().to_string())
                .filter(|line| !line.is_empty()),
            adopted: true,
            line_ends: Vec::new(),
        },
        files,
        dependencies,
    })
}

/// What the files of a commit say that a release depends on. An environment is in no commit, so
/// lock files decide; the variables that the settings name are those of today.
fn dependencies(
    ground: &Ground,
    task: &TaskSpec,
    commit: &GitId,
    files: &[FileEntry],
    facts: &mut Facts,
) -> Result<DependencyList, Failure> {
    let paths: Vec<RelPath> = files.iter().map(|file| file.path.clone()).collect();
    let blobs: Vec<Option<&GitId>> = files.iter().map(|file| file.blob.as_ref()).collect();
    let found = deps::collect_all(&deps::Task {
        fs: &ground.git.files_of(commit)?,
        dir: &task.dir,
        files: &paths,
        venv: None,
        variables: &task.environment_variables,
        known: deps::Known {
            blobs: &blobs,
            id: &|bytes| Some(ground.git.blob_id(bytes)),
            facts,
        },
    })?;
    if let Some(new) = found.facts.and_then(|new| new.into_facts()) {
        *facts = new;
    }
    let none_found = found.list.is_empty();
    Ok(DependencyList {
        none_found,
        ..found.list
    })
}

/// The operation that writes the manifests, the registry entries of tasks that have none, and
/// the configuration when it was found from the tags.
pub fn draft(
    ground: &Ground,
    adoption: &Adoption,
    configuration: Option<String>,
) -> Result<Draft, Failure> {
    let newest = newest(&adoption.manifests);
    let first = newest
        .keys()
        .next()
        .cloned()
        .unwrap_or_else(|| "none".parse().expect("because it is a legal id"));
    let mut new: Vec<(RelPath, Vec<u8>)> = adoption
        .manifests
        .iter()
        .map(|manifest| {
            (
                ground
                    .settings
                    .manifest_path(&manifest.metadata.task_id, &manifest.metadata.version),
                manifest.render().into_bytes(),
            )
        })
        .collect();
    new.extend(configuration.map(|text| (RelPath::own("snapback.yaml"), text.into_bytes())));
    let registry = registry(ground, &active(ground, adoption, &newest))?;
    let entered = registry
        .as_ref()
        .map(|(_, entered)| entered.clone())
        .unwrap_or_default();
    new.extend(registry.map(|(bytes, _)| (ground.settings.registry.clone(), bytes)));
    new.sort();
    let message = format!(
        "adopt: {} of {}",
        text::count(adoption.manifests.len(), "manifest"),
        text::count(newest.len(), "task")
    );
    let head = ground.git.head()?;
    let mut draft = Draft::new(plan(&first, &new), &message);
    let paths: Vec<RelPath> = new.iter().map(|(path, _)| path.clone()).collect();
    let scan = ground.git.scan(&paths)?;
    let tracked: HashMap<&RelPath, &crate::git::Tracked> = scan
        .tracked
        .iter()
        .map(|tracked| (&tracked.path, tracked))
        .collect();
    let mut changes = Vec::new();
    for (path, bytes) in new {
        let id = ground.git.blob_id(&bytes);
        let before = tree::existing(&*ground.tree, &ground.git, &path, None)?;
        let mode = before
            .as_ref()
            .map_or(0o666 & !ground.umask, |kept| kept.state.mode);
        let state = FileState {
            link: false,
            mode,
            size: bytes.len() as u64,
            digest: Digest::of(&bytes),
            mtime: None,
            source: Source::Blob(id.clone()),
        };
        draft.files.push(FileDraft {
            path: path.clone(),
            before,
            after: Some(Kept {
                state,
                keep: Keep::Already,
            }),
        });
        draft.blobs.push(NewBlob::Bytes(bytes));
        let tracked = tracked.get(&path);
        let (head, index) = (
            tracked.and_then(|tracked| tracked.head.clone()),
            tracked.and_then(|tracked| tracked.index.clone()),
        );
        if path == ground.settings.registry
            && head.is_none()
            && index.is_none()
            && scan.ignored.contains(&path)
        {
            continue;
        }
        let mut entry = |before: Option<&TreeEntry>| match before {
            // Only the new entries are committed; what else is not committed there stays so.
            Some(before) if path == ground.settings.registry => {
                let bytes = with_entries(&read::in_blob(&ground.git, &before.id)?, &entered)?;
                let entry = TreeEntry {
                    mode: before.mode.clone(),
                    id: ground.git.blob_id(&bytes),
                };
                draft.blobs.push(NewBlob::Bytes(bytes));
                Ok::<_, Failure>(entry)
            }
            _ => Ok(TreeEntry {
                mode: "100644".into(),
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
    draft.commit = Some(CommitDraft {
        head,
        tree: changes,
        message,
        tag: None,
        signing: Signing::default(),
        is_signed: false,
        manifest: None,
    });
    draft.steps = vec![StepDraft::Files, StepDraft::Publish];
    Ok(draft)
}

/// What the person sees.
fn plan(task: &TaskId, new: &[(RelPath, Vec<u8>)]) -> Plan {
    Plan {
        about: format!("{} added", text::count(new.len(), "file")),
        ..Plan::new(OpKind::Adopt, task)
    }
}

/// The tasks that get an entry in the registry, and their versions.
type Entered = Vec<(TaskId, Version)>;

/// The version that each task with new manifests is at: what its configuration says, when that is
/// one of its releases, else the newest one that was adopted.
fn active(
    ground: &Ground,
    adoption: &Adoption,
    newest: &BTreeMap<TaskId, Version>,
) -> BTreeMap<TaskId, Version> {
    let released: BTreeSet<&(TaskId, Version)> = adoption
        .lines
        .iter()
        .filter_map(|line| line.release.as_ref())
        .collect();
    let one = |(task, newest): (&TaskId, &Version)| {
        let said = ground
            .settings
            .task(task)
            .and_then(|spec| read::config_version(&*ground.tree, spec).ok().flatten());
        let said = said.filter(|said| released.contains(&(task.clone(), said.clone())));
        (task.clone(), said.unwrap_or_else(|| newest.clone()))
    };
    newest.iter().map(one).collect()
}

/// The registry with the version of each task that it does not name yet, and which these are.
fn registry(
    ground: &Ground,
    active: &BTreeMap<TaskId, Version>,
) -> Result<Option<(Vec<u8>, Entered)>, Failure> {
    let all = || {
        active
            .iter()
            .map(|(task, version)| (task.clone(), version.clone()))
    };
    let Some(registry) = read::in_tree(&*ground.tree, &ground.settings)? else {
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

/// The bytes of a registry with some tasks' versions set.
fn with_entries(registry: &Registry, entered: &Entered) -> Result<Vec<u8>, Failure> {
    let mut bytes = registry.bytes().to_vec();
    for (task, version) in entered {
        bytes = Registry::parse(&bytes)?.with_version(task, version)?;
    }
    Ok(bytes)
}

/// A configuration whose tasks are the folders that the tags are named after; `None` when no tag
/// is named after a folder of HEAD.
pub fn configuration(ground: &Ground) -> Result<Option<String>, Failure> {
    let names: BTreeSet<TaskId> = ground
        .git
        .tags()?
        .whole
        .iter()
        .filter_map(|tag| {
            TagName::parse(std::str::from_utf8(&tag.name).ok()?, |_| true)
                .map(|name| name.task().clone())
        })
        .collect();
    let Some(head) = ground.git.head_commit()? else {
        return Ok(None);
    };
    let mut folders: BTreeMap<&[u8], RelPath> = BTreeMap::new();
    let entries = ground.git.entries(&head, &[RelPath::root()])?;
    for folder in entries
        .iter()
        .flat_map(|(path, _)| path.ancestors())
        .collect::<BTreeSet<RelPath>>()
    {
        let depth = |path: &RelPath| path.as_bytes().iter().filter(|byte| **byte == b'/').count();
        if let Some(name) = names
            .iter()
            .find(|name| name.as_str().as_bytes() == folder.name())
        {
            let slot = folders
                .entry(name.as_str().as_bytes())
                .or_insert_with(|| folder.clone());
            if depth(&folder) < depth(slot) {
                *slot = folder;
            }
        }
    }
    if folders.is_empty() {
        return Ok(None);
    }
    let mut text = String::from(
        "# Written by `snapback adopt`: a task for each folder that tags are named after.\nversion: 1\ntasks:\n  discover: []\n",
    );
    for (name, folder) in &folders {
        use std::fmt::Write;
        let path = serde_json::to_string(&folder.to_text()).expect("because text always renders");
        let _ = writeln!(
            text,
            "  {}: {{path: {path}}}",
            String::from_utf8_lossy(name)
        );
    }
    Ok(Some(text))
}
