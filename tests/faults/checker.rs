//! Tests of the checker: for each promise, a world that breaks only that promise.

use crate::support::checker::{Claim, PROMISES, Recovered, Seen, State, judge};

/// Returns a world of one file and one record.
fn state(word: &str) -> State {
    let mut state = State::default();
    state
        .task
        .insert("T/file".into(), ('f', 0o644, word.into()));
    state.others.insert("other".into(), "untouched".into());
    state.records.insert("entry".into(), word.into());
    state.manifests.insert("old.yaml".into(), "of old".into());
    state
}

/// Returns a run that was killed, recovered, undone and redone, with no violations.
fn good() -> Seen {
    let (old, new) = (state("old"), state("new"));
    Seen {
        found: new.clone(),
        again: Some(new.clone()),
        back: Some(old.clone()),
        forth: Some(new.clone()),
        derived: Some(new.clone()),
        recovery: Some(Recovered::Done),
        old,
        new,
        ..Seen::default()
    }
}

/// A way to break one promise.
type Breaking = (&'static str, fn(&mut Seen));

/// The ways to break each promise, at least one for each.
const BREAKINGS: [Breaking; 32] = [
    ("I1", |seen| seen.lost.push("T/file".into())),
    ("I2", |seen| set_found(seen, |state| state.task.clear())),
    ("I2", |seen| {
        set_found(seen, |state| {
            drop(state.records.insert("entry".into(), "half".into()));
        });
    }),
    ("I2", |seen| {
        set_found(seen, |state| {
            state.task.get_mut("T/file").unwrap().1 = 0o600;
        });
    }),
    ("I2", |seen| {
        for state in [
            &mut seen.found,
            seen.again.as_mut().unwrap(),
            seen.derived.as_mut().unwrap(),
        ] {
            state.others.insert("other".into(), "another time".into());
        }
    }),
    ("I3", |seen| {
        seen.reported = true;
        go_back(seen);
    }),
    ("I4", |seen| seen.back = Some(state("another"))),
    ("I4", |seen| seen.forth = Some(state("another"))),
    ("I4", |seen| seen.back.as_mut().unwrap().others.clear()),
    ("I5", |seen| seen.again.as_mut().unwrap().others.clear()),
    ("I5", |seen| {
        seen.recovery = Some(Recovered::Failed("no".into()));
    }),
    ("I6", |seen| seen.strangers.push("T/file".into())),
    ("I7", |seen| seen.dangling.push("a tag".into())),
    ("I8", |seen| seen.collected.push("an object".into())),
    ("I9", |seen| seen.damaged.push("an object".into())),
    ("I10", |seen| seen.unnoticed.push("byte 3".into())),
    ("I11", |seen| seen.alarms.push("no reason".into())),
    ("I12", |seen| seen.outside.push("/canary".into())),
    ("I13", |seen| seen.derived.as_mut().unwrap().records.clear()),
    ("I14", |seen| seen.overwritten.push("T02".into())),
    ("I15", |seen| seen.secrets.push("journal.jsonl".into())),
    ("I18", |seen| seen.left.push(".tmp-x".into())),
    ("I19", |seen| {
        for state in [
            &mut seen.found,
            seen.again.as_mut().unwrap(),
            seen.derived.as_mut().unwrap(),
        ] {
            state
                .manifests
                .insert("old.yaml".into(), "of another day".into());
        }
    }),
    ("I20", |seen| {
        (seen.exit, seen.recovery) = (Some(8), Some(Recovered::Nothing));
    }),
    ("I20", |seen| {
        seen.misjudged
            .push("verified, but T/file is another one".into());
    }),
    ("I20", |seen| {
        go_back(seen);
        (seen.exit, seen.recovery) = (Some(0), Some(Recovered::Nothing));
    }),
    ("I20", |seen| seen.recovery = Some(Recovered::Undone)),
    ("I20", |seen| {
        go_back(seen);
        seen.recovery = Some(Recovered::Done);
    }),
    ("I21", |seen| {
        seen.said = Some(claim("nothing was changed", "new", false));
    }),
    ("I21", |seen| seen.said = Some(claim("", "old", false))),
    ("I21", |seen| {
        seen.said = Some(claim("nothing was changed", "old", true));
    }),
    ("I21", |seen| {
        seen.said = Some(Claim {
            changed: Some(false),
            ..claim("operation 1 is not finished", "new", true)
        });
    }),
];

/// Returns a claim about a run whose world was old before.
fn claim(sentence: &str, after: &str, unfinished: bool) -> Claim {
    Claim {
        sentence: sentence.into(),
        changed: None,
        before: state("old"),
        after: state(after),
        unfinished,
    }
}

/// Changes the state that was found, and those found again after it.
fn set_found(seen: &mut Seen, change: impl Fn(&mut State)) {
    for state in [
        &mut seen.found,
        seen.again.as_mut().unwrap(),
        seen.derived.as_mut().unwrap(),
    ] {
        change(state);
    }
}

/// Makes the found state the old one, as the recovery says.
fn go_back(seen: &mut Seen) {
    let old = seen.old.clone();
    (seen.found, seen.again, seen.derived) = (old.clone(), Some(old.clone()), Some(old));
    seen.recovery = Some(Recovered::Undone);
}

#[test]
fn a_good_world_breaks_no_promise() {
    assert_eq!(judge(&good()), []);
    let mut undone = good();
    go_back(&mut undone);
    assert_eq!(judge(&undone), []);
    assert_eq!(
        judge(&Seen {
            exit: Some(0),
            recovery: Some(Recovered::Nothing),
            reported: true,
            ..good()
        }),
        []
    );
    assert_eq!(
        judge(&Seen {
            exit: Some(143),
            recovery: Some(Recovered::Nothing),
            ..good()
        }),
        []
    );
    for true_one in [
        claim("nothing was changed", "old", false),
        claim("operation 1 is not finished", "new", true),
    ] {
        assert_eq!(
            judge(&Seen {
                said: Some(true_one),
                ..good()
            }),
            []
        );
    }
}

#[test]
fn each_check_catches_the_world_that_breaks_only_its_promise() {
    for (nth, (id, breaking)) in BREAKINGS.iter().enumerate() {
        let mut seen = good();
        breaking(&mut seen);
        let broken: Vec<&str> = judge(&seen).iter().map(|(id, _)| *id).collect();
        assert_eq!(broken, [*id], "breaking {nth}: {:?}", judge(&seen));
    }
    for promise in &PROMISES {
        assert!(
            BREAKINGS.iter().any(|(id, _)| *id == promise.id),
            "{} ({}) is never broken",
            promise.id,
            promise.says
        );
    }
}
