//! Level 1, integrity: every path of the manifest has its type, mode, size and digest, in git or
//! the store and in the work tree, and nothing extra stands among the task's own paths.

use std::collections::HashSet;

use rayon::prelude::*;

use super::{
    Checking, Trouble,
    absent::{self, Absent},
};
use crate::{
    base::{Digest, Fault, Fs, GitId, Hint, Kind, RelPath, Sorted, Type, fs::read_limited, text},
    git::{self, Converter, Repo, Worktree},
    model::{
        Check, Manifest, Status,
        manifest::{FileEntry, Role},
        operation::TreeEntry,
    },
    store::{self, Store},
};

/// How much of a release's kept bytes is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Objects must exist; their bytes are not read.
    Present,
    /// Every byte is read and hashed.
    Deep,
}

/// The tag's commit holds every file of the manifest that git keeps, and as the manifest says, and
/// no other that `owns` calls the task's. `note` is told where that is so.
pub fn commit(
    manifest: &Manifest,
    entries: &[(RelPath, TreeEntry)],
    note: Option<String>,
    owns: &(dyn Fn(&RelPath) -> bool + Sync),
) -> Check {
    let checking = Checking::begin(1, "integrity.commit");
    let in_commit = Sorted::new(entries.iter().map(|(path, entry)| (path, entry)));
    let mut problems = Vec::new();
    let mut seen = 0;
    for file in &manifest.files {
        let path = &file.path;
        match in_commit.get(path) {
            Some(_) if file.role == Role::Large => {
                problems.push(format!("{path} is in the commit and in the store"))
            }
            Some(entry) => {
                seen += usize::from(file.is_restored());
                if file.blob.as_ref().is_some_and(|blob| *blob != entry.id)
                    || file.mode.as_ref().is_some_and(|mode| *mode != entry.mode)
                {
                    problems.push(format!(
                        "{path} is another file in the tag's commit than in the manifest"
                    ));
                }
            }
            None if file.is_restored() && file.role != Role::Large => {
                problems.push(format!("{path} is not in the tag's commit"))
            }
            None => {}
        }
    }
    let listed = Sorted::new(manifest.files.iter().map(|file| (&file.path, ())));
    let extra = entries
        .iter()
        .filter(|(path, _)| !listed.contains(path) && owns(path));
    problems.extend(
        extra.map(|(path, _)| format!("{path} is in the tag's commit but not in the manifest")),
    );
    let note = note.map_or_else(String::new, |note| format!("; {note}"));
    checking.judge(
        problems,
        format!("{} as in the tag's commit{note}", text::count(seen, "file")),
    )
}

/// Every byte of the release is kept: blobs in git, those of Git LFS in its folder, large files in
/// the store. `converter` is that of the release's own commit.
pub fn kept(
    (git, store, absent): (&Repo, &dyn Store, Absent),
    converter: &Converter,
    manifest: &Manifest,
    depth: Depth,
    progress: &(dyn Fn(u64) + Sync),
) -> Check {
    let checking = Checking::begin(1, "integrity.kept");
    let blobs = manifest
        .files
        .iter()
        .filter(|_| depth == Depth::Present)
        .filter_map(|file| file.blob.as_ref());
    let missing = git.missing(blobs);
    let kept = Kept {
        git,
        store,
        depth,
        missing: &missing,
        absent,
    };
    let troubles: Vec<Trouble> = manifest
        .files
        .par_iter()
        .filter_map(|file| {
            let trouble = kept
                .trouble(file)
                .or_else(|| kept.lfs_trouble(converter, file));
            progress(1);
            trouble
        })
        .collect();
    let how = if depth == Depth::Deep {
        "read and hashed"
    } else {
        "present"
    };
    let hints = if troubles.is_empty() {
        Vec::new()
    } else {
        kept.hints(manifest)
    };
    Check {
        hints,
        ..checking.weigh(
            troubles,
            format!("{} {how}", text::count(manifest.files.len(), "file")),
        )
    }
}

/// Where the bytes of a release are kept, and how much of them is read.
struct Kept<'a> {
    git: &'a Repo,
    store: &'a dyn Store,
    depth: Depth,
    missing: &'a HashSet<&'a GitId>,
    absent: Absent,
}

