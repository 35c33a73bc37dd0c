//! The change engine on the simulated disk: store, journal, file step and verdicts together.
//!
//! The power goes at every mutating call, every disk that this can leave is recovered forward
//! and back, also with a second power cut during the recovery: the task is then old or new as
//! a whole, and new for good once success was reported. The test of the tests: with any one
//! sync skipped, some disk must break a promise.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    sync::Arc,
};

use snapback::{
    base::{Digest, Failure, Fs, ObjectId, OpId, Output, RelPath, Stat, SyncPoint},
    ground::Bytes,
    journal::{Ended, Log, Runner, history},
    model::{
        FileState, PathChange, Source, VerdictRecord,
        operation::{OPERATION_SCHEMA, OpKind, Operation, Person, Publication, Step},
        verdict::Verdict,
    },
    steps::{files::Files, verdicts},
    store::{ObjectStore, Store},
};

use crate::support::sim::{SimFs, sweep};

/// A folder of the simulated disk as a root of its own: one power cut hits all of them.
struct Below(SimFs, &'static str);

impl Below {
    fn path(&self, path: &RelPath) -> RelPath {
        if path.is_root() { RelPath::own(self.1) } else { RelPath::own([self.1.as_bytes(), b"/", path.as_bytes()].concat()) }
    }
}

impl Fs for Below {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        self.0.stat(&self.path(path))
    }
    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        self.0.open(&self.path(path))
    }
    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        self.0.read_link(&self.path(path))
    }
    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        self.0.list(&self.path(dir))
    }
    fn create(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        self.0.create(&self.path(path), mode)
    }
    fn append(&self, path: &RelPath) -> io::Result<Box<dyn Output>> {
        self.0.append(&self.path(path))
    }
    fn symlink(&self, target: &[u8], path: &RelPath) -> io::Result<()> {
        self.0.symlink(target, &self.path(path))
    }
    fn create_dir(&self, path: &RelPath, mode: u32) -> io::Result<()> {
        self.0.create_dir(&self.path(path), mode)
    }
    fn rename(&self, from: &RelPath, to: &RelPath) -> io::Result<()> {
        self.0.rename(&self.path(from), &self.path(to))
    }
    fn exchange(&self, a: &RelPath, b: &RelPath) -> io::Result<()> {
        self.0.exchange(&self.path(a), &self.path(b))
    }
    fn remove_file(&self, path: &RelPath) -> io::Result<()> {
        self.0.remove_file(&self.path(path))
    }
    fn remove_dir(&self, path: &RelPath) -> io::Result<()> {
        self.0.remove_dir(&self.path(path))
    }
    fn sync_dir(&self, dir: &RelPath, point: SyncPoint) -> io::Result<()> {
        self.0.sync_dir(&self.path(dir), point)
    }
}

/// A file of the scenario: path, what it is before and after. A target that begins with `->` is
/// a link's; `+x` makes it executable.
type Row = (&'static str, Option<&'static str>, Option<&'static str>);

/// Replaced, made executable, link changed, removed with its folder, added with its folder, a
/// link in the place of a file.
const ROWS: [Row; 6] = [
    ("tasks/T01/a", Some("old a"), Some("new and longer a")),
    ("tasks/T01/b", Some("same b"), Some("+xsame b")),
    ("tasks/T01/fresh/deep/new", None, Some("new file")),
    ("tasks/T01/link", Some("->a"), Some("->b")),
    ("tasks/T01/old/gone", Some("gone after"), None),
    ("tasks/T01/turned", Some("a file"), Some("->a")),
];

/// Link or not, permission bits, bytes.
fn parts(text: &str) -> (bool, u32, &[u8]) {
    match (text.strip_prefix("->"), text.strip_prefix("+x")) {
        (Some(target), _) => (true, 0o777, target.as_bytes()),
        (_, Some(bytes)) => (false, 0o755, bytes.as_bytes()),
        _ => (false, 0o644, text.as_bytes()),
    }
}

fn state(text: &str) -> FileState {
    let (link, mode, bytes) = parts(text);
    let digest = Digest::of(bytes);
    FileState { link, mode, size: bytes.len() as u64, digest, mtime: None, source: Source::Object(ObjectId(digest)) }
}

fn changes() -> Vec<PathChange> {
    let path = |text| RelPath::parse(text).unwrap();
    ROWS.iter().map(|(at, before, after)| PathChange { path: path(at), before: before.map(state), after: after.map(state) }).collect()
}

/// Stands in for git: one file that says where the branch is, moved atomically and durably.
struct Branch<'a>(&'a SimFs);

