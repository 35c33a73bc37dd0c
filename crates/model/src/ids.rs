//! Newtype ids, never bare strings: task, operation, stored object, git object.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use base::Digest;

/// The id of a task: 1 to 100 of `[A-Za-z0-9._-]`, beginning with a letter or a digit.
///
/// Also refused: anything that git refuses in a tag name (`..`, `.` or `.lock` at the end), and `-`
/// at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TaskId(String);

/// The error for a text that is not a task id.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a task id: use letters, digits, '.', '_' and '-', beginning with a letter or digit"
)]
pub struct NotATaskId(pub String);

impl TaskId {
    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TaskId {
    type Err = NotATaskId;
    fn from_str(text: &str) -> Result<Self, NotATaskId> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        let fits = (1..=100).contains(&text.len())
            && text.bytes().all(legal)
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && !text.contains("..")
            && !text.ends_with(['.', '-'])
            && !text.ends_with(".lock");
        if fits {
            Ok(Self(text.to_string()))
        } else {
            Err(NotATaskId(text.to_string()))
        }
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> Self {
        id.0
    }
}

impl TryFrom<String> for TaskId {
    type Error = NotATaskId;
    fn try_from(text: String) -> Result<Self, NotATaskId> {
        text.parse()
    }
}

/// The id of an operation: a counter, which defines the order, and 8 hex digits, which users type.
///
/// Written as `000012-9f3c21aa` (the folder's name), shown as `9f3c21aa`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct OpId {
    counter: u64,
    word: u32,
}

/// The error for a text that is not an operation id.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an operation id")]
pub struct NotAnOpId(pub String);

impl OpId {
    /// Creates an id from a counter and random digits.
    pub fn new(counter: u64, word: u32) -> Self {
        Self { counter, word }
    }

    /// Returns the counter. Operations are ordered by it, never by clocks.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// Returns the 8 hex digits that users see and type.
    pub fn short(&self) -> String {
        format!("{:08x}", self.word)
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06}-{:08x}", self.counter, self.word)
    }
}

impl FromStr for OpId {
    type Err = NotAnOpId;
    fn from_str(text: &str) -> Result<Self, NotAnOpId> {
        let wrong = || NotAnOpId(text.to_string());
        let (counter, word) = text.split_once('-').ok_or_else(wrong)?;
        let id = Self {
            counter: counter.parse().map_err(|_| wrong())?,
            word: u32::from_str_radix(word, 16).map_err(|_| wrong())?,
        };
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(wrong())
        }
    }
}

impl From<OpId> for String {
    fn from(id: OpId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for OpId {
    type Error = NotAnOpId;
    fn try_from(text: String) -> Result<Self, NotAnOpId> {
        text.parse()
    }
}

/// The id of an object in the content-addressed store, which a manifest names for a large file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(pub Digest);

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a git object: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
///
/// The digits are stored inline, because lists of 50,000 files hold three ids each.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct GitId(Digits);

/// The digits of an id, all ASCII.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Digits {
    Sha1([u8; 40]),
    Sha256(Box<[u8; 64]>),
}

/// The error for a text that is not the id of a git object.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the id of a git object")]
pub struct NotAGitId(pub String);

impl GitId {
    /// Returns the id as hex digits.
    pub fn as_str(&self) -> &str {
        let digits: &[u8] = match &self.0 {
            Digits::Sha1(digits) => digits,
            Digits::Sha256(digits) => &**digits,
        };
        std::str::from_utf8(digits).expect("because hex digits are ASCII")
    }

    /// Returns the first eight digits, for display.
    pub fn short(&self) -> &str {
        &self.as_str()[..8]
    }
}

impl FromStr for GitId {
    type Err = NotAGitId;
    fn from_str(text: &str) -> Result<Self, NotAGitId> {
        let bytes = text.as_bytes();
        let sha1 = || bytes.try_into().map(Digits::Sha1).ok();
        let sha256 = || Some(Digits::Sha256(Box::new(bytes.try_into().ok()?)));
        let digits = sha1()
            .or_else(sha256)
            .filter(|_| bytes.iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')));
        digits.map(Self).ok_or_else(|| NotAGitId(text.to_string()))
    }
}

impl Hash for GitId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_str().as_bytes());
    }
}

impl fmt::Display for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for GitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitId({:?})", self.as_str())
    }
}

impl From<GitId> for String {
    fn from(id: GitId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for GitId {
    type Error = NotAGitId;
    fn try_from(text: String) -> Result<Self, NotAGitId> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn task_ids() {
        for good in ["T01", "T01-v2", "a", "gix-features", "x.y_z"] {
            assert!(good.parse::<TaskId>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-x",
            "a b",
            "a..b",
            "a.lock",
            "a/b",
            "$(id)",
            "a\n",
            "é",
            ".a",
            "a.",
            "a-",
            &"x".repeat(101),
        ] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn op_ids_round_trip_and_order_by_counter() {
        let id = OpId::new(12, 0x9f3c_21aa);
        assert_eq!(id.to_string(), "000012-9f3c21aa");
        assert_eq!("000012-9f3c21aa".parse::<OpId>().expect("it is one"), id);
        assert!(OpId::new(2, 0) > OpId::new(1, u32::MAX));
        for bad in ["", "12-9f3c21aa", "000012", "000012-9F3C21AA", "../../x-1"] {
            assert!(bad.parse::<OpId>().is_err(), "{bad}");
        }
    }
}
