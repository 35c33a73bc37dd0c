//! The Python packages of what was restored: installed from its wheels alone, or how to do that.

use std::path::{Path, PathBuf};

use super::Error;
use crate::{
    base::{Failure, Fs, Hint, RelPath, Root, process::offline::Offline, text},
    deps::{
        environment::{self, Local},
        wheels,
    },
    model::capsule::CapsuleReport,
};

/// Builds the environment `venv` below the restored folder, offline; returns its message.
///
/// # Errors
/// When a package has no wheel, or something is at that place.
pub fn install(report: &CapsuleReport, into: &Path, venv: &RelPath) -> Result<String, Failure> {
    if !report.unproven.is_empty() {
        return Err(Error::Unproven(report.unproven.clone()).into());
    }
    let failed = |source| Error::Io {
        path: into.join(venv.as_os()),
        source,
    };
    let into = std::path::absolute(into).map_err(failed)?;
    let root = Root::open(&into).map_err(failed)?;
    if root.stat(venv).map_err(failed)?.is_some() {
        return Err(Error::Exists(into.join(venv.as_os())).into());
    }
    crate::base::fs::create_dir_all(&root, &venv.parent(), 0o777).map_err(failed)?;
    let places: Vec<PathBuf> = wheels::places(
        std::slice::from_ref(&into),
        &RelPath::own("tasks").join(report.task.as_str()),
    );
    let built = venv.parent().join([venv.name(), b".built"].concat());
    let offline = Offline::find();
    let done = environment::build(
        &into,
        venv,
        &built,
        &report.packages,
        &Local {
            wheels: &places,
            offline: Some(&offline),
        },
    )?;
    root.rename_new(&built, venv).map_err(failed)?;
    Ok(format!(
        "{} installed by {:?} from its wheels into {venv}, offline ({})",
        text::count(done.packages, "package"),
        done.tool,
        offline.words()
    ))
}

/// Returns the commands that install packages with a wheel; none when there are none.
pub fn by_hand(report: &CapsuleReport, into: &Path, venv: &RelPath) -> Vec<Hint> {
    let here: Vec<&str> = report
        .packages
        .iter()
        .filter(|package| !report.missing.contains(package))
        .map(String::as_str)
        .collect();
    if here.is_empty() || report.wheels == 0 || !report.unproven.is_empty() {
        return Vec::new();
    }
    // The reader of the report may be in another folder by then.
    let into = std::path::absolute(into).unwrap_or_else(|_| into.to_path_buf());
    let place = into.join(venv.as_os());
    let (place, pip) = (
        place.to_string_lossy().into_owned(),
        place.join("bin/pip").to_string_lossy().into_owned(),
    );
    let make = Hint::run("make an environment", &["python3", "-m", "venv", &place]);
    let places = wheels::places(
        std::slice::from_ref(&into),
        &RelPath::own("tasks").join(report.task.as_str()),
    );
    let from = report
        .wheel_folder
        .as_ref()
        .map(|folder| into.join(folder))
        .or_else(|| places.first().cloned())
        .unwrap_or(into);
    let from = from.to_string_lossy().into_owned();
    let mut words = vec![
        pip.as_str(),
        "install",
        "--no-index",
        "--no-deps",
        "--find-links",
        &from,
    ];
    words.extend(here);
    vec![
        make,
        Hint::run("install its packages from its wheels", &words),
    ]
}
