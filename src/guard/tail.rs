//! Reads new lines of a file that others write: rotated, cut, torn at its end, or huge.
//!
//! The place of the last reading is identified by device, inode, offset, and a digest of the bytes
//! before it. A renamed file is read to its end before the new one is begun. A file that was cut
//! or rewritten is read from the start. A line counts once its end is there. At most 16 MiB are
//! read at once, and the newest part if there is more. Without times in its lines, a file is read
//! from its end when first seen, because the age of its earlier lines is unknown.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde_json::Value;

use super::{
    LogReader, MetricContext, MetricSource, Reading,
    lines::{self, LineRule},
};
use crate::{
    base::Digest,
    model::{
        guard::{Cursor, Metric, Sample},
        settings::{Block, Declared},
        settings_block,
    },
};

/// Most bytes that are read at once.
const MOST: u64 = 16 << 20;
/// Bytes before a place that identify it.
const MARK: u64 = 256;
/// Most names that are searched for a renamed file.
const NAMES: usize = 10_000;
/// Most samples of one reading; the newest are kept.
const SAMPLES: usize = 50_000;

settings_block! {
    /// A metric in the lines of a file.
    struct FileBlock as "metric_file" {
        /// A log file to which lines are appended, relative to the task's folder.
        file: String,
        /// The key of the value in the JSON; dots go deeper.
        value: Option<String>,
        /// For `file`: a line counts 1 when its value (or the whole line) contains this text, else
        /// 0.
        bad: Option<String>,
        /// For `file`: the key of the time in a line of JSON.
        time: Option<String>,
    }
}

impl FileBlock {
    /// Returns the path (absolute or from the task's folder), and how a line becomes a sample.
    fn split(self) -> (String, LineRule) {
        let line = LineRule {
            value: self.value.unwrap_or_default(),
            bad: self.bad,
            time: self.time,
        };
        (self.file, line)
    }
}

/// The source of metrics `file: …`.
pub(super) struct GrowingFile;

impl MetricSource for GrowingFile {
    fn word(&self) -> &'static str {
        "file"
    }

    fn block(&self) -> Declared {
        FileBlock::declared()
    }

    fn describe(&self, block: &Value) -> Result<String, String> {
        let path = FileBlock::of(block)?.file;
        if path.is_empty() || path.contains('\0') {
            return Err("the path of the file is empty or holds a NUL byte".into());
        }
        Ok(format!("read {path}"))
    }

    fn read(
        &self,
        metric: &Metric,
        place: &MetricContext<'_>,
        cursor: &mut Option<Cursor>,
    ) -> Reading {
        match FileBlock::of(&metric.settings).map(FileBlock::split) {
            Ok((path, rule)) => read(&place.dir.join(path), &rule, cursor, place.now),
            Err(why) => Reading::Unread(why),
        }
    }

    fn has_limit(&self) -> bool {
        false
    }

    fn tells_times(&self, block: &Value) -> bool {
        block.get("time").is_some()
    }

    fn log_reader(&self, block: &Value) -> LogReader {
        match FileBlock::of(block).map(FileBlock::split) {
            Ok((_, rule)) if rule.time.is_some() => {
                Box::new(move |line| lines::sample(line, &rule, Timestamp::UNIX_EPOCH))
            }
            _ => Box::new(lines::plain),
        }
    }

    fn misplaced(&self, key: &str) -> Option<&'static str> {
        ["bad", "time"]
            .contains(&key)
            .then_some("`bad` and `time` are for lines of a `file`")
    }
}

/// The new lines of one file, and how values are read from them.
struct NewLines<'r> {
    rule: &'r LineRule,
    now: Timestamp,
    samples: Vec<Sample>,
    /// The number of lines that were read.
    lines: usize,
    /// True when something was too long to be read.
    skipped: bool,
}

/// Reads the new lines of a file.
fn read(path: &Path, rule: &LineRule, cursor: &mut Option<Cursor>, now: Timestamp) -> Reading {
    match read_new(path, rule, cursor, now) {
        Ok(None) => Reading::Nothing("the file is not there".into()),
        Ok(Some(found)) if found.samples.is_empty() && found.lines > 0 => {
            Reading::Unread(format!("none of {} new lines has a value", found.lines))
        }
        Ok(Some(found)) if found.samples.is_empty() => Reading::Nothing(
            if found.skipped {
                "only a long line"
            } else {
                "no new lines"
            }
            .into(),
        ),
        Ok(Some(found)) => Reading::Samples(found.samples),
        Err(error) => Reading::Unread(format!("{}: {error}", path.display())),
    }
}

