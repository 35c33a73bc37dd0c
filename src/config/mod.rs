//! Row 12, `snapback.yaml`: discovery, schema. Everything in the file is optional.
//!
//! `--config` wins over `snapback.yaml` (or `.yml`; both is an error) in the work tree. Without
//! either, every folder `tasks/<id>/` with a `config.yaml`, `.yml`, `.json` or `.toml` is a task.
//!
//! ```yaml
//! version: 1
//! registry: task_registry.json
//! snapshots: snapshots
//! tasks:
//!   discover:                          # left out: tasks/*/ with a configuration; []: none
//!     - {glob: "strategies/*/", id: "{name}"}
//!   T01:
//!     path: research/t01               # or a list; default tasks/T01, or where it was found
//!     title: Momentum
//!     exclude: ["*.parquet", logs/]
//!     shared: [lib/util.py]            # recorded, restored only when asked
//!     protect: [positions.json]        # never overwritten by a rollback
//!     large_files: {patterns: ["*.bin"], over: 50MB}
//!     config: config.yaml
//!     version_key: version
//!     env: {venv: .venv, variables: [TUSHARE_TOKEN]}
//!     verify: [{run: "python -m pytest -q -m smoke", timeout: 2m}]
//!     ready: [{port: 8080}, {http: "http://127.0.0.1:8080/ok"}, {disk_free: 1GB}]
//!     stop: {run: "systemctl --user stop t01", timeout: 30s}
//!     restart: {run: "systemctl --user restart t01"}
//!     guard: [{name: errors, file: run.jsonl, value: level, bad: error, fail: "> 0.1"}]
//! defaults:                            # for every task that does not say otherwise
//!   exclude: ["__pycache__/"]
//! releases: {sign: true,               # manifests, with your own key: `snapback keys`
//!            portable: true}           # refuse names that Windows or macOS cannot write
//! rollback: {on_verify_fail: undo, env: plan, require_reason: false}
//! hooks: {strict: false}               # true: they refuse where they would only warn
//! alerts:
//!   channels: {ops: {feishu: {url_from: {env: FEISHU_URL}, secret_from: {env: FEISHU_SECRET}}}}
//! ```
//!
//! `path` and `shared` are relative to the work tree; other paths in a task are relative to its
//! folder, unless they begin with `/` (the work tree). Patterns in `exclude`, `protect` and
//! `large_files` follow `.gitignore`: without `/` at any depth, and a folder stands for its whole
//! contents. No command is run here. Read `file` for the shape, `resolve` for the meaning.

mod by_schema;
mod calls;
mod data;
mod discover;
mod error;
mod file;
mod first_files;
mod guard_rules;
mod ignore;
mod init;
mod kinds;
mod overlaps;
mod packages;
mod parts;
mod place;
mod repository;
mod resolve;
mod schema;
mod schemes;
mod shape;
mod task_block;
mod task_list;
#[cfg(test)]
mod tests;
mod units;

use std::{
    cell::OnceCell,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use crate::{
    base::{Fault, Fs, RelPath, Root, fs::Type, text, yaml},
    model::{Settings, TaskId},
    registry::Registry,
    site::{Flaw, StoppedTasks},
};

pub use data::data_patterns;
pub use error::Error;
pub use first_files::init_files_of;
use init::init_files;
pub use kinds::Kinds;
pub use repository::{open, open_with};
pub use schema::{schema, schema_with};
pub use shape::found_settings;

/// The configuration's possible names in a work tree.
const NAMES: [&str; 2] = ["snapback.yaml", "snapback.yml"];

/// Returns the name of the configuration, for display and for trust: below the work tree, or
/// absolute when another file was asked for.
fn file_name(work_tree: &Path, asked: Option<&Path>) -> String {
    match asked {
        Some(path) => path
            .canonicalize()
            .unwrap_or_else(|_| path.to_path_buf())
            .to_string_lossy()
            .into_owned(),
        None => NAMES
            .into_iter()
            .find(|name| work_tree.join(name).is_file())
            .unwrap_or(NAMES[0])
            .to_string(),
    }
}

/// The result of reading a configuration.
#[derive(Debug)]
pub struct LoadedConfig {
    /// The settings in force.
    pub settings: Settings,
    /// Suspicious findings that stop nothing: folders that cannot be tasks, tasks without a folder,
    /// registry entries without a task.
    pub warnings: Vec<String>,
    /// The parts that cannot be used.
    pub flaws: Vec<Flaw>,
}

impl LoadedConfig {
    /// Returns the settings, if nothing had to be left out.
    ///
    /// # Errors
    /// The first mistake.
    pub fn whole(self) -> Result<Settings, Arc<dyn Fault>> {
        self.flaws
            .into_iter()
            .next()
            .map_or(Ok(self.settings), |flaw| Err(flaw.error))
    }
}

/// The source of a configuration.
#[derive(Clone, Copy)]
pub struct ConfigSource<'a> {
    /// The work tree.
    pub tree: &'a dyn Fs,
    /// The file of `--config`.
    pub explicit: Option<&'a Path>,
    /// The kinds of channels and sources of metrics that the file may name.
    pub kinds: Kinds<'a>,
    /// Tasks whose ids begin otherwise are left out.
    pub only: &'a str,
}

