//! `.gitattributes`, from the work tree or from a commit, looked up folder by folder.
//!
//! gix's own stack reads them from the work tree or an index; a restore needs those of the *target*
//! commit, so the rules of the folders are collected here. Precedence is as in git:
//! `info/attributes`, then the nearest `.gitattributes` and those above it, then the user's and the
//! system's. The rules themselves are evaluated by gix.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use gix::{
    ObjectId,
    attrs::{
        Search,
        search::{MetadataCollection, Outcome},
    },
    glob::pattern::Case,
};

use super::{Error, Repo, RuleChanges, error::During, repo::git_id, walk::entries_at};
use base::RelPath;

/// The name of an attributes file.
const FILE: &str = ".gitattributes";

/// Size limit of such a file, in bytes.
const LIMIT: u64 = 16 << 20;

/// The source of `.gitattributes` files.
pub(super) enum RuleSource {
    /// The work tree with pending changes; the index where a file is missing there, as in git.
    WorkTree(Arc<gix::index::File>, RuleChanges),
    /// A commit's tree.
    Tree(ObjectId),
}

/// The attributes of all paths of a repository, from one place.
pub(super) struct Rules {
    repo: Repo,
    place: RuleSource,
    case: Case,
    info: Search,
    /// A rule that unsets `ident` for every path.
    without_ident: Search,
    folders: Mutex<HashMap<RelPath, Arc<FolderRules>>>,
    /// All attribute names seen so far; it only grows, so old lookups stay valid.
    names: Mutex<MetadataCollection>,
    has_globals: bool,
}

/// The rules that apply in one folder, including those of the folders above it.
struct FolderRules {
    search: Search,
    has_rules: bool,
}

impl Rules {
    pub fn new(repo: &Repo, place: RuleSource) -> Result<Self, Error> {
        let doing = "reading the attributes";
        let (globals, ignore_case) = repo.with(|gix| {
            let globals = gix.attribute_global_paths().during(doing)?;
            Ok((
                globals,
                gix.config_snapshot()
                    .boolean("core.ignoreCase")
                    .unwrap_or(false),
            ))
        })?;
        let (mut buffer, mut names) = (Vec::new(), MetadataCollection::default());
        let top = Search::new_globals(globals, &mut buffer, &mut names).during(doing)?;
        let mut info = Search::default();
        let file = repo.common_dir().join("info/attributes");
        let has_info = info
            .add_patterns_file(file, true, None, &mut buffer, &mut names, true)
            .during(doing)?;
        let mut without_ident = Search::default();
        without_ident
            .add_patterns_buffer(b"* -ident", PathBuf::new(), None, &mut names, false)
            .during(doing)?;
        // One list is always there: gix's built-in macro `binary`.
        let has_globals = has_info || top.num_pattern_lists() > 1;
        let rules = Self {
            repo: repo.clone(),
            place,
            case: if ignore_case {
                Case::Fold
            } else {
                Case::Sensitive
            },
            info,
            without_ident,
            folders: Mutex::default(),
            names: Mutex::new(names),
            has_globals,
        };
        let top = rules.extend(&top, has_globals, &RelPath::root())?;
        rules
            .folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(RelPath::root(), top);
        Ok(rules)
    }

    /// Returns the source of the rules.
    pub fn place(&self) -> &RuleSource {
        &self.place
    }

    /// Looks up the attributes of a file.
    pub fn matching(&self, path: &RelPath, out: &mut Outcome) -> Result<(), Error> {
        let folder = self.folder(&path.parent())?;
        out.initialize(&self.names.lock().unwrap_or_else(PoisonError::into_inner));
        self.fill(&folder, path, out);
        Ok(())
    }

    /// Like [`Rules::matching`], for gix's own conversions, which must not apply `ident`.
    pub fn matching_without_ident(&self, path: &RelPath, out: &mut Outcome) -> Result<(), Error> {
        let folder = self.folder(&path.parent())?;
        out.initialize(&self.names.lock().unwrap_or_else(PoisonError::into_inner));
        self.without_ident.pattern_matching_relative_path(
            path.as_bstr(),
            self.case,
            Some(false),
            out,
        );
        self.fill(&folder, path, out);
        Ok(())
    }

    /// Applies all rules, strongest first; later ones fill in only what is still undecided.
    fn fill(&self, folder: &FolderRules, path: &RelPath, out: &mut Outcome) {
        self.info
            .pattern_matching_relative_path(path.as_bstr(), self.case, Some(false), out);
        folder
            .search
            .pattern_matching_relative_path(path.as_bstr(), self.case, Some(false), out);
    }

