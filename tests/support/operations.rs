//! The table of operations that every kind of fault is tried on. A new command that changes
//! something gets a row here, which subjects it to every sweep.

use super::{Sandbox, noise, sandbox::config, story::set_version};

/// The task of the operations.
pub const TASK: &str = "T01";
/// The folder of the task.
pub const FOLDER: &str = "tasks/T01";
/// The value of a secret in the environment of every program.
pub const CANARY: &str = "canary-8d1f5c0b7e";

/// How a disturbed operation is brought to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Recovery {
    /// By its journal: `op resume` or `op abort`.
    Journal,
    /// By running it again.
    Again,
}

/// One operation of the table.
#[derive(Clone, Copy)]
pub struct Operation {
    pub name: &'static str,
    /// Creates the initial repository; `None`, with the reason printed, where that is impossible.
    pub make: fn() -> Option<Sandbox>,
    /// Prepares the repository at its final place: operations record the path of their work tree.
    pub prepare: fn(&mut Sandbox) -> bool,
    /// An operation that is killed after this percentage of its calls. `argv` then recovers it, and
    /// the old and new states are those of the killed operation.
    pub interrupted: Option<(&'static [&'static str], u64)>,
    pub argv: &'static [&'static str],
    pub recovery: Recovery,
    /// The commands that restore the user's bytes afterwards, and that apply the change again.
    pub back: Option<[&'static str; 2]>,
    /// The distance between two visited calls in a full sweep.
    pub stride: usize,
}

const RELEASE: &[&str] = &[
    "create-snapshot",
    "--task",
    TASK,
    "--version",
    "1.2.0",
    "-m",
    "third",
    "--yes",
];
const ROLLBACK: &[&str] = &[
    "rollback", "--task", TASK, "--from", "1.1.0", "--to", "1.0.0", "--yes",
];

const PRUNE: &[&str] = &[
    "op",
    "prune",
    "--older-than",
    "0s",
    "--keep-last",
    "2",
    "--yes",
];

