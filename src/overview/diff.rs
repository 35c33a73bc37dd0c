//! Compares two versions of a task: code, configuration, dependencies.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use similar::TextDiff;

use super::preview;
use crate::{
    base::{Failure, RelPath, cancel, sqlite},
    catalog::{Scope, capture, databases, tasks},
    deps,
    draft::lines::{self, LineSide, as_text},
    git::{Tracked, WorkState},
    model::{
        DependencyList, GitId, TaskId, TaskSpec, Version,
        manifest::{FileRole, ManifestFile},
        overview::VersionDifference,
    },
    registry::task_config,
    rollback::show::value_changes,
    site::RepoSite,
};

/// One side of a comparison: its files by path, and its dependencies.
struct SideOf {
    files: BTreeMap<RelPath, Content>,
    /// `None` when unknown.
    dependencies: Option<DependencyList>,
}

/// A file of one side.
enum Content {
    /// A file of a release.
    Kept(ManifestFile),
    /// A file of the work tree, with its blob if git knows that it is unchanged.
    Tree(Option<GitId>),
}

impl Content {
    /// True when no byte has to be read to know that both are the same.
    fn is_known_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Kept(a), Self::Kept(b)) => a.is_same(b),
            (Self::Kept(kept), Self::Tree(blob)) | (Self::Tree(blob), Self::Kept(kept)) => {
                blob.is_some() && kept.blob() == blob.as_ref()
            }
            (Self::Tree(_), Self::Tree(_)) => true,
        }
    }
}

/// The content of a file, with its bytes if it is small enough to show.
struct SmallText {
    digest: String,
    size: u64,
    bytes: Option<Vec<u8>>,
    large: bool,
}

/// Compares two versions; `None` = the work tree.
pub fn diff(
    site: &RepoSite,
    task: &TaskId,
    before: Option<&Version>,
    after: Option<&Version>,
) -> Result<VersionDifference, Failure> {
    let spec = tasks::spec(site, task)?;
    let (a, b) = (side(site, spec, before)?, side(site, spec, after)?);
    let mut found = VersionDifference {
        task: task.clone(),
        before: before.cloned(),
        after: after.cloned(),
        code: Vec::new(),
        patch: String::new(),
        config: Vec::new(),
        packages: Vec::new(),
        variables: Vec::new(),
        unknown: Vec::new(),
        unlisted: Vec::new(),
    };
    add_dependencies(&mut found, a.dependencies.as_ref(), b.dependencies.as_ref());
    let paths: BTreeSet<&RelPath> = a.files.keys().chain(b.files.keys()).collect();
    for path in paths {
        cancel::check()?;
        let (old, new) = (a.files.get(path), b.files.get(path));
        if old.zip(new).is_some_and(|(old, new)| old.is_known_as(new)) {
            continue;
        }
        let (old, new) = (load(site, path, old)?, load(site, path, new)?);
        add_file(&mut found, spec, path, old.as_ref(), new.as_ref());
    }
    Ok(found)
}

/// Reads the files and dependencies of one side.
fn side(site: &RepoSite, spec: &TaskSpec, version: Option<&Version>) -> Result<SideOf, Failure> {
    if let Some(version) = version {
        let manifest = preview::manifest(site, &spec.id, version)?;
        let dependencies = manifest
            .knows_dependencies()
            .then_some(manifest.dependencies);
        let own = manifest.files.into_iter().filter(ManifestFile::is_restored);
        return Ok(SideOf {
            files: own
                .map(|file| (file.path().clone(), Content::Kept(file)))
                .collect(),
            dependencies,
        });
    }
    let scope = Scope::new(&site.settings, spec)?;
    let scan = site.git.scan(&scope.dirs())?;
    let tree = &*site.tree;
    // Logs that SQLite would apply to a database belong to its current content.
    let mut logs = Vec::new();
    for database in databases::with_sides(tree, scan.names(), |path| scope.owns(path))? {
        logs.extend(
            database
                .changed_by(tree, |_| true)?
                .map(|(log, _)| log.clone()),
        );
    }
    let is_clean = |tracked: &&Tracked| tracked.state == WorkState::Clean;
    let blob = |tracked: &Tracked| Some((tracked.path.clone(), tracked.index.clone()?.id));
    let clean = scan.tracked.iter().filter(is_clean).filter_map(blob);
    let mut clean: HashMap<RelPath, GitId> = clean.collect();
    let tracked = scan.tracked.into_iter().map(|tracked| tracked.path);
    let ignored = scan
        .ignored
        .into_iter()
        .filter(|path| scope.names_large(path));
    let mut paths: Vec<RelPath> = tracked
        .chain(scan.untracked)
        .chain(ignored)
        .filter(|path| scope.owns(path))
        .collect();
    logs.retain(|log| {
        !paths.contains(log)
            && sqlite::database_of(log).is_some_and(|database| paths.contains(&database))
    });
    paths.extend(logs);
    let of = deps::CollectedTask {
        fs: &*site.tree,
        dir: &spec.dir,
        files: &paths,
        venv: spec.venv.as_ref(),
        variables: &spec.environment_variables,
        known: deps::KnownSources::NOTHING,
    };
    let dependencies = Some(deps::collect(&of)?.0);
    Ok(SideOf {
        files: paths
            .into_iter()
            .map(|path| {
                let blob = clean.remove(&path);
                (path, Content::Tree(blob))
            })
            .collect(),
        dependencies,
    })
}