    /// Returns an outcome that collects only these attributes.
    pub fn selection(&self, names: &[&str]) -> Outcome {
        let mut out = Outcome::default();
        out.initialize_with_selection(
            &self.names.lock().unwrap_or_else(PoisonError::into_inner),
            names,
        );
        out
    }

    /// True when no rule at all applies to this file.
    pub fn none_for(&self, path: &RelPath) -> Result<bool, Error> {
        Ok(!self.has_globals && !self.folder(&path.parent())?.has_rules)
    }

    /// True when there are no rules anywhere; never known to be true for a work tree.
    pub fn none_anywhere(&self) -> Result<bool, Error> {
        match &self.place {
            RuleSource::WorkTree(..) => Ok(false),
            RuleSource::Tree(_) if self.has_globals => Ok(false),
            RuleSource::Tree(tree) => self.repo.has_file_named(*tree, FILE).map(|found| !found),
        }
    }

    /// Returns the rules of a folder, which are read once.
    fn folder(&self, dir: &RelPath) -> Result<Arc<FolderRules>, Error> {
        if let Some(known) = self
            .folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(dir)
        {
            return Ok(Arc::clone(known));
        }
        let above = self.folder(&dir.parent())?;
        let folder = match self.read(dir)? {
            None => above,
            Some(bytes) => self.add(&above.search, dir, &bytes)?,
        };
        self.folders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(dir.clone(), Arc::clone(&folder));
        Ok(folder)
    }

    /// Returns the rules of the top folder.
    fn extend(
        &self,
        above: &Search,
        has_rules: bool,
        dir: &RelPath,
    ) -> Result<Arc<FolderRules>, Error> {
        match self.read(dir)? {
            None => Ok(Arc::new(FolderRules {
                search: above.clone(),
                has_rules,
            })),
            Some(bytes) => self.add(above, dir, &bytes),
        }
    }

    /// Adds the rules of one more file. Macros are allowed only in the top folder, as in git.
    fn add(&self, above: &Search, dir: &RelPath, bytes: &[u8]) -> Result<Arc<FolderRules>, Error> {
        let mut search = above.clone();
        let source = Path::new(dir.as_os()).join(FILE);
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        search
            .add_patterns_buffer(
                bytes,
                source,
                Some(Path::new("")),
                &mut names,
                dir.is_root(),
            )
            .during("reading .gitattributes")?;
        Ok(Arc::new(FolderRules {
            search,
            has_rules: true,
        }))
    }

    /// Reads the `.gitattributes` of a folder; a symbolic link is not followed, as in git.
    fn read(&self, dir: &RelPath) -> Result<Option<Vec<u8>>, Error> {
        let path = dir.join(FILE);
        let entry = match &self.place {
            RuleSource::Tree(tree) => self
                .repo
                .find_in_tree(*tree, &path)?
                .filter(|(mode, _)| mode.is_blob())
                .map(|(_, id)| id),
            RuleSource::WorkTree(_, changes) if changes.contains_key(&path) => {
                return changes[&path]
                    .as_ref()
                    .map(|id| self.repo.read_blob_within(id, LIMIT))
                    .transpose();
            }
            // Without a work tree it has no rules.
            RuleSource::WorkTree(..) if self.repo.is_bare() => return Ok(None),
            RuleSource::WorkTree(index, _) => {
                let file = self.repo.work_tree().join(path.as_os());
                match file.symlink_metadata() {
                    Ok(found) if found.is_file() && found.len() > LIMIT => {
                        let source = io::Error::other(format!(
                            "it has {} bytes, more than the {LIMIT} that are read",
                            found.len()
                        ));
                        return Err(Error::File {
                            doing: "reading",
                            path: file,
                            source,
                        });
                    }
                    Ok(found) if found.is_file() => {
                        return fs::read(&file).map(Some).map_err(|source| Error::File {
                            doing: "reading",
                            path: file,
                            source,
                        });
                    }
                    Ok(_) => return Ok(None),
                    Err(_) => entries_at(index, &path)
                        .0
                        .first()
                        .filter(|entry| entry.stage_raw() == 0)
                        .map(|entry| entry.id),
                }
            }
        };
        entry
            .map(|id| self.repo.read_blob_within(&git_id(&id), LIMIT))
            .transpose()
    }
}