/// Returns a row with the values that most rows have.
const fn row(name: &'static str, argv: &'static [&'static str]) -> Operation {
    Operation {
        name,
        make: repository,
        prepare: |_| true,
        interrupted: None,
        argv,
        recovery: Recovery::Journal,
        back: None,
        stride: 1,
    }
}

/// Every operation that changes something in a repository.
pub const OPERATIONS: [Operation; 19] = [
    row("create-snapshot", RELEASE),
    Operation {
        back: Some(["undo", "redo"]),
        ..row("rollback", ROLLBACK)
    },
    Operation {
        back: Some(["undo", "redo"]),
        ..row(
            "rollback --no-commit",
            &[
                "rollback",
                "-t",
                TASK,
                "--to",
                "1.0.0",
                "--no-commit",
                "--yes",
            ],
        )
    },
    Operation {
        make: with_wheels,
        prepare: with_environment,
        stride: 97,
        ..row("rollback, env: sync", ROLLBACK)
    },
    Operation {
        prepare: rolled_back,
        back: Some(["redo", "undo"]),
        ..row("undo", &["undo", "--yes"])
    },
    Operation {
        prepare: undone,
        back: Some(["undo", "redo"]),
        ..row("redo", &["redo", "--yes"])
    },
    Operation {
        prepare: released,
        ..row("undo of a release", &["undo", "T01-v1.2.0", "--yes"])
    },
    Operation {
        make: tagged_by_hand,
        ..row("adopt", &["adopt", "--task", TASK, "--yes"])
    },
    Operation {
        prepare: config_edited,
        back: Some(["undo", "redo"]),
        ..row(
            "registry sync",
            &[
                "registry", "sync", "--task", TASK, "--from", "config", "--yes",
            ],
        )
    },
    Operation {
        make: not_set_up,
        ..row("init", &["init", "--yes"])
    },
    Operation {
        prepare: rolled_back,
        back: Some(["undo", "redo"]),
        ..row(
            "op restore",
            &[
                "op",
                "restore",
                "latest",
                "tasks/T01/run.sh",
                "--in-place",
                "--yes",
            ],
        )
    },
    Operation {
        interrupted: Some((ROLLBACK, 55)),
        back: Some(["undo", "redo"]),
        ..row("op resume, of files", &["op", "resume", "--yes"])
    },
    Operation {
        interrupted: Some((RELEASE, 72)),
        ..row("op resume, of a release", &["op", "resume", "--yes"])
    },
    Operation {
        interrupted: Some((ROLLBACK, 55)),
        ..row("op abort, of files", &["op", "abort", "--yes"])
    },
    Operation {
        interrupted: Some((ROLLBACK, 62)),
        ..row("op abort, later", &["op", "abort", "--yes"])
    },
    Operation {
        prepare: gone_back_often,
        recovery: Recovery::Again,
        ..row("op prune", PRUNE)
    },
    Operation {
        make: with_folder,
        recovery: Recovery::Again,
        ..row("store put", &["store", "put", "data", "--name", "second"])
    },
    Operation {
        make: with_garbage,
        recovery: Recovery::Again,
        ..row("store gc", &["store", "gc", "--yes"])
    },
    Operation {
        make: with_damage,
        recovery: Recovery::Again,
        ..row("store repair", &["store", "repair", "--yes"])
    },
];

/// Returns the row with this name.
pub fn operation(name: &str) -> Operation {
    *OPERATIONS
        .iter()
        .find(|operation| operation.name == name)
        .unwrap_or_else(|| panic!("there is no row {name}"))
}

/// Creates T01 at 1.1.0 after 1.0.0, with unfinished work of the user and of others around it.
#[expect(clippy::unnecessary_wraps, reason = "other rows cannot always be made")]
pub fn repository() -> Option<Sandbox> {
    let mut sandbox = Sandbox::new(3);
    sandbox
        .variables
        .push(("TAVILY_API_KEY".into(), CANARY.into()));
    database(
        &sandbox,
        "CREATE TABLE t(x); INSERT INTO t VALUES ('first')",
        false,
    );
    for task in ["T01", "T02", "T03"] {
        sandbox.release(task, "1.0.0");
    }
    database(&sandbox, "UPDATE t SET x = 'second'", false);
    sandbox.write(
        "tasks/T01/signal.py",
        b"import os\nKEY = os.environ['TAVILY_API_KEY']\ndef signal(x):\n    return x > 1\n",
    );
    sandbox.write("tasks/T01/config.yaml", config("1.0.0", 5).as_bytes());
    sandbox.write(
        "tasks/T01/new_filter.py",
        b"def keep(x):\n    return True\n",
    );
    sandbox.write("tasks/T01/model.bin", &noise("second model", 90_000));
    std::fs::remove_dir_all(sandbox.at("tasks/T01/lib")).unwrap();
    sandbox.release("T01", "1.1.0");
    // In the scope: edited, new and ignored files. Outside: the same, and something staged.
    sandbox.write("tasks/T01/run.sh", b"#!/bin/sh\n# half an idea\n");
    sandbox.write("tasks/T01/scratch.txt", b"do not lose this\n");
    sandbox.write("tasks/T01/run.log", b"ignored, but mine\n");
    database(&sandbox, "UPDATE t SET x = 'third'", true);
    sandbox.write("tasks/T02/signal.py", b"# half an idea\n");
    sandbox.write("tasks/T02/notes.txt", b"untracked\n");
    sandbox.write("tasks/T02/debug.log", b"ignored\n");
    sandbox.write("tasks/T03/signal.py", b"# staged\n");
    sandbox.git(&["add", "tasks/T03/signal.py"]).expect(0);
    Some(sandbox)
}

/// Changes the task's database in a process that checkpoints its WAL, or dies and leaves it behind.
fn database(sandbox: &Sandbox, sql: &str, dies: bool) {
    let (scratch, there) = (
        tempfile::tempdir().unwrap(),
        sandbox.at("tasks/T01/state.db"),
    );
    let path = scratch.path().join("state.db");
    if there.exists() {
        std::fs::copy(&there, &path).unwrap();
    }
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("PRAGMA journal_mode=wal").unwrap();
    connection.execute_batch(sql).unwrap();
    if dies {
        std::fs::copy(
            scratch.path().join("state.db-wal"),
            sandbox.at("tasks/T01/state.db-wal"),
        )
        .unwrap();
    } else {
        drop(connection);
        std::fs::copy(path, there).unwrap();
    }
}

/// Rolls the task back, so that the rollback can be undone.
fn rolled_back(sandbox: &mut Sandbox) -> bool {
    sandbox.snapback(ROLLBACK).expect(0);
    true
}

/// Sets a version in the configuration, as an edit by hand does.
fn config_edited(sandbox: &mut Sandbox) -> bool {
    set_version(sandbox, "1.1.1");
    true
}

/// Leaves tasks unknown to snapback, and a file of the user that `init` extends.
#[expect(
    clippy::unnecessary_wraps,
    reason = "others of the table cannot be made everywhere"
)]
fn not_set_up() -> Option<Sandbox> {
    let mut sandbox = Sandbox::new(2);
    sandbox
        .variables
        .push(("TAVILY_API_KEY".into(), CANARY.into()));
    for file in ["snapback.yaml", "task_registry.json"] {
        std::fs::remove_file(sandbox.at(file)).unwrap();
    }
    sandbox.write(".gitignore", b"*.bin\n");
    sandbox
        .git(&["commit", "-q", "-a", "-m", "not set up"])
        .expect(0);
    Some(sandbox)
}

