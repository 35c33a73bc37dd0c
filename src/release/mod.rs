//! Row 7, create-snapshot and adopt: how releases come to be.
//!
//! [`draft`] reads the task's files, decides the version and describes the release;
//! `draft::write` makes its objects; the operation then changes configuration, registry and
//! manifest in the work tree and publishes branch, tag and index in one step. [`adopt`] makes
//! manifests for tags that are older than snapback.

pub mod adopt;
pub mod commits;
mod databases;
pub mod dependencies;
pub mod edits;
pub mod files;
pub mod held;
pub mod line;
pub mod shared;
pub mod version;

use std::sync::Arc;

use crate::{
    base::{Failure, Fault, Hint, Kind, RelPath, TaskId, text},
    catalog::{self, Scope, manifests::Found, releases::Releases},
    draft::{CommitDraft, Draft, StepDraft},
    ground::Ground,
    model::{
        DependencyList, Manifest, Plan, TagName, TaskSpec, Version,
        manifest::{FileEntry, MANIFEST_SCHEMA, Metadata},
        operation::{OpKind, RegistryChange},
        plan::FileLine,
        request::CreateSnapshot,
    },
    policy::portable::{self, Trouble},
    registry::{task_config, version_hints},
    steps::verdicts::Standings,
};

/// What stops a release.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tag exists with another content.
    #[error("{tag} exists already, at {at}; a released version is never changed")]
    TagExists {
        /// The tag.
        tag: String,
        /// Its commit, abbreviated.
        at: String,
        /// The task.
        task: TaskId,
    },
    /// A remote has another release of this number than this clone.
    #[error("{tag} is released here, and {place}: one number, two contents")]
    Twice {
        /// The tag.
        tag: String,
        /// Where the other one is.
        place: String,
    },
    /// The version was released, and only its tag is not here.
    #[error("{0}")]
    Untagged(Box<line::Untagged>),
    /// The number that was counted is one of, or comes after, a release that is not in the branch.
    #[error("{0}")]
    Beside(Box<line::Beside>),
    /// Two tasks could have a tag of this name.
    #[error("the tag {tag} of {task} could as well be one of {other}")]
    Ambiguous {
        /// The tag.
        tag: String,
        /// The task.
        task: TaskId,
        /// The other one.
        other: TaskId,
    },
    /// A branch has the tag's name.
    #[error("a branch is called {0}, which the tag would be called too")]
    BranchHasItsName(String),
    /// A file that is nowhere else has the manifest's name.
    #[error("{0} is there and not committed; the release would write its manifest over it")]
    ManifestInTheWay(RelPath),
    /// There is nothing to release.
    #[error("{0} has no files: nothing matches its paths")]
    NoFiles(TaskId),
    /// The configuration has no version field.
    #[error("{path} of {task} has no `{key}`, so the release could not be recognised from it")]
    ConfigWithoutVersion {
        /// The task.
        task: TaskId,
        /// Its configuration.
        path: String,
        /// The missing field.
        key: String,
        /// How to add it, in the words of the format.
        add: String,
        /// True when the file says that its version is made elsewhere.
        dynamic: bool,
    },
    /// The files are those of a version that is held.
    #[error("these are the files of {task} {held}, which is held")]
    Held {
        /// The task.
        task: TaskId,
        /// The held version.
        held: Version,
    },
    /// Large files of the active release are neither here nor in the store: a release would be
    /// without them.
    #[error("{}", not_here(version, paths))]
    NotHere {
        /// The task.
        task: TaskId,
        /// The active version.
        version: Version,
        /// The files.
        paths: Vec<RelPath>,
    },
    /// Files have names that some system cannot write.
    #[error("{}", not_portable(.0))]
    NotPortable(Vec<Trouble>),
    /// The newest version cannot be raised.
    #[error(
        "no version comes after {0}: the number to raise is the largest that a version can have"
    )]
    NoNextVersion(Version),
}

/// `2 names cannot be written on every system: …`.
fn not_portable(troubles: &[Trouble]) -> String {
    let mut list = troubles
        .iter()
        .take(5)
        .map(|found| format!("{} ({})", found.path, found.why))
        .collect::<Vec<_>>()
        .join(", ");
    if troubles.len() > 5 {
        list.push_str(", …");
    }
    format!(
        "{} cannot be written on every system: {list}",
        text::count(troubles.len(), "name")
    )
}

