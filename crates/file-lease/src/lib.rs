//! Read leases on open files: `F_SETLEASE` and `F_GETLEASE` of fcntl(2), on Linux.
//!
//! The kernel grants one only while nobody has the file open for writing, nor mapped so that it can
//! be written. Whoever wants to open or truncate it for writing afterwards waits until the lease is
//! given up, at most `/proc/sys/fs/lease-break-time` (45 s); the process that holds it gets a
//! SIGIO. So while a lease is held, the bytes of the file are what they were when it was taken. It
//! does not keep anybody from reading, renaming or removing the file. It belongs to the open file,
//! and ends when that is closed.
//!
//! No crate that is kept up has this call; it takes numbers only, and all of it is here.

use std::{fs::File, io, os::fd::AsRawFd};

/// Takes a read lease on a file that is open for reading only.
///
/// # Errors
/// `WouldBlock` when somebody has it open for writing; others where this user may take no lease on
/// it, or the file system has none.
pub fn take(file: &File) -> io::Result<()> {
    set(file, libc::F_RDLCK)
}

/// Gives a lease up.
///
/// # Errors
/// When the system refuses, as for a lease that is not held.
pub fn give_up(file: &File) -> io::Result<()> {
    set(file, libc::F_UNLCK)
}

fn set(file: &File, kind: libc::c_int) -> io::Result<()> {
    match fcntl(file, libc::F_SETLEASE, kind) {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// True while a lease is held and nobody waits for its end.
pub fn is_held(file: &File) -> bool {
    fcntl(file, libc::F_GETLEASE, 0) == libc::F_RDLCK
}

#[allow(unsafe_code)]
fn fcntl(file: &File, command: libc::c_int, argument: libc::c_int) -> libc::c_int {
    // SAFETY: the descriptor is open for as long as the file is borrowed, and with these two
    // commands the kernel takes a number and touches no memory of ours.
    unsafe { libc::fcntl(file.as_raw_fd(), command, argument) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_granted_only_while_nobody_can_write() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let path = dir.path().join("file");
        #[expect(clippy::disallowed_methods, reason = "a file of the test")]
        std::fs::write(&path, b"x").expect("it is written");
        let reader = File::open(&path).expect("it opens");
        assert!(!is_held(&reader));
        let writer = File::options().append(true).open(&path).expect("it opens");
        let refused = take(&reader).expect_err("it is open for writing");
        if refused.kind() != io::ErrorKind::WouldBlock {
            return println!("skipped: no lease on this file system: {refused}");
        }
        drop(writer);
        take(&reader).expect("nobody has it open for writing");
        assert!(is_held(&reader));
        File::open(&path).expect("reading goes on");
        drop(dir);
        assert!(!path.exists(), "so does removing");
        give_up(&reader).expect("it is held");
        assert!(!is_held(&reader));
    }
}