/// Releases once more, with no remote that knows of it.
fn released(sandbox: &mut Sandbox) -> bool {
    sandbox.snapback(RELEASE).expect(0);
    true
}

/// Rolls back and undoes, so that the rollback can be redone.
fn undone(sandbox: &mut Sandbox) -> bool {
    rolled_back(sandbox);
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    true
}

/// Rolls back and undoes twice, so that there is something to prune.
fn gone_back_often(sandbox: &mut Sandbox) -> bool {
    undone(sandbox) && undone(sandbox)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "others of the table cannot be made everywhere"
)]
/// Creates release tags with git alone.
fn tagged_by_hand() -> Option<Sandbox> {
    let mut sandbox = Sandbox::new(2);
    sandbox
        .variables
        .push(("TAVILY_API_KEY".into(), CANARY.into()));
    sandbox
        .git(&["tag", "-a", "T01-v1.0.0", "-m", "first"])
        .expect(0);
    for version in ["1.1.0", "1.2.0"] {
        sandbox.write("tasks/T01/signal.py", format!("# {version}\n").as_bytes());
        set_version(&sandbox, version);
        let mut registry: serde_json::Value =
            serde_json::from_slice(&sandbox.read("task_registry.json")).unwrap();
        registry["tasks"]["T01"]["version"] = version.into();
        sandbox.write(
            "task_registry.json",
            &serde_json::to_vec_pretty(&registry).unwrap(),
        );
        sandbox
            .git(&["commit", "-q", "-a", "-m", version])
            .expect(0);
        sandbox
            .git(&["tag", "-a", &format!("T01-v{version}"), "-m", version])
            .expect(0);
    }
    sandbox.write("tasks/T02/signal.py", b"# half an idea\n");
    Some(sandbox)
}

/// Creates two versions of the task that differ in an installed package, to be completed by
/// [`with_environment`]. Wheels are available, a package index is not.
fn with_wheels() -> Option<Sandbox> {
    let sandbox = Sandbox::new(1);
    let settings = "version: 1\ntasks:\n  T01:\n    path: tasks/T01\n    env: {venv: .venv}\n    large_files: {patterns: [\"*.bin\"]}\nrollback: {env: sync}\n";
    sandbox.write("snapback.yaml", settings.as_bytes());
    sandbox.write(".gitignore", b"*.bin\n.venv*/\n__pycache__/\n");
    sandbox
        .git(&["commit", "-q", "-a", "-m", "settings"])
        .expect(0);
    if sandbox.run("python3", &["-I", "-m", "venv", "--help"]).code != 0 {
        println!("skipped: python3 -m venv does not work here");
        return None;
    }
    let wheels = sandbox.home().join("wheels");
    std::fs::create_dir(&wheels).unwrap();
    for version in ["1.0", "2.0"] {
        sandbox
            .run(
                "python3",
                &["-I", "-c", MAKE_WHEEL, wheels.to_str().unwrap(), version],
            )
            .expect(0);
    }
    Some(sandbox)
}

