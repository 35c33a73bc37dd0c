//! The four levels on one version of a task, as `verify-rollback` and every rollback run them.

use jiff::Timestamp;

use super::{Error, signature};
use crate::{
    base::{Failure, Fault, Hint, Kind, RelPath, Sorted, Stat, Type, sqlite::Log, text},
    catalog::{
        self, Release, Scope,
        databases::{is_lone_log, with_sides},
        grown,
        manifests::{self, Found, Kept},
        registry as read,
        releases::Releases,
    },
    git::{Attributes, Scan, Tracked, WorkState, rules_gone},
    ground::Ground,
    model::{
        Check, Manifest, Status, TagName, TaskSpec, Verification, Version, manifest::FileEntry,
        signature::Demand, trust::Role, verdict::Standing, verification::MEANWHILE,
    },
    verify::{
        self, Checking, Commands,
        configuration::{self, Said},
        evidence::Variables,
        integrity::{self, Depth},
        readiness::Readiness,
    },
};

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent choices, each of its own caller"
)]
pub struct Levels {
    /// Run the smoke commands.
    pub smoke: bool,
    /// Run the readiness checks.
    pub readiness: bool,
    /// Run the commands of the settings at all; without them, what they check is reported as not
    /// run.
    pub commands: Commands,
    /// Read every byte again instead of believing git's stat cache.
    pub deep: bool,
    /// Whether what the registry says counts.
    pub registry: Entry,
    /// What differs and was touched since then is somebody's, and says nothing of the version.
    pub since: Option<Timestamp>,
    /// Whether a tag that is missing counts: no way back fails for it while its second reference is
    /// there.
    pub tag: bool,
}

/// Whether what the registry says counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It must say the version.
    Counts,
    /// It cannot be edited and stays as it is: what it says is told.
    Told,
}

impl Levels {
    /// All four.
    pub const ALL: Self = Self {
        smoke: true,
        readiness: true,
        commands: Commands::Run,
        deep: false,
        registry: Entry::Counts,
        since: None,
        tag: true,
    };
    /// Integrity and configuration only.
    pub const FIRST_TWO: Self = Self {
        smoke: false,
        readiness: false,
        ..Self::ALL
    };
}

/// Checks that the work tree holds a version.
pub fn tree(
    ground: &Ground,
    task: &TaskSpec,
    releases: &Releases,
    standing: Standing,
    version: &Version,
    levels: Levels,
) -> Result<Verification, Failure> {
    let load = || {
        releases
            .find(&task.id, version)
            .map(|release| manifests::load(ground, release))
    };
    // The manifest is read meanwhile; a failure is said below.
    let (_, scan) = rayon::join(load, || look(ground, task));
    tree_as(ground, task, releases, standing, version, levels, &scan?)
}

/// What lies in the folders of a task.
pub fn look(ground: &Ground, task: &TaskSpec) -> Result<Scan, Failure> {
    Ok(ground
        .git
        .scan(&Scope::new(&ground.settings, task)?.dirs())?)
}

