//! The Python environment of a drill: built anew from wheels that are here, or borrowed.

use std::path::PathBuf;

use super::{Drill, Error, of_version, scratch::Scratch};
use crate::{
    base::{Failure, Fs, fs::create_dir_all, text},
    catalog::manifests::Found,
    deps::{
        environment::{self, Local},
        wheels,
    },
    model::{CheckResult, Status},
    verify::CheckRun,
};

/// Builds the environment, or borrows the one that is there; `None` when the task has none.
pub fn put(
    drill: &Drill<'_>,
    found: &Found,
    scratch: &Scratch,
    notes: &mut Vec<String>,
) -> Result<Option<(Vec<CheckResult>, String)>, Failure> {
    let Some(venv) = &drill.task.venv else {
        return Ok(None);
    };
    let root = scratch.root();
    let failed = |source| Error::Scratch {
        path: scratch.tree().join(venv.as_os()),
        source,
    };
    create_dir_all(root, &venv.parent(), 0o777).map_err(failed)?;
    let packages = &found.manifest.dependencies.python_packages;
    if !drill.how.install || packages.is_empty() || root.stat(venv).map_err(failed)?.is_some() {
        let there = drill.site.git.work_tree().join(venv.as_os());
        if there.is_dir() && root.stat(venv).map_err(failed)?.is_none() {
            root.symlink(there.as_os_str().as_encoded_bytes(), venv)
                .map_err(failed)?;
            notes.push(format!(
                "the environment {venv} was borrowed as it is; `--env sync` rehearses building it"
            ));
        }
        return Ok(None);
    }
    let checking = CheckRun::begin(4, "readiness.dependencies");
    let built = venv.parent().join([venv.name(), b".built"].concat());
    let tops = [
        scratch.tree().to_path_buf(),
        drill.site.git.work_tree().to_path_buf(),
    ];
    let places: Vec<PathBuf> = wheels::places(&tops, &drill.task.dir);
    let local = Local {
        wheels: &places,
        offline: Some(drill.how.offline),
    };
    let result =
        environment::build(scratch.tree(), venv, &built, packages, &local).map_err(Failure::from);
    let result = result.and_then(|done| {
        root.rename_new(&built, venv).map_err(failed)?;
        Ok(done)
    });
    Ok(Some(match result {
        Ok(done) => {
            let said = format!(
                "{} installed by {:?} from what is here",
                text::count(done.packages, "package"),
                done.tool
            );
            (vec![checking.end(Status::Pass, vec![said.clone()])], said)
        }
        Err(failure) => (
            vec![checking.end(Status::Fail, of_version(failure)?)],
            "the packages could not be installed from what is here".into(),
        ),
    }))
}
