//! Checks the promises of `docs/reliability.md` against what was observed of one run.
//!
//! Every kind of test (simulated disks, killed processes, power cuts, damaged files, random walks,
//! concurrent processes) fills a [`Seen`] and calls [`judge`]; nothing else decides what is
//! correct. The check is a pure function. [`super::super::checker`] tests it: for each promise, a
//! world that breaks only that one, and programs that are broken on purpose.

use std::collections::BTreeMap;

/// The files of a tree: type letter, permission bits, and a text that identifies the contents.
pub type Files = BTreeMap<String, (char, u32, String)>;

/// Everything that an operation could spoil, limited to what two runs of it have in common.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// The task's files, without times: a release may touch them.
    pub task: Files,
    /// All files that no operation on the task may change, with their times.
    pub others: BTreeMap<String, String>,
    /// The records by name: references, newest commit, index, registry, verdicts.
    pub records: BTreeMap<String, String>,
    /// Release manifests, without the lines that contain a time or a commit.
    pub manifests: BTreeMap<String, String>,
}

impl State {
    /// Returns whether task and records equal those of another state.
    pub fn is(&self, other: &Self) -> bool {
        self.task == other.task && self.records == other.records
    }

    /// Describes where task and records differ from another state, for messages.
    pub fn differs(&self, other: &Self) -> String {
        let mut parts = differences(&self.task, &other.task, &|found| format!("{found:?}"));
        parts.extend(differences(&self.records, &other.records, &|found| {
            format!("{found:?}")
        }));
        parts.join("; ")
    }
}

/// Lists the keys at which two maps differ, with the values found.
fn differences<T: PartialEq>(
    found: &BTreeMap<String, T>,
    wanted: &BTreeMap<String, T>,
    show: &dyn Fn(Option<&T>) -> String,
) -> Vec<String> {
    let mut keys: Vec<&String> = found.keys().chain(wanted.keys()).collect();
    keys.sort();
    keys.dedup();
    let differ = keys
        .into_iter()
        .filter(|key| found.get(*key) != wanted.get(*key));
    differ
        .map(|key| {
            format!(
                "{key} is {}, not {}",
                show(found.get(key)),
                show(wanted.get(key))
            )
        })
        .collect()
}

/// The result of a recovery.
#[derive(Debug, Clone, PartialEq)]
pub enum Recovered {
    /// The operation was finished.
    Done,
    /// The operation was undone.
    Undone,
    /// There was nothing to recover.
    Nothing,
    /// The recovery failed with this message.
    Failed(String),
}

/// The observations of one run and of what followed it. Anything not examined stays empty.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The state before the operation, after it, and after the fault and the recovery.
    pub old: State,
    pub new: State,
    pub found: State,
    /// The exit code of the run; `None` when it was killed or the power went.
    pub exit: Option<i32>,
    /// What the failed run said about its changes, with the states before and right after it.
    pub said: Option<Claim>,
    /// True when success was reported before the power went.
    pub reported: bool,
    /// True when the requested end is the old state, because an operation is being undone.
    pub backwards: bool,
    pub recovery: Option<Recovered>,
    /// The state after a second recovery.
    pub again: Option<State>,
    /// The state after the inverse of the operation, and after the inverse of that.
    pub back: Option<State>,
    pub forth: Option<State>,
    /// The state after every cache was deleted and rebuilt.
    pub derived: Option<State>,
    /// User data that is neither in place nor kept.
    pub lost: Vec<String>,
    /// Foreign edits that are neither in place nor kept.
    pub strangers: Vec<String>,
    /// Names whose object is missing.
    pub dangling: Vec<String>,
    /// Objects that a collection removed although something refers to them.
    pub collected: Vec<String>,
    /// Objects without a copy that verifies.
    pub damaged: Vec<String>,
    /// Wrong statements about the data: `verified` for files with other contents, `failed` for
    /// files that are intact.
    pub misjudged: Vec<String>,
    /// Damage that no command noticed, or that a command ignored with exit code 0.
    pub unnoticed: Vec<String>,
    /// Complaints about intact data.
    pub alarms: Vec<String>,
    /// Changed paths outside the task, the state folder and the named references.
    pub outside: Vec<String>,
    /// Updates of another process that were overwritten.
    pub overwritten: Vec<String>,
    /// Files that contain the value of a secret.
    pub secrets: Vec<String>,
    /// Leftover temporary files, locks and processes; panics; runs that did not end.
    pub left: Vec<String>,
}

