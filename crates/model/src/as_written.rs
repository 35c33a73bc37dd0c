//! Values in files that may be hand-written: parsed when possible, and written back unchanged.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value, or the text found where one is expected. It is written exactly as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsWritten<T> {
    /// A value in its canonical spelling.
    Value(T),
    /// Any other text: a value in another spelling, part of one, or no value.
    Text(String),
}

impl<T: FromStr + fmt::Display> AsWritten<T> {
    /// Reads a text; never fails.
    pub fn read(text: String) -> Self {
        match text.parse::<T>() {
            Ok(value) if value.to_string() == text => Self::Value(value),
            _ => Self::Text(text),
        }
    }
}

impl<T: FromStr + Clone> AsWritten<T> {
    /// Returns the value, in any spelling; `None` when the text is not a value.
    pub fn value(&self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value.clone()),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

/// The empty text, to be filled in later.
impl<T> Default for AsWritten<T> {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl<T: fmt::Display> fmt::Display for AsWritten<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl<T: fmt::Display> Serialize for AsWritten<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de, T: FromStr + fmt::Display> Deserialize<'de> for AsWritten<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::read)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn what_is_written_is_what_was_read() {
        let at: Timestamp = "2026-02-24T05:10:00Z".parse().expect("it is a time");
        for (text, value) in [
            ("2026-02-24T05:10:00Z", Some(at)),
            ("2026-02-24T06:10:00+01:00", Some(at)),
            ("2026-02-24", None),
            ("", None),
        ] {
            let read = AsWritten::<Timestamp>::read(text.into());
            assert_eq!((read.to_string(), read.value()), (text.into(), value));
        }
        assert_eq!(AsWritten::read(at.to_string()), AsWritten::Value(at));
    }
}
