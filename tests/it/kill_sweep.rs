//! The real program is disturbed at its mutating system calls, one run each, then `op resume` or
//! `op abort` follows: nothing may be lost, mixed or left behind at any point.
//!
//! By default it is killed at every n-th point; `SNAPBACK_SWEEP_STRIDE` says n (odd, so that both
//! ways of recovery get their share). `SNAPBACK_SWEEP=full` visits all points, and in all modes:
//! kills before and after the call, torn writes, I/O errors, a full disk, signals. The checks
//! are the invariants of the design: I1 nothing lost, I2 old or new, I4 undo is the inverse, I5
//! recovery twice is recovery once, I12 nothing else is touched, I20 exit 0 only when it is so.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::support::{
    Sandbox,
    killer::{self, Mode, Target},
    noise,
    sandbox::{Tree, config, snapback_program},
};

const TASK: &str = "T01";
const FOLDER: &str = "tasks/T01";

/// Everything that a kill could spoil, as far as two runs of the same operation agree on it.
#[derive(Debug, Clone, PartialEq)]
struct World {
    /// The task's files; their times are left out, a release may touch them.
    task: BTreeMap<String, (char, u32, String)>,
    /// All files that no operation on the task may change, with their times.
    others: Tree,
    /// The registry without the task's entry, and the entry.
    registry: serde_json::Value,
    entry: Option<serde_json::Value>,
    /// The release manifests that are there.
    manifests: Vec<String>,
    /// Names of branches and tags.
    refs: Vec<String>,
    /// What the newest commit and the index hold, apart from manifests, which name their time.
    commit: String,
    index: String,
    status: Vec<String>,
}

impl World {
    fn of(sandbox: &Sandbox) -> Self {
        let plain = |tree: Tree| tree.into_iter().map(|(path, entry)| (path, (entry.kind, entry.mode, entry.digest.hex()))).collect();
        let owned = |path: &str| path == "task_registry.json" || path == "snapshots" || path.starts_with("snapshots/");
        let mut others = sandbox.tree_outside(FOLDER);
        let manifests = others.keys().filter(|path| path.starts_with("snapshots/")).cloned().collect();
        others.retain(|path, _| !owned(path));
        let mut registry: serde_json::Value = serde_json::from_slice(&sandbox.read("task_registry.json")).unwrap();
        let entry = registry.get_mut("tasks").and_then(|tasks| tasks.as_object_mut()).and_then(|tasks| tasks.remove(TASK));
        let refs = sandbox.git_out(&["for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags"]);
        let without_manifests = |text: String| text.lines().filter(|line| !line.contains("\tsnapshots/")).collect::<Vec<_>>().join("\n");
        Self {
            task: plain(sandbox.tree_in(FOLDER)),
            others,
            registry,
            entry,
            manifests,
            refs: refs.lines().map(str::to_string).collect(),
            commit: without_manifests(sandbox.git_out(&["ls-tree", "-r", "HEAD"])),
            index: without_manifests(sandbox.git_out(&["ls-files", "--stage"])),
            status: sandbox.status(),
        }
    }

    /// Which parts differ from another world, by name; for messages.
    fn differs(&self, other: &Self) -> Vec<String> {
        let mut parts = Vec::new();
        let mut part = |name: &str, same: bool| {
            if !same {
                parts.push(name.to_string());
            }
        };
        part("task", self.task == other.task);
        part("others", self.others == other.others);
        part("registry", self.registry == other.registry);
        part("entry", self.entry == other.entry);
        part("manifests", self.manifests == other.manifests);
        part("refs", self.refs == other.refs);
        part("commit", self.commit == other.commit);
        part("index", self.index == other.index);
        part("status", self.status == other.status);
        for (path, entry) in &self.task {
            if other.task.get(path) != Some(entry) {
                parts.push(format!("{path}: {entry:?}, not {:?}", other.task.get(path)));
            }
        }
        parts
    }
}

/// One operation to sweep over.
struct Scenario {
    name: &'static str,
    /// The repository as the user has it.
    base: Sandbox,
    /// What runs before, in each copy: an operation can only be taken back where it was done.
    before: Option<Vec<&'static str>>,
    argv: Vec<&'static str>,
    /// What brings back the user's bytes after it; `None` when it takes nothing away.
    back: Option<&'static str>,
}

