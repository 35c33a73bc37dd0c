//! Finds the manifest of a release and checks the chain tag -> commit -> manifest.
//!
//! [`load`] is the one way to a manifest that anything is restored, compared or made from, so what
//! it refuses (a tag that was moved, a manifest that is not the tag's) no command passes over.
//! Where the tag names a digest, bytes that have it are the manifest, wherever they lie; the copies
//! in HEAD and in the work tree are no authority, and what differs in them is said
//! ([`copy_trouble`]).

use std::sync::Arc;

use super::{Error, NumberTaken, Release, capture, grown};
pub use crate::ground::ReadRelease as Found;
use crate::{
    base::{Digest, Failure, Fault, GitId, Hint, Kind, RelPath, TaskId, fs::read_limited},
    git::{self, Attributes, BrokenRef, PeeledTag, Repo},
    ground::{Differs, Ground, OtherCopy, ReleaseKey},
    model::{DependencyList, Manifest, Settings, TagName, manifest::Metadata},
    verify::absent::Absent,
};

/// The line of a tag's message that names the digest of the manifest.
pub const MANIFEST_TRAILER: &str = "Snapback-Manifest: ";

/// No manifest is larger, in bytes.
pub const LIMIT: u64 = 64 << 20;

/// The digest that a tag's message names, if it names one.
pub fn digest_in(message: &str) -> Option<Digest> {
    message
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix(MANIFEST_TRAILER)?.trim().parse().ok())
}

/// Loads and checks the manifest of a release: the tag is the one that was made, its commit is the
/// manifest's, the manifest's digest is the tag's (adopted tags name none).
pub fn load(ground: &Ground, release: &Release) -> Result<Arc<Found>, Failure> {
    if let Kept::Other(kept) = kept(&ground.git, release)? {
        return Err(Error::tag_replaced(release, kept).into());
    }
    let known = || {
        ground
            .read
            .lock()
            .expect("because no holder of this lock panics")
    };
    let (task, version, tag_id) = (
        release.task.clone(),
        release.version.clone(),
        release.tag_id.clone(),
    );
    let key = ReleaseKey {
        task,
        version,
        tag_id,
        head: ground.git.head_commit()?,
    };
    if let Some(found) = known().get(&key) {
        return Ok(found.clone());
    }
    let found = Arc::new(read(ground, release)?);
    if release.lost {
        let (why, hints) = lost_tag(&ground.git, release);
        let bring: Vec<String> = hints.iter().map(|hint| hint.argv.join(" ")).collect();
        let kept = TagName::keep_reference(&release.task, &release.version);
        ground.warn(format!(
            "{why}, and only {kept} has it: {}",
            bring.join(" && ")
        ));
    }
    if let Some(copy) = &found.copy {
        ground.warn(format!(
            "{}; what its tag names is taken",
            copy_trouble(release, copy)
                .map_or_else(|| line_ends(release), |error| error.to_string())
        ));
    }
    known().insert(key, found.clone());
    Ok(found)
}

/// What is wrong with a tag that only its second reference has, and how it comes back.
pub fn lost_tag(git: &Repo, release: &Release) -> (String, Vec<Hint>) {
    let (tag, reference) = (
        release.tag(),
        TagName::release(&release.task, &release.version).reference(),
    );
    let bring = Hint::run(
        "bring the tag back",
        &["git", "update-ref", &reference, release.tag_id.as_str()],
    );
    match git.find_ref(&reference) {
        // git writes nothing over a reference that holds no id.
        Err(git::Error::BrokenRef(broken)) => {
            let why = format!("the tag {tag} is broken: {}", broken.why);
            (
                why,
                broken.hints().into_iter().take(1).chain([bring]).collect(),
            )
        }
        Ok(Some(_)) => (
            format!("the tag {tag} leads to an object that is missing here"),
            vec![bring],
        ),
        _ => (format!("the tag {tag} is missing"), vec![bring]),
    }
}

/// What is wrong with a copy of a release's manifest; `None` when only its line ends differ.
pub fn copy_trouble(release: &Release, copy: &OtherCopy) -> Option<Error> {
    let (task, version) = (release.task.clone(), release.version.clone());
    match &copy.differs {
        Differs::LineEnds => None,
        Differs::Bytes { expected, found } => Some(Error::ManifestChanged {
            task,
            version,
            expected: expected.to_string(),
            found: found.clone(),
        }),
        Differs::Release { commit } => Some(Error::NumberTaken(Box::new(NumberTaken {
            tag: release.tag(),
            task,
            version,
            commit: commit.clone(),
            path: copy.path.clone(),
            source: copy.source.clone(),
        }))),
    }
}

