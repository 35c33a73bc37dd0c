//! The demo's folder and the shell in it, with its own home, configuration and time.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crate::{
    base::{Digest, Failure, process::Exit},
    cli::{error::Error, render::TextStyle},
    git::child,
    model::hooks::DEPTH_VARIABLE,
};

/// Time limit of one line.
const LINE_LIMIT: Duration = Duration::from_mins(1);

/// Where the demo takes place.
#[derive(Debug, Clone)]
pub enum DemoFolder {
    /// A temporary folder; it is removed unless this is true.
    Temporary(bool),
    /// A folder that must be empty or new; it is kept.
    Folder(PathBuf),
}

/// The folder of the demo.
pub struct Stage {
    root: PathBuf,
    temporary: Option<tempfile::TempDir>,
    keep: bool,
    style: TextStyle,
    began: Instant,
}

impl Stage {
    /// Creates the folder.
    pub fn open(place: &DemoFolder, style: TextStyle) -> Result<Self, Failure> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| Failure::from(Error::Write { path, source })
        };
        let began = Instant::now();
        let (root, temporary, keep) = match place {
            DemoFolder::Temporary(keep) => {
                let dir = tempfile::Builder::new()
                    .prefix("snapback-demo-")
                    .tempdir()
                    .map_err(failed(&std::env::temp_dir()))?;
                (dir.path().to_path_buf(), Some(dir), *keep)
            }
            DemoFolder::Folder(path) => {
                fs::create_dir_all(path).map_err(failed(path))?;
                if fs::read_dir(path).map_err(failed(path))?.next().is_some() {
                    return Err(Error::usage(format!("{} is not empty", path.display())).into());
                }
                (path.canonicalize().map_err(failed(path))?, None, true)
            }
        };
        let stage = Self {
            root,
            temporary,
            keep,
            style,
            began,
        };
        for dir in [stage.home(), stage.repository()] {
            fs::create_dir_all(&dir).map_err(failed(&dir))?;
        }
        Ok(stage)
    }

    fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Returns the repository's work tree.
    pub fn repository(&self) -> PathBuf {
        self.root.join("strategies")
    }

    /// Returns the milliseconds since the folder was opened.
    pub fn took_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Removes the folder, or returns the repository's path if the folder is kept.
    pub fn close(&mut self) -> Option<PathBuf> {
        let temporary = self.temporary.take();
        if !self.keep {
            return None;
        }
        if let Some(dir) = temporary {
            let _ = dir.keep();
        }
        Some(self.repository())
    }

    /// Prints to standard output, at once; prints nothing when the answer is JSON.
    pub fn show(&self, text: &str, json: bool) {
        if !json {
            let mut out = std::io::stdout().lock();
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    }

    /// Writes a file of the repository.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.repository().join(path);
        let dir = path
            .parent()
            .map_or_else(|| self.repository(), Path::to_path_buf);
        let written = fs::create_dir_all(dir).and_then(|()| File::create(&path)?.write_all(bytes));
        written.map_err(|source| Error::Write { path, source }.into())
    }

    /// Runs a line in the repository; returns its exit code and all its output.
    pub fn types(&self, line: &str) -> Result<(i32, String), Failure> {
        self.run(line, &self.repository())
    }

    /// Runs a line in a folder of the repository.
    pub fn run(&self, line: &str, dir: &Path) -> Result<(i32, String), Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Error::Demo(format!("where is this program? {error}")))?;
        // `snapback` is this program; the variable of child processes is unset, as this is no hook.
        let shell = format!(
            "snapback() {{ env -u {DEPTH_VARIABLE} \"$SNAPBACK_DEMO_PROGRAM\" \"$@\"; }}\n{line}"
        );
        let mut command = child::shell(&shell, dir).merged().limit(LINE_LIMIT);
        let foreign = |name: &str| {
            ["GIT_", "SNAPBACK_", "PYTHON"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        };
        for name in std::env::vars_os()
            .filter_map(|(name, _)| name.into_string().ok())
            .filter(|name| foreign(name))
        {
            command = command.env_remove(name);
        }
        command = command
            .env("SNAPBACK_DEMO_PROGRAM", program)
            .env("HOME", self.home())
            .env("XDG_CONFIG_HOME", self.home())
            .env("XDG_STATE_HOME", self.home().join(".local/state"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0");
        if self.style.colour {
            command = command.env("SNAPBACK_COLOR", "always");
        }
        let ended = command.run()?;
        let code = match ended.status {
            Exit::Code(code) => code,
            other => return Err(Error::Demo(format!("`{line}` ended with {other:?}")).into()),
        };
        Ok((code, String::from_utf8_lossy(&ended.stdout).into_owned()))
    }

    /// Returns path and digest of every file of every task, sorted.
    pub fn digests(&self) -> Result<Vec<(String, String)>, Failure> {
        let mut found = Vec::new();
        let mut folders = vec![self.repository().join("tasks")];
        while let Some(folder) = folders.pop() {
            let failed =
                |source| Failure::from(Error::Demo(format!("{}: {source}", folder.display())));
            for entry in fs::read_dir(&folder).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let (digest, _) = File::open(&path)
                        .and_then(|mut file| Digest::of_reader(&mut file))
                        .map_err(failed)?;
                    let name = path.strip_prefix(self.repository()).unwrap_or(&path);
                    found.push((name.display().to_string(), digest.hex()));
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_is_the_demos_own_and_the_folder_goes() {
        let mut stage =
            Stage::open(&DemoFolder::Temporary(false), TextStyle::default()).expect("it opens");
        let home = stage.home();
        assert_eq!(
            stage.types("printf %s \"$HOME\"").expect("it runs"),
            (0, home.display().to_string())
        );
        assert_eq!(
            stage.types("echo seen >&2; exit 7").expect("it runs"),
            (7, "seen\n".into())
        );
        stage.write("tasks/T01/x", b"x").expect("it is written");
        assert_eq!(stage.digests().expect("it reads")[0].0, "tasks/T01/x");
        assert_eq!(stage.close(), None);
        assert!(!home.exists());
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().expect("there is room");
        File::create(dir.path().join("mine")).expect("it is written");
        let refused = Stage::open(&DemoFolder::Folder(dir.path().into()), TextStyle::default());
        assert_eq!(
            refused.err().map(|failure| failure.kind().exit_code()),
            Some(2)
        );
    }
}