/// Where the branch is: absent before, there after.
fn branch() -> RelPath {
    RelPath::own("git/branch")
}

impl snapback::journal::Step for Branch<'_> {
    fn name(&self) -> &'static str {
        "publish"
    }
    fn prepare(&mut self) -> Result<serde_json::Value, Failure> {
        Ok(serde_json::Value::Null)
    }
    fn apply(&mut self, _: &serde_json::Value) -> Result<(), Failure> {
        let failed = |error| Failure::from(snapback::journal::Error::Write(OpId::new(0, 0), error));
        if !self.is_passed()? {
            self.0.create(&branch(), 0o644).map_err(failed)?;
        }
        // Also when a killed run had moved it: that one may not have got so far.
        self.0.force(&branch()).map_err(failed)
    }
    fn undo(&mut self, _: &serde_json::Value) -> Result<(), Failure> {
        assert!(!self.is_passed()?, "what the world has seen is not taken back");
        Ok(())
    }
    fn is_commit_point(&self) -> bool {
        true
    }
    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(is_published(self.0))
    }
}

fn is_published(fs: &SimFs) -> bool {
    fs.stat(&branch()).expect("because looking never fails").is_some()
}

/// The ports of one simulated disk.
struct Ports {
    fs: SimFs,
    tree: Below,
    state: Arc<dyn Fs>,
    store: ObjectStore,
}

impl Bytes for Ports {
    fn copy(&self, source: &Source, into: &mut dyn Write) -> Result<(), Failure> {
        let Source::Object(id) = source else { panic!("only stored objects are used here") };
        self.store.read(id, into)?;
        Ok(())
    }
}

impl Ports {
    fn of(fs: &SimFs) -> Self {
        let state: Arc<dyn Fs> = Arc::new(Below(fs.clone(), "state"));
        Self { fs: fs.clone(), tree: Below(fs.clone(), "tree"), store: ObjectStore::new(state.clone(), RelPath::own("store")), state }
    }

    /// The steps of an operation, over these ports.
    fn runner<'a>(&'a self, log: Log, operation: &'a Operation) -> Runner<'a> {
        let mut steps: Vec<Box<dyn snapback::journal::Step + 'a>> = Vec::new();
        for step in &operation.steps {
            match step {
                Step::Files(changes) => {
                    let ports: (&dyn Fs, &dyn Fs, &dyn Store, &dyn Bytes) = (&self.tree, &*self.state, &self.store, self);
                    steps.push(Box::new(Files::over(ports, &operation.id, operation.at, changes)));
                }
                Step::Publish(_) => steps.push(Box::new(Branch(&self.fs))),
                Step::Verdicts(records) => steps.push(Box::new(verdicts::Verdicts::new(&*self.state, records))),
                other => panic!("{} is not in this scenario", other.name()),
            }
        }
        Runner::new(log, steps)
    }
}

/// The operation of the scenario.
fn operation(id: OpId) -> Operation {
    let at = "2026-02-24T05:10:00Z".parse().unwrap();
    let (task, version) = ("T01".parse().unwrap(), "1.3.0".parse().unwrap());
    let held =
        VerdictRecord { task, version, verdict: Verdict::Held, reason: "left".into(), who: "Li Wei".into(), at, op: Some(id.clone()) };
    Operation {
        schema: OPERATION_SCHEMA.into(),
        id,
        kind: OpKind::Rollback,
        task: Some("T01".parse().unwrap()),
        from: Some("1.3.0".parse().unwrap()),
        to: Some("1.2.0".parse().unwrap()),
        message: "back".into(),
        who: Person { name: "Li Wei".into(), email: "li.wei@example.com".into() },
        host: "host".into(),
        worktree: "/tree".into(),
        at,
        undoes: None,
        registry: None,
        steps: vec![Step::Files(changes()), Step::Publish(Publication::default()), Step::Verdicts(vec![held])],
    }
}

/// A settled disk with the old state; with an earlier verdict, so that the log is appended to, or without.
fn base(with_verdict: bool) -> SimFs {
    let fs = SimFs::new();
    fs.put("state/lock", b"");
    fs.put("git/HEAD", b"");
    fs.put("tree/tasks/T02/other", b"not ours");
    for (at, before, _) in ROWS {
        let Some(text) = before else { continue };
        let (link, _, bytes) = parts(text);
        if link {
            fs.symlink(bytes, &RelPath::own(format!("tree/{at}"))).unwrap();
        } else {
            fs.put(&format!("tree/{at}"), bytes);
        }
    }
    if with_verdict {
        let Step::Verdicts(mut records) = operation(OpId::new(1, 1)).steps.remove(2) else { panic!("verdicts come last") };
        records[0].verdict = Verdict::Good;
        verdicts::append(&*Ports::of(&fs).state, &records).unwrap();
    }
    fs.settle();
    fs
}

