//! Tests the rules of the guard with examples, and with properties that hold for any samples.

#![allow(
    clippy::float_cmp,
    reason = "the numbers are chosen so that nothing is rounded"
)]

use proptest::prelude::*;

use super::*;
use crate::guard::{Backtest, Condition, Metric};

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + secs).expect("it is in range")
}

fn version(text: &str) -> Version {
    text.parse().expect("it is a version")
}

fn rule() -> RuleSpec {
    RuleSpec {
        name: "errors".into(),
        metric: Metric {
            kind: "run".into(),
            describes: "true".into(),
            settings: serde_json::json!({ "run": "true" }),
            timeout: Duration::from_secs(1),
            tells_times: false,
        },
        fail: Condition::parse("> 0.1").expect("it is one"),
        pass: Condition::parse("<= 0.05"),
        over: Aggregate::Mean,
        window: Duration::from_secs(100),
        min_samples: 3,
        consecutive: 2,
        warmup: Duration::from_secs(50),
        cooldown: Duration::from_secs(1000),
        max_rollbacks: 2,
        per: Duration::from_secs(10_000),
        compare: None,
        every: Duration::from_secs(10),
        errors: 3,
        dry_run: false,
    }
}

fn samples(values: &[(i64, f64)]) -> Vec<Sample> {
    values
        .iter()
        .map(|(secs, value)| Sample {
            at: at(*secs),
            value: *value,
        })
        .collect()
}

fn seen(samples: &[Sample]) -> VersionSamples<'_> {
    VersionSamples {
        samples,
        since: at(0),
        before: None,
    }
}

#[test]
fn three_outcomes() {
    let outcome =
        |values: &[(i64, f64)], now| judge(&rule(), seen(&samples(values)), at(now)).outcome;
    let bad = [(60, 0.5), (70, 0.5), (80, 0.5)];
    assert_eq!(outcome(&bad, 80), Status::Fail);
    assert_eq!(outcome(&bad, 40), Status::Inconclusive, "it is warming up");
    assert_eq!(
        outcome(&bad[..2], 80),
        Status::Inconclusive,
        "too few samples"
    );
    assert_eq!(
        outcome(&bad, 171),
        Status::Inconclusive,
        "one has left the window"
    );
    assert_eq!(
        outcome(&[(60, 0.0), (70, 0.0), (80, 0.1)], 80),
        Status::Pass
    );
    assert_eq!(
        outcome(&[(60, 0.08), (70, 0.08), (80, 0.08)], 80),
        Status::Inconclusive,
        "between the two conditions"
    );
    assert_eq!(
        outcome(&[(10, 9.0), (20, 9.0), (49, 9.0), (60, 0.0)], 80),
        Status::Inconclusive,
        "samples of the warm-up do not count"
    );
    assert_eq!(
        outcome(&[(60, 0.5), (70, 0.5), (800, 0.5)], 80),
        Status::Inconclusive,
        "a sample that is still to come"
    );
}

#[test]
fn a_sample_of_the_second_of_the_switch_is_of_the_version_before() {
    let since = |millis| {
        at(100)
            .checked_add(Duration::from_millis(millis))
            .expect("it is in range")
    };
    let is_since = |secs, millis| {
        is_since(
            &Sample {
                at: at(secs),
                value: 0.0,
            },
            since(millis),
        )
    };
    assert_eq!(
        [
            is_since(99, 0),
            is_since(100, 0),
            is_since(100, 700),
            is_since(101, 0),
            is_since(101, 700)
        ],
        [false, false, false, true, true]
    );
    assert!(
        !super::is_since(
            &Sample {
                at: since(900),
                value: 0.0
            },
            since(0)
        ),
        "the switch is known to the second only"
    );
}

#[test]
fn a_version_is_compared_with_the_one_before() {
    let rule = RuleSpec {
        compare: Some(2.0),
        ..rule()
    };
    let bad = samples(&[(60, 0.5), (70, 0.5), (80, 0.5)]);
    let against = |before| {
        judge(
            &rule,
            VersionSamples {
                before,
                ..seen(&bad)
            },
            at(80),
        )
        .outcome
    };
    assert_eq!(against(None), Status::Inconclusive);
    assert_eq!(
        against(Some(0.4)),
        Status::Inconclusive,
        "the one before was hardly better"
    );
    assert_eq!([against(Some(0.25)), against(Some(0.0))], [Status::Fail; 2]);
    let low = RuleSpec {
        fail: Condition::parse("< 10").expect("it is one"),
        pass: None,
        ..rule.clone()
    };
    let few = samples(&[(60, 4.0), (70, 4.0), (80, 4.0)]);
    let against = |before| {
        judge(
            &low,
            VersionSamples {
                before: Some(before),
                ..seen(&few)
            },
            at(80),
        )
        .outcome
    };
    assert_eq!(
        (against(8.0), against(7.0)),
        (Status::Fail, Status::Inconclusive)
    );
}