/// [`tree`], of what [`look`] found.
pub fn tree_as(
    ground: &Ground,
    task: &TaskSpec,
    releases: &Releases,
    standing: Standing,
    version: &Version,
    levels: Levels,
    scan: &Scan,
) -> Result<Verification, Failure> {
    let release = releases.find(&task.id, version)?;
    let mut verification = Verification {
        task: task.id.clone(),
        version: version.clone(),
        checks: Vec::new(),
    };
    let found = match manifests::load(ground, release) {
        Ok(found) => found,
        Err(failure) => {
            // Where a tag is by now says nothing of what was released, as in `release`.
            let is_elsewhere = matches!(failure.find(), Some(catalog::Error::TagReplaced { .. }));
            let checking = Checking::begin(
                1,
                if is_elsewhere {
                    "integrity.tag"
                } else {
                    "integrity.manifest"
                },
            );
            verification
                .checks
                .push(checking.unmade(failure, &ground.git)?);
            return Ok(verification);
        }
    };
    verification.checks.push(
        Checking::begin(1, "integrity.manifest").end(Status::Pass, vec![chain(release, &found)]),
    );
    if release.lost && levels.tag {
        verification.checks.push(tag_check(ground, release)?);
    }
    let scope = Scope::new(&ground.settings, task)?;
    verification
        .checks
        .extend(files(ground, &scope, &found.manifest, scan, &levels)?);
    let is_edited = !verification.meanwhile().is_empty();
    if !is_edited {
        verification.checks.extend(configuration(
            ground,
            task,
            &scope,
            &found.manifest,
            levels.registry == Entry::Told,
        )?);
    }
    let variables = variables(task, &found.manifest);
    let mut uses: Vec<Role> = Vec::new();
    if levels.smoke {
        let commands = if is_edited {
            Commands::OtherFiles
        } else {
            levels.commands
        };
        uses.extend((!is_edited).then_some(Role::Smoke));
        verification
            .checks
            .extend(smoke(ground, task, &variables, commands)?);
    }
    if levels.readiness {
        uses.extend([Role::Probe, Role::Environment]);
        verification.checks.extend(ready(
            ground,
            task,
            &found.manifest,
            (standing.held, levels.commands),
            &variables,
        )?);
    }
    if levels.commands == Commands::Run && !ground.commands_for(&task.id, &uses).is_empty() {
        look_again(ground, task, (&scope, &found.manifest), &mut verification)?;
        if !is_edited {
            let now = configuration(
                ground,
                task,
                &scope,
                &found.manifest,
                levels.registry == Entry::Told,
            )?;
            let worse = configuration::worse(&verification.checks, now);
            verification.checks.extend(worse);
        }
    }
    Ok(verification)
}

/// Commands may change what was looked at before they ran, and so may others while they ran.
fn look_again(
    ground: &Ground,
    task: &TaskSpec,
    (scope, manifest): (&Scope, &Manifest),
    so_far: &mut Verification,
) -> Result<(), Failure> {
    // A file more that others committed is seen when the commit is made.
    let known = |id: &str| {
        id == "integrity.extra"
            || so_far
                .checks
                .iter()
                .any(|check| check.id == id && check.status == Status::Fail)
    };
    let now = files(
        ground,
        scope,
        manifest,
        &look(ground, task)?,
        &Levels::FIRST_TWO,
    )?;
    let broken: Vec<String> = now
        .into_iter()
        .filter(|check| check.status == Status::Fail && !known(&check.id))
        .flat_map(|check| check.evidence)
        .collect();
    if !broken.is_empty() {
        let said = broken
            .into_iter()
            .map(|line| format!("while the commands ran: {line}"))
            .collect();
        so_far
            .checks
            .push(Checking::begin(1, "integrity.after").end(Status::Fail, said));
    }
    Ok(())
}

/// By what a manifest was found: the tag, or where that is gone its second reference.
fn chain(release: &Release, found: &Found) -> String {
    let tag = format!("tag {}", release.tag());
    let by = if release.lost {
        TagName::keep_reference(&release.task, &release.version)
    } else {
        tag
    };
    format!("{by} -> commit {} -> manifest", found.tag.commit.short())
}

/// Level 3.
fn smoke(
    ground: &Ground,
    task: &TaskSpec,
    variables: &Variables,
    commands: Commands,
) -> Result<Vec<Check>, Failure> {
    let commands = may_run(ground, task, Role::Smoke, commands);
    Ok(verify::smoke::smoke(
        &task.smoke,
        &command_dir(ground, task),
        variables,
        commands,
    )?)
}

/// Whether a task's commands for a use run. Refusing comes earlier, before anything is changed;
/// this holds when everything else is wrong.
fn may_run(ground: &Ground, task: &TaskSpec, role: Role, wanted: Commands) -> Commands {
    match wanted {
        Commands::Run if ground.require_trust(&task.id, &[role]).is_err() => Commands::NotTrusted,
        other => other,
    }
}

