//! Real file systems in a file, mounted for a test. Mounting needs the privilege to do so; without
//! it the test is skipped, with the reason printed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A mounted file system, unmounted on drop.
pub struct Mounted(pub PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// Runs a program without output. Returns what it printed if it failed.
pub fn quietly(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!(
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))
    }
}

/// A file system type and how it is mounted.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub make: &'static [&'static str],
    pub megabytes: u64,
    pub options: &'static str,
}

/// The file systems whose power is cut. `noauto_da_alloc` disables ext4's protection of programs
/// that do not sync; `writeback` lets names reach the disk before bytes.
pub const KINDS: [Kind; 4] = [
    Kind {
        name: "ext4, data=ordered",
        make: &["mkfs.ext4", "-q", "-F"],
        megabytes: 64,
        options: "loop,data=ordered",
    },
    Kind {
        name: "ext4, data=writeback, nobarrier",
        make: &["mkfs.ext4", "-q", "-F"],
        megabytes: 64,
        options: "loop,data=writeback,nobarrier,noauto_da_alloc",
    },
    Kind {
        name: "ext4, data=journal",
        make: &["mkfs.ext4", "-q", "-F"],
        megabytes: 64,
        options: "loop,data=journal",
    },
    Kind {
        name: "XFS",
        make: &["mkfs.xfs", "-q", "-f"],
        megabytes: 320,
        options: "loop",
    },
];

/// A file system whose power can be cut.
pub struct Disk {
    kind: Kind,
    dir: TempDir,
    mounted: Option<Mounted>,
}

impl Disk {
    /// Creates and mounts one, or returns the reason why that is impossible.
    pub fn new(kind: Kind) -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        fs::create_dir(dir.path().join("at")).map_err(|error| error.to_string())?;
        let mut disk = Self {
            kind,
            dir,
            mounted: None,
        };
        let image = disk.image();
        fs::File::create(&image)
            .and_then(|file| file.set_len(kind.megabytes << 20))
            .map_err(|error| error.to_string())?;
        let (program, args) = kind
            .make
            .split_first()
            .expect("because every kind names its program");
        quietly(
            program,
            &[
                args,
                &[image
                    .to_str()
                    .expect("because temporary folders have plain names")],
            ]
            .concat(),
        )?;
        disk.mount()?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    /// Returns the mount point.
    pub fn at(&self) -> PathBuf {
        self.dir.path().join("at")
    }

    /// Opens a handle for the cut.
    pub fn open(&self) -> fs::File {
        fs::File::open(self.at()).unwrap()
    }

    fn mount(&mut self) -> Result<(), String> {
        let text = |path: &Path| {
            path.to_str()
                .expect("because temporary folders have plain names")
                .to_string()
        };
        quietly(
            "mount",
            &[
                "-o",
                self.kind.options,
                &text(&self.image()),
                &text(&self.at()),
            ],
        )?;
        self.mounted = Some(Mounted(self.at()));
        Ok(())
    }

    /// Syncs everything to the disk.
    pub fn sync(&self) {
        quietly("sync", &["-f", self.at().to_str().unwrap()]).unwrap();
    }

    /// Does what a boot does after the power came back.
    pub fn boot(&mut self) {
        let at = self.at();
        // A program that another thread is about to start inherits our handles for a moment.
        let down = (0..500).any(|_| quietly("umount", &[at.to_str().unwrap()]).is_ok());
        assert!(down, "nothing is at work on {}", at.display());
        if let Some(mounted) = self.mounted.take() {
            std::mem::forget(mounted);
        }
        self.mount().unwrap();
    }
}