/// The statement of a failed run, and the states to compare it with.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The sentence about what was changed; empty when there was none.
    pub sentence: String,
    /// `changed` of the JSON document, if there was one.
    pub changed: Option<bool>,
    /// The state before the run.
    pub before: State,
    /// The state right after the run, before any recovery.
    pub after: State,
    /// True when an operation was unfinished right after the run.
    pub unfinished: bool,
}

/// One promise: its number, its text, and the check that finds violations of it.
pub struct Promise {
    pub id: &'static str,
    pub says: &'static str,
    broken: fn(&Seen) -> Vec<String>,
}

/// Every promise that is checked, in the order of the design.
pub const PROMISES: [Promise; 19] = [
    Promise {
        id: "I1",
        says: "no byte is lost",
        broken: |seen| seen.lost.clone(),
    },
    Promise {
        id: "I2",
        says: "old or new, never a mix, and nothing else is touched",
        broken: mixed,
    },
    Promise {
        id: "I3",
        says: "what was reported as done survives a power cut",
        broken: forgotten,
    },
    Promise {
        id: "I4",
        says: "undo is the inverse, and its undo is redo",
        broken: not_inverse,
    },
    Promise {
        id: "I5",
        says: "recovery succeeds, and twice is once",
        broken: not_idempotent,
    },
    Promise {
        id: "I6",
        says: "recovery keeps what somebody else wrote",
        broken: |seen| seen.strangers.clone(),
    },
    Promise {
        id: "I7",
        says: "what is named is there",
        broken: |seen| seen.dangling.clone(),
    },
    Promise {
        id: "I8",
        says: "a collection removes nothing that is named",
        broken: |seen| seen.collected.clone(),
    },
    Promise {
        id: "I9",
        says: "every live object has a copy that verifies",
        broken: |seen| seen.damaged.clone(),
    },
    Promise {
        id: "I10",
        says: "every changed byte is detected and named",
        broken: |seen| seen.unnoticed.clone(),
    },
    Promise {
        id: "I11",
        says: "what is whole raises no alarm",
        broken: |seen| seen.alarms.clone(),
    },
    Promise {
        id: "I12",
        says: "nothing outside is changed",
        broken: |seen| seen.outside.clone(),
    },
    Promise {
        id: "I13",
        says: "caches can be deleted",
        broken: not_derivable,
    },
    Promise {
        id: "I14",
        says: "concurrent operations equal some order of them",
        broken: |seen| seen.overwritten.clone(),
    },
    Promise {
        id: "I15",
        says: "no secret value is written anywhere",
        broken: |seen| seen.secrets.clone(),
    },
    Promise {
        id: "I18",
        says: "every end is clean: no panic, no leftovers, no hanging",
        broken: |seen| seen.left.clone(),
    },
    Promise {
        id: "I19",
        says: "the same input makes the same manifest",
        broken: other_manifests,
    },
    Promise {
        id: "I20",
        says: "exit 0 exactly when it is so, and `verified` of nothing else",
        broken: dishonest,
    },
    Promise {
        id: "I21",
        says: "after a failure it is true what is said of what was changed",
        broken: untrue,
    },
];

/// Returns the violations: the number of the promise and what was observed.
pub fn judge(seen: &Seen) -> Vec<(&'static str, String)> {
    PROMISES
        .iter()
        .flat_map(|promise| {
            (promise.broken)(seen)
                .into_iter()
                .map(|what| (promise.id, what))
        })
        .collect()
}

/// Formats the broken promises as lines.
pub fn complaints(seen: &Seen) -> Vec<String> {
    judge(seen)
        .into_iter()
        .map(|(id, what)| format!("{id}: {what}"))
        .collect()
}

fn mixed(seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    if !seen.found.is(&seen.old) && !seen.found.is(&seen.new) {
        wrong.push(format!(
            "from old: {} | from new: {}",
            seen.found.differs(&seen.old),
            seen.found.differs(&seen.new)
        ));
    }
    wrong.extend(differences(
        &seen.found.others,
        &seen.old.others,
        &|found| format!("{found:?}"),
    ));
    wrong
}

/// Reports the old state after success was reported. A mixture is covered by another promise.
fn forgotten(seen: &Seen) -> Vec<String> {
    let (from, to) = if seen.backwards {
        (&seen.new, &seen.old)
    } else {
        (&seen.old, &seen.new)
    };
    let lost = seen.reported && seen.found.is(from) && !seen.found.is(to);
    if lost {
        vec!["success was reported, and it is not so any more".into()]
    } else {
        Vec::new()
    }
}

