//! A repository on the simulated disk, and the real code that changes it: store, journal, steps.
//!
//! An operation is planned as the drafts do it (all bytes into the store first), begun, run, and
//! after a crash recovered, by the very types the program uses; only the commit point is a
//! stand-in, one synced name in `git/refs`. [`World::judge`] says which promise is broken.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Read, Write},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::Value;
use snapback::{
    audit::{Once, Trail},
    base::{
        Failure, Fs, Input, OpId, Output, RelPath, Stat, SyncPoint,
        fs::{FileLock, Hold, create_dir_all, read_limited},
    },
    ground::Bytes,
    journal::{Ended, Ending, Log, Phase, Runner, Step, history},
    model::{
        FileState, Operation, PathChange, Source, Verdict, VerdictRecord,
        operation::{self, EnvironmentChange, OPERATION_SCHEMA, OpKind, Person},
    },
    steps::{
        environment::Environment,
        files::{Files, notes},
        verdicts,
        verdicts::Verdicts,
    },
    store::{ChunkStore, Session, Store},
};

use super::{sim::SimFs, trail};

/// The files of a work tree: a letter (`f` or `l`), permission bits, bytes.
pub type Tree = BTreeMap<String, (char, u32, Vec<u8>)>;

/// One folder of the simulated disk as a port of its own, so that all ports crash together.
#[derive(Clone)]
pub struct Below(pub Arc<dyn Fs>, pub &'static str);

impl Below {
    fn at(&self, path: &RelPath) -> RelPath {
        if path.is_root() {
            RelPath::own(self.1)
        } else {
            RelPath::own(self.1).join(path.as_bytes())
        }
    }
}

impl Fs for Below {
    fn stat(&self, path: &RelPath) -> io::Result<Option<Stat>> {
        self.0.stat(&self.at(path))
    }
    fn open(&self, path: &RelPath) -> io::Result<Box<dyn Read + Send>> {
        self.0.open(&self.at(path))
    }
    fn read_link(&self, path: &RelPath) -> io::Result<Vec<u8>> {
        self.0.read_link(&self.at(path))
    }
    fn list(&self, dir: &RelPath) -> io::Result<Vec<Vec<u8>>> {
        self.0.list(&self.at(dir))
    }
    fn create(&self, path: &RelPath, mode: u32) -> io::Result<Box<dyn Output>> {
        self.0.create(&self.at(path), mode)
    }
    fn append(&self, path: &RelPath) -> io::Result<Box<dyn Output>> {
        self.0.append(&self.at(path))
    }
    fn symlink(&self, target: &[u8], path: &RelPath) -> io::Result<()> {
        self.0.symlink(target, &self.at(path))
    }
    fn create_dir(&self, path: &RelPath, mode: u32) -> io::Result<()> {
        self.0.create_dir(&self.at(path), mode)
    }
    fn rename(&self, from: &RelPath, to: &RelPath) -> io::Result<()> {
        self.0.rename(&self.at(from), &self.at(to))
    }
    fn exchange(&self, a: &RelPath, b: &RelPath) -> io::Result<()> {
        self.0.exchange(&self.at(a), &self.at(b))
    }
    fn remove_file(&self, path: &RelPath) -> io::Result<()> {
        self.0.remove_file(&self.at(path))
    }
    fn remove_dir(&self, path: &RelPath) -> io::Result<()> {
        self.0.remove_dir(&self.at(path))
    }
    fn sync_dir(&self, dir: &RelPath, point: SyncPoint) -> io::Result<()> {
        self.0.sync_dir(&self.at(dir), point)
    }
    fn open_input(&self, path: &RelPath) -> io::Result<Box<dyn Input>> {
        self.0.open_input(&self.at(path))
    }
    fn lock(&self, path: &RelPath, hold: Hold, wait: bool) -> io::Result<Option<FileLock>> {
        self.0.lock(&self.at(path), hold, wait)
    }
}

/// The bytes of stored objects.
struct Stored(Arc<ChunkStore>);

impl Bytes for Stored {
    fn copy(&self, source: &Source, into: &mut dyn Write) -> Result<(), Failure> {
        let Source::Object(id) = source else {
            unreachable!("the plans of these tests name objects only")
        };
        self.0.read(id, into)?;
        Ok(())
    }
}

/// The stand-in for the move of the branch: a name in `git/refs`, synced whatever is skipped.
struct Commit<'a> {
    disk: &'a dyn Fs,
    sync: &'a Sync,
    name: RelPath,
}

