#!/usr/bin/env python3
"""Does anything grow with the number of tasks and tags? 1,000 tasks with 50 versions each.

usage: many.py [--tasks N] [--versions N] [--runs N]

The repository is written by `git fast-import` (50,000 releases by hand would take a day): one
commit a round of releases, an annotated tag and a manifest a release. Then `status` and a TAB
completion are timed, and, for comparison, on a repository with 10 tasks; `list` and `health` of all
tasks are measured in CPU seconds, and beside a quarter of the tasks. Writes bench/out/many.md.
Exits 1 when `status` takes 0.5 s or more, or a completion 100 ms or more (medians), or when four
times the tasks take `list` or `health` more than six times the CPU.
"""

import argparse
import hashlib
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import lab

WHO = "Li Wei <li.wei@example.com>"


def blob_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def files_of(task, version):
    """The two files of a release: path -> (role, bytes)."""
    signal = f"# {task}\ndef signal(x):\n    return x > {version.rsplit('.', 1)[1]}\n".encode()
    return {f"tasks/{task}/config.yaml": ("config", lab.config(version)), f"tasks/{task}/signal.py": ("source", signal)}


def manifest(task, version, previous, commit):
    lines = ["schema: snapback.manifest/1", "metadata:", f"  task_id: {task}", f"  version: {version}"]
    lines += ['  created_at: "2026-02-24T05:10:00Z"', f"  git_commit: {commit}", f"  git_tag: {task}-v{version}"]
    lines += [f"  previous: {previous}"] if previous else []
    lines += [f"  message: {task} {version}", "files:"]
    for path, (role, data) in sorted(files_of(task, version).items()):
        lines += [f"  - path: {path}", f"    checksum: sha256:{hashlib.sha256(data).hexdigest()}", f"    size: {len(data)}"]
        lines += ['    mode: "100644"', f"    role: {role}", f"    blob: {blob_id(data)}"]
    return ("\n".join(lines) + "\n").encode()


def registry(tasks, version):
    return (json.dumps({"tasks": {task: {"version": version} for task in tasks}}, indent=2) + "\n").encode()


def data(payload):
    return b"data %d\n%s\n" % (len(payload), payload)


