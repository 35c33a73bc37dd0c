//! Tests that every mistake in the file is named with its key, and with what may have been meant.

use super::{failure, settings};
use crate::base::Kind;

/// Configurations with a mistake, and the expected message.
pub(super) const MISTAKES: &[(&str, &str)] = &[
    ("version: 2", "version: the format 2"),
    ("tasks: {T01: {protekt: [x]}}", "unknown field `protekt`"),
    ("registry: ../x", "registry"),
    ("registry: /etc/x", "registry"),
    ("snapshots: .git/x", "snapshots"),
    ("tasks: {T01: {path: a/../b}}", "tasks.T01.path"),
    ("tasks: {T01: {path: []}}", "empty list"),
    ("tasks: {T01: {exclude: ['[']}}", "tasks.T01.exclude"),
    ("tasks: {'a b': {}}", "not a task id"),
    (
        "tasks: {T01: {}, T01: {}}",
        "line 1 column 18: duplicate mapping key: T01",
    ),
    ("tasks: {A: {path: a}, B: {path: a/b}}", "both own a/b/**"),
    ("tasks: {A: {path: a}, B: {path: a}}", "both own a/**"),
    ("tasks: {A: {path: .}, B: {path: b}}", "both own b/**"),
    (
        "tasks: {A: {path: ['x', 'q/*.py']}, B: {path: ['y', 'x/z/*.c']}}",
        "both own",
    ),
    (
        "tasks: {T01: {verify: [{run: x, timeout: 5}]}}",
        "not a time limit",
    ),
    (
        "tasks: {T01: {verify: [{timeout: 5s}]}}",
        "missing field `run`",
    ),
    ("tasks: {T01: {verify: [{run: ' '}]}}", "empty"),
    ("tasks: {T01: {ready: [{}]}}", "exactly one"),
    (
        "tasks: {T01: {ready: [{port: 80, disk_free: 1GB}]}}",
        "exactly one",
    ),
    ("tasks: {T01: {ready: [{port: x}]}}", "not a port"),
    ("tasks: {T01: {ready: [{http: 'https://x/'}]}}", "http://"),
    ("tasks: {T01: {large_files: {over: 1.5GB}}}", "not a size"),
    (
        "tasks: {T01: {start: {run: a}, restart: {run: b}}}",
        "keep one",
    ),
    (
        "tasks: {T01: {env: {variables: ['A=secret']}}}",
        "names only",
    ),
    ("tasks: {T01: {version_key: a..b}}", "empty name"),
    ("tasks: {discover: [{glob: '**/x'}]}", "**"),
    ("tasks: {discover: [{glob: 'a/*', id: T}]}", "{name}"),
    ("defaults: {path: x}", "defaults"),
    ("rollback: {env: of}", "unknown variant `of`"),
    ("a: &a [*a]", "acceptable"),
    ("- 1", "snapback.yaml is not a valid"),
];

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in MISTAKES {
        let failure = failure(text);
        assert!(failure.to_string().contains(expected), "{text}: {failure}");
        assert_eq!(failure.kind(), Kind::Usage, "{text}");
    }
    let nested = settings("tasks: {A: {path: ., exclude: [b/]}, B: {path: b}}");
    assert_eq!(
        nested.tasks.len(),
        2,
        "an outer task may give a folder away"
    );
}

#[test]
fn what_was_meant_is_guessed_and_a_secret_is_not_shown() {
    assert!(
        !failure("tasks: {T01: {env: {variables: ['A=secret']}}}")
            .to_string()
            .contains("secret")
    );
    assert_eq!(
        failure("tasks: {T01: {protekt: [x]}}").hints()[0].why,
        "did you mean `protect`?"
    );
    assert_eq!(
        failure("regestry: x").hints()[0].why,
        "did you mean `registry`?"
    );
    assert_eq!(
        failure("rollback: {env: of}").hints()[0].why,
        "did you mean `off`?"
    );
}