/// Reads the new lines of a file; `None` when there is no file.
fn read_new<'r>(
    path: &Path,
    rule: &'r LineRule,
    cursor: &mut Option<Cursor>,
    now: Timestamp,
) -> io::Result<Option<NewLines<'r>>> {
    let file = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let size = file.metadata()?.len();
    let mut found = NewLines {
        rule,
        now,
        samples: Vec::new(),
        lines: 0,
        skipped: false,
    };
    let start = match cursor.as_ref() {
        None if rule.time.is_none() => {
            *cursor = Some(mark(&file, whole_lines(&file, size)?)?);
            return Ok(Some(found));
        }
        None => 0,
        Some(known) if is_at(&file, known)? => known.offset,
        Some(known) => {
            if let Some(old) = renamed(path, known) {
                let old_size = old.metadata()?.len();
                found.take(&old, known.offset, old_size)?;
            }
            0
        }
    };
    let end = found.take(&file, start, size)?;
    *cursor = Some(mark(&file, end)?);
    let more = found.samples.len().saturating_sub(SAMPLES);
    found.samples.drain(..more);
    Ok(Some(found))
}

/// Opens a regular file, without blocking on a FIFO or a device.
fn open(path: &Path) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

impl NewLines<'_> {
    /// Reads whole lines from a place. Returns where the first incomplete line begins.
    fn take(&mut self, file: &File, start: u64, size: u64) -> io::Result<u64> {
        let skip = size.saturating_sub(start) > MOST;
        let start = if skip { size - MOST } else { start };
        let mut bytes = Vec::new();
        At { file, at: start }.take(MOST).read_to_end(&mut bytes)?;
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            self.skipped |= skip;
            // A line that does not end within everything that is read is skipped, so that the next
            // one is found.
            return Ok(if bytes.len() as u64 == MOST {
                start + MOST
            } else {
                start
            });
        };
        let mut whole = &bytes[..=end];
        if skip {
            let first = whole
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            whole = &whole[first..];
            self.skipped = true;
        }
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                self.lines += 1;
                self.samples
                    .extend(lines::sample(line, self.rule, self.now));
            }
        }
        Ok(start + end as u64 + 1)
    }
}

/// A reader of a file from a fixed place on, independent of what others do with the file.
struct At<'f> {
    file: &'f File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Returns where the last whole line ends, as far as one mebibyte shows it.
fn whole_lines(file: &File, size: u64) -> io::Result<u64> {
    let start = size.saturating_sub(lines::LINE as u64);
    let mut bytes = Vec::new();
    At { file, at: start }
        .take(size - start)
        .read_to_end(&mut bytes)?;
    Ok(bytes
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(start, |at| start + at as u64 + 1))
}

/// Builds the cursor by which a place is recognized again.
fn mark(file: &File, offset: u64) -> io::Result<Cursor> {
    let meta = file.metadata()?;
    let start = offset.saturating_sub(MARK);
    let mut bytes = Vec::new();
    At { file, at: start }
        .take(offset - start)
        .read_to_end(&mut bytes)?;
    Ok(Cursor {
        file: (meta.dev(), meta.ino()),
        offset,
        mark: Digest::of(&bytes),
    })
}

/// Returns true when a file is the one that was read, and still contains what was read.
fn is_at(file: &File, known: &Cursor) -> io::Result<bool> {
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()) == known.file
        && meta.len() >= known.offset
        && mark(file, known.offset)? == *known)
}

/// Returns the file that was read, under its new name in the same folder.
fn renamed(path: &Path, known: &Cursor) -> Option<File> {
    let names = path.parent()?.read_dir().ok()?.take(NAMES).flatten();
    let is_it = |path: &PathBuf| {
        path.symlink_metadata()
            .is_ok_and(|meta| meta.is_file() && (meta.dev(), meta.ino()) == known.file)
    };
    let old = names.map(|entry| entry.path()).find(is_it)?;
    open(&old)
        .ok()
        .filter(|file| is_at(file, known).unwrap_or(false))
}

#[cfg(test)]
mod tests;