impl Commit<'_> {
    fn point(&self) -> io::Result<()> {
        if self.disk.stat(&self.name)?.is_none() {
            self.disk.symlink(b"published", &self.name)?;
        }
        (self.sync)(&self.name.parent())
    }

    fn take_back(&self) -> io::Result<()> {
        if self.disk.stat(&self.name)?.is_some() {
            self.disk.remove_file(&self.name)?;
        }
        (self.sync)(&self.name.parent())
    }
}

impl Step for Commit<'_> {
    fn name(&self) -> &'static str {
        "publish"
    }
    fn prepare(&mut self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }
    fn apply(&mut self, _prepared: &Value) -> Result<(), Failure> {
        Ok(self.point().map_err(verdicts::Error::Io)?)
    }
    fn undo(&mut self, _prepared: &Value) -> Result<(), Failure> {
        Ok(self.take_back().map_err(verdicts::Error::Io)?)
    }
    fn is_commit_point(&self) -> bool {
        true
    }
    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(self
            .disk
            .stat(&self.name)
            .map_err(verdicts::Error::Io)?
            .is_some())
    }
}

/// A sync that no mutant skips.
type Sync = dyn Fn(&RelPath) -> io::Result<()>;
/// Every path of a disk: kind, permission bits, bytes.
pub type Paths = BTreeMap<Vec<u8>, (char, u32, Vec<u8>)>;

/// The ports of one repository on a disk.
pub struct World {
    disk: Arc<dyn Fs>,
    look: Box<dyn Fn() -> Paths>,
    sync: Box<Sync>,
    tree: Below,
    state: Arc<dyn Fs>,
    store: Arc<ChunkStore>,
    bytes: Stored,
}

impl World {
    /// Opens what is on a simulated disk.
    pub fn on(sim: &SimFs) -> Self {
        let (look, sync) = (sim.clone(), sim.clone());
        Self::over(
            Arc::new(sim.clone()),
            Box::new(move || look.tree()),
            Box::new(move |dir| sync.sync_certainly(dir)),
        )
    }

    /// Opens what is on any disk, given how to see all of it and how to sync one folder.
    pub fn over(disk: Arc<dyn Fs>, look: Box<dyn Fn() -> Paths>, sync: Box<Sync>) -> Self {
        let state: Arc<dyn Fs> = Arc::new(Below(disk.clone(), "git/snapback"));
        let store = Arc::new(ChunkStore::new(state.clone(), RelPath::own("store")));
        let tree = Below(disk.clone(), "work");
        Self {
            disk,
            look,
            sync,
            tree,
            state,
            bytes: Stored(store.clone()),
            store,
        }
    }

    /// A quiet disk with these files.
    pub fn with(tree: &Tree) -> SimFs {
        let disk = SimFs::new();
        Self::fill(&disk, tree);
        disk.settle();
        disk
    }

    /// Makes an empty disk one with these files.
    pub fn fill(disk: &dyn Fs, tree: &Tree) {
        for dir in ["work", "git/refs", "git/snapback"] {
            create_dir_all(disk, &RelPath::own(dir), 0o755).unwrap();
        }
        for (path, (kind, mode, bytes)) in tree {
            let path = RelPath::own(format!("work/{path}"));
            create_dir_all(disk, &path.parent(), 0o755).unwrap();
            if *kind == 'l' {
                disk.symlink(bytes, &path).unwrap();
            } else {
                let mut file = disk.create(&path, 0o644).unwrap();
                file.write_all(bytes).unwrap();
                file.set_mode(*mode).unwrap();
            }
        }
    }

    /// Commits a pack of its own for each of these contents.
    pub fn commit_each(&self, contents: std::ops::Range<u32>) {
        for content in contents {
            let session = self.store.begin().unwrap();
            session.put(&mut &content.to_le_bytes()[..]).unwrap();
            drop(session.commit().unwrap());
        }
    }