impl Kept<'_> {
    /// A trouble by the kind of its fault: what is missing in a clone that may lack it, and what
    /// cannot be read, is nothing that was seen to be wrong.
    fn of(&self, path: &RelPath, error: &dyn Fault) -> Trouble {
        let line = format!("{path}: {error}");
        match error.kind() {
            Kind::Bad => Trouble::Bad(line),
            _ => Trouble::Unread(line),
        }
    }

    /// The same of what git and Git LFS keep: what is missing where nothing may lack is lost.
    fn of_git(&self, path: &RelPath, error: &git::Error) -> Trouble {
        if self.absent.is_lost_in_git(error) {
            Trouble::Bad(format!("{path}: {error}"))
        } else {
            self.of(path, error)
        }
    }

    /// The same of what the store keeps.
    fn of_store(&self, path: &RelPath, error: &store::Error) -> Trouble {
        if self.absent.is_lost_in_store(error) {
            Trouble::Bad(format!("{path}: {error}"))
        } else {
            self.of(path, error)
        }
    }

    /// How what is elsewhere comes here.
    fn hints(&self, manifest: &Manifest) -> Vec<Hint> {
        let of_store = self.absent.store
            && manifest
                .files
                .iter()
                .any(|file| file.blob.is_none() && file.object.is_some());
        let of_git = if self.absent.objects {
            git::Error::lacking()
        } else {
            Vec::new()
        };
        of_git
            .into_iter()
            .chain(of_store.then(absent::copy_store))
            .collect()
    }

    /// What is wrong with the kept bytes of a file.
    fn trouble(&self, file: &FileEntry) -> Option<Trouble> {
        let path = &file.path;
        let bad = |line: String| Some(Trouble::Bad(line));
        let Some(digest) = file.digest() else {
            return bad(format!(
                "{path} has no full checksum in the manifest: {:?}",
                file.checksum
            ));
        };
        match (&file.blob, &file.object) {
            (Some(blob), _) if self.depth == Depth::Present => {
                let missing = self.missing.contains(blob);
                missing.then(|| {
                    if self.absent.objects {
                        Trouble::Unread(format!("{path}: the git object {blob} is missing here"))
                    } else {
                        Trouble::Bad(format!("{path}: its blob {blob} is not in this repository"))
                    }
                })
            }
            (Some(blob), _) => match self.git.read_blob(blob) {
                Ok(bytes) => bytes_problem(file, digest, &bytes).map(Trouble::Bad),
                Err(error) => Some(self.of_git(path, &error)),
            },
            (None, Some(object)) if self.depth == Depth::Present => match self.store.size(object) {
                Ok(Some(size)) if file.size.is_none_or(|expected| expected == size) => None,
                Ok(Some(size)) => bad(format!("{path}: the store has {size} bytes of it")),
                Ok(None) => Some(self.of_store(path, &store::Error::Missing(*object))),
                Err(error) => Some(self.of_store(path, &error)),
            },
            (None, Some(object)) => {
                let mut hasher = crate::base::Hasher::default();
                match self.store.read(object, &mut hasher) {
                    Ok(_) if hasher.finish() == digest => None,
                    Ok(_) => bad(format!(
                        "{path}: the stored bytes do not have the manifest's checksum"
                    )),
                    Err(error) => Some(self.of_store(path, &error)),
                }
            }
            (None, None) => None,
        }
    }

    /// What is wrong with the Git LFS bytes of a file, if it has any.
    fn lfs_trouble(&self, converter: &Converter, file: &FileEntry) -> Option<Trouble> {
        let (path, blob) = (&file.path, file.blob.as_ref()?);
        // A path with another filter is an error elsewhere: no rollback writes it.
        if converter.is_trivial()
            || file.mode.as_deref() == Some("120000")
            || !converter.is_lfs(path).is_ok_and(|lfs| lfs)
        {
            return None;
        }
        let oid = match self
            .git
            .read_blob(blob)
            .and_then(|pointer| converter.to_worktree(path, pointer))
        {
            Ok(Worktree::Lfs { oid, .. }) => oid,
            Ok(_) => return None,
            Err(error) => return Some(self.of_git(path, &error)),
        };
        if self.depth == Depth::Present {
            return None;
        }
        let found = std::fs::File::open(self.git.lfs_path(&oid))
            .and_then(|mut bytes| Digest::of_reader(&mut bytes));
        match found {
            Ok((found, _)) if found == oid => None,
            Ok((found, _)) => Some(Trouble::Bad(format!(
                "{path}: its Git LFS bytes have {found}, its pointer says {oid}"
            ))),
            Err(error) => Some(Trouble::Unread(format!(
                "{path}: its Git LFS bytes: {error}"
            ))),
        }
    }
}

