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
            "releases": { "$ref": "#/$defs/releases" },
            "rollback": { "$ref": "#/$defs/rollback" },
            "hooks": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "strict": { "type": "boolean", "default": false, "description": "git hooks refuse where they would only warn." } }
            },
            "alerts": { "$ref": "#/$defs/alerts" }
        },
        "$defs": {
            "discover": discover(),
            "task": task(),
            "command": command(),
            "ready": ready(),
            "one_way": one_way(),
            "releases": releases(),
            "rollback": rollback(),
            "alerts": alerts(),
            "channel": channel(),
            "hook": hook(),
            "email": email(),
            "rule": rule(),
            "secret": {
                "type": "object",
                "additionalProperties": false,
                "description": "Where a secret lies; never its value.",
                "properties": {
                    "env": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "description": "The name of a variable." },
                    "file": { "type": "string", "pattern": "^(/|~/)", "description": "A file that only its owner can read, outside the work tree." }
                }
            },
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
    let many =
        |description: &str| json!({ "$ref": "#/$defs/one_or_many", "description": description });
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
            "migrations": many("Patterns of migrations, from its folder; default: by their usual places and names. [] = none."),
            "guard": { "type": "array", "items": { "$ref": "#/$defs/rule" }, "description": "When it goes back by itself." }
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

/// How releases are made.
fn releases() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "sign": { "type": "boolean", "default": false, "description": "Manifests are signed with your own key (`snapback keys create`)." },
            "portable": { "type": "boolean", "default": false, "description": "Names that Windows or macOS cannot write, or fold together, are refused." }
        }
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

/// Where alerts go.
fn alerts() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "link": { "type": "string", "pattern": "^https?://", "description": "A page that takes answers; {id}, {option} and {task} are filled in." },
            "repeat": { "$ref": "#/$defs/timeout", "description": "The same is told again after this; default 4h." },
            "limit": { "$ref": "#/$defs/timeout", "description": "An operation waits no longer for the sending; default 10s, at most 1m." },
            "ca_file": { "type": "string", "description": "Certificates to trust besides the system's (PEM)." },
            "channels": { "type": "object", "additionalProperties": { "$ref": "#/$defs/channel" } }
        }
    })
}

/// One channel.
fn channel() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "feishu": { "$ref": "#/$defs/hook", "description": "A custom bot of a Feishu group." },
            "webhook": { "$ref": "#/$defs/hook", "description": "A JSON document, signed." },
            "email": { "$ref": "#/$defs/email" },
            "least": { "enum": ["good", "info", "warning", "critical"], "default": "good", "description": "What matters less is not sent." },
            "per_minute": { "type": "integer", "minimum": 1, "description": "Most messages; default 100, 60 and 20." }
        },
        "oneOf": [{ "required": ["feishu"] }, { "required": ["webhook"] }, { "required": ["email"] }]
    })
}

/// A bot or a webhook.
fn hook() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "url": { "type": "string", "pattern": "^https?://", "description": "Of a webhook only, and without a secret in it." },
            "url_from": { "$ref": "#/$defs/secret" },
            "secret_from": { "$ref": "#/$defs/secret", "description": "The key of the signature." }
        }
    })
}

/// A mail server.
fn email() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["server", "from", "to"],
        "properties": {
            "server": { "type": "string" },
            "port": { "type": "integer", "description": "Default 465, 587 or 25." },
            "tls": { "enum": ["implicit", "starttls", "none"], "description": "Default starttls; none only to this machine." },
            "from": { "type": "string" },
            "to": { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            "user": { "type": "string" },
            "password_from": { "$ref": "#/$defs/secret" }
        }
    })
}

/// One rule of the guard.
fn rule() -> Value {
    let time = |description: &str| json!({ "$ref": "#/$defs/timeout", "description": description });
    let condition = |description: &str| json!({ "type": "string", "pattern": "^\\s*[<>]=?\\s*[-+0-9.eE]+\\s*$", "description": description });
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "fail"],
        "properties": {
            "name": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,60}$" },
            "run": { "type": "string", "minLength": 1, "description": "A command; the last line it prints is the number, or JSON." },
            "file": { "type": "string", "description": "A file that grows by lines, from the task's folder." },
            "http": { "type": "string", "pattern": "^https?://", "description": "A JSON document." },
            "prometheus": { "type": "string", "pattern": "^https?://", "description": "A Prometheus server." },
            "query": { "type": "string", "description": "For Prometheus; must give one number." },
            "value": { "type": "string", "description": "Where in the JSON the value is; dots go deeper." },
            "bad": { "type": "string", "description": "Lines: 1 when the value (or line) holds this text, else 0." },
            "time": { "type": "string", "description": "Lines: where in the JSON the time is." },
            "token_from": { "$ref": "#/$defs/secret", "description": "Sent as Authorization: Bearer." },
            "timeout": time("Default 10s."),
            "fail": condition("What is bad: \"> 0.1\"."),
            "pass": condition("What is good; between the two nothing is said."),
            "over": { "enum": ["mean", "sum", "max", "min", "last", "median", "p95"], "default": "mean" },
            "window": time("Older samples do not count; default 10m."),
            "min_samples": { "type": "integer", "minimum": 1, "default": 1, "description": "Fewer decide nothing." },
            "consecutive": { "type": "integer", "minimum": 1, "default": 1, "description": "So many failing judgements in a row fire." },
            "warmup": time("Nothing is judged so long after a version became active."),
            "cooldown": time("Between two rollbacks; default 1h."),
            "max_rollbacks": { "type": "integer", "minimum": 1, "default": 2 },
            "per": time("In this time; default 24h."),
            "compare": { "type": "number", "exclusiveMinimum": 0, "description": "Bad only when so many times as bad as the version before." },
            "every": time("How often it is judged; default 30s."),
            "errors": { "type": "integer", "minimum": 1, "default": 5, "description": "So many failed readings in a row call a person." },
            "dry_run": { "type": "boolean", "default": false, "description": "Only say what it would do." }
        },
        "oneOf": [{ "required": ["run"] }, { "required": ["file"] }, { "required": ["http"] }, { "required": ["prometheus"] }]
    })
}
