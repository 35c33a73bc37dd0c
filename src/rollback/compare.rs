//! Compares a release with what is there: which paths change, and how, in the work tree, the
//! commit and the index. Proves on the way that every byte of the target is here and intact.

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;

use super::{Error, check, room::Room};
use crate::{
    base::{Failure, GitId, RelPath, Sorted, sqlite},
    catalog::{
        self, Scope, capture, left_out,
        manifests::Found,
        releases::{self, Releases},
    },
    draft::{FileDraft, Kept, tree},
    git::{Attributes, Converter, RuleChanges, Scan, Tracked, WorkState},
    ground::Ground,
    model::{
        LeftOut, Manifest, Source, TaskSpec,
        manifest::{FileEntry, Role},
        operation::{TreeChange, TreeEntry},
    },
};

/// What is compared.
pub struct Way<'a> {
    /// The ports.
    pub ground: &'a Ground,
    /// The task.
    pub task: &'a TaskSpec,
    /// Its globs.
    pub scope: &'a Scope,
    /// The releases of the task.
    pub releases: &'a Releases,
    /// The target.
    pub target: &'a Found,
    /// True when shared files are restored too.
    pub with_shared: bool,
}

/// What was found.
#[derive(Default)]
pub struct Compared {
    /// Changes of the work tree, sorted by path.
    pub files: Vec<FileDraft>,
    /// Changes of the commit's tree.
    pub tree: Vec<TreeChange>,
    /// Changes of the index.
    pub index: Vec<TreeChange>,
    /// Index entries that are right but whose stat data is old: their files had to be read, and
    /// every later look would read them again.
    pub stale: Vec<TreeChange>,
    /// Blobs that must be durable before files that hold the same bytes are replaced.
    pub unsynced: Vec<GitId>,
    /// How many files stay as they are.
    pub unchanged: usize,
    /// Untracked files that stay.
    pub untracked: Vec<RelPath>,
    /// Protected files that stay.
    pub protected: Vec<RelPath>,
    /// Ignored files that stay.
    pub left_out: LeftOut,
    /// Shared files that differ from what the target expects.
    pub drift: Vec<String>,
    /// Paths whose content in the work tree was not committed.
    pub uncommitted: BTreeSet<RelPath>,
    /// Stale bytecode that goes.
    pub bytecode: usize,
    /// Repositories of their own that stay as they are.
    pub nested: Vec<RelPath>,
    /// Untracked files where the version has a file or a folder: they are saved, and go.
    pub made_room: usize,
    /// Files that get other line ends than they had when they were released.
    pub line_ends: Vec<RelPath>,
}

/// The files that are restored, by path.
pub(super) type Wanted<'a> = Sorted<'a, &'a FileEntry>;

/// How files of the target become files of the work tree.
struct Reader<'a> {
    converter: &'a Converter,
    /// False when other rules are in force afterwards: they may make other bytes of the same blob.
    same_rules: bool,
}

