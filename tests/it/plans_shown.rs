//! What a person agreed to is what is done: when anything differs from the plan that was shown, and
//! be it one byte, nothing is done.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};

use snapback::{
    app::{App, Options},
    base::Kind,
    model::{
        Request, TaskId,
        request::{CreateSnapshot, NextVersion},
        signature::Signing,
    },
};

use crate::support::{Sandbox, noise};

const LARGE: &str = "tasks/T01/model.bin";
const SOURCE: &str = "tasks/T01/signal.py";

/// A task that changed since its release, in a file of each kind.
fn changed() -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.write(LARGE, &noise("one", 200_000));
    sandbox.release("T01", "1.0.0");
    sandbox.write(LARGE, &noise("two", 200_000));
    sandbox.write(SOURCE, b"VALUE = 2\n");
    sandbox
}

/// A release of that task.
fn release() -> Request {
    let task: TaskId = "T01".parse().unwrap();
    Request::CreateSnapshot(CreateSnapshot {
        task,
        version: Some(NextVersion::Exactly("1.1.0".parse().unwrap())),
        message: "asked".into(),
        run_hooks: true,
        allow_failing: false,
        signing: Signing::AsConfigured,
        elsewhere: BTreeMap::new(),
    })
}

/// A change that a plan's list of files does not show.
type Edit = (&'static str, fn(&Sandbox));

const EDITS: [Edit; 4] = [
    ("other bytes", |sandbox| {
        sandbox.write(SOURCE, b"VALUE = 3\n");
    }),
    ("executable", |sandbox| {
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(sandbox.at(SOURCE), mode).unwrap();
    }),
    ("a large file", |sandbox| {
        sandbox.write(LARGE, &noise("three", 200_000));
    }),
    ("the same time", |sandbox| {
        let before = fs::metadata(sandbox.at(LARGE)).unwrap().modified().unwrap();
        sandbox.write(LARGE, &noise("four", 200_000));
        let file = fs::File::options().write(true).open(sandbox.at(LARGE));
        file.unwrap().set_modified(before).unwrap();
    }),
];

#[test]
fn a_release_of_other_bytes_than_were_shown_is_not_made() {
    for (what, edit) in EDITS {
        let sandbox = changed();
        let app = App::open(&sandbox.root(), Options::default()).unwrap();
        let shown = app.plan_to_apply(&release()).unwrap();
        edit(&sandbox);
        let head = sandbox.git_out(&["rev-parse", "HEAD"]);
        let failure = app.apply(&release(), Some(&shown)).unwrap_err();
        assert_eq!(failure.kind(), Kind::Conflict, "{what}: {failure}");
        assert_eq!(sandbox.git_out(&["rev-parse", "HEAD"]), head, "{what}");
        assert_eq!(sandbox.git_out(&["tag", "--list", "T01-v1.1.0"]), "");
    }
}

#[test]
fn a_release_of_what_was_shown_is_made() {
    let sandbox = changed();
    let app = App::open(&sandbox.root(), Options::default()).unwrap();
    let shown = app.plan_to_apply(&release()).unwrap();
    app.apply(&release(), Some(&shown)).unwrap();
    assert_eq!(
        sandbox.git_out(&["tag", "--list", "T01-v1.1.0"]),
        "T01-v1.1.0"
    );
}