/// What is wrong with the bytes of a file.
fn bytes_problem(file: &FileEntry, digest: Digest, bytes: &[u8]) -> Option<String> {
    let found = Digest::of(bytes);
    if found != digest {
        return Some(format!(
            "{}: its bytes have {found}, the manifest says {digest}",
            file.path
        ));
    }
    file.size
        .filter(|size| *size != bytes.len() as u64)
        .map(|size| {
            format!(
                "{}: it has {} bytes, the manifest says {size}",
                file.path,
                bytes.len()
            )
        })
}

/// A work tree, and how its files are taken.
pub struct WorkTree<'a> {
    /// The files.
    pub tree: &'a dyn Fs,
    /// From them to git's form.
    pub converter: &'a Converter,
    /// False where the file system keeps no executable bit, or git is told not to believe it.
    pub file_mode: bool,
    /// True where a pointer of Git LFS is the file that it stands for, as it is for a release of
    /// it.
    pub takes_pointers: bool,
}

/// Every file of the manifest that `wanted` names lies in the work tree as released. `is_clean`
/// names paths that git's own stat cache proves to be equal to a blob; they are not read again.
pub fn tree(
    work: &WorkTree<'_>,
    manifest: &Manifest,
    wanted: &dyn Fn(&FileEntry) -> bool,
    is_clean: &dyn Fn(&FileEntry) -> bool,
) -> Check {
    let checking = Checking::begin(1, "integrity.files");
    let files: Vec<&FileEntry> = manifest.files.iter().filter(|file| wanted(file)).collect();
    let doubtful: Vec<&FileEntry> = files
        .iter()
        .copied()
        .filter(|file| !is_clean(file))
        .collect();
    let troubles = doubtful
        .par_iter()
        .filter_map(|file| tree_trouble(work, file))
        .collect();
    let (read, unread) = (doubtful.len(), files.len() - doubtful.len());
    let rest = if unread == 0 {
        String::new()
    } else {
        format!(", {unread} by git's stat cache")
    };
    checking.weigh(
        troubles,
        format!(
            "{}/{} files as released ({read} read and hashed{rest})",
            files.len(),
            files.len()
        ),
    )
}

/// The check of [`tree`] where some files are left out of the work tree: of these nothing can be
/// said.
pub fn without(check: Check, absent: usize) -> Check {
    if absent == 0 {
        return check;
    }
    let line = format!(
        "{absent} of its files are not checked out here, so nothing is known of them (sparse checkout)"
    );
    let evidence = std::iter::once(line).chain(check.evidence).collect();
    let hints = vec![Hint::run(
        "check everything out",
        &["git", "sparse-checkout", "disable"],
    )];
    Check {
        status: check.status.max(Status::Inconclusive),
        evidence,
        hints,
        ..check
    }
}

/// What cannot be checked of files whose line ends git keeps in one form only; nothing where there
/// are none.
pub fn line_ends(manifest: &Manifest) -> Option<Check> {
    let told = |path: &RelPath| {
        format!("{path} had other line ends when it was released; git keeps one form of them")
    };
    let evidence: Vec<String> = manifest.metadata.line_ends.iter().map(told).collect();
    (!evidence.is_empty())
        .then(|| Checking::begin(1, "integrity.line_ends").end(Status::Skipped, evidence))
}