/// T01 released as 1.0.0 and 1.1.0, with other people's and the user's own unfinished work around.
fn repository() -> Sandbox {
    let sandbox = Sandbox::new(3);
    for task in ["T01", "T02", "T03"] {
        sandbox.release(task, "1.0.0");
    }
    sandbox.write("tasks/T01/signal.py", b"def signal(x):\n    return x > 1\n");
    sandbox.write("tasks/T01/config.yaml", config("1.0.0", 5).as_bytes());
    sandbox.write("tasks/T01/new_filter.py", b"def keep(x):\n    return True\n");
    sandbox.write("tasks/T01/model.bin", &noise("second model", 90_000));
    std::fs::remove_dir_all(sandbox.at("tasks/T01/lib")).unwrap();
    sandbox.release("T01", "1.1.0");
    // In the scope: edited, new and ignored files. Outside: the same, and something staged.
    sandbox.write("tasks/T01/run.sh", b"#!/bin/sh\n# half an idea\n");
    sandbox.write("tasks/T01/scratch.txt", b"do not lose this\n");
    sandbox.write("tasks/T01/run.log", b"ignored, but mine\n");
    sandbox.write("tasks/T02/signal.py", b"# half an idea\n");
    sandbox.write("tasks/T02/notes.txt", b"untracked\n");
    sandbox.write("tasks/T02/debug.log", b"ignored\n");
    sandbox.write("tasks/T03/signal.py", b"# staged\n");
    sandbox.git(&["add", "tasks/T03/signal.py"]).expect(0);
    sandbox
}

impl Scenario {
    fn create_snapshot() -> Self {
        let argv = vec!["create-snapshot", "--task", TASK, "--version", "1.2.0", "-m", "third", "--yes"];
        Self { name: "create-snapshot", base: repository(), before: None, argv, back: None }
    }

    fn rollback() -> Self {
        let argv = vec!["rollback", "--task", TASK, "--from", "1.1.0", "--to", "1.0.0", "--yes"];
        Self { name: "rollback", base: repository(), before: None, argv, back: Some("undo") }
    }

    fn undo() -> Self {
        let before = Some(vec!["rollback", "--task", TASK, "--from", "1.1.0", "--to", "1.0.0", "--yes"]);
        Self { name: "undo", base: repository(), before, argv: vec!["undo", "--yes"], back: Some("redo") }
    }

    /// A fresh repository, ready for the operation.
    fn copy(&self) -> Sandbox {
        let copy = self.base.copy();
        if let Some(argv) = &self.before {
            copy.snapback(argv).expect(0);
        }
        copy
    }

    /// The program with these arguments in this repository.
    fn target(sandbox: &Sandbox, argv: &[&str]) -> Target {
        let argv = [snapback_program()].iter().chain(argv).map(Into::into).collect();
        Target { argv, env: sandbox.environment(), cwd: sandbox.root() }
    }

    /// Kills at one point, recovers, and says what is wrong.
    fn visit(&self, mode: Mode, k: u64, old: &World, new: &World) -> Vec<String> {
        let sandbox = self.copy();
        let ran = killer::run(&Self::target(&sandbox, &self.argv), mode, k).expect("because ptrace worked for the count");
        let word = if k.is_multiple_of(2) { "resume" } else { "abort" };
        let recovered = sandbox.snapback(&["op", word, "--yes"]);
        let found = World::of(&sandbox);
        let mut wrong = self.judge(&found, old, new, (word, recovered.code));
        if !ran.killed {
            wrong.extend(honesty(ran.exit, recovered.code, &found, old, new));
        }
        wrong.extend(sandbox.unsound());
        wrong.extend(disagreement(&sandbox));
        for again in ["resume", "abort"] {
            let code = sandbox.snapback(&["op", again, "--yes"]).code;
            if code != 5 || World::of(&sandbox) != found {
                wrong.push(format!("I5: a second recovery (op {again}, exit {code}) found something to do"));
            }
        }
        if let (Some(back), true) = (self.back, found.task == new.task && new.task != old.task) {
            let code = sandbox.snapback(&[back, "--yes"]).code;
            let now = World::of(&sandbox);
            if code != 0 || now.task != old.task || now.others != old.others || now.entry != old.entry {
                wrong.push(format!("I1, I4: {back} (exit {code}) does not bring back {:?}", old.differs(&now)));
            }
        }
        let told = format!("{} {mode:?} at {k}, {}; op {word} exit {}: {}", self.name, ran.at, recovered.code, recovered.stderr.trim());
        wrong.into_iter().map(|what| format!("{told}\n    {what}")).collect()
    }

