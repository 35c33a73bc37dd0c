//! The only place that asks what time it is. Order never comes from here; see [`super::OpId`].

use jiff::Timestamp;

/// Wall-clock time, or a fixed time for tests and reproducible runs.
#[derive(Debug, Clone, Copy, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// Always the same moment.
    Fixed(Timestamp),
}

impl Clock {
    /// Now, cut to whole seconds: that is what git and the manifest can hold.
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the clock's one owner")]
            Self::System => Timestamp::from_second(Timestamp::now().as_second()).expect("because a whole second of now is in range"),
            Self::Fixed(time) => *time,
        }
    }
}

/// Now, as files are stamped: seconds and nanoseconds since 1970. For telling whether a file was
/// left alone since; never for order.
pub fn of_files() -> (i64, u32) {
    #[expect(clippy::disallowed_methods, reason = "the clock's one owner")]
    let now = Timestamp::now();
    (now.as_second(), u32::try_from(now.subsec_nanosecond()).unwrap_or(0))
}