/// What is wrong with a file of the work tree.
fn tree_trouble(work: &WorkTree<'_>, file: &FileEntry) -> Option<Trouble> {
    let path = &file.path;
    let bad = |line: String| Some(Trouble::Bad(line));
    let Some(digest) = file.digest() else {
        return bad(format!(
            "{path} has no full checksum in the manifest: {:?}",
            file.checksum
        ));
    };
    let stat = match work.tree.stat(path) {
        Ok(Some(stat)) => stat,
        Ok(None) => return bad(format!("{path} is missing")),
        Err(error) => return Some(Trouble::Unread(format!("{path}: {error}"))),
    };
    let link = file.mode.as_deref() == Some("120000");
    let kind = if link { Type::Symlink } else { Type::File };
    if stat.kind != kind {
        return bad(format!(
            "{path} is a {:?} and should be a {kind:?}",
            stat.kind
        ));
    }
    let executable = stat.mode & 0o100 != 0;
    if work.file_mode
        && !link
        && file
            .mode
            .as_deref()
            .is_some_and(|mode| (mode == "100755") != executable)
    {
        return bad(format!(
            "{path} is {}executable and should {}be so",
            if executable { "" } else { "not " },
            if executable { "not " } else { "" }
        ));
    }
    match differs(work, file, digest, link) {
        Ok(false) => None,
        Ok(true) => bad(format!("{path} has other bytes than the release")),
        Err(why) => Some(Trouble::Unread(format!("{path}: {why}"))),
    }
}

/// True when a file of the work tree is not as it is listed, or cannot be read.
pub fn is_other(work: &WorkTree<'_>, file: &FileEntry) -> bool {
    tree_trouble(work, file).is_some()
}

/// True when the bytes, converted to git's form where attributes say so, are not the release's.
fn differs(
    work: &WorkTree<'_>,
    file: &FileEntry,
    digest: Digest,
    link: bool,
) -> Result<bool, String> {
    let WorkTree {
        tree,
        converter,
        takes_pointers,
        ..
    } = *work;
    let text = |error: std::io::Error| error.to_string();
    if link {
        return Ok(Digest::of(&tree.read_link(&file.path).map_err(text)?) != digest);
    }
    let (found, size) =
        Digest::of_reader(&mut tree.open(&file.path).map_err(text)?).map_err(text)?;
    if found == digest {
        let is_only_pointer = !takes_pointers && is_pointer(tree, converter, file, size)?;
        return if is_only_pointer {
            Err("only its Git LFS pointer is here, not its bytes (git lfs pull)".into())
        } else {
            Ok(false)
        };
    }
    if file.role == Role::Large
        || converter
            .is_plain(&file.path)
            .map_err(|error| error.to_string())?
    {
        return Ok(true);
    }
    if converter
        .is_lfs(&file.path)
        .map_err(|error| error.to_string())?
    {
        // However large it is, its pointer is known from its digest.
        return Ok(Digest::of(&Repo::lfs_pointer(&found, size)) != digest);
    }
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut tree.open(&file.path).map_err(text)?, &mut bytes)
        .map_err(text)?;
    let in_git = converter
        .to_git(&file.path, bytes)
        .map_err(|error| error.to_string())?;
    Ok(Digest::of(&in_git) != digest)
}

/// True for a file of Git LFS in whose place its pointer lies.
fn is_pointer(
    tree: &dyn Fs,
    converter: &Converter,
    file: &FileEntry,
    size: u64,
) -> Result<bool, String> {
    if file.blob.is_none()
        || size == 0
        || size >= Repo::LONGEST_LFS_POINTER
        || !converter
            .is_lfs(&file.path)
            .map_err(|error| error.to_string())?
    {
        return Ok(false);
    }
    let bytes = read_limited(tree, &file.path, Repo::LONGEST_LFS_POINTER)
        .map_err(|error| error.to_string())?;
    Ok(Repo::is_lfs_pointer(&bytes))
}

/// Nothing extra stands among the task's own paths.
pub fn extra(found: &[RelPath]) -> Check {
    let checking = Checking::begin(1, "integrity.extra");
    let problems = found
        .iter()
        .map(|path| format!("{path} is not in the release"))
        .collect();
    checking.judge(
        problems,
        "nothing extra among the task's tracked files".into(),
    )
}
