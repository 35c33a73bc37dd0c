#!/usr/bin/env python3
"""A random walk on real code: every state that snapback makes is checked without its help.

Four packages from the registry are the tasks, each of eight or nine consecutive versions is
released by `create-snapshot`. Then come random rollbacks, undos and redos, with foreign edits
and untracked files in and out of the tasks between them. After each operation:

  - the task's files are byte-equal to the target: `sha256sum -c` from the manifest, and `git show`
  - every file outside is untouched, to the nanosecond; the other tasks' registry entries too
  - `git fsck --strict` is clean, `git status` says exactly what the model predicts
  - undo and redo give back the bytes and modes that were there, the user's own included

usage: walk.py [--seed N] [--operations N] [--large] [--keep DIR]
"""

import json
import os
import random
import subprocess
import tempfile
import time
from collections import Counter

import lab

LOG, LARGE = ".log", ".bin"
IGNORED = (LOG, LARGE)


class Walk:
    def __init__(self, repo, versions, seed, large=False):
        self.repo, self.seed, self.large = repo, seed, large
        self.random = random.Random(seed)
        self.active = {name: list(known)[-1] for name, known in versions.items()}
        self.known = {name: list(known) for name, known in versions.items()}
        self.release, self.blob_bytes, self.ever = {}, {}, {}
        self.done, self.undone = [], []
        self.counts, self.violations, self.checks = Counter(), [], 0
        for name, known in self.known.items():
            self.ever[name] = set()
            for version in known:
                self.learn(name, version)

    def learn(self, name, version):
        """Reads a release from git, not from snapback: path -> (mode of a file, sha256)."""
        blobs = self.repo.blobs(f"refs/tags/{name}-v{version}", f"tasks/{name}")
        bytes_of = self.repo.contents([blob for _, blob in blobs.values()])
        modes = {"100644": "0o644", "100755": "0o755", "120000": "link"}
        import hashlib

        self.release[name, version] = {
            path: (modes[mode], hashlib.sha256(bytes_of[blob]).hexdigest()) for path, (mode, blob) in blobs.items()
        }
        if self.large:
            bytes_of = lab.large_file(name, self.known[name].index(version))
            self.release[name, version][f"tasks/{name}/model{LARGE}"] = ("0o644", hashlib.sha256(bytes_of).hexdigest())
        self.ever[name] |= set(self.release[name, version])

    # What is there, and what should be.

    def scope(self, tree, name):
        return {path: entry[:2] for path, entry in tree.items() if path.startswith(f"tasks/{name}/")}

    def outside(self, tree, name):
        return {path: entry for path, entry in tree.items() if not path.startswith(f"tasks/{name}/") and path != "task_registry.json"}

    def entries(self):
        return json.loads((self.repo.path / "task_registry.json").read_bytes())

    def predicted_status(self, tree, outside_before, name):
        """Outside as before; inside what differs from the active release, which is committed."""
        predicted = {path: letters for path, letters in outside_before.items() if not path.startswith(f"tasks/{name}/")}
        now, committed = self.scope(tree, name), self.release[name, self.active[name]]
        for path in now.keys() | committed.keys():
            if path.endswith(IGNORED):
                continue
            if path not in committed:
                predicted[path] = "??"
            elif path not in now:
                predicted[path] = " D"
            elif now[path] != committed[path]:
                predicted[path] = " M"
        return predicted

    def check(self, right, what):
        self.checks += 1
        if not right:
            self.violations.append(f"step {sum(self.counts.values())} (seed {self.seed}): {what}")
            print("VIOLATION", self.violations[-1], flush=True)

    # The checks after every operation of snapback.

    def check_target(self, name, version, tree, extra):
        """The scope holds the release and `extra`: by sha256sum from the manifest, and by git."""
        manifest = (self.repo.path / f"snapshots/snapshot-{name}-v{version}.yaml").read_text()
        files = {path: entry for path, entry in lab.manifest_files(manifest).items() if path.startswith(f"tasks/{name}/")}
        sums = "".join(f"{entry['checksum'].removeprefix('sha256:')}  {path}\n" for path, entry in sorted(files.items()))
        dirty = {path for path in extra if path in files}
        if not dirty:
            ran = self.repo.run("sha256sum", "--quiet", "--strict", "-c", "-", input=sums.encode(), code=None)
            self.check(ran.code == 0, f"{name} {version}: sha256sum -c: {ran.text()[:400]}")
        self.check(set(files) == set(self.release[name, version]), f"{name} {version}: the manifest lists other files than the tag")
        now = self.scope(tree, name)
        expected = self.release[name, version] | extra
        self.check(now == expected, f"{name} {version}: {lab.first_difference(now, expected)}")
        for path in self.random.sample(sorted(files), min(3, len(files))):
            if path not in dirty and not path.endswith(LARGE):
                shown = self.repo.git("show", f"refs/tags/{name}-v{version}:{path}").out
                self.check(shown == (self.repo.path / path).read_bytes(), f"{path} differs from git show")

    def check_rest(self, name, before, tree, registry_before, status_before, folders_before):
        was, now = self.outside(before, name), self.outside(tree, name)
        self.check(was == now, f"outside {name}: {lab.first_difference(now, was)}")
        registry = self.entries()
        others = lambda whole: {**whole, "tasks": {task: entry for task, entry in whole["tasks"].items() if task != name}}
        self.check(others(registry) == others(registry_before), "another registry entry changed")
        self.check(registry["tasks"][name]["version"] == self.active[name], f"registry of {name}: {registry['tasks'][name]}")
        predicted, status = self.predicted_status(tree, status_before, name), self.repo.status()
        self.check(status == predicted, f"git status: {lab.first_difference(status, predicted)}")
        fsck = self.repo.git("fsck", "--strict", "--no-progress", "--no-dangling", code=None)
        self.check(fsck.code == 0 and not fsck.out.strip(), f"git fsck: {fsck.text()[:300]}{fsck.err.decode()[:300]}")
        folders = self.repo.empty_folders(f"tasks/{name}")
        self.check(folders <= folders_before, f"empty folders left: {sorted(folders - folders_before)[:3]}")
        locks = subprocess.run(["find", str(self.repo.path / ".git"), "-name", "*.lock"], capture_output=True, text=True).stdout
        self.check(not locks, f"locks left: {locks}")

    def around(self, name, act):
        """Runs one operation and the checks that hold for all; gives the trees before and after."""
        before, registry, status = self.repo.tree(), self.entries(), self.repo.status()
        folders = self.repo.empty_folders(f"tasks/{name}")
        ran = act()
        tree = self.repo.tree()
        return before, tree, ran, lambda: self.check_rest(name, before, tree, registry, status, folders)

    # The operations.

    def rollback(self):
        name = self.random.choice(sorted(self.known))
        version_from = self.active[name]
        to = self.random.choice([version for version in self.known[name] if version != version_from])
        argv = ["rollback", "--task", name, "--from", version_from, "--to", to, "--yes"]
        before, tree, ran, check_rest = self.around(name, lambda: self.repo.snapback(*argv, code=None))
        self.check(ran.code == 0, f"{' '.join(argv)}: exit {ran.code}: {ran.err.decode()[:400]}")
        if ran.code != 0:
            return
        was, target = self.scope(before, name), self.release[name, to]
        # What no release ever listed stays. What another release listed may stay or go, unchanged.
        foreign = {path: entry for path, entry in was.items() if path not in target and path not in self.release[name, version_from]}
        now = self.scope(tree, name)
        stays = {path: entry for path, entry in foreign.items() if path not in self.ever[name] or path in now}
        self.active[name] = to
        self.check_target(name, to, tree, stays)
        check_rest()
        self.done.append({"name": name, "from": version_from, "to": to, "before": was, "after": now})
        self.undone.clear()

    def back(self, word):
        """Undo or redo."""
        stack, other = (self.done, self.undone) if word == "undo" else (self.undone, self.done)
        step = stack.pop()
        name = step["name"]
        sides = ("after", "before") if word == "undo" else ("before", "after")
        had, wanted = step[sides[0]], step[sides[1]]
        before, tree, ran, check_rest = self.around(name, lambda: self.repo.snapback(word, "--yes", code=None))
        was, now = self.scope(before, name), self.scope(tree, name)
        changed = {path for path in had.keys() | wanted.keys() if had.get(path) != wanted.get(path)}
        touched = {path for path in changed if was.get(path) != had.get(path)}
        if ran.code != 0:
            # Foreign edits of the same paths may be refused, and then nothing changes at all.
            self.check(bool(touched) and ran.code in (6, 7), f"{word}: exit {ran.code}: {ran.err.decode()[:400]}")
            self.check(before == tree, f"{word} was refused, but changed {lab.first_difference(tree, before)}")
            self.counts[f"refused {word}"] += 1
            stack.append(step)
            return self.settle(name)
        expected = {path: entry for path, entry in was.items() if path not in changed}
        expected |= {path: wanted[path] for path in changed if path in wanted}
        self.check(now == expected, f"{word} of {name}: {lab.first_difference(now, expected)}")
        self.active[name] = step["from"] if word == "undo" else step["to"]
        check_rest()
        other.append({**step, sides[0]: was, sides[1]: now})

    def settle(self, name):
        """After a refusal: the user throws the own edits of the task away, as a person would."""
        folder = f"tasks/{name}"
        self.repo.git("restore", "--", folder)
        if self.large:
            nth = self.known[name].index(self.active[name])
            self.repo.write(f"{folder}/model{LARGE}", lab.large_file(name, nth))
        for path in self.scope(self.repo.tree(), name).keys() - self.release[name, self.active[name]].keys():
            if path in self.ever[name]:
                os.unlink(self.repo.path / path)

    def edit(self, inside):
        """A foreign edit: change, delete, chmod, a new file, an ignored file."""
        tree = self.repo.tree()
        name = self.random.choice(sorted(self.known))
        own = sorted(self.scope(tree, name)) if inside else ["docs/notes.md", "tools/build.sh"]
        folder = f"tasks/{name}" if inside else "docs"
        kind = self.random.choice(["change", "change", "delete", "chmod", "new", "ignored", "listed"])
        path = self.random.choice([path for path in own if not path.endswith("config.yaml")])
        full = self.repo.path / path
        mark = f"# edit {self.random.getrandbits(40):x}\n".encode()
        if kind == "listed" and inside:
            absent = sorted(self.ever[name] - set(own))
            if absent:
                self.repo.write(self.random.choice(absent), mark)
        elif kind == "change" and os.path.exists(full):
            full.write_bytes(full.read_bytes() + mark)
        elif kind == "delete" and inside:
            full.unlink(missing_ok=True)
        elif kind == "chmod" and full.is_file():
            full.chmod(0o755 if full.stat().st_mode & 0o111 == 0 else 0o644)
        elif kind == "ignored":
            self.repo.write(f"{folder}/run{LOG}", mark)
        else:
            self.repo.write(f"{folder}/untracked {self.random.randrange(5)}.txt", mark)
        if not inside and self.random.random() < 0.2:
            self.repo.git("add", "docs")

    def step(self):
        choice = self.random.random()
        if choice < 0.20:
            self.edit(inside=True)
            self.counts["edit in a task"] += 1
        elif choice < 0.28:
            self.edit(inside=False)
            self.counts["edit outside"] += 1
        elif choice < 0.50 and self.done:
            self.counts["undo"] += 1
            self.back("undo")
        elif choice < 0.65 and self.undone:
            self.counts["redo"] += 1
            self.back("redo")
        else:
            self.counts["rollback"] += 1
            self.rollback()

    def operations(self):
        return self.counts["rollback"] + self.counts["undo"] + self.counts["redo"]


