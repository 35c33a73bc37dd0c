//! The shape of `snapback.yaml`: each key is declared once, here or where the model has its block
//! (`model::settings`), and its comment is what editors show and what `docs/settings.md` says.
//!
//! Only shapes here; `resolve` gives them a meaning. A key without a value counts as left out, and
//! unknown keys are refused.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize,
    de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    calls::AlertsBlock,
    guard_rules::RuleBlock,
    schema::one_of,
    units::{Size, Timeout},
};
use crate::model::settings::{HooksBlock, ReleasesBlock, RollbackBlock};

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
    /// The registry, from the work tree.
    registry: String = "task_registry.json".to_string(),
    /// The folder of release manifests, from the work tree.
    snapshots: String = "snapshots".to_string(),
    /// Every key but `discover` is the id of a task.
    tasks: Tasks,
    /// For every task that does not say otherwise; without `path` and `title`.
    defaults: TaskBlock,
    /// How releases are made.
    releases: ReleasesBlock,
    /// How rollbacks behave.
    rollback: RollbackBlock,
    /// How hooks of git behave.
    hooks: HooksBlock,
    /// Where alerts go.
    alerts: Option<AlertsBlock>,
}

/// Which tasks there are; without `discover`, every folder `tasks/<id>/` with a configuration.
#[derive(Debug, Default, JsonSchema)]
#[schemars(
    rename = "tasks",
    extend("type" = ["object", "null"], "propertyNames" = { "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" })
)]
pub(super) struct Tasks {
    /// Rules that find tasks; an empty list switches discovery off.
    #[schemars(extend("nullable" = true))]
    pub discover: Option<Vec<Discover>>,
    /// The tasks that are named, in their order.
    #[schemars(flatten, with = "BTreeMap<String, TaskBlock>")]
    pub named: Vec<(String, TaskBlock)>,
}

crate::model::settings_block! {
    /// A rule that finds tasks.
    #[derive(Debug)]
    pub(super) struct Discover as "discover" {
        /// Folders, from the work tree; `*` is one name, `**` is not allowed.
        glob: String,
        /// The task's id; {name} is the folder's name.
        #[schemars(regex(pattern = r"\{name\}"))]
        id: String = "{name}".to_string(),
    }
}

/// The settings of one task.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "task", extend("type" = ["object", "null"]))]
pub(super) struct TaskBlock {
    /// Its folder, or files and patterns, from the work tree; default tasks/<id>.
    pub path: Option<OneOrMany>,
    /// A name for people.
    pub title: Option<String>,
    /// Patterns of files that are not its, as in .gitignore, from its folder.
    pub exclude: Option<OneOrMany>,
    /// Files it uses together with other tasks, from the work tree: recorded, restored only when
    /// asked.
    pub shared: Option<OneOrMany>,
    /// Patterns of files that no rollback overwrites or removes, from its folder.
    pub protect: Option<OneOrMany>,
    /// Files that are kept in the store instead of git.
    pub large_files: Option<LargeFiles>,
    /// The configuration with the version, from its folder.
    pub config: Option<String>,
    /// Where the version is in it; dots go deeper.
    #[schemars(extend("default" = VERSION_KEY))]
    pub version_key: Option<String>,
    /// Its environment.
    pub env: Option<Env>,
    /// Smoke tests; default limit 5m.
    pub verify: Option<Vec<Command>>,
    /// Probes; default limit 30s.
    pub ready: Option<Vec<Ready>>,
    /// Before a change; default limit 1m.
    pub stop: Option<Command>,
    /// After a change; default limit 1m.
    pub start: Option<Command>,
    /// After a change, instead of `start`.
    pub restart: Option<Command>,
    /// Versions that no rollback goes below without --past-floor.
    pub one_way: Option<Vec<OneWay>>,
    /// Patterns of migrations, from its folder; default: by their usual places and names.
    /// [] = none.
    pub migrations: Option<OneOrMany>,
    /// When it goes back by itself.
    pub guard: Option<Vec<RuleBlock>>,
}

