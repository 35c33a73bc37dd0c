#!/usr/bin/env python3
"""The goals of speed, each beside what is measured today, and beside the peers in the same run.

usage: goals.py [--place DIR] [--rows NAMES] [--runs N] [--factor F] [--mib N] [--files N] [--tasks N] [--operations N]

Rows: rounds, latency, cpu, calls, release, gib, over, tasks, operations, memory, cancel. `--factor 0.02`
tries all of them in some minutes; the sizes may be named one by one, too. The peers of `gib` are git-lfs,
restic (Debian) and DVC (PyPI, installed below the place); one that is missing is skipped. Needs strace and
/usr/bin/time. CPU seconds and counts are the figures to trust on a busy machine.

Writes bench/out/goals.md. Exits 1 when a command fails or a result is wrong, not when a goal is missed.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import compare
import goals_files
import goals_gib
import goals_many
import goals_report
import lab

# In the order of the table.
ROWS = {
    "rounds": goals_files.rounds,
    "latency": goals_files.latency,
    "cpu": goals_files.cpu,
    "calls": goals_files.calls,
    "release": goals_files.release,
    "gib": goals_gib.rollback,
    "over": goals_gib.over,
    "tasks": goals_many.tasks,
    "operations": goals_many.operations,
    "memory": goals_files.memory,
    "cancel": goals_many.cancel,
}


class Bench:
    """The sizes of a run, its repositories, and its report."""

    def __init__(self, options, report):
        self.place, self.report, self.runs = options.place / "goals", report, options.runs
        self.tools = options.place / "tools"
        self.files = options.files or max(250, round(50_000 * options.factor))
        self.mib = options.mib or max(8, round(1024 * options.factor))
        self.tasks = options.tasks or max(20, round(10_000 * options.factor))
        self.operations = options.operations or max(20, round(5_000 * options.factor))

    def repository(self, name, build):
        """A repository; it is built when it is not there yet."""
        path = self.place / name
        if not (path / "ready").exists():
            started = time.monotonic()
            shutil.rmtree(path, ignore_errors=True)
            build(path / "repository")
            (path / "ready").touch()
            print(f"{name} built in {time.monotonic() - started:.0f} s", flush=True)
        return lab.Repo(path / "repository", home=path / "home")

    def copy(self, name, build, copy):
        """A copy of a repository, to be changed by one row."""
        original, path = self.repository(name, build), self.place / "copies" / copy
        shutil.rmtree(path, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", original.path, path], check=True)
        repo = lab.Repo(path, home=self.place / "home")
        repo.git("status")  # The copies' inodes are new: git looks at every file once.
        return repo


def parse():
    parser = argparse.ArgumentParser(description="the goals of speed beside what is measured")
    parser.add_argument("--place", type=Path, help="folder for repositories and peers, outside git (default: a temporary one)")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {','.join(ROWS)}")
    parser.add_argument("--runs", type=int, default=3, help="runs of short commands; the median counts (default 3)")
    parser.add_argument("--factor", type=float, default=1.0, help="size of everything (default 1)")
    parser.add_argument("--mib", type=int, help="large files together, MiB (default 1024)")
    parser.add_argument("--files", type=int, help="files of the task of small files (default 50,000)")
    parser.add_argument("--tasks", type=int, help="tasks, of 5 versions each (default 10,000)")
    parser.add_argument("--operations", type=int, help="rollbacks one after the other (default 5,000)")
    parser.add_argument("--out", type=Path, default=lab.OUT, help="folder of goals.md")
    return parser.parse_args()


def head(options):
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=lab.TOP, capture_output=True, text=True).stdout.strip()
    return f"`{' '.join(['bench/goals.py', *sys.argv[1:]])}`, {time.strftime('%Y-%m-%d')}, {compare.machine()}, commit {commit}."


def main():
    options = parse()
    chosen = [ROWS[name] for name in options.rows.split(",")]
    place = options.place
    options.place = (place or Path(tempfile.mkdtemp(prefix="snapback-goals-"))).resolve()
    # A shell starts what runs in the background with Ctrl-C ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options.place.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(options.place)  # homes of repositories, and whatever else is only for this run
    report, wrong = goals_report.Report(head(options), options.out / "goals.md"), []
    bench = Bench(options, report)
    for row in chosen:
        try:
            row(bench)
        except (lab.Failed, OSError, subprocess.SubprocessError) as failed:
            traceback.print_exc()
            report.goal(row.__doc__.partition("\n")[0], "", f"FAILED: {str(failed).splitlines()[0]}", False)
            wrong.append(row.__name__)
        shutil.rmtree(bench.place / "copies", ignore_errors=True)
    if not place:
        shutil.rmtree(options.place)
    print("\n".join(report.lines()))
    print(f"goals: failed or wrong: {', '.join(wrong) or 'nothing'}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
