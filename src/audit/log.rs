//! The files of the log: finds the end, appends lines, moves a torn end aside.
//!
//! Everything except reading requires the log's lock. Lines are in `000001.jsonl` and so on; bytes
//! after the last complete line, which only a crash leaves, are moved to `torn-<segment>-<n>`.

use std::io;

use super::{Error, folder, line};
use crate::{
    base::{
        Digest, Due, Fs, RelPath, SyncPoint,
        fs::{create_dir_all, read_limited, write_durably},
    },
    model::audit::{Anchor, AuditStatement},
};

/// Size in bytes at which a new segment is begun.
pub const SEGMENT_LIMIT: usize = 1 << 20;

/// Maximum number of bytes read of one file; a segment hardly exceeds its limit.
const READ_LIMIT: u64 = 256 << 20;

/// Each line of the log, and each ticket of an action in progress.
pub const RECORD: SyncPoint = SyncPoint::new("audit.record");
/// The folders that contain the log's files.
pub const DIR: SyncPoint = SyncPoint::new("audit.dir");
/// The points at which the audit log syncs to disk; tests skip one at a time.
pub const SYNC_POINTS: [SyncPoint; 2] = [RECORD, DIR];

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number, starting at 1.
    pub number: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Segment {
    /// Returns the complete lines, without line ends.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let whole = self.whole();
        whole
            .strip_suffix(b"\n")
            .map(|lines| lines.split(|byte| *byte == b'\n'))
            .into_iter()
            .flatten()
    }

    /// Returns the bytes up to the end of the last complete line.
    pub fn whole(&self) -> &[u8] {
        let end = self
            .bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        &self.bytes[..end]
    }

    /// Returns the bytes after the last complete line.
    pub fn torn(&self) -> &[u8] {
        &self.bytes[self.whole().len()..]
    }
}

/// Returns the path of a segment.
fn path(number: u64) -> RelPath {
    folder().join(format!("{number:06}.jsonl"))
}

/// Creates the folder. Its own name is made durable before the first line.
pub fn make_folder(fs: &dyn Fs) -> io::Result<()> {
    create_dir_all(fs, &folder(), 0o700).map(drop)
}

/// Returns the names in the folder, sorted.
fn names(fs: &dyn Fs) -> io::Result<Vec<String>> {
    if fs.stat(&folder())?.is_none() {
        return Ok(Vec::new());
    }
    let mut names: Vec<String> = fs
        .list(&folder())?
        .into_iter()
        .filter_map(|name| String::from_utf8(name).ok())
        .collect();
    names.sort();
    Ok(names)
}

