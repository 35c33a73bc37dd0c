//! Finds where the version of a task is: in a configuration of its own, or in the files that
//! package managers have.
//!
//! What a file says about itself is followed: an inherited version of a Cargo workspace, a dynamic
//! version of a Python project. A file without a version is passed over; one that cannot be read is
//! not, so that nothing is released as if there were none.

use crate::{
    base::{Fs, RelPath, fs::Type, fs::read_limited},
    model::TaskSpec,
    registry::task_config::{self, PACKAGE_FILES, value_at},
};

/// The names of a task's own configuration; the first one that exists counts.
const CONFIG_NAMES: [&str; 4] = ["config.yaml", "config.yml", "config.json", "config.toml"];
/// Maximum size of a file that is looked at, in bytes.
const LIMIT: u64 = 1 << 20;

/// Where a version is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionPlace {
    /// The file.
    pub file: RelPath,
    /// The dotted key.
    pub key: String,
}

/// Returns where the version of the task in this folder is.
pub fn in_folder(root: &dyn Fs, dir: &RelPath) -> Option<VersionPlace> {
    let own = CONFIG_NAMES.iter().map(|name| dir.join(name));
    if let Some(file) = own.into_iter().find(|file| is_file(root, file)) {
        let key = usual_key(&file).to_string();
        return Some(VersionPlace { file, key });
    }
    let files = PACKAGE_FILES.iter().map(|name| dir.join(name));
    let mut files = files.filter(|file| is_file(root, file));
    files.find_map(|file| in_package_file(root, &file))
}

/// Returns remarks on files in a task's folder whose version a release leaves as it is: those that
/// repeat the version beside the file that counts, and those that have it in a place that cannot be
/// followed.
pub fn remarks(root: &dyn Fs, task: &TaskSpec) -> Vec<String> {
    let files = PACKAGE_FILES.iter().map(|name| task.dir.join(name));
    let files: Vec<RelPath> = files.collect();
    let Some(config) = &task.config else {
        return files.iter().filter_map(|file| unread(root, file)).collect();
    };
    let version_at = |file: &RelPath, key: &str| {
        let bytes = read(root, file)?;
        task_config::version(&bytes, file, key).ok().flatten()
    };
    let Some(own) = version_at(config, &task.version_key) else {
        return Vec::new();
    };
    let repeats = |file: &&RelPath| {
        let place = in_package_file(root, file).filter(|place| place.file != *config);
        place.is_some_and(|place| version_at(&place.file, &place.key).as_ref() == Some(&own))
    };
    let others = files.iter().filter(repeats).map(ToString::to_string);
    let others: Vec<String> = others.collect();
    let (says, rest) = match others.len() {
        0 => return Vec::new(),
        1 => ("says", "stays as it is"),
        _ => ("say", "stay as they are"),
    };
    let others = others.join(" and ");
    vec![format!(
        "{others} {says} {own}, too, and {rest}: the version is in {config}"
    )]
}

/// Returns why a file that may have a version is passed over.
fn unread(root: &dyn Fs, file: &RelPath) -> Option<String> {
    let stat = root.stat(file).ok().flatten()?;
    if stat.kind == Type::Symlink {
        return Some(format!(
            "{file} is a symbolic link, so a version in it is neither read nor set"
        ));
    }
    let values = values(root, file)?;
    let has = |key: &str| value_at(&values, key).is_some();
    if file.name() == b"pom.xml" && has("project.parent.version") {
        return Some(format!(
            "{file} has the version of its parent, which is neither read nor set"
        ));
    }
    let is_dynamic = file.name() == b"pyproject.toml" && has("project.dynamic[0]");
    is_dynamic.then(|| {
        format!(
            "where the dynamic version of {file} comes from cannot be followed, so it is not set"
        )
    })
}

/// Returns the place in a file that the settings name. Without a key, what the file of a package
/// manager says about its version is followed.
pub fn in_file(root: &dyn Fs, file: RelPath, key: Option<&str>) -> VersionPlace {
    let points: [&[u8]; 3] = [b"Cargo.toml", b"pyproject.toml", b"setup.cfg"];
    let is_followed = key.is_none() && points.contains(&file.name());
    let found = is_followed.then(|| in_package_file(root, &file)).flatten();
    found.unwrap_or_else(|| {
        let key = key.unwrap_or(usual_key(&file)).to_string();
        VersionPlace { file, key }
    })
}

/// Returns the key of the version in a file with this name.
fn usual_key(file: &RelPath) -> &'static str {
    let name = file.name().to_ascii_lowercase();
    match name.as_slice() {
        b"cargo.toml" => "package.version",
        b"pyproject.toml" | b"pom.xml" => "project.version",
        b"setup.cfg" => "metadata.version",
        name if name.ends_with(b".py") => "__version__",
        _ => "version",
    }
}

