//! Plans a restore: compares a listing with a folder. Reads, never writes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io,
};

use rayon::prelude::*;

use crate::{
    base::{
        Digest, Failure, Fs, RelPath, Type, Witness, cancel,
        sqlite::{self, LogEffect},
    },
    catalog::databases::Database,
    materialise::{
        aside::{AsideTask, SeenFile, SeenFiles, Work},
        leftovers::is_aside,
    },
    model::{FileKind, FileRecord, Location, ObjectId, backup::PathTrouble},
    source::{PathStat, Selection, folder},
    stat_cache::{Cache, KnownFile, same},
};

/// Number of bytes that are read at once.
const BLOCK: usize = 1 << 20;

/// The complete plan of a restore.
#[derive(Default)]
pub struct RestorePlan<'a> {
    /// Paths to be written.
    pub write: Vec<AsideTask<'a>>,
    /// Files of which only the mode or the time is wrong.
    pub touch: Vec<AsideTask<'a>>,
    /// Files that would be overwritten.
    pub overwritten: Vec<PathStat>,
    /// What SQLite keeps beside a database of the listing and would read into it, although it
    /// belongs to another database.
    pub beside: Vec<PathStat>,
    /// The databases that are replaced, or beside which something is removed.
    pub databases: Vec<Database>,
    /// Files that the listing does not have.
    pub extra: Vec<PathStat>,
    /// Folders that the listing does not need, deepest first.
    pub extra_folders: Vec<RelPath>,
    /// Leftovers of an interrupted restore.
    pub leftovers: Vec<RelPath>,
    /// Paths that cannot be restored.
    pub refused: Vec<PathTrouble>,
    /// The number of paths that are right.
    pub right: u64,
    /// True when everything below the folder is on one file system.
    pub one_device: bool,
    /// Large files that would be overwritten and were read, unless somebody may write to them
    /// unnoticed.
    pub seen: SeenFiles,
    /// What files that would be overwritten hold by their metadata alone.
    pub known: HashMap<RelPath, ObjectId>,
}

/// The result of the comparison at one path.
enum PathVerdict<'a> {
    Right,
    Write(AsideTask<'a>, Option<SeenFile>, Option<KnownFile>),
    Touch(AsideTask<'a>),
    Refused(String),
}

/// Compares a listing with what is below a root.
pub fn plan<'a>(
    fs: &dyn Fs,
    records: &'a [FileRecord],
    cache: Option<&Cache>,
    folds_case: bool,
) -> Result<RestorePlan<'a>, Failure> {
    let there = folder::walk(fs)?;
    let known = cache.map_or_else(
        || vec![None; there.files.len()],
        |cache| cache.know(there.files.iter().map(|file| (&file.path, &file.stat))),
    );
    let folders: HashSet<&RelPath> = there.folders.iter().map(|folder| &folder.path).collect();
    let others: HashSet<&RelPath> = there.skipped.iter().map(|left| &left.path).collect();
    let compare = Compare {
        fs,
        there: &there,
        known: &known,
        folders,
        others,
    };
    let twins = if folds_case {
        twins(records)
    } else {
        HashSet::new()
    };
    let look = |buffer: &mut Vec<u8>, record: &'a FileRecord| {
        if twins.contains(&record.path) {
            return PathVerdict::Refused(
                "another path differs from it only in case, and this file system folds case".into(),
            );
        }
        compare.look(record, buffer)
    };
    let looks: Vec<PathVerdict<'a>> = records
        .par_iter()
        .with_max_len(64)
        .map_init(Vec::new, look)
        .collect();
    cancel::check()?;
    let mut plan = RestorePlan {
        one_device: is_one_device(fs, &there),
        ..RestorePlan::default()
    };
    for (record, look) in records.iter().zip(looks) {
        plan.add(record, look);
    }
    plan.refused.extend(there.failed.iter().cloned());
    compare.extra(records, &mut plan);
    compare.databases(records, &mut plan);
    Ok(plan)
}

