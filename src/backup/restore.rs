//! Brings back what was put under a name.
//!
//! Compares, keeps what would be lost, writes what differs: see [`super::plan`] and
//! [`crate::materialise::aside`]. What is right already is left alone; one bad file does not stop
//! the others.

use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    Error, find,
    intake::{FileIntake, IntakeResult},
    plan::{self, RestorePlan},
    put,
};
use crate::{
    base::{Failure, Fs, RelPath, Root, SyncPoint, Type, output},
    catalog::databases,
    materialise::aside::Aside,
    model::{FileRecord, Location, ObjectId, backup::RestoreReport},
    site::RepoSite,
    source::PathStat,
    stat_cache::{Cache, WORTH_WATCHING},
    store::PutSession,
};

/// Options of a restore.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The name under which it was put.
    pub name: String,
    /// The target folder, which is made when it is missing.
    pub into: PathBuf,
    /// Remove what the listing does not have.
    pub delete: bool,
    /// Do not keep what is overwritten or removed.
    pub discard: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Restores what was put under a name.
pub(super) fn restore(site: &RepoSite, restore: &RestoreOptions) -> Result<RestoreReport, Failure> {
    let begun = Instant::now();
    let save = find(&site.store, &restore.name)?;
    let records = super::records(&site.store, &restore.name, &save)?;
    let mut report = RestoreReport {
        name: restore.name.clone(),
        total: records.len() as u64,
        ..RestoreReport::default()
    };
    if restore.dry_run && !restore.into.exists() {
        report.missing = report.total;
        return Ok(report);
    }
    let failed = |source| Error::Folder {
        path: restore.into.clone(),
        source,
    };
    let root = output::folder(&restore.into, !restore.dry_run)?;
    let top = root.path().to_path_buf();
    let stat = root
        .stat(&RelPath::root())
        .map_err(failed)?
        .ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))?;
    let cache = Cache::of(&*site.state, "folder", &top, &stat);
    // Known only by writing a file, which a dry run does not.
    let folds = !restore.dry_run && folds_case(&root);
    let mut plan = site.work("comparing", 0, false, || {
        plan::plan(&root, &records, Some(&cache), folds)
    })?;
    databases::wait_closed(&top, &plan.databases, Duration::ZERO, false)?;
    count(&plan, &mut report);
    if !restore.dry_run {
        let lost: Vec<PathStat> = lost(&plan, restore.delete);
        if !lost.is_empty() && !restore.discard {
            let place = (&root, &*top);
            report.kept_as = Some(keep(site, &restore.name, place, &mut plan, &lost)?);
        }
        write(site, &root, &plan, restore.delete, &mut report)?;
    }
    report.failed.sort_by(|a, b| a.path.cmp(&b.path));
    report.duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// The bytes of a file that is restored, before it gets its name.
pub const FILE: SyncPoint = SyncPoint::new("backup.file");
/// The folders in which names changed.
pub const DIR: SyncPoint = SyncPoint::new("backup.dir");
/// The places where a restore forces bytes to the disk; the tests skip one at a time.
pub const SYNC_POINTS: [SyncPoint; 2] = [FILE, DIR];

/// Carries out a plan below a root.
pub fn write(
    site: &RepoSite,
    root: &dyn Fs,
    plan: &RestorePlan<'_>,
    delete: bool,
    report: &mut RestoreReport,
) -> Result<(), Failure> {
    let progress = |more| site.progress(more);
    let aside = Aside::new(root, site, (FILE, DIR), &progress);
    let work = plan.work(delete);
    site.work("restoring", work.bytes(), true, || aside.run(&work, report))
}

/// Adds the figures of a plan to the report.
fn count(plan: &RestorePlan<'_>, report: &mut RestoreReport) {
    report.right = plan.right;
    report.missing = plan.write.iter().filter(|task| task.now.is_none()).count() as u64;
    report.differing = plan.write.len() as u64 - report.missing;
    report.touched = plan.touch.len() as u64;
    report.extra = plan.extra.len() as u64;
    report.beside = plan.beside.iter().map(|found| found.path.clone()).collect();
    report.failed.extend(plan.refused.iter().cloned());
}

/// Returns everything that a restore overwrites or removes, sorted.
fn lost(plan: &RestorePlan<'_>, delete: bool) -> Vec<PathStat> {
    let extra = plan.extra.iter().filter(|_| delete);
    let mut lost: Vec<PathStat> = plan
        .overwritten
        .iter()
        .chain(&plan.beside)
        .chain(extra)
        .cloned()
        .collect();
    lost.sort_by(|a, b| a.path.cmp(&b.path));
    lost
}

