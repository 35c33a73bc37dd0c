//! The files of the log: the end is found, a line is appended, a torn end is moved aside.
//!
//! Only under the log's lock, but for reading. The names: `000001.jsonl` and so on for the lines,
//! `torn-<segment>-<n>` for bytes after the last whole line, which only a crash leaves.

use std::io;

use super::{folder, line};
use crate::{
    base::{
        Digest, Fs, RelPath, SyncPoint,
        fs::{create_dir_all, read_limited, write_durably},
    },
    model::audit::{Anchor, Said},
};

/// A segment that has so many bytes is followed by a new one.
pub const SEGMENT_LIMIT: usize = 1 << 20;

/// Most bytes that are read of one file: a segment is hardly larger than its limit.
const READ_LIMIT: u64 = 256 << 20;

/// Each line of the log, and what says that an act is under way.
pub const RECORD: SyncPoint = SyncPoint::new("audit.record");
/// The folders that name the files of the log.
pub const DIR: SyncPoint = SyncPoint::new("audit.dir");
/// The places where the audit log forces bytes to the disk; the tests skip one at a time.
pub const SYNC_POINTS: [SyncPoint; 2] = [RECORD, DIR];

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number; the first is 1.
    pub number: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Segment {
    /// The whole lines, without their ends.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let whole = self.whole();
        whole
            .strip_suffix(b"\n")
            .map(|lines| lines.split(|byte| *byte == b'\n'))
            .into_iter()
            .flatten()
    }

    /// The bytes up to the end of the last whole line.
    pub fn whole(&self) -> &[u8] {
        let end = self
            .bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        &self.bytes[..end]
    }

    /// What follows the last whole line.
    pub fn torn(&self) -> &[u8] {
        &self.bytes[self.whole().len()..]
    }
}

/// The name of a segment.
fn path(number: u64) -> RelPath {
    folder().join(format!("{number:06}.jsonl"))
}

/// Makes the folder. That its own name is durable is seen to before the first line.
pub fn make_folder(fs: &dyn Fs) -> io::Result<()> {
    create_dir_all(fs, &folder(), 0o700).map(drop)
}

/// The names in the folder, sorted.
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

/// The numbers of the segments, rising.
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

/// All segments, in order.
pub fn read(fs: &dyn Fs) -> io::Result<Vec<Segment>> {
    numbers(fs)?
        .into_iter()
        .map(|number| segment(fs, number))
        .collect()
}

/// The names of what was moved aside.
pub fn moved_aside(fs: &dyn Fs) -> io::Result<Vec<String>> {
    Ok(names(fs)?
        .into_iter()
        .filter(|name| name.starts_with("torn-"))
        .collect())
}

/// Where the log ends.
struct Tail {
    /// The last segment; an empty first one when there is none.
    segment: Segment,
    /// The number of the last line; 0 for an empty log.
    seq: u64,
    /// The digest of the last line.
    last: Option<Digest>,
}

/// Finds the end. A last line that is damaged is counted, and the chain goes on over it.
fn tail(fs: &dyn Fs) -> io::Result<Tail> {
    let numbers = numbers(fs)?;
    let Some(newest) = numbers.last() else {
        return Ok(Tail {
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
        return Ok(Tail {
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
    Ok(Tail {
        segment: newest,
        seq,
        last: Some(Digest::of(&bytes)),
    })
}

/// Appends a line; it is durable when this returns. On an error it is not there, or is seen as
/// torn. Returns what people should know.
pub fn append(fs: &dyn Fs, said: &Said) -> io::Result<Vec<String>> {
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
        // The folder's own name may have been made by a process that was killed.
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
        // The lines before must not be less durable than this one.
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
        // Whoever made it may have been killed before its name was durable.
        fs.sync_dir(&folder(), DIR)?;
    }
    let write = || -> io::Result<()> {
        let mut file = fs.append(&path(segment.number))?;
        file.write_all(line.as_bytes())?;
        file.sync(RECORD)
    };
    // What a failure leaves at the end of the file is unknown.
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

/// Copies the torn end to a file of its own, then takes it off the segment.
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

/// Makes durable what is there: a process that was killed may have left lines that no disk holds
/// yet. The last segment is enough: a new one begins only when the one before it is durable.
pub fn sync(fs: &dyn Fs) -> io::Result<()> {
    let Some(newest) = numbers(fs)?.last().copied() else {
        return Ok(());
    };
    let segment = segment(fs, newest)?;
    write_durably(fs, &path(newest), &segment.bytes, 0o600, (RECORD, DIR))?;
    fs.sync_dir(&RelPath::root(), DIR)
}

/// The newest line, as tags name it.
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

/// What names a log: the beginning of the digest of its first line.
pub fn log_id(first: &Digest) -> String {
    first.hex()[..16].to_string()
}