impl<'a> RestorePlan<'a> {
    /// Returns the work to do; with `delete`, what the listing does not have is removed.
    pub fn work(&self, delete: bool) -> Work<'_> {
        let extra = self.extra.iter().filter(|_| delete);
        let gone = self.beside.iter().chain(extra);
        Work {
            write: &self.write,
            touch: &self.touch,
            remove: gone.map(|found| (&found.path, &found.stat)).collect(),
            remove_folders: if delete { &self.extra_folders } else { &[] },
            leftovers: &self.leftovers,
            one_device: self.one_device,
            seen: &self.seen,
        }
    }

    /// Adds what was found at the path of a record.
    fn add(&mut self, record: &FileRecord, look: PathVerdict<'a>) {
        match look {
            PathVerdict::Right => self.right += 1,
            PathVerdict::Write(task, seen, known) => {
                self.write.push(task);
                let known = known.map(|known| (record.path.clone(), known.object));
                self.known.extend(known);
                self.seen
                    .extend(seen.map(|seen| (record.path.clone(), seen)));
            }
            PathVerdict::Touch(task) => self.touch.push(task),
            PathVerdict::Refused(why) => self.refused.push(PathTrouble {
                path: record.path.clone(),
                why,
            }),
        }
    }
}

/// Returns true when everything that was walked is on the file system of its top.
fn is_one_device(fs: &dyn Fs, there: &Selection) -> bool {
    let top = fs
        .stat(&RelPath::root())
        .ok()
        .flatten()
        .map(|stat| stat.dev);
    there
        .folders
        .iter()
        .all(|folder| Some(folder.stat.dev) == top)
}

/// Returns paths that are the same path on a file system that folds case.
fn twins(records: &[FileRecord]) -> HashSet<&RelPath> {
    let mut seen = HashMap::new();
    let mut twins = HashSet::new();
    for record in records {
        let folded = String::from_utf8_lossy(record.path.as_bytes()).to_lowercase();
        if let Some(first) = seen.insert(folded, &record.path) {
            twins.extend([first, &record.path]);
        }
    }
    twins
}

/// Hashes a file; a large one is watched from before it is read.
pub fn read(
    fs: &dyn Fs,
    found: &PathStat,
    buffer: &mut Vec<u8>,
) -> io::Result<(Digest, Option<SeenFile>)> {
    buffer.clear();
    if found.stat.size <= BLOCK as u64 {
        fs.read_into(&found.path, found.stat.size, buffer)?;
        return Ok((Digest::of(buffer), None));
    }
    let is_same = |witness: &dyn Witness| witness.stat().is_ok_and(|now| same(&now, &found.stat));
    let witness = fs.witness(&found.path)?;
    let witness = witness.filter(|witness| is_same(&**witness));
    let file = match &witness {
        Some(witness) => witness.open(),
        None => fs.open(&found.path)?,
    };
    let mut file = io::BufReader::with_capacity(BLOCK, cancel::Stoppable(file));
    let digest = Digest::of_reader(&mut file)?.0;
    Ok((digest, witness.map(|witness| SeenFile { digest, witness })))
}

/// The folder as it is.
struct Compare<'w> {
    fs: &'w dyn Fs,
    there: &'w Selection,
    known: &'w [Option<KnownFile>],
    folders: HashSet<&'w RelPath>,
    others: HashSet<&'w RelPath>,
}

