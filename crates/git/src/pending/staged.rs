//! A pack that is complete but has no name yet: what an operation needs of git before it begins.
//!
//! Its files lie in the pack folder under the name of the operation, where neither git nor gix sees
//! them, and are forced to the disk together with the operation's journal. They get their final
//! names before a reference can name an object in them, and those names reach the disk before any
//! reference moves. What a killed process left is loaded by whoever ends its operation.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use gix::ObjectId;
use rustix::fs::{FlockOperation, flock};

use super::{
    super::{Error, disk, gather, pack::PackOffset},
    TEMP,
};
use base::at_once;

/// The kinds of a pack's files, in the order in which they are named: git sees a pack from the
/// moment that its index exists.
const KINDS: [&str; 3] = ["keep", "pack", "idx"];

/// A complete pack without a name.
pub(super) struct StagedPack {
    folder: PathBuf,
    op: String,
    /// What git calls the pack.
    trailer: ObjectId,
    /// Those of its files that are not named, by [`KINDS`]; open, and so locked.
    files: BTreeMap<&'static str, Arc<File>>,
    /// The file with its entries.
    pub pack: Arc<File>,
    /// Its objects.
    pub places: BTreeMap<ObjectId, PackOffset>,
    /// False when whoever staged it may have been killed before it reached the disk.
    is_durable: bool,
    /// Files that go once its name is durable: torn loose objects, and packs that it contains.
    pub replaced: Vec<PathBuf>,
}

/// Something that is forced to the disk.
pub(in super::super) enum Syncable {
    /// An open file.
    Open(Arc<File>, PathBuf),
    /// A file or folder that git may remove meanwhile.
    Present(PathBuf),
}

impl Syncable {
    /// Forces it to the disk.
    pub fn sync(&self) -> Result<(), Error> {
        match self {
            Self::Open(file, path) => file.sync_all().map_err(|source| Error::Sync {
                path: path.clone(),
                source,
            }),
            Self::Present(path) => disk::sync_if_there(path),
        }
    }
}

impl StagedPack {
    /// Returns where a file of the pack of an operation is staged. git would see an extension.
    pub fn staged(folder: &Path, op: &str, trailer: &ObjectId, kind: &str) -> PathBuf {
        folder.join(format!("{TEMP}{op}_{trailer}_{kind}"))
    }

    /// Makes it from its files, which have the names of [`StagedPack::staged`].
    pub fn new(
        (folder, op, trailer): (PathBuf, &str, ObjectId),
        [keep, pack, index]: [File; 3],
        places: BTreeMap<ObjectId, PackOffset>,
    ) -> Self {
        let pack = Arc::new(pack);
        let files = [Arc::new(keep), pack.clone(), Arc::new(index)];
        Self {
            folder,
            op: op.to_string(),
            trailer,
            files: KINDS.into_iter().zip(files).collect(),
            pack,
            places,
            is_durable: true,
            replaced: Vec::new(),
        }
    }

    /// Loads what a killed process staged for an operation; `None` when all of it is named, or it
    /// is not whole, and so nothing relies on it.
    pub fn load(folder: &Path, op: &str, hash: gix::hash::Kind) -> Option<Self> {
        let prefix = format!("{TEMP}{op}_");
        let trailer = std::fs::read_dir(folder)
            .ok()?
            .flatten()
            .find_map(|entry| {
                let name = entry.file_name();
                let trailer = name.to_str()?.strip_prefix(&prefix)?.strip_suffix("_idx")?;
                ObjectId::from_hex(trailer.as_bytes()).ok()
            })?;
        let staged = |kind| Self::staged(folder, op, &trailer, kind);
        let pack = Some(staged("pack")).filter(|pack| pack.exists());
        let pack = pack.unwrap_or_else(|| final_name(folder, &trailer, "pack"));
        let places = gather::read(pack.clone(), &staged("idx"), hash)?.places;
        let open = |kind| {
            let file = File::open(staged(kind)).ok()?;
            let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
            Some((kind, Arc::new(file)))
        };
        Some(Self {
            folder: folder.to_path_buf(),
            op: op.to_string(),
            trailer,
            files: KINDS.into_iter().filter_map(open).collect(),
            pack: Arc::new(File::open(pack).ok()?),
            places: places.into_iter().collect(),
            is_durable: false,
            replaced: Vec::new(),
        })
    }

    /// Returns what must reach the disk before it may be named.
    pub fn syncs(&self) -> Vec<Syncable> {
        let files = self.files.iter();
        let open = files.map(|(kind, file)| Syncable::Open(file.clone(), self.place(kind)));
        open.chain([Syncable::Present(self.folder.clone())])
            .collect()
    }

    /// Gives its files their names, which reach the disk later; returns the pack and its index.
    pub fn name(&mut self) -> Result<[PathBuf; 2], Error> {
        if !self.is_durable {
            at_once(&self.syncs(), Syncable::sync)?;
            self.is_durable = true;
        }
        let name = |kind| final_name(&self.folder, &self.trailer, kind);
        for kind in KINDS {
            if self.files.contains_key(kind) {
                disk::rename(&self.place(kind), &name(kind))?;
                self.files.remove(kind);
            }
        }
        Ok(["pack", "idx"].map(name))
    }

    /// Removes what is not named; what cannot be removed is swept later.
    pub fn remove(&self) {
        for kind in self.files.keys() {
            let _ = disk::remove(&self.place(kind));
        }
    }

    /// Returns where one of its files is staged.
    fn place(&self, kind: &str) -> PathBuf {
        Self::staged(&self.folder, &self.op, &self.trailer, kind)
    }
}

/// Returns the name by which git finds a file of a pack.
fn final_name(folder: &Path, trailer: &ObjectId, kind: &str) -> PathBuf {
    folder.join(format!("pack-{trailer}.{kind}"))
}
