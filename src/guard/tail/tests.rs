//! Tests of reading logs that are written, rotated and cut by others.

#![allow(clippy::float_cmp, reason = "the numbers are whole")]

use std::io::Write;

use super::*;

/// A log in a folder of its own, and the place up to which it was read.
struct Log {
    dir: tempfile::TempDir,
    cursor: Option<Cursor>,
    rule: LineRule,
}

impl Log {
    fn new(time: Option<&str>) -> Self {
        let value = if time.is_some() { "v" } else { "" };
        let rule = LineRule {
            value: value.into(),
            bad: None,
            time: time.map(String::from),
        };
        Self {
            dir: tempfile::tempdir().expect("because tests can make folders"),
            cursor: None,
            rule,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("run.log")
    }

    fn append(&self, text: &str) {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(self.path())
            .expect("it opens");
        file.write_all(text.as_bytes()).expect("it writes");
    }

    fn reading(&mut self) -> Reading {
        let now = Timestamp::from_second(1_800_000_000).expect("it is in range");
        read(&self.path(), &self.rule, &mut self.cursor, now)
    }

    fn values(&mut self) -> Vec<f64> {
        match self.reading() {
            Reading::Samples(samples) => samples.iter().map(|sample| sample.value).collect(),
            Reading::Nothing(_) => Vec::new(),
            Reading::Unread(why) => panic!("{why}"),
        }
    }
}

#[test]
fn only_whole_new_lines_count() {
    let mut log = Log::new(None);
    assert_eq!(log.values(), [0.0; 0], "there is no file");
    log.append("1\n2\n3");
    assert_eq!(
        log.values(),
        [0.0; 0],
        "nobody knows when these were written"
    );
    log.append("4\n5\n6");
    assert_eq!(log.values(), [34.0, 5.0]);
    assert_eq!(log.values(), [0.0; 0]);
    log.append("\n\n  \n7\n");
    assert_eq!(log.values(), [6.0, 7.0]);
    log.append("what is this\n");
    assert!(matches!(log.reading(), Reading::Unread(why) if why.contains("none of 1 new lines")));
    log.append("8\n");
    assert_eq!(log.values(), [8.0], "it is passed over once");
}

#[test]
fn lines_with_times_are_read_from_the_beginning() {
    let mut log = Log::new(Some("t"));
    log.append("{\"t\": 1799999000, \"v\": 1}\n{\"t\": 1799999001, \"v\": 2}\n");
    assert_eq!(log.values(), [1.0, 2.0]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
    let mut log = Log::new(None);
    log.append("0\n");
    log.values();
    log.append("1\n");
    std::fs::hard_link(log.path(), log.dir.path().join("run.log.1")).expect("it links");
    rustix::fs::unlink(log.path()).expect("it unlinks");
    log.append("2\n");
    assert_eq!(log.values(), [1.0, 2.0]);
    log.append("3\n");
    assert_eq!(log.values(), [3.0]);
    // The old file is gone and its unread lines are lost; the new file is read.
    rustix::fs::unlink(log.path()).expect("it unlinks");
    assert_eq!(log.values(), [0.0; 0]);
    log.append("4\n");
    assert_eq!(log.values(), [4.0]);
}

#[test]
fn a_file_that_was_cut_or_written_anew_is_begun_again() {
    let mut log = Log::new(None);
    log.append("0\n");
    log.values();
    log.append("1\n1\n1\n");
    assert_eq!(log.values().len(), 3);
    File::options()
        .write(true)
        .truncate(true)
        .open(log.path())
        .expect("it opens");
    log.append("2\n");
    assert_eq!(log.values(), [2.0]);
    // The log was cut, and has already grown beyond its earlier length when it is read again.
    File::options()
        .write(true)
        .truncate(true)
        .open(log.path())
        .expect("it opens");
    log.append("3\n4\n5\n6\n");
    assert_eq!(log.values(), [3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn of_too_much_the_newest_is_read_and_memory_is_bounded() {
    let mut log = Log::new(None);
    log.append("0\n");
    log.values();
    let mut file = File::options()
        .append(true)
        .open(log.path())
        .expect("it opens");
    file.set_len(40 << 30).expect("a sparse file costs nothing");
    file.write_all(b"\n1\n2\n").expect("it writes");
    assert_eq!(log.values(), [1.0, 2.0]);
    file.set_len(60 << 30).expect("a sparse file costs nothing");
    assert_eq!(log.values(), [0.0; 0], "a line without an end");
    file.write_all(b"\n3\n").expect("it writes");
    assert_eq!(log.values(), [3.0]);
}

#[test]
fn what_is_no_file_holds_nobody_up() {
    let mut log = Log::new(None);
    rustix::fs::mkfifoat(rustix::fs::CWD, log.path(), rustix::fs::Mode::RUSR).expect("it makes");
    assert!(matches!(log.reading(), Reading::Unread(why) if why.contains("no regular file")));
    rustix::fs::unlink(log.path()).expect("it unlinks");
    std::fs::create_dir(log.path()).expect("it makes");
    assert!(matches!(log.reading(), Reading::Unread(_)));
}
