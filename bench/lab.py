"""What the benches share: running programs, looking at trees, reading manifests.

Only the standard library is used. snapback is taken from SNAPBACK, else from target/release,
else from target/debug. Every program gets a cleared environment and a HOME of its own.
"""

import argparse
import hashlib
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
DATA = TOP / "bench" / "data"
OUT = TOP / "bench" / "out"


def program():
    """The snapback to measure."""
    named = os.environ.get("SNAPBACK")
    candidates = [Path(named)] if named else [TOP / "target" / kind / "snapback" for kind in ("release", "debug")]
    for path in candidates:
        if path.is_file():
            return str(path.resolve())
    sys.exit("no snapback: run `cargo build --release`, or set SNAPBACK")


class Failed(Exception):
    """A program ended with another exit code than expected."""


class Ran:
    def __init__(self, argv, done):
        self.argv, self.code, self.out, self.err = argv, done.returncode, done.stdout, done.stderr

    def text(self):
        return self.out.decode("utf-8", "surrogateescape")

    def json(self):
        return json.loads(self.out)


class Repo:
    """A repository in a folder, and the programs run in it."""

    def __init__(self, path, home=None):
        self.path = Path(path)
        self.home = Path(home or tempfile.mkdtemp(prefix="snapback-home-"))
        self.home.mkdir(parents=True, exist_ok=True)
        self.env = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "TERM": "dumb",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Li Wei",
            "GIT_AUTHOR_EMAIL": "li.wei@example.com",
            "GIT_COMMITTER_NAME": "Li Wei",
            "GIT_COMMITTER_EMAIL": "li.wei@example.com",
        }

    def run(self, *argv, code=0, input=None):
        """Runs a program; `code` is the exit code it must have, None = any."""
        done = subprocess.run(argv, cwd=self.path, env=self.env, input=input, capture_output=True)
        ran = Ran(argv, done)
        if code is not None and ran.code != code:
            raise Failed(f"exit {ran.code}, not {code}: {' '.join(map(str, argv))}\n{ran.text()}\n{ran.err.decode(errors='replace')}")
        return ran

    def git(self, *args, code=0, input=None):
        return self.run("git", *args, code=code, input=input)

    def snapback(self, *args, code=0):
        return self.run(program(), *args, code=code)

    def init(self):
        self.path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")
        # git's own housekeeping must not run in the middle of a measurement.
        self.git("config", "gc.auto", "0")
        self.git("config", "maintenance.auto", "false")
        return self

    def write(self, path, data, mode=0o644):
        path = self.path / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(mode)

    def tree(self):
        """Every file and link below the work tree: path -> (type and mode, bytes' SHA-256, mtime)."""
        found = {}
        for folder, folders, files in os.walk(os.fsencode(self.path)):
            if b".git" in folders:
                folders.remove(b".git")
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in files + links:
                full = os.path.join(folder, name)
                info = os.lstat(full)
                if stat.S_ISLNK(info.st_mode):
                    data, mode = os.readlink(full), "link"
                else:
                    with open(full, "rb") as file:
                        data = file.read()
                    mode = oct(info.st_mode & 0o7777)
                path = os.fsdecode(os.path.relpath(full, os.fsencode(self.path)))
                found[path] = (mode, hashlib.sha256(data).hexdigest(), info.st_mtime_ns)
        return found

    def empty_folders(self, below):
        """The folders without any file below them."""
        top = self.path / below
        return {str(Path(folder).relative_to(self.path)) for folder, folders, files in os.walk(top) if not folders and not files}

    def status(self):
        """The records of git status: path -> two letters."""
        text = self.git("status", "--porcelain=v1", "-z", "-uall").text()
        return {record[3:]: record[:2] for record in text.split("\0") if record}

    def blobs(self, commit, below):
        """path -> (mode, blob id) of a commit's tree below a folder."""
        text = self.git("ls-tree", "-r", "-z", commit, "--", below).text()
        found = {}
        for record in filter(None, text.split("\0")):
            meta, path = record.split("\t", 1)
            mode, _, blob = meta.split()
            found[path] = (mode, blob)
        return found

    def contents(self, ids):
        """The bytes of objects, in one run of git."""
        out = self.git("cat-file", "--batch", input=("\n".join(ids) + "\n").encode()).out
        found, at = {}, 0
        for wanted in ids:
            end = out.index(b"\n", at)
            size = int(out[at:end].split()[2])
            found[wanted] = out[end + 1 : end + 1 + size]
            at = end + 2 + size
        return found


def manifest_files(text):
    """The files of a manifest as snapback writes them: path -> {checksum, role, mode, …}.

    A reader of its own on purpose: the check must not trust the code that it checks.
    """
    found, entry, inside = {}, None, False
    for line in text.splitlines():
        if not line.startswith((" ", "-")):
            inside = line.startswith("files:")
            continue
        if not inside:
            continue
        item = line.strip()
        if item.startswith("- "):
            entry, item = {}, item[2:]
        key, _, value = item.partition(": ")
        value = value.strip()
        if value.startswith('"'):
            value = json.loads(value)
        elif value.startswith("'"):
            value = value[1:-1].replace("''", "'")
        entry[key] = value
        if key == "path":
            found[value] = entry
    return found


