//! A repository on the simulated disk, and the real code that changes it: store, journal, steps.
//!
//! An operation is planned as the drafts do it (all bytes into the store first), begun, run, and
//! recovered after a crash by the very types the program uses; only the commit point is a stand-in,
//! one synced name in `git/refs`. [`World::judge`] says which promise is broken.

mod judge;
mod ports;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    sync::Arc,
};

use jiff::Timestamp;
use snapback::{
    audit::{AppendMode, Trail},
    base::{Due, Failure, Fs, RelPath, fs::create_dir_all},
    journal::{Ending, JournalStep, OperationPhase, RunEnd, Runner, history},
    model::{
        FileKind, FileRecord, Location, OpId, Operation, PathChange, Verdict, VerdictRecord,
        operation::{self, EnvironmentChange, FileChanges, OPERATION_SCHEMA, OpKind, Person},
    },
    steps::{
        environment::EnvironmentStep,
        files::{self, Files, Ports, notes},
        verdicts::Verdicts,
    },
    store::{ChunkStore, PutSession},
    verdict,
};

use super::{sim::SimFs, trail};

pub use judge::Case;
pub use ports::Below;
use ports::{Commit, Stored};

/// The files of a work tree: type letter (`f` or `l`), permission bits, bytes.
pub type Tree = BTreeMap<String, (char, u32, Vec<u8>)>;

/// A sync that no mutant skips.
type Sync = dyn Fn(&RelPath) -> io::Result<()>;

/// Every path of a disk: type letter, permission bits, bytes.
pub type Paths = BTreeMap<Vec<u8>, (char, u32, Vec<u8>)>;

/// The ports of one repository on a disk.
pub struct World {
    disk: Arc<dyn Fs>,
    look: Box<dyn Fn() -> Paths>,
    sync: Box<Sync>,
    tree: Arc<Below>,
    state: Arc<dyn Fs>,
    store: Arc<ChunkStore>,
    bytes: Stored,
}

impl World {
    /// Opens a simulated disk.
    pub fn on(sim: &SimFs) -> Self {
        let (look, sync) = (sim.clone(), sim.clone());
        Self::over(
            Arc::new(sim.clone()),
            Box::new(move || look.tree()),
            Box::new(move |dir| sync.sync_certainly(dir)),
        )
    }

    /// Opens any disk, given a way to read all of it and to sync one folder.
    pub fn over(disk: Arc<dyn Fs>, look: Box<dyn Fn() -> Paths>, sync: Box<Sync>) -> Self {
        let state: Arc<dyn Fs> = Arc::new(Below(disk.clone(), "git/snapback"));
        let store = Arc::new(ChunkStore::local(state.clone(), RelPath::own("store")));
        let tree = Arc::new(Below(disk.clone(), "work"));
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

    /// Creates a settled disk with these files.
    pub fn with(tree: &Tree) -> SimFs {
        let disk = SimFs::new();
        Self::fill(&disk, tree);
        disk.settle();
        disk
    }

    /// Writes these files to an empty disk.
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

    /// Commits each of these contents in its own pack.
    pub fn commit_each(&self, contents: std::ops::Range<u32>) {
        for content in contents {
            let session = self.store.begin();
            session.put(&mut &content.to_le_bytes()[..]).unwrap();
            drop(session.commit().unwrap());
        }
    }

    /// Returns the files of the work tree, and the folders without files.
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

    /// Saves all bytes and plans the change of the tree to `target`. `aside` and `bring` of the
    /// environment are left alone; its switch is a separate step.
    pub fn plan(
        &self,
        target: &Tree,
        environment: Option<&EnvironmentChange>,
    ) -> Result<Operation, Failure> {
        self.sweep()?;
        let id = OpId::new(history::next_counter(&*self.state)?, 7);
        let session = self.store.begin();
        let changes = self.changes(&session, target)?;
        let _lease = session.commit()?;
        // The disk's clock, which jumps in some tests: nothing may depend on it.
        let at = Timestamp::from_second(self.clock().unwrap_or(1_000_000)).unwrap();
        let record = held(&id, at);
        let mut steps = vec![operation::Step::Files(FileChanges::of_work_tree(changes))];
        steps.extend(environment.cloned().map(operation::Step::Environment));
        steps.push(operation::Step::Publish(operation::Publication::default()));
        steps.push(operation::Step::Verdicts(vec![record]));
        let about = about(id, at);
        let on_verify_fail = snapback::model::settings::OnVerifyFail::default();
        Ok(Operation {
            schema: OPERATION_SCHEMA.into(),
            about,
            on_verify_fail,
            without_commands: false,
            steps,
        })
    }

    /// Plans the changes of the work tree's files to those of `target`, with all bytes saved.
    fn changes(&self, session: &PutSession, target: &Tree) -> Result<Vec<PathChange>, Failure> {
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
            let stat = self.tree.stat(&rel).map_err(verdict::Error::Io)?;
            let mut before = now
                .get(path)
                .map(|entry| save(session, &rel, entry))
                .transpose()?;
            if let Some(before) = &mut before {
                before.mtime = stat.map(|stat| stat.mtime);
            }
            let after = target.get(path);
            let after = after.map(|entry| save(session, &rel, entry)).transpose()?;
            changes.push(PathChange {
                path: rel,
                before,
                after,
            });
        }
        Ok(changes)
    }