def build(place, count, rounds):
    """The repository; returns it and a task in the middle."""
    repo = lab.Repo(place).init()
    tasks = [f"T{nth:04}" for nth in range(1, count + 1)]
    versions = [f"1.0.{nth}" for nth in range(rounds)]
    stream, marks = [], Path(place) / ".git" / "marks"
    for nth, version in enumerate(versions, 1):
        stream.append(b"commit refs/heads/main\nmark :%d\ncommitter %s %d +0000\n" % (nth, WHO.encode(), 1_770_000_000 + 60 * nth))
        stream.append(data(f"release round {version}".encode()))
        if nth > 1:
            stream.append(b"from :%d\n" % (nth - 1))
        for task in tasks:
            for path, (_, content) in files_of(task, version).items():
                stream.append(b"M 100644 inline %s\n" % path.encode() + data(content))
        stream.append(b"M 100644 inline task_registry.json\n" + data(registry(tasks, version)))
    repo.git("fast-import", "--quiet", f"--export-marks={marks}", input=b"".join(stream))
    commits = dict(line.split() for line in marks.read_text().splitlines())
    stream = [b"commit refs/heads/main\ncommitter %s 1780000000 +0000\n" % WHO.encode(), data(b"manifests"), b"from %s\n" % commits[f":{rounds}"].encode()]
    tags = []
    for nth, version in enumerate(versions, 1):
        for task in tasks:
            text = manifest(task, version, versions[nth - 2] if nth > 1 else None, commits[f":{nth}"])
            stream.append(b"M 100644 inline snapshots/snapshot-%s-v%s.yaml\n" % (task.encode(), version.encode()) + data(text))
            message = f"{task} {version}\n\nSnapback-Task: {task}\nSnapback-Version: {version}\nSnapback-Manifest: sha256:{hashlib.sha256(text).hexdigest()}\n"
            tags.append(b"tag %s-v%s\nfrom %s\ntagger %s 1780000000 +0000\n" % (task.encode(), version.encode(), commits[f":{nth}"].encode(), WHO.encode()) + data(message.encode()))
    repo.git("fast-import", "--quiet", input=b"".join(stream + tags))
    repo.git("pack-refs", "--all")
    repo.git("reset", "-q", "--hard")
    return repo, tasks[len(tasks) // 2]


def seconds(repo, argv, runs, env=None):
    """The median time of a command, after one warm-up, and its last output."""
    taken = []
    for _ in range(runs + 1):
        started = time.monotonic()
        done = subprocess.run(argv, cwd=repo.path, env={**repo.env, **(env or {})}, capture_output=True)
        taken.append(time.monotonic() - started)
        if done.returncode != 0:
            raise lab.Failed(f"{argv}: exit {done.returncode}: {done.stderr.decode()[:500]}")
    return statistics.median(taken[1:]), done.stdout.decode()


def cpu_seconds(repo, argv):
    """The CPU seconds of a command, the better of two runs."""
    taken = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(argv, cwd=repo.path, env=repo.env, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 4):
            raise lab.Failed(f"{argv}: exit {done.returncode}: {done.stderr.decode()[:500]}")
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(taken)


def growth(count, rounds):
    """The CPU seconds of `list`, `health` and, beside them, git with a quarter of the tasks, and with all."""
    found = {}
    for tasks in (count // 4, count):
        with tempfile.TemporaryDirectory(prefix="snapback-many-") as place:
            repo, _ = build(place, tasks, rounds)
            commands = {f"snapback {word}": [lab.program(), word] for word in ("list", "health")}
            commands["git for-each-ref"] = ["git", "for-each-ref", "--format=%(refname) %(subject)", "refs/tags"]
            commands["git fsck"] = ["git", "fsck", "--no-dangling"]
            for name, argv in commands.items():
                found.setdefault(name, []).append(cpu_seconds(repo, argv))
    return found


def completion(line):
    """What bash asks when TAB is pressed at the end of these words."""
    env = {"COMPLETE": "bash", "_CLAP_IFS": "\n", "_CLAP_COMPLETE_INDEX": str(len(line) - 1), "_CLAP_COMPLETE_COMP_TYPE": "9", "_CLAP_COMPLETE_SPACE": "true"}
    return [lab.program(), "--", *line], env


def measure(count, rounds, runs):
    with tempfile.TemporaryDirectory(prefix="snapback-many-") as place:
        started = time.monotonic()
        repo, task = build(place, count, rounds)
        print(f"{count} tasks x {rounds} versions built in {time.monotonic() - started:.0f} s", flush=True)
        times = {}
        times["git status"], _ = seconds(repo, ["git", "status", "--porcelain"], runs)
        times["snapback status"], answer = seconds(repo, [lab.program(), "status", "--json"], runs)
        if answer.count(f'"1.0.{rounds - 1}"') < count:
            raise lab.Failed("status does not show the active version of every task")
        for name, line, wanted in [
            ("TAB after --task", ["snapback", "rollback", "--task", task[:3]], task),
            ("TAB after --to", ["snapback", "rollback", "--task", task, "--to", "1.0.1"], "1.0.1"),
        ]:
            argv, env = completion(line)
            times[name], offered = seconds(repo, argv, runs, env)
            if wanted not in offered:
                raise lab.Failed(f"{name}: {wanted} is not offered: {offered[:200]}")
    return times


def main():
    parser = argparse.ArgumentParser(description="times with many tasks and versions")
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--versions", type=int, default=50)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    few = measure(10, min(options.versions, 50), options.runs)
    many = measure(options.tasks, options.versions, options.runs)
    lines = [f"| median of {options.runs} runs, ms | 10 tasks | {options.tasks} tasks x {options.versions} versions |", "|---|---:|---:|"]
    lines += [f"| {name} | {1000 * few[name]:.0f} | {1000 * many[name]:.0f} |" for name in many]
    grown = growth(options.tasks, options.versions)
    lines += ["", f"| CPU s | {options.tasks // 4} tasks | {options.tasks} tasks | times |", "|---|---:|---:|---:|"]
    lines += [f"| {name} | {a:.2f} | {b:.2f} | {b / a:.1f} |" for name, (a, b) in grown.items()]
    lab.OUT.mkdir(parents=True, exist_ok=True)
    (lab.OUT / "many.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))
    slow = [name for name, limit in [("snapback status", 0.5), ("TAB after --task", 0.1), ("TAB after --to", 0.1)] if many[name] >= limit]
    slow += [name for name, (a, b) in grown.items() if name.startswith("snapback") and b > 6 * a]
    print(f"many: too slow: {', '.join(slow) or 'nothing'}")
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
