//! Runs a real program and acts at its k-th mutating system call, over all threads and children.
//!
//! A seccomp filter stops the program at calls that change files; ptrace counts them and acts: it
//! kills everything before or after the call, tears a write, sends a signal, or answers with an
//! error. This lets a test visit every point at which a crash or a full disk may strike. Writes to
//! pipes, standard output and standard error are not counted. Linux on x86_64 only; elsewhere the
//! tests report that they skip.
//!
//! The tracer has its own thread: ptrace belongs to threads, and the tracer waits only for children
//! of its own thread, so that other tests of the process are not disturbed.
#![expect(
    unsafe_code,
    reason = "fork, ptrace and seccomp have no safe interface; each call passes only live, local memory"
)]

mod calls;

use std::{
    collections::HashSet,
    ffi::OsString,
    fs::File,
    io, mem,
    os::{
        fd::{AsRawFd, RawFd},
        unix::{fs::MetadataExt, process::CommandExt},
    },
    path::PathBuf,
    process::{Command, Stdio},
    ptr,
    sync::mpsc,
    thread,
    time::Duration,
};

/// The action at the k-th call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every process is killed before the call runs.
    Kill,
    /// Every process is killed after the call ran.
    After,
    /// A write is cut to half its length, then as for [`Mode::After`].
    Torn,
    /// SIGTERM is sent to the program, which continues.
    Term,
    /// SIGINT is sent to the program and its children, as by Ctrl-C; they continue.
    Int,
    /// SIGHUP is sent to the program and its children, as by a closing terminal; they continue.
    Hup,
    /// The file system of this open folder loses power before the call runs, as by [`power_off`];
    /// then every process is killed.
    Cut { disk: RawFd, logged: bool },
    /// The call fails with this errno.
    Err(i32),
    /// The call and all later ones fail with this errno.
    ErrAll(i32),
    /// From this call on, every call that forces bytes to the disk fails with this errno.
    ErrSyncs(i32),
}

/// The program to run.
#[derive(Debug, Clone)]
pub struct Target {
    pub argv: Vec<OsString>,
    pub env: Vec<(String, String)>,
    pub cwd: PathBuf,
}

/// The result of a run.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The number of mutating calls seen, up to the end or the kill.
    pub calls: u64,
    /// True when the harness killed it.
    pub killed: bool,
    /// The exit code, or 128 + the signal number for a run ended by a signal.
    pub exit: i32,
    /// The k-th call and what it was about to change; empty when it was not reached.
    pub at: String,
    pub stdout: String,
    pub stderr: String,
}

/// The time after which a run counts as hung and is killed.
const LIMIT: Duration = Duration::from_mins(2);

/// Runs a program and acts at its `k`-th mutating call; 0 only counts.
pub fn run(target: &Target, mode: Mode, k: u64) -> io::Result<Ran> {
    thread::scope(|scope| {
        scope
            .spawn(|| trace(target, mode, k))
            .join()
            .expect("because the tracer does not panic")
    })
}

/// Counts the mutating calls of an undisturbed run, which must end with exit code 0.
pub fn count(target: &Target) -> io::Result<u64> {
    let ran = run(target, Mode::Kill, 0)?;
    if ran.exit != 0 {
        return Err(io::Error::other(format!("it fails undisturbed: {ran:?}")));
    }
    Ok(ran.calls)
}

/// Cuts the power of a mounted file system: what is not on its disk yet never gets there. With
/// `logged` its journal is written first, which leaves names whose bytes are missing.
pub fn power_off(disk: &File, logged: bool) -> io::Result<()> {
    shut_down(disk.as_raw_fd(), logged)
}