/// That only the line ends of a copy differ.
pub fn line_ends(release: &Release) -> String {
    format!(
        "the copy of the manifest of {} {} differs by its line ends alone",
        release.task, release.version
    )
}

/// What of a release may rightly be absent here.
pub fn absent(git: &Repo, release: &Release) -> Absent {
    Absent::of(git, !matches!(kept(git, release), Ok(Kept::Nothing)))
}

/// What the second reference of a release says of its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It names the same.
    Same,
    /// There is none: the release was made elsewhere, or adopted.
    Nothing,
    /// It names something else, so the tag was moved.
    Other(GitId),
    /// It leads nowhere itself, so it says nothing of the tag.
    Broken(BrokenRef),
}

/// Looks at the second reference of a release.
pub fn kept(git: &Repo, release: &Release) -> Result<Kept, Failure> {
    let found = match git.find_ref(&TagName::keep_reference(&release.task, &release.version)) {
        Err(git::Error::BrokenRef(broken)) => return Ok(Kept::Broken(broken)),
        found => found?,
    };
    Ok(match found {
        None => Kept::Nothing,
        Some(id) if id == release.tag_id => Kept::Same,
        Some(id) => Kept::Other(id),
    })
}

/// The exact bytes of a release's manifest, unread, and its tag. Where the tag names a digest they
/// have it.
pub fn bytes(ground: &Ground, release: &Release) -> Result<(PeeledTag, Vec<u8>), Failure> {
    let tag = ground.git.peel_tag(&release.tag_id)?;
    let bytes = bytes_of(&ground.git, &ground.settings, release, &tag)?.bytes;
    Ok((tag, bytes))
}

/// The dependencies of a release by its manifest, whose files are not looked at; `None` when nobody
/// looked for them ([`Manifest::knows_dependencies`]).
pub fn dependencies(ground: &Ground, release: &Release) -> Result<Option<DependencyList>, Failure> {
    let tag = ground.git.peel_tag(&release.tag_id)?;
    let expected = digest_in(&tag.message);
    // The copy in the work tree is quicker to read, and as good when it has the digest.
    let copy = capture::bytes(
        &*ground.tree,
        &ground
            .settings
            .manifest_path(&release.task, &release.version),
    )
    .ok()
    .flatten();
    let bytes = match copy.filter(|bytes| expected == Some(Digest::of(bytes))) {
        Some(bytes) => bytes,
        None => bytes_of(&ground.git, &ground.settings, release, &tag)?.bytes,
    };
    Ok(Manifest::parse_dependencies(&bytes)?)
}

/// Reads and checks it.
fn read(ground: &Ground, release: &Release) -> Result<Found, Failure> {
    let (git, settings) = (&ground.git, &ground.settings);
    let tag = git.peel_tag(&release.tag_id)?;
    let located = bytes_of(git, settings, release, &tag)?;
    let (copy, manifest) = rayon::join(
        || other_copy(ground, release, &located),
        || Manifest::parse(&located.bytes),
    );
    let copy = copy?;
    let mut manifest = manifest?;
    if manifest.metadata.task_id != release.task || manifest.metadata.version != release.version {
        return Err(crate::model::manifest::Error::Rule(format!(
            "it is of {} {}",
            manifest.metadata.task_id, manifest.metadata.version
        ))
        .into());
    }
    let commit = &manifest.metadata.git_commit;
    let same = if manifest.schema.is_some() {
        *commit == tag.commit.as_str()
    } else {
        commit.len() >= 7 && tag.commit.as_str().starts_with(commit.as_str())
    };
    if !same {
        return Err(Error::TagMoved {
            tag: release.tag(),
            expected: commit.clone(),
            found: tag.commit.to_string(),
        }
        .into());
    }
    let grown = match settings
        .task(&release.task)
        .filter(|_| manifest.schema.is_some())
    {
        Some(task) => grown::complete(ground, task, &tag, &mut manifest)?,
        None => Vec::new(),
    };
    Ok(Found {
        manifest,
        tag,
        grown,
        copy,
    })
}

/// How much larger a file can be than what git keeps of it: UTF-32 with a mark of its order.
const MOST: u64 = 5;