/// Loads the settings in force.
///
/// `registry_bytes` returns the registry's bytes, or `None` when there is no registry. They are
/// used for warnings, and for tasks whose folder or configuration was lost. `is_released` says
/// which of these tasks have releases; those remain tasks, because they can be brought back. When
/// there is no registry, `lost` names the tasks that had an entry, given the registry's path.
///
/// # Errors
/// When a mistake is in a part that affects every task. Other mistakes are among the flaws.
pub fn load(
    from: ConfigSource<'_>,
    registry_bytes: impl Fn(&RelPath) -> Option<Vec<u8>>,
    lost: impl Fn(&RelPath) -> Vec<TaskId>,
    is_released: impl Fn(&TaskId) -> bool,
) -> Result<LoadedConfig, Error> {
    let file = match from.explicit {
        Some(path) => Some(read_explicit(path)?),
        None => read_usual(from.tree)?,
    };
    // The same path, read once.
    let registry = OnceCell::new();
    let read_registry = |path: &RelPath| {
        let read = || registry_bytes(path).and_then(|bytes| Registry::parse(&bytes).ok());
        registry.get_or_init(read).as_ref()
    };
    let released = |path: &RelPath, is_known: &dyn Fn(&TaskId) -> bool| {
        let named = read_registry(path).map_or_else(
            || lost(path),
            |registry| registry.tasks().into_iter().map(|(id, _)| id).collect(),
        );
        named
            .into_iter()
            .filter(|id| !is_known(id) && is_released(id))
            .collect()
    };
    let mut loaded = resolved(file.as_ref(), from, (&released, &is_released))?;
    let settings = &loaded.settings;
    let registry = read_registry(&settings.registry);
    let strangers = registry
        .into_iter()
        .flat_map(Registry::tasks)
        .map(|(id, _)| id)
        .filter(|id| id.as_str().starts_with(from.only) && !settings.knows(id));
    let strangers = name_undeclared(settings, &strangers.collect::<Vec<TaskId>>());
    loaded.warnings.extend(strangers.filter(|_| {
        loaded
            .flaws
            .iter()
            .all(|flaw| flaw.stops != StoppedTasks::Undeclared)
    }));
    Ok(loaded)
}

/// Returns the settings that a text would give as the repository's configuration.
///
/// # Errors
/// When the text contains any mistake.
pub fn settings_of(work_tree: &Path, text: &str) -> Result<Settings, Arc<dyn Fault>> {
    let read = || {
        let root = Root::open(work_tree).map_err(|source| Error::Read {
            file: work_tree.display().to_string(),
            source,
        })?;
        let file = (NAMES[0].to_string(), text.as_bytes().to_vec());
        let from = ConfigSource {
            tree: &root,
            explicit: None,
            kinds: Kinds::ALL,
            only: "",
        };
        resolved(Some(&file), from, (&|_, _| Vec::new(), &|_| false))
    };
    match read() {
        Ok(loaded) => loaded.whole(),
        Err(error) => Err(Arc::new(error)),
    }
}

/// Resolves a file, or the absence of one. Each mistake has its line.
fn resolved(
    file: Option<&(String, Vec<u8>)>,
    from: ConfigSource<'_>,
    released: (resolve::RegistryTasks<'_>, &dyn Fn(&TaskId) -> bool),
) -> Result<LoadedConfig, Error> {
    let read = |(name, bytes): &(String, Vec<u8>)| {
        schema::keys_of(from.kinds).hold_while(|| parts::read(name, bytes))
    };
    let parts = file.map(read).transpose()?.unwrap_or_default();
    let bytes = file.map_or(&[][..], |(_, bytes)| bytes);
    let mut loaded =
        resolve::resolve(parts, from, released, bytes).map_err(|error| error.with_line(bytes))?;
    loaded.settings.from_file = file.is_some();
    Ok(loaded)
}

/// Returns one warning for all registry entries that are not tasks.
fn name_undeclared(settings: &Settings, strangers: &[TaskId]) -> Option<String> {
    let shown: Vec<&str> = strangers.iter().take(5).map(TaskId::as_str).collect();
    let more = if strangers.len() > shown.len() {
        format!(" and {} more", strangers.len() - shown.len())
    } else {
        String::new()
    };
    (!strangers.is_empty()).then(|| {
        format!(
            "{} names {}{more}, but no such task was found",
            settings.registry,
            shown.join(", ")
        )
    })
}

/// Reads the file of `--config`.
fn read_explicit(path: &Path) -> Result<(String, Vec<u8>), Error> {
    let file = text::escape(path.as_os_str().as_encoded_bytes());
    let read = std::fs::File::open(path).and_then(read_limited);
    read.map(|bytes| (file.clone(), bytes))
        .map_err(|source| Error::Read { file, source })
}

/// Reads the file in the work tree, if there is one.
fn read_usual(root: &dyn Fs) -> Result<Option<(String, Vec<u8>)>, Error> {
    let unreadable = |name: &str, source| Error::Read {
        file: name.to_string(),
        source,
    };
    let mut there = Vec::new();
    for name in NAMES {
        match root
            .stat(&RelPath::own(name))
            .map_err(|source| unreadable(name, source))?
        {
            None => {}
            Some(stat) if stat.kind == Type::File => there.push(name),
            Some(_) => {
                return Err(unreadable(
                    name,
                    io::Error::other("it is not a regular file"),
                ));
            }
        }
    }
    match there[..] {
        [] => Ok(None),
        [name] => {
            let read = root.open(&RelPath::own(name)).and_then(read_limited);
            read.map(|bytes| Some((name.to_string(), bytes)))
                .map_err(|source| unreadable(name, source))
        }
        _ => Err(Error::Choose),
    }
}

/// Reads one byte more than is accepted, so that a huge file is refused at little cost.
fn read_limited(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(yaml::YamlLimits::human().bytes as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}