/// Loads a file of one side.
fn load(
    site: &RepoSite,
    path: &RelPath,
    content: Option<&Content>,
) -> Result<Option<SmallText>, Failure> {
    Ok(match content {
        None => None,
        Some(Content::Kept(file)) => {
            let large = file.role == FileRole::Large;
            let mut bytes = Vec::new();
            if !large {
                preview::copy(site, file, &mut bytes)?;
            }
            Some(SmallText {
                digest: file.checksum(),
                size: file.size().unwrap_or(bytes.len() as u64),
                bytes: (!large).then_some(bytes),
                large,
            })
        }
        Some(Content::Tree(_)) => capture::read(&*site.tree, path)?.map(|now| {
            let large = now.bytes.is_none();
            SmallText {
                digest: now.record.digest.to_string(),
                size: now.record.size,
                bytes: now.bytes,
                large,
            }
        }),
    })
}

/// Adds packages and variables; if one side is unknown, there is no difference.
fn add_dependencies(
    found: &mut VersionDifference,
    before: Option<&DependencyList>,
    after: Option<&DependencyList>,
) {
    let (Some(before), Some(after)) = (before, after) else {
        let sides = [(before, &found.before), (after, &found.after)];
        let unknown = sides
            .into_iter()
            .filter(|(list, _)| list.is_none())
            .filter_map(|(_, version)| version.clone());
        found.unknown = unknown.collect();
        return;
    };
    found.packages = DependencyList::changes(before, after);
    found.unlisted = DependencyList::unknown_changes(before, after);
    let (old, new) = (&before.environment_variables, &after.environment_variables);
    found.variables = new
        .iter()
        .filter(|name| !old.contains(name))
        .map(|name| (name.clone(), true))
        .collect();
    found.variables.extend(
        old.iter()
            .filter(|name| !new.contains(name))
            .map(|name| (name.clone(), false)),
    );
}

/// Adds one file to the difference.
fn add_file(
    found: &mut VersionDifference,
    spec: &TaskSpec,
    path: &RelPath,
    old: Option<&SmallText>,
    new: Option<&SmallText>,
) {
    if old.map(|file| &file.digest) == new.map(|file| &file.digest) {
        return;
    }
    let large = old.is_some_and(|file| file.large) || new.is_some_and(|file| file.large);
    found.code.extend(lines::line(
        path,
        side_of(old),
        side_of(new),
        large,
        String::new(),
    ));
    if spec.config.as_ref() == Some(path) {
        let values = |file: Option<&SmallText>| {
            file.and_then(|file| task_config::values(file.bytes.as_deref()?, path).ok())
                .unwrap_or_default()
        };
        found.config = value_changes(&values(old), &values(new));
        // The configuration masks values that look like secrets; the file's text would show them.
        if found.config.iter().any(|(_, before, after)| {
            [before, after]
                .into_iter()
                .flatten()
                .any(|value| value == "***")
        }) {
            return;
        }
    }
    let text = |file: Option<&SmallText>| {
        file.map_or(Some(String::new()), |file| as_text(file.bytes.as_deref()?))
    };
    if let (Some(before), Some(after)) = (text(old), text(new)) {
        let name = |side: &str, file: Option<&SmallText>| {
            if file.is_some() {
                format!("{side}/{path}")
            } else {
                "/dev/null".into()
            }
        };
        let diff = TextDiff::from_lines(&before, &after);
        found.patch += &diff
            .unified_diff()
            .context_radius(3)
            .header(&name("a", old), &name("b", new))
            .to_string();
    }
}

/// Returns the side of a plan's line for a loaded file.
fn side_of(file: Option<&SmallText>) -> Option<LineSide<'_>> {
    file.map(|file| LineSide {
        size: file.size,
        bytes: file.bytes.as_deref(),
    })
}