    /// The files of the work tree, and the folders that hold none.
    pub fn tree(&self) -> (Tree, Vec<String>) {
        let (mut files, mut dirs, mut used) = (Tree::new(), BTreeSet::new(), BTreeSet::new());
        for (path, (kind, mode, bytes)) in (self.look)() {
            let Some(path) = path.strip_prefix(b"work/") else {
                continue;
            };
            let path = String::from_utf8(path.to_vec()).unwrap();
            used.insert(RelPath::own(path.clone()).parent().to_text());
            if kind == 'd' {
                dirs.insert(path);
            } else {
                files.insert(path, (kind, mode, bytes));
            }
        }
        (
            files,
            dirs.into_iter().filter(|dir| !used.contains(dir)).collect(),
        )
    }

    /// Saves all bytes and writes down what would turn the tree into `target`; `aside` and
    /// `bring` of the environment are left alone, its switch is a step of its own.
    pub fn plan(
        &self,
        target: &Tree,
        environment: Option<&EnvironmentChange>,
    ) -> Result<Operation, Failure> {
        self.sweep()?;
        let id = OpId::new(history::next_counter(&*self.state)?, 7);
        let session = self.store.begin()?;
        let now = self.tree().0;
        let paths: BTreeSet<&String> = now
            .keys()
            .chain(target.keys())
            .filter(|path| !path.contains(".venv"))
            .collect();
        let mut changes = Vec::new();
        for path in paths
            .into_iter()
            .filter(|path| now.get(*path) != target.get(*path))
        {
            let rel = RelPath::own(path.clone());
            let stat = self.tree.stat(&rel).map_err(verdicts::Error::Io)?;
            let mut before = now
                .get(path)
                .map(|entry| save(&*session, entry))
                .transpose()?;
            if let Some(before) = &mut before {
                before.mtime = stat.map(|stat| stat.mtime);
            }
            changes.push(PathChange {
                path: rel,
                before,
                after: target
                    .get(path)
                    .map(|entry| save(&*session, entry))
                    .transpose()?,
            });
        }
        let _lease = session.commit()?;
        // The disk's clock, which jumps in some tests: nothing may depend on it.
        let at = Timestamp::from_second(self.clock().unwrap_or(1_000_000)).unwrap();
        let record = VerdictRecord {
            task: "T01".parse().unwrap(),
            version: "1.2.3".parse().unwrap(),
            release: None,
            verdict: Verdict::Held,
            reason: "rolled back".into(),
            who: "A <a@b>".into(),
            at,
            op: Some(id.clone()),
            seq: None,
            mends: None,
        };
        let mut steps = vec![operation::Step::Files(changes)];
        steps.extend(environment.cloned().map(operation::Step::Environment));
        steps.push(operation::Step::Publish(operation::Publication::default()));
        steps.push(operation::Step::Verdicts(vec![record]));
        let about = operation::About {
            id,
            kind: OpKind::Rollback,
            task: Some("T01".parse().unwrap()),
            from: None,
            to: None,
            message: String::new(),
            who: Person {
                name: "A".into(),
                email: "a@b".into(),
            },
            host: "host".into(),
            worktree: "work".into(),
            at,
            unsigned: None,
            undoes: None,
            registry: None,
        };
        let on_verify_fail = snapback::model::settings::OnVerifyFail::default();
        Ok(Operation {
            schema: OPERATION_SCHEMA.into(),
            about,
            on_verify_fail,
            without_commands: false,
            steps,
        })
    }

    fn steps<'a>(&'a self, operation: &'a Operation) -> Vec<Box<dyn Step + 'a>> {
        let make = |step: &'a operation::Step| -> Box<dyn Step + 'a> {
            match step {
                operation::Step::Files(changes) => {
                    let ports = (
                        &self.tree as &dyn Fs,
                        &*self.state,
                        &*self.store as &dyn Store,
                        &self.bytes as &dyn Bytes,
                    );
                    Box::new(Files::over(
                        ports,
                        &operation.about.id,
                        operation.about.at,
                        changes,
                    ))
                }
                operation::Step::Environment(change) => {
                    Box::new(Environment::new(&self.tree, change))
                }
                operation::Step::Publish(_) => Box::new(Commit {
                    disk: &*self.disk,
                    sync: &*self.sync,
                    name: reference(&operation.about.id),
                }),
                operation::Step::Verdicts(records) => {
                    Box::new(Verdicts::new(&*self.state, records))
                }
                other => unreachable!("{} is no step of these tests", other.name()),
            }
        };
        operation.steps.iter().map(make).collect()
    }

