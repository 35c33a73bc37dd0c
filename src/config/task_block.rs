//! Converts one task's block to the model: its paths, patterns, commands and probes.
//!
//! It looks at one task at a time; `overlaps.rs` checks whether several can coexist. No value of an
//! environment variable is ever read or shown.

use std::time::Duration;

use super::{
    Error,
    discover::DiscoveredTask,
    file::{OneOrMany, OneWay, ProbeBlock, TaskBlock, TaskCommandBlock, VERSION_KEY},
    guard_rules,
    place::{all_below, in_folder, path, patterns, places, rule},
};
use crate::{
    base::{Fs, RelPath},
    catalog::version_place,
    guard::MetricSource,
    model::{
        Scheme, TagForm, TaskId, TaskSpec,
        settings::{CommandSpec, OneWayVersion, Probe, is_variable},
        tag_form::NotATagForm,
    },
};

/// Time limit of a `verify` command that sets none.
const VERIFY: Duration = Duration::from_mins(5);
/// Time limit of a probe that sets none.
const READY: Duration = Duration::from_secs(30);
/// Time limit of `stop`, `start` and `restart` commands that set none.
const SWITCH: Duration = Duration::from_mins(1);

/// Builds one task. `found` is what discovery knows of it.
pub(super) fn task(
    id: TaskId,
    found: Option<&DiscoveredTask>,
    block: TaskBlock,
    root: &dyn Fs,
    metrics: &[&'static dyn MetricSource],
) -> Result<TaskSpec, Error> {
    let at = |key: &str| format!("tasks.{id}.{key}");
    let known = found.filter(|_| block.path.is_none());
    let (dir, paths) = match (&block.path, known) {
        (Some(paths), _) => places(&at("path"), paths, root)?,
        (None, Some(found)) => (found.dir.clone(), vec![all_below(&found.dir)]),
        (None, None) => usual_folder(&at("path"), root, &id)?,
    };
    let key = version_key(&at("version_key"), block.version_key)?;
    let place = match (&block.config, known) {
        (Some(config), _) => {
            let file = in_folder(&at("config"), &dir, config)?;
            Some(version_place::in_file(root, file, key.as_deref()))
        }
        (None, Some(found)) => found.version.clone(),
        (None, None) => version_place::in_folder(root, &dir),
    };
    let key = key.or(place.as_ref().map(|place| place.key.clone()));
    let patterns =
        |key: &str, list: Option<OneOrMany>| patterns(&at(key), &dir, &list.unwrap_or_default().0);
    let large = block.large_files.unwrap_or_default();
    let env = block.env.unwrap_or_default();
    let shared = block.shared.unwrap_or_default();
    let scheme = block.scheme.unwrap_or_default();
    let start = start_or_restart(&at("restart"), block.start, block.restart)?;
    let command = |key: &str, command: Option<TaskCommandBlock>| {
        let to_command = |command| to_command(&at(key), command, SWITCH);
        command.map(to_command).transpose()
    };
    Ok(TaskSpec {
        title: block.title,
        tag: tag_form(&at("tag"), block.tag.as_deref())?,
        scheme,
        exclude: patterns("exclude", block.exclude)?,
        shared: places(&at("shared"), &shared, root)?.1,
        protect: patterns("protect", block.protect)?,
        large_files: patterns("large_files", large.patterns)?,
        large_over: large.over.map(|size| size.0),
        config: place.map(|place| place.file),
        version_key: key.unwrap_or_else(|| VERSION_KEY.to_string()),
        venv: env
            .venv
            .map(|venv| in_folder(&at("env.venv"), &dir, &venv))
            .transpose()?,
        environment_variables: variables(&at("env.variables"), env.variables.unwrap_or_default())?,
        smoke: each(block.verify, |run| to_command(&at("verify"), run, VERIFY))?,
        probes: each(block.ready, |probe| to_probe(&at("ready"), probe))?,
        stop: command("stop", block.stop)?,
        start: command("start", start)?,
        one_way: each(block.one_way, |door| {
            one_way_version(&at("one_way"), door, scheme)
        })?,
        migrations: block
            .migrations
            .map(|list| patterns("migrations", Some(list)))
            .transpose()?,
        guard: guard_rules::rules(&at("guard"), block.guard.unwrap_or_default(), metrics)?,
        id,
        dir,
        paths,
    })
}

/// Returns the folder of a task that does not say where it is: `tasks/<id>`, or the one there whose
/// name is the id in another Unicode form, as macOS writes it; and the globs of its files.
fn usual_folder(at: &str, root: &dyn Fs, id: &TaskId) -> Result<(RelPath, Vec<String>), Error> {
    let mut dir = path(at, &format!("tasks/{id}"))?;
    if !id.as_str().is_ascii() && matches!(root.stat(&dir), Ok(None)) {
        let is_it = |name: &Vec<u8>| {
            let name = std::str::from_utf8(name).ok();
            name.and_then(|name| name.parse().ok()).as_ref() == Some(id)
        };
        let names = root.list(&dir.parent()).unwrap_or_default();
        let other = names.into_iter().find(is_it);
        dir = other.map_or(dir.clone(), |name| dir.parent().join(name));
    }
    let files = vec![all_below(&dir)];
    Ok((dir, files))
}

/// Returns the form of tags that is written, or the default one.
pub(super) fn tag_form(at: &str, form: Option<&str>) -> Result<TagForm, Error> {
    match form.map(str::parse) {
        None => Ok(TagForm::usual().clone()),
        Some(form) => form.map_err(|error: NotATagForm| rule(at, error.to_string())),
    }
}

/// Converts each item of a list to the model; a missing list becomes an empty one.
fn each<T, U>(
    list: Option<Vec<T>>,
    to_model: impl FnMut(T) -> Result<U, Error>,
) -> Result<Vec<U>, Error> {
    list.unwrap_or_default().into_iter().map(to_model).collect()
}

/// Returns the command that starts a task again, under either of its two names.
fn start_or_restart(
    at: &str,
    start: Option<TaskCommandBlock>,
    restart: Option<TaskCommandBlock>,
) -> Result<Option<TaskCommandBlock>, Error> {
    if start.is_some() && restart.is_some() {
        return Err(rule(at, "`start` is there too; keep one of them"));
    }
    Ok(start.or(restart))
}

/// Builds a version below which no rollback goes.
fn one_way_version(at: &str, door: OneWay, scheme: Scheme) -> Result<OneWayVersion, Error> {
    let (text, why) = match door {
        OneWay::Version(text) => (text, None),
        OneWay::Because(block) => (block.version, block.why),
    };
    let plain = text.strip_prefix('v').unwrap_or(&text);
    Ok(OneWayVersion {
        version: scheme
            .parse(plain)
            .map_err(|error| rule(at, format!("{error}")))?,
        why,
    })
}

/// Returns the checked key of the version.
fn version_key(at: &str, key: Option<String>) -> Result<Option<String>, Error> {
    match key {
        Some(key) if key.split('.').any(str::is_empty) => {
            Err(rule(at, format!("{key:?} holds an empty name")))
        }
        key => Ok(key),
    }
}

/// Checks names of environment variables; a value after `=` would be a secret in a file.
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

/// Builds a command with its time limit.
fn to_command(at: &str, command: TaskCommandBlock, usual: Duration) -> Result<CommandSpec, Error> {
    if command.run.trim().is_empty() || command.run.contains('\0') {
        return Err(rule(at, "the command is empty or holds a NUL byte"));
    }
    Ok(CommandSpec {
        run: command.run,
        timeout: command.timeout.map_or(usual, |timeout| timeout.0),
    })
}

/// Builds a probe of exactly one kind.
fn to_probe(at: &str, ready: ProbeBlock) -> Result<Probe, Error> {
    let timeout = ready.timeout;
    let limit = timeout.map_or(READY, |timeout| timeout.0);
    match (ready.run, ready.port, ready.http, ready.disk_free) {
        (Some(run), None, None, None) => Ok(Probe::Command(to_command(
            at,
            TaskCommandBlock { run, timeout },
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
