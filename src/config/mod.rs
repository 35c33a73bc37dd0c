//! Row 7, `snapback.yaml`: discovery, schema. Everything in the file is optional.
//!
//! `--config` wins over `snapback.yaml` (or `.yml`; both is an error) in the work tree; without
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
//! alerts: {channels: {ops: {feishu: {url_from: {env: FEISHU_URL}, secret_from: {env: FEISHU_SECRET}}}}}
//! ```
//!
//! `path` and `shared` are relative to the work tree, all else in a task to its folder, unless
//! it begins with `/` (the work tree). Patterns in `exclude`, `protect` and `large_files` work
//! as in `.gitignore`: without a `/` at any depth, and a folder stands for all that is in it.
//! Nothing here runs a command. Read `file` for the shape, `resolve` for the meaning.

mod calls;
mod data;
mod discover;
mod file;
mod ignore;
mod init;
mod place;
mod resolve;
mod schema;
#[cfg(test)]
mod tests;
mod units;

use std::{
    io::{self, Read},
    path::Path,
};

use self::file::ConfigFile;
use crate::{
    base::{Fault, Fs, Hint, Kind, RelPath, Root, TaskId, fs::Type, glob::BadGlob, path::UnsafePath, text, yaml},
    model::Settings,
    registry::Registry,
};

pub use data::data_patterns;
pub use init::init_files;
pub use schema::schema;

/// The configuration's names in a work tree.
const NAMES: [&str; 2] = ["snapback.yaml", "snapback.yml"];

/// The name of the configuration, for people and for trust: below the work tree, or absolute
/// when another file was asked for.
pub fn file_name(work_tree: &Path, asked: Option<&Path>) -> String {
    match asked {
        Some(path) => path.canonicalize().unwrap_or_else(|_| path.to_path_buf()).to_string_lossy().into_owned(),
        None => NAMES.into_iter().find(|name| work_tree.join(name).is_file()).unwrap_or(NAMES[0]).to_string(),
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or the work tree cannot be read.
    #[error("{file} cannot be read")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
    /// Not YAML, or not of the right shape.
    #[error("{file} is not a valid configuration")]
    Parse {
        /// The file.
        file: String,
        /// What is wrong, with the place.
        source: yaml::Error,
        /// What an unknown key may have meant.
        meant: Vec<String>,
    },
    /// Both names are there.
    #[error("both {} and {} are there; snapback does not guess which one counts", NAMES[0], NAMES[1])]
    Choose,
    /// A rule that the shape does not express.
    #[error("the configuration is wrong at {at}: {why}")]
    Rule {
        /// The key, dotted.
        at: String,
        /// What is wrong with its value.
        why: String,
    },
    /// A path that is not safe.
    #[error("the configuration is wrong at {at}")]
    Path {
        /// The key, dotted.
        at: String,
        /// What is wrong with its value.
        source: UnsafePath,
    },
    /// A pattern that does not compile.
    #[error("the configuration is wrong at {at}")]
    Glob {
        /// The key, dotted.
        at: String,
        /// What is wrong with its value.
        source: BadGlob,
    },
    /// Folders could not be listed.
    #[error("the folders of {glob:?} cannot be listed")]
    Discover {
        /// The pattern.
        glob: String,
        /// Why.
        source: io::Error,
    },
    /// A task's configuration gives no version for the first registry.
    #[error("the first registry cannot be written")]
    Registry(#[source] crate::registry::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Discover { .. } => Kind::Missing,
            Self::Registry(error) => error.kind(),
            _ => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Parse { meant, .. } if !meant.is_empty() => vec![Hint::say(format!("did you mean {}?", meant.join(" or ")))],
            Self::Parse { .. } | Self::Rule { .. } => vec![Hint::run("see every key and its form", &["snapback", "schema", "config"])],
            Self::Choose => vec![Hint::say("remove one of the two")],
            Self::Registry(error) => error.hints(),
            Self::Read { file, .. } => vec![Hint::run("see whether it is there", &["ls", "-l", file])],
            Self::Path { .. } | Self::Glob { .. } | Self::Discover { .. } => {
                vec![Hint::run("see every key and its form", &["snapback", "schema", "config"])]
            }
        }
    }
}

/// The settings in force; see [`load_with_warnings`].
pub fn load(work_tree: &Path, explicit: Option<&Path>, registry_bytes: impl Fn(&RelPath) -> Option<Vec<u8>>) -> Result<Settings, Error> {
    let unreadable = |source| Error::Read { file: work_tree.display().to_string(), source };
    let root = Root::open(work_tree).map_err(unreadable)?;
    load_with_warnings(&root, explicit, registry_bytes, |_| false).map(|(settings, _)| settings)
}