/// `tasks/T01/m.db of 1.1.0 is neither in the work tree nor in the store of this clone, …`.
fn not_here(version: &Version, paths: &[RelPath]) -> String {
    let mut names: Vec<String> = paths.iter().take(3).map(ToString::to_string).collect();
    if paths.len() > names.len() {
        names.push(format!("{} more", paths.len() - names.len()));
    }
    let (is, them) = if paths.len() == 1 {
        ("is", "it")
    } else {
        ("are", "them")
    };
    let names = names.join(", ");
    format!(
        "{names} of {version} {is} neither in the work tree nor in the store of this clone, and a release would be without {them}"
    )
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::TagExists { .. }
            | Self::Twice { .. }
            | Self::Untagged(_)
            | Self::Beside(_)
            | Self::BranchHasItsName(_) => Kind::Conflict,
            Self::NoNextVersion(_) => Kind::Usage,
            Self::Ambiguous { .. }
            | Self::ManifestInTheWay(_)
            | Self::NoFiles(_)
            | Self::ConfigWithoutVersion { .. }
            | Self::Held { .. }
            | Self::NotPortable(_) => Kind::Refused,
            Self::NotHere { .. } => Kind::Missing,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::TagExists { task, .. } => vec![
                Hint::run(
                    "take the next version",
                    &[
                        "snapback",
                        "create-snapshot",
                        "--task",
                        task.as_str(),
                        "--bump",
                        "patch",
                    ],
                ),
                Hint::run(
                    "see what is released",
                    &["snapback", "list", "--task", task.as_str()],
                ),
            ],
            Self::Twice { tag, .. } => vec![
                Hint::run(
                    "take the one that was made here back",
                    &["snapback", "undo", tag],
                ),
                Hint::run(
                    "then bring the other one here, and release the next version",
                    &["git", "fetch", "--tags"],
                ),
            ],
            Self::Untagged(found) => found.hints(),
            Self::Beside(found) => found.hints(),
            Self::Ambiguous { task, other, .. } => vec![Hint::say(format!(
                "give {task} or {other} another id: rename its folder, or name it below `tasks` in snapback.yaml; or choose another version"
            ))],
            Self::BranchHasItsName(name) => vec![Hint::run(
                "rename the branch",
                &["git", "branch", "-m", name, &format!("{name}-work")],
            )],
            Self::ManifestInTheWay(path) => vec![Hint::say(format!(
                "move {path} away, or commit it, and try again"
            ))],
            Self::NoFiles(_) => vec![Hint::say(
                "check `path` and `exclude` of the task in snapback.yaml, and .gitignore",
            )],
            Self::Held { task, held } => vec![
                Hint::run(
                    "see why",
                    &["snapback", "verdicts", "list", "--task", task.as_str()],
                ),
                Hint::run(
                    "if it is good after all, lift the hold",
                    &[
                        "snapback",
                        "hold",
                        &held.to_string(),
                        "--task",
                        task.as_str(),
                        "--lift",
                    ],
                ),
            ],
            Self::NotHere { task, version, .. } => vec![
                crate::verify::absent::copy_store(),
                Hint::run(
                    "then bring what is missing",
                    &[
                        "snapback",
                        "rollback",
                        "--task",
                        task.as_str(),
                        "--to",
                        &version.to_string(),
                    ],
                ),
                Hint::say("or name it in the task's `exclude`, when no release needs it any more"),
            ],
            Self::NotPortable(_) => {
                vec![Hint::say(
                    "rename them, name them in the task's `exclude`, or set `releases: {portable: false}` in snapback.yaml",
                )]
            }
            Self::NoNextVersion(_) => vec![Hint::say(
                "raise another number with --bump, or name the version",
            )],
            Self::ConfigWithoutVersion { add, dynamic, .. } => version_hints(add, *dynamic),
        }
    }
}