/// Returns the numbers of the segments, ascending.
fn numbers(fs: &dyn Fs) -> io::Result<Vec<u64>> {
    let number = |name: &String| {
        name.strip_suffix(".jsonl")
            .filter(|digits| digits.len() >= 6)?
            .parse()
            .ok()
    };
    let mut numbers: Vec<u64> = names(fs)?.iter().filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Reads one segment.
fn segment(fs: &dyn Fs, number: u64) -> io::Result<Segment> {
    Ok(Segment {
        number,
        bytes: read_limited(fs, &path(number), READ_LIMIT)?,
    })
}

/// Reads all segments, in order.
pub fn read(fs: &dyn Fs) -> io::Result<Vec<Segment>> {
    numbers(fs)?
        .into_iter()
        .map(|number| segment(fs, number))
        .collect()
}

/// Returns the names of files that were moved aside.
pub fn moved_aside(fs: &dyn Fs) -> io::Result<Vec<String>> {
    Ok(names(fs)?
        .into_iter()
        .filter(|name| name.starts_with("torn-"))
        .collect())
}

/// The end of the log.
struct LogEnd {
    /// The last segment; an empty first one if there is none.
    segment: Segment,
    /// The number of the last line; 0 for an empty log.
    seq: u64,
    /// The digest of the last line.
    last: Option<Digest>,
}

/// Finds the end. A damaged last line counts, and the chain continues after it.
fn tail(fs: &dyn Fs) -> io::Result<LogEnd> {
    let numbers = numbers(fs)?;
    let Some(newest) = numbers.last() else {
        return Ok(LogEnd {
            segment: Segment {
                number: 1,
                bytes: Vec::new(),
            },
            seq: 0,
            last: None,
        });
    };
    let newest = segment(fs, *newest)?;
    let mut last = newest.lines().last().map(<[u8]>::to_vec);
    for number in numbers.iter().rev().skip(1) {
        if last.is_some() {
            break;
        }
        last = segment(fs, *number)?.lines().last().map(<[u8]>::to_vec);
    }
    let Some(bytes) = last else {
        return Ok(LogEnd {
            segment: newest,
            seq: 0,
            last: None,
        });
    };
    let seq = match line::parse(&bytes) {
        Ok(entry) => entry.seq,
        Err(_) => read(fs)?
            .iter()
            .map(|segment| segment.lines().count() as u64)
            .sum(),
    };
    Ok(LogEnd {
        segment: newest,
        seq,
        last: Some(Digest::of(&bytes)),
    })
}

/// Appends a line; it is durable on return, or after the barrier. After an error it is absent or
/// seen as torn. Returns notes for the user.
pub fn append(fs: &dyn Fs, said: &AuditStatement, due: Option<&Due>) -> io::Result<Vec<String>> {
    let mut tail = tail(fs)?;
    let mut notes = Vec::new();
    if !tail.segment.torn().is_empty() {
        let name = move_aside(fs, &tail.segment)?;
        tail.segment.bytes.truncate(tail.segment.whole().len());
        notes.push(format!("the end of the audit log was cut short, as a crash leaves it; it was moved to audit/{name}"));
    }
    let line = line::render(tail.seq + 1, tail.last, said) + "\n";
    let segment = &tail.segment;
    if segment.bytes.is_empty() {
        // The folder itself may have been created by a process that was killed.
        fs.sync_dir(&RelPath::root(), DIR)?;
        write_durably(
            fs,
            &path(segment.number),
            line.as_bytes(),
            0o600,
            (RECORD, DIR),
        )?;
        return Ok(notes);
    }
    if segment.bytes.len() >= SEGMENT_LIMIT {
        // The earlier lines must not be less durable than this one.
        sync(fs)?;
        write_durably(
            fs,
            &path(segment.number + 1),
            line.as_bytes(),
            0o600,
            (RECORD, DIR),
        )?;
        return Ok(notes);
    }
    if segment.lines().count() == 1 {
        // Its creator may have been killed before the file's name was durable.
        fs.sync_dir(&folder(), DIR)?;
    }
    let write = || -> io::Result<()> {
        let mut file = fs.append(&path(segment.number))?;
        file.write_all(line.as_bytes())?;
        match due {
            Some(due) => {
                due.file(move || Ok(file.sync(RECORD).map_err(Error::Write)?));
                Ok(())
            }
            None => file.sync(RECORD),
        }
    };
    // A failure leaves the end of the file in an unknown state.
    write().inspect_err(|_| {
        drop(write_durably(
            fs,
            &path(segment.number),
            &segment.bytes,
            0o600,
            (RECORD, DIR),
        ));
    })?;
    Ok(notes)
}

/// Copies the torn end to a file of its own, then cuts it off the segment.
fn move_aside(fs: &dyn Fs, segment: &Segment) -> io::Result<String> {
    let taken = moved_aside(fs)?;
    let mut names = (1..=taken.len() + 1).map(|n| format!("torn-{:06}-{n}", segment.number));
    let name = names
        .find(|name| !taken.contains(name))
        .expect("because there is one name more than are taken");
    write_durably(
        fs,
        &folder().join(&name),
        segment.torn(),
        0o600,
        (RECORD, DIR),
    )?;
    write_durably(
        fs,
        &path(segment.number),
        segment.whole(),
        0o600,
        (RECORD, DIR),
    )?;
    Ok(name)
}

/// Makes existing lines durable, because a killed process may have left lines that are not yet on
/// disk. The last segment suffices: a new one begins only when the previous one is durable.
pub fn sync(fs: &dyn Fs) -> io::Result<()> {
    let Some(newest) = numbers(fs)?.last().copied() else {
        return Ok(());
    };
    let segment = segment(fs, newest)?;
    write_durably(fs, &path(newest), &segment.bytes, 0o600, (RECORD, DIR))?;
    fs.sync_dir(&RelPath::root(), DIR)
}

/// Returns the newest line, as tags refer to it.
pub fn head(fs: &dyn Fs) -> io::Result<Option<Anchor>> {
    let tail = tail(fs)?;
    let Some(line) = tail.last else {
        return Ok(None);
    };
    let Some(oldest) = numbers(fs)?.first().copied() else {
        return Ok(None);
    };
    let first = segment(fs, oldest)?.lines().next().map(Digest::of);
    Ok(first.map(|first| Anchor {
        log: log_id(&first),
        seq: tail.seq,
        line,
    }))
}

/// Returns the id of a log: the beginning of the digest of its first line.
pub fn log_id(first: &Digest) -> String {
    first.hex()[..16].to_string()
}
