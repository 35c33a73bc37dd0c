//! The JSON schema of `snapback.yaml`, for editors; `tests` keeps it in step with `file`.

use serde_json::{Value, json};

/// The JSON schema (draft 2020-12) of `snapback.yaml`.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "snapback.yaml",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "version": { "const": 1, "description": "The format of this file." },
            "registry": { "type": "string", "default": "task_registry.json", "description": "The registry, from the work tree." },
            "snapshots": { "type": "string", "default": "snapshots", "description": "The folder of release manifests, from the work tree." },
            "tasks": {
                "type": ["object", "null"],
                "description": "Every key but `discover` is the id of a task.",
                "properties": { "discover": { "type": ["array", "null"], "items": { "$ref": "#/$defs/discover" } } },
                "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$" },
                "additionalProperties": { "$ref": "#/$defs/task" }
            },
            "defaults": { "$ref": "#/$defs/task", "description": "For every task that does not say otherwise; without `path` and `title`." },
            "rollback": { "$ref": "#/$defs/rollback" },
            "hooks": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "strict": { "type": "boolean", "default": false, "description": "git hooks refuse where they would only warn." } }
            }
        },
        "$defs": {
            "discover": discover(),
            "task": task(),
            "command": command(),
            "ready": ready(),
            "one_way": one_way(),
            "rollback": rollback(),
            "one_or_many": { "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
            "timeout": { "type": "string", "pattern": "^([0-9]+(ms|s|m|min|h))+$", "description": "30s, 5m, 2h; at most 24h." },
            "size": {
                "oneOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+ ?([kKmMgGtT]([iI]?[bB])?|[bB])?$" }],
                "description": "Bytes, or 50MB, 1GiB."
            }
        }
    })
}

/// A rule of discovery.
fn discover() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["glob"],
        "properties": {
            "glob": { "type": "string", "description": "Folders, from the work tree; `*` is one name, `**` is not allowed." },
            "id": { "type": "string", "default": "{name}", "pattern": "\\{name\\}", "description": "The task's id; {name} is the folder's name." }
        }
    })
}

/// A task.
fn task() -> Value {
    let many = |description: &str| json!({ "$ref": "#/$defs/one_or_many", "description": description });
    json!({
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "path": many("Its folder, or files and patterns, from the work tree; default tasks/<id>."),
            "title": { "type": "string", "description": "A name for people." },
            "exclude": many("Patterns of files that are not its, as in .gitignore, from its folder."),
            "shared": many("Files it uses together with other tasks, from the work tree: recorded, restored only when asked."),
            "protect": many("Patterns of files that no rollback overwrites or removes, from its folder."),
            "large_files": {
                "type": "object",
                "additionalProperties": false,
                "description": "Files that are kept in the store instead of git.",
                "properties": { "patterns": many("From its folder, ignored by git or not."), "over": { "$ref": "#/$defs/size" } }
            },
            "config": { "type": "string", "description": "The configuration with the version, from its folder." },
            "version_key": { "type": "string", "default": "version", "description": "Where the version is in it; dots go deeper." },
            "env": {
                "type": "object",
                "additionalProperties": false,
                "properties": {
                    "venv": { "type": "string", "description": "The Python environment, from its folder." },
                    "variables": {
                        "type": "array",
                        "items": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" },
                        "description": "Names of environment variables that must be set; never values."
                    }
                }
            },
            "verify": { "type": "array", "items": { "$ref": "#/$defs/command" }, "description": "Smoke tests; default limit 5m." },
            "ready": { "type": "array", "items": { "$ref": "#/$defs/ready" }, "description": "Probes; default limit 30s." },
            "stop": { "$ref": "#/$defs/command", "description": "Before a change; default limit 1m." },
            "start": { "$ref": "#/$defs/command", "description": "After a change; default limit 1m." },
            "restart": { "$ref": "#/$defs/command", "description": "After a change, instead of `start`." },
            "one_way": {
                "type": "array",
                "items": { "$ref": "#/$defs/one_way" },
                "description": "Versions that no rollback goes below without --past-floor."
            },
            "migrations": many("Patterns of migrations, from its folder; default: by their usual places and names. [] = none.")
        }
    })
}

/// A command.
fn command() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["run"],
        "properties": { "run": { "type": "string", "minLength": 1 }, "timeout": { "$ref": "#/$defs/timeout" } }
    })
}

/// A probe.
fn ready() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "run": { "type": "string", "minLength": 1, "description": "Must exit with 0." },
            "port": { "type": ["string", "integer"], "description": "host:port, or a port of this machine: must accept a connection." },
            "http": { "type": "string", "pattern": "^http://.", "description": "Must answer with a status from 200 to 299." },
            "disk_free": { "$ref": "#/$defs/size" },
            "timeout": { "$ref": "#/$defs/timeout" }
        },
        "oneOf": [{ "required": ["run"] }, { "required": ["port"] }, { "required": ["http"] }, { "required": ["disk_free"] }]
    })
}

/// A one-way door.
fn one_way() -> Value {
    json!({
        "oneOf": [
            { "type": "string" },
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["version"],
                "properties": { "version": { "type": "string" }, "why": { "type": "string" } }
            }
        ]
    })
}

/// How rollbacks behave.
fn rollback() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "on_verify_fail": { "enum": ["undo", "keep", "ask"], "default": "undo" },
            "env": { "enum": ["plan", "sync", "off"], "default": "plan" },
            "require_reason": { "type": "boolean", "default": false }
        }
    })
}
