//! From the file's shape to [`Settings`]: which folders are tasks, defaults, paths, patterns.
//!
//! Every rule that the shape cannot express is checked here, and every error names its key.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use super::{
    Error, calls,
    discover::{self, Found, Rule},
    file::{Command, ConfigFile, Discover, EnvWord, OnFail, OneOrMany, OneWay, Ready, ReleasesBlock, RollbackBlock, TaskBlock},
    place::{all_below, check_glob, in_folder, path, patterns, places, rule},
};
use crate::{
    base::{Fs, Globs, RelPath, TaskId, fs::Type, glob::escape},
    model::{
        Settings, TaskSpec,
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

/// Gives a file its meaning; `from_file` is left to the caller.
///
/// `released` names tasks of the registry that have releases but are not known.
pub(super) fn resolve(
    file: ConfigFile,
    root: &dyn Fs,
    (released, is_released): (Released<'_>, &dyn Fn(&TaskId) -> bool),
    warnings: &mut Vec<String>,
) -> Result<Settings, Error> {
    if let Some(version) = file.version.filter(|version| *version != 1) {
        return Err(rule("version", format!("the format {version} is not known; this snapback knows 1")));
    }
    let registry = path("registry", file.registry.as_deref().unwrap_or("task_registry.json"))?;
    let snapshots = path("snapshots", file.snapshots.as_deref().unwrap_or("snapshots").trim_end_matches('/'))?;
    let defaults = file.defaults.unwrap_or_default();
    if defaults.path.is_some() || defaults.title.is_some() {
        return Err(rule("defaults", "`path` and `title` belong to one task each"));
    }
    let declared = file.tasks.unwrap_or_default();
    let rules = rules(declared.discover)?;
    let mut found = discover::find(root, &rules, warnings)?;
    let is_known = |id: &TaskId| found.iter().any(|found| found.id == *id) || declared.named.iter().any(|(name, _)| name == id.as_str());
    let lost: Vec<Found> = released(&registry, &is_known).into_iter().filter_map(|id| discover::lost(root, &rules, id)).collect();
    warnings.extend(
        lost.iter().map(|lost| format!("{} has lost its folder {} or its configuration; its releases have them", lost.id, lost.dir)),
    );
    found.extend(lost);
    let mut tasks = named(declared.named, &found, &defaults, root, warnings)?;
    let taken: HashSet<RelPath> = tasks.iter().map(|task| task.dir.clone()).collect();
    let ids: HashSet<TaskId> = tasks.iter().map(|task| task.id.clone()).collect();
    for found in found.into_iter().filter(|found| !taken.contains(&found.dir) && !ids.contains(&found.id)) {
        tasks.push(task(found.id, Some(found.dir), defaults.clone(), root)?);
    }
    let mut tasks = leave_twins_out(tasks, is_released, warnings);
    refuse_overlaps(&tasks)?;
    refuse_foreign_configs(&tasks)?;
    let own = [registry.clone(), RelPath::own("snapback.yaml"), RelPath::own("snapback.yml")];
    for task in &mut tasks {
        keep_own_files_out(task, &own, &snapshots);
    }
    let strict_hooks = file.hooks.unwrap_or_default().strict.unwrap_or(false);
    let made = release_words(&file.releases.unwrap_or_default());
    let rollback = file.rollback.unwrap_or_default();
    let (on_verify_fail, env) = rollback_words(&rollback);
    let require_reason = rollback.require_reason.unwrap_or(false);
    let alerts = calls::alerts(file.alerts.unwrap_or_default())?;
    Ok(Settings { registry, snapshots, tasks, on_verify_fail, env, require_reason, releases: made, strict_hooks, alerts, from_file: false })
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
fn named(
    blocks: Vec<(String, TaskBlock)>,
    found: &[Found],
    defaults: &TaskBlock,
    root: &dyn Fs,
    warnings: &mut Vec<String>,
) -> Result<Vec<TaskSpec>, Error> {
    let mut tasks = Vec::with_capacity(blocks.len());
    for (name, block) in blocks {
        let id: TaskId = name.parse().map_err(|error| rule("tasks", format!("{error}")))?;
        let dir = found.iter().find(|found| found.id == id).map(|found| found.dir.clone());
        let spec = task(id, dir, block.or(defaults), root)?;
        if !matches!(root.stat(&spec.dir), Ok(Some(stat)) if stat.kind == Type::Dir) {
            warnings.push(format!("the folder of {} is not there: {}", spec.id, spec.dir));
        }
        tasks.push(spec);
    }
    Ok(tasks)
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

/// Refuses two tasks that own the same files: a rollback of one would change the other.
fn refuse_overlaps(tasks: &[TaskSpec]) -> Result<(), Error> {
    let mut owners: HashMap<&str, &TaskSpec> = HashMap::new();
    let pairs = || tasks.iter().flat_map(|task| task.paths.iter().map(move |glob| (task, glob.as_str())));
    let refused = |a: &TaskSpec, b: &TaskSpec, glob: &str| {
        let why = format!("{} and {} both own {glob}; use `exclude` in one of them, or `shared` for files that both use", a.id, b.id);
        Err(rule("tasks", why))
    };
    for (task, glob) in pairs() {
        if let Some(other) = owners.insert(glob, task).filter(|other| other.id != task.id) {
            return refused(other, task, glob);
        }
    }
    for (task, glob) in pairs() {
        let outer = outer_globs(glob).find_map(|outer| owners.get(outer.as_str()).copied().filter(|other| other.id != task.id));
        if let Some(other) = outer.filter(|other| !gives_away(other, glob)) {
            return refused(other, task, glob);
        }
    }
    Ok(())
}

/// Refuses a configuration that is another task's file: a release of one would change the other.
fn refuse_foreign_configs(tasks: &[TaskSpec]) -> Result<(), Error> {
    let owns = |task: &TaskSpec, path: &RelPath| {
        let matches = |globs: &[String]| Globs::new(globs).is_ok_and(|globs| globs.matches(path));
        matches(&task.paths) && !matches(&task.exclude)
    };
    for task in tasks {
        let Some(config) = task.config.as_ref().filter(|config| !config.is_in(&task.dir)) else { continue };
        if let Some(other) = tasks.iter().find(|other| other.id != task.id && owns(other, config)) {
            return Err(rule(&format!("tasks.{}.config", task.id), format!("{config} is a file of {}; use `exclude` there", other.id)));
        }
    }
    Ok(())
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
