"""Rows of goals.py about large files: a rollback beside what peers need by hand, what a byte costs,
and a restore over the last version.

Every program holds the same two versions of one folder: four files of float32, of which the second
version has 1 % changed in ten runs each, and 104 small files, of which it has 20 changed. By hand
means: the commands that bring the other version back and commit it, where the program has commits, and
prove its bytes against sums taken from the original: by coreutils' sha256sum, and, because that is slow on
some processors, by openssl, too. After each, every file is compared with the original here, unmeasured.
"""

import contextlib
import filecmp
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import compare
import compare_data
import lab
from goals_measure import MIB, Cost, in_turn, median, run
from goals_report import mib, seconds, times

TASK = "tasks/T01"
OLD, NEW = "1.0.0", "1.0.1"
WAYS = (("rollback", OLD), ("undo", NEW))
RELEASE = '"$SNAPBACK" create-snapshot -t T01 --version $V -m $V --yes'
PROOFS = {
    "sha256sum": "cd $TASK && sha256sum -c --quiet $SUMS/$V",
    "openssl": "cd $TASK && cut -c67- $SUMS/$V | xargs openssl dgst -sha256 -r | cut -c-64 | cmp - $SUMS/$V.digests",
}
BACK = "git restore --source=refs/tags/$V --staged --worktree -- $TASK"
COMMIT = "git commit -q -m $WHY"
# name: prepare; store version $V; bring $V back; take that back (none: bring the other back).
PEERS = {
    "snapback": (
        "true", RELEASE,
        '"$SNAPBACK" rollback -t T01 --to $V --yes', '"$SNAPBACK" undo --yes',
    ),
    "git + git-lfs": (
        "git lfs install --local && echo '*.bin filter=lfs diff=lfs merge=lfs -text' >.gitattributes",
        "git add -A && git commit -q -m $V && git tag $V",
        f"{BACK} && {COMMIT}", "",
    ),
    "DVC": (
        "dvc init -q && dvc config core.analytics false && dvc config core.check_update false",
        "dvc add -q $TASK/models && git add -A && git commit -q -m $V && git tag $V",
        f"{BACK} && dvc checkout -q && {COMMIT}", "",
    ),
    "restic": (
        "restic init -q", "restic backup -q --tag $V $TASK",
        "restic restore -q latest --tag $V --target .", "",
    ),
}
VERSIONS = {"git + git-lfs": "git lfs version", "DVC": "dvc --version", "restic": "restic version"}


