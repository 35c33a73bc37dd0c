//! Compares HEAD, index and work tree below some folders, without reading files.
//!
//! `walk.rs` walks the work tree; here its results are joined with HEAD's tree, and files that are
//! not in the index are classified by the ignore rules. Ignored files are listed one by one because
//! a task's large files may be among them.

use gix::index::entry::Mode;
use gix::worktree::stack::state::ignore::Source;
use rayon::prelude::*;

use super::{
    Error, Repo,
    error::During,
    repo::git_id,
    tree::without_nested,
    walk::{IndexWalk, WalkResult, entries_at},
};
use base::RelPath;
use model::{GitMode, operation::TreeEntry};

/// The state of a work-tree file, as far as it is known without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkState {
    /// Its stat data proves that it is unchanged: its bytes are the index entry's blob, converted.
    Clean,
    /// It must be read.
    Maybe,
    /// It must be read although its stat data matches the index entry: on this file system or with
    /// these settings a match proves nothing, and neither would new stat data.
    Unsure,
    /// It is missing.
    Missing,
    /// It is missing, and marked as left out in the index (as in sparse checkouts).
    LeftOut,
    /// A folder or special file is in its place.
    TypeChanged,
}

/// A path that is in HEAD or the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The path.
    pub path: RelPath,
    /// Its index entry.
    pub index: Option<TreeEntry>,
    /// Its entry in HEAD.
    pub head: Option<TreeEntry>,
    /// Its state in the work tree.
    pub state: WorkState,
}

/// The state below some folders. All lists are sorted by the bytes of the paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Paths in HEAD or the index.
    pub tracked: Vec<Tracked>,
    /// Files that are neither in the index nor ignored.
    pub untracked: Vec<RelPath>,
    /// Ignored files.
    pub ignored: Vec<RelPath>,
    /// Submodules in HEAD or the index; their contents are not listed.
    pub submodules: Vec<RelPath>,
    /// Nested repositories that git does not track here; their contents are not listed.
    pub nested: Vec<RelPath>,
    /// Untracked names that no release can hold, such as `.snapback`; contents are not listed.
    pub refused: Vec<RelPath>,
}

impl Scan {
    /// Iterates over every path that was found, tracked or not.
    pub fn names(&self) -> impl Iterator<Item = &RelPath> {
        self.tracked
            .iter()
            .map(|tracked| &tracked.path)
            .chain(&self.untracked)
            .chain(&self.ignored)
    }
}

impl Repo {
    /// Compares HEAD, index and work tree below these folders, or at exactly these files.
    pub fn scan(&self, dirs: &[RelPath]) -> Result<Scan, Error> {
        self.require_work_tree()?;
        let dirs = without_nested(dirs);
        let index = self.read_index(true)?;
        let file_mode = self.trusts_file_mode();
        let walk = IndexWalk {
            work_tree: self.work_tree(),
            index: &index,
            stat: self.stat_rules()?,
            file_mode,
        };
        let mut scan = Scan::default();
        let walk_all = || {
            dirs.iter()
                .map(|dir| self.walk_one(&walk, &index, dir))
                .collect::<Result<Vec<_>, Error>>()
        };
        let (found, head) = rayon::join(walk_all, || self.head_entries(&index, &dirs));
        let mut head = head?;
        let is_submodule = |(_, entry): &(RelPath, TreeEntry)| entry.mode == GitMode::Submodule;
        // Include those only in HEAD: a release would carry them, but no manifest can list them.
        scan.submodules.extend(
            head.iter()
                .filter(|entry| is_submodule(entry))
                .map(|(path, _)| path.clone()),
        );
        head.retain(|entry| !is_submodule(entry));
        let WalkResult {
            mut tracked,
            mut others,
            submodules,
            nested,
            refused,
        } = found?
            .into_iter()
            .fold(WalkResult::default(), |mut all, found| {
                all.merge(found);
                all
            });
        scan.submodules.extend(submodules);
        scan.nested = nested;
        scan.refused = refused;
        tracked.par_sort_unstable_by(|a, b| a.0.cmp(&b.0));
        others.par_sort_unstable();
        let index_side = tracked.into_par_iter().map(|(path, entry, state)| Tracked {
            path,
            index: (entry.stage_raw() == 0).then(|| index_entry(entry)),
            head: None,
            state,
        });
        scan.tracked = self.join_head(index_side.collect(), head, &others);
        self.sort_others(&index, others, &mut scan)?;
        for list in [&mut scan.submodules, &mut scan.nested] {
            list.sort_unstable();
            list.dedup();
        }
        scan.refused.sort_unstable();
        Ok(scan)
    }