/// Level 4 alone, for the task after its restart.
pub fn readiness(
    ground: &Ground,
    task: &TaskSpec,
    releases: &Releases,
    version: &Version,
    commands: Commands,
) -> Result<Vec<Check>, Failure> {
    let found = manifests::load(ground, releases.find(&task.id, version)?)?;
    ready(
        ground,
        task,
        &found.manifest,
        (false, commands),
        &variables(task, &found.manifest),
    )
}

/// Level 4; whether the version is held, and whether commands are wanted.
fn ready(
    ground: &Ground,
    task: &TaskSpec,
    manifest: &Manifest,
    (is_held, commands): (bool, Commands),
    variables: &Variables,
) -> Result<Vec<Check>, Failure> {
    let expected = &manifest.dependencies;
    let commands = may_run(ground, task, Role::Probe, commands);
    let of = Readiness {
        task,
        fs: &*ground.tree,
        work_tree: ground.git.work_tree(),
        expected,
        is_held,
        variables,
        commands,
    };
    Ok(verify::readiness::readiness(&of)?)
}

/// The variables that the task and the release name; their values never leave this value.
fn variables(task: &TaskSpec, manifest: &Manifest) -> Variables {
    Variables::read(
        task.environment_variables
            .iter()
            .chain(&manifest.dependencies.environment_variables),
    )
}

/// The folder that the task's commands run in.
pub fn command_dir(ground: &Ground, task: &TaskSpec) -> std::path::PathBuf {
    let dir = ground.git.work_tree().join(task.dir.as_os());
    if dir.is_dir() {
        dir
    } else {
        ground.git.work_tree().to_path_buf()
    }
}

/// Level 1 on the work tree.
fn files(
    ground: &Ground,
    scope: &Scope,
    manifest: &Manifest,
    scan: &Scan,
    levels: &Levels,
) -> Result<Vec<Check>, Failure> {
    let clean = scan
        .tracked
        .iter()
        .filter(|tracked| tracked.state == WorkState::Clean);
    let clean = Sorted::new(clean.map(|tracked| (&tracked.path, tracked)));
    let is_clean = |file: &FileEntry| {
        let entry = clean
            .get(&file.path)
            .and_then(|tracked| tracked.index.as_ref());
        !levels.deep
            && file.blob.is_some()
            && entry.is_some_and(|entry| {
                Some(&entry.id) == file.blob.as_ref() && Some(&entry.mode) == file.mode.as_ref()
            })
    };
    let left_out = scan
        .tracked
        .iter()
        .filter(|tracked| tracked.state == WorkState::LeftOut && scope.owns(&tracked.path));
    let left_out = Sorted::new(left_out.map(|tracked| (&tracked.path, ())));
    let listed = Sorted::new(manifest.files.iter().map(|file| (&file.path, ())));
    // Part of a database that is none of the version's.
    let is_lone =
        |path: &RelPath| is_lone_log(&*ground.tree, path, |database| listed.contains(database));
    let is_kept = |path: &RelPath| scope.protects(path) || left_out.contains(path) || is_lone(path);
    let wanted = |file: &FileEntry| file.is_restored() && !is_kept(&file.path);
    let is_folder = |path: &RelPath| {
        ground
            .tree
            .stat(path)
            .ok()
            .flatten()
            .is_some_and(|stat| stat.kind == Type::Dir)
    };
    let is_own = |path: &RelPath| scope.owns(path) && !scope.protects(path) && !is_lone(path);
    let extra = |tracked: &&Tracked| {
        !listed.contains(&tracked.path)
            && is_own(&tracked.path)
            && tracked.state != WorkState::Missing
            && tracked.state != WorkState::LeftOut
            // A folder in place of a file is no file too many; what is in it is looked at by
            // itself.
            && !(tracked.state == WorkState::TypeChanged && is_folder(&tracked.path))
    };
    let extras: Vec<RelPath> = scan
        .tracked
        .iter()
        .filter(extra)
        .map(|tracked| tracked.path.clone())
        .collect();
    // Inside an operation the index may still have the rules of the version that is left.
    let lost = scan
        .tracked
        .iter()
        .filter(|tracked| tracked.state == WorkState::Missing && scope.owns(&tracked.path));
    let gone = rules_gone(lost.map(|tracked| (&tracked.path, None)));
    let converter = ground.git.converter(Attributes::After(&gone))?;
    let work = integrity::WorkTree {
        tree: &*ground.tree,
        converter: &converter,
        file_mode: ground.git.trusts_file_mode(),
        // What was taken in a moment ago is what lies here, a pointer too.
        takes_pointers: levels.since.is_some(),
    };
    let look =
        |wanted: &dyn Fn(&FileEntry) -> bool| integrity::tree(&work, manifest, wanted, &is_clean);
    let mut meanwhile = None;
    let mut files = look(&wanted);
    if let (Status::Fail, Some(since)) = (files.status, levels.since) {
        let is_touched = |file: &FileEntry| touched(ground, &file.path, since);
        let theirs = look(&|file| wanted(file) && is_touched(file));
        if theirs.status == Status::Fail {
            files = look(&|file| wanted(file) && !is_touched(file));
            meanwhile = Some(Check {
                id: MEANWHILE.into(),
                status: Status::Skipped,
                ..theirs
            });
        }
    }
    let absent = manifest
        .files
        .iter()
        .filter(|file| file.is_restored() && left_out.contains(&file.path))
        .count();
    let mut checks = vec![integrity::without(files, absent), integrity::extra(&extras)];
    let restored = Sorted::new(
        manifest
            .files
            .iter()
            .filter(|file| wanted(file))
            .map(|file| (&file.path, ())),
    );
    checks.extend(databases(ground, scan, &restored)?);
    checks.extend(integrity::line_ends(manifest));
    checks.extend(meanwhile);
    Ok(checks)
}

