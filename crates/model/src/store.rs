//! What the store says of itself: sizes, damage, what a collection freed and a repair healed.

use serde::Serialize;

use crate::ObjectId;

/// Something of the store that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Harm {
    /// The file, below the state folder; empty when something is missing that no file is known for.
    pub file: String,
    /// What was seen.
    pub why: String,
    /// The chunk, list or object that is bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<ObjectId>,
    /// The objects that need it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ObjectId>,
}

/// What a check found.
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
    /// Number of packs that the budget left for the next check.
    pub remaining: usize,
    /// Number of files that nothing needs: the next collection removes them.
    pub leftovers: usize,
    /// Everything that is not what it should be.
    pub damage: Vec<Harm>,
    /// Objects that cannot be given back now: there is no other copy of what is damaged.
    pub lost: Vec<ObjectId>,
}

impl CheckReport {
    /// True when nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.lost.is_empty()
    }
}

/// What a collection did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// True when nothing was changed.
    pub dry_run: bool,
    /// Number of objects that must stay.
    pub roots: usize,
    /// Objects that must stay and are not there, or not whole.
    pub missing: Vec<ObjectId>,
    /// Objects that nothing names: they are given up.
    pub dropped: Vec<ObjectId>,
    /// Number of chunks and lists that nothing needs.
    pub dead_blobs: u64,
    /// Number of their stored bytes.
    pub dead_bytes: u64,
    /// Number of packs removed as a whole.
    pub removed_packs: usize,
    /// Number of packs written again without what nothing needs.
    pub rewritten_packs: usize,
    /// Number of packs that could not be written again, because the disk is full or a chunk is bad.
    pub kept_packs: usize,
    /// Number of bytes that the store was made smaller by.
    pub freed: u64,
    /// Number of files left over by interrupted work and removed.
    pub leftovers: usize,
    /// Number of objects of the old format that were put into packs.
    pub migrated: usize,
    /// Number of sessions at work that began too early for the collection to go on now.
    pub sessions_at_work: usize,
}

impl GcReport {
    /// True when something was changed.
    pub fn is_change(&self) -> bool {
        !self.dry_run
            && self.removed_packs + self.rewritten_packs + self.leftovers + self.migrated > 0
    }
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// What was wrong.
    pub damage: Vec<Harm>,
    /// Files taken out of use; they lie in the quarantine.
    pub quarantined: Vec<String>,
    /// Number of chunks and lists that were copied out of damaged packs.
    pub copied: u64,
    /// Objects that were damaged and can be given back again.
    pub healed: Vec<ObjectId>,
    /// Objects that cannot be given back: no intact copy was found.
    pub lost: Vec<ObjectId>,
}

/// A group of objects: a task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GroupStats {
    /// Its name.
    pub name: String,
    /// Number of its objects.
    pub objects: usize,
    /// Number of their plain bytes, as often as they are named.
    pub logical: u64,
    /// Number of plain bytes of their different chunks.
    pub unique: u64,
    /// Number of stored bytes of those.
    pub stored: u64,
    /// Objects that are not in this store.
    pub missing: usize,
}

/// The store in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StoreStats {
    /// Number of plain bytes of the objects of all groups.
    pub logical: u64,
    /// Number of plain bytes of all different chunks.
    pub unique: u64,
    /// Number of bytes of all packs on the disk.
    pub stored: u64,
    /// Number of bytes of the index.
    pub index: u64,
    /// Number of packs.
    pub packs: usize,
    /// Number of chunks.
    pub chunks: u64,
    /// Number of files of more than one chunk.
    pub lists: u64,
    /// Number of index segments.
    pub segments: usize,
    /// Number of objects of the old format.
    pub old_objects: usize,
    /// Stored bytes that no group needs: about what a collection would free.
    pub garbage: u64,
    /// Seconds since 1970 of the last collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_gc: Option<i64>,
    /// Seconds since 1970 of the last check of every pack's checksums.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fast: Option<i64>,
    /// Seconds since 1970 of the last check of every chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_deep: Option<i64>,
    /// By group.
    pub groups: Vec<GroupStats>,
}