/// The copy of the manifest in HEAD, or in the work tree, when it is not the one that was found.
fn other_copy(
    ground: &Ground,
    release: &Release,
    located: &Located,
) -> Result<Option<OtherCopy>, Failure> {
    let path = ground
        .settings
        .manifest_path(&release.task, &release.version);
    let bytes = &located.bytes[..];
    let differs = match &located.head {
        Some(id) => {
            let large = || Differs::Bytes {
                expected: Digest::of(bytes),
                found: "larger than any manifest".into(),
            };
            match ground.git.read_blob_within(id, LIMIT) {
                Ok(copy) => Some(difference(release, &located.commit, bytes, &copy)),
                Err(git::Error::BadObject { .. } | git::Error::OtherObject(..)) => Some(large()),
                Err(_) => None,
            }
        }
        None if capture::is_now(&*ground.tree, &path, bytes) => None,
        None => match in_work_tree(ground, &path, bytes) {
            Ok(Copy::Bytes(copy)) => Some(difference(release, &located.commit, bytes, &copy)),
            Ok(Copy::Large(found)) => Some(Differs::Bytes {
                expected: Digest::of(bytes),
                found: found.to_string(),
            }),
            // It is no authority: that it cannot be read keeps nobody from anything.
            Err(failure)
                if matches!(
                    failure.kind(),
                    Kind::Cancelled(_) | Kind::TimeLimit | Kind::Bug
                ) =>
            {
                return Err(failure);
            }
            Ok(Copy::Same) | Err(_) => None,
        },
    };
    Ok(differs.map(|differs| OtherCopy {
        path,
        differs,
        source: located.source.clone(),
    }))
}

/// The copy of a manifest in the work tree.
enum Copy {
    /// None, or the same, converted or not.
    Same,
    /// Another one.
    Bytes(Vec<u8>),
    /// Another one that is too large to be a manifest.
    Large(Digest),
}

/// Compares the copy in the work tree; of one that is too large to be read into memory, as much as
/// must be.
fn in_work_tree(ground: &Ground, path: &RelPath, bytes: &[u8]) -> Result<Copy, Failure> {
    let is_same = |copy: &[u8]| -> Result<bool, Failure> {
        Ok(copy == bytes
            || ground
                .git
                .converter(Attributes::WorkTree)?
                .to_git(path, copy.to_vec())?
                == bytes)
    };
    if let Some(copy) = capture::bytes(&*ground.tree, path)? {
        return Ok(if is_same(&copy)? {
            Copy::Same
        } else {
            Copy::Bytes(copy)
        });
    }
    // The file itself was compared before; no line ends and no encoding make more than this of it.
    let Some(copy) = capture::read(&*ground.tree, path)? else {
        return Ok(Copy::Same);
    };
    if copy.size <= MOST * bytes.len() as u64 {
        let read = read_limited(&*ground.tree, path, MOST * LIMIT);
        if is_same(&read.map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?)? {
            return Ok(Copy::Same);
        }
    }
    Ok(Copy::Large(copy.digest))
}

/// In what a copy differs from the manifest of a release, whose commit is this.
fn difference(release: &Release, commit: &GitId, bytes: &[u8], copy: &[u8]) -> Differs {
    let is_end = |(at, byte): &(usize, &u8)| **byte == b'\r' && copy.get(at + 1) == Some(&b'\n');
    if copy
        .iter()
        .enumerate()
        .filter(|byte| !is_end(byte))
        .map(|(_, byte)| byte)
        .eq(bytes)
    {
        return Differs::LineEnds;
    }
    match Manifest::parse_metadata(copy) {
        Ok(meta)
            if (&meta.task_id, &meta.version) == (&release.task, &release.version)
                && meta.git_commit != commit.as_str() =>
        {
            Differs::Release {
                commit: meta.git_commit,
            }
        }
        _ => Differs::Bytes {
            expected: Digest::of(bytes),
            found: Digest::of(copy).to_string(),
        },
    }
}

/// True when a commit has the manifest of another release than the one that has the number. A
/// commit that has none (an adopted tag, a version that was written before its release), one that
/// cannot be read, and a copy that somebody edited prove nothing.
pub fn has_another(ground: &Ground, release: &Release, commit: &GitId) -> bool {
    let git = &ground.git;
    let path = ground
        .settings
        .manifest_path(&release.task, &release.version);
    let read = || {
        git.read_blob_within(&git.entry(commit, &path).ok()??.id, LIMIT)
            .ok()
    };
    let (Some(copy), Ok(tag)) = (read(), git.peel_tag(&release.tag_id)) else {
        return false;
    };
    let of_number =
        |meta: &Metadata| (&meta.task_id, &meta.version) == (&release.task, &release.version);
    let Some(there) = Manifest::parse_metadata(&copy).ok().filter(of_number) else {
        return false;
    };
    // The same files may be released twice from one commit.
    let made_at = || {
        Manifest::parse_metadata(&bytes(ground, release).ok()?.1)
            .ok()
            .map(|here| here.created_at)
    };
    let is_named =
        |digest| digest == Digest::of(&copy) || made_at().is_none_or(|at| at == there.created_at);
    !tag.commit.as_str().starts_with(&there.git_commit)
        || !digest_in(&tag.message).is_none_or(is_named)
}

