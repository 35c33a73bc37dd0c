//! From the file's shape to [`Settings`]: which folders are tasks, defaults, paths, patterns.
//!
//! Every rule that the shape cannot express is checked here, and every error names its key.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{
    Error, Flaw, Loaded, Stops, calls,
    discover::{self, Folder, Rule},
    file::{
        Command, Discover, EnvWord, OnFail, OneOrMany, OneWay, Ready, ReleasesBlock, RollbackBlock,
        TaskBlock, Tasks,
    },
    overlaps::{self, Claim},
    parts::{Part, Parts},
    place::{all_below, check_glob, in_folder, path, patterns, places, rule},
};
use crate::{
    base::{Fs, RelPath, TaskId, fs::Type, glob::escape, text},
    model::{
        Settings, TaskSpec,
        alert::AlertSettings,
        settings::{CommandSpec, Door, EnvMode, OnVerifyFail, Probe, ReleaseSettings},
    },
};

/// Time limit of a `verify` command that names none.
const VERIFY: Duration = Duration::from_mins(5);
/// Time limit of a probe that names none.
const READY: Duration = Duration::from_secs(30);
/// Time limit of `stop`, `start` and `restart` without one.
const SWITCH: Duration = Duration::from_mins(1);

/// Given the registry's path and which tasks are known, names those that have releases all the
/// same.
pub(super) type Released<'a> = &'a dyn Fn(&RelPath, &dyn Fn(&TaskId) -> bool) -> Vec<TaskId>;

/// What is gathered on the way.
pub(super) struct Gathered<'a> {
    root: &'a dyn Fs,
    /// The text, for lines.
    bytes: &'a [u8],
    pub warnings: Vec<String>,
    flaws: Vec<Flaw>,
    /// Entries of `tasks` whose names are no ids.
    misnamed: Vec<(String, Error)>,
    /// What entries that cannot be used own, as far as it can be read.
    claims: Vec<Claim>,
}

impl Gathered<'_> {
    /// Leaves something out.
    pub fn leave_out(&mut self, error: impl Into<Arc<Error>>, stops: Stops) {
        self.flaws.push(Flaw {
            error: error.into(),
            stops,
        });
    }

    /// The same for what one task, or a few, take from.
    pub fn stop(&mut self, error: Error, tasks: impl IntoIterator<Item = TaskId>) {
        self.leave_out(
            error.with_line(self.bytes),
            Stops::Tasks(tasks.into_iter().collect()),
        );
    }

    /// All tasks that something stops.
    pub fn stopped(&self) -> BTreeSet<TaskId> {
        let tasks = |flaw: &Flaw| {
            if let Stops::Tasks(tasks) = &flaw.stops {
                tasks.clone()
            } else {
                Vec::new()
            }
        };
        self.flaws.iter().flat_map(tasks).collect()
    }

    /// What stops all that do not say where they are.
    fn undeclared(&self) -> Option<Arc<Error>> {
        self.flaws
            .iter()
            .find(|flaw| flaw.stops == Stops::Undeclared)
            .map(|flaw| Arc::clone(&flaw.error))
    }
}

