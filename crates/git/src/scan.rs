//! What is where: HEAD, index and work tree compared below some folders, without reading files.
//!
//! `walk.rs` makes the pass over the work tree; here its findings are joined with HEAD's tree,
//! and the files that the index does not know are sorted by the ignore rules. Ignored files are
//! listed one by one because a task's large files may be among them.

use gix::index::entry::Mode;
use gix::worktree::stack::state::ignore::Source;
use rayon::prelude::*;

use super::{
    Error, Repo,
    error::During,
    repo::git_id,
    tree::without_nested,
    walk::{Found, Walk, entries_at},
};
use base::RelPath;
use model::{GitMode, operation::TreeEntry};

/// What can be said about a file of the work tree without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkState {
    /// Its stat data proves that it is the index entry's: its bytes are that blob, converted.
    Clean,
    /// It must be read.
    Maybe,
    /// It must be read although its stat data is the index entry's: here that proves nothing, and
    /// new stat data would prove no more.
    Unsure,
    /// Nothing is there.
    Missing,
    /// Nothing is there, and git was told to leave it out (sparse checkouts do that).
    LeftOut,
    /// A folder or a special file is there.
    TypeChanged,
}

/// A path that HEAD or the index holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// The path.
    pub path: RelPath,
    /// The index's entry.
    pub index: Option<TreeEntry>,
    /// HEAD's entry.
    pub head: Option<TreeEntry>,
    /// What is in its place.
    pub state: WorkState,
}

/// The state below some folders. All lists are sorted by the bytes of the paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// What HEAD or the index holds.
    pub tracked: Vec<Tracked>,
    /// Files that are neither in the index nor ignored.
    pub untracked: Vec<RelPath>,
    /// Files that are ignored.
    pub ignored: Vec<RelPath>,
    /// Submodules that HEAD or the index holds; nothing below them is listed.
    pub submodules: Vec<RelPath>,
    /// Repositories of their own that git does not know here; nothing below them is listed.
    pub nested: Vec<RelPath>,
    /// Untracked names that no release can hold, such as `.snapback`; nothing below them is listed.
    pub refused: Vec<RelPath>,
}

impl Scan {
    /// Every path that was found, tracked or not.
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
        let walk = Walk {
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
        // One that only HEAD has, too: a release would carry it along, and no manifest can list it.
        scan.submodules.extend(
            head.iter()
                .filter(|entry| is_submodule(entry))
                .map(|(path, _)| path.clone()),
        );
        head.retain(|entry| !is_submodule(entry));
        let Found {
            mut tracked,
            mut others,
            submodules,
            nested,
            refused,
        } = found?.into_iter().fold(Found::default(), |mut all, found| {
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
        walk: &Walk<'a>,
        index: &'a gix::index::State,
        dir: &RelPath,
    ) -> Result<Found<'a>, Error> {
        if let Some(above) = self.nested_above(index, dir) {
            let is_submodule = entries_at(index, &above)
                .0
                .first()
                .is_some_and(|entry| entry.mode == Mode::COMMIT);
            let found = Found::default();
            let above = vec![above];
            return Ok(if is_submodule {
                Found {
                    submodules: above,
                    ..found
                }
            } else {
                Found {
                    nested: above,
                    ..found
                }
            });
        }
        let (here, below) = entries_at(index, dir);
        walk.start(dir, here, below)
    }

    /// HEAD's entries below these folders, submodules among them; none on an unborn branch.
    ///
    /// Folders whose tree the index knows to be its own content are not read (git's cache tree).
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

    /// The submodule or nested repository that a path lies in, if any. A folder of which the index
    /// has files is none, whatever else is in it: so git has it, and so has the walk.
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

    /// Merges HEAD's side into the index's side; both are sorted.
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

    /// What is in the place of a path that only HEAD holds.
    fn state_of_unindexed(&self, path: &RelPath, others: &[RelPath]) -> WorkState {
        if others.binary_search(path).is_ok() {
            return WorkState::Maybe;
        }
        // The walk listed every file; what is left is a folder, a special file, or nothing.
        match self.work_tree().join(path.as_os()).symlink_metadata() {
            Ok(found) if !found.is_symlink() => WorkState::TypeChanged,
            _ => WorkState::Missing,
        }
    }

    /// Sorts files that the index does not know into untracked and ignored.
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

/// Our form of an index entry.
pub(super) fn index_entry(entry: &gix::index::Entry) -> TreeEntry {
    TreeEntry {
        mode: GitMode::of_bits(entry.mode.bits()),
        id: git_id(&entry.id),
    }
}

/// The index's entries below a folder, if the index says that they make up this tree.
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
        node = node
            .children
            .iter()
            .find(|child| child.name.as_slice() == name)?;
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