#[test]
fn values_of_many_samples() {
    let of = |over| aggregate(over, &[5.0, 1.0, 2.0, 4.0]).expect("there are samples");
    let all = [
        Aggregate::Mean,
        Aggregate::Sum,
        Aggregate::Max,
        Aggregate::Min,
        Aggregate::Last,
        Aggregate::Median,
        Aggregate::P95,
    ]
    .map(of);
    assert_eq!(all, [3.0, 12.0, 5.0, 1.0, 4.0, 3.0, 5.0]);
    assert_eq!(
        aggregate(
            Aggregate::P95,
            &(1..=100).map(f64::from).collect::<Vec<_>>()
        ),
        Some(95.0)
    );
    assert_eq!(aggregate(Aggregate::Mean, &[]), None);
}

fn fired(secs: i64, from: &str) -> Fired {
    Fired {
        at: Moment::at(at(secs)),
        rule: "errors".into(),
        from: version(from),
        to: version("1.0.0"),
        why: String::new(),
    }
}

#[test]
fn what_is_done_about_failures() {
    let (rule, now) = (rule(), Moment::at(at(5000)));
    let here = version("1.3.0");
    let decide = |rule: &RuleSpec, failed, list: &[Fired], frozen| {
        super::decide(
            rule,
            failed,
            Past {
                frozen,
                fired: list,
                version: Some(&here),
            },
            &now,
        )
    };
    assert_eq!(decide(&rule, 0, &[], None), Decision::Nothing);
    assert!(matches!(decide(&rule, 1, &[], None), Decision::Wait(why) if why.contains("1 of 2")));
    assert_eq!(decide(&rule, 2, &[], None), Decision::Fire);
    assert!(
        matches!(decide(&rule, 2, &[fired(4100, "1.2.0")], None), Decision::Wait(why) if why.contains("100 s"))
    );
    assert_eq!(
        decide(&rule, 2, &[fired(3900, "1.2.0")], None),
        Decision::Fire
    );
    assert!(matches!(
        decide(
            &rule,
            2,
            &[fired(1000, "1.1.0"), fired(3900, "1.2.0")],
            None
        ),
        Decision::Freeze(_)
    ));
    assert_eq!(
        decide(
            &rule,
            2,
            &[fired(-6000, "1.1.0"), fired(3900, "1.2.0")],
            None
        ),
        Decision::Fire
    );
    assert!(matches!(
        decide(&rule, 2, &[fired(3900, "1.3.0")], None),
        Decision::Overruled(_)
    ));
    assert!(
        matches!(decide(&rule, 9, &[], Some("no way back")), Decision::Wait(why) if why.contains("no way back"))
    );
    assert!(matches!(
        decide(
            &RuleSpec {
                dry_run: true,
                ..rule
            },
            9,
            &[],
            None
        ),
        Decision::Would(_)
    ));
}

#[test]
fn a_clock_that_was_set_back_neither_fires_nor_waits_for_ever() {
    let (rule, now) = (rule(), Moment::at(at(5000)));
    let mut list = [fired(9_000_000, "1.2.0")];
    let past = Past {
        frozen: None,
        fired: &list,
        version: None,
    };
    assert!(
        matches!(decide(&rule, 2, past, &now), Decision::Wait(_)),
        "when it fired, nobody knows"
    );
    assert!(rebase(&mut list, &now) && !rebase(&mut list, &now));
    let later = Moment::at(at(6000));
    assert_eq!(
        decide(
            &rule,
            2,
            Past {
                frozen: None,
                fired: &list,
                version: None
            },
            &later
        ),
        Decision::Fire
    );
}

