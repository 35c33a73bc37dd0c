//! Before there is anything: what `init` writes, and what `doctor` looks at.

use std::path::Path;

use super::{App, Error, Options, audit, signing::Signatures};
use crate::{
    base::{
        Failure, Fault, Fs, Root, SyncPoint, cancel,
        fs::{create_dir_all, read_limited, write_durably},
        glob::Globs,
        process,
    },
    config,
    git::Repo,
    model::overview::{DoctorLine, InitFile},
};

impl App {
    /// The files that `init` would write into the repository that holds a folder.
    pub fn init_files(dir: &Path) -> Result<Vec<InitFile>, Failure> {
        let app = App::open(dir, Options::default())?;
        let tracked = match app.ground.git.scan(&[crate::base::RelPath::root()]) {
            Ok(scan) => scan.tracked,
            Err(_) => Vec::new(),
        };
        let tracks = |globs: &Globs| tracked.iter().any(|tracked| globs.matches(&tracked.path));
        Ok(config::init_files(app.work_tree(), app.settings(), tracks)?)
    }

    /// Writes them. A file that is not as it was when they were shown is an error, and nothing more
    /// is written.
    pub fn init(dir: &Path, options: Options, files: &[InitFile]) -> Result<(), Failure> {
        let app = App::open(dir, options)?;
        let _lock = app.lock()?;
        app.witnessed(audit::deed("init"), "", || app.write_init(dir, files))
    }

    /// Writes the files of `init`.
    fn write_init(&self, dir: &Path, files: &[InitFile]) -> Result<(), Failure> {
        let app = self;
        let root = Root::open(app.work_tree()).map_err(|source| Error::State { path: dir.to_path_buf(), source })?;
        for file in files {
            cancel::check()?;
            let failed = |source| Error::State { path: app.work_tree().join(file.path.as_os()), source };
            let stat = root.stat(&file.path).map_err(failed)?;
            let now = stat.map(|_| read_limited(&root, &file.path, 64 << 20)).transpose().map_err(failed)?;
            if now.as_deref() != file.before.as_ref().map(String::as_bytes) {
                return Err(Error::PlanOutOfDate.into());
            }
            create_dir_all(&root, &file.path.parent(), 0o777).map_err(failed)?;
            let mode = stat.map_or(0o666, |stat| stat.mode);
            write_durably(&root, &file.path, file.after.as_bytes(), mode, (SyncPoint::StageFile, SyncPoint::TreeDir)).map_err(failed)?;
        }
        Ok(())
    }

    /// Looks at everything that snapback needs; each trouble with its remedy.
    pub fn doctor(dir: &Path) -> Vec<DoctorLine> {
        let mut lines = vec![git_program(dir)];
        let git = match Repo::discover(dir) {
            Ok(git) => git,
            Err(error) => {
                lines.push(trouble("repository", &error));
                return lines;
            }
        };
        lines.push(fine("repository", git.work_tree().display().to_string()));
        lines.push(said("state of the repository", git.check_ready().map(|()| "ready for changes".into())));
        lines.push(said("your name in commits", git.identity().map(|who| format!("{} <{}>", who.name, who.email))));
        match App::open(dir, Options::default()) {
            Ok(app) => lines.extend(app.look()),
            Err(failure) => lines.push(failed("configuration", &failure)),
        }
        lines
    }

    /// Looks at settings, operations and registry.
    fn look(&self) -> Vec<DoctorLine> {
        let count = self.ground.settings.tasks.len();
        let tasks = if count == 0 {
            let fix = Some("snapback init".into());
            DoctorLine { what: "tasks".into(), ok: false, seen: "none found".into(), fix }
        } else {
            fine("tasks", format!("{count} tasks"))
        };
        let unfinished = match self.unfinished() {
            Ok(None) => fine("operations", "none is unfinished".into()),
            Ok(Some(line)) => {
                let seen = format!("{} {} did not finish", line.kind.word(), line.id.short());
                DoctorLine { what: "operations".into(), ok: false, seen, fix: Some("snapback op resume (or: snapback op abort)".into()) }
            }
            Err(failure) => failed("operations", &failure),
        };
        let reports = match self.damaged_reports() {
            Ok(lines) if lines.is_empty() => None,
            Ok(lines) => {
                let fix = Some("move each report.json below .git/snapback/ops aside; the journals beside them say what was done".into());
                Some(DoctorLine { what: "reports".into(), ok: false, seen: lines.join("; "), fix })
            }
            Err(failure) => Some(failed("reports", &failure)),
        };
        let drift = match self.drift() {
            Ok(lines) if lines.is_empty() => fine("registry", "agrees with the configurations".into()),
            Ok(lines) => {
                let seen = format!("{} tasks differ from their configuration", lines.len());
                DoctorLine { what: "registry".into(), ok: false, seen, fix: Some("snapback registry sync".into()) }
            }
            Err(failure) => failed("registry", &failure),
        };
        let signing = match self.signing() {
            Signatures::None => None,
            Signatures::Made(seen) | Signatures::Asks(seen) => Some(fine("signing", seen)),
            Signatures::Unusable(failure) => {
                let fix = failure.hints().into_iter().find(|hint| !hint.argv.is_empty()).map(|hint| hint.argv.join(" "));
                Some(DoctorLine { fix, ..failed("signing", &failure) })
            }
        };
        let lock = match self.lock() {
            Ok(_) => fine("lock", "free".into()),
            Err(failure) => failed("lock", &failure),
        };
        let commands = self.commands(&[]);
        let new = commands.iter().filter(|state| !state.trusted).count();
        let trust = (!commands.is_empty()).then(|| {
            let (seen, fix) =
                if new == 0 { ("trusted".into(), None) } else { (format!("{new} not trusted"), Some("snapback trust".into())) };
            DoctorLine { what: "commands".into(), ok: new == 0, seen, fix }
        });
        [tasks, unfinished, drift, lock].into_iter().chain(reports).chain(signing).chain(trust).chain(self.look_at_tags()).collect()
    }
}

/// The git program answers.
fn git_program(dir: &Path) -> DoctorLine {
    match process::Command::new("git", dir).arg("--version").run() {
        Ok(ended) if ended.succeeded() => fine("git", String::from_utf8_lossy(&ended.stdout).trim().to_string()),
        Ok(ended) => {
            DoctorLine { what: "git".into(), ok: false, seen: format!("git --version {}", ended.status), fix: Some("install git".into()) }
        }
        Err(error) => DoctorLine { what: "git".into(), ok: false, seen: error.to_string(), fix: Some("install git".into()) },
    }
}

/// A line for something that is fine.
fn fine(what: &str, seen: String) -> DoctorLine {
    DoctorLine { what: what.into(), ok: true, seen, fix: None }
}

/// A line for a fault, with its first hint as the remedy.
fn trouble(what: &str, fault: &dyn Fault) -> DoctorLine {
    let fix = fault.hints().into_iter().next().map(|hint| if hint.argv.is_empty() { hint.why } else { hint.argv.join(" ") });
    DoctorLine { what: what.into(), ok: false, seen: fault.to_string(), fix }
}

/// A line for a failure.
fn failed(what: &str, failure: &Failure) -> DoctorLine {
    let fix = failure.hints().into_iter().next().map(|hint| if hint.argv.is_empty() { hint.why } else { hint.argv.join(" ") });
    DoctorLine { what: what.into(), ok: false, seen: failure.to_string(), fix }
}

/// A line for either.
fn said<E: Fault>(what: &str, result: Result<String, E>) -> DoctorLine {
    match result {
        Ok(seen) => fine(what, seen),
        Err(error) => trouble(what, &error),
    }
}