/// Shuts the file system down. `EXT4_IOC_SHUTDOWN` and `XFS_IOC_GOINGDOWN` are the same ioctl.
fn shut_down(disk: RawFd, logged: bool) -> io::Result<()> {
    const SHUTDOWN: libc::c_ulong = 0x8004_587d;
    let how: u32 = if logged { 1 } else { 2 };
    // SAFETY: the kernel reads one live number; an invalid descriptor gives an error.
    if unsafe { libc::ioctl(disk, SHUTDOWN, &raw const how) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Starts the program under the filter, stopped at its first instruction.
fn start(target: &Target, stdout: &File, stderr: &File) -> io::Result<libc::pid_t> {
    let filter = calls::filter();
    let mut command = Command::new(&target.argv[0]);
    command
        .args(&target.argv[1..])
        .env_clear()
        .envs(target.env.iter().cloned())
        .current_dir(&target.cwd)
        .process_group(0);
    command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone()?)
        .stderr(stderr.try_clone()?);
    let prepare = move || {
        let program = libc::sock_fprog {
            len: u16::try_from(filter.len()).unwrap_or(0),
            filter: filter.as_ptr().cast_mut(),
        };
        // SAFETY: plain system calls between fork and exec; the filter lives in this closure.
        let set = unsafe {
            // A test run in the background ignores signals; the program must not inherit that.
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            libc::signal(libc::SIGTERM, libc::SIG_DFL);
            libc::signal(libc::SIGHUP, libc::SIG_DFL);
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(
                    libc::PR_SET_SECCOMP,
                    libc::SECCOMP_MODE_FILTER,
                    &raw const program,
                ) == 0
        };
        if set {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(prepare) };
    let child = command.spawn()?;
    Ok(libc::pid_t::try_from(child.id()).expect("because process ids are small"))
}

/// Traces the run in the calling thread.
fn trace(target: &Target, mode: Mode, k: u64) -> io::Result<Ran> {
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let root = start(target, &stdout, &stderr)?;
    let (done, wait) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if wait.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            signal(-root, libc::SIGKILL);
        }
    });
    let mut tracer = Tracer {
        root,
        talk: [file_id(&stdout)?, file_id(&stderr)?],
        mode,
        k,
        calls: 0,
        at: String::new(),
        exit: 0,
        killed: false,
        tracees: HashSet::from([root]),
        ending: HashSet::new(),
        failing: HashSet::new(),
    };
    tracer.follow();
    drop(done);
    watchdog
        .join()
        .expect("because the watchdog does not panic");
    let Tracer {
        calls,
        killed,
        exit,
        at,
        ..
    } = tracer;
    Ok(Ran {
        calls,
        killed,
        exit,
        at,
        stdout: text(&mut stdout)?,
        stderr: text(&mut stderr)?,
    })
}

/// Returns device and inode of an open file.
fn file_id(file: &File) -> io::Result<calls::FileId> {
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()))
}