    fn steps<'a>(&'a self, operation: &'a Operation) -> Vec<Box<dyn JournalStep + 'a>> {
        let make = |step: &'a operation::Step| -> Box<dyn JournalStep + 'a> {
            match step {
                operation::Step::Files(files) => {
                    let ports = Ports {
                        tree: self.tree.clone(),
                        state: &*self.state,
                        store: &self.store,
                        bytes: Box::new(&self.bytes),
                    };
                    Box::new(Files::over(ports, &operation.about, files))
                }
                operation::Step::Environment(change) => {
                    Box::new(EnvironmentStep::new(&*self.tree, change))
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
    pub fn run(&self, operation: &Operation) -> Result<RunEnd, Failure> {
        let runner = Runner::begin(&self.state, operation, self.steps(operation))?;
        self.recorded(runner, AppendMode::New, operation).run()
    }

    /// Gives a runner the audit log as its recorder, as in the program.
    fn recorded<'a>(
        &'a self,
        runner: Runner<'a>,
        once: AppendMode,
        operation: &'a Operation,
    ) -> Runner<'a> {
        let witness = move |ending: Ending<'_>, due: &Due| {
            let said = trail::said(&operation.about.id, ending);
            Trail::new(self.state.clone()).append_at(&said, once, Some(due))?;
            Ok(())
        };
        runner.recorded_by(Box::new(witness))
    }

    /// Returns the disk's clock at the last write to the work tree.
    fn clock(&self) -> Option<i64> {
        let names = self.tree.list(&RelPath::root()).ok()?;
        let stats = names
            .into_iter()
            .filter_map(|name| self.tree.stat(&RelPath::root().join(name)).ok().flatten());
        stats.map(|stat| stat.mtime.0).max()
    }

    /// Removes leftovers of operations that never began, as every command does first.
    fn sweep(&self) -> Result<(), Failure> {
        create_dir_all(&*self.state, &RelPath::own("ops"), 0o700).map_err(verdict::Error::Io)?;
        self.sweep_begun()
    }

    /// Removes leftovers of operations that never began.
    fn sweep_begun(&self) -> Result<(), Failure> {
        history::sweep(&*self.state)?;
        let open = history::unfinished(&self.state)?.map(|found| found.operation.about.id);
        files::sweep(&*self.tree, |op| open.as_ref() == Some(op))
    }

    /// Runs `op resume` or `op abort`; `None` when nothing is unfinished.
    pub fn recover(&self, resume: bool) -> Result<Option<RunEnd>, Failure> {
        self.sweep_begun()?;
        let Some(found) = history::unfinished(&self.state)? else {
            return Ok(None);
        };
        let runner = Runner::new(found.log, self.steps(&found.operation));
        let runner = self.recorded(runner, AppendMode::PerhapsThere, &found.operation);
        (if resume {
            runner.run()
        } else {
            runner.abort("a person asked for it")
        })
        .map(Some)
    }

    /// Returns the newest operation whose intent was written, and how it ended (`None` = not over).
    pub fn newest(&self) -> Result<Option<(Operation, Option<bool>)>, Failure> {
        for id in history::ids(&*self.state)?.iter().rev() {
            if let Some(found) = history::open(&self.state, id)? {
                let ended = if let OperationPhase::Finished { done } = found.phase {
                    Some(done)
                } else {
                    None
                };
                return Ok(Some((found.operation, ended)));
            }
        }
        Ok(None)
    }

    /// Returns whether a record's exact bytes can be read from the store.
    fn kept(&self, record: &FileRecord) -> bool {
        matches!(record.location, Location::Object(id) if self.store.verify(&id).is_ok() && id.0 == record.digest)
    }

    /// Returns whether a note in an operation's folder names stored bytes of a path.
    pub fn keeps_stranger(&self, path: &str, bytes: &[u8]) -> bool {
        // The bytes that `op kept` lists and `op restore` writes.
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

    /// Returns the counter of the newest operation; 0 when there is none.
    pub fn counter(&self) -> u64 {
        history::ids(&*self.state)
            .unwrap()
            .last()
            .map_or(0, OpId::counter)
    }
}

/// Returns the verdict that a rollback records about the version that it leaves.
fn held(id: &OpId, at: Timestamp) -> VerdictRecord {
    VerdictRecord {
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
    }
}

/// Returns the description that all operations of these tests share.
fn about(id: OpId, at: Timestamp) -> operation::About {
    operation::About {
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
    }
}

/// Returns the name that the commit point creates.
fn reference(op: &OpId) -> RelPath {
    RelPath::own(format!("git/refs/{op}"))
}

/// Saves the bytes of one file.
fn save(
    session: &PutSession,
    path: &RelPath,
    (kind, mode, bytes): &(char, u32, Vec<u8>),
) -> Result<FileRecord, Failure> {
    let stored = session.put(&mut &bytes[..])?;
    let kind = if *kind == 'l' {
        FileKind::Link
    } else {
        FileKind::of_mode(*mode)
    };
    Ok(FileRecord {
        path: path.clone(),
        kind,
        size: stored.size,
        digest: stored.digest,
        mode: *mode,
        mtime: None,
        location: Location::Object(stored.id),
    })
}
