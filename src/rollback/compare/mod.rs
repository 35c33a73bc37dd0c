//! Compares a release with the current state: which paths change, and how, in the work tree, the
//! commit and the index. Also proves that all bytes to be written are available and intact.
//!
//! Changes nothing. See `written` for additions, `removed` for removals, and `refusals` for what is
//! refused beforehand.

mod refusals;
mod remarks;
mod removed;
mod written;

use std::collections::BTreeSet;

use super::room::Room;
use crate::{
    base::{Failure, RelPath, Sorted, cancel, sqlite},
    catalog::{Scope, capture, left_out, manifests::Found, releases::Releases},
    git::{Attributes, RuleChanges, Scan, Tracked, WorkState},
    model::{
        GitId, IgnoredFiles, PathChange, TaskSpec,
        manifest::{FileRole, ManifestFile},
        operation::{TreeChange, TreeEntry},
    },
    site::RepoSite,
    verify::refuse_other_commit,
};
use written::CheckoutRules;

/// The input of a comparison.
pub struct Comparison<'a> {
    /// The ports.
    pub site: &'a RepoSite,
    /// The task.
    pub task: &'a TaskSpec,
    /// The compiled globs.
    pub scope: &'a Scope,
    /// The releases of the task.
    pub releases: &'a Releases,
    /// The target.
    pub target: &'a Found,
    /// True when shared files are restored too.
    pub with_shared: bool,
}

/// The result of a comparison.
#[derive(Default)]
pub struct TreeDifference {
    /// Changes of the work tree, sorted by path.
    pub files: Vec<PathChange>,
    /// Changes of the commit's tree.
    pub tree: Vec<TreeChange>,
    /// Changes of the index.
    pub index: Vec<TreeChange>,
    /// Correct index entries with outdated stat data: their files had to be read, and would be read
    /// again on every later comparison.
    pub stale: Vec<TreeChange>,
    /// Blobs that must be durable before files with the same bytes are replaced.
    pub unsynced: Vec<GitId>,
    /// The number of unchanged files.
    pub unchanged: usize,
    /// Untracked files that stay.
    pub untracked: Vec<RelPath>,
    /// Protected files that stay.
    pub protected: Vec<RelPath>,
    /// Ignored files that stay.
    pub left_out: IgnoredFiles,
    /// Shared files that differ from what the target expects.
    pub drift: Vec<String>,
    /// Paths whose content in the work tree was not committed.
    pub uncommitted: BTreeSet<RelPath>,
    /// Number of stale bytecode files to remove.
    pub bytecode: usize,
    /// Nested repositories that stay as they are.
    pub nested: Vec<RelPath>,
    /// Number of untracked files saved and removed because the version has a file or folder there.
    pub made_room: usize,
    /// Files restored with other line ends than they had at release.
    pub line_ends: Vec<RelPath>,
}

/// The files to restore, by path.
pub(super) type RestoredFiles<'a> = Sorted<'a, &'a ManifestFile>;