/// Gives a file its meaning; `from_file` is left to the caller.
///
/// `released` names tasks of the registry that have releases but are not known.
pub(super) fn resolve(
    Parts { file, left_out }: Parts,
    root: &dyn Fs,
    (released, is_released): (Released<'_>, &dyn Fn(&TaskId) -> bool),
    bytes: &[u8],
) -> Result<Loaded, Error> {
    if let Some(version) = file.version.filter(|version| *version != 1) {
        return Err(rule(
            "version",
            format!("the format {version} is not known; this snapback knows 1"),
        ));
    }
    let registry = path(
        "registry",
        file.registry.as_deref().unwrap_or("task_registry.json"),
    )?;
    let snapshots = path(
        "snapshots",
        file.snapshots
            .as_deref()
            .unwrap_or("snapshots")
            .trim_end_matches('/'),
    )?;
    let defaults = file.defaults.unwrap_or_default();
    if defaults.path.is_some() || defaults.title.is_some() {
        return Err(rule(
            "defaults",
            "`path` and `title` belong to one task each",
        ));
    }
    let mut found = Gathered {
        root,
        bytes,
        warnings: Vec::new(),
        flaws: Vec::new(),
        misnamed: Vec::new(),
        claims: Vec::new(),
    };
    let is_left_out = |key: &str| {
        left_out
            .iter()
            .any(|(part, _)| *part == Part::Key(key.into()))
    };
    let (is_strict, knows_alerts) = (is_left_out("hooks"), !is_left_out("alerts"));
    leave_parts_out(left_out, &mut found);
    let declared = file.tasks.unwrap_or_default();
    let tasks = tasks(declared, &defaults, (&registry, released), &mut found);
    let mut tasks = overlaps::leave_twins_out(tasks, is_released, &mut found.warnings);
    let claims = std::mem::take(&mut found.claims);
    overlaps::leave_overlaps_out(&mut tasks, &claims, &mut found);
    overlaps::leave_foreign_configs_out(&mut tasks, &mut found);
    let own = [
        registry.clone(),
        RelPath::own("snapback.yaml"),
        RelPath::own("snapback.yml"),
    ];
    for task in &mut tasks {
        keep_own_files_out(task, &own, &snapshots);
    }
    let made = release_words(&file.releases.unwrap_or_default());
    let rollback = file.rollback.unwrap_or_default();
    let (on_verify_fail, env) = rollback_words(&rollback);
    let alerts = calls::alerts(file.alerts.unwrap_or_default()).unwrap_or_else(|error| {
        found.leave_out(error.with_line(bytes), Stops::Nothing);
        AlertSettings {
            known: false,
            ..AlertSettings::default()
        }
    });
    let alerts = AlertSettings {
        known: alerts.known && knows_alerts,
        ..alerts
    };
    let settings = Settings {
        registry,
        snapshots,
        tasks,
        left_out: found.stopped().into_iter().collect(),
        on_verify_fail,
        env,
        require_reason: rollback.require_reason.unwrap_or(false),
        releases: made,
        // A hook that may have been told to refuse does.
        strict_hooks: file.hooks.unwrap_or_default().strict.unwrap_or(is_strict),
        alerts,
        from_file: false,
    };
    Ok(Loaded {
        settings,
        warnings: found.warnings,
        flaws: found.flaws,
    })
}

/// Says of each part that could not be read whom it stops.
fn leave_parts_out(left_out: Vec<(Part, Error)>, found: &mut Gathered<'_>) {
    for (part, error) in left_out {
        match part {
            Part::Key(_) => found.leave_out(error, Stops::Nothing),
            Part::Discover => found.leave_out(error, Stops::Undeclared),
            Part::Task(name) => match name.parse::<TaskId>() {
                Ok(id) => found.leave_out(error, Stops::Tasks(vec![id])),
                Err(_) => found.misnamed.push((name, error)),
            },
        }
    }
}

/// All tasks, those that the file names and those that are found.
fn tasks(
    declared: Tasks,
    defaults: &TaskBlock,
    (registry, released): (&RelPath, Released<'_>),
    found: &mut Gathered<'_>,
) -> Vec<TaskSpec> {
    let rules = rules(declared.discover).unwrap_or_else(|error| {
        found.leave_out(error.with_line(found.bytes), Stops::Undeclared);
        Vec::new()
    });
    // Where rules are wrong, folders that no rule names are no tasks either.
    let rules = if found.undeclared().is_some() {
        Vec::new()
    } else {
        rules
    };
    let mut folders =
        discover::find(found.root, &rules, &mut found.warnings).unwrap_or_else(|error| {
            found.leave_out(error, Stops::Undeclared);
            Vec::new()
        });
    let stopped = found.stopped();
    let is_known = |id: &TaskId| {
        stopped.contains(id)
            || folders.iter().any(|folder| folder.id == *id)
            || declared.named.iter().any(|(name, _)| name == id.as_str())
    };
    let lost: Vec<Folder> = released(registry, &is_known)
        .into_iter()
        .filter_map(|id| discover::lost(&rules, id))
        .collect();
    found.warnings.extend(lost.iter().map(|lost| {
        format!(
            "{} has lost its folder {} or its configuration; its releases have them",
            lost.id, lost.dir
        )
    }));
    folders.extend(lost);
    let mut tasks = named(declared.named, &folders, defaults, found);
    let misnamed = std::mem::take(&mut found.misnamed);
    let stopped = found.stopped();
    let unusable = misnamed
        .iter()
        .map(|(name, _)| name.as_str())
        .chain(stopped.iter().map(TaskId::as_str));
    found.claims = Claim::all(unusable, found.bytes, found.root);
    for (name, error) in misnamed {
        // It may be the entry of a task that has none; what is merged into the list may be any.
        let bare = folders
            .iter()
            .map(|folder| &folder.id)
            .filter(|id| tasks.iter().all(|task| task.id != **id));
        let may_be =
            |id: &&TaskId| name == "<<" || !text::did_you_mean(&name, [id.as_str()]).is_empty();
        let near: Vec<TaskId> = bare.filter(may_be).cloned().collect();
        found.leave_out(
            error,
            if near.is_empty() {
                Stops::Nothing
            } else {
                Stops::Tasks(near)
            },
        );
    }
    let taken: HashSet<RelPath> = tasks.iter().map(|task| task.dir.clone()).collect();
    let ids: HashSet<TaskId> = tasks
        .iter()
        .map(|task| task.id.clone())
        .chain(found.stopped())
        .collect();
    for folder in folders
        .into_iter()
        .filter(|folder| !taken.contains(&folder.dir) && !ids.contains(&folder.id))
    {
        let id = folder.id.clone();
        match task(folder.id, Some(folder.dir), defaults.clone(), found.root) {
            Ok(spec) => tasks.push(spec),
            Err(error) => found.stop(error, [id]),
        }
    }
    tasks
}

/// How releases are made, in the model's words.
fn release_words(block: &ReleasesBlock) -> ReleaseSettings {
    ReleaseSettings {
        sign: block.sign.unwrap_or(false),
        portable: block.portable.unwrap_or(false),
    }
}

/// What a rollback does, in the model's words.
fn rollback_words(rollback: &RollbackBlock) -> (OnVerifyFail, EnvMode) {
    let on_fail = match rollback.on_verify_fail {
        None | Some(OnFail::Undo) => OnVerifyFail::Undo,
        Some(OnFail::Keep) => OnVerifyFail::Keep,
        Some(OnFail::Ask) => OnVerifyFail::Ask,
    };
    let env = match rollback.env {
        None | Some(EnvWord::Plan) => EnvMode::Plan,
        Some(EnvWord::Sync) => EnvMode::Sync,
        Some(EnvWord::Off) => EnvMode::Off,
    };
    (on_fail, env)
}

/// The rules of discovery.
fn rules(declared: Option<Vec<Discover>>) -> Result<Vec<Rule>, Error> {
    let Some(declared) = declared else {
        return Ok(vec![Rule::usual()]);
    };
    let to_rule = |discover: Discover| {
        let at = "tasks.discover";
        let id = discover.id.unwrap_or_else(|| "{name}".to_string());
        if discover.glob.contains("**") {
            return Err(rule(
                at,
                format!("{:?} holds `**`; name each level with `*`", discover.glob),
            ));
        }
        if !id.contains("{name}") {
            return Err(rule(
                at,
                format!(
                    "the id {id:?} does not hold {{name}}, so every folder would be the same task"
                ),
            ));
        }
        check_glob(at, discover.glob.trim_end_matches('/'))?;
        Ok(Rule {
            glob: discover.glob,
            id,
            needs_config: false,
        })
    };
    declared.into_iter().map(to_rule).collect()
}

/// The tasks that the file names.
fn named(
    blocks: Vec<(String, TaskBlock)>,
    folders: &[Folder],
    defaults: &TaskBlock,
    found: &mut Gathered<'_>,
) -> Vec<TaskSpec> {
    let (mut tasks, mut undeclared) = (Vec::with_capacity(blocks.len()), Vec::new());
    let why = found.undeclared();
    for (name, block) in blocks {
        let id: TaskId = match name.parse() {
            Ok(id) => id,
            Err(error) => {
                let error =
                    rule(&format!("tasks.{name}"), format!("{error}")).with_line(found.bytes);
                found.misnamed.push((name, error));
                continue;
            }
        };
        if why.is_some() && block.path.is_none() {
            undeclared.push(id);
            continue;
        }
        let dir = folders
            .iter()
            .find(|folder| folder.id == id)
            .map(|folder| folder.dir.clone());
        match task(id.clone(), dir, block.or(defaults), found.root) {
            Err(error) => found.stop(error, [id]),
            Ok(spec) => {
                if !matches!(found.root.stat(&spec.dir), Ok(Some(stat)) if stat.kind == Type::Dir) {
                    found.warnings.push(format!(
                        "the folder of {} is not there: {}",
                        spec.id, spec.dir
                    ));
                }
                tasks.push(spec);
            }
        }
    }
    if let Some(error) = why.filter(|_| !undeclared.is_empty()) {
        found.leave_out(error, Stops::Tasks(undeclared));
    }
    tasks
}

/// One task. `found` is its folder when discovery knows it.
fn task(
    id: TaskId,
    found: Option<RelPath>,
    block: TaskBlock,
    root: &dyn Fs,
) -> Result<TaskSpec, Error> {
    let at = |key: &str| format!("tasks.{id}.{key}");
    let (dir, paths) = match (&block.path, found) {
        (Some(paths), _) => places(&at("path"), paths, root)?,
        (None, Some(dir)) => (dir.clone(), vec![all_below(&dir)]),
        (None, None) => {
            let dir = path(&at("path"), &format!("tasks/{id}"))?;
            (dir.clone(), vec![all_below(&dir)])
        }
    };
    let config = match &block.config {
        Some(config) => Some(in_folder(&at("config"), &dir, config)?),
        None => discover::config_in(root, &dir),
    };
    let patterns =
        |key: &str, list: Option<OneOrMany>| patterns(&at(key), &dir, &list.unwrap_or_default().0);
    let large = block.large_files.unwrap_or_default();
    let env = block.env.unwrap_or_default();
    let shared = block.shared.unwrap_or_default();
    let start = match (block.start, block.restart) {
        (Some(_), Some(_)) => {
            return Err(rule(
                &at("restart"),
                "`start` is there too; keep one of them",
            ));
        }
        (start, restart) => start.or(restart),
    };
    let command = |key: &str, command: Option<Command>| {
        command
            .map(|command| to_command(&at(key), command, SWITCH))
            .transpose()
    };
    Ok(TaskSpec {
        title: block.title,
        exclude: patterns("exclude", block.exclude)?,
        shared: places(&at("shared"), &shared, root)?.1,
        protect: patterns("protect", block.protect)?,
        large_files: patterns("large_files", large.patterns)?,
        large_over: large.over.map(|size| size.0),
        config,
        version_key: version_key(&at("version_key"), block.version_key)?,
        venv: env
            .venv
            .map(|venv| in_folder(&at("env.venv"), &dir, &venv))
            .transpose()?,
        environment_variables: variables(&at("env.variables"), env.variables.unwrap_or_default())?,
        smoke: block
            .verify
            .unwrap_or_default()
            .into_iter()
            .map(|run| to_command(&at("verify"), run, VERIFY))
            .collect::<Result<_, _>>()?,
        probes: block
            .ready
            .unwrap_or_default()
            .into_iter()
            .map(|probe| to_probe(&at("ready"), probe))
            .collect::<Result<_, _>>()?,
        stop: command("stop", block.stop)?,
        start: command("start", start)?,
        one_way: block
            .one_way
            .unwrap_or_default()
            .into_iter()
            .map(|door| to_door(&at("one_way"), door))
            .collect::<Result<_, _>>()?,
        migrations: block
            .migrations
            .map(|list| patterns("migrations", Some(list)))
            .transpose()?,
        guard: calls::rules(&at("guard"), block.guard.unwrap_or_default())?,
        id,
        dir,
        paths,
    })
}

/// A version that cannot be gone back from.
fn to_door(at: &str, door: OneWay) -> Result<Door, Error> {
    let (text, why) = match door {
        OneWay::Version(text) => (text, None),
        OneWay::Because(block) => (block.version, block.why),
    };
    let plain = text.strip_prefix('v').unwrap_or(&text);
    Ok(Door {
        version: plain
            .parse()
            .map_err(|error| rule(at, format!("{error}")))?,
        why,
    })
}

/// The key of the version.
fn version_key(at: &str, key: Option<String>) -> Result<String, Error> {
    let key = key.unwrap_or_else(|| "version".to_string());
    if key.split('.').any(str::is_empty) {
        Err(rule(at, format!("{key:?} holds an empty name")))
    } else {
        Ok(key)
    }
}

/// Names of environment variables; a value after `=` would be a secret in a file.
fn variables(at: &str, names: Vec<String>) -> Result<Vec<String>, Error> {
    match names.iter().position(|name| !is_variable(name)) {
        // The text is not shown, because it may be a value.
        Some(index) => Err(rule(
            at,
            format!(
                "item {} is not the name of a variable; write names only, never values",
                index + 1
            ),
        )),
        None => Ok(names),
    }
}

/// True for what can be the name of an environment variable.
pub(super) fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A command with its time limit.
fn to_command(at: &str, command: Command, usual: Duration) -> Result<CommandSpec, Error> {
    if command.run.trim().is_empty() || command.run.contains('\0') {
        return Err(rule(at, "the command is empty or holds a NUL byte"));
    }
    Ok(CommandSpec {
        run: command.run,
        timeout: command.timeout.map_or(usual, |timeout| timeout.0),
    })
}

/// A probe: exactly one kind.
fn to_probe(at: &str, ready: Ready) -> Result<Probe, Error> {
    let timeout = ready.timeout;
    let limit = timeout.map_or(READY, |timeout| timeout.0);
    match (ready.run, ready.port, ready.http, ready.disk_free) {
        (Some(run), None, None, None) => Ok(Probe::Command(to_command(
            at,
            Command { run, timeout },
            READY,
        )?)),
        (None, Some(port), None, None) => Ok(Probe::Port(port.0, port.1, limit)),
        (None, None, Some(url), None)
            if url.starts_with("http://") && url.len() > "http://".len() =>
        {
            Ok(Probe::Http(url, limit))
        }
        (None, None, Some(url), None) => Err(rule(
            at,
            format!("{url:?} does not begin with http://; for https use `run: curl -fsS …`"),
        )),
        (None, None, None, Some(size)) => Ok(Probe::DiskFree(size.0)),
        _ => Err(rule(
            at,
            "each item needs exactly one of `run`, `port`, `http` and `disk_free`",
        )),
    }
}

/// Keeps the files that snapback itself writes out of a task that would hold them.
fn keep_own_files_out(task: &mut TaskSpec, files: &[RelPath], snapshots: &RelPath) {
    let folders = |path: &RelPath| {
        path.ancestors()
            .chain([RelPath::root()])
            .collect::<Vec<_>>()
    };
    let holds = |path: &RelPath| {
        folders(path)
            .iter()
            .any(|folder| task.paths.contains(&all_below(folder)))
    };
    let files = files
        .iter()
        .filter(|path| holds(path))
        .map(|path| escape(&path.to_text()));
    let folder = holds(snapshots).then(|| all_below(snapshots));
    let own: Vec<String> = files.chain(folder).collect();
    task.exclude.extend(own);
}
