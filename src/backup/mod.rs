//! Row 9, backup: folders put into the store under names, and brought back.
//!
//! A name is a root of the store that stands for a [`listing::Save`], which names a listing, which
//! names every file's bytes. Putting reads only what changed ([`mod@put`]); restoring writes only
//! what differs, and first keeps what it would overwrite ([`mod@restore`]). Nothing here deletes
//! from the store: a dropped name's bytes go with the next collection.

pub mod intake;
pub mod listing;
pub mod needed;
pub mod plan;
pub mod put;
pub mod restore;
pub mod roots;
pub mod sqlite;
pub mod upkeep;

use std::{
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use crate::{
    base::{Failure, Fault, Hint, Kind, RelPath, text},
    model::{
        Advice, FileRecord, ObjectId,
        backup::{PutReport, RestoreReport, Saved},
    },
    operate::{Operator, action_about},
    site::RepoSite,
    source::Source,
    store::ChunkStore,
    verdict::refs,
};
use listing::Save;

pub use put::PutOptions;
pub use restore::{RestoreOptions, SYNC_POINTS};

/// An error that stops a put or a restore.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder cannot be used.
    #[error("cannot use the folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The listing of several folders needs a name for each.
    #[error("{} has no name to be listed under", .0.display())]
    NoName(PathBuf),
    /// Two folders have the same name.
    #[error("two of the folders are called {0}: put them under two names")]
    SameName(String),
    /// The text is not valid as a name.
    #[error("{0:?} cannot be a name: use 1 to 100 letters, digits, '.', '_' and '-'")]
    BadName(String),
    /// Nothing has this name.
    #[error("nothing is stored under the name {name:?}")]
    Unknown {
        /// The name that was typed.
        name: String,
        /// Similar names.
        near: Vec<String>,
    },
    /// A file that would be overwritten could not be kept.
    #[error("{path} would be overwritten and cannot be kept: {why}")]
    CannotKeep {
        /// The path.
        path: crate::base::RelPath,
        /// The reason.
        why: String,
    },
    /// The object behind a name cannot be read.
    #[error("what {name:?} stands for cannot be read: {why}")]
    Damaged {
        /// The name.
        name: String,
        /// The damage found.
        why: String,
    },
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Folder { .. } => Kind::Missing,
            Self::CannotKeep { .. } => Kind::Refused,
            Self::NoName(_) | Self::SameName(_) | Self::BadName(_) => Kind::Usage,
            Self::Unknown { .. } => Kind::NotFound,
            Self::Damaged { .. } => Kind::Bad,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Unknown { near, .. } if !near.is_empty() => {
                vec![Hint::say(format!("did you mean {}?", near.join(", ")))]
            }
            Self::Unknown { .. } => vec![Advice::ListStore.because("see what is there")],
            Self::CannotKeep { .. } => vec![Hint::say("add --discard to lose what is overwritten")],
            _ => Vec::new(),
        }
    }
}

/// The beginning of the names of roots that are saves.
const ROOTS: &str = "backup/";
/// Largest size of a save, in bytes.
const MAX_SAVE: u64 = 8 << 20;

/// Returns the store's root of a name.
fn root_name(name: &str) -> String {
    format!("{ROOTS}{name}")
}

/// Refuses a text that is not valid as a name.
fn check_name(name: &str) -> Result<(), Error> {
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    if (1..=100).contains(&name.len()) && name.bytes().all(legal) {
        Ok(())
    } else {
        Err(Error::BadName(name.into()))
    }
}

/// Returns a folder's path as bytes.
fn folder_bytes(folder: &Path) -> Vec<u8> {
    folder.as_os_str().as_bytes().to_vec()
}

/// Reads an object that is small if it is of the expected kind.
fn read_small(store: &ChunkStore, id: &ObjectId) -> Result<Option<Vec<u8>>, Failure> {
    match store.size(id)? {
        None => Err(crate::store::Error::Missing(*id).into()),
        Some(size) if size > MAX_SAVE => Ok(None),
        Some(_) => {
            let mut bytes = Vec::new();
            store.read(id, &mut bytes)?;
            Ok(Some(bytes))
        }
    }
}

/// Reads the save that is a name's object.
fn read_save(store: &ChunkStore, name: &str, id: &ObjectId) -> Result<Save, Failure> {
    let bytes = read_small(store, id)?.unwrap_or_default();
    Save::decode(&bytes).map_err(|broken| {
        Error::Damaged {
            name: name.into(),
            why: broken.to_string(),
        }
        .into()
    })
}

/// Returns the object that a name stands for.
fn root(store: &ChunkStore, name: &str) -> Result<ObjectId, Failure> {
    let (wanted, roots) = (root_name(name), store.named()?);
    if let Some((_, id)) = roots.iter().find(|(root, _)| *root == wanted) {
        return Ok(*id);
    }
    let names = roots
        .iter()
        .filter_map(|(root, _)| root.strip_prefix(ROOTS));
    let near = text::did_you_mean(name, names)
        .into_iter()
        .map(String::from)
        .collect();
    Err(Error::Unknown {
        name: text::escape(name.as_bytes()),
        near,
    }
    .into())
}

/// Returns the save stored under a name.
fn find(store: &ChunkStore, name: &str) -> Result<Save, Failure> {
    read_save(store, name, &root(store, name)?)
}

