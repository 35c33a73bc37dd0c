//! Builds an environment and runs the programs that do so.
//!
//! Writes nothing outside the new environment's folder except a temporary package list.

use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use bstr::ByteSlice;

use super::super::{Error, difference, installed, url};
use super::{Built, Tool};
use crate::{
    base::{
        Fs, RelPath, Root, Type,
        process::{self, ChildExit, Command, offline::Offline},
        text::escape,
    },
    git::child,
};

/// Time limit of each step.
const LIMIT: Duration = Duration::from_mins(30);
/// Packages other than pip that `python -m venv` installs.
const SEEDS: [&str; 2] = ["setuptools", "wheel"];
/// Variables that redirect Python, pip or uv to another environment.
const MISLEADING: [&str; 8] = [
    "PYTHONHOME",
    "PYTHONPATH",
    "VIRTUAL_ENV",
    "PIP_PREFIX",
    "PIP_TARGET",
    "PIP_USER",
    "PIP_PYTHON",
    "UV_PROJECT_ENVIRONMENT",
];
/// Maximum size of a script whose paths are rewritten, in bytes.
const SCRIPT_LIMIT: u64 = 1 << 20;

/// A build in progress: what is built, where and from which sources.
pub(super) struct BuildSite<'a> {
    pub(super) tool: Tool,
    pub(super) uv: &'a Path,
    pub(super) root: &'a Root,
    pub(super) work_tree: &'a Path,
    pub(super) venv: &'a RelPath,
    pub(super) into: &'a RelPath,
    pub(super) wanted: &'a [String],
    pub(super) offline_dirs: Vec<PathBuf>,
    pub(super) offline: Option<&'a Offline>,
}