/// Installs and releases both versions.
fn with_environment(sandbox: &mut Sandbox) -> bool {
    let wheels = sandbox.home().join("wheels").to_str().unwrap().to_string();
    for (name, value) in [
        ("PIP_FIND_LINKS", &wheels[..]),
        ("UV_FIND_LINKS", &wheels),
        ("PIP_NO_INDEX", "1"),
        ("TAVILY_API_KEY", CANARY),
    ] {
        sandbox.variables.push((name.into(), value.into()));
    }
    if sandbox
        .run("python3", &["-I", "-m", "venv", "tasks/T01/.venv"])
        .code
        != 0
    {
        println!("skipped: python3 -m venv does not work here");
        return false;
    }
    for (package, version) in [("1.0", "1.0.0"), ("2.0", "1.1.0")] {
        let argv = [
            "-I",
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            "--find-links",
            &wheels,
        ];
        let package = format!("pricing=={package}");
        sandbox
            .run(
                "tasks/T01/.venv/bin/python",
                &[&argv[..], &[&package]].concat(),
            )
            .expect(0);
        sandbox.write(
            "tasks/T01/signal.py",
            format!("import pricing # {version}\n").as_bytes(),
        );
        set_version(sandbox, version);
        sandbox.release("T01", version);
    }
    true
}

/// Adds an unreferenced folder to the store, beside the releases.
fn with_garbage() -> Option<Sandbox> {
    let sandbox = with_folder()?;
    for name in ["second", "third"] {
        sandbox.write("data/b", &noise(name, 60_000));
        sandbox
            .snapback(&["store", "put", "data", "--name", name])
            .expect(0);
    }
    sandbox
        .snapback(&["store", "drop", "first", "--yes"])
        .expect(0);
    sandbox
        .snapback(&["store", "drop", "second", "--yes"])
        .expect(0);
    Some(sandbox)
}

/// Corrupts one stored byte of the active version's large file; the work tree has the right ones.
fn with_damage() -> Option<Sandbox> {
    let sandbox = with_folder()?;
    let packs = sandbox.at(".git/snapback/store/packs");
    let large = sandbox.read("tasks/T01/model.bin");
    for entry in std::fs::read_dir(packs).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        // The blobs do not compress, so they are stored verbatim and in one piece.
        if let Some(at) = bytes.windows(64).position(|window| window == &large[..64]) {
            bytes[at + 7] ^= 4;
            std::fs::write(&path, bytes).unwrap();
            return Some(sandbox);
        }
    }
    panic!("no pack holds the large file as it is");
}

/// Stores a folder under a name and changes it afterwards.
fn with_folder() -> Option<Sandbox> {
    let sandbox = repository()?;
    sandbox.write("data/a", b"small");
    sandbox.write("data/b", &noise("b", 60_000));
    std::os::unix::fs::symlink("a", sandbox.at("data/link")).unwrap();
    sandbox
        .snapback(&["store", "put", "data", "--name", "first"])
        .expect(0);
    sandbox.write("data/c", &noise("c", 40_000));
    Some(sandbox)
}

/// A script that makes a wheel of a package with one module that knows its version.
pub const MAKE_WHEEL: &str = r"
import sys, zipfile
folder, version = sys.argv[1:]
info = f'pricing-{version}.dist-info'
with zipfile.ZipFile(f'{folder}/pricing-{version}-py3-none-any.whl', 'w') as wheel:
    wheel.writestr('pricing.py', f'VERSION = {version!r}\n')
    wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\nName: pricing\nVersion: {version}\n')
    wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
    wheel.writestr(f'{info}/RECORD', f'pricing.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n')
";
