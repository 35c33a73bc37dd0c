//! The shape of `snapback.yaml`. Each key is declared once, here or where the model has its block
//! (`model::settings`). Editors and `docs/settings.md` show the comment of the declaration.
//!
//! This file contains only shapes; `resolve` gives them a meaning. A key without a value counts as
//! left out, and unknown keys are refused.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize,
    de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    calls::AlertsBlock,
    guard_rules::RuleBlock,
    kinds::Extended,
    schema::one_of,
    units::{Size, Timeout},
};
use crate::model::{
    Scheme, Settings,
    settings::{HookSettings, ReleaseSettings, RollbackSettings},
    settings_block,
};

/// Where the version is in a task's configuration that does not say so.
pub(super) const VERSION_KEY: &str = "version";

/// Declares the keys of the file, what each holds and what it is when it is left out.
macro_rules! config_file {
    (@usual $kind:ty) => { <$kind>::default() };
    (@usual $kind:ty, $usual:expr) => { $usual };
    ($($(#[$about:meta])* $key:ident: $kind:ty $(= $usual:expr)?,)*) => {
        /// Settings of snapback for a repository. Everything in the file is optional.
        #[derive(Debug, JsonSchema)]
        #[schemars(
            rename = "snapback.yaml",
            deny_unknown_fields,
            extend("type" = ["object", "null"])
        )]
        pub(super) struct ConfigFile {
            $($(#[$about])* $(#[schemars(extend("default" = $usual))])? #[schemars(default)]
            pub $key: $kind,)*
        }

        impl Default for ConfigFile {
            fn default() -> Self {
                Self { $($key: config_file!(@usual $kind $(, $usual)?),)* }
            }
        }

        impl ConfigFile {
            /// Its keys.
            pub const KEYS: &[&str] = &[$(stringify!($key)),*];

            /// Reads the value of a key; of one that is not known it is passed over.
            pub fn read<'de, A: MapAccess<'de>>(
                &mut self,
                key: &str,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match key {
                    $(stringify!($key) => {
                        let written = map.next_value::<Option<$kind>>()?;
                        self.$key = written.unwrap_or(config_file!(@usual $kind $(, $usual)?));
                    })*
                    _ => drop(map.next_value::<IgnoredAny>()?),
                }
                Ok(())
            }
        }
    };
}

config_file! {
    /// The format of this file.
    #[schemars(extend("const" = 1))]
    version: u32 = 1,
    /// The registry, relative to the work tree.
    registry: String = Settings::REGISTRY.to_string(),
    /// The folder of the release manifests, relative to the work tree.
    snapshots: String = Settings::SNAPSHOTS.to_string(),
    /// The tasks, and how they are discovered.
    tasks: Tasks,
    /// Settings for every task that does not set them itself; all but `path` and `title`.
    defaults: TaskBlock,
    /// How releases are made.
    releases: ReleaseSettings,
    /// How rollbacks behave.
    rollback: RollbackSettings,
    /// How git hooks behave.
    hooks: HookSettings,
    /// Where alerts are sent.
    alerts: Option<AlertsBlock>,
}

/// Every key but `discover` is the id of a task. Without `discover`, every folder `tasks/<id>/`
/// with a configuration is a task.
#[derive(Debug, Default, JsonSchema)]
#[schemars(
    rename = "tasks",
    extend(
        "type" = ["object", "null"],
        "propertyNames" = { "pattern": "^[\\p{L}\\p{N}][\\p{L}\\p{M}\\p{N}._-]{0,99}$" }
    )
)]
pub(super) struct Tasks {
    /// Rules that find tasks; an empty list switches discovery off.
    #[schemars(extend("nullable" = true))]
    pub discover: Option<Vec<Discover>>,
    /// The tasks that are named, in their order.
    #[schemars(flatten, with = "BTreeMap<String, TaskBlock>")]
    pub named: Vec<(String, TaskBlock)>,
}