def main():
    parser = lab.walk_options("random walk on real code", 200, "rollbacks, undos and redos")
    parser.add_argument("--large", action="store_true", help="every version has a large file, kept in the store")
    options = parser.parse_args()
    place = options.keep or tempfile.mkdtemp(prefix="snapback-walk-")
    started = time.monotonic()
    repo, versions = lab.package_repository(os.path.join(place, "repo"), options.large)
    released = time.monotonic() - started
    walk = Walk(repo, versions, options.seed, options.large)
    for name, version in walk.active.items():
        walk.check_target(name, version, repo.tree(), {})
        walk.check(repo.snapback("verify-rollback", "--task", name, "--expected", version, code=None).code == 0, f"verify-rollback {name}")
    started = time.monotonic()
    while walk.operations() < options.operations and len(walk.violations) < 20:
        walk.step()
        if walk.operations() % 10 == 0:
            name = walk.random.choice(sorted(walk.known))
            ran = repo.snapback("verify-snapshot", "--task", name, "--version", walk.random.choice(walk.known[name]), "--deep", code=None)
            walk.check(ran.code == 0, f"verify-snapshot {name}: exit {ran.code} {ran.err.decode()[:300]}")
    what = f"walk: {len(walk.known)} packages{', with large files' if options.large else ''}, {sum(map(len, walk.known.values()))} releases ({released:.1f} s)"
    lab.end_walk(walk, f"{what}, {walk.operations()} operations", started, place, options)


if __name__ == "__main__":
    main()