/// Reads what was written to a file so far.
fn text(file: &mut File) -> io::Result<String> {
    use std::io::{Read, Seek};
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Sends a signal to a process, or to a group when negative; a missing process is no error.
fn signal(pid: libc::pid_t, number: i32) {
    // SAFETY: a plain system call; `pid` is a traced process that was not yet waited for, or its
    // group.
    unsafe { libc::kill(pid, number) };
}

/// One traced run.
struct Tracer {
    root: libc::pid_t,
    /// The files of standard output and standard error.
    talk: [calls::FileId; 2],
    mode: Mode,
    k: u64,
    calls: u64,
    at: String,
    exit: i32,
    killed: bool,
    /// Every live thread and process.
    tracees: HashSet<libc::pid_t>,
    /// The threads in their last call: everything is killed when it returns.
    ending: HashSet<libc::pid_t>,
    /// The threads whose call is answered with the errno.
    failing: HashSet<libc::pid_t>,
}

/// The ptrace options for traced processes.
const OPTIONS: i32 = libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_EXITKILL
    | libc::PTRACE_O_TRACESYSGOOD;

impl Tracer {
    /// Handles stops until the last process has ended.
    fn follow(&mut self) {
        let mut started = false;
        loop {
            let mut status = 0;
            // SAFETY: `status` is a live local variable.
            let pid =
                unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL | libc::__WNOTHREAD) };
            if pid < 0 {
                return;
            }
            if !libc::WIFSTOPPED(status) {
                self.tracees.remove(&pid);
                if pid == self.root {
                    self.exit = if libc::WIFEXITED(status) {
                        libc::WEXITSTATUS(status)
                    } else {
                        128 + libc::WTERMSIG(status)
                    };
                }
                continue;
            }
            if self.killed {
                signal(pid, libc::SIGKILL);
                continue;
            }
            if !started {
                // The stop after exec. From here on the filter's stops are delivered.
                started = true;
                // SAFETY: plain system call on a stopped tracee.
                unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, OPTIONS) };
                self.resume(pid, libc::PTRACE_CONT, 0);
                continue;
            }
            self.serve(pid, status);
        }
    }

    /// Resumes a stopped thread.
    fn resume(&self, pid: libc::pid_t, request: libc::c_uint, deliver: i32) {
        if !self.killed {
            // SAFETY: plain system call on a stopped tracee.
            unsafe { libc::ptrace(request, pid, 0, libc::c_long::from(deliver)) };
        }
    }

    /// Handles one stop.
    fn serve(&mut self, pid: libc::pid_t, status: i32) {
        let (number, event) = (libc::WSTOPSIG(status), status >> 16);
        let known = !self.tracees.insert(pid);
        match event {
            libc::PTRACE_EVENT_SECCOMP => self.at_call(pid),
            0 if number == libc::SIGTRAP | 0x80 => self.at_return(pid),
            // The first stop of a new child or thread.
            0 if number == libc::SIGSTOP && !known => self.resume(pid, libc::PTRACE_CONT, 0),
            0 if number == libc::SIGTRAP => self.resume(pid, libc::PTRACE_CONT, 0),
            0 => self.resume(pid, libc::PTRACE_CONT, number),
            _ => self.resume(pid, libc::PTRACE_CONT, 0),
        }
    }

    /// Handles a thread that is about to make a call known to the filter.
    fn at_call(&mut self, pid: libc::pid_t) {
        let mut registers = registers(pid);
        if !calls::changes_something(pid, &registers, &self.talk) {
            return self.resume(pid, libc::PTRACE_CONT, 0);
        }
        self.calls += 1;
        let now = self.calls == self.k;
        if now {
            self.at = calls::describe(pid, &registers);
        }
        match self.mode {
            Mode::Kill if now => self.kill_all(),
            Mode::Cut { disk, logged } if now => {
                if let Err(error) = shut_down(disk, logged) {
                    self.at = format!("NO POWER CUT ({error}) at {}", self.at);
                }
                self.kill_all();
            }
            Mode::After | Mode::Torn if now => {
                if self.mode == Mode::Torn && calls::halve(&mut registers) {
                    set_registers(pid, &registers);
                }
                self.ending.insert(pid);
                self.resume(pid, libc::PTRACE_SYSCALL, 0);
            }
            Mode::Err(_) if now => self.refuse(pid, registers),
            Mode::ErrAll(_) if self.k > 0 && self.calls >= self.k => self.refuse(pid, registers),
            Mode::ErrSyncs(_)
                if self.k > 0 && self.calls >= self.k && calls::is_sync(&registers) =>
            {
                self.refuse(pid, registers);
            }
            Mode::Term | Mode::Int | Mode::Hup if now => {
                let (to, number) = match self.mode {
                    Mode::Int => (-self.root, libc::SIGINT),
                    Mode::Hup => (-self.root, libc::SIGHUP),
                    _ => (self.root, libc::SIGTERM),
                };
                signal(to, number);
                self.resume(pid, libc::PTRACE_CONT, 0);
            }
            _ => self.resume(pid, libc::PTRACE_CONT, 0),
        }
    }

    /// Replaces the call by none; its answer is set when it returns.
    fn refuse(&mut self, pid: libc::pid_t, mut registers: libc::user_regs_struct) {
        registers.orig_rax = u64::MAX;
        set_registers(pid, &registers);
        self.failing.insert(pid);
        self.resume(pid, libc::PTRACE_SYSCALL, 0);
    }

    /// Handles the return of a call that was tampered with.
    fn at_return(&mut self, pid: libc::pid_t) {
        if let (true, Mode::Err(errno) | Mode::ErrAll(errno) | Mode::ErrSyncs(errno)) =
            (self.failing.remove(&pid), self.mode)
        {
            let mut registers = registers(pid);
            registers.rax = i64::from(-errno).cast_unsigned();
            set_registers(pid, &registers);
        }
        if self.ending.remove(&pid) {
            self.kill_all();
        }
        self.resume(pid, libc::PTRACE_CONT, 0);
    }

    /// Kills every process, as a power cut of the machine would.
    fn kill_all(&mut self) {
        self.killed = true;
        for pid in &self.tracees {
            signal(*pid, libc::SIGKILL);
        }
    }
}

/// Reads the registers of a stopped thread.
fn registers(pid: libc::pid_t) -> libc::user_regs_struct {
    // SAFETY: all bit patterns are legal registers, and the kernel fills a live local variable.
    unsafe {
        let mut registers: libc::user_regs_struct = mem::zeroed();
        libc::ptrace(
            libc::PTRACE_GETREGS,
            pid,
            ptr::null_mut::<libc::c_void>(),
            &raw mut registers,
        );
        registers
    }
}

/// Sets the registers of a stopped thread.
fn set_registers(pid: libc::pid_t, registers: &libc::user_regs_struct) {
    // SAFETY: the kernel reads a live variable.
    unsafe {
        libc::ptrace(
            libc::PTRACE_SETREGS,
            pid,
            ptr::null_mut::<libc::c_void>(),
            ptr::from_ref(registers),
        )
    };
}