/// True for a path that was written, changed or removed since then, by the clock of the file
/// system.
fn touched(ground: &Ground, path: &RelPath, since: Timestamp) -> bool {
    let at = |stat: Stat| stat.mtime.0.max(stat.ctime.0);
    ground
        .tree
        .stat(path)
        .is_ok_and(|stat| stat.is_none_or(|stat| at(stat) >= since.as_second()))
}

/// No log changes the rows of the version's databases; nothing is said where there is none.
fn databases(
    ground: &Ground,
    scan: &Scan,
    restored: &Sorted<'_, ()>,
) -> Result<Option<Check>, Failure> {
    let checking = Checking::begin(1, "integrity.databases");
    let databases = with_sides(&*ground.tree, scan.names(), |path| restored.contains(path))?;
    let mut problems = Vec::new();
    for database in &databases {
        problems.extend(
            match database.changed_by(&*ground.tree, |log| !restored.contains(log))? {
                Some((log, Log::Transaction)) => Some(format!(
                    "{log} takes back a transaction on {}, so its rows are others",
                    database.path
                )),
                Some((log, _)) => Some(format!(
                    "{log} holds committed rows that {} of the version has not",
                    database.path
                )),
                None => None,
            },
        );
    }
    let said = format!(
        "{}: no log or journal beside it changes its rows",
        text::count(databases.len(), "database")
    );
    Ok((!databases.is_empty()).then(|| checking.judge(problems, said)))
}

