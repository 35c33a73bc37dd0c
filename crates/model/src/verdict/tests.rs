//! Tests that records in any order, from any number of clones, give the same standing.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn record(verdict: Verdict, seq: Option<u64>, second: i64) -> VerdictRecord {
    VerdictRecord {
        task: "T01".parse().expect("it is an id"),
        version: "1.0.0".parse().expect("it is a version"),
        release: None,
        verdict,
        reason: String::new(),
        who: "A <a@b>".into(),
        at: Timestamp::from_second(second).expect("it is a time"),
        op: None,
        seq,
        mends: None,
    }
}

#[test]
fn knowledge_counts_more_than_clocks_and_care_more_than_both() {
    let is_held = |records: &[VerdictRecord]| {
        let mut records = records.to_vec();
        in_order(&mut records);
        VersionState::of(&records).held
    };
    let hold = record(Verdict::Held, Some(1), 1000);
    assert!(
        !is_held(&[record(Verdict::HoldLifted, Some(2), 10), hold.clone()]),
        "lifted by somebody whose clock is slow"
    );
    assert!(
        is_held(&[record(Verdict::HoldLifted, Some(1), 2000), hold.clone()]),
        "neither knew of the other"
    );
    assert!(
        is_held(&[hold.clone(), record(Verdict::HoldLifted, None, 3000)]),
        "an old record comes before"
    );
    // An impossibly high number does not silence the others forever.
    let mut records = vec![
        record(Verdict::Held, Some(u64::MAX), 1),
        record(Verdict::Good, Some(1), 2),
    ];
    let lift = record(Verdict::HoldLifted, Some(next_seq(&records)), 3);
    records.push(lift);
    assert!(!is_held(&records));
}

#[test]
fn what_failed_stays_so_until_it_is_proven_again() {
    use Verdict::{Damaged, Failed, Good, Proven, Whole};
    let of = |words: &[Verdict]| {
        VersionState::of(
            &words
                .iter()
                .map(|word| record(word.clone(), None, 1))
                .collect::<Vec<_>>(),
        )
    };
    for words in [
        &[Failed][..],
        &[Proven, Failed],
        &[Failed, Good],
        &[Proven, Damaged],
        &[Failed, Whole],
        &[Failed, Damaged, Whole],
        &[Damaged, Proven],
    ] {
        let standing = of(words);
        assert_eq!(
            (standing.word(), standing.may_be_default_target()),
            ("failed", false),
            "{words:?}"
        );
    }
    for words in [
        &[Failed, Proven][..],
        &[Proven, Damaged, Whole],
        &[Damaged, Proven, Whole],
    ] {
        let standing = of(words);
        assert_eq!(
            (standing.word(), standing.may_be_default_target()),
            ("proven", true),
            "{words:?}"
        );
    }
}

#[test]
fn a_word_of_a_newer_program_is_kept_and_has_no_weight() {
    let newer: Verdict =
        serde_json::from_str("\"quarantined\"").expect("it has the form of a word");
    assert_eq!(
        serde_json::to_string(&newer).expect("it renders"),
        "\"quarantined\""
    );
    let proven = record(Verdict::Proven, Some(1), 1);
    assert_eq!(
        VersionState::of(&[proven.clone(), record(newer.clone(), Some(2), 2)]),
        VersionState::of(std::slice::from_ref(&proven))
    );
    assert!(!record(newer.clone(), None, 1).is_shared());
    assert_eq!(
        record(Verdict::Good, None, 3)
            .in_knowledge_of(&[proven, record(newer, Some(2), 2)])
            .seq,
        Some(3),
        "it was known"
    );
    for wrong in ["", "Good", "\u{1b}[2J", "a b", &"x".repeat(41)] {
        assert!(
            serde_json::from_value::<Verdict>(wrong.into()).is_err(),
            "{wrong:?}"
        );
    }
}

proptest! {
    #[test]
    fn every_clone_comes_to_the_same_order(
        all in proptest::collection::vec((0..8usize, 1..5u64, 0..3i64), 1..8),
        turn in 0..8usize,
    ) {
        let people = [Verdict::Good, Verdict::Bad, Verdict::Held, Verdict::HoldLifted, Verdict::Pinned, Verdict::Unpinned];
        let words = [&people[..], &[Verdict::Proven, Verdict::Failed]].concat();
        let mut a: Vec<_> = all.iter().map(|(word, seq, at)| record(words[*word].clone(), Some(*seq), *at)).collect();
        let mut b = a.clone();
        b.rotate_left(turn % all.len());
        in_order(&mut a);
        in_order(&mut b);
        prop_assert_eq!(a, b);
    }

    #[test]
    fn a_failure_stands_in_every_clone_until_somebody_who_knows_of_it_proves_the_version(
        steps in proptest::collection::vec((0..3usize, 0..8usize), 1..40),
        turn in 0..40usize,
    ) {
        let words = [Verdict::Proven, Verdict::Failed, Verdict::Held, Verdict::HoldLifted, Verdict::Good];
        // Each record with what its writer knew, and what each clone knows.
        let mut said: Vec<(VerdictRecord, BTreeSet<usize>)> = Vec::new();
        let mut clones = vec![BTreeSet::new(); 3];
        let order = |said: &[(VerdictRecord, BTreeSet<usize>)], known: &BTreeSet<usize>, turn: usize| {
            let mut records: Vec<_> = known.iter().map(|at| said[*at].0.clone()).collect();
            let turn = turn % records.len().max(1);
            records.rotate_left(turn);
            in_order(&mut records);
            records
        };
        for (clone, what) in steps {
            if let Some(word) = words.get(what) {
                let known = clones[clone].clone();
                let second = i64::try_from(what).expect("it is small");
                let new = VerdictRecord { reason: said.len().to_string(), ..record(word.clone(), None, second) };
                clones[clone].insert(said.len());
                said.push((new.in_knowledge_of(&order(&said, &known, 0)), known));
            } else {
                let theirs = clones[(clone + what) % 3].clone();
                clones[clone].extend(theirs);
            }
            for known in &clones {
                let of = |word: Verdict| known.iter().copied().filter(|at| said[*at].0.verdict == word).collect::<Vec<_>>();
                let (failures, proofs) = (of(Verdict::Failed), of(Verdict::Proven));
                let stands = failures.iter().any(|failure| !proofs.iter().any(|proof| said[*proof].1.contains(failure)));
                let standing = VersionState::of(&order(&said, known, turn));
                prop_assert_eq!(standing.checks_failed, stands);
                prop_assert_eq!(standing.proven, !stands && !proofs.is_empty());
                prop_assert_eq!(standing, VersionState::of(&order(&said, known, 0)));
            }
        }
    }
}
