//! Times and sizes as people write them: `30s`, `5m`, `2h`, `1m30s`; `50MB`, `1GiB`.

use std::{borrow::Cow, fmt, time::Duration};

use jiff::fmt::friendly::{Spacing, SpanPrinter};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Serialize, Serializer,
    de::{self, Deserializer, Visitor},
};

/// Prints times in the form in which they are read, `1m30s`.
const COMPACT: SpanPrinter = SpanPrinter::new().spacing(Spacing::None);

/// A time limit: numbers with `ms`, `s`, `m` or `h`, longer than zero and at most 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeout(pub Duration);

/// A number of bytes: a number, or one with `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000) or
/// `KiB`, `MiB`, `GiB`, `TiB` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size(pub u64);

impl Timeout {
    /// Returns a limit of this many seconds.
    pub const fn secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// Reads the written form.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text.trim();
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let (number, after) = split_number(rest)?;
            let end = after
                .find(|c: char| c.is_ascii_digit())
                .unwrap_or(after.len());
            let millis = match &after[..end] {
                "ms" => 1,
                "s" => 1000,
                "m" | "min" => 60_000,
                "h" => 3_600_000,
                _ => return None,
            };
            total = total.checked_add(number.checked_mul(millis)?)?;
            rest = &after[end..];
        }
        (1..=86_400_000)
            .contains(&total)
            .then(|| Self(Duration::from_millis(total)))
    }
}

/// A pause: a time limit, or none at all (`0s`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct OptionalTimeout(pub Timeout);

impl<'de> Deserialize<'de> for OptionalTimeout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_none = split_number(text.trim()).is_some_and(|(number, unit)| {
            number == 0 && ["ms", "s", "m", "min", "h"].contains(&unit)
        });
        let read = if is_none {
            Some(Timeout::secs(0))
        } else {
            Timeout::parse(&text)
        };
        read.map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not a time; write 0s, 30s, 5m or 2h, at most 24h"
            ))
        })
    }
}

/// Writes the form that people use, for the defaults that the schema shows.
impl Serialize for Timeout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&COMPACT.unsigned_duration_to_string(&self.0))
    }
}

impl JsonSchema for Timeout {
    fn schema_name() -> Cow<'static, str> {
        "duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([0-9]+(ms|s|m|min|h))+$",
            "description": "A time such as `500ms`, `30s`, `5m`, `2h` or `1m30s`; at most `24h`."
        })
    }
}

impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]+ ?([kKmMgGtT]([iI]?[bB])?|[bB])?$" }
            ],
            "description": "A number of bytes, or a size such as `50MB` or `1GiB`."
        })
    }
}

impl Size {
    /// Reads the written form.
    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split_number(text.trim())?;
        let (base, power): (u64, u32) = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => (1, 1),
            "k" | "kb" => (1000, 1),
            "m" | "mb" => (1000, 2),
            "g" | "gb" => (1000, 3),
            "t" | "tb" => (1000, 4),
            "kib" => (1024, 1),
            "mib" => (1024, 2),
            "gib" => (1024, 3),
            "tib" => (1024, 4),
            _ => return None,
        };
        number.checked_mul(base.checked_pow(power)?).map(Self)
    }
}

/// Returns the number at the beginning of a text, and the rest.
fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

impl<'de> Deserialize<'de> for Timeout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "{text:?} is not a time limit; write 30s, 5m or 2h, above 0s and at most 24h"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

/// Reads a [`Size`].
struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = Size;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 50MB or 1GiB")
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
        Ok(Size(bytes))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
        Size::parse(text).ok_or_else(|| {
            E::custom(format!(
                "{text:?} is not a size; write 50MB or 1GiB, without a fraction"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let secs = |text: &str| Timeout::parse(text).map(|timeout| timeout.0.as_secs_f32());
        assert_eq!(
            ["30s", "5m", "2h", "1m30s", "500ms"].map(secs),
            [Some(30.0), Some(300.0), Some(7200.0), Some(90.0), Some(0.5)]
        );
        for text in [
            "",
            "0s",
            "30",
            "-1s",
            "1d",
            "25h",
            "s",
            "1.5h",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert_eq!(Timeout::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_written_as_they_are_read() {
        for text in ["30s", "5m", "2h", "1m30s", "1h1m1s1ms", "24h"] {
            let read = Timeout::parse(text).expect(text);
            assert_eq!(serde_json::json!(read), text);
        }
        assert_eq!(serde_json::json!(OptionalTimeout(Timeout::secs(0))), "0s");
    }

    #[test]
    fn a_pause_may_be_none() {
        let read = |text: &str| {
            serde_json::from_value::<OptionalTimeout>(text.into())
                .ok()
                .map(|pause| pause.0.0.as_secs())
        };
        assert_eq!(
            ["0s", "0m", " 0h ", "5m"].map(read),
            [Some(0), Some(0), Some(0), Some(300)]
        );
        assert_eq!(["", "0", "-1s", "25h"].map(read), [None; 4]);
    }

    #[test]
    fn sizes() {
        let bytes = |text: &str| Size::parse(text).map(|size| size.0);
        assert_eq!(
            ["7", "50MB", "1GiB", "2 kB", "0"].map(bytes),
            [
                Some(7),
                Some(50_000_000),
                Some(1 << 30),
                Some(2000),
                Some(0)
            ]
        );
        for text in ["", "MB", "1.5GB", "-1", "1XB", "99999999TB"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }
}