#[test]
fn a_back_test_says_what_would_have_been() {
    let log: Vec<(i64, f64)> = (0..200)
        .map(|n| (n * 10, if n < 60 { 0.0 } else { 1.0 }))
        .collect();
    let found = backtest(&rule(), samples(&log));
    assert_eq!((found.samples, found.judged), (200, 200));
    let (when, judgement) = &found.fired[0];
    assert!((at(600)..at(660)).contains(when), "{when}");
    assert_eq!(judgement.outcome, Status::Fail);
    assert_eq!(
        found.fired.len(),
        2,
        "once more after the cooldown: {found:?}"
    );
    assert!(found.fired[1].0.duration_since(*when).as_secs() >= 1000);
    assert!(found.outcomes[1] > 0 && found.waited > 0);
    let sparse = backtest(&rule(), samples(&[(0, 1.0), (100_000_000, 1.0)]));
    assert!(
        sparse.judged <= 200_002 && sparse.fired.is_empty(),
        "{:?}",
        sparse.notes
    );
    assert_eq!(backtest(&rule(), Vec::new()), Backtest::default());
}

/// Returns arbitrary samples around the window.
fn any_samples() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let value = prop_oneof![4 => -1.0..2.0_f64, 1 => proptest::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.1])];
    proptest::collection::vec((-200_i64..400, value), 0..40)
}

proptest! {
    #[test]
    fn without_enough_samples_of_the_window_nothing_fails(values in any_samples(), now in 0_i64..300) {
        let rule = rule();
        let list = samples(&values);
        let judgement = judge(&rule, seen(&list), at(now));
        let begin = (now - 100).max(50);
        let counted = values.iter().filter(|(secs, value)| *secs >= begin && *secs <= now && value.is_finite()).count();
        if now < 50 || counted < rule.min_samples {
            prop_assert_eq!(judgement.outcome, Status::Inconclusive);
        } else {
            prop_assert_eq!(judgement.samples, counted);
        }
        prop_assert!(judgement.value.is_none_or(f64::is_finite));
    }

    #[test]
    fn the_order_of_samples_and_what_lies_outside_change_nothing(values in any_samples(), now in 60_i64..300, more in any_samples()) {
        let rule = rule();
        let inside = judge(&rule, seen(&samples(&values)), at(now));
        let mut mixed = values.clone();
        mixed.reverse();
        mixed.extend(more.into_iter().map(|(secs, value)| (if secs % 2 == 0 { now + 1 + secs.abs() } else { now - 101 - secs.abs() }, value)));
        prop_assert_eq!(judge(&rule, seen(&samples(&mixed)), at(now)), inside);
    }

    #[test]
    fn it_never_fires_within_the_cooldown_nor_too_often(outcomes in proptest::collection::vec(0_u8..3, 1..400), gaps in 1_i64..400) {
        let rule = rule();
        let (mut failed, mut last, mut list, mut frozen) = (0, None, Vec::<Fired>::new(), None::<String>);
        for (nth, outcome) in (0_i64..).zip(outcomes) {
            let now = nth * gaps;
            let outcome = [Status::Pass, Status::Inconclusive, Status::Fail][usize::from(outcome)];
            failed = in_a_row(failed, last, outcome, rule.window, at(now));
            if outcome == Status::Fail {
                last = Some(at(now));
            }
            match decide(&rule, failed, Past { frozen: frozen.as_deref(), fired: &list, version: None }, &Moment::at(at(now))) {
                Decision::Fire => {
                    prop_assert!(frozen.is_none(), "a frozen task does not move");
                    prop_assert!(list.last().is_none_or(|last| at(now).duration_since(last.at.wall).as_secs() >= 1000));
                    list.push(fired(now, "1.0.0"));
                    let day = list.iter().filter(|one| at(now).duration_since(one.at.wall).as_secs() < 10_000).count();
                    prop_assert!(day <= rule.max_rollbacks);
                    failed = 0;
                }
                Decision::Freeze(why) => frozen = Some(why),
                Decision::Would(_) | Decision::Overruled(_) => prop_assert!(false, "neither can be here"),
                Decision::Nothing => prop_assert_eq!(failed, 0),
                Decision::Wait(_) => {}
            }
        }
    }

    #[test]
    fn a_dry_run_never_acts(failed in 0_u32..9, secs in proptest::collection::vec(-100_i64..9000, 0..5)) {
        let rule = RuleSpec { dry_run: true, ..rule() };
        let list: Vec<Fired> = secs.into_iter().map(|secs| fired(secs, "1.0.0")).collect();
        let decision = decide(&rule, failed, Past { frozen: None, fired: &list, version: None }, &Moment::at(at(5000)));
        prop_assert!(matches!(decision, Decision::Nothing | Decision::Wait(_) | Decision::Would(_)));
    }
}