/// Safety copies of all bytes, the intent, then the steps.
fn act(fs: &SimFs) -> Result<Ended, Failure> {
    let ports = Ports::of(fs);
    history::sweep(&*ports.state)?;
    let mut session = ports.store.begin()?;
    for text in ROWS.iter().flat_map(|(_, before, after)| [before, after]).flatten() {
        session.put(&mut parts(text).2)?;
    }
    session.commit()?;
    let operation = operation(history::next_id(&*ports.state, 7)?);
    let log = Log::begin(ports.state.clone(), &operation)?;
    ports.runner(log, &operation).run()
}

/// What the next run does first: the unfinished operation is finished, or taken back.
fn recover(fs: &SimFs, forward: bool) -> Result<Option<Ended>, Failure> {
    let ports = Ports::of(fs);
    history::sweep(&*ports.state)?;
    let Some(found) = history::unfinished(&ports.state)? else { return Ok(None) };
    let runner = ports.runner(found.log, &found.operation);
    Ok(Some(if forward { runner.run()? } else { runner.abort("a person asked for it")? }))
}

/// Path, `f` or `l`, permission bits, bytes.
type Found = (String, char, u32, Vec<u8>);

/// The tree as it must be: all old, or all new.
fn expected(new: bool) -> Vec<Found> {
    let of = |(at, before, after): &Row| {
        let (link, mode, bytes) = parts(if new { (*after)? } else { (*before)? });
        Some((format!("tree/{at}"), if link { 'l' } else { 'f' }, mode, bytes.to_vec()))
    };
    let other = ("tree/tasks/T02/other".to_string(), 'f', 0o644, b"not ours".to_vec());
    let mut all: Vec<_> = ROWS.iter().filter_map(of).chain([other]).collect();
    all.sort();
    all
}

/// The files and links of the tree, and the empty folders.
fn found(fs: &SimFs) -> (Vec<Found>, Vec<String>) {
    let tree = fs.tree();
    let text = |path: &[u8]| String::from_utf8(path.to_vec()).unwrap();
    let inside = |path: &[u8]| path.starts_with(b"tree/");
    let files = tree
        .iter()
        .filter(|(path, entry)| inside(path) && entry.0 != 'd')
        .map(|(path, (kind, mode, bytes))| (text(path), *kind, *mode, bytes.clone()));
    let is_empty = |dir: &[u8]| !tree.keys().any(|path| path.len() > dir.len() && path.starts_with(dir) && path[dir.len()] == b'/');
    let empty = tree.iter().filter(|(path, entry)| inside(path) && entry.0 == 'd' && is_empty(path)).map(|(path, _)| text(path));
    (files.collect(), empty.collect())
}

/// What is wrong with a recovered disk.
fn judge(fs: &SimFs, done: bool, ended: Option<&Ended>) -> Result<(), String> {
    let (files, empty) = found(fs);
    let (old, new) = (files == expected(false), files == expected(true));
    let wrong =
        |what: &str| Err(format!("{what}; reported {done}, recovery {ended:?}, old {old}, new {new}: {files:?}, empty folders {empty:?}"));
    match ended {
        None | Some(Ended::Done) if new => {}
        None | Some(Ended::Undone(_)) if old && !done => {}
        _ => return wrong("neither old nor new, or not the one that was said"),
    }
    if !empty.is_empty() {
        return wrong("a folder is left over");
    }
    let ports = Ports::of(fs);
    let standings = verdicts::standings(&*ports.state).map_err(|error| error.to_string())?;
    let held = standings.values().flat_map(|versions| versions.values()).any(|standing| standing.held);
    if (held, is_published(fs)) != (new, new) {
        return wrong(&format!("the verdict is there: {held}, it is published: {}", is_published(fs)));
    }
    match recover(fs, true) {
        Ok(None) if found(fs).0 == files => Ok(()),
        other => wrong(&format!("a second recovery found something to do: {other:?}")),
    }
}

/// An operation that has begun can reach the bytes of both sides, before any recovery too.
fn check_copies(fs: &SimFs) -> Result<(), String> {
    let ports = Ports::of(fs);
    let begun = history::unfinished(&ports.state).map_err(|error| Failure::from(error).to_string())?.is_some();
    for text in ROWS.iter().flat_map(|(_, before, after)| [before, after]).flatten().filter(|_| begun) {
        let id = ObjectId(Digest::of(parts(text).2));
        ports.store.verify(&id).map_err(|error| format!("a safety copy is lost: {}", Failure::from(error)))?;
    }
    Ok(())
}

