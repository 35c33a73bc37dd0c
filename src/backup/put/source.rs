//! One source that is put: its files are chosen, compared with the cache, read where that is not
//! enough, and listed.

use std::{collections::HashSet, sync::atomic::Ordering};

use super::super::{
    Error,
    intake::{FileIntake, IntakeResult},
};
use crate::{
    base::{Digest, Failure, RelPath, Type, sqlite},
    model::{
        FileRecord, Location, ObjectId,
        backup::{PathTrouble, PutReport},
    },
    site::RepoSite,
    source::{PathStat, Selection, Source},
    stat_cache::{Cache, FileState, KnownFile, same},
    store::PutSession,
};

/// One in so many files that look unchanged is read all the same, the longest unread first.
const SAMPLE: usize = 100;
/// Limit of the bytes of such files in one run.
const SAMPLE_BYTES: u64 = 64 << 20;

/// One source that is put.
pub(super) struct PutSource<'s> {
    source: &'s dyn Source,
    prefix: RelPath,
    began: (i64, u32),
    cache: Cache,
    selection: Selection,
    known: Vec<Option<KnownFile>>,
    got: Vec<(usize, IntakeResult)>,
}

/// The knowledge of files after a run.
struct KnownAfterRun<'a> {
    /// Files that look as they did when they were chosen.
    files: Vec<(&'a PathStat, KnownFile)>,
    /// Files that were changed since, as they look now.
    changed: Vec<(PathStat, KnownFile)>,
}

impl<'s> PutSource<'s> {
    /// Has a source choose its files and asks the cache.
    pub(super) fn open(
        site: &RepoSite,
        source: &'s dyn Source,
        prefix: &RelPath,
        rehash: bool,
    ) -> Result<Self, Failure> {
        let failed = |error| Error::Folder {
            path: source.top().to_path_buf(),
            source: error,
        };
        let stat = source
            .files()
            .stat(&RelPath::root())
            .map_err(failed)?
            .ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
        let began = crate::base::clock::of_files();
        let (selection, cache) = rayon::join(
            || source.choose(),
            || Cache::of(&*site.state, source.kind(), source.top(), &stat),
        );
        let selection = selection?;
        let mut known = if rehash {
            vec![None; selection.files.len()]
        } else {
            cache.know(selection.files.iter().map(|file| (&file.path, &file.stat)))
        };
        for (file, known) in selection.files.iter().zip(&mut known) {
            // A commit to a database in use need not show in its file.
            *known = known.filter(|_| !file.in_use);
        }
        Ok(Self {
            source,
            prefix: prefix.clone(),
            began,
            cache,
            selection,
            known,
            got: Vec::new(),
        })
    }

    /// Brings into the session what the cache does not know.
    pub(super) fn store(
        &mut self,
        site: &RepoSite,
        session: &PutSession,
        dry_run: bool,
        report: &mut PutReport,
    ) -> Result<(), Failure> {
        self.doubt(session)?;
        let sample = self.sample();
        let is_file = |file: &PathStat| file.stat.kind == Type::File;
        let files = self.selection.files.iter().zip(&self.known).enumerate();
        let read: Vec<usize> = files
            .filter(|(nth, (file, known))| {
                is_file(file) && (known.is_none() || sample.contains(nth))
            })
            .map(|(nth, _)| nth)
            .collect();
        let chosen: Vec<&PathStat> = read.iter().map(|nth| &self.selection.files[*nth]).collect();
        let total = chosen.iter().map(|file| file.stat.size).sum();
        report.read_files += chosen.len() as u64;
        report.read_bytes += total;
        if dry_run {
            return Ok(());
        }
        let progress = |more| site.progress(more);
        let intake = FileIntake {
            fs: self.source.files(),
            top: self.source.top(),
            copies: Some(site.git.common_dir().join("snapback").join("copies")),
            session,
            progress: &progress,
            grown: 0.into(),
        };
        let got = site.work("storing", total, true, || intake.take(&chosen))?;
        report.grown += intake.grown.load(Ordering::Relaxed);
        self.got = read.into_iter().zip(got).collect();
        for (nth, got) in &self.got {
            if let (Some(known), IntakeResult::Stored { object, .. }) = (self.known[*nth], got)
                && known.object != *object
            {
                site.warn(format!(
                    "{} was changed though its times do not show it; --rehash reads everything",
                    self.selection.files[*nth].path
                ));
            }
        }
        Ok(())
    }

    /// Forgets known files of which the store no longer has the bytes.
    fn doubt(&mut self, session: &PutSession) -> Result<(), Failure> {
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

    /// Returns which of the known files are read all the same.
    fn sample(&self) -> HashSet<usize> {
        let age = |known: &KnownFile| self.cache.run.wrapping_sub(known.verified);
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
            bytes += self.selection.files[*nth].stat.size;
            bytes <= SAMPLE_BYTES
        };
        all.into_iter()
            .map(|(_, nth)| nth)
            .take_while(fits)
            .collect()
    }

