//! The operations that the crash tests explore: two versions of a task that differ in every way
//! that files can, and the changes from one to the other and back.

use snapback::{base::RelPath, model::operation::EnvironmentChange};

use super::{
    explore::{Scenario, alone},
    world::{Tree, World},
};

/// Builds a tree from tuples of kind, mode, path and text.
pub fn tree(lines: &[(char, u32, &str, &str)]) -> Tree {
    lines
        .iter()
        .map(|(kind, mode, path, text)| {
            (path.to_string(), (*kind, *mode, text.as_bytes().to_vec()))
        })
        .collect()
}

/// Returns two versions of a task that differ in every way that files can.
pub fn versions() -> (Tree, Tree) {
    let before = tree(&[
        ('f', 0o644, "T/config.yaml", "version: 2\n"),
        ('f', 0o644, "T/run.sh", "#!/bin/sh\n"),
        ('l', 0o777, "T/link", "config.yaml"),
        ('f', 0o644, "T/linked", "a file"),
        ('l', 0o777, "T/linktodir", "gone"),
        (
            'f',
            0o644,
            "T/dirtolink/z",
            "in a folder that becomes a link",
        ),
        ('f', 0o600, "T/todir", "a file that becomes a folder"),
        ('f', 0o644, "T/tofile/x", "in a folder that becomes a file"),
        (
            'f',
            0o644,
            "T/gone/deep/only",
            "the only file of its folder",
        ),
        ('f', 0o644, "T/same", "unchanged"),
        ('f', 0o644, "other/file", "of another task"),
        ('f', 0o755, "T/.venv/python", "old"),
        ('f', 0o755, "T/.venv-built/python", "new"),
    ]);
    let after = tree(&[
        (
            'f',
            0o644,
            "T/config.yaml",
            "version: 1, which is longer than the other one\n",
        ),
        ('f', 0o755, "T/run.sh", "#!/bin/sh\n"),
        ('l', 0o777, "T/link", "run.sh"),
        ('l', 0o777, "T/linked", "same"),
        ('f', 0o644, "T/linktodir/w", "in a folder that was a link"),
        ('l', 0o777, "T/dirtolink", "same"),
        ('f', 0o644, "T/todir/y", "in a folder that was a file"),
        ('f', 0o644, "T/tofile", ""),
        ('f', 0o644, "T/new/and/deep", "in new folders"),
        ('f', 0o644, "T/same", "unchanged"),
        ('f', 0o644, "other/file", "of another task"),
        ('f', 0o755, "T/.venv-aside/python", "old"),
        ('f', 0o755, "T/.venv/python", "new"),
    ]);
    (before, after)
}

/// Returns the switch of the environment, there or back.
fn switch(there: bool) -> EnvironmentChange {
    let [aside, built] = ["T/.venv-aside", "T/.venv-built"].map(RelPath::own);
    let (aside, bring) = if there {
        (aside, built)
    } else {
        (built, aside)
    };
    EnvironmentChange {
        path: RelPath::own("T/.venv"),
        aside: Some(aside),
        bring: Some(bring),
    }
}

/// Returns the first operation of a repository.
pub fn first() -> Scenario {
    let (before, after) = versions();
    Scenario {
        base: World::with(&before),
        before,
        after,
        environment: Some(switch(true)),
        earlier: 0,
        stranger: None,
    }
}

/// Returns its inverse, run right after it: nothing has become durable by itself yet.
pub fn second() -> Scenario {
    let first = first();
    let base = first.base.fork();
    alone(|| assert_eq!(first.act(&base), Some(true)));
    Scenario {
        base,
        before: first.after,
        after: first.before,
        environment: Some(switch(false)),
        earlier: 1,
        stranger: None,
    }
}

/// Returns the inverse of the inverse, a redo.
pub fn third() -> Scenario {
    let second = second();
    let base = second.base.fork();
    alone(|| assert_eq!(second.act(&base), Some(true)));
    Scenario {
        base,
        before: second.after,
        after: second.before,
        environment: Some(switch(true)),
        earlier: 2,
        stranger: None,
    }
}

/// Returns the file changes of a release or an adoption: new manifests, changed configuration and
/// registry.
pub fn release() -> Scenario {
    let before = tree(&[
        ('f', 0o644, "T/config.yaml", "version: 1\n"),
        ('f', 0o644, "T/file", "unchanged"),
        ('f', 0o644, "registry.json", "{\"T\": 1}\n"),
    ]);
    let after = tree(&[
        ('f', 0o644, "T/config.yaml", "version: 2\n"),
        ('f', 0o644, "T/file", "unchanged"),
        ('f', 0o644, "registry.json", "{\"T\": 2}\n"),
        ('f', 0o644, "snapshots/T-1.yaml", "of one\n"),
        ('f', 0o644, "snapshots/T-2.yaml", "of two\n"),
    ]);
    Scenario {
        base: World::with(&before),
        before,
        after,
        environment: None,
        earlier: 0,
        stranger: None,
    }
}

/// Returns the first operation on a store with so many packs that its commit indexes them.
pub fn indexing() -> Scenario {
    let scenario = first();
    World::on(&scenario.base).commit_each(0..7);
    scenario.base.settle();
    scenario
}
