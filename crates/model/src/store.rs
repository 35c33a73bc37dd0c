//! Reports of the store: sizes, damage, collections and repairs.

use serde::Serialize;

use crate::ObjectId;

/// A damaged part of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Harm {
    /// The file, below the state folder; empty when the missing data has no known file.
    pub file: String,
    /// Description of the damage.
    pub why: String,
    /// The damaged chunk, list or object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<ObjectId>,
    /// The objects that need it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectId>,
}

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// `quick`, `fast` or `deep`.
    pub level: String,
    /// Number of packs that were checked.
    pub packs: usize,
    /// Number of their bytes.
    pub bytes: u64,
    /// Number of chunks and lists in them.
    pub blobs: u64,
    /// Number of packs left for the next check when the budget ran out.
    pub remaining: usize,
    /// Number of unneeded files, which the next collection removes.
    pub leftovers: usize,
    /// All damage.
    pub damage: Vec<Harm>,
    /// Objects that cannot be read now, because damaged data has no other copy.
    pub lost: Vec<ObjectId>,
}

impl CheckReport {
    /// True when there is no damage.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.lost.is_empty()
    }
}

/// The result of a collection, or of its dry run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// True when nothing was changed.
    pub dry_run: bool,
    /// Number of objects that must stay.
    pub roots: usize,
    /// Objects that must stay but are missing or incomplete.
    pub missing: Vec<ObjectId>,
    /// Objects that nothing names, which are removed.
    pub dropped: Vec<ObjectId>,
    /// Number of chunks and lists that nothing needs.
    pub dead_blobs: u64,
    /// Number of their stored bytes.
    pub dead_bytes: u64,
    /// Number of packs removed as a whole.
    pub removed_packs: usize,
    /// Number of packs rewritten without unneeded data.
    pub rewritten_packs: usize,
    /// Number of packs that could not be rewritten, because the disk is full or a chunk is bad.
    pub kept_packs: usize,
    /// Number of bytes by which the store shrank.
    pub freed: u64,
    /// Number of leftover files of interrupted work that were removed.
    pub leftovers: usize,
    /// Number of objects of the old format that were put into packs.
    pub migrated: usize,
    /// Number of active sessions that began too early for the collection to continue now.
    pub sessions_at_work: usize,
}

impl GcReport {
    /// True when something was changed.
    pub fn is_change(&self) -> bool {
        let files = self.removed_packs + self.rewritten_packs + self.leftovers + self.migrated;
        !self.dry_run && (files > 0 || !self.dropped.is_empty())
    }
}

/// The result of a repair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// The damage that was found.
    pub damage: Vec<Harm>,
    /// Files moved to the quarantine.
    pub quarantined: Vec<String>,
    /// Number of chunks and lists copied from damaged packs.
    pub copied: u64,
    /// Objects that were damaged and can be read again.
    pub healed: Vec<ObjectId>,
    /// Objects that cannot be read: no intact copy was found.
    pub lost: Vec<ObjectId>,
}

/// A group of objects: a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GroupStats {
    /// Its name.
    pub name: String,
    /// Number of its objects.
    pub objects: usize,
    /// Number of their plain bytes, counted each time they are named.
    pub logical: u64,
    /// Number of plain bytes of their distinct chunks.
    pub unique: u64,
    /// Number of stored bytes of those chunks.
    pub stored: u64,
    /// Number of objects that are not in this store.
    pub missing: usize,
}

/// Statistics of the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreStats {
    /// Number of plain bytes of the objects of all groups.
    pub logical: u64,
    /// Number of plain bytes of all distinct chunks.
    pub unique: u64,
    /// Number of bytes of all packs on the disk.
    pub stored: u64,
    /// Number of bytes of the index.
    pub index: u64,
    /// Number of packs.
    pub packs: usize,
    /// Number of chunks.
    pub chunks: u64,
    /// Number of files with more than one chunk.
    pub lists: u64,
    /// Number of index segments.
    pub segments: usize,
    /// Number of objects of the old format.
    pub old_objects: usize,
    /// Stored bytes that no group needs: about what a collection would free.
    pub garbage: u64,
    /// Time of the last collection, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_gc: Option<i64>,
    /// Time since which every pack has had its checksums checked, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fast: Option<i64>,
    /// Time since which every chunk has been checked, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_deep: Option<i64>,
    /// Statistics by group.
    pub groups: Vec<GroupStats>,
}

#[cfg(test)]
mod tests {
    use base::Digest;

    use super::*;

    #[test]
    fn a_collection_that_only_dropped_objects_of_the_old_format_changed_something() {
        let mut report = GcReport::default();
        assert!(!report.is_change());
        report.dropped.push(ObjectId(Digest::of(b"x")));
        assert!(report.is_change());
        report.dry_run = true;
        assert!(!report.is_change());
    }
}
