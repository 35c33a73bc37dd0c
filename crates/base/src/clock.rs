//! The only module that reads the time. Never used for ordering: operation ids provide that.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Wall-clock time, or a fixed time for tests and reproducible runs.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// A fixed moment.
    Fixed(Timestamp),
}

/// Returns a duration in whole milliseconds, for reports.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns the local time zone from `TZ` or `/etc/localtime`; UTC where neither is set.
///
/// Reads the zone's file directly: jiff would look the name up in a list of all zones, which it
/// builds by walking all their folders.
pub fn zone() -> TimeZone {
    let name = std::env::var_os("TZ")
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty());
    let path = match &name {
        None => PathBuf::from("/etc/localtime"),
        Some(name) => Path::new("/usr/share/zoneinfo").join(name.trim_start_matches(':')),
    };
    let read = || {
        TimeZone::tzif(
            name.as_deref().unwrap_or_default(),
            &std::fs::read(path).ok()?,
        )
        .ok()
    };
    read().unwrap_or_else(TimeZone::system)
}

/// Formats a moment for display: in the zone, to the minute, with the offset, as in `2026-02-24
/// 13:10 +08:00`.
pub fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M %:z")
        .to_string()
}

/// Like [`local`], but to the second.
pub fn local_exact(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S %:z")
        .to_string()
}

impl Clock {
    /// Returns the current time in whole seconds, which is all that git and the manifest can hold.
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the clock's one owner")]
            Self::System => Timestamp::from_second(Timestamp::now().as_second())
                .expect("because a whole second of now is in range"),
            Self::Fixed(time) => *time,
        }
    }

    /// Returns the current moment; elapsed time measured from it survives changes of the clock.
    pub fn moment(&self) -> Moment {
        let uptime = match self {
            Self::System => Uptime::now(),
            Self::Fixed(_) => None,
        };
        Moment {
            wall: self.now(),
            uptime,
        }
    }
}

/// A serializable moment: the wall-clock time and the machine's uptime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The wall-clock time.
    pub wall: Timestamp,
    /// The machine's uptime, which nobody can set; it restarts at every boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime: Option<Uptime>,
}

/// How long a machine has been running since a certain boot, sleep included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uptime {
    /// The id of the boot.
    pub boot: String,
    /// Whole seconds since the boot.
    pub secs: u64,
    /// Additional nanoseconds; 0 in records of older versions.
    #[serde(default)]
    pub nanos: u32,
}

impl Uptime {
    /// Returns the current uptime; `None` where the system does not report it.
    fn now() -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()?
            .trim()
            .to_string();
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Some(Self {
            boot,
            secs: u64::try_from(time.tv_sec).ok()?,
            nanos: u32::try_from(time.tv_nsec).unwrap_or(0),
        })
    }

    /// Returns the uptime as a duration.
    fn ran(&self) -> Duration {
        Duration::from_secs(self.secs).saturating_add(Duration::from_nanos(self.nanos.into()))
    }
}

impl Moment {
    /// Returns a moment that has a wall-clock time only.
    pub fn at(wall: Timestamp) -> Self {
        Self { wall, uptime: None }
    }

    /// Returns the time elapsed since `earlier`; `None` if the clock says that `earlier` is later,
    /// so that the answer is unknown. Within one boot, changes of the clock have no effect.
    pub fn since(&self, earlier: &Self) -> Option<Duration> {
        if let (Some(now), Some(then)) = (&self.uptime, &earlier.uptime)
            && now.boot == then.boot
        {
            return Some(now.ran().saturating_sub(then.ran()));
        }
        Duration::try_from(self.wall.duration_since(earlier.wall)).ok()
    }
}

/// Returns the current time as files are stamped: seconds and nanoseconds since 1970. For telling
/// whether a file has been left alone since; never for ordering.
pub fn of_files() -> (i64, u32) {
    #[expect(clippy::disallowed_methods, reason = "the clock's one owner")]
    let now = Timestamp::now();
    (
        now.as_second(),
        u32::try_from(now.subsec_nanosecond()).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zone_is_the_one_that_a_walk_through_all_zones_would_find() {
        let (ours, theirs) = (zone(), TimeZone::system());
        for second in (0..2_000_000_000).step_by(86_400 * 91) {
            let at = Timestamp::from_second(second).expect("it is in range");
            assert_eq!(ours.to_offset(at), theirs.to_offset(at), "{at}");
        }
    }

    #[test]
    fn a_running_machine_does_not_believe_its_clock() {
        let exactly = |wall: i64, boot: &str, secs: u64, nanos: u32| Moment {
            wall: Timestamp::from_second(wall).expect("it is in range"),
            uptime: Some(Uptime {
                boot: boot.into(),
                secs,
                nanos,
            }),
        };
        let moment = |wall, boot, secs| exactly(wall, boot, secs, 0);
        let then = moment(1_000_000, "a", 50);
        assert_eq!(
            moment(5, "a", 110).since(&then),
            Some(Duration::from_mins(1)),
            "the clock was set back"
        );
        assert_eq!(
            moment(9_000_000, "a", 110).since(&then),
            Some(Duration::from_mins(1)),
            "the clock was set forward"
        );
        assert_eq!(
            moment(1_000_060, "b", 3).since(&then),
            Some(Duration::from_mins(1)),
            "the machine was started anew"
        );
        assert_eq!(moment(5, "b", 3).since(&then), None, "nobody knows");
        let half = exactly(1_000_000, "a", 50, 900_000_000);
        assert_eq!(
            exactly(1_000_001, "a", 51, 100_000_000).since(&half),
            Some(Duration::from_millis(200)),
            "not a whole second"
        );
        assert_eq!(
            half.since(&exactly(1, "a", u64::MAX, u32::MAX)),
            Some(Duration::ZERO),
            "what a damaged record says does no harm"
        );
        let system = Clock::System.moment();
        assert!(
            Clock::System
                .moment()
                .since(&system)
                .is_some_and(|passed| passed < Duration::from_mins(10))
        );
    }
}