    /// Begins and runs an operation.
    pub fn run(&self, operation: &Operation) -> Result<Ended, Failure> {
        let log = Log::begin(self.state.clone(), operation)?;
        self.runner(log, operation).run()
    }

    /// A runner as the program has it, with the audit log as its witness.
    fn runner<'a>(&'a self, log: Log, operation: &'a Operation) -> Runner<'a> {
        let once = if log.records().len() > 1 {
            Once::PerhapsThere
        } else {
            Once::New
        };
        let witness = move |ending: Ending<'_>| {
            Trail::new(self.state.clone())
                .append(&trail::said(&operation.about.id, ending), once)?;
            Ok(())
        };
        Runner::new(log, self.steps(operation)).witnessed(Box::new(witness))
    }

    /// What the disk's clock said when something was last written to the work tree.
    fn clock(&self) -> Option<i64> {
        let names = self.tree.list(&RelPath::root()).ok()?;
        let stats = names
            .into_iter()
            .filter_map(|name| self.tree.stat(&RelPath::root().join(name)).ok().flatten());
        stats.map(|stat| stat.mtime.0).max()
    }

    /// What every command does first: leftovers of operations that never began go.
    fn sweep(&self) -> Result<(), Failure> {
        create_dir_all(&*self.state, &RelPath::own("ops"), 0o700).map_err(verdicts::Error::Io)?;
        Ok(history::sweep(&*self.state)?)
    }

    /// `op resume` or `op abort`; `None` when nothing is unfinished.
    pub fn recover(&self, resume: bool) -> Result<Option<Ended>, Failure> {
        history::sweep(&*self.state)?;
        let Some(found) = history::unfinished(&self.state)? else {
            return Ok(None);
        };
        let runner = self.runner(found.log, &found.operation);
        (if resume {
            runner.run()
        } else {
            runner.abort("a person asked for it")
        })
        .map(Some)
    }

    /// The newest operation whose intent was written, and how it ended (`None` = not over).
    pub fn newest(&self) -> Result<Option<(Operation, Option<bool>)>, Failure> {
        for id in history::ids(&*self.state)?.iter().rev() {
            if let Some(found) = history::open(&self.state, id)? {
                let ended = if let Phase::Finished { done } = found.phase {
                    Some(done)
                } else {
                    None
                };
                return Ok(Some((found.operation, ended)));
            }
        }
        Ok(None)
    }

    /// True when a state's exact bytes can be read from the store.
    fn kept(&self, state: &FileState) -> bool {
        matches!(state.source, Source::Object(id) if self.store.verify(&id).is_ok() && id.0 == state.digest)
    }

    /// True when a note in an operation's folder names stored bytes of a path.
    pub fn keeps_stranger(&self, path: &str, bytes: &[u8]) -> bool {
        // What `op kept` names, and the bytes that `op restore` writes.
        let ids = history::ids(&*self.state).unwrap();
        let mut kept = ids.iter().flat_map(|op| notes(&*self.state, op).unwrap());
        kept.any(|note| {
            let mut found = Vec::new();
            let read = note
                .object
                .is_some_and(|id| self.store.read(&id, &mut found).is_ok());
            read && note.path.to_text() == path && found == bytes
        })
    }

    /// The counter of the newest operation; 0 = there is none.
    pub fn counter(&self) -> u64 {
        history::ids(&*self.state)
            .unwrap()
            .last()
            .map_or(0, OpId::counter)
    }

    /// The promises, after a recovery. `before` and `after` are the only trees that may be
    /// there; `reported` is what was said before the power went; `base` is the number of the
    /// operation before. Answers which of the trees it is.
    pub fn judge(&self, case: &Case<'_>, reported: bool) -> Result<bool, String> {
        let say = |failure: Failure| format!("the history cannot be read: {failure:?}");
        let newest = self
            .newest()
            .map_err(say)?
            .filter(|(operation, _)| operation.about.id.counter() > case.earlier);
        let done = match &newest {
            None => false,
            Some((_, Some(done))) => *done,
            Some((_, None)) => return Err("I5: it is still unfinished after the recovery".into()),
        };
        if reported && !done {
            return Err("I3: success was reported and is lost".into());
        }
        for id in history::ids(&*self.state)
            .map_err(|error| error.to_string())?
            .iter()
            .filter(|id| id.counter() <= case.earlier)
        {
            let found = history::open(&self.state, id).map_err(|error| error.to_string())?;
            if !found.is_some_and(|found| matches!(found.phase, Phase::Finished { .. })) {
                return Err(format!(
                    "I3: the earlier operation {id} was over and is not"
                ));
            }
        }
        let (mut files, empty) = self.tree();
        let mut wanted = if done { case.after } else { case.before }.clone();
        if let Some((path, bytes)) = case.stranger {
            let there = files
                .remove(path)
                .is_some_and(|(_, _, found)| found == bytes);
            wanted.remove(path);
            if !there && !self.keeps_stranger(path, bytes) {
                return Err(format!("I6: the stranger's edit of {path} is lost"));
            }
        }
        if files != wanted {
            return Err(format!(
                "I2: done {done}, but {}",
                difference(&files, &wanted)
            ));
        }
        if !empty.is_empty() {
            return Err(format!("I2: empty folders are left: {empty:?}"));
        }
        match self.store.damage() {
            Ok(damage) if damage.is_empty() => {}
            damaged => return Err(format!("I1: the store is damaged: {damaged:?}")),
        }
        if let Some((operation, _)) = &newest {
            if let Some(change) = operation.path_changes().find(|change| {
                change
                    .before
                    .as_ref()
                    .is_some_and(|state| !self.kept(state))
            }) {
                return Err(format!(
                    "I1: the old bytes of {} are not in the store",
                    change.path
                ));
            }
            self.judge_end(operation, done)?;
        }
        let leftover = |name: &Vec<u8>| {
            name.split(|byte| *byte == b'/')
                .any(|part| part == b".snapback" || part.starts_with(b".tmp-"))
        };
        match (self.look)().into_keys().find(leftover) {
            Some(name) => Err(format!("I18: {} is left", String::from_utf8_lossy(&name))),
            None => Ok(done),
        }
    }

    /// The commit point and the verdicts agree with the journal.
    fn judge_end(&self, operation: &Operation, done: bool) -> Result<(), String> {
        let published = self
            .disk
            .stat(&reference(&operation.about.id))
            .unwrap()
            .is_some();
        let held = verdicts::standings(&*self.state).map_err(|error| format!("{error}"))?;
        let lines = read_limited(&*self.state, &RelPath::own("verdicts.jsonl"), 1 << 20)
            .unwrap_or_default();
        let said = String::from_utf8_lossy(&lines)
            .matches(&operation.about.id.to_string())
            .count();
        trail::judge(&self.state, &operation.about.id, done)?;
        if published != done || said != usize::from(done) || (done && held.is_empty()) {
            return Err(format!(
                "I2: done {done}, but published {published} and {said} verdicts"
            ));
        }
        Ok(())
    }
}