/// Returns the records of a save. Memory is that of the listing and its records.
fn records(store: &ChunkStore, name: &str, save: &Save) -> Result<Vec<FileRecord>, Failure> {
    let mut bytes = Vec::new();
    store.read(&save.listing, &mut bytes)?;
    listing::decode(&bytes).map_err(|broken| {
        Error::Damaged {
            name: name.into(),
            why: broken.to_string(),
        }
        .into()
    })
}

/// Returns the objects that an object names: those of a save, or none for any other object. A
/// collection asks this of every root; an error must stop it.
pub fn listed(store: &ChunkStore, id: &ObjectId) -> Result<Vec<ObjectId>, Failure> {
    let Some(bytes) = read_small(store, id)?.filter(|bytes| Save::is_one(bytes)) else {
        return Ok(Vec::new());
    };
    let broken = |broken: crate::base::cut::MalformedBytes| Error::Damaged {
        name: id.to_string(),
        why: broken.to_string(),
    };
    let save = Save::decode(&bytes).map_err(broken)?;
    let mut bytes = Vec::new();
    store.read(&save.listing, &mut bytes)?;
    let mut objects = listing::objects(&bytes).map_err(broken)?;
    objects.push(save.listing);
    objects.sort_unstable();
    objects.dedup();
    Ok(objects)
}

/// Returns everything that was put, by name.
pub fn list(site: &RepoSite) -> Result<Vec<Saved>, Failure> {
    let roots = site.store.named()?;
    let named = roots
        .iter()
        .filter_map(|(root, id)| Some((root.strip_prefix(ROOTS)?, *id)));
    Ok(named
        .map(|(name, id)| saved(name, id, read_save(&site.store, name, &id)))
        .collect())
}

/// Returns the save of one name; an unreadable one is shown too, because it can be dropped.
pub fn show(site: &RepoSite, name: &str) -> Result<Saved, Failure> {
    let id = root(&site.store, name)?;
    Ok(saved(name, id, read_save(&site.store, name, &id)))
}

/// Returns what is named and has no file of its own: what was put, and shared verdicts.
///
/// # Errors
/// When it cannot be read.
pub fn named(site: &RepoSite) -> Result<Vec<String>, Failure> {
    let put = list(site)?;
    let put = put
        .into_iter()
        .map(|saved| format!("{} in the store", saved.name));
    let shared = site.git.refs_below(refs::PREFIX)?;
    Ok(put
        .chain(shared.into_iter().map(|(name, _)| name))
        .collect())
}

/// Puts folders, with a line in the audit log unless it is a dry run.
///
/// # Errors
/// When a folder cannot be read, or the store cannot be written.
pub fn put(site: &RepoSite, put: &PutOptions) -> Result<PutReport, Failure> {
    put_audited(site, put, || put::put_folders(site, put))
}

/// Puts what sources choose, each listed below a path of its own, as [`put()`] does; the folders of
/// `put` are ignored.
///
/// # Errors
/// When a source cannot say what it takes, or the store cannot be written.
pub fn put_sources(
    site: &RepoSite,
    put: &PutOptions,
    sources: &[(&dyn Source, RelPath)],
) -> Result<PutReport, Failure> {
    put_audited(site, put, || put::put_sources(site, put, sources))
}

/// Puts, with a line in the audit log unless it is a dry run.
fn put_audited(
    site: &RepoSite,
    put: &PutOptions,
    act: impl FnOnce() -> Result<PutReport, Failure>,
) -> Result<PutReport, Failure> {
    if put.dry_run {
        return act();
    }
    Operator::new(site).audited(action_about("store put", &put.name), "", act)
}

/// Restores what was put, under the operation lock, so that no rollback changes the same files
/// meanwhile.
///
/// # Errors
/// When nothing has the name, or a file cannot be written.
pub fn restore(site: &RepoSite, restore: &RestoreOptions) -> Result<RestoreReport, Failure> {
    let act = || restore::restore(site, restore);
    if restore.dry_run {
        return act();
    }
    let _lock = site.lock()?;
    Operator::new(site).audited(action_about("store restore", &restore.name), "", act)
}

/// Takes a name away; returns what it stood for.
///
/// # Errors
/// When nothing has the name, or the store cannot be written.
pub fn drop_name(site: &RepoSite, name: &str) -> Result<Saved, Failure> {
    Operator::new(site).audited(action_about("store drop", name), "", || forget(site, name))
}

/// Takes a name away. Objects that only it needs go with the next collection.
fn forget(site: &RepoSite, name: &str) -> Result<Saved, Failure> {
    let gone = show(site, name)?;
    drop(site.store.begin().commit_with(&[(root_name(name), None)])?);
    Ok(gone)
}

/// Converts a save for display.
fn saved(name: &str, object: ObjectId, save: Result<Save, Failure>) -> Saved {
    let trouble = save.as_ref().err().map(ToString::to_string);
    let none = Save {
        seconds: 0,
        listing: object,
        files: 0,
        bytes: 0,
        folders: Vec::new(),
    };
    let save = save.unwrap_or(none);
    Saved {
        name: name.into(),
        at: jiff::Timestamp::from_second(save.seconds).unwrap_or_default(),
        folders: save
            .folders
            .iter()
            .map(|folder| text::escape(folder))
            .collect(),
        files: save.files,
        bytes: save.bytes,
        object,
        trouble,
    }
}