def versions(bench):
    """The folders of the two versions, made from a seed, and a file of sums of each."""
    top = bench.place / f"weights-{bench.mib}"
    if not (top / "ready").exists():
        shutil.rmtree(top, ignore_errors=True)
        (top / "1/models").mkdir(parents=True)
        source, size = random.Random(7), bench.mib * MIB // 4
        for nth in range(4):
            compare_data.fill(top / f"1/models/m{nth}.bin", size, compare_data.floats(source))
        for nth in range(103):
            (top / f"1/f{nth:03}.py").write_text(f"value = {nth}\n" * 30)
        (top / "1/config.yaml").write_bytes(lab.config(OLD))
        shutil.copytree(top / "1", top / "2")
        for nth in range(4):
            with open(top / f"2/models/m{nth}.bin", "r+b") as file:
                for _ in range(10):
                    file.seek(source.randrange(size - size // 1000) & ~3)
                    file.write(compare_data.floats(source)(size // 1000 & ~3))
        for nth in range(19):
            (top / f"2/f{5 * nth:03}.py").write_text(f"value = {nth}  # changed\n" * 30)
        (top / "2/config.yaml").write_bytes(lab.config(NEW))
        (top / "sums").mkdir()
        for version, name in (("1", OLD), ("2", NEW)):
            subprocess.run(f"find . -type f -print0 | xargs -0 sha256sum >../sums/{name} && cut -c-64 ../sums/{name} >../sums/{name}.digests", shell=True, cwd=top / version, check=True)
        (top / "ready").touch()
    return {OLD: top / "1", NEW: top / "2", "sums": top / "sums"}


class Holder:
    """A program's repository that holds both versions."""

    def __init__(self, bench, name, folders):
        self.name, self.folders, self.costs = name, folders, []
        self.prepare, self.put, self.back, self.undo = PEERS[name]
        path = bench.place / "copies" / name.replace(" + ", "-")
        self.repo = lab.Repo(path, home=bench.place / "copies" / "homes" / path.name).init()
        self.repo.env |= {"TASK": TASK, "SUMS": str(folders["sums"]), "SNAPBACK": lab.program(), "DVC_SITE_CACHE_DIR": f"{self.repo.home}/dvc"}
        self.repo.env |= {"RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": f"{self.repo.home}/restic"}
        self.repo.env["PATH"] = os.pathsep.join([str(bench.tools / "dvc" / "bin"), self.repo.env["PATH"]])

    def fill(self):
        """Stores both versions; what each cost."""
        self.repo.write("task_registry.json", b'{\n  "tasks": {\n    "T01": {"version": "1.0.0"}\n  }\n}\n')
        self.repo.write("snapback.yaml", b'defaults:\n  large_files: {patterns: ["*.bin"]}\n')
        if self.name == "snapback":
            self.repo.write(".gitignore", b"*.bin\n")
        run(self.repo, self.prepare, codes=(0,))
        self.repo.git("add", "-A")
        self.repo.git("commit", "-q", "-m", "begin")
        for version in (OLD, NEW):
            bring(self.folders[version], self.repo.path / TASK)
            self.costs.append(self.script(self.put, version))
        return self.costs

    def script(self, text, version):
        subprocess.run(["sync"], check=True)
        return run(self.repo, text, {"V": version, "WHY": f"back-to-{version}"}, codes=(0,), peak=True)[0]

    def turn(self, version):
        """Brings a version, by the way back or by undoing it; compares every byte. The cost of that, and
        with each proof (snapback's own is part of what it does)."""
        before = self.repo.git("rev-parse", "HEAD").text()
        cost = self.script(self.undo if self.undo and version == NEW else self.back, version)
        original = self.folders[version]
        for path in sorted(original.rglob("*")):
            if path.is_file() and not filecmp.cmp(path, self.repo.path / TASK / path.relative_to(original), shallow=False):
                raise lab.Failed(f"{self.name}: {path.name} is not that of {version}")
        if self.name != "restic":
            if self.repo.git("rev-parse", "HEAD").text() == before or self.repo.status():
                raise lab.Failed(f"{self.name}: {version} is not committed: {self.repo.status()}")
        return {proof: cost if self.undo else plus(cost, self.script(text, version)) for proof, text in PROOFS.items()}


def bring(version, folder):
    """Makes a folder hold a version, without touching what a program put beside its files."""
    for path in sorted(version.rglob("*")):
        if path.is_file():
            target = folder / path.relative_to(version)
            if not target.exists() or not filecmp.cmp(path, target, shallow=False):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)


def attempt(argv):
    """Runs a program that may fail, or not be there."""
    with contextlib.suppress(OSError):
        subprocess.run(argv, stdout=subprocess.DEVNULL)


def install(bench):
    """Installs the peers that are missing. The reason for each that stays missing."""
    dvc = bench.tools / "dvc"
    if not (dvc / "bin" / "dvc").exists():
        for argv in ([sys.executable, "-m", "venv", dvc], [dvc / "bin" / "pip", "install", "-q", "dvc"]):
            attempt(argv)
    missing = [name for name in ("git-lfs", "restic") if not shutil.which(name)]
    if missing:
        attempt(["apt-get", "install", "-y", "-qq", "--no-upgrade", *missing])
    env = os.environ | {"PATH": os.pathsep.join([str(dvc / "bin"), os.environ["PATH"]])}
    reasons = {}
    for name, asked in VERSIONS.items():
        done = subprocess.run(asked, shell=True, capture_output=True, text=True, env=env)
        print(f"{name}: {done.stdout.strip() or done.stderr.strip()}", flush=True)
        if done.returncode:
            reasons[name] = f"it could not be installed: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
    return reasons


def rollback(bench):
    """A rollback of large files, 1 % changed, beside the peers by hand, and its undo."""
    reasons = install(bench)
    for name, why in reasons.items():
        bench.report.skipped(f"rollback of {bench.mib} MiB with {name}", why)
    folders, section = versions(bench), f"{bench.mib} MiB, 1 % changed"
    holders = [Holder(bench, name, folders) for name in PEERS if name not in reasons]
    for holder in holders:
        for nth, cost in enumerate(holder.fill(), 1):
            bench.report.figure(section, f"{holder.name}: store version {nth}", cost)
    first = holders[0].costs[0].cpu
    runs = max(1, bench.runs - 1)
    costs = {(word, holder.name, proof): [] for word, _ in WAYS for holder in holders for proof in PROOFS}
    for _ in range(runs):
        for word, version in WAYS:
            for holder in holders:
                for proof, cost in holder.turn(version).items():
                    costs[word, holder.name, proof].append(cost)
    found = {key: median(taken) for key, taken in costs.items()}
    for (word, name, proof), cost in found.items():
        if name != "snapback":
            bench.report.figure(section, f"{name}: {word}, {proof}", cost, runs)
        elif proof == "sha256sum":
            bench.report.figure(section, f"{name}: {word}", cost, runs)
    for word, _ in WAYS:
        judge(bench, word, {key[1:]: cost for key, cost in found.items() if key[0] == word})
    a_byte(bench, holders[0], first)


def plus(first, then):
    """One command after the other."""
    both = Cost(first.cpu + then.cpu, first.wall + then.wall, max(first.peak, then.peak))
    both.read, both.written = first.read + then.read, first.written + then.written
    return both


def judge(bench, word, found):
    """A rollback or its undo beside the best peer, with each proof."""
    ours, what = found["snapback", "sha256sum"], f"{word} of {bench.mib} MiB, 1 % changed"
    for proof in PROOFS:
        for key, limit in (("cpu", 0.6), ("wall", 1.0)):
            peers = [(getattr(cost, key), name) for (name, by), cost in found.items() if by == proof and name != "snapback"]
            if peers:
                (best, name), mine = min(peers), getattr(ours, key)
                bench.report.most(f"{what}: {key}, peers proven by {proof}", mine / best, limit, times, " of the best peer by hand", f" of {name} ({seconds(mine)} and {seconds(best)})")
    bench.report.most(f"{what}: bytes read", ours.read / (bench.mib * MIB), 1, times, " of its size", f" ({mib(ours.read)}; written {mib(ours.written)})")
    bench.report.most(f"{what}: peak", ours.peak, 160 * MIB, mib)


def a_byte(bench, holder, release):
    """CPU seconds a GiB of whatever reads every byte, beside sha256sum of the same bytes."""
    repo, folder = holder.repo, holder.folders[NEW]
    commands = {
        "sha256sum": f"find {folder} -type f -print0 | xargs -0 sha256sum",
        "openssl sha256": f"find {folder} -type f -print0 | xargs -0 openssl dgst -sha256",
        "verify-rollback": '"$SNAPBACK" verify-rollback -t T01',
        "verify-snapshot --deep": f'"$SNAPBACK" verify-snapshot -t T01 --version {NEW} --deep',
        "store put": f'"$SNAPBACK" -C "$EMPTY" store put {folder} --name new',
        "store check --deep": '"$SNAPBACK" -C "$EMPTY" store check --deep',
    }
    empty = lab.Repo(bench.place / "copies" / "empty", home=repo.home).init()
    costs = {name: run(repo, text, {"EMPTY": str(empty.path)}, codes=(0,), peak=True)[0] for name, text in commands.items()}
    for name, cost in costs.items():
        bench.report.figure(f"every byte of {bench.mib} MiB", name, cost)
    cpu = {name: cost.cpu for name, cost in costs.items()} | {"create-snapshot": release}
    said = ", ".join(f"{name} {value * 1024 / bench.mib:.2f}" for name, value in cpu.items())
    slowest = max(value for name, value in cpu.items() if name not in ("sha256sum", "openssl sha256"))
    # Not a goal of speed: hashing that is slow on some processor shows here.
    bench.report.goal(f"CPU s a GiB: {said}", "no command of snapback above 10 x openssl", f"{slowest / cpu['openssl sha256']:.1f}x", slowest <= 10 * cpu["openssl sha256"])


def over(bench):
    """A restore of large files over the last version, beside cp and a sync."""
    folders = versions(bench)
    repo = lab.Repo(bench.place / "copies" / "over", home=bench.place / "copies" / "homes" / "over").init()
    into = {name: repo.home / name for name in ("snapback", "cp")}
    for version in (OLD, NEW):
        repo.snapback("store", "put", str(folders[version]), "--name", version)
    for folder in into.values():
        shutil.copytree(folders[NEW], folder)
    at = dict.fromkeys(into, NEW)

    def restore(name):
        at[name] = OLD if at[name] == NEW else NEW
        source, target = folders[at[name]], into[name]
        subprocess.run(["sync"], check=True)
        argv = [lab.program(), "store", "restore", at[name], "--into", str(target), "--yes"]
        cost, _ = run(repo, argv if name == "snapback" else f"cp -a --reflink=never {source}/. {target} && sync -f {target}", codes=(0,), peak=True)
        if compare.difference(source, target):
            raise lab.Failed(f"{name}: restored {compare.difference(source, target)}")
        return cost

    found = in_turn({name: lambda name=name: restore(name) for name in into}, bench.runs)
    for name, cost in found.items():
        bench.report.figure(f"over the last version, {bench.mib} MiB", name, cost, bench.runs)
    kind = subprocess.run(["df", "--output=fstype", repo.path], capture_output=True, text=True).stdout.split()[-1]
    for key in ("cpu", "wall"):
        mine, cp = (getattr(found[name], key) for name in ("snapback", "cp"))
        bench.report.most(f"restore over the last version, {bench.mib} MiB, {key} ({kind})", mine / cp, 1, times, " of `cp` + `sync -f`", f" ({seconds(mine)} and {seconds(cp)})")