/// Describes the release that is asked for, without changing anything.
pub fn draft(
    ground: &Ground,
    task: &TaskSpec,
    releases: &Releases,
    standings: &Standings,
    request: &CreateSnapshot,
) -> Result<Draft, Failure> {
    ground.git.check_ready()?;
    let head = ground.git.head()?;
    let scope = Scope::new(&ground.settings, task)?;
    let config = configured_version(ground, task, releases)?;
    let active = catalog::registry::active_version(&*ground.tree, &ground.settings, task)?;
    let line = line::find(
        ground,
        task,
        releases,
        standings,
        active.as_ref(),
        (&head.commit, &request.elsewhere),
    )?;
    let newest = line.newest;
    let (previous, scan) = rayon::join(
        || previous(ground, releases, task, active.as_ref()),
        || ground.git.scan(&scope.dirs()),
    );
    let scan = scan?;
    let mut found = files::find(ground, task, &scope, &scan, previous.as_deref())?;
    databases::check(ground, &scope, &scan, &mut found)?;
    if found.entries.is_empty() {
        return Err(Error::NoFiles(task.id.clone()).into());
    }
    found.notes.extend(line.notes());
    check_names(ground, &mut found)?;
    let commits = commits::since(ground, &scope, newest, &head.commit)?;
    let asked = commits::resolve(
        ground,
        request.version.as_ref(),
        newest,
        active.as_ref(),
        &commits,
        &found,
    );
    let version = line.choose(&task.id, asked.as_ref(), config.as_ref())?;
    let tag = TagName::release(&task.id, &version);
    check_tag(ground, &tag)?;
    if ground.git.find_ref(&format!("refs/heads/{tag}"))?.is_some() {
        return Err(Error::BranchHasItsName(tag.to_string()).into());
    }
    edits::set_versions(ground, task, &version, &head.commit, &mut found)?;
    match releases.find(&task.id, &version) {
        Ok(release) => return existing(ground, task, release, active, &found, request),
        Err(broken @ catalog::Error::TagBroken { .. }) => return Err(broken.into()),
        Err(_) => {}
    }
    held::refuse(ground, task, releases, standings, &version, &found)?;
    check_manifest_place(ground, task, &version)?;
    let is_signed = is_signed(ground, request)?;
    let before = previous.as_deref().map(|found| &found.manifest);
    let dependencies =
        dependencies::collect(ground, task, &scope, (&head.commit, before), &mut found)?;
    let plan = plan(task, active.clone(), &version, request, &found);
    let mut draft = Draft::new(plan, &request.message);
    let manifest = manifest(
        ground,
        task,
        &version,
        previous.map(|found| found.manifest.metadata.version.clone()),
        request,
        &mut found,
        dependencies,
    );
    let message = if request.message.is_empty() {
        String::new()
    } else {
        format!(" {}", request.message)
    };
    let text = if request.message.is_empty() {
        format!("{} {version}", task.id)
    } else {
        request.message.clone()
    };
    let text = commits::with_section(text, &commits);
    let tree = found
        .tree
        .into_iter()
        .filter(|change| change.before != change.after)
        .collect();
    draft.commit = Some(CommitDraft {
        head,
        tree,
        message: format!("release({}): v{version}{message}", task.id),
        tag: Some((tag, text)),
        signing: request.signing.clone(),
        manifest: Some(manifest),
        is_signed,
    });
    draft.registry = Some(RegistryChange {
        path: ground.settings.registry.clone(),
        before: active,
        after: Some(version),
    });
    draft.index = found.index;
    draft.files = found.edits;
    draft.large = found.large;
    draft.blobs = found.blobs;
    draft.unsynced = found.unsynced;
    draft.facts = found.facts;
    draft.steps = vec![StepDraft::Files, StepDraft::Publish];
    Ok(draft)
}

/// Refuses a tag whose name could be read as that of another task: nobody could tell whose it is.
fn check_tag(ground: &Ground, tag: &TagName) -> Result<(), Error> {
    let other = catalog::releases::readings(&ground.settings, tag)
        .into_iter()
        .find(|reading| reading != tag);
    other.map_or(Ok(()), |other| {
        Err(Error::Ambiguous {
            tag: tag.to_string(),
            task: tag.task().clone(),
            other: other.task().clone(),
        })
    })
}

/// The version that the task's configuration says; one that is there must say one.
fn configured_version(
    ground: &Ground,
    task: &TaskSpec,
    releases: &Releases,
) -> Result<Option<Version>, Failure> {
    let version = catalog::registry::config_version(&*ground.tree, task)?;
    let (Some(path), None) = (&task.config, &version) else {
        return Ok(version);
    };
    let Some(bytes) = catalog::registry::read_small(&*ground.tree, path)? else {
        return Ok(None);
    };
    let active = catalog::registry::active_version(&*ground.tree, &ground.settings, task)
        .ok()
        .flatten();
    let newest = || {
        releases
            .of(&task.id)
            .next_back()
            .map(|release| release.version.clone())
    };
    let fitting = active.or_else(newest).unwrap_or_else(Version::first);
    let (add, dynamic) = task_config::how_to_add(&bytes, path, &task.version_key, &fitting)?;
    Err(Error::ConfigWithoutVersion {
        task: task.id.clone(),
        path: path.to_string(),
        key: task.version_key.clone(),
        add,
        dynamic,
    }
    .into())
}

/// Whether the manifest is signed. A key that cannot be used is found out before anything is
/// written.
fn is_signed(ground: &Ground, request: &CreateSnapshot) -> Result<bool, Failure> {
    let is_wanted = request.signing.of_manifest(ground.settings.releases.sign);
    if is_wanted {
        ground.trust.keys().check()?;
    }
    Ok(is_wanted)
}

/// Names that some system cannot write are refused where the settings say so, else remarked.
fn check_names(ground: &Ground, found: &mut files::Found) -> Result<(), Error> {
    let mut paths: Vec<_> = found.entries.iter().map(|file| &file.path).collect();
    paths.sort();
    let troubles = portable::troubles(paths);
    if troubles.is_empty() {
        return Ok(());
    }
    if ground.settings.releases.portable {
        return Err(Error::NotPortable(troubles));
    }
    found.notes.push(not_portable(&troubles));
    Ok(())
}

