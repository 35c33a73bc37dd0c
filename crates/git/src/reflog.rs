//! Reference logs: one line per move, in the branch's log and in HEAD's.
//!
//! gix writes them only in its own transactions, which the publish protocol does not use. A line is
//! appended only once even if publishing is repeated after a kill, and a line torn by a kill is
//! replaced. Format: git's `gitrepository-layout`, "logs".

use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{Error, Repo, disk, objects::zone_seconds};
use base::Clock;
use model::{GitId, operation::RefChange};

/// How much of a log's end is read to find its last line, in bytes.
const TAIL_BYTES: u64 = 64 << 10;

impl Repo {
    /// Appends a move to its logs, unless it is their last line already; returns the paths to sync.
    pub(super) fn log_move(
        &self,
        change: &RefChange,
        message: &str,
    ) -> Result<Vec<PathBuf>, Error> {
        let mut touched = Vec::new();
        let now = Clock::System.now();
        let nobody = || gix::actor::Signature {
            name: "snapback".into(),
            email: "snapback@localhost".into(),
            time: gix::date::Time {
                seconds: now.as_second(),
                offset: zone_seconds(now),
            },
        };
        let mut actor = Vec::new();
        let written = self
            .committer_line(now)
            .unwrap_or_else(|_| nobody())
            .write_to(&mut actor);
        written.map_err(|error| Error::Git {
            doing: "writing a reference log",
            source: error.into(),
        })?;
        let message: String = message
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let line = [
            self.beginning(change).as_bytes(),
            &actor,
            b"\t",
            message.trim().as_bytes(),
            b"\n",
        ]
        .concat();
        for log in self.logs_of(&change.name)? {
            if let Some(dir) = log.parent() {
                touched.extend(disk::create_dirs(dir)?);
                touched.push(dir.to_path_buf());
            }
            append(&log, self.beginning(change).as_bytes(), &line)
                .map_err(|source| failed(&log, source))?;
            touched.push(log);
        }
        Ok(touched)
    }

    /// Removes a move's line from its logs, where it is the last one; returns the paths to sync.
    pub(super) fn unlog_move(&self, change: &RefChange) -> Result<Vec<PathBuf>, Error> {
        let mut touched = Vec::new();
        for log in self
            .logs_of(&change.name)?
            .into_iter()
            .filter(|log| log.exists())
        {
            if cut_last(&log, self.beginning(change).as_bytes())
                .map_err(|source| failed(&log, source))?
            {
                touched.push(log.clone());
            }
            // The log of a reference that did not exist was created for this move.
            if change.before.is_none()
                && log.metadata().is_ok_and(|found| found.len() == 0)
                && disk::remove(&log)?
            {
                touched.retain(|path| *path != log);
                touched.extend(log.parent().map(Path::to_path_buf));
            }
        }
        Ok(touched)
    }

    /// Returns the beginning of a move's line: the values before and after.
    fn beginning(&self, change: &RefChange) -> String {
        let null = self.hash().null().to_hex().to_string();
        format!(
            "{} {} ",
            change.before.as_ref().map_or(null.as_str(), GitId::as_str),
            change.after
        )
    }

    /// Returns the logs for a reference's moves: its own, and HEAD's if HEAD is on it.
    pub(super) fn logs_of(&self, name: &str) -> Result<Vec<PathBuf>, Error> {
        let mode = self.with(|repo| {
            repo.config_snapshot()
                .string("core.logAllRefUpdates")
                .map(|value| value.to_string().to_lowercase())
        });
        let (usual, always) = match mode.as_deref() {
            Some("always") => (true, true),
            Some("false" | "no" | "off" | "0") => (false, false),
            _ => (true, false),
        };
        let is_usual = ["refs/heads/", "refs/remotes/", "refs/notes/"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
        let own = self.common_dir().join("logs").join(name);
        let mut logs = Vec::new();
        if own.is_file() || always || usual && is_usual {
            logs.push(own);
        }
        let head = disk::read(&self.git_dir().join("HEAD"))?.unwrap_or_default();
        let log = self.git_dir().join("logs/HEAD");
        if head.trim_ascii_end() == format!("ref: {name}").as_bytes() && (usual || log.is_file()) {
            logs.push(log);
        }
        Ok(logs)
    }
}

/// Appends a line, unless the last line has this beginning; a torn last line is removed first.
fn append(log: &Path, beginning: &[u8], line: &[u8]) -> std::io::Result<()> {
    let open = || OpenOptions::new().read(true).append(true).open(log);
    let mut file = match open() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            disk::create_new(log).and_then(|_| open())?
        }
        other => other?,
    };
    let (start, last) = last_line(&mut file)?;
    if last.starts_with(beginning) && last.ends_with(b"\n") {
        return Ok(());
    }
    if !last.is_empty() && !last.ends_with(b"\n") {
        file.set_len(start)?;
    }
    file.write_all(line)
}

/// Removes the last line if it has this beginning, torn or whole; returns whether it did.
fn cut_last(log: &Path, beginning: &[u8]) -> std::io::Result<bool> {
    let mut file = OpenOptions::new().read(true).write(true).open(log)?;
    let (start, last) = last_line(&mut file)?;
    let torn = !last.is_empty() && !last.ends_with(b"\n") && beginning.starts_with(&last);
    let ours = last.starts_with(beginning) || torn;
    if ours {
        file.set_len(start)?;
    }
    Ok(ours)
}

/// Returns the offset of the last line, and its bytes including the final newline.
fn last_line(file: &mut File) -> std::io::Result<(u64, Vec<u8>)> {
    let size = file.metadata()?.len();
    let from = size.saturating_sub(TAIL_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail)?;
    let body = tail.strip_suffix(b"\n").unwrap_or(&tail);
    let at = body
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    Ok((from + at as u64, tail.split_off(at)))
}

/// Makes the error for a log that cannot be written.
fn failed(log: &Path, source: std::io::Error) -> Error {
    Error::File {
        doing: "writing",
        path: log.to_path_buf(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_once_and_torn_ones_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        append(&log, b"a b ", b"a b me\tfirst\n").unwrap();
        for _ in 0..2 {
            append(&log, b"b c ", b"b c me\tsecond\n").unwrap();
        }
        assert_eq!(
            std::fs::read(&log).unwrap(),
            b"a b me\tfirst\nb c me\tsecond\n"
        );
        OpenOptions::new()
            .append(true)
            .open(&log)
            .unwrap()
            .write_all(b"c d m")
            .unwrap();
        append(&log, b"c d ", b"c d me\tthird\n").unwrap();
        assert!(cut_last(&log, b"c d ").unwrap() && !cut_last(&log, b"c d ").unwrap());
        assert_eq!(
            std::fs::read(&log).unwrap(),
            b"a b me\tfirst\nb c me\tsecond\n"
        );
    }
}
