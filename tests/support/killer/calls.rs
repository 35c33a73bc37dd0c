//! The system calls that change files, and descriptions of what a call is about to change.

use std::{
    fs,
    os::unix::fs::{FileExt, MetadataExt},
};

/// Device and inode of a file.
pub type FileId = (u64, u64);

/// The argument that identifies the changed object.
#[derive(Clone, Copy, PartialEq)]
enum Object {
    /// The argument with this index is a descriptor.
    Fd(usize),
    /// The argument with this index is a path.
    Path(usize),
}

use Object::{Fd, Path};

/// The calls that always change something, regardless of flags.
const CALLS: &[(i64, &str, Object)] = &[
    (libc::SYS_write, "write", Fd(0)),
    (libc::SYS_pwrite64, "pwrite64", Fd(0)),
    (libc::SYS_writev, "writev", Fd(0)),
    (libc::SYS_pwritev, "pwritev", Fd(0)),
    (libc::SYS_pwritev2, "pwritev2", Fd(0)),
    (libc::SYS_sendfile, "sendfile", Fd(0)),
    (libc::SYS_copy_file_range, "copy_file_range", Fd(2)),
    (libc::SYS_rename, "rename", Path(1)),
    (libc::SYS_renameat, "renameat", Path(3)),
    (libc::SYS_renameat2, "renameat2", Path(3)),
    (libc::SYS_unlink, "unlink", Path(0)),
    (libc::SYS_unlinkat, "unlinkat", Path(1)),
    (libc::SYS_mkdir, "mkdir", Path(0)),
    (libc::SYS_mkdirat, "mkdirat", Path(1)),
    (libc::SYS_rmdir, "rmdir", Path(0)),
    (libc::SYS_link, "link", Path(1)),
    (libc::SYS_linkat, "linkat", Path(3)),
    (libc::SYS_symlink, "symlink", Path(1)),
    (libc::SYS_symlinkat, "symlinkat", Path(2)),
    (libc::SYS_truncate, "truncate", Path(0)),
    (libc::SYS_ftruncate, "ftruncate", Fd(0)),
    (libc::SYS_fallocate, "fallocate", Fd(0)),
    (libc::SYS_fsync, "fsync", Fd(0)),
    (libc::SYS_fdatasync, "fdatasync", Fd(0)),
    (libc::SYS_syncfs, "syncfs", Fd(0)),
    (libc::SYS_sync_file_range, "sync_file_range", Fd(0)),
    (libc::SYS_chmod, "chmod", Path(0)),
    (libc::SYS_fchmod, "fchmod", Fd(0)),
    (libc::SYS_fchmodat, "fchmodat", Path(1)),
    (libc::SYS_fchmodat2, "fchmodat2", Path(1)),
    (libc::SYS_chown, "chown", Path(0)),
    (libc::SYS_lchown, "lchown", Path(0)),
    (libc::SYS_fchown, "fchown", Fd(0)),
    (libc::SYS_fchownat, "fchownat", Path(1)),
    (libc::SYS_utimensat, "utimensat", Path(1)),
    (libc::SYS_mknodat, "mknodat", Path(1)),
    (libc::SYS_setxattr, "setxattr", Path(0)),
    (libc::SYS_fsetxattr, "fsetxattr", Fd(0)),
    (libc::SYS_creat, "creat", Path(0)),
];

/// Returns whether a call forces bytes to the disk.
pub fn is_sync(registers: &libc::user_regs_struct) -> bool {
    let syncs = [
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_syncfs,
        libc::SYS_sync_file_range,
    ];
    syncs.contains(&number(registers))
}

/// The calls whose flags decide whether they change something: number, name, path, flags.
const OPENS: [(i64, &str, usize, usize); 2] = [
    (libc::SYS_open, "open", 0, 1),
    (libc::SYS_openat, "openat", 1, 2),
];

/// The open flags that create or truncate. `O_TMPFILE` includes `O_DIRECTORY`, which alone is
/// harmless.
const MAKES: i32 = libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY);

/// The writing calls, which count only when they write to a file.
const WRITES: [i64; 6] = [
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_sendfile,
];