impl Comparison<'_> {
    /// Compares.
    pub fn compare(&self) -> Result<TreeDifference, Failure> {
        let wanted = self.wanted();
        let scan = self.look(&wanted)?;
        cancel::check()?;
        let mut compared = TreeDifference {
            nested: self.nested(&wanted, &scan)?,
            ..TreeDifference::default()
        };
        let tracked = Sorted::new(scan.tracked.iter().map(|tracked| (&tracked.path, tracked)));
        let rules = self.rules(&wanted, &tracked);
        let converter = self.site.git.converter(Attributes::After(&rules))?;
        let reader = CheckoutRules {
            converter: &converter,
            same_rules: rules.is_empty(),
        };
        self.restore(&wanted, &tracked, &reader, &mut compared)?;
        self.remove(&wanted, &scan, &mut compared)?;
        let needed = self.target.manifest.subject.version.to_string();
        let room = Room {
            site: self.site,
            scope: self.scope,
            needed: &needed,
        };
        let made = room.make(
            scan.untracked.iter().chain(&scan.ignored),
            &mut compared.files,
        )?;
        compared.untracked.retain(|path| !made.contains(path));
        compared.made_room = made.len();
        self.settle_databases(&scan, &wanted, &mut compared)?;
        compared.files.sort_by(|a, b| a.path.cmp(&b.path));
        compared.files.dedup_by(|a, b| a.path == b.path);
        compared.left_out = self.left_out(&wanted, &scan, &compared);
        room.check(&compared.files)?;
        compared.line_ends = self.other_line_ends(&wanted, &converter, &compared)?;
        self.find_shared_changes(&mut compared)?;
        Ok(compared)
    }

    /// Scans the paths of the release's files. A release that is damaged, or that reaches outside
    /// its task, is refused before the scan is used.
    fn look(&self, wanted: &RestoredFiles<'_>) -> Result<Scan, Failure> {
        let dirs = self.scope.dirs_and(wanted.paths());
        let (commit, scan) = rayon::join(
            || refuse_other_commit(self.site, self.scope, self.target),
            || self.site.git.scan(&dirs),
        );
        commit?;
        self.check_scope(wanted)?;
        self.check_twins(wanted)?;
        Ok(scan?)
    }

    /// Returns the ignored files that stay. Excludes files that are written or removed, also to
    /// make room or beside a database.
    fn left_out(
        &self,
        wanted: &RestoredFiles<'_>,
        scan: &Scan,
        compared: &TreeDifference,
    ) -> IgnoredFiles {
        let changes = |path: &RelPath| {
            compared
                .files
                .binary_search_by(|file| file.path.cmp(path))
                .is_ok()
        };
        let ignored = scan
            .ignored
            .iter()
            .filter(|path| !wanted.contains(path) && !changes(path));
        left_out::of(&*self.site.tree, self.task, self.scope, ignored)
    }

    /// Returns the files to restore, by path.
    fn wanted(&self) -> RestoredFiles<'_> {
        let files = self.target.manifest.files.iter();
        let files = files.filter(|file| {
            file.is_restored() || (self.with_shared && file.role == FileRole::Shared)
        });
        Sorted::new(files.map(|file| (file.path(), file)))
    }

    /// Line endings follow the attributes in force afterwards: the target's own inside the task,
    /// the work tree's elsewhere.
    pub(super) fn rules(
        &self,
        wanted: &RestoredFiles<'_>,
        tracked: &Sorted<'_, &Tracked>,
    ) -> RuleChanges {
        let is_rules = |path: &RelPath| {
            path.name() == b".gitattributes" && !self.protects(path, &mut TreeDifference::default())
        };
        let stays = |path: &RelPath| self.scope.holds_merge_lines(&*self.site.tree, path);
        let clean = |path: &RelPath| {
            tracked
                .get(path)
                .filter(|tracked| tracked.state == WorkState::Clean)
                .and_then(|tracked| tracked.index.as_ref())
        };
        let differs =
            |path: &RelPath, file: &ManifestFile| clean(path).map(|entry| &entry.id) != file.blob();
        let come = wanted
            .values()
            .filter(|file| is_rules(file.path()) && differs(file.path(), file))
            .map(|file| (file.path().clone(), file.blob().cloned()));
        let go = tracked
            .paths()
            .filter(|path| is_rules(path) && self.scope.owns(path) && !wanted.contains(path))
            .filter(|path| !stays(path));
        come.chain(go.map(|path| (path.clone(), None))).collect()
    }

    /// Returns true, and notes it, for an existing protected path; a missing one may be restored.
    pub(super) fn protects(&self, path: &RelPath, compared: &mut TreeDifference) -> bool {
        let is_there = |path: &RelPath| {
            capture::stat(&*self.site.tree, path)
                .ok()
                .flatten()
                .is_some()
        };
        // A database that stays keeps its present log, or the absence of one.
        let of_kept = |path: &RelPath| {
            sqlite::database_of(path)
                .is_some_and(|database| self.scope.protects(&database) && is_there(&database))
        };
        let protected = self.scope.stays(path) && (is_there(path) || of_kept(path));
        if protected {
            compared.protected.push(path.clone());
        }
        protected
    }
}

/// Adds a change unless both entries are equal.
fn note(
    changes: &mut Vec<TreeChange>,
    path: &RelPath,
    before: Option<TreeEntry>,
    after: Option<TreeEntry>,
) {
    if before != after {
        changes.push(TreeChange {
            path: path.clone(),
            before,
            after,
        });
    }
}