/// A manifest's bytes, and where they were found.
struct Located {
    bytes: Vec<u8>,
    /// The commit of the release.
    commit: GitId,
    /// A commit that has them; `None` when only what was before it has.
    source: Option<GitId>,
    /// HEAD's own blob in the manifest's place, when it is another one.
    head: Option<GitId>,
}

/// The manifest's bytes: from the commit that HEAD leads to, on a branch or not, else from any
/// branch, else from what the operations here keep alive, because a branch may be reset or deleted,
/// else from the task's other releases, else from whatever any reference or log still reaches.
/// Where the tag names a digest, bytes that have it win, and where none have it, bytes that do not
/// are an error.
fn bytes_of(
    git: &Repo,
    settings: &Settings,
    release: &Release,
    tag: &PeeledTag,
) -> Result<Located, Failure> {
    let expected = digest_in(&tag.message);
    let (mut wrong, mut unread, mut large, mut in_head) = (None, None, None, None);
    let mut tried: Vec<GitId> = Vec::new();
    let head = git.head_commit()?;
    let path = settings.manifest_path(&release.task, &release.version);
    let read = |id: &GitId| {
        git.check_size(id, LIMIT)
            .and_then(|()| git.read_blob_of(id, expected))
    };
    let located = |bytes, source, head| Located {
        bytes,
        commit: tag.commit.clone(),
        source,
        head,
    };
    for commit in places(git, &release.task, head.clone(), expected.is_some()) {
        let entry = match git.entry(&commit, &path) {
            Ok(Some(entry)) if !tried.contains(&entry.id) => entry,
            Ok(_) => continue,
            Err(error) => {
                may_be_elsewhere(error, &mut unread)?;
                continue;
            }
        };
        match read(&entry.id) {
            Ok(Ok(bytes)) => return Ok(located(bytes, Some(commit), in_head)),
            Ok(Err(digest)) => drop(wrong.get_or_insert(digest)),
            // Nothing that is so large is a manifest; another commit may have the true one.
            Err(error) if expected.is_some() && git.check_size(&entry.id, LIMIT).is_err() => {
                drop(large.get_or_insert(error))
            }
            Err(error) => may_be_elsewhere(error, &mut unread)?,
        }
        if Some(&commit) == head.as_ref() {
            in_head = Some(entry.id.clone());
        }
        tried.push(entry.id);
    }
    if expected.is_some() && (wrong.is_some() || large.is_some()) {
        let name = String::from_utf8_lossy(path.name()).into_owned();
        // A look at all of history is long; without it, the release would be called damaged.
        for (id, _) in git.reachable_blobs(&name, "").unwrap_or_default() {
            if let Ok(Ok(bytes)) = read(&id) {
                return Ok(located(bytes, None, in_head));
            }
        }
    }
    if let Some(error) = large {
        return Err(error.into());
    }
    let (task, version) = (release.task.clone(), release.version.clone());
    Err(match (expected, wrong, unread) {
        (Some(expected), Some(found), _) => Error::ManifestChanged {
            task,
            version,
            expected: expected.to_string(),
            found: found.to_string(),
        }
        .into(),
        (_, _, Some(error)) => error.into(),
        (Some(_), ..) => Error::ManifestAway { task, version }.into(),
        (None, ..) => Error::NoManifest { task, version }.into(),
    })
}

/// Keeps the first error about an object that is missing: another commit may have what is looked
/// for.
fn may_be_elsewhere(error: git::Error, unread: &mut Option<git::Error>) -> Result<(), git::Error> {
    if error.kind() != Kind::Missing {
        return Err(error);
    }
    unread.get_or_insert(error);
    Ok(())
}

/// The commits in which a manifest is looked for: HEAD first, the others only when needed.
fn places<'a>(
    git: &'a Repo,
    task: &TaskId,
    head: Option<GitId>,
    with_kept: bool,
) -> impl Iterator<Item = GitId> + use<'a> {
    let below = |prefix: &str| {
        git.refs_below(prefix)
            .unwrap_or_default()
            .into_iter()
            .map(|(_, id)| id)
    };
    let (tags, kept) = (
        format!("refs/tags/{task}-v"),
        format!("refs/snapback/keep/{task}/"),
    );
    let mut others = None;
    let rest = std::iter::from_fn(move || {
        let all = || {
            let mut all: Vec<GitId> = below("refs/heads/").chain(below("refs/remotes/")).collect();
            if with_kept {
                all.extend(below("refs/snapback/safety/"));
                all.extend(below(&kept).filter_map(|id| Some(git.peel_tag(&id).ok()?.commit)));
                all.extend(below(&tags).filter_map(|id| Some(git.peel_tag(&id).ok()?.commit)));
            }
            all.into_iter()
        };
        others.get_or_insert_with(all).next()
    });
    head.into_iter().chain(rest)
}