/// Puts what would be lost into the store, under a new name, which is returned.
fn keep(
    site: &RepoSite,
    name: &str,
    (root, top): (&Root, &std::path::Path),
    plan: &mut RestorePlan<'_>,
    lost: &[PathStat],
) -> Result<String, Failure> {
    let session = site.store.begin();
    // What is overwritten may have no other copy.
    session.read_all_known();
    let held = held(root, &session, plan)?;
    let progress = |more| site.progress(more);
    let intake = FileIntake {
        fs: root,
        top,
        // Byte for byte, logs and journals too: all of it is removed.
        copies: None,
        session: &session,
        progress: &progress,
        grown: 0.into(),
    };
    let files: Vec<&PathStat> = lost
        .iter()
        .filter(|found| found.stat.kind == Type::File && !held.contains_key(&found.path))
        .collect();
    let got = site.work(
        "keeping",
        files.iter().map(|file| file.stat.size).sum(),
        true,
        || intake.take(&files),
    )?;
    let records = records_of(root, lost, &held, got)?;
    let kept = free_name(site, name)?;
    let listing = put::NamedListing {
        name: &kept,
        records: &records,
        folders: vec![super::folder_bytes(top)],
    };
    put::name(site, session, listing, true)?;
    Ok(kept)
}

/// Returns the objects of the overwritten files that the session has, undamaged but for what their
/// new bytes have in common with them: that is read before anything is overwritten.
fn held(
    root: &Root,
    session: &PutSession,
    plan: &mut RestorePlan<'_>,
) -> Result<HashMap<RelPath, ObjectId>, Failure> {
    let mut held = HashMap::new();
    let tasks: HashMap<&RelPath, &FileRecord> = plan
        .write
        .iter()
        .map(|task| (&task.record.path, task.record))
        .collect();
    let is_large = |found: &&PathStat| found.stat.size >= WORTH_WATCHING;
    for found in plan.overwritten.iter().filter(is_large) {
        let path = &found.path;
        let seen = plan.seen.get(path).map(|seen| ObjectId(seen.digest));
        let Some(object) = seen.or_else(|| plan.known.get(path).copied()) else {
            continue;
        };
        let target = tasks.get(path).and_then(|record| record.location.object());
        if !session.holds_beside(&object, target)? {
            continue;
        }
        if seen.is_none() {
            let (_, read) =
                plan::read(root, found, &mut Vec::new()).map_err(|error| Error::CannotKeep {
                    path: path.clone(),
                    why: error.to_string(),
                })?;
            let Some(read) = read.filter(|read| read.digest == object.0) else {
                continue;
            };
            plan.seen.insert(path.clone(), read);
        }
        held.insert(path.clone(), object);
    }
    Ok(held)
}

/// Returns the records of kept files, in their order; intake results come in file order.
fn records_of(
    root: &Root,
    lost: &[PathStat],
    held: &HashMap<RelPath, ObjectId>,
    got: Vec<IntakeResult>,
) -> Result<Vec<FileRecord>, Failure> {
    let mut got = got.into_iter();
    let mut records = Vec::with_capacity(lost.len());
    for found in lost {
        let cannot = |why: String| Error::CannotKeep {
            path: found.path.clone(),
            why,
        };
        let (path, then) = (found.path.clone(), &found.stat);
        if then.kind == Type::Symlink {
            let target = root.read_link(&path);
            let target = target.map_err(|error| cannot(error.to_string()))?;
            records.push(FileRecord::of_link(path, then, target));
            continue;
        }
        if let Some(object) = held.get(&path) {
            let (read, source) = ((object.0, then.size), Location::Object(*object));
            records.push(FileRecord::of_stat(path, then, read, source));
            continue;
        }
        match got.next().expect("because each file was taken in") {
            IntakeResult::Stored { object, stat, .. } => {
                let (read, source) = ((object.0, stat.size), Location::Object(object));
                records.push(FileRecord::of_stat(path, then, read, source));
            }
            IntakeResult::Gone => return Err(cannot("it was removed meanwhile".into()).into()),
            IntakeResult::Failed(why) => return Err(cannot(why).into()),
        }
    }
    Ok(records)
}

/// Returns a name under which nothing was kept yet.
fn free_name(site: &RepoSite, name: &str) -> Result<String, Failure> {
    let taken: Vec<String> = site
        .store
        .named()?
        .into_iter()
        .map(|(root, _)| root)
        .collect();
    // A copy kept from an already kept copy is named after the first name.
    let name = name
        .strip_prefix("before-restore-")
        .and_then(|rest| Some(rest.rsplit_once('-')?.0))
        .unwrap_or(name);
    let mut nth = 1;
    loop {
        let kept = format!("before-restore-{name}-{nth}");
        if !taken.contains(&super::root_name(&kept)) {
            return Ok(kept);
        }
        nth += 1;
    }
}

/// Returns true when the file system below a root ignores case in names.
fn folds_case(root: &Root) -> bool {
    // A name of its own: what a killed run left behind proves nothing.
    let name = format!(".snapback-restore-case-{}", std::process::id());
    let (lower, upper) = (
        RelPath::own(name.as_str()),
        RelPath::own(name.to_uppercase()),
    );
    let _ = root.remove_file(&lower);
    if root.create(&lower, 0o600).is_err() {
        return false;
    }
    let folds = matches!(root.stat(&upper), Ok(Some(_)));
    let _ = root.remove_file(&lower);
    folds
}
