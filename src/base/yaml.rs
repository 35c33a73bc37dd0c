//! YAML that may be hostile: size, depth, anchors and aliases are limited before it is read.
//!
//! The serde_yaml family expands a quadratic alias bomb to gigabytes, so every text passes
//! through serde-saphyr's limits first. Anchors and aliases are refused altogether in files
//! that snapback writes itself ([`Limits::machine`]).

use serde::{Serialize, de::DeserializeOwned, de::IgnoredAny};

/// What a text may hold at most.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes.
    pub bytes: usize,
    /// Nested maps and lists.
    pub depth: usize,
    /// Anchors, and aliases.
    pub anchors: usize,
}

impl Limits {
    /// For files that people write: 1 MiB, depth 64, 100 anchors.
    pub fn human() -> Self {
        Self { bytes: 1 << 20, depth: 64, anchors: 100 }
    }

    /// For files that snapback writes: 64 MiB, depth 16, no anchors.
    pub fn machine() -> Self {
        Self { bytes: 64 << 20, depth: 16, anchors: 0 }
    }
}

/// A text that is not acceptable YAML.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Larger than the limit.
    #[error("it has {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not UTF-8, not YAML, or past a limit.
    #[error("not acceptable YAML: {0}")]
    Syntax(String),
    /// YAML of another shape than expected.
    #[error("{0}")]
    Shape(String),
}

/// Checks the limits, then reads a value.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], limits: Limits) -> Result<T, Error> {
    check(bytes, limits)?;
    serde_yaml::from_slice(bytes).map_err(|error| Error::Shape(error.to_string()))
}

/// Writes a value.
pub fn render<T: Serialize>(value: &T) -> String {
    serde_yaml::to_string(value).expect("because plain data always renders")
}

/// Checks the limits without building anything.
pub fn check(bytes: &[u8], limits: Limits) -> Result<(), Error> {
    if bytes.len() > limits.bytes {
        return Err(Error::TooLarge { size: bytes.len(), limit: limits.bytes });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Error::Syntax(error.to_string()))?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: limits.depth,
            max_anchors: limits.anchors,
            max_aliases: limits.anchors,
            max_documents: 1,
            max_events: limits.bytes,
            max_nodes: limits.bytes,
            max_total_scalar_bytes: limits.bytes,
        },
    };
    serde_saphyr::from_str_with_options::<IgnoredAny>(text, options).map(drop).map_err(|error| Error::Syntax(one_line(&error.to_string())))
}

/// The first line of a message that may carry a drawing of the place and advice for programmers.
fn one_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line);
    let line = line.split_once(", set DuplicateKeyPolicy").map_or(line, |(line, _)| line);
    let Some((place, limit)) = line.split_once("budget breached: ") else { return super::text::escape(line.as_bytes()) };
    let what = match limit.split([' ', '{']).next().unwrap_or_default() {
        "Anchors" | "Aliases" | "AliasAnchorRatio" => "it has more anchors or aliases (`&`, `*`) than are read",
        "Depth" => "it is nested deeper than is read",
        "Documents" => "it has several documents",
        _ => "it is larger than is read",
    };
    super::text::escape(format!("{place}{what}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bombs_are_refused_quickly_and_cheaply() {
        let quadratic = format!("a: &a \"{}\"\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 20_000].join(", "));
        let billion = "a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n";
        let deep = "[".repeat(100_000);
        for text in [quadratic.as_str(), billion, &deep] {
            assert!(check(text.as_bytes(), Limits::machine()).is_err());
        }
        assert!(check(quadratic.as_bytes(), Limits::human()).is_err());
        assert!(matches!(check(&vec![b' '; 2 << 20], Limits::human()), Err(Error::TooLarge { .. })));
        assert!(check(b"a: \xff", Limits::human()).is_err());
    }

    #[test]
    fn honest_text_is_read() {
        let value: std::collections::BTreeMap<String, Vec<u8>> = parse(b"a: [1, 2]\n", Limits::machine()).expect("it is honest");
        assert_eq!(value["a"], [1, 2]);
    }
}
