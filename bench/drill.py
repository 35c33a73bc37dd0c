#!/usr/bin/env python3
"""A drill of every version of the random walk's repository: does each come back, offline, and how fast?

Four packages from the registry, each of eight or nine consecutive versions released, as in walk.py.
The smoke test of every task writes down the digests of what it finds in the scratch place; they are
compared with what git has, without snapback's help. It also asks the kernel for its interfaces.
Then versions are broken: a blob that is gone, a stored pack that is gone, a smoke test that fails.
Each must fail for that reason, with exit 4, and the work tree must be as it was, to the nanosecond.

usage: drill.py [--large] [--keep DIR]
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import statistics
import sys
import tempfile
import time

import lab
from walk import first_difference

SMOKE = (
    "find . -type f -exec sha256sum {} + >$HOME/sums; find . -type l -exec readlink {} + >$HOME/links; "
    "cat /proc/self/net/dev >$HOME/net; pwd >$HOME/pwd; env >$HOME/env"
)


class Drills:
    def __init__(self, repo, versions, large):
        self.repo, self.versions, self.large = repo, versions, large
        self.problems, self.times, self.shut_off = [], [], 0

    def check(self, right, what):
        if not right:
            self.problems.append(what)
            print("PROBLEM", what, flush=True)

    def expected(self, name, version):
        """The digests of a release's files, by git."""
        blobs = self.repo.blobs(f"refs/tags/{name}-v{version}", f"tasks/{name}")
        bytes_of = self.repo.contents([blob for _, blob in blobs.values()])
        files = {path: hashlib.sha256(bytes_of[blob]).hexdigest() for path, (mode, blob) in blobs.items() if mode != "120000"}
        if self.large:
            nth = list(self.versions[name]).index(version)
            files[f"tasks/{name}/model.bin"] = hashlib.sha256(lab.large_file(name, nth)).hexdigest()
        return files

    def drill(self, name, version, code=0):
        before, refs = self.repo.tree(), self.repo.git("for-each-ref").out
        index = (self.repo.path / ".git/index").read_bytes()
        ran = self.repo.snapback("drill", "--task", name, "--to", version, "--json", code=None)
        self.check(ran.code == code, f"drill {name} {version}: exit {ran.code}, not {code}: {ran.text()[:600]}{ran.err.decode()[:300]}")
        after = self.repo.tree()
        self.check(before == after, f"drill {name} {version} changed the work tree: {first_difference(after, before)}")
        self.check(refs == self.repo.git("for-each-ref").out, f"drill {name} {version} moved references")
        self.check(index == (self.repo.path / ".git/index").read_bytes(), f"drill {name} {version} touched the index")
        left = [entry for entry in os.listdir(tempfile.gettempdir()) if entry.startswith("snapback-drill-")]
        self.check(not left, f"drill {name} {version} left {left}")
        return ran.json()["data"]["drills"][0]

    def comes_back(self, name, version):
        report = self.drill(name, version)
        found = {}
        for line in (self.repo.home / "sums").read_text().splitlines():
            digest, path = line.split("  ", 1)
            found[f"tasks/{name}/{path.removeprefix('./')}"] = digest
        expected = self.expected(name, version)
        self.check(found == expected, f"{name} {version}: {first_difference(found, expected)}")
        self.check("/snapback-drill-" in (self.repo.home / "pwd").read_text(), f"{name} {version}: the smoke test ran elsewhere")
        shut_off = report["network"]["shut_off"]
        interfaces = [line.split(":")[0].strip() for line in (self.repo.home / "net").read_text().splitlines() if ":" in line]
        self.check(not shut_off or interfaces == ["lo"], f"{name} {version}: interfaces {interfaces}")
        self.shut_off += shut_off
        self.times.append((report["recovery_ms"], f"{name} {version}", report["files"], report["bytes"], report["phases"]))

    def fails_for(self, name, version, reason):
        report = self.drill(name, version, code=4)
        self.check(reason in report["why"], f"{name} {version}: {reason!r} is not in {report['why']!r}")
        status = self.repo.snapback("health", "-t", name, "--nagios", code=None).text()
        print(f"  broken {name} {version}: {report['why'][:150]}\n    {status.strip()[:150]}")

    def loosen(self):
        """Makes loose objects of the packs, so that one of them can be taken away."""
        for pack in (self.repo.path / ".git/objects/pack").glob("*.pack"):
            outside = self.repo.home / pack.name
            shutil.move(pack, outside)
            pack.with_suffix(".idx").unlink()
            with open(outside, "rb") as file:
                subprocess.run(["git", "-C", self.repo.path, "unpack-objects", "-q"], stdin=file, check=True)

    def broken(self):
        """Each kind of damage, mended again afterwards."""
        name = sorted(self.versions)[0]
        versions = list(self.versions[name])
        # What a rollback would choose: the newest older one.
        target = versions[-2]
        own = self.repo.blobs(f"refs/tags/{name}-v{target}", f"tasks/{name}")
        blob = next(blob for path, (_, blob) in sorted(own.items()) if path.endswith("config.yaml"))
        self.loosen()
        loose = self.repo.path / ".git/objects" / blob[:2] / blob[2:]
        aside = self.repo.home / "aside"
        shutil.move(loose, aside)
        self.fails_for(name, target, blob[:8])
        shutil.move(aside, loose)
        if self.large:
            packs = self.repo.path / ".git/snapback/store/packs"
            shutil.move(packs, aside)
            self.fails_for(name, target, "model.bin")
            shutil.move(aside, packs)
        settings(self.repo, "exit 7", self.large)
        self.fails_for(name, target, "smoke.1: command: exit 7; exit 7")
        settings(self.repo, SMOKE, self.large)
        self.comes_back(name, target)


