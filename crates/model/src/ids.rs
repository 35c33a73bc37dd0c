//! Newtype ids, never bare strings: task, operation, stored object, git object.

use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark, is_nfc};

use base::Digest;

use crate::fold::folded;

/// The id of a task: 1 to 100 letters and digits of any script, `.`, `_` and `-`, beginning with a
/// letter or a digit; at most 200 bytes, so that it fits into the names of files and tags.
///
/// It is in Unicode's form NFC, whatever form it was typed in: `é` is one character. Also refused:
/// anything that git refuses in a tag name (`..`, `.` or `.lock` at the end), `-` at the end, and
/// characters that nobody sees.
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
    /// Maximum length, in characters.
    const LONGEST: usize = 100;
    /// Maximum length, in bytes.
    const LONGEST_BYTES: usize = 200;

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the id that is written exactly so. In the name of a tag, another Unicode form is
    /// another name.
    pub fn exactly(text: &str) -> Option<Self> {
        text.parse().ok().filter(|id: &Self| id.0 == text)
    }

    /// Returns what two ids share that some file system takes for one name: the id without
    /// differences of case and of Unicode forms.
    pub fn folded(&self) -> String {
        folded(&self.0)
    }
}

/// True for a letter or a digit of any script, and for the marks that change a letter.
pub fn is_of_word(c: char) -> bool {
    (c.is_alphanumeric() || is_combining_mark(c)) && !is_unseen(c)
}

/// True for a letter or mark that shows nothing (those of Unicode's Default_Ignorable_Code_Point),
/// so that two ids would look the same.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{16fe4}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

impl FromStr for TaskId {
    type Err = NotATaskId;
    fn from_str(text: &str) -> Result<Self, NotATaskId> {
        let wrong = || NotATaskId(text.to_string());
        // Longer texts are not even looked at; NFC has at most a third of the bytes.
        if text.len() > 3 * Self::LONGEST_BYTES {
            return Err(wrong());
        }
        let id = if is_nfc(text) {
            text.to_string()
        } else {
            text.nfc().collect()
        };
        let is_sign = |c: char| matches!(c, '.' | '_' | '-');
        let mut before = '.';
        let mut follows = |c: char| {
            let is_first = is_sign(std::mem::replace(&mut before, c));
            // A mark belongs to the letter before it.
            is_sign(c) || is_of_word(c) && !(is_first && is_combining_mark(c))
        };
        let fits = (1..=Self::LONGEST).contains(&id.chars().count())
            && id.len() <= Self::LONGEST_BYTES
            && id.chars().all(&mut follows)
            && !id.starts_with(is_sign)
            && !id.contains("..")
            && !id.ends_with(['.', '-'])
            && !id.ends_with(".lock");
        if fits { Ok(Self(id)) } else { Err(wrong()) }
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
    use proptest::prelude::*;

    use super::*;
    use crate::{Scheme, TagName};

    #[test]
    fn task_ids() {
        let long = "策".repeat(66);
        for good in [
            "T01",
            "T01-v2",
            "a",
            "gix-features",
            "x.y_z",
            "策略一",
            "стратегия-1",
            "café",
            "हिन्दी",
            "ภาษาไทย",
            "٣-٤",
            "전략",
            &long,
        ] {
            let id = good.parse::<TaskId>().expect(good);
            assert_eq!(id.as_str(), good);
            assert_eq!(TaskId::exactly(good), Some(id));
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
            ".a",
            "_a",
            "a.",
            "a-",
            "策略\u{3000}一",
            "策\u{200b}略",
            "a\u{202e}b",
            "a\u{2066}b",
            "\u{feff}a",
            "a\u{ad}b",
            "a\u{200d}b",
            "a\u{3164}",
            "a\u{fe0f}",
            "\u{301}a",
            "a-\u{301}b",
            "a\u{7}",
            "a\u{85}b",
            "策略一。",
            "a！",
            "☃",
            &"x".repeat(101),
            &"策".repeat(67),
            &"é".repeat(101),
        ] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_id_is_in_nfc_in_whatever_form_it_was_typed() {
        let id: TaskId = "cafe\u{301}".parse().expect("it is one");
        assert_eq!(id.as_str(), "caf\u{e9}");
        assert_eq!(id, "café".parse().expect("it is one"));
        assert_eq!(TaskId::exactly("cafe\u{301}"), None);
        let jamo: TaskId = "\u{110c}\u{1165}\u{11ab}".parse().expect("it is one");
        assert_eq!(jamo.as_str(), "전");
        for (one, other) in [
            ("T01", "t01"),
            ("Café", "CAFE\u{301}"),
            ("ΣΑΣ", "σας"),
            ("СТРАТЕГИЯ", "стратегия"),
            ("straße", "STRASSE"),
        ] {
            let folded = |text: &str| text.parse::<TaskId>().expect(text).folded();
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn an_id_that_is_shown_is_the_same_id(text in "\\PC{1,12}") {
            if let Ok(id) = text.parse::<TaskId>() {
                prop_assert_eq!(TaskId::exactly(id.as_str()), Some(id.clone()));
                prop_assert!(id.as_str().len() <= 200);
                let name = format!("{id}-v1.2.0");
                let readings = TagName::readings(&name, &|_| Some(Scheme::Semver));
                prop_assert_eq!(readings.first().map(TagName::task), Some(&id));
            }
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