impl Compare<'_> {
    /// Returns the file or link at a path.
    fn at(&self, path: &RelPath) -> Option<usize> {
        self.there
            .files
            .binary_search_by(|found| found.path.cmp(path))
            .ok()
    }

    /// Compares one path.
    fn look<'a>(&self, record: &'a FileRecord, buffer: &mut Vec<u8>) -> PathVerdict<'a> {
        if let Err(error) = RelPath::parse(record.path.as_bytes()) {
            return PathVerdict::Refused(format!("the path is not safe: {}", error.why));
        }
        let way = record
            .path
            .ancestors()
            .find(|above| self.others.contains(above) || self.at(above).is_some());
        if let Some(way) = way {
            return PathVerdict::Refused(format!("{way} is no folder"));
        }
        let is_folder = self.folders.contains(&record.path);
        if self.others.contains(&record.path) {
            return PathVerdict::Refused("a device, FIFO or socket is there".into());
        }
        let now = self.at(&record.path);
        match (record.kind, now) {
            (FileKind::Folder, None) if is_folder => PathVerdict::Right,
            (FileKind::Folder, Some(_)) => PathVerdict::Refused("a file is there".into()),
            (_, None) if is_folder => PathVerdict::Refused("a folder is there".into()),
            (_, None) => PathVerdict::Write(AsideTask { record, now: None }, None, None),
            (_, Some(nth)) => self
                .compare(record, nth, buffer)
                .unwrap_or_else(|error| PathVerdict::Refused(error.to_string())),
        }
    }

    /// Compares a path at which there is a file or link.
    fn compare<'a>(
        &self,
        record: &'a FileRecord,
        nth: usize,
        buffer: &mut Vec<u8>,
    ) -> io::Result<PathVerdict<'a>> {
        let found = &self.there.files[nth];
        let task = AsideTask {
            record,
            now: Some(found.stat),
        };
        let mut seen = None;
        let same = match found.stat.kind {
            Type::File if record.is_file() && found.stat.size == record.size => {
                match self.known[nth].filter(|_| !found.in_use) {
                    Some(known) => known.object.0 == record.digest,
                    None => {
                        let read = read(self.fs, found, buffer)?;
                        seen = read.1;
                        read.0 == record.digest
                    }
                }
            }
            Type::Symlink => Some(&self.fs.read_link(&found.path)?[..]) == record.target(),
            _ => false,
        };
        let as_listed = record.is_link()
            || (found.stat.mode, Some(found.stat.mtime)) == (record.mode, record.mtime);
        Ok(match (same, as_listed) {
            (true, true) => PathVerdict::Right,
            (true, false) => PathVerdict::Touch(task),
            (false, _) => PathVerdict::Write(task, seen, self.known[nth]),
        })
    }

    /// Finds what the listing does not have, and what would be overwritten.
    fn extra(&self, records: &[FileRecord], plan: &mut RestorePlan<'_>) {
        let listed = |path: &RelPath| {
            records
                .binary_search_by(|record| record.path.cmp(path))
                .is_ok()
        };
        for found in self.there.files.iter().filter(|found| !listed(&found.path)) {
            if is_aside(&found.path) {
                plan.leftovers.push(found.path.clone());
            } else {
                plan.extra.push(found.clone());
            }
        }
        let overwritten = plan
            .write
            .iter()
            .filter(|task| task.now.is_some())
            .filter_map(|task| self.at(&task.record.path));
        plan.overwritten = overwritten
            .map(|nth| self.there.files[nth].clone())
            .collect();
        let mut needed: HashSet<RelPath> = HashSet::new();
        for record in records {
            needed.insert(record.path.clone());
            for above in record.path.ancestors() {
                if !needed.insert(above) {
                    break;
                }
            }
        }
        let folders = self.there.folders.iter().map(|folder| &folder.path);
        plan.extra_folders = folders
            .rev()
            .filter(|path| !needed.contains(path))
            .cloned()
            .collect();
    }

    /// Finds the databases of the listing that are replaced, and those, replaced or already right,
    /// beside which something unlisted lies that SQLite would read into them.
    fn databases(&self, records: &[FileRecord], plan: &mut RestorePlan<'_>) {
        let is_sized =
            |task: &&AsideTask<'_>| task.now.is_some_and(|stat| sqlite::is_sized(stat.size));
        let replaced = plan
            .write
            .iter()
            .filter(is_sized)
            .map(|task| &task.record.path);
        let logged = self
            .there
            .files
            .iter()
            .filter_map(|found| sqlite::database_of(&found.path));
        let paths: BTreeSet<RelPath> = replaced.cloned().chain(logged).collect();
        let place = |path: &RelPath| {
            records
                .binary_search_by(|record| record.path.cmp(path))
                .ok()
        };
        let written: HashSet<&RelPath> = plan.write.iter().map(|task| &task.record.path).collect();
        let refused: HashSet<&RelPath> = plan.refused.iter().map(|trouble| &trouble.path).collect();
        for path in paths.into_iter().filter(|path| !refused.contains(path)) {
            let record = place(&path).map(|at| &records[at]);
            let Some(record) = record.filter(|record| record.is_file()) else {
                continue;
            };
            let is_copy = matches!(record.location, Location::Database(_));
            if !is_copy && !sqlite::is_database(self.fs, &path).unwrap_or(false) {
                continue;
            }
            let is_foreign = |log: &RelPath| self.at(log).is_some() && place(log).is_none();
            let logs: Vec<RelPath> = sqlite::ENDS
                .map(|end| sqlite::side(&path, end))
                .into_iter()
                .filter(is_foreign)
                .collect();
            // A log that cannot be read is not treated as empty.
            let changes = |log: &RelPath| {
                sqlite::log(self.fs, &path, log).unwrap_or(LogEffect::Rows) != LogEffect::Idle
            };
            if written.contains(&path) || logs.iter().any(changes) {
                plan.beside.extend(
                    logs.iter()
                        .filter_map(|log| self.at(log))
                        .map(|nth| self.there.files[nth].clone()),
                );
                plan.databases.push(Database { path, logs });
            }
        }
        let beside: HashSet<&RelPath> = plan.beside.iter().map(|found| &found.path).collect();
        plan.extra.retain(|found| !beside.contains(&found.path));
    }
}
