//! Programs that keep a large file mapped into memory, as numpy and LMDB do, change it without a
//! new modification time: their bytes are seen and kept all the same.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use crate::support::Sandbox;

const LARGE: &str = "tasks/T01/model.bin";

/// Maps the file, and writes the byte of each line that comes in; the first one long ago, as far as
/// the modification time says.
const MAPPER: &str = "
import mmap, os, sys, time
path = sys.argv[1]
file = os.open(path, os.O_RDWR)
mapped = mmap.mmap(file, 0)
for line in sys.stdin:
    mapped[0:1] = line[0].encode()
    if line[0] == 'A':
        os.utime(path, (1600000000, 1600000000))
        time.sleep(0.2)
    print(flush=True)
";

/// A program that has the file mapped.
struct Mapper {
    child: Child,
    lines: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Mapper {
    fn start(sandbox: &Sandbox) -> Self {
        let mut child = sandbox
            .command("python3")
            .args(["-c", MAPPER, LARGE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            lines,
            answers,
        }
    }

    /// Has it write a byte at the beginning of the file.
    fn write(&mut self, byte: char) {
        writeln!(self.lines, "{byte}").unwrap();
        self.answers.read_line(&mut String::new()).unwrap();
    }

    fn end(mut self) {
        drop(self.lines);
        assert!(self.child.wait().unwrap().success());
    }
}

/// The first byte of the file.
fn first(sandbox: &Sandbox) -> u8 {
    sandbox.read(LARGE)[0]
}

#[test]
fn what_is_written_through_a_map_comes_back_with_an_undo() {
    for size in [100_000, 3 << 20] {
        let sandbox = Sandbox::new(1);
        sandbox.write(LARGE, &vec![b'0'; size]);
        sandbox.release("T01", "1.0.0");
        let mut mapper = Mapper::start(&sandbox);
        mapper.write('A');
        sandbox.release("T01", "1.1.0");
        mapper.write('B');
        sandbox
            .run_line("rollback -t T01 --to 1.0.0 --yes")
            .expect(0);
        assert_eq!(first(&sandbox), b'0');
        sandbox.run_line("undo --yes").expect(0);
        assert_eq!(first(&sandbox), b'B', "{size}: the byte was kept");
        mapper.end();
    }
}

#[test]
fn a_release_has_what_was_written_through_a_map() {
    for size in [100_000, 3 << 20] {
        let sandbox = Sandbox::new(1);
        sandbox.write(LARGE, &vec![b'0'; size]);
        let mut mapper = Mapper::start(&sandbox);
        mapper.write('A');
        sandbox.release("T01", "1.0.0");
        mapper.write('B');
        sandbox.release("T01", "1.1.0");
        mapper.end();
        sandbox.write(LARGE, b"other");
        for (version, byte) in [("1.0.0", b'A'), ("1.1.0", b'B')] {
            let line = format!("rollback -t T01 --to {version} --yes");
            sandbox.run_line(&line).expect(0);
            assert_eq!(first(&sandbox), byte, "{size} {version}");
        }
    }
}
