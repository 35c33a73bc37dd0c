//! Level 1 on the work tree: the files of a version are there as released, nothing of the task is
//! there besides, and no log beside a database changes its rows.
//!
//! What the settings protect, what a sparse checkout leaves out and what belongs to a database of
//! somebody else is never counted against the version.

use jiff::Timestamp;

use super::{Levels, TreeCheck};
use crate::{
    base::{Failure, Fs, RelPath, Sorted, Stat, Type, sqlite::Log, text},
    catalog::{
        Scope,
        databases::{is_lone_log, with_sides},
    },
    git::{Attributes, Scan, Tracked, WorkState, rules_gone},
    model::{Check, Manifest, Status, manifest::FileEntry, verification::MEANWHILE},
    site::RepoSite,
    verify::{Checking, integrity},
};

impl TreeCheck<'_> {
    /// Level 1 on the work tree.
    pub(super) fn files(&self, scan: &Scan, levels: &Levels) -> Result<Vec<Check>, Failure> {
        let (site, manifest) = (self.site, self.manifest);
        let paths = Paths::of(&*site.tree, self.scope, manifest, scan);
        let extras = paths.extras(scan);
        let rules = scan
            .tracked
            .iter()
            .filter(|tracked| tracked.state == WorkState::Missing)
            .filter(|tracked| self.scope.owns(&tracked.path));
        // Inside an operation the index may still have the rules of the version that is left.
        let gone = rules_gone(rules.map(|tracked| (&tracked.path, None)));
        let converter = site.git.converter(Attributes::After(&gone))?;
        let work = integrity::WorkTree {
            tree: &*site.tree,
            converter: &converter,
            file_mode: site.git.trusts_file_mode(),
            // What was taken in a moment ago is what lies here, a pointer too.
            takes_pointers: levels.since.is_some(),
        };
        let (files, meanwhile) = self.as_released(&work, &paths, levels);
        let mut checks = vec![
            integrity::without(files, paths.absent(manifest)),
            integrity::extra(&extras),
        ];
        let restored = Sorted::new(
            manifest
                .files
                .iter()
                .filter(|file| paths.wants(file))
                .map(|file| (&file.path, ())),
        );
        checks.extend(databases(site, scan, &restored)?);
        checks.extend(integrity::line_ends(manifest));
        checks.extend(meanwhile);
        Ok(checks)
    }

    /// Whether the files are as released. What differs and was touched since the operation began
    /// is somebody's: it comes as a check of its own that fails nothing.
    fn as_released(
        &self,
        work: &integrity::WorkTree<'_>,
        paths: &Paths<'_>,
        levels: &Levels,
    ) -> (Check, Option<Check>) {
        let is_clean = |file: &FileEntry| !levels.deep && paths.is_clean(file);
        let look = |wanted: &dyn Fn(&FileEntry) -> bool| {
            integrity::tree(work, self.manifest, wanted, &is_clean)
        };
        let files = look(&|file| paths.wants(file));
        let (Status::Fail, Some(since)) = (files.status, levels.since) else {
            return (files, None);
        };
        let is_touched = |file: &FileEntry| touched(self.site, &file.path, since);
        let theirs = look(&|file| paths.wants(file) && is_touched(file));
        if theirs.status != Status::Fail {
            return (files, None);
        }
        let meanwhile = Check {
            id: MEANWHILE.into(),
            status: Status::Skipped,
            ..theirs
        };
        let ours = look(&|file| paths.wants(file) && !is_touched(file));
        (ours, Some(meanwhile))
    }
}

/// The paths of a version and of the work tree, told apart.
struct Paths<'a> {
    fs: &'a dyn Fs,
    scope: &'a Scope,
    /// What is equal to its index entry.
    clean: Sorted<'a, &'a Tracked>,
    /// The task's files that a sparse checkout leaves out.
    left_out: Sorted<'a, ()>,
    /// What the manifest lists.
    listed: Sorted<'a, ()>,
}

