//! Names of the folders that operations may change.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Word for the work tree in plans.
const WORK_TREE: &str = "work-tree";

/// The name of a folder that operations may change.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RootName {
    /// The work tree of the repository.
    #[default]
    WorkTree,
    /// Another folder that the site has registered under this name.
    Named(Label),
}

/// A name of 1 to 64 lower-case letters, digits and `-`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

/// The error for a text that is not a folder name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no name of a folder: use 1 to 64 lower-case letters, digits and '-'")]
pub struct NotARootName(String);

impl RootName {
    /// Reads a name.
    ///
    /// # Errors
    /// When the text is not a valid name.
    pub fn parse(text: &str) -> Result<Self, NotARootName> {
        let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let begins = text.bytes().next().is_some_and(|c| c.is_ascii_lowercase());
        if !begins || text.len() > 64 || !text.bytes().all(legal) {
            return Err(NotARootName(text.chars().take(80).collect()));
        }
        Ok(match text {
            WORK_TREE => Self::WorkTree,
            other => Self::Named(Label(other.into())),
        })
    }

    /// True for the work tree.
    pub fn is_work_tree(&self) -> bool {
        *self == Self::WorkTree
    }
}

impl fmt::Display for RootName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WorkTree => WORK_TREE,
            Self::Named(Label(name)) => name,
        })
    }
}

impl TryFrom<String> for RootName {
    type Error = NotARootName;

    fn try_from(text: String) -> Result<Self, NotARootName> {
        Self::parse(&text)
    }
}

impl From<RootName> for String {
    fn from(name: RootName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_form() {
        for name in ["work-tree", "home", "a1-b", &"x".repeat(64)] {
            assert_eq!(
                RootName::parse(name).map(String::from),
                Ok(name.to_string())
            );
        }
        assert!(RootName::parse("work-tree").is_ok_and(|name| name.is_work_tree()));
        for bad in [
            "",
            "-a",
            "1a",
            "A",
            "a/b",
            "..",
            "a b",
            "a\0",
            &"x".repeat(65),
        ] {
            assert!(RootName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
