//! Finds out which other processes have a file open.
//!
//! The kernel is asked: `/proc/<id>/fd` of every process that this user may inspect, compared by
//! device and inode, so that names cannot mislead; for other processes, the record locks on the
//! file, which SQLite and other programs hold while they use it. Nothing is changed, and the answer
//! holds only for the moment.

use std::{fs::File, io, os::unix::fs::MetadataExt, path::Path};

use rustix::{
    fs::{Mode, OFlags},
    process::{Flock, FlockOffsetType, FlockType, fcntl_getlk},
};

/// A process that uses a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its process id; `None` when the kernel does not name the holder of a lock.
    pub id: Option<u32>,
    /// The name that it gives itself, escaped.
    pub name: String,
}

impl Process {
    /// Looks up a process by its id, which is `None` when the process is not visible from here.
    fn of(id: Option<u32>) -> Self {
        let name = id.and_then(|id| std::fs::read(format!("/proc/{id}/comm")).ok());
        let name = name.map_or_else(
            || "a process".into(),
            |name| super::text::escape(name.trim_ascii_end()),
        );
        Self { id, name }
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.id {
            Some(id) => write!(f, "{} (process {id})", self.name),
            None => f.write_str("a process that cannot be seen from here"),
        }
    }
}

/// The processes that have certain files open.
#[derive(Debug, Clone, Default)]
pub struct Openers {
    /// Each process with the index of a file that it has open, sorted.
    pub found: Vec<(usize, Process)>,
    /// True when some process could not be inspected.
    pub unsure: bool,
}

/// Finds the processes other than this one that have any of these files open. Missing files are
/// open nowhere.
pub fn openers(files: &[impl AsRef<Path>]) -> Openers {
    let mut wanted = Vec::new();
    let mut found = Openers::default();
    for (nth, path) in files.iter().enumerate() {
        let Ok(meta) = path.as_ref().symlink_metadata() else {
            continue;
        };
        if !meta.is_file() {
            continue;
        }
        wanted.push((nth, (meta.dev(), meta.ino())));
        found
            .found
            .extend(lock_holder(path.as_ref()).map(|process| (nth, process)));
    }
    if wanted.is_empty() {
        return found;
    }
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Openers {
            unsure: true,
            ..found
        };
    };
    let own = std::process::id();
    let ids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for id in ids.filter(|id| *id != own) {
        match opened(id, &wanted) {
            Ok(places) => found
                .found
                .extend(places.into_iter().map(|nth| (nth, Process::of(Some(id))))),
            // The process ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => found.unsure = true,
        }
    }
    found.found.sort_unstable();
    found.found.dedup();
    found
}

/// Returns the indices of the wanted files that a process has open.
fn opened(id: u32, wanted: &[(usize, (u64, u64))]) -> io::Result<Vec<usize>> {
    let mut places = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{id}/fd"))? {
        // `metadata` follows the link to the open file itself.
        let Ok(meta) = entry.and_then(|entry| std::fs::metadata(entry.path())) else {
            continue;
        };
        places.extend(
            wanted
                .iter()
                .filter(|(_, file)| *file == (meta.dev(), meta.ino()))
                .map(|(nth, _)| *nth),
        );
    }
    Ok(places)
}

/// Returns the process that holds a record lock on a file, if any.
fn lock_holder(path: &Path) -> Option<Process> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let all = Flock {
        start: 0,
        length: 0,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    let held = fcntl_getlk(&file, &all).ok()??;
    Some(Process::of(held.pid.and_then(|pid| {
        u32::try_from(pid.as_raw_nonzero().get()).ok()
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    #[test]
    fn a_process_that_has_a_file_open_is_named() {
        let dir = tempfile::tempdir().expect("it is made");
        let (open, other) = (dir.path().join("open"), dir.path().join("other"));
        #[expect(clippy::disallowed_methods, reason = "a file of the test")]
        for path in [&open, &other] {
            std::fs::write(path, b"x").expect("it is written");
        }
        let input = File::open(&open).expect("it opens");
        #[expect(clippy::disallowed_methods, reason = "a process of the test")]
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .stdin(Stdio::from(input))
            .spawn()
            .expect("it starts");
        let found = openers(&[&other, &open, &dir.path().join("none")]);
        let expected = (
            1,
            Process {
                id: Some(child.id()),
                name: "sleep".into(),
            },
        );
        assert!(
            found.found.contains(&expected) && found.found.iter().all(|(nth, _)| *nth == 1),
            "{found:?}"
        );
        child.kill().and_then(|()| child.wait()).expect("it ends");
        assert_eq!(openers(&[&open]).found, []);
    }
}
