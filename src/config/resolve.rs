//! From the file's shape to [`Settings`]: which folders are tasks, defaults, paths, patterns.
//!
//! Every rule that the shape cannot express is checked here, and every error names its key.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{
    Error, Flaw, Loaded, Stops, calls,
    discover::{self, Found as Folder, Rule},
    file::{Command, Discover, EnvWord, OnFail, OneOrMany, OneWay, Ready, ReleasesBlock, RollbackBlock, TaskBlock, Tasks},
    parts::{Part, Parts},
    place::{all_below, check_glob, in_folder, path, patterns, places, rule},
};
use crate::{
    base::{Fs, Globs, RelPath, TaskId, fs::Type, glob::escape, text},
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

/// Given the registry's path and which tasks are known, names those that have releases all the same.
pub(super) type Released<'a> = &'a dyn Fn(&RelPath, &dyn Fn(&TaskId) -> bool) -> Vec<TaskId>;

/// What is gathered on the way.
struct Found<'a> {
    root: &'a dyn Fs,
    /// The text, for lines.
    bytes: &'a [u8],
    warnings: Vec<String>,
    flaws: Vec<Flaw>,
    /// Entries of `tasks` whose names are no ids.
    misnamed: Vec<(String, Error)>,
}

impl Found<'_> {
    /// Leaves something out.
    fn leave_out(&mut self, error: impl Into<Arc<Error>>, stops: Stops) {
        self.flaws.push(Flaw { error: error.into(), stops });
    }

    /// The same for what one task, or a few, take from.
    fn stop(&mut self, error: Error, tasks: impl IntoIterator<Item = TaskId>) {
        self.leave_out(error.with_line(self.bytes), Stops::Tasks(tasks.into_iter().collect()));
    }

    /// All tasks that something stops.
    fn stopped(&self) -> BTreeSet<TaskId> {
        let tasks = |flaw: &Flaw| if let Stops::Tasks(tasks) = &flaw.stops { tasks.clone() } else { Vec::new() };
        self.flaws.iter().flat_map(tasks).collect()
    }

    /// What stops all that do not say where they are.
    fn undeclared(&self) -> Option<Arc<Error>> {
        self.flaws.iter().find(|flaw| flaw.stops == Stops::Undeclared).map(|flaw| Arc::clone(&flaw.error))
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
        return Err(rule("version", format!("the format {version} is not known; this snapback knows 1")));
    }
    let registry = path("registry", file.registry.as_deref().unwrap_or("task_registry.json"))?;
    let snapshots = path("snapshots", file.snapshots.as_deref().unwrap_or("snapshots").trim_end_matches('/'))?;
    let defaults = file.defaults.unwrap_or_default();
    if defaults.path.is_some() || defaults.title.is_some() {
        return Err(rule("defaults", "`path` and `title` belong to one task each"));
    }
    let mut found = Found { root, bytes, warnings: Vec::new(), flaws: Vec::new(), misnamed: Vec::new() };
    let is_strict = leave_parts_out(left_out, &mut found);
    let declared = file.tasks.unwrap_or_default();
    let tasks = tasks(declared, &defaults, (&registry, released), &mut found);
    let mut tasks = leave_twins_out(tasks, is_released, &mut found.warnings);
    leave_overlaps_out(&mut tasks, &mut found);
    leave_foreign_configs_out(&mut tasks, &mut found);
    let own = [registry.clone(), RelPath::own("snapback.yaml"), RelPath::own("snapback.yml")];
    for task in &mut tasks {
        keep_own_files_out(task, &own, &snapshots);
    }
    let made = release_words(&file.releases.unwrap_or_default());
    let rollback = file.rollback.unwrap_or_default();
    let (on_verify_fail, env) = rollback_words(&rollback);
    let alerts = calls::alerts(file.alerts.unwrap_or_default()).unwrap_or_else(|error| {
        found.leave_out(error.with_line(bytes), Stops::Nothing);
        AlertSettings::default()
    });
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
    Ok(Loaded { settings, warnings: found.warnings, flaws: found.flaws })
}

/// Says of each part that could not be read whom it stops; true when `hooks` is one of them.
fn leave_parts_out(left_out: Vec<(Part, Error)>, found: &mut Found<'_>) -> bool {
    let is_strict = left_out.iter().any(|(part, _)| *part == Part::Key("hooks".into()));
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
    is_strict
}