impl Way<'_> {
    /// Compares.
    pub fn compare(&self) -> Result<Compared, Failure> {
        let wanted = self.wanted();
        let mut dirs = self.scope.dirs();
        dirs.extend(
            wanted
                .values()
                .filter(|file| !self.scope.owns(&file.path))
                .map(|file| file.path.clone()),
        );
        let (commit, scan) = rayon::join(
            || check::refuse_other_commit(self.ground, self.scope, self.target),
            || self.ground.git.scan(&dirs),
        );
        commit?;
        self.check_scope(&wanted)?;
        self.check_twins(&wanted)?;
        let scan = scan?;
        let nested = self.nested(&wanted, &scan)?;
        let tracked = Sorted::new(scan.tracked.iter().map(|tracked| (&tracked.path, tracked)));
        let rules = self.rules(&wanted, &tracked);
        let converter = self.ground.git.converter(Attributes::After(&rules))?;
        let mut compared = Compared {
            nested,
            ..Compared::default()
        };
        let reader = Reader {
            converter: &converter,
            same_rules: rules.is_empty(),
        };
        self.restore(&wanted, &tracked, &reader, &mut compared)?;
        let loose = scan
            .untracked
            .iter()
            .map(|path| (path, false))
            .chain(scan.ignored.iter().map(|path| (path, true)));
        let loose: Vec<(&RelPath, bool)> =
            loose.filter(|(path, _)| self.scope.owns(path)).collect();
        self.remove(&wanted, &scan.tracked, &loose, &mut compared)?;
        self.drop_bytecode(&loose, &mut compared)?;
        let needed = self.target.manifest.metadata.version.to_string();
        let room = Room {
            ground: self.ground,
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
        // What is written or goes, also to make room or beside a database, does not stay as it is.
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
        compared.left_out = left_out::of(&*self.ground.tree, self.task, self.scope, ignored);
        room.check(&compared.files)?;
        compared.line_ends = self.other_line_ends(&wanted, &converter, &compared)?;
        self.find_drift(&mut compared)?;
        Ok(compared)
    }

    /// The repositories of their own in the task's folders, which stay as they are; one that lies
    /// where a file of the version must go is in the way.
    fn nested(&self, wanted: &Wanted<'_>, scan: &Scan) -> Result<Vec<RelPath>, Failure> {
        let all: Vec<&RelPath> = scan.submodules.iter().chain(&scan.nested).collect();
        let needs = |file: &&&FileEntry| {
            all.iter().any(|nested| file.path.is_in(nested)) && !self.scope.protects(&file.path)
        };
        if let Some(file) = wanted.values().find(needs) {
            let place = all
                .iter()
                .find(|nested| file.path.is_in(nested))
                .map_or_else(String::new, ToString::to_string);
            let needed = self.target.manifest.metadata.version.to_string();
            return Err(Error::InTheWay {
                path: place,
                what: "a git repository of its own".into(),
                needed,
            }
            .into());
        }
        Ok(all
            .into_iter()
            .filter(|path| self.scope.owns(path))
            .cloned()
            .collect())
    }

    /// A manifest reaches only the task's own folders, whoever wrote it. What the settings
    /// exclude by now may still come back: it was the task's when it was released.
    fn check_scope(&self, wanted: &Wanted<'_>) -> Result<(), Failure> {
        let (dirs, settings) = (self.scope.dirs(), &self.ground.settings);
        let own = |path: &RelPath| {
            let inside = dirs.iter().any(|dir| path.is_in(dir))
                && *path != settings.registry
                && !path.is_in(&settings.snapshots);
            self.scope.owns(path) || inside
        };
        match wanted
            .values()
            .find(|file| file.role != Role::Shared && !own(&file.path))
        {
            None => Ok(()),
            Some(file) => {
                let version = self.target.manifest.metadata.version.clone();
                Err(Error::OutOfScope {
                    path: file.path.clone(),
                    task: self.task.id.clone(),
                    version,
                }
                .into())
            }
        }
    }

    /// The files that are restored, by path.
    fn wanted(&self) -> Wanted<'_> {
        let files = self.target.manifest.files.iter();
        let files = files
            .filter(|file| file.is_restored() || (self.with_shared && file.role == Role::Shared));
        Sorted::new(files.map(|file| (&file.path, file)))
    }

    /// Paths that are one on a file system that folds case.
    fn check_twins(&self, wanted: &Wanted<'_>) -> Result<(), Failure> {
        if !self.ground.git.folds_case() {
            return Ok(());
        }
        let mut folded: HashMap<String, &RelPath> = HashMap::new();
        for path in wanted.paths() {
            let key = String::from_utf8_lossy(path.as_bytes()).to_lowercase();
            if let Some(twin) = folded.insert(key, path) {
                return Err(Error::CaseTwins(twin.to_string(), path.to_string()).into());
            }
        }
        Ok(())
    }

    /// Line endings follow the attributes that will be in force afterwards: the target's own in
    /// the task, those of the work tree elsewhere.
    fn rules(&self, wanted: &Wanted<'_>, tracked: &Sorted<'_, &Tracked>) -> RuleChanges {
        let is_rules = |path: &RelPath| {
            path.name() == b".gitattributes" && !self.protects(path, &mut Compared::default())
        };
        let clean = |path: &RelPath| {
            tracked
                .get(path)
                .filter(|tracked| tracked.state == WorkState::Clean)
                .and_then(|tracked| tracked.index.as_ref())
        };
        let differs = |path: &RelPath, file: &FileEntry| {
            clean(path).map(|entry| &entry.id) != file.blob.as_ref()
        };
        let come = wanted
            .values()
            .filter(|file| is_rules(&file.path) && differs(&file.path, file))
            .map(|file| (file.path.clone(), file.blob.clone()));
        let go = tracked
            .paths()
            .filter(|path| is_rules(path) && self.scope.owns(path) && !wanted.contains(path));
        come.chain(go.map(|path| (path.clone(), None))).collect()
    }

    /// Finds what must be written.
    fn restore(
        &self,
        wanted: &Wanted<'_>,
        tracked: &Sorted<'_, &Tracked>,
        reader: &Reader<'_>,
        compared: &mut Compared,
    ) -> Result<(), Failure> {
        let files = wanted
            .values()
            .copied()
            .filter(|file| !self.protects(&file.path, compared));
        let files: Vec<(&FileEntry, Option<&Tracked>)> = files
            .map(|file| (file, tracked.get(&file.path).copied()))
            .collect();
        let bytes = files.len() as u64;
        // Boxed, because nearly all of them are `None` and the list is as long as the release.
        let results: Vec<Option<Box<FileDraft>>> =
            self.ground.work("comparing", bytes, false, || {
                let one = |(file, tracked): &(&FileEntry, Option<&Tracked>)| {
                    let result = self.restore_one(file, *tracked, reader);
                    self.ground.progress(1);
                    result.map(|draft| draft.map(Box::new))
                };
                files.par_iter().map(one).collect::<Result<_, Failure>>()
            })?;
        for ((file, tracked), draft) in files.into_iter().zip(results) {
            self.note_in_git(file, tracked, draft.as_deref(), compared);
            match draft {
                Some(draft) => compared.files.push(*draft),
                None => compared.unchanged += 1,
            }
        }
        Ok(())
    }

    /// True, and noted, for a protected path that exists; one that is missing may be restored.
    fn protects(&self, path: &RelPath, compared: &mut Compared) -> bool {
        let is_there = |path: &RelPath| {
            capture::stat(&*self.ground.tree, path)
                .ok()
                .flatten()
                .is_some()
        };
        // A database that stays keeps the log that it has, also when that is none.
        let of_kept = |path: &RelPath| {
            sqlite::database_of(path)
                .is_some_and(|database| self.scope.protects(&database) && is_there(&database))
        };
        let protected = self.scope.protects(path) && (is_there(path) || of_kept(path));
        if protected {
            compared.protected.push(path.clone());
        }
        protected
    }

    /// The change of one file, `None` when it is as released.
    fn restore_one(
        &self,
        file: &FileEntry,
        tracked: Option<&Tracked>,
        reader: &Reader<'_>,
    ) -> Result<Option<FileDraft>, Failure> {
        let clean = tracked
            .filter(|tracked| tracked.state == WorkState::Clean)
            .and_then(|tracked| tracked.index.as_ref());
        if reader.same_rules
            && clean.is_some_and(|entry| {
                Some(&entry.id) == file.blob.as_ref() && Some(&entry.mode) == file.mode.as_ref()
            })
        {
            return Ok(None);
        }
        let known = tracked
            .and_then(|tracked| tracked.index.as_ref())
            .map(|entry| &entry.id);
        let before = tree::existing(&*self.ground.tree, &self.ground.git, &file.path, known)?;
        let after = tree::restored(self.ground, reader.converter, file)?;
        if before
            .as_ref()
            .is_some_and(|before| before.state.same(&after.state))
        {
            return Ok(None);
        }
        Ok(Some(FileDraft {
            path: file.path.clone(),
            before,
            after: Some(after),
        }))
    }

    /// Notes how commit and index change for a restored file.
    fn note_in_git(
        &self,
        file: &FileEntry,
        tracked: Option<&Tracked>,
        draft: Option<&FileDraft>,
        compared: &mut Compared,
    ) {
        let (head, index) = tracked.map_or((None, None), |tracked| {
            (tracked.head.as_ref(), tracked.index.as_ref())
        });
        let same = |entry: &TreeEntry| {
            Some(&entry.id) == file.blob.as_ref() && Some(&entry.mode) == file.mode.as_ref()
        };
        if draft.is_none() && head.is_some_and(same) && index.is_some_and(same) {
            let stale = tracked
                .filter(|tracked| tracked.state == WorkState::Maybe)
                .and_then(|tracked| tracked.index.clone());
            let refresh = |entry| TreeChange {
                path: file.path.clone(),
                before: Some(TreeEntry::clone(&entry)),
                after: Some(entry),
            };
            compared.stale.extend(stale.map(refresh));
            return;
        }
        let (head, index) = (head.cloned(), index.cloned());
        if let Some(before) = draft.and_then(|draft| draft.before.as_ref()) {
            let committed = head
                .as_ref()
                .is_some_and(|entry| before.state.source == Source::Blob(entry.id.clone()));
            if file.role != Role::Large && !committed {
                compared.uncommitted.insert(file.path.clone());
            }
            compared
                .unsynced
                .extend(index.as_ref().map(|entry| entry.id.clone()));
        }
        let after = file
            .blob
            .clone()
            .zip(file.mode.clone())
            .map(|(id, mode)| TreeEntry { mode, id });
        note(&mut compared.tree, &file.path, head, after.clone());
        if draft.is_some() && index.is_some() && index == after {
            // Other bytes of the same blob: git must be told of their size, or it takes them for an
            // edit.
            compared.index.push(TreeChange {
                path: file.path.clone(),
                before: index,
                after,
            });
        } else {
            note(&mut compared.index, &file.path, index, after);
        }
    }

    /// Finds what must go: tracked files that the target does not have, and untracked ones that
    /// some release listed.
    fn remove(
        &self,
        wanted: &Wanted<'_>,
        tracked: &[Tracked],
        loose: &[(&RelPath, bool)],
        compared: &mut Compared,
    ) -> Result<(), Failure> {
        for file in tracked
            .iter()
            .filter(|file| !wanted.contains(&file.path) && self.scope.owns(&file.path))
        {
            if self.protects(&file.path, compared) {
                continue;
            }
            let blob = file.index.as_ref().map(|entry| &entry.id);
            if let Some(before) = self.existing(&file.path, blob)? {
                compared.unsynced.extend(blob.cloned());
                compared.files.push(FileDraft {
                    path: file.path.clone(),
                    before: Some(before),
                    after: None,
                });
            }
            note(&mut compared.tree, &file.path, file.head.clone(), None);
            note(&mut compared.index, &file.path, file.index.clone(), None);
        }
        // What was taken out of the index is listed on both sides.
        let known = Sorted::new(tracked.iter().map(|file| (&file.path, ())));
        let candidates: Vec<&RelPath> = loose
            .iter()
            .filter(|(path, ignored)| {
                !wanted.contains(path)
                    && !known.contains(path)
                    && (!ignored || self.scope.names_large(path))
            })
            .map(|(path, _)| *path)
            .collect();
        let listed = self.listed(&candidates);
        for path in candidates {
            if self.protects(path, compared) {
                continue;
            }
            match self.existing(path, None)?.filter(|_| listed.contains(path)) {
                Some(before) => compared.files.push(FileDraft {
                    path: path.clone(),
                    before: Some(before),
                    after: None,
                }),
                None => compared.untracked.push(path.clone()),
            }
        }
        Ok(())
    }

    /// What is at a path now.
    pub(super) fn existing(
        &self,
        path: &RelPath,
        blob: Option<&GitId>,
    ) -> Result<Option<Kept>, Failure> {
        Ok(tree::existing(
            &*self.ground.tree,
            &self.ground.git,
            path,
            blob,
        )?)
    }

    /// Which of these paths some release of the task listed as its own.
    fn listed(&self, candidates: &[&RelPath]) -> BTreeSet<RelPath> {
        let mut listed = BTreeSet::new();
        if candidates.is_empty() {
            return listed;
        }
        let mut take = |manifest: &Manifest| {
            let own = manifest.files.iter().filter(|file| file.is_restored());
            let paths: std::collections::HashSet<&RelPath> = own.map(|file| &file.path).collect();
            listed.extend(
                candidates
                    .iter()
                    .filter(|path| paths.contains(*path))
                    .map(|path| (*path).clone()),
            );
        };
        for release in self.releases.of(&self.task.id) {
            if let Ok(found) = catalog::manifests::load(self.ground, release) {
                take(&found.manifest);
            }
        }
        listed
    }

    /// Removes the bytecode of changed Python modules: Python believes a cache whose second and
    /// size match the source, so a quick rewrite of the same size would run the old code.
    fn drop_bytecode(
        &self,
        loose: &[(&RelPath, bool)],
        compared: &mut Compared,
    ) -> Result<(), Failure> {
        let changed: BTreeSet<(RelPath, Vec<u8>)> = compared
            .files
            .iter()
            .filter_map(|file| {
                let stem = file.path.name().strip_suffix(b".py")?;
                Some((
                    file.path.parent().join("__pycache__"),
                    [stem, b"."].concat(),
                ))
            })
            .collect();
        for (path, _) in loose
            .iter()
            .filter(|(path, _)| path.name().ends_with(b".pyc") && !self.scope.protects(path))
        {
            let folder = path.parent();
            let stale = changed
                .iter()
                .any(|(dir, stem)| *dir == folder && path.name().starts_with(stem));
            if let Some(before) = stale
                .then(|| self.existing(path, None))
                .transpose()?
                .flatten()
            {
                compared.untracked.retain(|other| other != *path);
                compared.files.push(FileDraft {
                    path: (*path).clone(),
                    before: Some(before),
                    after: None,
                });
                compared.bytecode += 1;
            }
        }
        Ok(())
    }

    /// Files that are written with other line ends than they had when they were released: git kept
    /// one form of them, or another `.gitattributes` is in force by now.
    fn other_line_ends(
        &self,
        wanted: &Wanted<'_>,
        converter: &Converter,
        compared: &Compared,
    ) -> Result<Vec<RelPath>, Failure> {
        let Found { manifest, tag, .. } = self.target;
        let then = self.ground.git.converter(Attributes::Commit(&tag.commit))?;
        let mut found = Vec::new();
        let written = compared
            .files
            .iter()
            .filter(|file| file.after.as_ref().is_some_and(|kept| !kept.state.link));
        for file in written.filter_map(|file| wanted.get(&file.path)) {
            let path = &file.path;
            let may_differ = !converter.is_plain(path)? || !then.is_plain(path)?;
            let differs = |blob: &GitId| -> Result<bool, Failure> {
                let bytes = self.ground.git.read_blob(blob)?;
                Ok(converter.to_worktree(path, bytes.clone())? != then.to_worktree(path, bytes)?)
            };
            let other_rules = match &file.blob {
                Some(blob) if may_differ => differs(blob)?,
                _ => false,
            };
            if other_rules || manifest.metadata.line_ends.contains(path) {
                found.push(path.clone());
            }
        }
        Ok(found)
    }

    /// Shared files that are not what the target expects.
    fn find_drift(&self, compared: &mut Compared) -> Result<(), Failure> {
        if self.with_shared {
            return Ok(());
        }
        let head = self.ground.git.head_commit()?;
        let Found { manifest, .. } = self.target;
        for file in manifest
            .files
            .iter()
            .filter(|file| file.role == Role::Shared)
        {
            let now = head
                .as_ref()
                .map(|head| self.ground.git.entry(head, &file.path))
                .transpose()?
                .flatten();
            if now.as_ref().map(|entry| &entry.id) != file.blob.as_ref() {
                let short = |id: Option<&GitId>| {
                    id.map_or_else(|| "no file".into(), |id| format!("@{}", id.short()))
                };
                let users = self.users(&file.path);
                let expects = short(file.blob.as_ref());
                let has = short(now.as_ref().map(|entry| &entry.id));
                compared.drift.push(format!(
                    "{} {} expects {} {expects}, HEAD has {has}{users}",
                    self.task.id, manifest.metadata.version, file.path
                ));
            }
        }
        Ok(())
    }

    /// Which other tasks' newest releases list a shared file, in words.
    fn users(&self, path: &RelPath) -> String {
        let others = self
            .ground
            .settings
            .tasks
            .iter()
            .filter(|task| task.id != self.task.id);
        let newest = |task: &TaskSpec| {
            releases::of_task(&self.ground.git, &self.ground.settings, &task.id).ok()
        };
        let uses = |task: &&TaskSpec| {
            let releases = newest(task).unwrap_or_default();
            let manifest = releases
                .of(&task.id)
                .next_back()
                .and_then(|release| catalog::manifests::load(self.ground, release).ok());
            manifest.is_some_and(|found| found.manifest.file(path).is_some())
        };
        let names: Vec<String> = others
            .filter(uses)
            .take(5)
            .map(|task| task.id.to_string())
            .collect();
        if names.is_empty() {
            String::new()
        } else {
            format!("; {} use it too", names.join(", "))
        }
    }
}

/// Adds a change when there is one.
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