def settings(repo, smoke, large):
    text = "defaults:\n" + ('  large_files: {patterns: ["*.bin"]}\n' if large else "") + f"  verify: [{{run: '{smoke}'}}]\n"
    repo.write("snapback.yaml", text.encode())
    repo.snapback("trust", "--yes")


def main():
    parser = argparse.ArgumentParser(description="a drill of every version of real code")
    parser.add_argument("--large", action="store_true", help="every version has a large file, kept in the store")
    parser.add_argument("--keep", help="keep the repository in this folder")
    options = parser.parse_args()
    place = options.keep or tempfile.mkdtemp(prefix="snapback-drills-")
    repo, versions = lab.package_repository(os.path.join(place, "repo"), options.large)
    settings(repo, SMOKE, options.large)
    drills = Drills(repo, versions, options.large)
    started = time.monotonic()
    for name, known in versions.items():
        for version in known:
            drills.comes_back(name, version)
    took = time.monotonic() - started
    drills.broken()
    for name in sorted(versions):
        whole = repo.snapback("drill", "--task", name, "--all", "--json", code=None)
        drills.check(whole.code == 0 and len(whole.json()["data"]["drills"]) == len(versions[name]), f"drill --all of {name}: {whole.code}")
    times = sorted(drills.times)
    ms = [time for time, *_ in times]
    slowest = times[-1]
    phases = ", ".join(f"{phase['name']} {phase['ms']} ms" for phase in slowest[4])
    print(repo.snapback("status").text())
    print(
        f"drills: {len(versions)} packages{', with large files' if options.large else ''}, {len(times)} drills, {drills.shut_off} in a network namespace; "
        f"recovery median {statistics.median(ms):.0f} ms, slowest {slowest[0]} ms ({slowest[1]}, {slowest[2]} files, {slowest[3] / 1e6:.1f} MB: {phases}); "
        f"{took:.1f} s with all checks, {len(drills.problems)} problems"
    )
    if not options.keep:
        shutil.rmtree(place)
        shutil.rmtree(repo.home)
    sys.exit(1 if drills.problems else 0)


if __name__ == "__main__":
    main()