/// What a disk is judged against.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub before: &'a Tree,
    pub after: &'a Tree,
    /// The counter of the operation before; 0 = there was none.
    pub earlier: u64,
    /// What somebody else wrote, and where.
    pub stranger: Option<(&'a str, &'a [u8])>,
}

/// The name that the commit point makes.
fn reference(op: &OpId) -> RelPath {
    RelPath::own(format!("git/refs/{op}"))
}

/// Saves the bytes of one state.
fn save(
    session: &dyn Session,
    (kind, mode, bytes): &(char, u32, Vec<u8>),
) -> Result<FileState, Failure> {
    let stored = session.put(&mut &bytes[..])?;
    let (link, source) = (*kind == 'l', Source::Object(stored.id));
    Ok(FileState {
        link,
        mode: *mode,
        size: stored.size,
        digest: stored.digest,
        mtime: None,
        source,
    })
}

/// The paths in which two trees differ.
fn difference(found: &Tree, wanted: &Tree) -> String {
    let paths: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    let show = |entry: Option<&(char, u32, Vec<u8>)>| {
        entry.map(|(kind, mode, bytes)| {
            format!("{kind} {mode:o} {:?}", String::from_utf8_lossy(bytes))
        })
    };
    let lines = paths
        .into_iter()
        .filter(|path| found.get(*path) != wanted.get(*path));
    lines
        .map(|path| {
            format!(
                "{path} is {:?}, not {:?}",
                show(found.get(path)),
                show(wanted.get(path))
            )
        })
        .collect::<Vec<_>>()
        .join("; ")
}
