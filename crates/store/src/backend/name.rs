//! Names of files in a store: the area of a file, and its name in that area.

use std::fmt;

use base::Digest;
use model::ObjectId;

/// A part of a store in which every name is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// Packs, by their id.
    Packs,
    /// Index files, by the digest of their bytes.
    Index,
    /// The records of the commit log, by their sequence number.
    Log,
    /// Notes that may be lost at the cost of a repeated check.
    Notes,
    /// Damaged files that repairs have taken out of use.
    Quarantine,
    /// The active sessions. Their names exist as long as their leases, and have no bytes.
    Sessions,
    /// Files being written, without a name of their own yet.
    Staging,
    /// Objects of stores from before packs existed, by their id.
    Legacy,
}

impl Area {
    /// Every area.
    pub const ALL: [Self; 8] = [
        Self::Packs,
        Self::Index,
        Self::Log,
        Self::Notes,
        Self::Quarantine,
        Self::Sessions,
        Self::Staging,
        Self::Legacy,
    ];

    /// Returns its word in names and paths.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Packs => "packs",
            Self::Index => "index",
            Self::Log => "log",
            Self::Notes => "notes",
            Self::Quarantine => "quarantine",
            Self::Sessions => "sessions",
            Self::Staging => "tmp",
            Self::Legacy => "objects",
        }
    }
}

/// The name of a file of a store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName {
    /// The area it belongs to.
    pub area: Area,
    /// Its name in that area: letters, digits, dots and hyphens.
    pub name: String,
}

impl FileName {
    /// Returns the name of a file in an area.
    pub fn new(area: Area, name: impl Into<String>) -> Self {
        Self {
            area,
            name: name.into(),
        }
    }

    /// Returns the name of a pack.
    pub fn pack(id: &Digest) -> Self {
        Self::new(Area::Packs, id.hex())
    }

    /// Returns the name of an index file: a segment or a list of condemned blobs.
    pub fn index(id: &Digest) -> Self {
        Self::new(Area::Index, id.hex())
    }

    /// Returns the name of a record of the commit log.
    pub fn record(sequence: u64) -> Self {
        Self::new(Area::Log, format!("{sequence:016x}"))
    }

    /// Returns the name of the notes of when each pack was last checked.
    pub fn verified() -> Self {
        Self::new(Area::Notes, "verified")
    }

    /// Returns the name of an object of a store from before packs existed.
    pub fn legacy(id: &ObjectId) -> Self {
        Self::new(Area::Legacy, id.0.hex())
    }

    /// Returns a free name in the quarantine for this file.
    pub fn aside(&self, taken: &[String]) -> Self {
        let base = format!("{}-{}", self.area.word(), self.name);
        let mut name = base.clone();
        for nth in 1.. {
            if !taken.contains(&name) {
                break;
            }
            name = format!("{base}.{nth}");
        }
        Self::new(Area::Quarantine, name)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.area.word(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_the_quarantine_is_one_that_is_free() {
        let pack = FileName::new(Area::Packs, "aa");
        let mut taken = Vec::new();
        for expected in ["packs-aa", "packs-aa.1", "packs-aa.2"] {
            let aside = pack.aside(&taken);
            assert_eq!(aside, FileName::new(Area::Quarantine, expected));
            taken.push(aside.name);
        }
    }
}