/// Returns the place that a file of a package manager gives; `None` when it gives none.
fn in_package_file(root: &dyn Fs, file: &RelPath) -> Option<VersionPlace> {
    let dir = file.parent();
    match file.name() {
        b"Cargo.toml" => cargo(root, file),
        b"pyproject.toml" => python(root, file, &dir),
        b"setup.cfg" => setup(root, file, &dir),
        _ => place(root, file, usual_key(file)),
    }
}

/// Returns the place of a crate, of its workspace, or of the workspace that it inherits from.
fn cargo(root: &dyn Fs, file: &RelPath) -> Option<VersionPlace> {
    const SHARED: &str = "workspace.package.version";
    let own = place(root, file, "package.version");
    let values = values(root, file);
    if values.is_none_or(|values| value_at(&values, "package.version.workspace").is_none()) {
        return own.or_else(|| place(root, file, SHARED));
    }
    let above = file.ancestors().chain([RelPath::root()]);
    above
        .map(|dir| dir.join("Cargo.toml"))
        .find_map(|file| place(root, &file, SHARED))
        .or(own)
}

/// Returns the place of a Python project, whose version may be in another file.
fn python(root: &dyn Fs, file: &RelPath, dir: &RelPath) -> Option<VersionPlace> {
    let keys = ["project.version", "tool.poetry.version"];
    if let Some(found) = keys.iter().find_map(|key| place(root, file, key)) {
        return Some(found);
    }
    let values = values(root, file)?;
    let file_keys = ["tool.hatch.version.path", "tool.pdm.version.path"];
    if let Some(path) = file_keys.iter().find_map(|key| value_at(&values, key)) {
        return elsewhere(root, dir, path);
    }
    let dynamic = "tool.setuptools.dynamic.version";
    let list = |key: &str| value_at(&values, &format!("{dynamic}.{key}[0]"));
    let plain = |key: &str| value_at(&values, &format!("{dynamic}.{key}"));
    if let Some(path) = plain("file").or_else(|| list("file")) {
        return elsewhere(root, dir, path);
    }
    if let Some(attribute) = plain("attr") {
        return attribute_of(root, dir, attribute);
    }
    let is_flit = value_at(&values, "build-system.build-backend") == Some("flit_core.buildapi");
    let name = value_at(&values, "project.name").filter(|_| is_flit)?;
    attribute_of(
        root,
        dir,
        &format!("{}.__version__", name.replace('-', "_")),
    )
}

/// Returns the place that `setup.cfg` gives.
fn setup(root: &dyn Fs, file: &RelPath, dir: &RelPath) -> Option<VersionPlace> {
    let key = "metadata.version";
    let values = values(root, file)?;
    let text = value_at(&values, key)?;
    match text
        .split_once(':')
        .map(|(how, what)| (how.trim(), what.trim()))
    {
        Some(("attr", attribute)) => attribute_of(root, dir, attribute),
        Some(("file", path)) => elsewhere(root, dir, path),
        _ => place(root, file, key),
    }
}

/// Returns the place in a file that another one points to.
fn elsewhere(root: &dyn Fs, dir: &RelPath, path: &str) -> Option<VersionPlace> {
    let file = RelPath::parse(dir.join(path).as_bytes()).ok()?;
    place(root, &file, usual_key(&file))
}

/// Returns the place of an attribute of a Python module, such as `pkg.__version__`.
fn attribute_of(root: &dyn Fs, dir: &RelPath, attribute: &str) -> Option<VersionPlace> {
    let (module, name) = attribute.rsplit_once('.')?;
    let module = module.replace('.', "/");
    let files = [
        format!("{module}/__init__.py"),
        format!("{module}.py"),
        format!("src/{module}/__init__.py"),
        format!("src/{module}.py"),
    ];
    let files = files.iter().map(|path| dir.join(path));
    let mut files = files.filter(|file| is_file(root, file));
    files.find_map(|file| place(root, &file, name))
}

/// Returns the place if the file has a version there, or cannot be read: it may have one, and a
/// release says what is wrong with it.
fn place(root: &dyn Fs, file: &RelPath, key: &str) -> Option<VersionPlace> {
    let bytes = read(root, file)?;
    let version = task_config::version(&bytes, file, key);
    let is_there = version.map_or(true, |version| version.is_some());
    is_there.then(|| VersionPlace {
        file: file.clone(),
        key: key.into(),
    })
}

/// Returns the values of a file; `None` when it cannot be read.
fn values(root: &dyn Fs, file: &RelPath) -> Option<Vec<(String, String)>> {
    task_config::values(&read(root, file)?, file).ok()
}

/// Reads a small file.
fn read(root: &dyn Fs, file: &RelPath) -> Option<Vec<u8>> {
    if is_file(root, file) {
        read_limited(root, file, LIMIT).ok()
    } else {
        None
    }
}

/// True for a regular file.
fn is_file(root: &dyn Fs, path: &RelPath) -> bool {
    matches!(root.stat(path), Ok(Some(stat)) if stat.kind == Type::File)
}