def versions_of(name, versions):
    """Wheels of a package from the registry, kept in bench/data: version -> {path: bytes}."""
    import zipfile

    found = {}
    for version in versions:
        folder = DATA / name / version
        if not list(folder.glob("*.whl")):
            folder.mkdir(parents=True, exist_ok=True)
            argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder), f"{name}=={version}"]
            subprocess.run(argv, check=True)
        wheel = next(folder.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            found[version] = {item.filename: archive.read(item) for item in archive.infolist() if not item.is_dir()}
    return found


PACKAGES = {
    "click": ["8.0.0", "8.0.1", "8.0.2", "8.0.3", "8.0.4", "8.1.0", "8.1.1", "8.1.2", "8.1.3"],
    "flask": ["2.0.0", "2.0.1", "2.0.2", "2.0.3", "2.1.0", "2.1.1", "2.1.2", "2.1.3", "2.2.0"],
    "requests": ["2.25.0", "2.25.1", "2.26.0", "2.27.0", "2.27.1", "2.28.0", "2.28.1", "2.28.2"],
    "rich": ["13.0.0", "13.0.1", "13.1.0", "13.2.0", "13.3.0", "13.3.1", "13.3.2", "13.3.3", "13.3.4"],
}


def config(version):
    """A task's configuration."""
    return f"# The configuration of the task.\nversion: {version}\nlimits:\n  leverage: 3   # times\n".encode()


def install(repo, name, files, version):
    """Makes a task's folder hold one version of a package, and nothing else of any other."""
    import shutil

    folder = repo.path / "tasks" / name
    shutil.rmtree(folder, ignore_errors=True)
    for path, data in files.items():
        repo.write(f"tasks/{name}/{path}", data, 0o755 if path.endswith(".sh") else 0o644)
    repo.write(f"tasks/{name}/config.yaml", config(version))


def large_file(name, nth):
    """The large file of a package's nth version: about 5 MB, of which each version changes some."""
    import random

    numbers = random.Random(name)
    data = bytearray(numbers.randbytes(5_000_000))
    for _ in range(nth):
        for _ in range(3):
            at = numbers.randrange(len(data) - 50_000)
            data[at : at + 50_000] = numbers.randbytes(50_000 + numbers.randrange(100))
        data += numbers.randbytes(100_000)
    return bytes(data)


def package_repository(path, large=False):
    """A repository whose tasks are the packages, each version released one by one. Also: the versions.
    With `large`, each version has a file that git ignores and the store keeps."""
    repo = Repo(path).init()
    if large:
        repo.write("snapback.yaml", b'defaults:\n  large_files: {patterns: ["*.bin"]}\n')
    versions = {name: versions_of(name, wanted) for name, wanted in PACKAGES.items()}
    entries = {name: {"name": f"the package {name}", "version": wanted[0]} for name, wanted in PACKAGES.items()}
    repo.write("task_registry.json", (json.dumps({"tasks": entries, "note": "kept by hand"}, indent=2) + "\n").encode())
    repo.write(".gitignore", b"*.log\n*.bin\n__pycache__/\n" if large else b"*.log\n__pycache__/\n")
    repo.write("docs/notes.md", b"# Notes\n")
    repo.write("tools/build.sh", b"#!/bin/sh\nexec true\n", 0o755)
    for name, wanted in PACKAGES.items():
        install(repo, name, versions[name][wanted[0]], wanted[0])
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "packages")
    for nth in range(max(map(len, PACKAGES.values()))):
        for name, wanted in PACKAGES.items():
            if nth < len(wanted):
                version = wanted[nth]
                install(repo, name, versions[name][version], version)
                if large:
                    repo.write(f"tasks/{name}/model.bin", large_file(name, nth))
                repo.snapback("create-snapshot", "--task", name, "--version", version, "-m", f"{name} {version}", "--yes")
    return repo, versions


def many_files(path, count=50_000, changed=20):
    """A repository whose task `large` has so many files in 250 folders, and two releases, 1.0.0 and 1.0.1,
    that differ in `changed` of them."""
    repo = Repo(path).init()
    repo.write("task_registry.json", b'{\n  "tasks": {\n    "large": {"version": "1.0.0"}\n  }\n}\n')
    repo.write("tasks/large/config.yaml", config("1.0.0"))
    for nth in range(count):
        repo.write(f"tasks/large/d{nth % 250:03}/f{nth:05}.py", f"# file {nth}\n".encode() * (1 + nth % 40))
    repo.git("add", "-A")
    repo.git("commit", "-q", "-m", "files")
    repo.snapback("create-snapshot", "--task", "large", "--version", "1.0.0", "-m", "first", "--yes")
    for nth in range(0, count, count // changed):
        repo.write(f"tasks/large/d{nth % 250:03}/f{nth:05}.py", b"# changed\n")
    repo.snapback("create-snapshot", "--task", "large", "--version", "1.0.1", "-m", "second", "--yes")
    return repo


def first_difference(now, expected):
    """The first path at which two trees differ, in words."""
    for path in sorted(now.keys() | expected.keys()):
        if now.get(path) != expected.get(path):
            return f"{path}: is {now.get(path)}, expected {expected.get(path)}"
    return "nothing"


def walk_options(description, operations, counted):
    """The options that every random walk has; more may be added."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--operations", type=int, default=operations, help=f"{counted} (default {operations:,})")
    parser.add_argument("--keep", help="keep what was made in this folder")
    return parser


def end_walk(walk, what, started, place, options):
    """Says what a walk did and found, and ends the program."""
    counts = ", ".join(f"{count} {name}" for name, count in sorted(walk.counts.items()))
    print(f"{what} ({counts}), {walk.checks} checks, {len(walk.violations)} violations, {time.monotonic() - started:.1f} s, seed {options.seed}")
    if not options.keep:
        subprocess.run(["rm", "-rf", place])
    sys.exit(1 if walk.violations else 0)
