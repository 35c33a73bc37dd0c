//! Puts folders into the store under a name.
//!
//! Walk, ask the cache, read what is not known, write a listing, name it: the last is one commit
//! of the store. What is the same as before is neither read nor written. Nothing is named when a
//! file could not be read, unless that is wanted.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::Instant,
};

use super::{
    Error,
    cache::{Cache, Known},
    intake::{Got, Intake},
    listing::{self, Entry, Save, What},
    root_name,
    scan::{self, Found, Walk},
};
use crate::{
    base::{Failure, Fs, ObjectId, RelPath, Root, Type, sqlite},
    ground::Ground,
    model::backup::{PutReport, Trouble},
    store::Session,
};

/// One in so many files that look unchanged is read all the same, the longest unread first.
const SAMPLE: usize = 100;
/// Bytes of such files in one run.
const SAMPLE_BYTES: u64 = 64 << 20;

/// What to put.
#[derive(Debug, Clone)]
pub struct Put {
    /// Under which name.
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

/// Puts folders.
pub fn put(ground: &Ground, put: &Put) -> Result<PutReport, Failure> {
    let begun = Instant::now();
    super::check_name(&put.name)?;
    let mut report = PutReport {
        name: put.name.clone(),
        ..PutReport::default()
    };
    let sources = sources(put)?;
    let session = ground.store.begin()?;
    let (mut entries, mut caches) = (Vec::new(), Vec::new());
    for (folder, prefix) in &sources {
        let mut source = Source::open(ground, folder, prefix, put.rehash)?;
        source.store(ground, &*session, put.dry_run, &mut report)?;
        source.list(&mut entries, &mut report);
        caches.push(source);
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    report.files = entries
        .iter()
        .filter(|entry| matches!(entry.what, What::File { .. }))
        .count() as u64;
    report.others = entries.len() as u64 - report.files;
    report.bytes = bytes(&entries);
    if !put.dry_run {
        if report.failed.is_empty() || put.partial {
            let folders = sources
                .iter()
                .map(|(folder, _)| super::folder_bytes(folder))
                .collect();
            report.named = true;
            report.changed = name(
                ground,
                session,
                &put.name,
                &entries,
                folders,
                report.grown > 0,
            )?;
        }
        for source in caches {
            source.remember(ground, report.named);
        }
    }
    report.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// Number of bytes of all files.
fn bytes(entries: &[Entry]) -> u64 {
    entries
        .iter()
        .map(|entry| {
            if let What::File { size, .. } = entry.what {
                size
            } else {
                0
            }
        })
        .sum()
}

/// The folders with the names under which their content is listed.
fn sources(put: &Put) -> Result<Vec<(PathBuf, RelPath)>, Failure> {
    let mut sources = Vec::new();
    for folder in &put.folders {
        let folder = std::fs::canonicalize(folder).map_err(|source| Error::Folder {
            path: folder.clone(),
            source,
        })?;
        let prefix = match folder.file_name() {
            _ if put.folders.len() == 1 => RelPath::root(),
            Some(name) => RelPath::parse(name.as_encoded_bytes())
                .map_err(|_| Error::NoName(folder.clone()))?,
            None => return Err(Error::NoName(folder).into()),
        };
        if sources.iter().any(|(_, other)| *other == prefix) {
            return Err(Error::SameName(prefix.to_text()).into());
        }
        sources.push((folder, prefix));
    }
    Ok(sources)
}

/// Names a listing in the store; false when the name stands for the same already.
pub fn name(
    ground: &Ground,
    session: Box<dyn Session + '_>,
    name: &str,
    entries: &[Entry],
    folders: Vec<Vec<u8>>,
    grew: bool,
) -> Result<bool, Failure> {
    let bytes_of_listing = listing::encode(entries);
    let listing = listing::object(&bytes_of_listing);
    // A first one, and one that cannot be read, is replaced.
    let before = super::find(&*ground.store, name);
    if !grew && before.is_ok_and(|save| save.listing == listing && save.folders == folders) {
        return Ok(false);
    }
    session.put(&mut &bytes_of_listing[..])?;
    let files = entries
        .iter()
        .filter(|entry| matches!(entry.what, What::File { .. }))
        .count() as u64;
    let save = Save {
        seconds: ground.clock.now().as_second(),
        listing,
        files,
        bytes: bytes(entries),
        folders,
    };
    let stored = session.put(&mut &save.encode()[..])?;
    drop(session.commit_with(&[(root_name(name), Some(stored.id))])?);
    Ok(true)
}

/// One folder that is put.
struct Source {
    root: Root,
    top: PathBuf,
    prefix: RelPath,
    began: (i64, u32),
    cache: Cache,
    walk: Walk,
    known: Vec<Option<Known>>,
    got: Vec<(usize, Got)>,
}

impl Source {
    /// Walks a folder and asks the cache.
    fn open(
        ground: &Ground,
        folder: &Path,
        prefix: &RelPath,
        rehash: bool,
    ) -> Result<Self, Failure> {
        let failed = |source| Error::Folder {
            path: folder.to_path_buf(),
            source,
        };
        let root = Root::open(folder).map_err(failed)?;
        let stat = root
            .stat(&RelPath::root())
            .map_err(failed)?
            .ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let began = crate::base::clock::of_files();
        let (walk, cache) = rayon::join(
            || scan::walk(&root),
            || Cache::of(&*ground.state, folder, &stat),
        );
        let walk = walk?;
        let mut known = if rehash {
            vec![None; walk.found.len()]
        } else {
            cache.know(&walk.found)
        };
        for (file, known) in walk.found.iter().zip(&mut known) {
            // What is committed to a database in use need not show in its file.
            *known = known.filter(|_| !file.in_use);
        }
        Ok(Self {
            root,
            top: folder.to_path_buf(),
            prefix: prefix.clone(),
            began,
            cache,
            walk,
            known,
            got: Vec::new(),
        })
    }

    /// Brings into the session what the cache does not know.
    fn store(
        &mut self,
        ground: &Ground,
        session: &dyn Session,
        dry_run: bool,
        report: &mut PutReport,
    ) -> Result<(), Failure> {
        self.doubt(session)?;
        let sample = self.sample();
        let is_file = |file: &Found| file.stat.kind == Type::File;
        let files = self.walk.found.iter().zip(&self.known).enumerate();
        let read: Vec<usize> = files
            .filter(|(nth, (file, known))| {
                is_file(file) && (known.is_none() || sample.contains(nth))
            })
            .map(|(nth, _)| nth)
            .collect();
        let chosen: Vec<&Found> = read.iter().map(|nth| &self.walk.found[*nth]).collect();
        let total = chosen.iter().map(|file| file.stat.size).sum();
        report.read_files += chosen.len() as u64;
        report.read_bytes += total;
        if dry_run {
            return Ok(());
        }
        let progress = |more| ground.progress(more);
        let intake = Intake {
            fs: &self.root,
            top: &self.top,
            copies: Some(ground.git.common_dir().join("snapback").join("copies")),
            session,
            progress: &progress,
            grown: 0.into(),
        };
        let got = ground.work("storing", total, true, || intake.take(&chosen))?;
        report.grown += intake.grown.load(Ordering::Relaxed);
        self.got = read.into_iter().zip(got).collect();
        for (nth, got) in &self.got {
            if let (Some(known), Got::Stored { object, .. }) = (self.known[*nth], got)
                && known.object != *object
            {
                ground.warn(format!(
                    "{} was changed though its times do not show it; --rehash reads everything",
                    self.walk.found[*nth].path
                ));
            }
        }
        Ok(())
    }

    /// Believes only what the store still has.
    fn doubt(&mut self, session: &dyn Session) -> Result<(), Failure> {
        let objects: Vec<ObjectId> = self
            .known
            .iter()
            .flatten()
            .map(|known| known.object)
            .collect();
        if objects.is_empty() {
            return Ok(());
        }
        let mut held = session.holds(&objects)?.into_iter();
        for known in &mut self.known {
            *known = known.filter(|_| held.next().unwrap_or(false));
        }
        Ok(())
    }

    /// Which of the known files are read all the same.
    fn sample(&self) -> HashSet<usize> {
        let age = |known: &Known| self.cache.run.wrapping_sub(known.verified);
        let mut all: Vec<_> = self
            .known
            .iter()
            .enumerate()
            .filter_map(|(nth, known)| Some((std::cmp::Reverse(age(&(*known)?)), nth)))
            .collect();
        let count = all.len().div_ceil(SAMPLE);
        if count < all.len() {
            all.select_nth_unstable(count);
            all.truncate(count);
        }
        all.sort_unstable();
        let mut bytes = 0;
        let fits = |nth: &usize| {
            bytes += self.walk.found[*nth].stat.size;
            bytes <= SAMPLE_BYTES
        };
        all.into_iter()
            .map(|(_, nth)| nth)
            .take_while(fits)
            .collect()
    }

    /// Adds what was found to a listing and a report.
    fn list(&mut self, entries: &mut Vec<Entry>, report: &mut PutReport) {
        let prefixed = |path: &RelPath| {
            if self.prefix.is_root() {
                path.clone()
            } else {
                self.prefix.join(path.as_bytes())
            }
        };
        let trouble = |left: &scan::Left| Trouble {
            path: prefixed(&left.path),
            why: left.why.clone(),
        };
        report.skipped.extend(self.walk.left.iter().map(trouble));
        report.failed.extend(self.walk.failed.iter().map(trouble));
        let beside = self.beside();
        let got = std::mem::take(&mut self.got);
        let mut now = Vec::with_capacity(got.len());
        let mut got = got.into_iter().peekable();
        for (nth, file) in self.walk.found.iter().enumerate() {
            let path = prefixed(&file.path);
            let mut stat = file.stat;
            let fresh = got.next_if(|(at, _)| *at == nth);
            let what = match (&fresh, self.known[nth]) {
                _ if beside.contains(&file.path) => None,
                _ if stat.kind == Type::Symlink => match self.root.read_link(&file.path) {
                    Ok(target) => Some(What::Link(target)),
                    Err(error) => {
                        report.failed.push(Trouble {
                            path: path.clone(),
                            why: error.to_string(),
                        });
                        None
                    }
                },
                (
                    Some((
                        _,
                        Got::Stored {
                            object,
                            stat: after,
                            database,
                        },
                    )),
                    _,
                ) => {
                    stat = *after;
                    Some(What::File {
                        size: after.size,
                        object: *object,
                        database: *database,
                    })
                }
                (Some((_, Got::Gone)), _) => {
                    report.skipped.push(Trouble {
                        path: path.clone(),
                        why: "it was removed meanwhile".into(),
                    });
                    None
                }
                (Some((_, Got::Failed(why))), _) => {
                    report.failed.push(Trouble {
                        path: path.clone(),
                        why: why.clone(),
                    });
                    None
                }
                (None, Some(known)) => Some(What::File {
                    size: stat.size,
                    object: known.object,
                    database: false,
                }),
                (None, None) => Some(What::File {
                    size: stat.size,
                    object: listing::object(b""),
                    database: false,
                }),
            };
            let mode = u16::try_from(stat.mode & 0o7777).expect("because twelve bits fit");
            entries.extend(what.map(|what| Entry {
                path,
                mode,
                mtime: stat.mtime,
                what,
            }));
            now.extend(fresh);
        }
        self.got = now;
        for folder in &self.walk.empty {
            let mode = u16::try_from(folder.stat.mode & 0o7777).expect("because twelve bits fit");
            entries.push(Entry {
                path: prefixed(&folder.path),
                mode,
                mtime: folder.stat.mtime,
                what: What::Folder,
            });
        }
    }

    /// What SQLite keeps beside the databases of which a copy was taken: the copy holds it.
    fn beside(&self) -> HashSet<RelPath> {
        let copies = self
            .got
            .iter()
            .filter(|(_, got)| matches!(got, Got::Stored { database: true, .. }));
        copies
            .flat_map(|(nth, _)| {
                sqlite::ENDS.map(|end| sqlite::side(&self.walk.found[*nth].path, end))
            })
            .collect()
    }

    /// Writes the cache. Of what was not named, the store may have nothing.
    fn remember(self, ground: &Ground, named: bool) {
        if !named {
            return;
        }
        let mut got = self.got.iter().peekable();
        let mut files: Vec<(&Found, Known)> = Vec::with_capacity(self.walk.found.len());
        let mut changed = Vec::new();
        for (nth, file) in self.walk.found.iter().enumerate() {
            match got.next_if(|(at, _)| *at == nth) {
                Some((
                    _,
                    Got::Stored {
                        object,
                        stat,
                        database: false,
                    },
                )) if super::cache::same(stat, &file.stat) => {
                    files.push((
                        file,
                        Known {
                            object: *object,
                            verified: self.cache.run,
                        },
                    ));
                }
                Some((
                    _,
                    Got::Stored {
                        object,
                        stat,
                        database: false,
                    },
                )) => changed.push((nth, *object, *stat)),
                Some(_) => {}
                None => files.extend(self.known[nth].map(|known| (file, known))),
            }
        }
        // Those that were read again look different now; they are few.
        let fresh: Vec<Found> = changed
            .iter()
            .map(|(nth, _, stat)| Found {
                stat: *stat,
                ..self.walk.found[*nth].clone()
            })
            .collect();
        files.extend(fresh.iter().zip(&changed).map(|(file, (_, object, _))| {
            (
                file,
                Known {
                    object: *object,
                    verified: self.cache.run,
                },
            )
        }));
        files.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        // Without it the next run reads everything, and is right all the same.
        if let Err(error) = self.cache.write(&*ground.state, self.began, &files) {
            ground.warn(format!(
                "what was read could not be written down, the next run will read it again: {error}"
            ));
        }
    }
}