    /// Walks one folder, unless it lies in a nested repository.
    fn walk_one<'a>(
        &self,
        walk: &IndexWalk<'a>,
        index: &'a gix::index::State,
        dir: &RelPath,
    ) -> Result<WalkResult<'a>, Error> {
        if let Some(above) = self.nested_above(index, dir) {
            let is_submodule = entries_at(index, &above)
                .0
                .first()
                .is_some_and(|entry| entry.mode == Mode::COMMIT);
            let found = WalkResult::default();
            let above = vec![above];
            return Ok(if is_submodule {
                WalkResult {
                    submodules: above,
                    ..found
                }
            } else {
                WalkResult {
                    nested: above,
                    ..found
                }
            });
        }
        let (here, below) = entries_at(index, dir);
        walk.start(dir, here, below)
    }

    /// Returns HEAD's entries below these folders, including submodules; none on an unborn branch.
    ///
    /// Folders whose tree matches the index, according to git's cache tree, are not read.
    fn head_entries(
        &self,
        index: &gix::index::State,
        dirs: &[RelPath],
    ) -> Result<Vec<(RelPath, TreeEntry)>, Error> {
        let Some(commit) = self.head_commit()? else {
            return Ok(Vec::new());
        };
        self.entries_but(&commit, dirs, &|dir, tree| cached(index, dir, tree))
    }

    /// Returns the submodule or nested repository that contains a path, if any. A folder with files
    /// in the index is neither, whatever else it contains: this is git's rule, and the walk's.
    fn nested_above(&self, index: &gix::index::State, path: &RelPath) -> Option<RelPath> {
        let is_nested = |dir: &RelPath| {
            let (here, below) = entries_at(index, dir);
            here.first().is_some_and(|entry| entry.mode == Mode::COMMIT)
                || below.is_empty()
                    && self
                        .work_tree()
                        .join(dir.as_os())
                        .join(".git")
                        .symlink_metadata()
                        .is_ok()
        };
        path.ancestors().filter(is_nested).last()
    }

    /// Merges HEAD's entries into the index's; both are sorted.
    fn join_head(
        &self,
        index_side: Vec<Tracked>,
        head: Vec<(RelPath, TreeEntry)>,
        others: &[RelPath],
    ) -> Vec<Tracked> {
        let mut joined = Vec::with_capacity(index_side.len().max(head.len()));
        let mut head = head.into_iter().peekable();
        let only_in_head = |path: RelPath, entry: TreeEntry| {
            let state = self.state_of_unindexed(&path, others);
            Tracked {
                path,
                index: None,
                head: Some(entry),
                state,
            }
        };
        for mut tracked in index_side {
            while let Some((path, entry)) = head.next_if(|(path, _)| *path <= tracked.path) {
                if path == tracked.path {
                    tracked.head = Some(entry);
                    break;
                }
                joined.push(only_in_head(path, entry));
            }
            joined.push(tracked);
        }
        joined.extend(head.map(|(path, entry)| only_in_head(path, entry)));
        joined
    }

    /// Returns the state of a path that is only in HEAD.
    fn state_of_unindexed(&self, path: &RelPath, others: &[RelPath]) -> WorkState {
        if others.binary_search(path).is_ok() {
            return WorkState::Maybe;
        }
        // The walk listed every file, so this is a folder, a special file, or nothing.
        match self.work_tree().join(path.as_os()).symlink_metadata() {
            Ok(found) if !found.is_symlink() => WorkState::TypeChanged,
            _ => WorkState::Missing,
        }
    }

    /// Classifies files that are not in the index as untracked or ignored.
    fn sort_others(
        &self,
        index: &gix::index::State,
        others: Vec<RelPath>,
        scan: &mut Scan,
    ) -> Result<(), Error> {
        if others.is_empty() {
            return Ok(());
        }
        let doing = "reading the ignore rules";
        self.with(|repo| {
            let mut rules = repo
                .excludes(index, None, Source::WorktreeThenIdMappingIfNotSkipped)
                .during(doing)?;
            for path in others {
                let ignored = rules
                    .at_entry(path.as_bstr(), Some(Mode::FILE))
                    .during(doing)?
                    .is_excluded();
                if ignored {
                    scan.ignored.push(path);
                } else {
                    scan.untracked.push(path);
                }
            }
            Ok(())
        })
    }
}

/// Converts an index entry to our form.
pub(super) fn index_entry(entry: &gix::index::Entry) -> TreeEntry {
    TreeEntry {
        mode: GitMode::of_bits(entry.mode.bits()),
        id: git_id(&entry.id),
    }
}

/// Returns the index's entries below a folder, if they make up this tree according to the index.
fn cached(
    index: &gix::index::State,
    dir: &RelPath,
    tree: &gix::oid,
) -> Option<Vec<(RelPath, TreeEntry)>> {
    let mut node = index.tree()?;
    for name in dir
        .as_bytes()
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
    {
        // gix sorts them when it reads the index.
        let children = &node.children;
        let at = children.binary_search_by(|child| child.name.as_slice().cmp(name));
        node = &children[at.ok()?];
    }
    let below = entries_at(index, dir).1;
    if node.id != tree || node.num_entries? as usize != below.len() {
        return None;
    }
    let entry = |entry: &gix::index::Entry| {
        Some((RelPath::parse(entry.path(index)).ok()?, index_entry(entry)))
    };
    below.par_iter().map(entry).collect()
}