fn not_inverse(seen: &Seen) -> Vec<String> {
    let entry = |state: &State| state.records.get("entry").cloned();
    let same =
        |a: &State, b: &State| a.task == b.task && a.others == b.others && entry(a) == entry(b);
    let mut wrong = Vec::new();
    if let Some(back) = seen.back.as_ref().filter(|back| !same(back, &seen.old)) {
        wrong.push(format!("the inverse leaves {}", back.differs(&seen.old)));
    }
    if let Some(forth) = seen.forth.as_ref().filter(|forth| !same(forth, &seen.new)) {
        wrong.push(format!(
            "the inverse of the inverse leaves {}",
            forth.differs(&seen.new)
        ));
    }
    wrong
}

fn not_idempotent(seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    if let Some(Recovered::Failed(why)) = &seen.recovery {
        wrong.push(format!("the recovery failed: {why}"));
    }
    if seen
        .again
        .as_ref()
        .is_some_and(|again| *again != seen.found)
    {
        wrong.push("a second recovery changed something".into());
    }
    wrong
}

fn not_derivable(seen: &Seen) -> Vec<String> {
    let other = seen
        .derived
        .as_ref()
        .filter(|derived| **derived != seen.found);
    other
        .map(|derived| format!("without caches: {}", derived.differs(&seen.found)))
        .into_iter()
        .collect()
}

/// Reports manifests with the same name but different contents.
fn other_manifests(seen: &Seen) -> Vec<String> {
    let known = |name: &String| {
        seen.new
            .manifests
            .get(name)
            .or_else(|| seen.old.manifests.get(name))
    };
    let other = seen
        .found
        .manifests
        .iter()
        .filter(|(name, text)| known(name).is_some_and(|known| known != *text));
    other
        .map(|(name, _)| format!("{name} is not what the same input made before"))
        .collect()
}

/// Reports untrue statements of a run that failed.
fn untrue(seen: &Seen) -> Vec<String> {
    let Some(claim) = &seen.said else {
        return Vec::new();
    };
    let says = |words: &str| claim.sentence.contains(words);
    let same = claim.after.is(&claim.before);
    let mut wrong = Vec::new();
    let mut tell = |what: &str| {
        wrong.push(format!(
            "{what}: {:?}; {}",
            claim.sentence,
            claim.after.differs(&claim.before)
        ));
    };
    if claim.sentence.is_empty() {
        tell("nothing is said of what was changed");
    }
    // An operation that was found half done is restored to the state before it.
    let put_back = same || claim.after.is(&seen.old);
    if !same
        && ["nothing was changed", "no file was changed"]
            .iter()
            .any(|words| says(words))
        || !put_back && ["put back", "as it was"].iter().any(|words| says(words))
    {
        tell("it is not as it was");
    }
    if !same && claim.changed == Some(false) {
        tell("changed is false");
    }
    if says("not finished") != claim.unfinished {
        tell(if claim.unfinished {
            "an operation is open, and that is not said"
        } else {
            "no operation is open"
        });
    }
    wrong
}

/// Reports exit codes and messages of the recovery that are not true. A cancelled run may have
/// passed the point of no return, and shows so only by the state it leaves.
fn dishonest(seen: &Seen) -> Vec<String> {
    // A state that is neither is covered by another promise.
    let (is_old, is_new) = (seen.found.is(&seen.old), seen.found.is(&seen.new));
    let (reached, not_begun) = if seen.backwards {
        (is_old, is_new)
    } else {
        (is_new, is_old)
    };
    let mut wrong = seen.misjudged.clone();
    match (seen.exit, &seen.recovery) {
        (Some(0), recovery)
            if (not_begun && !reached)
                || recovery
                    .as_ref()
                    .is_some_and(|recovery| *recovery != Recovered::Nothing) =>
        {
            wrong.push(format!(
                "exit 0, but it is so: {reached}, and the recovery: {recovery:?}"
            ));
        }
        (Some(exit), Some(Recovered::Nothing))
            if !matches!(exit, 0 | 129 | 130 | 143) && reached && !not_begun =>
        {
            wrong.push(format!("exit {exit}, but it is so and finished"));
        }
        _ => {}
    }
    match &seen.recovery {
        Some(Recovered::Done) if is_old && !is_new => {
            wrong.push("the recovery says done, and it is old".into());
        }
        Some(Recovered::Undone) if is_new && !is_old => {
            wrong.push("the recovery says undone, and it is new".into());
        }
        _ => {}
    }
    wrong
}