    /// Adds what was found to a listing and a report.
    pub(super) fn list(&self, records: &mut Vec<FileRecord>, report: &mut PutReport) {
        let trouble = |trouble: &PathTrouble| PathTrouble {
            path: self.prefixed(&trouble.path),
            why: trouble.why.clone(),
        };
        report
            .skipped
            .extend(self.selection.skipped.iter().map(trouble));
        report
            .failed
            .extend(self.selection.failed.iter().map(trouble));
        let beside = self.beside();
        let mut got = self.got.iter().peekable();
        for (nth, file) in self.selection.files.iter().enumerate() {
            let fresh = got.next_if(|(at, _)| *at == nth).map(|(_, got)| got);
            if !beside.contains(&file.path) {
                records.extend(self.record(nth, fresh, report));
            }
        }
        let nothing = (Digest::of(b""), 0);
        records.extend(self.selection.empty.iter().map(|folder| {
            let path = self.prefixed(&folder.path);
            FileRecord::of_stat(path, &folder.stat, nothing, Location::Inline(Vec::new()))
        }));
    }

    /// Returns the path under which a path is listed.
    fn prefixed(&self, path: &RelPath) -> RelPath {
        if self.prefix.is_root() {
            path.clone()
        } else {
            self.prefix.join(path.as_bytes())
        }
    }

    /// Returns the record of a file or link, given the outcome of reading it; when there is none,
    /// the report says why.
    fn record(
        &self,
        nth: usize,
        fresh: Option<&IntakeResult>,
        report: &mut PutReport,
    ) -> Option<FileRecord> {
        let PathStat { path, stat, .. } = &self.selection.files[nth];
        let listed = self.prefixed(path);
        let unlisted = |why: String| PathTrouble {
            path: listed.clone(),
            why,
        };
        if stat.kind == Type::Symlink {
            return match self.source.files().read_link(path) {
                Ok(target) => Some(FileRecord::of_link(listed, stat, target)),
                Err(error) => {
                    report.failed.push(unlisted(error.to_string()));
                    None
                }
            };
        }
        let (stat, source) = match (fresh, self.known[nth]) {
            (
                Some(IntakeResult::Stored {
                    object,
                    stat,
                    database,
                }),
                _,
            ) if *database => (stat, Location::Database(*object)),
            (Some(IntakeResult::Stored { object, stat, .. }), _) => {
                (stat, Location::Object(*object))
            }
            (Some(IntakeResult::Gone), _) => {
                let why = "it was removed meanwhile".into();
                report.skipped.push(unlisted(why));
                return None;
            }
            (Some(IntakeResult::Failed(why)), _) => {
                report.failed.push(unlisted(why.clone()));
                return None;
            }
            (None, Some(known)) => (stat, Location::Object(known.object)),
            // In a dry run, which reads nothing.
            (None, None) => (stat, Location::Here),
        };
        let digest = source
            .object()
            .map_or_else(|| Digest::of(b""), |object| object.0);
        Some(FileRecord::of_stat(
            listed,
            stat,
            (digest, stat.size),
            source,
        ))
    }

    /// Returns what SQLite keeps beside the databases that were copied: the copy contains it.
    fn beside(&self) -> HashSet<RelPath> {
        let copies = self
            .got
            .iter()
            .filter(|(_, got)| matches!(got, IntakeResult::Stored { database: true, .. }));
        copies
            .flat_map(|(nth, _)| {
                sqlite::ENDS.map(|end| sqlite::side(&self.selection.files[*nth].path, end))
            })
            .collect()
    }

    /// Writes the cache. The store may have nothing of what was not named.
    pub(super) fn remember(self, site: &RepoSite, named: bool) {
        if !named {
            return;
        }
        let KnownAfterRun { mut files, changed } = self.known_now();
        // Files that were read again look different now; they are few.
        files.extend(changed.iter().map(|(file, known)| (file, *known)));
        files.sort_by(|a, b| a.0.path.cmp(&b.0.path));
        // Without the cache the next run reads everything, and is still right.
        let files = files
            .iter()
            .map(|(file, known)| (&file.path, FileState::from(&file.stat), *known));
        let files: Vec<_> = files
            .filter(|(_, state, _)| state.is_settled(self.began))
            .collect();
        if let Err(error) = self.cache.write(&*site.state, &files) {
            site.warn(format!(
                "what was read could not be written down, the next run will read it again: {error}"
            ));
        }
    }

    /// Returns what is known of the files after this run.
    fn known_now(&self) -> KnownAfterRun<'_> {
        let mut got = self.got.iter().peekable();
        let mut files = Vec::with_capacity(self.selection.files.len());
        let mut changed = Vec::new();
        for (nth, file) in self.selection.files.iter().enumerate() {
            let Some((_, got)) = got.next_if(|(at, _)| *at == nth) else {
                files.extend(self.known[nth].map(|known| (file, known)));
                continue;
            };
            let IntakeResult::Stored {
                object,
                stat,
                database: false,
            } = got
            else {
                continue;
            };
            let known = KnownFile {
                object: *object,
                verified: self.cache.run,
            };
            if same(stat, &file.stat) {
                files.push((file, known));
            } else {
                let now = PathStat {
                    stat: *stat,
                    ..file.clone()
                };
                changed.push((now, known));
            }
        }
        KnownAfterRun { files, changed }
    }
}