/// For [`sweep`], which wants to know only whether it ended well.
fn well(ended: Result<Ended, Failure>) -> Result<(), String> {
    match ended {
        Ok(Ended::Done) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Recovers one disk in both directions, each also with a power cut on the way.
fn survives(disk: &SimFs, done: bool, again: usize) -> Result<u64, String> {
    let mut looked = 0;
    check_copies(disk)?;
    for forward in [true, false] {
        let run = |fs: &SimFs| recover(fs, forward).map_err(|failure| format!("recovery (forward {forward}): {failure}"));
        let copy = disk.fork();
        let ended = run(&copy)?;
        judge(&copy, done, ended.as_ref())?;
        if again > 0 && ended.is_some() {
            looked += sweep(disk, again, 11, run, |twice, _| {
                let ended = run(twice)?;
                judge(twice, done, ended.as_ref())
            })?;
        }
    }
    Ok(looked)
}

/// Visits every power cut; the number of disks looked at, or the first broken promise.
fn explore(base: &SimFs, limit: usize, again: usize) -> Result<u64, String> {
    // One thread, so that the n-th call is the same one in every run.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let twice = Cell::new(0_u64);
        let once = sweep(
            base,
            limit,
            5,
            |fs| well(act(fs)),
            |disk, done| {
                // A second cut is worth its time only for a few disks of each first one.
                let few = twice.get().is_multiple_of(61);
                twice.set(twice.get() + survives(disk, done, if few { again } else { 0 })? + 1);
                Ok(())
            },
        )?;
        Ok(once + twice.get())
    })
}

#[test]
fn every_power_cut_leaves_old_or_new_and_reported_success_stays() {
    for with_verdict in [false, true] {
        let (limit, again) = if std::env::var("SNAPBACK_SWEEP").as_deref() == Ok("full") { (200, 12) } else { (8, 2) };
        let looked = explore(&base(with_verdict), limit, again).unwrap_or_else(|wrong| panic!("earlier verdict {with_verdict}: {wrong}"));
        println!("{looked} disks, earlier verdict {with_verdict}");
        assert!(looked > 2_000, "only {looked} disks");
    }
}

#[test]
fn each_sync_is_missed_when_it_is_skipped() {
    let mut unnoticed = Vec::new();
    for point in SyncPoint::ALL {
        let mutants = [false, true].map(|with_verdict| {
            let mutant = base(with_verdict);
            mutant.skip(point);
            mutant
        });
        if mutants.iter().all(|mutant| explore(mutant, 16, 0).is_ok()) {
            unnoticed.push(point);
        }
    }
    assert!(unnoticed.is_empty(), "nothing notices that these syncs are skipped: {unnoticed:?}");
}

#[test]
fn a_killed_run_that_is_repeated_is_as_durable_as_a_first_one() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let base = base(false);
        for k in 1.. {
            let killed = base.fork();
            killed.crash_at(k);
            let done = act(&killed).is_ok();
            // A kill, not a power cut: what is pending stays pending, and may be lost later.
            killed.calm();
            let repeat = |fs: &SimFs| {
                recover(fs, false).map_err(|failure| failure.to_string())?;
                well(act(fs))
            };
            if done {
                break;
            }
            let again = killed.fork();
            repeat(&again).unwrap();
            for disk in again.crash_states(30, k) {
                survives(&disk, true, 0).unwrap_or_else(|wrong| panic!("killed at call {k}, repeated, then a power cut: {wrong}"));
            }
        }
    });
}

#[test]
fn a_full_disk_or_an_error_at_any_call_leaves_old_or_new() {
    for (errno, for_ever) in [(libc::ENOSPC, false), (libc::ENOSPC, true), (libc::EIO, false), (libc::EIO, true)] {
        let base = base(true);
        let clean = base.fork();
        well(act(&clean)).unwrap();
        for k in 1..=clean.calls() {
            let fs = base.fork();
            fs.fail_at(k, errno, for_ever);
            let ended = act(&fs);
            let said_done = matches!(ended, Ok(Ended::Done));
            fs.calm();
            for forward in [true, false] {
                let fs = fs.fork();
                let told = || format!("errno {errno} at call {k}, for ever {for_ever}, ended {ended:?}, forward {forward}");
                let recovered = recover(&fs, forward).unwrap_or_else(|failure| panic!("{}: {failure}", told()));
                judge(&fs, said_done, recovered.as_ref()).unwrap_or_else(|wrong| panic!("{}: {wrong}", told()));
            }
        }
    }
}
