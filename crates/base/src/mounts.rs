//! Finds the mount points below a folder, from Linux's `/proc/self/mountinfo`.
//!
//! A rename across a mount fails even when both sides are on one file system (a bind mount), so
//! comparing device numbers is not enough. Without `/proc` no mounts are known.

use std::{
    os::{
        fd::{AsFd, AsRawFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use super::RelPath;

/// Returns the mount points strictly below an open folder, sorted.
pub(super) fn below(folder: &impl AsFd) -> Vec<RelPath> {
    let link = format!("/proc/self/fd/{}", folder.as_fd().as_raw_fd());
    let (Ok(top), Ok(table)) = (
        std::fs::read_link(link),
        std::fs::read("/proc/self/mountinfo"),
    ) else {
        return Vec::new();
    };
    parse(&table, &top)
}

/// Returns the mount points of a table that lie strictly below a folder, sorted.
fn parse(table: &[u8], top: &Path) -> Vec<RelPath> {
    let point = |line: &[u8]| {
        let point = unescape(line.split(|byte| *byte == b' ').nth(4)?);
        let below = Path::new(std::ffi::OsStr::from_bytes(&point))
            .strip_prefix(top)
            .ok()?
            .as_os_str()
            .as_bytes()
            .to_vec();
        RelPath::parse(below).ok()
    };
    let mut points: Vec<RelPath> = table
        .split(|byte| *byte == b'\n')
        .filter_map(point)
        .collect();
    points.sort();
    points.dedup();
    points
}

/// Decodes the table's escapes: a backslash and three octal digits for spaces and the like.
fn unescape(text: &[u8]) -> Vec<u8> {
    let (mut plain, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(byte) = text.get(at) {
        let digits = text
            .get(at + 1..at + 4)
            .filter(|_| *byte == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(meant) => {
                plain.push(meant);
                at += 4;
            }
            None => {
                plain.push(*byte);
                at += 1;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below_counts() {
        let table = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
            40 22 0:33 / /w/tasks/T01/with\\040space rw,relatime shared:1 - tmpfs tmpfs rw\n\
            41 22 8:1 /x /w/tasks/T01/cfg ro - ext4 /dev/sda1 rw\n\
            42 22 8:1 /y /w rw - ext4 /dev/sda1 rw\n\
            43 22 8:1 /z /wide/other rw - ext4 /dev/sda1 rw\n\
            44 22 8:1 /z /w/tasks/T01/cfg rw - ext4 /dev/sda1 rw\ncut";
        let found: Vec<String> = parse(table, Path::new("/w"))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, ["tasks/T01/cfg", "tasks/T01/with space"]);
    }
}