/// Level 2.
fn configuration(
    ground: &Ground,
    task: &TaskSpec,
    scope: &Scope,
    manifest: &Manifest,
    is_registry_left: bool,
) -> Result<Vec<Check>, Failure> {
    let text = |failure: Failure| failure.to_string();
    let registry = read::in_tree(&*ground.tree, &ground.settings).and_then(|registry| {
        Ok(registry
            .map(|registry| registry.version(&task.id))
            .transpose()?
            .flatten())
    });
    let config = match &task.config {
        Some(path) if scope.owns(path) && !scope.protects(path) => {
            read::config_version(&*ground.tree, task).map_err(text)
        }
        // A task without a configuration file cannot disagree with it, nor one that no rollback
        // touches.
        _ => Ok(Some(manifest.metadata.version.clone())),
    };
    let said = Said {
        registry: registry.map_err(text),
        config,
        is_registry_left,
    };
    let converter = ground.git.converter(Attributes::WorkTree)?;
    let mut checks =
        configuration::versions(&manifest.metadata.version, &said, manifest.metadata.adopted);
    checks.push(configuration::lockfiles(
        &*ground.tree,
        manifest,
        &converter,
    ));
    Ok(checks)
}

/// Checks a release where it is kept: tag, its signature, commit, manifest, and every byte of it
/// when `deep`.
pub fn release(
    ground: &Ground,
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
                .push(Checking::begin(1, "integrity.tag").unmade(broken.into(), &ground.git)?);
            return Ok(verification);
        }
        found => found?,
    };
    // Before the manifest, which the tag vouches for, is read.
    verification
        .checks
        .extend(signature::check(ground, release, demand)?);
    let tag = tag_check(ground, release)?;
    if tag.status == Status::Fail && !release.lost {
        // What such a tag leads to is not what was released.
        verification.checks.push(tag);
        return Ok(verification);
    }
    let checking = Checking::begin(1, "integrity.manifest");
    let found = match manifests::load(ground, release) {
        Ok(found) => found,
        Err(failure) => {
            verification
                .checks
                .push(checking.unmade(failure, &ground.git)?);
            return Ok(verification);
        }
    };
    verification
        .checks
        .push(checking.end(Status::Pass, vec![chain(release, &found)]));
    verification.checks.push(tag);
    verification.checks.extend(copy_check(release, &found));
    let scope = Scope::new(&ground.settings, task)?;
    let checking = Checking::begin(1, "integrity.commit");
    match grown::commit(ground, &scope, &found, true) {
        Ok(check) => verification.checks.push(check),
        Err(failure) => {
            verification
                .checks
                .push(checking.unmade(failure, &ground.git)?);
            return Ok(verification);
        }
    }
    let depth = if deep { Depth::Deep } else { Depth::Present };
    let converter = ground
        .git
        .converter(Attributes::Commit(&found.tag.commit))?;
    let total = found.manifest.files.len() as u64;
    let absent = manifests::absent(&ground.git, release);
    verification
        .checks
        .push(ground.work("verifying", total, false, || {
            integrity::kept(
                (&ground.git, &*ground.store, absent),
                &converter,
                &found.manifest,
                depth,
                &|n| ground.progress(n),
            )
        }));
    Ok(verification)
}

/// Refuses a release whose tag's commit does not hold what its manifest says.
pub fn refuse_other_commit(ground: &Ground, scope: &Scope, found: &Found) -> Result<(), Failure> {
    let meta = &found.manifest.metadata;
    // The users' own form does not say what git has.
    if found.manifest.schema.is_none() {
        return Ok(());
    }
    let check = grown::commit(ground, scope, found, false)?;
    if check.status == Status::Pass {
        return Ok(());
    }
    Err(Error::Damaged {
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
fn tag_check(ground: &Ground, release: &Release) -> Result<Check, Failure> {
    let checking = Checking::begin(1, "integrity.tag");
    let name = TagName::keep_reference(&release.task, &release.version);
    if release.lost {
        let (why, hints) = manifests::lost_tag(&ground.git, release);
        let bring = hints
            .iter()
            .map(|hint| format!("{}: {}", hint.why, hint.argv.join(" ")));
        return Ok(Check {
            hints: hints.clone(),
            ..checking.end(Status::Fail, std::iter::once(why).chain(bring).collect())
        });
    }
    Ok(match manifests::kept(&ground.git, release)? {
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
        Kept::Other(id) => checking.unmade(
            catalog::Error::tag_replaced(release, id).into(),
            &ground.git,
        )?,
    })
}