impl<'a> Paths<'a> {
    /// Sorts them.
    fn of(fs: &'a dyn Fs, scope: &'a Scope, manifest: &'a Manifest, scan: &'a Scan) -> Self {
        let of_state = |state| {
            scan.tracked
                .iter()
                .filter(move |tracked| tracked.state == state)
        };
        let clean = of_state(WorkState::Clean).map(|tracked| (&tracked.path, tracked));
        let left_out = of_state(WorkState::LeftOut).filter(|tracked| scope.owns(&tracked.path));
        Self {
            fs,
            scope,
            clean: Sorted::new(clean),
            left_out: Sorted::new(left_out.map(|tracked| (&tracked.path, ()))),
            listed: Sorted::new(manifest.files.iter().map(|file| (&file.path, ()))),
        }
    }

    /// True where git's own stat cache proves that a file is as released.
    fn is_clean(&self, file: &FileEntry) -> bool {
        let entry = self
            .clean
            .get(&file.path)
            .and_then(|tracked| tracked.index.as_ref());
        file.blob.is_some()
            && entry.is_some_and(|entry| {
                Some(&entry.id) == file.blob.as_ref() && Some(&entry.mode) == file.mode.as_ref()
            })
    }

    /// True for part of a database that is none of the version's.
    fn is_lone(&self, path: &RelPath) -> bool {
        is_lone_log(self.fs, path, |database| self.listed.contains(database))
    }

    /// True for a file that must be as released.
    fn wants(&self, file: &FileEntry) -> bool {
        let path = &file.path;
        let stays =
            || self.scope.protects(path) || self.left_out.contains(path) || self.is_lone(path);
        file.is_restored() && !stays()
    }

    /// How many files of the version a sparse checkout leaves out.
    fn absent(&self, manifest: &Manifest) -> usize {
        manifest
            .files
            .iter()
            .filter(|file| file.is_restored() && self.left_out.contains(&file.path))
            .count()
    }

    /// The task's tracked files that the version does not list.
    fn extras(&self, scan: &Scan) -> Vec<RelPath> {
        scan.tracked
            .iter()
            .filter(|tracked| self.is_extra(tracked))
            .map(|tracked| tracked.path.clone())
            .collect()
    }

    /// True for a tracked file that is there, is the task's, and is not listed.
    fn is_extra(&self, tracked: &Tracked) -> bool {
        let path = &tracked.path;
        let is_own = || self.scope.owns(path) && !self.scope.protects(path) && !self.is_lone(path);
        !self.listed.contains(path)
            && is_own()
            && tracked.state != WorkState::Missing
            && tracked.state != WorkState::LeftOut
            // A folder in place of a file is no file too many; what is in it is looked at by
            // itself.
            && !(tracked.state == WorkState::TypeChanged && self.is_folder(path))
    }

    /// True for a folder.
    fn is_folder(&self, path: &RelPath) -> bool {
        self.fs
            .stat(path)
            .ok()
            .flatten()
            .is_some_and(|stat| stat.kind == Type::Dir)
    }
}

/// True for a path that was written, changed or removed since then, by the clock of the file
/// system.
fn touched(site: &RepoSite, path: &RelPath, since: Timestamp) -> bool {
    let at = |stat: Stat| stat.mtime.0.max(stat.ctime.0);
    site.tree
        .stat(path)
        .is_ok_and(|stat| stat.is_none_or(|stat| at(stat) >= since.as_second()))
}

/// No log changes the rows of the version's databases; nothing is said where there is none.
fn databases(
    site: &RepoSite,
    scan: &Scan,
    restored: &Sorted<'_, ()>,
) -> Result<Option<Check>, Failure> {
    let checking = Checking::begin(1, "integrity.databases");
    let databases = with_sides(&*site.tree, scan.names(), |path| restored.contains(path))?;
    let mut problems = Vec::new();
    for database in &databases {
        problems.extend(
            match database.changed_by(&*site.tree, |log| !restored.contains(log))? {
                Some((log, Log::Transaction)) => Some(format!(
                    "{log} takes back a transaction on {}, so its rows are others",
                    database.path
                )),
                Some((log, _)) => Some(format!(
                    "{log} holds committed rows that {} of the version has not",
                    database.path
                )),
                None => None,
            },
        );
    }
    let said = format!(
        "{}: no log or journal beside it changes its rows",
        text::count(databases.len(), "database")
    );
    Ok((!databases.is_empty()).then(|| checking.judge(problems, said)))
}
