//! Repositories written by older programs, `tests/fixtures/repositories/*.tar.gz`: today's program
//! keeps every earlier promise and continues interrupted operations.
//!
//! An operation records the path of its work tree, so they are unpacked where they were made.
//! `make.sh` beside them shows how.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use snapback::capsule::tar;

use crate::support::sandbox::Ran;

const PLACE: &str = "/tmp/snapback-old-repositories";

/// The unpacked repositories; only one test at a time uses them.
struct Old {
    _lock: fs::File,
}

impl Old {
    /// Unpacks an archive; `None` where another user owns the place.
    fn unpack(archive: &Path) -> Option<Self> {
        let lock = fs::File::create("/tmp/snapback-old-repositories.lock").ok()?;
        lock.lock().unwrap();
        if Path::new(PLACE).exists() {
            fs::remove_dir_all(PLACE).ok()?;
        }
        fs::create_dir(PLACE).unwrap();
        assert!(
            Command::new("tar")
                .arg("-xzf")
                .arg(archive)
                .args(["-C", PLACE])
                .status()
                .unwrap()
                .success()
        );
        Some(Self { _lock: lock })
    }

    /// Runs snapback in one of the repositories.
    fn snapback(&self, repository: &str, args: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_snapback"))
            .arg("--no-input")
            .args(args)
            .current_dir(Path::new(PLACE).join(repository))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", format!("{PLACE}/home"))
            .env("LC_ALL", "C.UTF-8")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(Path::new(PLACE).join(path)).unwrap()
    }

    fn read(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(PLACE);
    }
}

fn archives() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/repositories");
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.retain(|path| path.to_string_lossy().ends_with(".tar.gz"));
    assert!(
        !found.is_empty(),
        "there are repositories of older programs"
    );
    found.sort();
    found
}

/// Runs a check on each archive.
fn each(check: impl Fn(&Old)) {
    for archive in archives() {
        match Old::unpack(&archive) {
            Some(old) => check(&old),
            None => eprintln!("SKIPPED: {PLACE} belongs to somebody else"),
        }
    }
}

#[test]
fn what_was_released_is_verified_and_gone_to() {
    each(|old| {
        old.snapback("done", &["status"]).expect(0);
        let list = old.snapback("done", &["list", "-t", "T01"]).expect(0);
        assert!(
            list.stdout.contains("1.0.0") && list.stdout.contains("pinned"),
            "{}",
            list.stdout
        );
        old.snapback("done", &["verify-snapshot", "--all", "--deep"])
            .expect(0);
        old.snapback(
            "done",
            &["verify-rollback", "-t", "T01", "--expected", "1.0.0"],
        )
        .expect(0);
        old.snapback("done", &["audit", "verify"]).expect(0);
        assert_eq!(old.read("done/tasks/T01/main.py"), "print(\"one\")\n");
        old.snapback("done", &["undo", "--yes"]).expect(0);
        assert_eq!(
            old.read("done/tasks/T01/main.py"),
            "print(\"three\")\n# mine\n",
            "the user's own edit comes back"
        );
        assert_eq!(old.read("done/tasks/T01/model.bin").lines().count(), 20_500);
        old.snapback("done", &["redo", "--yes"]).expect(0);
        assert_eq!(old.read("done/tasks/T01/model.bin").lines().count(), 20_000);
        old.snapback("done", &["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
            .expect(0);
        assert_eq!(old.read("done/tasks/T01/main.py"), "print(\"two\")\n");
    });
}

#[test]
fn the_store_and_what_it_was_given_are_whole() {
    each(|old| {
        old.snapback("done", &["store", "check", "--deep"])
            .expect(0);
        old.snapback(
            "done",
            &[
                "store",
                "restore",
                "data",
                "--into",
                &format!("{PLACE}/back"),
            ],
        )
        .expect(0);
        for path in ["numbers", "sub/x"] {
            assert_eq!(
                old.read(&format!("back/{path}")),
                old.read(&format!("folder/{path}")),
                "{path}"
            );
        }
        old.snapback("done", &["store", "gc", "--yes"]).expect(0);
        old.snapback("done", &["undo", "--yes"]).expect(0);
        assert_eq!(
            old.read("done/tasks/T01/model.bin").lines().count(),
            20_500,
            "a collection keeps what an old operation needs"
        );
    });
}

#[test]
fn a_capsule_is_read_and_restored() {
    each(|old| {
        let capsule = format!("{PLACE}/T01-v1.0.0.tar");
        let said = old.snapback("done", &["capsule", "verify", &capsule]);
        assert!(
            matches!(said.code, 0 | 8),
            "whole, or something of it cannot be compared: {said:?}"
        );
        old.snapback(
            ".",
            &[
                "disaster-recovery",
                "--from",
                &capsule,
                "--into",
                &format!("{PLACE}/recovered"),
                "--yes",
            ],
        );
        assert_eq!(old.read("recovered/tasks/T01/main.py"), "print(\"one\")\n");
    });
}

/// The same members give the same file: capsules are packed byte for byte as before.
#[test]
fn a_capsule_is_packed_as_it_always_was() {
    each(|old| {
        let bytes = old.bytes("T01-v1.0.0.tar");
        let mtime = std::str::from_utf8(&bytes[136..147]).unwrap();
        let mut writer = tar::TarWriter::new(Vec::new(), u64::from_str_radix(mtime, 8).unwrap());
        let mut reader = tar::TarReader::new(&bytes[..]);
        while let Some(member) = reader.next_member().unwrap() {
            let mut content = Vec::new();
            reader
                .read_to(&mut |more| content.extend_from_slice(more))
                .unwrap();
            let mut from = |into: &mut dyn Write| into.write_all(&content);
            writer
                .file(&member.name, member.executable, member.size, &mut from)
                .unwrap();
        }
        assert!(writer.finish().unwrap() == bytes);
    });
}

#[test]
fn an_interrupted_rollback_is_finished_or_put_back() {
    for (word, main, lines) in [
        ("resume", "print(\"one\")\n", 20_000),
        ("abort", "print(\"two\")\n", 20_500),
    ] {
        each(|old| {
            let status = old.snapback("killed", &["status"]);
            assert!(
                format!("{}{}", status.stdout, status.stderr).contains("op resume"),
                "{status:?}"
            );
            old.snapback("killed", &["op", word, "--yes"]).expect(0);
            assert_eq!(old.read("killed/tasks/T01/main.py"), main, "{word}");
            assert_eq!(
                old.read("killed/tasks/T01/model.bin").lines().count(),
                lines,
                "{word}"
            );
            old.snapback("killed", &["verify-snapshot", "--all"])
                .expect(0);
        });
    }
}
