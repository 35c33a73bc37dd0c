//! Rules for sending, repeating, retrying and giving up alerts. `now` is always an argument.
//!
//! A clock that was set back must not silence anything: times in the future count as long past.

use std::time::Duration;

use jiff::Timestamp;

use crate::alert::{DeliveryState, Severity, StoredAlert};

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);
/// How long delivery is attempted; yesterday's alert is useless.
const TRIED_FOR: Duration = Duration::from_hours(24);

/// The action after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// Try again at this time.
    At(Timestamp),
    /// Give up.
    Never,
}

/// Returns the time since an earlier moment; `None` when the clock says it is in the future.
fn passed(earlier: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(now.duration_since(earlier)).ok()
}

/// Returns the pause after this many attempts: 10 s, doubled each time, at most one hour.
pub fn pause(attempts: u32) -> Duration {
    let doubled = 10_u64.saturating_mul(1 << attempts.saturating_sub(1).min(20));
    Duration::from_secs(doubled).min(LONGEST_PAUSE)
}

/// Decides when to retry an alert raised at `since` after this many attempts; `asked` is the pause
/// that the server requests.
pub fn next_attempt(
    since: Timestamp,
    attempts: u32,
    asked: Option<Duration>,
    now: Timestamp,
) -> RetryDecision {
    if passed(since, now).is_some_and(|age| age > TRIED_FOR) {
        return RetryDecision::Never;
    }
    let pause = pause(attempts).max(asked.unwrap_or_default().min(LONGEST_PAUSE));
    now.checked_add(pause)
        .map_or(RetryDecision::Never, RetryDecision::At)
}

/// True when an alert with the same key is folded into an earlier one instead of being sent.
pub fn folds(earlier: &StoredAlert, severity: Severity, repeat: Duration, now: Timestamp) -> bool {
    let recent = passed(earlier.alert.at, now).is_some_and(|age| age < repeat);
    recent && severity <= earlier.alert.severity && earlier.answers.is_empty()
}

/// True when a delivery should be tried now: it is due, and nobody else is handling it. No claim
/// counts for longer than `claim`, and no pause for longer than the longest.
pub fn is_due(kept: &StoredAlert, nth: usize, claim: Duration, now: Timestamp) -> bool {
    let delivery = &kept.deliveries[nth];
    let until = |then: Option<Timestamp>, most: Duration| {
        then.is_some_and(|then| {
            Duration::try_from(then.duration_since(now))
                .is_ok_and(|left| !left.is_zero() && left <= most)
        })
    };
    delivery.standing == DeliveryState::Pending
        && !until(delivery.next, LONGEST_PAUSE)
        && !until(delivery.claimed, claim)
}

/// Returns how long to wait before one more message after those of the last minute, if at all.
pub fn wait(sent: &[Timestamp], per_minute: u32, now: Timestamp) -> Option<Duration> {
    let minute = Duration::from_mins(1);
    let mut ages: Vec<Duration> = sent
        .iter()
        .filter_map(|at| passed(*at, now))
        .filter(|age| *age < minute)
        .collect();
    ages.sort_unstable();
    // The `per_minute`-th newest message must be a minute old.
    let blocking = ages.get(usize::try_from(per_minute.max(1)).ok()? - 1)?;
    Some(minute.saturating_sub(*blocking))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + secs).expect("it is in range")
    }

    #[test]
    fn pauses_grow_and_an_old_alert_is_given_up() {
        assert_eq!([1, 2, 3, 4].map(|n| pause(n).as_secs()), [10, 20, 40, 80]);
        assert_eq!([20, u32::MAX].map(pause), [LONGEST_PAUSE; 2]);
        assert_eq!(
            next_attempt(at(0), 1, None, at(5)),
            RetryDecision::At(at(15))
        );
        assert_eq!(
            next_attempt(at(0), 1, Some(Duration::from_mins(2)), at(5)),
            RetryDecision::At(at(125))
        );
        assert_eq!(
            next_attempt(at(0), 1, None, at(86_401)),
            RetryDecision::Never
        );
        assert_eq!(
            next_attempt(at(1000), 1, None, at(0)),
            RetryDecision::At(at(10)),
            "the clock was set back"
        );
    }

    proptest! {
        #[test]
        fn no_minute_has_more_messages_than_it_may(gaps in proptest::collection::vec(0_i64..40, 1..60), per_minute in 1_u32..6) {
            let (mut now, mut sent) = (at(0), Vec::new());
            for gap in gaps {
                now = now.checked_add(Duration::from_secs(u64::try_from(gap).expect("it is positive"))).expect("it is in range");
                if let Some(wait) = wait(&sent, per_minute, now) {
                    prop_assert!(wait > Duration::ZERO && wait <= Duration::from_mins(1));
                    continue;
                }
                sent.push(now);
                let last: Vec<_> = sent.iter().filter(|then| now.duration_since(**then).as_secs() < 60).collect();
                prop_assert!(last.len() <= usize::try_from(per_minute).expect("it is small"));
            }
        }
    }
}