    /// Old or new, as the exit code says.
    fn judge(&self, found: &World, old: &World, new: &World, recovery: (&str, i32)) -> Vec<String> {
        let (is_old, is_new) = (found == old, found == new);
        let right = match recovery {
            // An abort of what was published already finishes it, and the conflict says so.
            ("resume", 0) | ("abort", 7) => is_new,
            ("abort", 0) => is_old,
            // Nothing to recover: it had not begun, or it was already done.
            (_, 5) => is_old || is_new,
            _ => false,
        };
        if right {
            return Vec::new();
        }
        vec![format!(
            "I2, I12, I20: {} is old {is_old}, new {is_new}; from old {:?}; from new {:?}",
            self.name,
            found.differs(old),
            found.differs(new)
        )]
    }

    /// Visits the points, on all cores.
    fn sweep(&self) {
        let done = self.copy();
        let old = World::of(&done);
        let calls = killer::count(&Self::target(&done, &self.argv)).expect("it works undisturbed");
        let new = World::of(&done);
        assert_ne!(old, new, "it does something");
        assert_eq!((done.unsound(), disagreement(&done)), (Vec::new(), Vec::new()));
        let points = points(calls);
        let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
                scope.spawn(|| {
                    while let Some((mode, k)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let found = self.visit(*mode, *k, &old, &new);
                        wrong.lock().unwrap().extend(found);
                    }
                });
            }
        });
        let wrong = wrong.into_inner().unwrap();
        println!("{}: {calls} calls, {} points visited, {} violations", self.name, points.len(), wrong.len());
        assert!(wrong.is_empty(), "{} violations, the first:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
    }
}

/// What is dishonest about the exit code of a run that was not killed: 0 exactly when the new
/// state was reached. A cancelled run may have been past the point of no return.
fn honesty(exit: i32, recovery: i32, found: &World, old: &World, new: &World) -> Option<String> {
    let honest = match exit {
        0 => found == new && recovery == 5,
        130 | 143 => true,
        _ => recovery != 5 || found == old,
    };
    (!honest).then(|| format!("I20: exit {exit}, recovery exit {recovery}, but it is old {}, new {}", found == old, found == new))
}

/// The points to visit, one past the end included: that run is undisturbed.
fn points(calls: u64) -> Vec<(Mode, u64)> {
    let all = |mode| (1..=calls + 1).map(move |k| (mode, k));
    if std::env::var("SNAPBACK_SWEEP").as_deref() == Ok("full") {
        let errors = [Mode::Err(libc::EIO), Mode::Err(libc::ENOSPC), Mode::ErrAll(libc::ENOSPC), Mode::ErrAll(libc::EIO)];
        let modes = [Mode::Kill, Mode::After, Mode::Torn, Mode::Term, Mode::Int];
        return modes.into_iter().chain(errors).flat_map(all).collect();
    }
    let stride = std::env::var("SNAPBACK_SWEEP_STRIDE").map_or(7, |text| text.parse().expect("SNAPBACK_SWEEP_STRIDE is a number"));
    assert!(stride % 2 == 1, "SNAPBACK_SWEEP_STRIDE must be odd, so that points are resumed and aborted in turn");
    all(Mode::Kill).step_by(stride).chain([(Mode::Kill, calls + 1)]).collect()
}

/// Where registry, configuration, tag and manifest of the task disagree.
fn disagreement(sandbox: &Sandbox) -> Vec<String> {
    let (registry, config) = (sandbox.registry_version(TASK), sandbox.config_version(TASK));
    let Some(version) = registry.clone() else { return vec!["the registry has no version".into()] };
    let mut wrong = Vec::new();
    if config != registry {
        wrong.push(format!("registry {registry:?}, config {config:?}"));
    }
    let manifest = format!("snapshots/snapshot-{TASK}-v{version}.yaml");
    let tag = format!("refs/tags/{TASK}-v{version}");
    for (what, args) in [("tag", ["cat-file", "-e", &tag]), ("manifest in the commit", ["cat-file", "-e", &format!("HEAD:{manifest}")])] {
        if sandbox.git(&args).code != 0 {
            wrong.push(format!("the registry says {version}, but there is no {what}"));
        }
    }
    if !sandbox.exists(&manifest) {
        wrong.push(format!("the registry says {version}, but {manifest} is missing"));
    }
    let verified = sandbox.snapback(&["verify-snapshot", "--task", TASK, "--version", &version]);
    if verified.code != 0 {
        wrong.push(format!("verify-snapshot {version} exit {}: {}", verified.code, verified.stderr.trim()));
    }
    wrong
}

#[test]
fn create_snapshot_survives_a_kill_at_every_call() {
    Scenario::create_snapshot().sweep();
}

#[test]
fn rollback_survives_a_kill_at_every_call() {
    Scenario::rollback().sweep();
}

#[test]
fn undo_survives_a_kill_at_every_call() {
    Scenario::undo().sweep();
}