impl BuildSite<'_> {
    /// Creates and fills the environment, and checks its contents.
    pub(super) fn build(&mut self) -> Result<Built, Error> {
        let python = self.python()?;
        let list = self
            .requirements()
            .map_err(|source| self.files_failed(source))?;
        let prompt = self.venv.name().to_str_lossy().into_owned();
        let made = self.make(&python, prompt)?;
        self.expect(&made, "making it")?;
        let offline = self.install(list.path())?;
        if self.tool == Tool::Pip {
            self.remove_seeds()?;
        }
        let found = installed(self.root, self.into)?.unwrap_or_default();
        let difference = difference(self.wanted, &found);
        if !difference.is_empty() {
            return Err(Error::Different {
                path: self.into.clone(),
                difference,
            });
        }
        self.move_scripts()
            .and_then(|()| self.sync())
            .map_err(|source| self.files_failed(source))?;
        Ok(Built {
            tool: self.tool,
            offline,
            packages: found.len(),
        })
    }

    /// Creates the empty environment, with pip if pip is to fill it.
    fn make(&mut self, python: &Path, prompt: String) -> Result<ChildExit, Error> {
        match self.tool {
            Tool::Uv => {
                let make = self.command(self.uv).args([
                    "venv",
                    "--quiet",
                    "--no-project",
                    "--no-python-downloads",
                    "--python",
                ]);
                self.run(
                    &make
                        .arg(python)
                        .arg("--prompt")
                        .arg(prompt)
                        .arg(self.work_tree.join(self.into.as_os())),
                )
            }
            Tool::Pip => {
                self.offline_dirs.extend(self.bundled_wheels(python)?);
                let make = self
                    .command(python)
                    .args(["-I", "-m", "venv", "--prompt"])
                    .arg(prompt);
                self.run(&make.arg(self.work_tree.join(self.into.as_os())))
            }
        }
    }

    /// Installs the wanted packages; returns true when the network was not needed.
    fn install(&self, list: &Path) -> Result<bool, Error> {
        if self.wanted.is_empty() {
            return Ok(true);
        }
        let offline = match self.tool {
            Tool::Uv => ["--offline"],
            Tool::Pip => ["--no-index"],
        };
        let ended = self.run(&self.installer(list).args(offline))?;
        if ended.succeeded() {
            return Ok(true);
        }
        if self.offline.is_some() {
            return self
                .expect(&ended, "installing its packages without the network")
                .map(|()| true);
        }
        let online = self.run(&self.installer(list))?;
        self.expect(&online, "installing its packages")
            .map(|()| false)
    }

    /// Returns the command that installs the list.
    fn installer(&self, list: &Path) -> Command {
        let mut command = match self.tool {
            Tool::Uv => self
                .command(self.uv)
                .args(["pip", "install", "--quiet", "--no-deps", "--python"])
                .arg(self.python_inside()),
            Tool::Pip => self.pip("install").args([
                "--no-deps",
                "--require-virtualenv",
                "--no-warn-script-location",
            ]),
        };
        for dir in &self.offline_dirs {
            command = command.arg("--find-links").arg(self.work_tree.join(dir));
        }
        command.arg("-r").arg(list)
    }

    /// Returns a command of the new environment's pip.
    fn pip(&self, verb: &str) -> Command {
        let command = self
            .command(self.python_inside())
            .args(["-I", "-m", "pip", verb]);
        command.args(["--quiet", "--no-input", "--disable-pip-version-check"])
    }

    /// Removes unwanted packages that `python -m venv` added.
    fn remove_seeds(&self) -> Result<(), Error> {
        let found = installed(self.root, self.into)?.unwrap_or_default();
        let extra = difference(self.wanted, &found).extra;
        let extra = extra
            .iter()
            .filter_map(|package| package.split("==").next())
            .filter(|name| SEEDS.contains(name));
        let extra: Vec<&str> = extra.collect();
        if extra.is_empty() {
            return Ok(());
        }
        let ended = self.run(&self.pip("uninstall").arg("--yes").args(extra))?;
        self.expect(&ended, "removing what it does not need")
    }

    /// Returns the first Python that runs: the old environment's, `python3`, `python`.
    fn python(&self) -> Result<PathBuf, Error> {
        let old = self.work_tree.join(self.venv.as_os()).join("bin/python");
        let mut last = None;
        for python in [old, "python3".into(), "python".into()] {
            match self
                .command(&python)
                .args(["-I", "-c", "import venv"])
                .run()
            {
                Ok(ended) if ended.succeeded() => return Ok(python),
                Ok(ended) => last = Some(self.step("finding Python with its venv module", &ended)),
                Err(source @ process::Error::Cancelled { .. }) => {
                    return Err(self.run_failed(source));
                }
                Err(source) => last = last.or(Some(self.run_failed(source))),
            }
        }
        Err(last.expect("because three were tried"))
    }

    /// Returns the folder of the wheels bundled with Python (setuptools), if present.
    fn bundled_wheels(&self, python: &Path) -> Result<Option<PathBuf>, Error> {
        let script = "import ensurepip, os; print(os.path.join(os.path.dirname(ensurepip.__file__), '_bundled'))";
        let ended = self.run(&self.command(python).args(["-I", "-c", script]))?;
        let path = PathBuf::from(String::from_utf8_lossy(&ended.stdout).trim_end());
        Ok((ended.succeeded() && path.is_dir()).then_some(path))
    }

    /// Writes the wanted packages to a requirements file outside the work tree.
    fn requirements(&self) -> io::Result<tempfile::NamedTempFile> {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(self.wanted.join("\n").as_bytes())?;
        file.flush()?;
        Ok(file)
    }

    /// Rewrites the scripts of the new environment for the path it is renamed to.
    fn move_scripts(&self) -> io::Result<()> {
        let bin = self.into.join("bin");
        let mut files = vec![self.into.join("pyvenv.cfg")];
        files.extend(self.root.list(&bin)?.into_iter().map(|name| bin.join(name)));
        let real = self.work_tree.canonicalize()?;
        for path in files {
            let Some(stat) = self
                .root
                .stat(&path)?
                .filter(|stat| stat.kind == Type::File && stat.size <= SCRIPT_LIMIT)
            else {
                continue;
            };
            let mut old = Vec::new();
            self.root.open(&path)?.read_to_end(&mut old)?;
            let mut new = old.clone();
            for base in [self.work_tree, &real] {
                let place = |path: &RelPath| {
                    base.join(path.as_os())
                        .into_os_string()
                        .into_encoded_bytes()
                };
                new = new.replace(place(self.into), place(self.venv));
            }
            if new != old {
                self.root.remove_file(&path)?;
                let mut file = self.root.create(&path, stat.mode)?;
                file.write_all(&new)?;
                file.set_mode(stat.mode)?;
            }
        }
        Ok(())
    }

    /// Syncs the new environment's whole file system, because it has many files.
    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(std::fs::File::open(
            self.work_tree.join(self.into.as_os()),
        )?)?)
    }

    fn python_inside(&self) -> PathBuf {
        self.work_tree.join(self.into.as_os()).join("bin/python")
    }

    /// Returns a command in the work tree without variables that redirect to another environment.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let command = child::command(program, self.work_tree)
            .limit(LIMIT)
            .merged()
            .env("PYTHONNOUSERSITE", "1");
        MISLEADING.iter().fold(command, Command::env_remove)
    }

    fn run(&self, command: &Command) -> Result<ChildExit, Error> {
        let command = self.offline.map_or_else(
            || command.clone(),
            |offline| offline.around(command.clone()),
        );
        command.run().map_err(|source| self.run_failed(source))
    }

    fn expect(&self, ended: &ChildExit, step: &'static str) -> Result<(), Error> {
        if ended.succeeded() {
            Ok(())
        } else {
            Err(self.step(step, ended))
        }
    }

    fn step(&self, step: &'static str, ended: &ChildExit) -> Error {
        let text = String::from_utf8_lossy(&ended.stdout);
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let last = lines[lines.len().saturating_sub(5)..]
            .iter()
            .map(|line| escape(url::clean_text(line).as_bytes()));
        Error::Step {
            path: self.into.clone(),
            step,
            output: last.collect::<Vec<_>>().join("; "),
        }
    }

    fn run_failed(&self, source: process::Error) -> Error {
        Error::Run {
            path: self.into.clone(),
            source,
        }
    }

    fn files_failed(&self, source: io::Error) -> Error {
        Error::Files {
            path: self.into.clone(),
            source,
        }
    }
}
