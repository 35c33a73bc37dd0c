"""How goals.py measures a command: CPU, wall, memory, bytes, system calls, rounds of syncs.

CPU seconds are user and system time of the command and of all that it waited for (wait4). Bytes
read and written are those of its reading and writing calls, copies inside the kernel too, maps of
memory not (/proc/self/io of this process, to which the kernel adds every child that was waited
for). Peak memory is the largest single process; /usr/bin/time tells it, because wait4 would count
what this process had when it started the child.
"""

import contextlib
import math
import os
import re
import select
import signal
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, fields
from pathlib import Path

import lab

MIB = 1 << 20
SYNCS = "fsync,fdatasync,sync_file_range,syncfs,sync,msync"
# What snapback's commands may end with and still have done their work: 4 = looked, and found something.
FINE = (0, 4)


@dataclass
class Cost:
    """What one command cost: seconds, bytes, counts. Some are only measured where they are asked for.
    `late`: it was ended, because it took too long, and would have cost more."""

    cpu: float = 0
    wall: float = 0
    peak: float = 0
    read: float = 0
    written: float = 0
    calls: float = 0
    syncs: float = 0
    rounds: float = 0
    kept: float = 0
    late: bool = False


def median(costs):
    """The median of each figure; that of the one that was ended, if there is one."""
    if late := [cost for cost in costs if cost.late]:
        return late[0]
    return Cost(**{field.name: statistics.median(getattr(cost, field.name) for cost in costs) for field in fields(Cost)})


def transferred():
    text = Path("/proc/self/io").read_text()
    return [int(re.search(rf"^{key}: (\d+)$", text, re.M)[1]) for key in ("rchar", "wchar")]


def start(repo, argv, out, env=None):
    """Starts a command in a process group of its own."""
    return subprocess.Popen(argv, cwd=repo.path, env=repo.env | (env or {}), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)


def end(child, seconds):
    """Waits for a command; ends it and its children after so many seconds. Its exit code (None: it was
    ended) and its usage."""
    watched = os.pidfd_open(child.pid)
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    late = not poll.poll(seconds * 1000)
    os.close(watched)
    if late:
        os.killpg(child.pid, signal.SIGKILL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return None if late else child.returncode, usage


def run(repo, argv, env=None, codes=FINE, peak=False, limit=1800, patient=False):
    """Runs a command, a list of words or a script for sh; what it cost and what it printed. It is ended after
    `limit` seconds: a failure, unless `patient`."""
    argv = ["sh", "-ec", argv] if isinstance(argv, str) else list(argv)
    with tempfile.TemporaryFile() as out, tempfile.NamedTemporaryFile() as memory:
        if peak:
            argv = ["/usr/bin/time", "-q", "-f", "%M", "-o", memory.name, *argv]
        before, started = transferred(), time.monotonic()
        code, usage = end(start(repo, argv, out, env), limit)
        wall, after = time.monotonic() - started, transferred()
        out.seek(0)
        text = out.read().decode(errors="replace")
        if code is None and not patient:
            raise lab.Failed(f"not done after {limit} s: {' '.join(argv)}")
        if code is not None and code not in codes:
            raise lab.Failed(f"exit {code}: {' '.join(argv)}\n{text[-600:]}")
        cost = Cost(usage.ru_utime + usage.ru_stime, wall, 0, after[0] - before[0], after[1] - before[1], late=code is None)
        if peak and not cost.late:
            cost.peak = int(memory.read().split()[-1]) * 1024
    return cost, text


def in_turn(commands, runs):
    """Several commands (name: function that gives a Cost), one after the other, so many times: their medians.
    One more time before, which does not count, when it is more than once. What takes too long is not run again."""
    costs = {name: [] for name in commands}
    for nth in range(runs + (runs > 1)):
        for name, command in commands.items():
            if not any(cost.late for cost in costs[name]):
                costs[name].append(command())
    return {name: median(taken[len(taken) > 1 :]) for name, taken in costs.items()}


def traced(repo, argv, delay=0, env=None, every=False):
    """Runs a command under strace. Each sync takes `delay` seconds longer. With `every`, all its calls are
    counted (and nothing is delayed)."""
    argv = ["sh", "-ec", argv] if isinstance(argv, str) else list(argv)
    with tempfile.NamedTemporaryFile("r", errors="replace") as log:
        options = ["-c"] if every else ["-ttt", "-T", "--seccomp-bpf", "-e", "signal=none", "-e", f"trace={SYNCS}"]
        if delay:
            options += ["-e", f"inject={SYNCS}:delay_enter={round(delay * 1e6)}"]
        cost, _ = run(repo, ["strace", "-f", "-qq", *options, "-o", log.name, *argv], env)
        if every:
            cost.calls = int(re.search(r"^100\.00 +\S+ +(?:\d+ +)?(\d+) +(?:\d+ +)?total$", log.read(), re.M)[1])
        else:
            spans = intervals(log)
            cost.syncs, cost.rounds = len(spans), serial(spans)
    return cost


def intervals(log):
    """From when to when each sync lasted, of a trace with -ttt and -T."""
    found, begun = [], {}
    for line in log:
        head = re.match(r"(\d+) +([\d.]+) (<\.\.\. )?(\w+)(.*)", line)
        if not head or head[4] not in SYNCS.split(","):
            continue
        thread, at = head[1], float(head[2])
        if head[3]:
            found.append((begun.pop(thread), at))
        elif "<unfinished" in line:
            begun[thread] = at
        else:
            found.append((at, at + float(re.search(r"<([\d.]+)>$", line)[1])))
    return found


def serial(spans):
    """How many of these followed one another: the most of which no two overlap."""
    rounds, until = 0, -math.inf
    for began, ended in sorted(spans, key=lambda span: span[1]):
        if began >= until:
            rounds, until = rounds + 1, ended
    return rounds


def size_of(folder):
    """The bytes of all files below a folder; one with several names counts once."""
    found = {}
    for top, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                info = os.lstat(os.path.join(top, name))
                found[info.st_ino] = info.st_size
    return sum(found.values())


def interrupted(repo, argv, after):
    """Sends a SIGINT after so many seconds. How long the command went on, and its exit code;
    None when it had ended before."""
    with tempfile.TemporaryFile() as out:
        child = start(repo, argv, out)
        time.sleep(after)
        if child.poll() is not None:
            return None
        sent = time.monotonic()
        os.kill(child.pid, signal.SIGINT)
        code, _ = end(child, 600)
        return time.monotonic() - sent, code


def exponent(few, many, times):
    """By what power of the number the cost grew."""
    return math.log(many / few) / math.log(times)
