//! Tests of alerts that fold, wait, are given up, and are sent once.

use super::*;
use crate::{alert::words::tests::sample, base::Root, model::alert::Severity};

fn channel(name: &str, least: Severity) -> ChannelSpec {
    ChannelSpec {
        name: name.into(),
        kind: "webhook".into(),
        describes: "JSON to http://127.0.0.1:1, signed with the variable X".into(),
        settings: serde_json::json!({
            "url": "http://127.0.0.1:1", "secret_from": { "env": "X" }
        }),
        least,
        per_minute: 2,
    }
}

fn outbox() -> (tempfile::TempDir, Outbox) {
    let dir = tempfile::tempdir().expect("because tests can make folders");
    let outbox = Outbox::new(Arc::new(Root::open(dir.path()).expect("it opens")));
    (dir, outbox)
}

/// Returns true while there is an alert that is to be sent.
fn has_pending(outbox: &Outbox) -> bool {
    let all = outbox.all().expect("it reads").0;
    all.iter().any(StoredAlert::is_pending)
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + secs).expect("it is in range")
}

fn alert(digits: u32, now: Timestamp) -> Alert {
    Alert {
        id: AlertId::new(digits),
        at: now,
        thread: None,
        folded: 0,
        ..sample()
    }
}

fn settings(channels: &[ChannelSpec]) -> AlertSettings {
    AlertSettings {
        channels: channels.to_vec(),
        repeat: Duration::from_hours(1),
        ..AlertSettings::default()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_same_folds_until_it_is_worse_answered_or_old_and_stories_are_threads() {
    let (_dir, outbox) = outbox();
    let channels = [
        channel("a", Severity::Warning),
        channel("b", Severity::Critical),
    ];
    let raise = |digits, secs: i64, key: &str, severity| {
        let raised = outbox
            .raise(
                Alert {
                    severity,
                    ..alert(digits, at(secs))
                },
                key,
                &settings(&channels),
                at(secs),
            )
            .expect("it writes");
        match raised {
            Raised::New(kept) => (true, kept),
            Raised::Folded(kept) => (false, kept),
        }
    };
    let (new, first) = raise(1, 0, "k", Severity::Warning);
    assert_eq!(
        (new, first.deliveries.len(), first.alert.thread),
        (true, 1, None),
        "b hears only of what is critical"
    );
    assert_eq!(
        (
            raise(2, 60, "k", Severity::Warning).0,
            raise(3, 120, "k", Severity::Info).1.repeats
        ),
        (false, 2)
    );
    let (new, worse) = raise(4, 180, "k", Severity::Critical);
    assert_eq!(
        (new, worse.deliveries.len(), worse.alert.folded),
        (true, 2, 2)
    );
    assert_eq!(worse.alert.thread, Some(AlertId::new(1)));
    outbox
        .answer(
            &AlertId::new(4),
            Answered {
                choice: "hold".parse().expect("it is one"),
                who: "li".into(),
                at: at(200),
            },
        )
        .expect("ok");
    assert!(
        raise(5, 240, "k", Severity::Critical).0,
        "after an answer it is told again"
    );
    assert!(!raise(6, 3000, "k", Severity::Critical).0);
    assert!(
        raise(7, 4000, "k", Severity::Critical).0,
        "an hour later it is told again"
    );
    assert!(
        raise(8, -9000, "k", Severity::Critical).0,
        "a clock that was set back silences nothing"
    );
}

#[test]
fn what_fails_waits_and_dies_and_can_be_sent_again() {
    let (dir, outbox) = outbox();
    let channels = [channel("a", Severity::Good)];
    outbox
        .raise(alert(1, at(0)), "k", &settings(&channels), at(0))
        .expect("it writes");
    let claim = |secs| {
        outbox
            .claim(&channels, SECOND, at(secs))
            .expect("it writes")
            .len()
    };
    assert_eq!((claim(0), claim(1)), (1, 0), "somebody is at it");
    assert_eq!(claim(7), 1, "that one was killed");
    let settle = |result: Result<(), SendFailure>, secs| {
        outbox
            .settle(&AlertId::new(1), "a", &result, at(secs))
            .expect("it writes");
    };
    settle(Err(SendFailure::later("no route")), 8);
    assert_eq!((claim(17), claim(18)), (0, 1));
    settle(Err(SendFailure::never("wrong key")), 19);
    let kept = outbox.find("0000").expect("it is there");
    assert_eq!(
        (kept.deliveries[0].standing, kept.deliveries[0].attempts),
        (DeliveryState::Dead, 2)
    );
    assert_eq!((claim(90_000), has_pending(&outbox)), (0, false));
    assert_eq!(
        (outbox.again(None).expect("it writes"), claim(90_000)),
        (1, 1)
    );
    settle(Ok(()), 90_001);
    assert_eq!(
        outbox.again(None).expect("it writes"),
        0,
        "what was sent is not sent again"
    );
    // A broken record is counted and harms nothing else.
    std::fs::File::create(dir.path().join("alerts/000009-00000009.json")).expect("it writes");
    assert_eq!(
        outbox
            .all()
            .map(|(all, damaged)| (all.len(), damaged))
            .expect("it reads"),
        (1, 1)
    );
    assert_eq!(
        outbox
            .claim(&[], SECOND, at(90_002))
            .expect("it writes")
            .len(),
        0
    );
}

#[test]
fn what_is_raised_while_no_channel_is_known_goes_to_those_that_are_known_next() {
    let (_dir, outbox) = outbox();
    let unknown = AlertSettings {
        known: false,
        ..AlertSettings::default()
    };
    outbox
        .raise(alert(1, at(0)), "k", &unknown, at(0))
        .expect("it writes");
    assert!(has_pending(&outbox));
    let channels = [channel("a", Severity::Good)];
    let claims = outbox.claim(&channels, SECOND, at(1)).expect("it writes");
    assert_eq!(
        claims
            .iter()
            .map(|claim| (&claim.alert.id, claim.channel.as_str()))
            .collect::<Vec<_>>(),
        [(&AlertId::new(1), "a")]
    );
    outbox
        .settle(&AlertId::new(1), "a", &Ok(()), at(2))
        .expect("it writes");
    assert!(!has_pending(&outbox));
    assert_eq!(
        outbox
            .claim(&channels, SECOND, at(90_000))
            .expect("it writes")
            .len(),
        0,
        "once"
    );
}

#[test]
fn a_channel_gets_no_more_than_it_may() {
    let (_dir, outbox) = outbox();
    let channels = [channel("a", Severity::Good)];
    for digits in 1..=4 {
        outbox
            .raise(
                alert(digits, at(0)),
                &format!("k{digits}"),
                &settings(&channels),
                at(0),
            )
            .expect("it writes");
    }
    let claims = outbox.claim(&channels, SECOND, at(0)).expect("it writes");
    assert_eq!(claims.len(), 2);
    for claim in claims {
        outbox
            .settle(&claim.alert.id, "a", &Ok(()), at(0))
            .expect("it writes");
    }
    assert_eq!(
        outbox
            .claim(&channels, SECOND, at(59))
            .expect("it writes")
            .len(),
        0
    );
    assert_eq!(
        outbox
            .claim(&channels, SECOND, at(61))
            .expect("it writes")
            .len(),
        2
    );
}
