//! Puts folders into the store under a name.
//!
//! The steps: walk, ask the cache, read what is not known, write a listing, name it. The last is
//! one commit of the store. What is unchanged is neither read nor written. Nothing is named when a
//! file could not be read, unless that is wanted.

mod source;

use std::{path::PathBuf, time::Instant};

use super::{
    Error,
    listing::{self, Save},
    root_name,
};
use crate::{
    base::{Failure, RelPath},
    model::{FileRecord, backup::PutReport},
    site::RepoSite,
    source::{Folder, Source},
    store::PutSession,
};
use source::PutSource;

/// Options of a put.
#[derive(Debug, Clone)]
pub struct PutOptions {
    /// The name under which the folders are put.
    pub name: String,
    /// The folders. Of one, its content is listed; of several, each under its last name.
    pub folders: Vec<PathBuf>,
    /// Name what could be read though some could not.
    pub partial: bool,
    /// Read everything, whatever the cache knows.
    pub rehash: bool,
    /// Only say what would be read.
    pub dry_run: bool,
}

/// A listing and the name that it is to have.
pub struct NamedListing<'a> {
    /// The name.
    pub name: &'a str,
    /// Its records, sorted by path.
    pub records: &'a [FileRecord],
    /// The folders that it lists.
    pub folders: Vec<Vec<u8>>,
}

/// Puts folders.
pub(super) fn put_folders(site: &RepoSite, put: &PutOptions) -> Result<PutReport, Failure> {
    let folders = folders(put)?;
    let sources: Vec<_> = folders
        .iter()
        .map(|(folder, prefix)| (folder as &dyn Source, prefix.clone()))
        .collect();
    put_sources(site, put, &sources)
}

/// Puts what sources choose.
pub(super) fn put_sources(
    site: &RepoSite,
    put: &PutOptions,
    sources: &[(&dyn Source, RelPath)],
) -> Result<PutReport, Failure> {
    let begun = Instant::now();
    super::check_name(&put.name)?;
    let mut report = PutReport {
        name: put.name.clone(),
        ..PutReport::default()
    };
    let session = site.store.begin();
    let (mut records, mut all) = (Vec::new(), Vec::new());
    for (source, prefix) in sources {
        let mut source = PutSource::open(site, *source, prefix, put.rehash)?;
        source.store(site, &session, put.dry_run, &mut report)?;
        source.list(&mut records, &mut report);
        all.push(source);
    }
    records.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    (report.files, report.bytes) = files(&records);
    report.others = records.len() as u64 - report.files;
    if !put.dry_run {
        if report.failed.is_empty() || put.partial {
            let tops = sources.iter().map(|(source, _)| source.top());
            let folders = tops.map(super::folder_bytes).collect();
            report.named = true;
            let listing = NamedListing {
                name: &put.name,
                records: &records,
                folders,
            };
            report.changed = name(site, session, listing, report.grown > 0)?;
        }
        for source in all {
            source.remember(site, report.named);
        }
    }
    report.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// Returns the number of files and the number of their bytes.
fn files(records: &[FileRecord]) -> (u64, u64) {
    let files = records.iter().filter(|record| record.is_file());
    files.fold((0, 0), |(count, bytes), file| {
        (count + 1, bytes + file.size)
    })
}

/// Returns the folders with the paths below which their content is listed.
fn folders(put: &PutOptions) -> Result<Vec<(Folder, RelPath)>, Failure> {
    let mut folders: Vec<(Folder, RelPath)> = Vec::new();
    for folder in &put.folders {
        let failed = |source| Error::Folder {
            path: folder.clone(),
            source,
        };
        let path = std::fs::canonicalize(folder).map_err(failed)?;
        let prefix = match path.file_name() {
            _ if put.folders.len() == 1 => RelPath::root(),
            Some(name) => {
                RelPath::parse(name.as_encoded_bytes()).map_err(|_| Error::NoName(path.clone()))?
            }
            None => return Err(Error::NoName(path).into()),
        };
        if folders.iter().any(|(_, other)| *other == prefix) {
            return Err(Error::SameName(prefix.to_text()).into());
        }
        folders.push((Folder::open(&path).map_err(failed)?, prefix));
    }
    Ok(folders)
}

/// Names a listing in the store; returns false when the name stands for the same already.
pub fn name(
    site: &RepoSite,
    session: PutSession,
    named: NamedListing<'_>,
    grew: bool,
) -> Result<bool, Failure> {
    let NamedListing {
        name,
        records,
        folders,
    } = named;
    let bytes_of_listing = listing::encode(records);
    let listing = listing::object(&bytes_of_listing);
    // A missing or unreadable save is replaced.
    let before = super::find(&site.store, name);
    if !grew && before.is_ok_and(|save| save.listing == listing && save.folders == folders) {
        return Ok(false);
    }
    session.put(&mut &bytes_of_listing[..])?;
    let (files, bytes) = files(records);
    let save = Save {
        seconds: site.clock.now().as_second(),
        listing,
        files,
        bytes,
        folders,
    };
    let stored = session.put(&mut &save.encode()[..])?;
    drop(session.commit_with(&[(root_name(name), Some(stored.id))])?);
    Ok(true)
}