/// Returns the arguments of a call.
fn arguments(registers: &libc::user_regs_struct) -> [u64; 6] {
    [
        registers.rdi,
        registers.rsi,
        registers.rdx,
        registers.r10,
        registers.r8,
        registers.r9,
    ]
}

/// Returns the number of a call.
fn number(registers: &libc::user_regs_struct) -> i64 {
    registers.orig_rax.cast_signed()
}

/// Returns whether this call, at which the filter stopped, counts. Two things need a look that a
/// filter cannot take: the flags of `openat2`, which are in memory, and whether a write goes to a
/// file. Pipes, sockets and `talk` (standard output and error) do not count as files.
pub fn changes_something(
    pid: libc::pid_t,
    registers: &libc::user_regs_struct,
    talk: &[FileId],
) -> bool {
    match number(registers) {
        libc::SYS_openat2 => {
            let mut flags = [0; 8];
            let read = memory(pid)
                .is_some_and(|file| file.read_exact_at(&mut flags, registers.rdx).is_ok());
            !read || u64::from_ne_bytes(flags) & u64::from(MAKES.cast_unsigned()) != 0
        }
        nr if WRITES.contains(&nr) => {
            let to = fs::metadata(format!("/proc/{pid}/fd/{}", registers.rdi));
            to.is_ok_and(|meta| meta.is_file() && !talk.contains(&(meta.dev(), meta.ino())))
        }
        _ => true,
    }
}

/// Opens the memory of a process.
fn memory(pid: libc::pid_t) -> Option<fs::File> {
    fs::File::open(format!("/proc/{pid}/mem")).ok()
}

/// Describes the call and what it is about to change, for messages.
pub fn describe(pid: libc::pid_t, registers: &libc::user_regs_struct) -> String {
    let opens = OPENS
        .iter()
        .map(|(nr, name, path, _)| (*nr, *name, Path(*path)))
        .chain([(libc::SYS_openat2, "openat2", Path(1))]);
    let Some((_, name, object)) = CALLS
        .iter()
        .copied()
        .chain(opens)
        .find(|(nr, ..)| *nr == number(registers))
    else {
        return format!("call {}", number(registers));
    };
    let arguments = arguments(registers);
    let what = match object {
        Fd(at) => fs::read_link(format!("/proc/{pid}/fd/{}", arguments[at]))
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        Path(at) => path_at(pid, arguments[at]),
    };
    format!("{name}({what})")
}

/// Reads the path at an address of a process; empty when it cannot be read.
fn path_at(pid: libc::pid_t, address: u64) -> String {
    let mut bytes = vec![0; 4096];
    let len = memory(pid)
        .and_then(|file| file.read_at(&mut bytes, address).ok())
        .unwrap_or(0);
    let end = bytes[..len]
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(len);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Halves the length of a write. Returns false when the call has no length to halve.
pub fn halve(registers: &mut libc::user_regs_struct) -> bool {
    let can =
        matches!(number(registers), libc::SYS_write | libc::SYS_pwrite64) && registers.rdx > 1;
    if can {
        registers.rdx /= 2;
    }
    can
}

/// Builds the seccomp program: stop at the calls above, run everything else at full speed.
pub fn filter() -> Vec<libc::sock_filter> {
    const LOAD: u16 = 0x20;
    const IF_EQUAL: u16 = 0x15;
    const IF_ANY_BIT: u16 = 0x45;
    const RETURN: u16 = 0x06;
    let word = |nr: i64| u32::try_from(nr).expect("because call numbers are small");
    let argument = |at: usize| u32::try_from(16 + 8 * at).expect("because there are six");
    let line = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let (stop, go) = (
        line(RETURN, libc::SECCOMP_RET_TRACE, 0, 0),
        line(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
    );
    let mut program = vec![line(LOAD, 0, 0, 0)];
    for (nr, _, _, flags) in OPENS {
        program.extend([
            line(IF_EQUAL, word(nr), 0, 4),
            line(LOAD, argument(flags), 0, 0),
        ]);
        program.extend([line(IF_ANY_BIT, MAKES.cast_unsigned(), 0, 1), stop, go]);
    }
    let others = CALLS.iter().map(|(nr, ..)| *nr).chain([libc::SYS_openat2]);
    for nr in others {
        program.extend([line(IF_EQUAL, word(nr), 0, 1), stop]);
    }
    program.push(go);
    program
}