/// A release may not write its manifest over what only the work tree has.
fn check_manifest_place(
    ground: &Ground,
    task: &TaskSpec,
    version: &Version,
) -> Result<(), Failure> {
    let path = ground.settings.manifest_path(&task.id, version);
    let Some(now) = catalog::capture::read(&*ground.tree, &path)? else {
        return Ok(());
    };
    let committed = ground.git.entry(&ground.git.head()?.commit, &path)?;
    let same = committed.is_some_and(|entry| {
        now.bytes
            .is_some_and(|bytes| ground.git.blob_id(&bytes) == entry.id)
    });
    if same {
        Ok(())
    } else {
        Err(Error::ManifestInTheWay(path).into())
    }
}

/// The manifest of the active release, which spares hashing what has not changed since.
fn previous(
    ground: &Ground,
    releases: &Releases,
    task: &TaskSpec,
    active: Option<&Version>,
) -> Option<Arc<Found>> {
    let release = active
        .and_then(|version| releases.find(&task.id, version).ok())
        .or_else(|| releases.of(&task.id).next_back())?;
    match catalog::manifests::load(ground, release) {
        Ok(found) => Some(found),
        Err(failure) if failure.kind() == Kind::Refused => None,
        Err(failure) => {
            ground.warn(format!(
                "the manifest of {} is not used: {failure}",
                release.tag()
            ));
            None
        }
    }
}

/// The release exists: success when it is the very same, else a conflict.
fn existing(
    ground: &Ground,
    task: &TaskSpec,
    release: &catalog::Release,
    active: Option<Version>,
    found: &files::Found,
    request: &CreateSnapshot,
) -> Result<Draft, Failure> {
    if let Some(place) = request.elsewhere.get(&release.version) {
        return Err(Error::Twice {
            tag: release.tag(),
            place: place.clone(),
        }
        .into());
    }
    let tag = ground.git.peel_tag(&release.tag_id)?;
    let same = catalog::manifests::load(ground, release).is_ok_and(|there| {
        let mut files = there
            .manifest
            .files
            .iter()
            .filter(|file| file.is_restored());
        let mut now = found.entries.iter().filter(|file| file.is_restored());
        files
            .by_ref()
            .zip(now.by_ref())
            .all(|(a, b)| (&a.path, &a.checksum, &a.mode) == (&b.path, &b.checksum, &b.mode))
            && files.next().is_none()
            && now.next().is_none()
    });
    if !same || active.as_ref() != Some(&release.version) {
        return Err(Error::TagExists {
            tag: release.tag(),
            at: tag.commit.short().into(),
            task: task.id.clone(),
        }
        .into());
    }
    let mut plan = plan(task, active, &release.version, request, found);
    plan.nothing_to_do = true;
    plan.files.clear();
    plan.notes.push(format!(
        "{} is released already, with these very files",
        release.tag()
    ));
    Ok(Draft::new(plan, &request.message))
}

/// What the person sees.
fn plan(
    task: &TaskSpec,
    active: Option<Version>,
    version: &Version,
    request: &CreateSnapshot,
    found: &files::Found,
) -> Plan {
    let mut files: Vec<FileLine> = found.lines.clone();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut notes = found.notes.clone();
    if active.as_ref().is_some_and(|active| version < active) {
        notes.push(format!("{version} is older than the active version"));
    }
    Plan {
        title: task.title.clone(),
        from: active,
        to: Some(version.clone()),
        about: request.message.clone(),
        unchanged: found
            .entries
            .iter()
            .filter(|file| file.is_restored())
            .count()
            .saturating_sub(files.len()),
        files,
        left_out: found.left_out.clone(),
        notes,
        ..Plan::new(OpKind::CreateSnapshot, &task.id)
    }
}

/// The manifest; commit and object ids are filled in when they exist.
fn manifest(
    ground: &Ground,
    task: &TaskSpec,
    version: &Version,
    previous: Option<Version>,
    request: &CreateSnapshot,
    found: &mut files::Found,
    dependencies: DependencyList,
) -> Manifest {
    let mut files: Vec<FileEntry> = std::mem::take(&mut found.entries);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Manifest {
        schema: Some(MANIFEST_SCHEMA.into()),
        metadata: Metadata {
            task_id: task.id.clone(),
            version: version.clone(),
            created_at: ground.clock.now().to_string(),
            git_commit: String::new(),
            git_tag: TagName::release(&task.id, version).to_string(),
            previous,
            message: (!request.message.is_empty()).then(|| request.message.clone()),
            adopted: false,
            line_ends: std::mem::take(&mut found.line_ends),
        },
        files,
        dependencies,
    }
}