/// A version that no rollback goes below: its number, or a block that says why.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "one_way")]
pub(super) enum OneWay {
    /// Its number.
    Version(String),
    /// The same with a reason.
    Because(DoorBlock),
}

/// A version that no rollback goes below, with the reason.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct DoorBlock {
    /// The first version after the change that cannot be undone.
    pub version: String,
    /// The reason, for people.
    pub why: Option<String>,
}

/// Which files are kept in the store.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "large_files")]
pub(super) struct LargeFiles {
    /// From its folder, ignored by git or not.
    pub patterns: Option<OneOrMany>,
    /// Any file of the task that is at least this big.
    pub over: Option<Size>,
}

/// The environment of a task.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "env")]
pub(super) struct Env {
    /// The Python environment, from its folder.
    pub venv: Option<String>,
    /// Names of environment variables that must be set; never values.
    #[schemars(inner(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$")))]
    pub variables: Option<Vec<String>>,
}

/// A command line, run by `sh -c` in the task's folder.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "command")]
pub(super) struct Command {
    /// The command line.
    #[schemars(length(min = 1))]
    pub run: String,
    /// Its time limit.
    pub timeout: Option<Timeout>,
}

/// A probe; exactly one of the four besides `timeout`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ready", extend("oneOf" = one_of(&["run", "port", "http", "disk_free"])))]
pub(super) struct Ready {
    /// Must exit with 0.
    #[schemars(length(min = 1))]
    pub run: Option<String>,
    /// host:port, or a port of this machine: must accept a connection.
    pub port: Option<Port>,
    /// Must answer with a status from 200 to 299.
    #[schemars(regex(pattern = "^http://."))]
    pub http: Option<String>,
    /// Bytes that must be free on the disk of the work tree.
    pub disk_free: Option<Size>,
    /// Its time limit.
    pub timeout: Option<Timeout>,
}

/// One text or a list of texts.
#[derive(Debug, Clone, Default)]
pub(super) struct OneOrMany(pub Vec<String>);

/// `host:port`, or a port of this machine.
#[derive(Debug, Clone)]
pub(super) struct Port(pub String, pub u16);

impl TaskBlock {
    /// This block, with what it leaves out taken from `defaults`.
    pub fn or(self, defaults: &Self) -> Self {
        fn either<T: Clone>(own: Option<T>, other: Option<&T>) -> Option<T> {
            own.or_else(|| other.cloned())
        }
        let (large, env) = (
            self.large_files.unwrap_or_default(),
            self.env.unwrap_or_default(),
        );
        let other_large = defaults.large_files.as_ref();
        let other_env = defaults.env.as_ref();
        let (start, restart) = match (self.start, self.restart) {
            (None, None) => (defaults.start.clone(), defaults.restart.clone()),
            own => own,
        };
        Self {
            path: self.path,
            title: self.title,
            exclude: either(self.exclude, defaults.exclude.as_ref()),
            shared: either(self.shared, defaults.shared.as_ref()),
            protect: either(self.protect, defaults.protect.as_ref()),
            large_files: Some(LargeFiles {
                patterns: either(
                    large.patterns,
                    other_large.and_then(|large| large.patterns.as_ref()),
                ),
                over: large.over.or(other_large.and_then(|large| large.over)),
            }),
            config: either(self.config, defaults.config.as_ref()),
            version_key: either(self.version_key, defaults.version_key.as_ref()),
            env: Some(Env {
                venv: either(env.venv, other_env.and_then(|env| env.venv.as_ref())),
                variables: either(
                    env.variables,
                    other_env.and_then(|env| env.variables.as_ref()),
                ),
            }),
            verify: either(self.verify, defaults.verify.as_ref()),
            ready: either(self.ready, defaults.ready.as_ref()),
            stop: either(self.stop, defaults.stop.as_ref()),
            start,
            restart,
            one_way: either(self.one_way, defaults.one_way.as_ref()),
            migrations: either(self.migrations, defaults.migrations.as_ref()),
            guard: either(self.guard, defaults.guard.as_ref()),
        }
    }
}

impl JsonSchema for OneOrMany {
    fn schema_name() -> Cow<'static, str> {
        "one_or_many".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "One text or a list of texts.",
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
