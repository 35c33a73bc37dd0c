//! Random sequences of changes, undos, foreign edits, kills, power cuts, full disks, clock jumps
//! and reads by a second process on one simulated disk, compared with a model that is a map of
//! paths.
//!
//! `PROPTEST_CASES` sets the number of walks.

use proptest::prelude::*;
use snapback::journal::RunEnd;

use crate::support::{
    explore::alone,
    sim::SimFs,
    world::{Case, Tree, World},
};

/// The paths; some are folders of others.
const PATHS: [&str; 7] = ["a", "a/b", "c/d", "c/e/f", "c/e", "g", "h/i/j"];

/// Gives one path this content, or removes it.
type Edit = (usize, Option<(char, u32, u8)>);

/// One step of the walk.
#[derive(Debug, Clone)]
enum Act {
    /// An operation changes these paths.
    Change(Vec<Edit>),
    /// The newest operation that was not undone is undone.
    Undo,
    /// A foreign edit of one file.
    Foreign(usize, u8),
    /// An operation changes these paths; the process or the machine stops on the way.
    Crash {
        edits: Vec<Edit>,
        at: u64,
        power: bool,
        pick: usize,
        resume: bool,
    },
    /// An operation changes these paths while the disk has room for only this many more bytes.
    Full {
        edits: Vec<Edit>,
        room: u64,
        resume: bool,
    },
    /// The clock jumps by this many seconds, forwards or backwards.
    Clock(i64),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let content = prop_oneof![
        3 => (Just('f'), prop_oneof![Just(0o644), Just(0o755)], 0..4_u8).prop_map(Some),
        1 => (Just('l'), Just(0o777), 0..4_u8).prop_map(Some),
        2 => Just(None),
    ];
    prop::collection::vec((0..PATHS.len(), content), 1..5)
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        2 => edits().prop_map(Act::Change),
        2 => Just(Act::Undo),
        1 => (0..PATHS.len(), 0..4_u8).prop_map(|(path, text)| Act::Foreign(path, text)),
        3 => (edits(), 0..400_u64, any::<bool>(), 0..20_usize, any::<bool>())
            .prop_map(|(edits, at, power, pick, resume)| Act::Crash { edits, at, power, pick, resume }),
        2 => (edits(), 0..12_000_u64, any::<bool>()).prop_map(|(edits, room, resume)| Act::Full { edits, room, resume }),
        1 => prop_oneof![-4_000_000_i64..0, 1..4_000_000_i64].prop_map(Act::Clock),
    ];
    prop::collection::vec(act, 1..10)
}

/// Returns the tree after some edits: a file and a folder of the same name exclude each other.
fn edited(tree: &Tree, edits: &[Edit]) -> Tree {
    let mut tree = tree.clone();
    for (path, content) in edits {
        let path = PATHS[*path];
        tree.remove(path);
        if let Some((kind, mode, text)) = content {
            tree.retain(|other, _| {
                !other.starts_with(&format!("{path}/")) && !path.starts_with(&format!("{other}/"))
            });
            tree.insert(
                path.into(),
                (*kind, *mode, format!("text {text}").into_bytes()),
            );
        }
    }
    tree
}

/// The state of the walk.
struct Walk {
    disk: SimFs,
    tree: Tree,
    /// The trees before each operation that can be undone.
    undo: Vec<Tree>,
}

impl Walk {
    /// Runs an operation to its end.
    fn change(&mut self, target: &Tree) {
        let world = World::on(&self.disk);
        let operation = world.plan(target, None).unwrap();
        let ended = world.run(&operation).unwrap();
        assert!(matches!(ended, RunEnd::Done), "{ended:?}");
        self.tree.clone_from(target);
    }

    /// Begins an operation, stops it and recovers.
    fn crash(&mut self, target: &Tree, at: u64, power: Option<usize>, resume: bool) {
        let earlier = World::on(&self.disk).counter();
        let trial = self.disk.fork();
        World::on(&trial)
            .plan(target, None)
            .and_then(|operation| World::on(&trial).run(&operation))
            .unwrap();
        self.disk.crash_at(1 + at % (trial.calls() + 1));
        let world = World::on(&self.disk);
        let reported = world
            .plan(target, None)
            .and_then(|operation| world.run(&operation))
            .is_ok();
        if let Some(pick) = power {
            let disks = self.disk.crash_states(20, at);
            self.disk = disks[pick % disks.len()].clone();
        }
        self.disk.calm();
        self.look_from_elsewhere();
        self.recover(target, earlier, reported, resume);
    }

    /// Runs an operation on a disk with little room, and recovers when it has enough again.
    fn fill(&mut self, target: &Tree, room: u64, resume: bool) {
        let earlier = World::on(&self.disk).counter();
        self.disk.limit_room(self.disk.used() + room);
        let world = World::on(&self.disk);
        let ended = world
            .plan(target, None)
            .and_then(|operation| world.run(&operation));
        self.look_from_elsewhere();
        self.disk.limit_room(u64::MAX);
        self.recover(target, earlier, matches!(ended, Ok(RunEnd::Done)), resume);
    }

    /// Reads with a second process while something is unfinished; this changes nothing.
    fn look_from_elsewhere(&self) {
        let (calls, before) = (self.disk.calls(), self.disk.tree());
        World::on(&self.disk).newest().unwrap();
        assert_eq!((self.disk.calls(), self.disk.tree()), (calls, before));
    }

    /// Finishes or undoes what is unfinished, and asserts that the result is one of the two trees.
    fn recover(&mut self, target: &Tree, earlier: u64, reported: bool, resume: bool) {
        let world = World::on(&self.disk);
        world.recover(resume).unwrap();
        let case = Case {
            before: &self.tree,
            after: target,
            earlier,
            stranger: None,
        };
        if world.judge(&case, reported).unwrap() {
            self.undo
                .push(std::mem::replace(&mut self.tree, target.clone()));
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Change(edits) => {
                self.undo.push(self.tree.clone());
                self.change(&edited(&self.tree, edits));
            }
            Act::Undo => {
                if let Some(target) = self.undo.pop() {
                    self.change(&target);
                }
            }
            Act::Foreign(path, text) => {
                let path = PATHS[*path];
                if self.tree.get(path).is_some_and(|(kind, ..)| *kind == 'f') {
                    let bytes = format!("foreign {text}").into_bytes();
                    self.disk.put_synced(&format!("work/{path}"), &bytes);
                    self.tree.insert(path.into(), ('f', 0o644, bytes));
                }
            }
            Act::Crash {
                edits,
                at,
                power,
                pick,
                resume,
            } => {
                self.crash(
                    &edited(&self.tree, edits),
                    *at,
                    power.then_some(*pick),
                    *resume,
                );
            }
            Act::Full {
                edits,
                room,
                resume,
            } => self.fill(&edited(&self.tree, edits), *room, *resume),
            Act::Clock(seconds) => self.disk.jump(*seconds),
        }
        assert_eq!(
            World::on(&self.disk).tree(),
            (self.tree.clone(), Vec::new())
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_walk_ends_where_the_model_does(acts in acts()) {
        alone(|| {
            let tree = edited(&Tree::new(), &[(0, Some(('f', 0o644, 0))), (2, Some(('f', 0o755, 1)))]);
            let mut walk = Walk { disk: World::with(&tree), tree, undo: Vec::new() };
            for act in &acts {
                walk.act(act);
            }
        });
    }
}