/// All tasks, those that the file names and those that are found.
fn tasks(declared: Tasks, defaults: &TaskBlock, (registry, released): (&RelPath, Released<'_>), found: &mut Found<'_>) -> Vec<TaskSpec> {
    let rules = rules(declared.discover).unwrap_or_else(|error| {
        found.leave_out(error.with_line(found.bytes), Stops::Undeclared);
        Vec::new()
    });
    // Where rules are wrong, folders that no rule names are no tasks either.
    let rules = if found.undeclared().is_some() { Vec::new() } else { rules };
    let mut folders = discover::find(found.root, &rules, &mut found.warnings).unwrap_or_else(|error| {
        found.leave_out(error, Stops::Undeclared);
        Vec::new()
    });
    let stopped = found.stopped();
    let is_known = |id: &TaskId| {
        stopped.contains(id) || folders.iter().any(|folder| folder.id == *id) || declared.named.iter().any(|(name, _)| name == id.as_str())
    };
    let lost: Vec<Folder> = released(registry, &is_known).into_iter().filter_map(|id| discover::lost(found.root, &rules, id)).collect();
    found.warnings.extend(
        lost.iter().map(|lost| format!("{} has lost its folder {} or its configuration; its releases have them", lost.id, lost.dir)),
    );
    folders.extend(lost);
    let mut tasks = named(declared.named, &folders, defaults, found);
    for (name, error) in std::mem::take(&mut found.misnamed) {
        // It may be the entry of a task that has none.
        let bare = folders.iter().map(|folder| &folder.id).filter(|id| tasks.iter().all(|task| task.id != **id));
        let near: Vec<TaskId> = bare.filter(|id| !text::did_you_mean(&name, [id.as_str()]).is_empty()).cloned().collect();
        found.leave_out(error, if near.is_empty() { Stops::Nothing } else { Stops::Tasks(near) });
    }
    let taken: HashSet<RelPath> = tasks.iter().map(|task| task.dir.clone()).collect();
    let ids: HashSet<TaskId> = tasks.iter().map(|task| task.id.clone()).chain(found.stopped()).collect();
    for folder in folders.into_iter().filter(|folder| !taken.contains(&folder.dir) && !ids.contains(&folder.id)) {
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
    ReleaseSettings { sign: block.sign.unwrap_or(false), portable: block.portable.unwrap_or(false) }
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
    let Some(declared) = declared else { return Ok(vec![Rule::usual()]) };
    let to_rule = |discover: Discover| {
        let at = "tasks.discover";
        let id = discover.id.unwrap_or_else(|| "{name}".to_string());
        if discover.glob.contains("**") {
            return Err(rule(at, format!("{:?} holds `**`; name each level with `*`", discover.glob)));
        }
        if !id.contains("{name}") {
            return Err(rule(at, format!("the id {id:?} does not hold {{name}}, so every folder would be the same task")));
        }
        check_glob(at, discover.glob.trim_end_matches('/'))?;
        Ok(Rule { glob: discover.glob, id, needs_config: false })
    };
    declared.into_iter().map(to_rule).collect()
}

/// The tasks that the file names.
fn named(blocks: Vec<(String, TaskBlock)>, folders: &[Folder], defaults: &TaskBlock, found: &mut Found<'_>) -> Vec<TaskSpec> {
    let mut tasks = Vec::with_capacity(blocks.len());
    for (name, block) in blocks {
        let id: TaskId = match name.parse() {
            Ok(id) => id,
            Err(error) => {
                let error = rule("tasks", format!("{error}")).with_line(found.bytes);
                found.misnamed.push((name, error));
                continue;
            }
        };
        if let Some(error) = found.undeclared().filter(|_| block.path.is_none()) {
            found.leave_out(error, Stops::Tasks(vec![id]));
            continue;
        }
        let dir = folders.iter().find(|folder| folder.id == id).map(|folder| folder.dir.clone());
        match task(id.clone(), dir, block.or(defaults), found.root) {
            Err(error) => found.stop(error, [id]),
            Ok(spec) => {
                if !matches!(found.root.stat(&spec.dir), Ok(Some(stat)) if stat.kind == Type::Dir) {
                    found.warnings.push(format!("the folder of {} is not there: {}", spec.id, spec.dir));
                }
                tasks.push(spec);
            }
        }
    }
    tasks
}

/// One task. `found` is its folder when discovery knows it.
fn task(id: TaskId, found: Option<RelPath>, block: TaskBlock, root: &dyn Fs) -> Result<TaskSpec, Error> {
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
    let patterns = |key: &str, list: Option<OneOrMany>| patterns(&at(key), &dir, &list.unwrap_or_default().0);
    let large = block.large_files.unwrap_or_default();
    let env = block.env.unwrap_or_default();
    let shared = block.shared.unwrap_or_default();
    let start = match (block.start, block.restart) {
        (Some(_), Some(_)) => return Err(rule(&at("restart"), "`start` is there too; keep one of them")),
        (start, restart) => start.or(restart),
    };
    let command = |key: &str, command: Option<Command>| command.map(|command| to_command(&at(key), command, SWITCH)).transpose();
    Ok(TaskSpec {
        title: block.title,
        exclude: patterns("exclude", block.exclude)?,
        shared: places(&at("shared"), &shared, root)?.1,
        protect: patterns("protect", block.protect)?,
        large_files: patterns("large_files", large.patterns)?,
        large_over: large.over.map(|size| size.0),
        config,
        version_key: version_key(&at("version_key"), block.version_key)?,
        venv: env.venv.map(|venv| in_folder(&at("env.venv"), &dir, &venv)).transpose()?,
        environment_variables: variables(&at("env.variables"), env.variables.unwrap_or_default())?,
        smoke: block.verify.unwrap_or_default().into_iter().map(|run| to_command(&at("verify"), run, VERIFY)).collect::<Result<_, _>>()?,
        probes: block.ready.unwrap_or_default().into_iter().map(|probe| to_probe(&at("ready"), probe)).collect::<Result<_, _>>()?,
        stop: command("stop", block.stop)?,
        start: command("start", start)?,
        one_way: block.one_way.unwrap_or_default().into_iter().map(|door| to_door(&at("one_way"), door)).collect::<Result<_, _>>()?,
        migrations: block.migrations.map(|list| patterns("migrations", Some(list))).transpose()?,
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
    Ok(Door { version: plain.parse().map_err(|error| rule(at, format!("{error}")))?, why })
}

/// The key of the version.
fn version_key(at: &str, key: Option<String>) -> Result<String, Error> {
    let key = key.unwrap_or_else(|| "version".to_string());
    if key.split('.').any(str::is_empty) { Err(rule(at, format!("{key:?} holds an empty name"))) } else { Ok(key) }
}

/// Names of environment variables; a value after `=` would be a secret in a file.
fn variables(at: &str, names: Vec<String>) -> Result<Vec<String>, Error> {
    match names.iter().position(|name| !is_variable(name)) {
        // The text is not shown, because it may be a value.
        Some(index) => Err(rule(at, format!("item {} is not the name of a variable; write names only, never values", index + 1))),
        None => Ok(names),
    }
}

/// True for what can be the name of an environment variable.
pub(super) fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A command with its time limit.
fn to_command(at: &str, command: Command, usual: Duration) -> Result<CommandSpec, Error> {
    if command.run.trim().is_empty() || command.run.contains('\0') {
        return Err(rule(at, "the command is empty or holds a NUL byte"));
    }
    Ok(CommandSpec { run: command.run, timeout: command.timeout.map_or(usual, |timeout| timeout.0) })
}

/// A probe: exactly one kind.
fn to_probe(at: &str, ready: Ready) -> Result<Probe, Error> {
    let timeout = ready.timeout;
    let limit = timeout.map_or(READY, |timeout| timeout.0);
    match (ready.run, ready.port, ready.http, ready.disk_free) {
        (Some(run), None, None, None) => Ok(Probe::Command(to_command(at, Command { run, timeout }, READY)?)),
        (None, Some(port), None, None) => Ok(Probe::Port(port.0, port.1, limit)),
        (None, None, Some(url), None) if url.starts_with("http://") && url.len() > "http://".len() => Ok(Probe::Http(url, limit)),
        (None, None, Some(url), None) => Err(rule(at, format!("{url:?} does not begin with http://; for https use `run: curl -fsS …`"))),
        (None, None, None, Some(size)) => Ok(Probe::DiskFree(size.0)),
        _ => Err(rule(at, "each item needs exactly one of `run`, `port`, `http` and `disk_free`")),
    }
}

/// Leaves out tasks whose ids differ only in case, or come from two places: on some systems they are
/// one folder, one tag. Those that have releases under an id of their own can still go back; the other
/// tasks have nothing to do with it.
fn leave_twins_out(tasks: Vec<TaskSpec>, is_released: &dyn Fn(&TaskId) -> bool, warnings: &mut Vec<String>) -> Vec<TaskSpec> {
    let folded = |task: &TaskSpec| task.id.as_str().to_ascii_lowercase();
    let mut groups: BTreeMap<String, Vec<TaskSpec>> = BTreeMap::new();
    for task in tasks {
        groups.entry(folded(&task)).or_default().push(task);
    }
    let mut kept = Vec::new();
    for twins in groups.into_values() {
        if twins.len() == 1 {
            kept.extend(twins);
            continue;
        }
        let names: Vec<String> = twins.iter().map(|task| format!("{} ({})", task.id, task.dir)).collect();
        let is_alone = |task: &TaskSpec| twins.iter().filter(|other| other.id == task.id).count() == 1;
        let stays: Vec<bool> = twins.iter().map(|task| is_alone(task) && is_released(&task.id)).collect();
        let left: Vec<&str> = twins.iter().zip(&stays).filter(|(_, stays)| !**stays).map(|(task, _)| task.id.as_str()).collect();
        let left = if left.is_empty() { String::new() } else { format!("; left out: {}", left.join(", ")) };
        warnings.push(format!("{} are the same id but for case or place: rename one{left}", names.join(" and ")));
        kept.extend(twins.into_iter().zip(stays).filter(|(_, stays)| *stays).map(|(task, _)| task));
    }
    kept.sort_by(|a, b| a.id.cmp(&b.id));
    kept
}

/// Leaves out tasks that own the same files: a rollback of one would change the other.
fn leave_overlaps_out(tasks: &mut Vec<TaskSpec>, found: &mut Found<'_>) {
    let mut owners: HashMap<&str, &TaskSpec> = HashMap::new();
    let mut pairs: Vec<(&TaskSpec, &TaskSpec, &str)> = Vec::new();
    let globs = || tasks.iter().flat_map(|task| task.paths.iter().map(move |glob| (task, glob.as_str())));
    for (task, glob) in globs() {
        pairs.extend(owners.insert(glob, task).filter(|other| other.id != task.id).map(|other| (other, task, glob)));
    }
    for (task, glob) in globs() {
        let outer = outer_globs(glob).find_map(|outer| owners.get(outer.as_str()).copied().filter(|other| other.id != task.id));
        pairs.extend(outer.filter(|other| !gives_away(other, glob)).map(|other| (other, task, glob)));
    }
    for (a, b, glob) in pairs {
        let why = format!("{} and {} both own {glob}; use `exclude` in one of them, or `shared` for files that both use", a.id, b.id);
        found.stop(rule(&format!("tasks.{}", b.id), why), [a.id.clone(), b.id.clone()]);
    }
    let stopped = found.stopped();
    tasks.retain(|task| !stopped.contains(&task.id));
}

/// Leaves out tasks whose configuration is another task's file: a release of one would change the other.
fn leave_foreign_configs_out(tasks: &mut Vec<TaskSpec>, found: &mut Found<'_>) {
    let owns = |task: &TaskSpec, path: &RelPath| {
        let matches = |globs: &[String]| Globs::new(globs).is_ok_and(|globs| globs.matches(path));
        matches(&task.paths) && !matches(&task.exclude)
    };
    let unknown = found.stopped();
    for task in tasks.iter() {
        let Some(config) = task.config.as_ref().filter(|config| !owns(task, config)) else { continue };
        let at = format!("tasks.{}.config", task.id);
        let is_owner = |other: &&TaskSpec| other.id != task.id && !config.is_in(&task.dir) && owns(other, config);
        if let Some(other) = tasks.iter().find(is_owner) {
            let why = format!("{config} is a file of {}; use `exclude` there", other.id);
            found.stop(rule(&at, why), [task.id.clone(), other.id.clone()]);
        } else if let Some(other) = unknown.first() {
            // What two tasks have is no file of either.
            let why = format!("whether {other} has {config} too cannot be told while its entry is wrong");
            found.stop(rule(&at, why), [task.id.clone()]);
        }
    }
    let stopped = found.stopped();
    tasks.retain(|task| !stopped.contains(&task.id));
}

/// True when a task excludes all that a pattern names.
fn gives_away(task: &TaskSpec, glob: &str) -> bool {
    let inside = glob.strip_suffix("/**").map_or_else(|| glob.to_string(), |folder| format!("{folder}/x"));
    match (Globs::new(&task.exclude), RelPath::parse(inside)) {
        (Ok(excluded), Ok(inside)) => excluded.matches(&inside),
        _ => false,
    }
}

/// `x/**` for every folder that a pattern lies in, deepest first.
fn outer_globs(glob: &str) -> impl Iterator<Item = String> + '_ {
    let mut at = glob.strip_suffix("/**").unwrap_or(glob);
    let mut done = glob == "**";
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        if let Some((outer, _)) = at.rsplit_once('/') {
            at = outer;
            return Some(format!("{outer}/**"));
        }
        done = true;
        Some("**".to_string())
    })
}

/// Keeps the files that snapback itself writes out of a task that would hold them.
fn keep_own_files_out(task: &mut TaskSpec, files: &[RelPath], snapshots: &RelPath) {
    let folders = |path: &RelPath| path.ancestors().chain([RelPath::root()]).collect::<Vec<_>>();
    let holds = |path: &RelPath| folders(path).iter().any(|folder| task.paths.contains(&all_below(folder)));
    let files = files.iter().filter(|path| holds(path)).map(|path| escape(&path.to_text()));
    let folder = holds(snapshots).then(|| all_below(snapshots));
    let own: Vec<String> = files.chain(folder).collect();
    task.exclude.extend(own);
}