settings_block! {
    /// A rule that finds tasks.
    #[derive(Debug)]
    pub(super) struct Discover as "discover" {
        /// The folders, relative to the work tree; `*` stands for one name, `**` is not allowed.
        glob: String,
        /// The task's id; `{name}` stands for the folder's name.
        #[schemars(regex(pattern = r"\{name\}"))]
        id: String = "{name}".to_string(),
    }
}

/// A value that a task may inherit from `defaults`.
trait Inherit: Clone {
    /// Returns this value, with missing parts taken from `defaults`.
    fn inherit(self, _defaults: &Self) -> Self {
        self
    }
}

impl<T: Clone> Inherit for Vec<T> {}
impl Inherit for String {}
impl Inherit for Scheme {}
impl Inherit for OneOrMany {}
impl Inherit for Size {}
impl Inherit for TaskCommandBlock {}

impl<T: Inherit> Inherit for Option<T> {
    fn inherit(self, defaults: &Self) -> Self {
        match (self, defaults) {
            (Some(own), Some(defaults)) => Some(own.inherit(defaults)),
            (own, defaults) => own.or_else(|| defaults.clone()),
        }
    }
}

/// Declares a block whose keys a task takes from `defaults` one by one.
macro_rules! inherited_block {
    (
        $(#[$meta:meta])*
        pub(super) struct $name:ident as $word:tt {
            $($(#[$about:meta])* $key:ident: $kind:ty,)*
        }
    ) => {
        settings_block! {
            $(#[$meta])*
            #[derive(Debug, Clone, Default)]
            pub(super) struct $name as $word { $($(#[$about])* $key: $kind,)* }
        }

        impl Inherit for $name {
            fn inherit(self, defaults: &Self) -> Self {
                Self { $($key: self.$key.inherit(&defaults.$key),)* }
            }
        }
    };
}

inherited_block! {
    /// The settings of one task. Paths and patterns are relative to its folder unless they begin
    /// with `/`, which means the work tree.
    #[schemars(extend("type" = ["object", "null"]))]
    pub(super) struct TaskBlock as "task" {
        /// The task's folder, or its files and patterns, relative to the work tree. Without it,
        /// `tasks/<id>`, or the folder that discovery found.
        path: Option<OneOrMany>,
        /// A name for people.
        title: Option<String>,
        /// How its tags are written: `{version}` and what is around it. `{task}` stands for its id,
        /// `{path}` for its folder. Tags in the default form are read whatever it says.
        #[schemars(extend("default" = "{task}-v{version}"))]
        tag: Option<String>,
        /// How its versions are written, ordered and counted: semantic versions, those of Python
        /// packages, or dates.
        #[schemars(extend("default" = "semver"))]
        scheme: Option<Scheme>,
        /// Patterns, as in `.gitignore`, of files that do not belong to the task.
        exclude: Option<OneOrMany>,
        /// Files that the task shares with others, relative to the work tree. They are recorded,
        /// and restored only with `--with-shared`.
        shared: Option<OneOrMany>,
        /// Patterns of files that no rollback overwrites or removes.
        protect: Option<OneOrMany>,
        /// Files that are kept in the store instead of git.
        large_files: Option<LargeFiles>,
        /// The file that contains the version. Without it, `config.yaml` and such, or the file of a
        /// package manager.
        config: Option<String>,
        /// The key of the version in that file; dots go deeper. Without it, the usual one of a file
        /// with this name, such as `package.version` in `Cargo.toml`, else `version`.
        version_key: Option<String>,
        /// What the task needs around it.
        env: Option<EnvironmentBlock>,
        /// Smoke tests, with a time limit of 5m unless they set one.
        verify: Option<Vec<TaskCommandBlock>>,
        /// Readiness probes, with a time limit of 30s unless they set one.
        ready: Option<Vec<ProbeBlock>>,
        /// Runs before a change, with a time limit of 1m unless it sets one.
        stop: Option<TaskCommandBlock>,
        /// Runs after a change, with a time limit of 1m unless it sets one.
        start: Option<TaskCommandBlock>,
        /// Runs after a change; another name for `start`.
        restart: Option<TaskCommandBlock>,
        /// Versions that no rollback goes below without `--past-floor`.
        one_way: Option<Vec<OneWay>>,
        /// Patterns of migrations. Without it, they are found in the usual folders and by the usual
        /// names; `[]` means that there are none.
        migrations: Option<OneOrMany>,
        /// Rules that roll the task back automatically.
        guard: Option<Vec<Extended<RuleBlock>>>,
    }
}

/// A version that no rollback goes below: its number, or a block that also says why.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "one_way")]
pub(super) enum OneWay {
    /// Its number.
    Version(String),
    /// The same with a reason.
    Because(DoorBlock),
}

settings_block! {
    /// A version that no rollback goes below, with the reason.
    #[derive(Debug, Clone)]
    #[schemars(inline)]
    pub(super) struct DoorBlock as "door" {
        /// The first version after the change that cannot be undone.
        version: String,
        /// The reason, for people.
        why: Option<String>,
    }
}

inherited_block! {
    /// Which files are kept in the store.
    pub(super) struct LargeFiles as "large_files" {
        /// Patterns of such files, whether git ignores them or not.
        patterns: Option<OneOrMany>,
        /// Every file of the task of at least this size.
        over: Option<Size>,
    }
}

inherited_block! {
    /// What a task needs around it.
    pub(super) struct EnvironmentBlock as "env" {
        /// The folder of the Python environment.
        venv: Option<String>,
        /// Names of environment variables that must be set; never their values.
        #[schemars(inner(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$")))]
        variables: Option<Vec<String>>,
    }
}

settings_block! {
    /// A command, run by `sh -c` in the task's folder.
    #[derive(Debug, Clone)]
    pub(super) struct TaskCommandBlock as "command" {
        /// The command line.
        #[schemars(length(min = 1))]
        run: String,
        /// The time limit.
        timeout: Option<Timeout>,
    }
}

settings_block! {
    /// A probe: exactly one of `run`, `port`, `http` and `disk_free`.
    #[derive(Debug, Clone)]
    #[schemars(extend("oneOf" = one_of(&["run", "port", "http", "disk_free"])))]
    pub(super) struct ProbeBlock as "ready" {
        /// A command that must exit with 0.
        #[schemars(length(min = 1))]
        run: Option<String>,
        /// `host:port`, or a port of this machine, that must accept a connection.
        port: Option<Port>,
        /// A URL that must answer with a status from 200 to 299.
        #[schemars(regex(pattern = "^http://."))]
        http: Option<String>,
        /// How much space must be free on the disk of the work tree.
        disk_free: Option<Size>,
        /// The time limit.
        timeout: Option<Timeout>,
    }
}

/// One text or a list of texts.
#[derive(Debug, Clone, Default)]
pub(super) struct OneOrMany(pub Vec<String>);

/// `host:port`, or a port of this machine.
#[derive(Debug, Clone)]
pub(super) struct Port(pub String, pub u16);

impl TaskBlock {
    /// Returns this block, with missing keys taken from `defaults`; `start` and `restart` are one
    /// key with two names.
    pub fn or(self, defaults: &Self) -> Self {
        let mut defaults = defaults.clone();
        if self.start.is_some() || self.restart.is_some() {
            (defaults.start, defaults.restart) = (None, None);
        }
        self.inherit(&defaults)
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "one_or_many".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
        })
    }
}

impl JsonSchema for Port {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "port".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"] })
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrManyVisitor)
    }
}

/// Reads [`OneOrMany`].
struct OneOrManyVisitor;

impl<'de> Visitor<'de> for OneOrManyVisitor {
    type Value = OneOrMany;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
        Ok(OneOrMany(vec![text.to_string()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element()? {
            texts.push(text);
        }
        Ok(OneOrMany(texts))
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", &text));
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        match port.parse() {
            Ok(port) if port > 0 && !host.is_empty() => Ok(Self(host.to_string(), port)),
            _ => Err(de::Error::custom(format!(
                "{text:?} is not a port; write \"host:8080\""
            ))),
        }
    }
}