/// The settings in force, and what looks wrong but stops nothing: folders that cannot be tasks,
/// tasks without a folder, registry entries without a task.
///
/// `registry_bytes` gives the registry's bytes, `None` when there is none. It is looked at for
/// warnings, and for tasks whose folder or configuration was lost: `is_released` says which of
/// its tasks have releases, and those are tasks still, because they can be brought back.
pub fn load_with_warnings(
    tree: &dyn Fs,
    explicit: Option<&Path>,
    registry_bytes: impl Fn(&RelPath) -> Option<Vec<u8>>,
    is_released: impl Fn(&TaskId) -> bool,
) -> Result<(Settings, Vec<String>), Error> {
    let file = match explicit {
        Some(path) => Some(read_explicit(path)?),
        None => read_usual(tree)?,
    };
    let from_file = file.is_some();
    let file = file.map(|(name, bytes)| parse(&name, &bytes)).transpose()?.unwrap_or_default();
    let mut warnings = Vec::new();
    let read_registry = |path: &RelPath| registry_bytes(path).and_then(|bytes| Registry::parse(&bytes).ok());
    let released = |path: &RelPath, is_known: &dyn Fn(&TaskId) -> bool| {
        let registry = read_registry(path);
        let named = registry.iter().flat_map(Registry::tasks).map(|(id, _)| id);
        named.filter(|id| !is_known(id) && is_released(id)).collect()
    };
    let mut settings = resolve::resolve(file, tree, (&released, &is_released), &mut warnings)?;
    settings.from_file = from_file;
    let registry = read_registry(&settings.registry);
    let strangers = registry.iter().flat_map(Registry::tasks).map(|(id, _)| id).filter(|id| settings.task(id).is_none());
    warnings.extend(name_strangers(&settings, &strangers.collect::<Vec<TaskId>>()));
    Ok((settings, warnings))
}

/// The settings that a text would give, as if it were the repository's configuration.
pub fn settings_of(work_tree: &Path, text: &str) -> Result<Settings, Error> {
    let unreadable = |source| Error::Read { file: work_tree.display().to_string(), source };
    let root = Root::open(work_tree).map_err(unreadable)?;
    let mut settings = resolve::resolve(parse(NAMES[0], text.as_bytes())?, &root, (&|_, _| Vec::new(), &|_| false), &mut Vec::new())?;
    settings.from_file = true;
    Ok(settings)
}

/// One warning for all entries of the registry that are no tasks.
fn name_strangers(settings: &Settings, strangers: &[TaskId]) -> Option<String> {
    let shown: Vec<&str> = strangers.iter().take(5).map(TaskId::as_str).collect();
    let more = if strangers.len() > shown.len() { format!(" and {} more", strangers.len() - shown.len()) } else { String::new() };
    (!strangers.is_empty()).then(|| format!("{} names {}{more}, but no such task was found", settings.registry, shown.join(", ")))
}

/// Reads the file of `--config`.
fn read_explicit(path: &Path) -> Result<(String, Vec<u8>), Error> {
    let file = text::escape(path.as_os_str().as_encoded_bytes());
    let read = std::fs::File::open(path).and_then(read_limited);
    read.map(|bytes| (file.clone(), bytes)).map_err(|source| Error::Read { file, source })
}

/// Reads the file in the work tree, if there is one.
fn read_usual(root: &dyn Fs) -> Result<Option<(String, Vec<u8>)>, Error> {
    let unreadable = |name: &str, source| Error::Read { file: name.to_string(), source };
    let mut there = Vec::new();
    for name in NAMES {
        match root.stat(&RelPath::own(name)).map_err(|source| unreadable(name, source))? {
            None => {}
            Some(stat) if stat.kind == Type::File => there.push(name),
            Some(_) => return Err(unreadable(name, io::Error::other("it is not a regular file"))),
        }
    }
    match there[..] {
        [] => Ok(None),
        [name] => {
            let read = root.open(&RelPath::own(name)).and_then(read_limited);
            read.map(|bytes| Some((name.to_string(), bytes))).map_err(|source| unreadable(name, source))
        }
        _ => Err(Error::Choose),
    }
}

/// Reads one byte more than is accepted, so that a huge file costs nothing and is still refused.
fn read_limited(file: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(yaml::Limits::human().bytes as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the text of a configuration.
fn parse(file: &str, bytes: &[u8]) -> Result<ConfigFile, Error> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let parsed: Result<Option<ConfigFile>, _> = yaml::parse(bytes, yaml::Limits::human());
    parsed.map(Option::unwrap_or_default).map_err(|source| {
        let meant = meant_by(&source.to_string());
        Error::Parse { file: file.to_string(), source, meant }
    })
}

/// The keys near to the unknown one that serde names: "unknown field `a`, expected one of `b`, `c`".
fn meant_by(message: &str) -> Vec<String> {
    let Some((_, rest)) = message.split_once("unknown field `").or_else(|| message.split_once("unknown variant `")) else {
        return Vec::new();
    };
    let mut words = rest.split('`').step_by(2);
    let Some(typed) = words.next() else { return Vec::new() };
    let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
    text::did_you_mean(typed, known).into_iter().map(|word| format!("`{word}`")).collect()
}
