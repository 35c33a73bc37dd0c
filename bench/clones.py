#!/usr/bin/env python3
"""Two people and a remote: does a version number ever mean two contents, and is every word true?

Two clones and a bare remote. Random releases, rollbacks, undos, edits, commits, pushes, pulls with
rebase and with merge, squash merges, fresh clones with and without tags, tags that are lost and
tags that are moved, with hooks and without. After every step an independent judge, which knows
only git and the files, looks at what snapback said:

  - a version that the clone can know of (tag, manifest in a branch it has, tag on the remote when it
    pushes) is not released again; on the remote a version never changes its content
  - what `verify-snapshot` calls damaged is damaged, what it passes is whole
  - "verified" of a rollback, an undo or `verify-rollback` means the bytes of that release
  - "nothing was changed" means it

usage: clones.py [--seed N] [--operations N] [--keep DIR]
"""

import hashlib
import json
import os
import random
import re
import shutil
import tempfile
import time
from collections import Counter

import lab

TASKS = ["T01", "T02", "T03"]
RELEASE_TAG = re.compile(r"^(T\d\d)-v(\d+\.\d+\.\d+)$")
DAMAGED, WHOLE, OTHER_COPY, UNKNOWN = "damaged", "whole", "other copy", "unknown"


class Clone(lab.Repo):
    """A person's repository, and what the judge knows of it."""

    def __init__(self, path, home, name):
        super().__init__(path, home)
        self.name = name
        for who in ("AUTHOR", "COMMITTER"):
            self.env[f"GIT_{who}_NAME"], self.env[f"GIT_{who}_EMAIL"] = name, f"{name}@example.com"
        self.env["GIT_EDITOR"] = "true"
        self.contents_of = {}  # (task, version) -> content, as this clone first had it

    def refs(self, *below):
        text = self.git("for-each-ref", "--format=%(objectname) %(refname)", *below).text()
        return {name: id for id, name in (line.split(" ", 1) for line in text.splitlines())}

    def has(self, name):
        return self.git("rev-parse", "-q", "--verify", name, code=None).code == 0

    def branch(self):
        return self.git("symbolic-ref", "-q", "--short", "HEAD", code=None).text().strip()

    def content(self, commit, task):
        """path -> (mode, SHA-256) of a task in a commit."""
        blobs = self.blobs(commit, f"tasks/{task}")
        data = self.contents([blob for _, blob in blobs.values()]) if blobs else {}
        return {path: (mode, hashlib.sha256(data[blob]).hexdigest()) for path, (mode, blob) in blobs.items()}

    def on_disk(self, task, paths):
        """The same of the work tree, for these paths."""
        found = {}
        for path in paths:
            full = self.path / path
            if full.is_file():
                mode = "100755" if full.stat().st_mode & 0o100 else "100644"
                found[path] = (mode, hashlib.sha256(full.read_bytes()).hexdigest())
        return found

    def manifest_in(self, commit, task, version):
        ran = self.git("cat-file", "blob", f"{commit}:snapshots/snapshot-{task}-v{version}.yaml", code=None)
        return ran.out if ran.code == 0 else None

    def fingerprint(self):
        """Everything that "nothing was changed" speaks of: files, branches, tags, staged work."""
        tree = {path: entry[:2] for path, entry in self.tree().items()}
        return tree, self.refs("refs/heads", "refs/tags"), self.git("ls-files", "-s").out


class Walk:
    def __init__(self, place, seed):
        self.place, self.random, self.seed = place, random.Random(seed), seed
        self.counts, self.violations, self.checks, self.steps = Counter(), [], 0, 0
        self.remote_content = {}
        self.remote_moved = set()
        self.edits = 0
        self.origin = lab.Repo(os.path.join(place, "origin.git"), os.path.join(place, "home"))
        self.origin.path.mkdir(parents=True)
        self.origin.git("init", "-q", "--bare", "-b", "main")
        self.clones = {"ann": self.first(), "bob": None}
        self.clones["bob"] = self.clone("bob", [])

    # Making clones.

    def first(self):
        ann = Clone(os.path.join(self.place, "ann"), os.path.join(self.place, "home"), "ann")
        ann.init()
        for task in TASKS:
            ann.write(f"tasks/{task}/main.py", f"print('{task}')\n".encode())
            ann.write(f"tasks/{task}/run.sh", b"#!/bin/sh\nexec true\n", 0o755)
            ann.write(f"tasks/{task}/config.yaml", lab.config("1.0.0"))
        entries = {task: {"version": "1.0.0"} for task in TASKS}
        ann.write("task_registry.json", (json.dumps({"tasks": entries}, indent=2) + "\n").encode())
        ann.write("notes.md", b"# notes\n")
        ann.git("add", "-A")
        ann.git("commit", "-q", "-m", "first")
        ann.git("remote", "add", "origin", str(self.origin.path))
        ann.git("push", "-q", "-u", "origin", "main")
        return ann

    def clone(self, name, options):
        path = os.path.join(self.place, name)
        shutil.rmtree(path, ignore_errors=True)
        clone = Clone(path, os.path.join(self.place, "home"), name)
        lab.Repo(self.place, clone.home).git("clone", "-q", *options, f"file://{self.origin.path}", path)
        clone.git("config", "gc.auto", "0")
        return clone

    # The judge.

    def check(self, right, what):
        self.checks += 1
        if not right:
            self.violations.append(f"step {self.steps} (seed {self.seed}): {what}")
            print("VIOLATION", self.violations[-1], flush=True)

    def learn(self, clone):
        """Notes every release tag that the clone has and the judge has not seen there."""
        for name in clone.refs("refs/tags"):
            found = RELEASE_TAG.match(name.removeprefix("refs/tags/"))
            if found and found.groups() not in clone.contents_of and clone.has(f"{name}^{{commit}}"):
                clone.contents_of[found.groups()] = clone.content(name, found[1])

    def learn_remote(self):
        """On the remote a version keeps its content for ever, but for what the walk itself moved."""
        for line in self.origin.git("for-each-ref", "--format=%(refname:strip=2)", "refs/tags").text().split():
            found = RELEASE_TAG.match(line)
            if not found:
                continue
            blobs = self.origin.blobs(f"refs/tags/{line}", f"tasks/{found[1]}")
            was = self.remote_content.setdefault(found.groups(), blobs)
            self.check(was == blobs or found.groups() in self.remote_moved, f"{line} has another content on the remote than before")

    def truth(self, clone, task, version):
        """Is this release whole, as far as git and the files say?"""
        tag = f"refs/tags/{task}-v{version}"
        if not clone.has(tag):
            return UNKNOWN
        if not clone.has(f"{tag}^{{commit}}"):
            return DAMAGED
        kept = clone.refs(f"refs/snapback/keep/{task}/{version}")
        if kept and set(kept.values()) != {clone.refs(tag)[tag]}:
            return DAMAGED
        message = clone.git("cat-file", "-p", tag).text()
        trailer = re.findall(r"^Snapback-Manifest: (?:sha256:)?([0-9a-f]{64})$", message, re.M)
        if not trailer:
            return UNKNOWN
        data, other_copy = None, False
        for name in ["HEAD", *clone.refs("refs/heads", "refs/remotes", "refs/snapback/safety")]:
            data = clone.manifest_in(name, task, version) if clone.has(f"{name}^{{commit}}") else None
            if data is not None and hashlib.sha256(data).hexdigest() == trailer[-1]:
                break
            other_copy = other_copy or (data is not None and name == "HEAD")
            data = None
        if data is None:
            return UNKNOWN
        listed = {path: entry for path, entry in lab.manifest_files(data.decode()).items() if path.startswith(f"tasks/{task}/")}
        content = clone.content(tag, task)
        same = listed.keys() == content.keys() and all(entry["checksum"] == f"sha256:{content[path][1]}" for path, entry in listed.items())
        copy = clone.path / f"snapshots/snapshot-{task}-v{version}.yaml"
        other_copy = other_copy or (copy.exists() and copy.read_bytes() != data)
        return (OTHER_COPY if other_copy else WHOLE) if same else DAMAGED

    def judge_words(self, clone, ran, before, what):
        """What holds of every answer."""
        said = ran.text() + ran.err.decode(errors="replace")
        self.check(ran.code not in (1, 101), f"{what}: exit {ran.code}: {said[-400:]}")
        self.check("panicked" not in said, f"{what}: {said[-400:]}")
        if "nothing was changed" in said:
            now = clone.fingerprint()
            self.check(now == before, f"{what}: said that nothing was changed, but {what_differs(before, now)}")
        for task, version in re.findall(r"^(T\d\d) is at (\d+\.\d+\.\d+), verified", said, re.M):
            self.judge_at(clone, task, version, what)
        return said

    def judge_at(self, clone, task, version, what):
        """The task's folder holds the bytes of the release."""
        content = clone.contents_of.get((task, version))
        if content is None:
            self.check(False, f"{what}: {task} {version} is called verified, but there is no such release in {clone.name}")
            return
        now = clone.on_disk(task, content)
        self.check(now == content, f"{what}: {task} {version} is called verified, but {lab.first_difference(now, content)}")

    def snapback(self, clone, *argv):
        before = clone.fingerprint()
        ran = clone.snapback(*argv, code=None)
        what = f"{clone.name}: snapback {' '.join(argv)}"
        said = self.judge_words(clone, ran, before, what)
        self.counts[f"{argv[0]} {'ok' if ran.code == 0 else ran.code}"] += 1
        return ran, said, what

    # What people do.

    def edit(self, clone):
        self.edits += 1
        task = self.random.choice(TASKS)
        clone.write(f"tasks/{task}/main.py", f"print('{task} {self.edits}')\n".encode())
        if self.random.random() < 0.3:
            clone.write(f"tasks/{task}/extra_{self.random.randrange(3)}.py", f"# {self.edits}\n".encode())
        if self.random.random() < 0.6:
            clone.git("add", "-A")
            kind = self.random.choice(["feat", "fix", "chore"])
            clone.git("commit", "-q", "-m", f"{kind}({task}): change {self.edits}", code=None)

    def release(self, clone, may_push=True):
        task = self.random.choice(TASKS)
        how = self.random.choice([["--bump", "auto"], ["--bump", "patch"], ["--bump", "minor"], [], ["--version", f"1.{self.random.randrange(6)}.{self.random.randrange(4)}"]])
        push = ["--push"] if may_push and self.random.random() < 0.3 else []
        known_before = clone.refs("refs/tags")
        versions = {version for name in ("heads", "remotes") for version in self.manifests(clone, task, name)}
        on_remote = {key for key in self.remote_content if key[0] == task}
        ran, said, what = self.snapback(clone, "create-snapshot", "-t", task, *how, "-m", f"change {self.edits}", "--yes", *push)
        made = re.search(rf"^{task} (\d+\.\d+\.\d+) is released", said, re.M)
        new = [name for name in clone.refs("refs/tags") if name not in known_before]
        if made and new:
            version = made[1]
            self.check(version not in versions, f"{what}: {version} was released again, though its manifest was in a branch here")
            self.check(not push or (task, version) not in on_remote, f"{what}: {version} was released again, though its tag is on the remote")
            if "verified" in said:
                self.learn(clone)
                self.judge_at(clone, task, version, what)
        self.learn(clone)
        if push and ran.code not in (0, 4) and made:
            self.snapback(clone, "undo", "--yes")
            self.forget(clone)

    def manifests(self, clone, task, below):
        """The versions of a task whose manifests are in the branches of a clone."""
        found = set()
        for name in clone.refs(f"refs/{below}"):
            if not clone.has(f"{name}^{{commit}}"):
                continue
            listed = clone.git("ls-tree", "--name-only", name, "snapshots/", code=None).text()
            found |= set(re.findall(rf"snapshot-{task}-v(\d+\.\d+\.\d+)\.yaml", listed))
        return found

    def forget(self, clone):
        """Releases whose tags are gone may be made anew."""
        there = {RELEASE_TAG.match(name.removeprefix("refs/tags/")) for name in clone.refs("refs/tags")}
        there = {found.groups() for found in there if found}
        kept = {tuple(name.removeprefix("refs/snapback/keep/").split("/", 1)) for name in clone.refs("refs/snapback/keep")}
        for key in list(clone.contents_of):
            if key not in there and key not in kept:
                del clone.contents_of[key]

    def rollback(self, clone):
        task = self.random.choice(TASKS)
        versions = sorted(version for known, version in clone.contents_of if known == task)
        if versions:
            self.snapback(clone, "rollback", "-t", task, "--to", self.random.choice(versions), "--yes")

    def back(self, clone):
        self.snapback(clone, self.random.choice(["undo", "undo", "redo"]), "--yes")
        self.forget(clone)

    def settle(self, clone):
        """Ends a merge or rebase in the middle: by hand where it is possible, else not at all."""
        for _ in range(20):
            git = clone.path / ".git"
            merging, rebasing = (git / "MERGE_HEAD").exists(), (git / "rebase-merge").exists() or (git / "rebase-apply").exists()
            if not merging and not rebasing:
                return
            if self.random.random() < 0.3:
                clone.git("merge" if merging else "rebase", "--abort", code=None)
                continue
            side = self.random.choice(["--ours", "--theirs"])
            for path in clone.git("diff", "--name-only", "--diff-filter=U").text().split():
                if clone.git("checkout", side, "--", path, code=None).code != 0:
                    clone.git("rm", "-q", "--cached", "--", path, code=None)
                    (clone.path / path).unlink(missing_ok=True)
            clone.git("add", "-A")
            if merging:
                clone.git("commit", "-q", "--no-edit", code=None)
            elif clone.git("rebase", "--continue", code=None).code != 0:
                clone.git("rebase", "--skip", code=None)
        clone.git("rebase", "--abort", code=None)

    def pull(self, clone):
        clone.git("add", "-A")
        clone.git("commit", "-q", "-m", "work", code=None)
        how = self.random.choice([["--rebase"], ["--no-rebase", "--no-edit"]])
        clone.git("pull", "-q", *how, "origin", "main", code=None)
        self.settle(clone)
        self.learn(clone)

    def push(self, clone):
        kind = self.random.randrange(4)
        if kind == 0:
            clone.git("push", "-q", "origin", "HEAD:main", code=None)
        elif kind == 1:
            clone.git("push", "-q", "--follow-tags", "origin", "HEAD:main", code=None)
        elif kind == 2:
            clone.git("push", "-q", "--atomic", "--tags", "origin", "HEAD:main", code=None)
        else:
            self.snapback(clone, "verdicts", "push")
        self.learn_remote()

    def fetch(self, clone):
        clone.git("fetch", "-q", *self.random.choice([["--tags"], [], ["--prune"]]), "origin", code=None)
        if self.random.random() < 0.3:
            self.snapback(clone, "verdicts", "fetch")
        self.learn(clone)

    def squash(self, clone):
        """A feature branch with a release of its own, merged as one commit and deleted."""
        if clone.branch() != "main":
            return
        branch = f"feature-{self.steps}"
        clone.git("switch", "-q", "-c", branch, code=None)
        self.edit(clone)
        self.release(clone, may_push=False)
        clone.git("add", "-A")
        clone.git("commit", "-q", "-m", "rest", code=None)
        if self.random.random() < 0.6:
            clone.git("push", "-q", "--follow-tags", "origin", branch, code=None)
        clone.git("switch", "-q", "main", code=None)
        clone.git("merge", "-q", "--squash", branch, code=None)
        for path in clone.git("diff", "--name-only", "--diff-filter=U").text().split():
            clone.git("checkout", "--theirs", "--", path, code=None)
        clone.git("add", "-A")
        clone.git("commit", "-q", "-m", f"squash of {branch}", code=None)
        clone.git("branch", "-q", "-D", branch, code=None)
        clone.git("push", "-q", "origin", "--delete", branch, code=None)
        self.learn_remote()

    def lose_tag(self, clone):
        tags = [name.removeprefix("refs/tags/") for name in clone.refs("refs/tags")]
        if tags:
            clone.git("tag", "-d", self.random.choice(tags))

    def move_tag(self, clone):
        tags = [name.removeprefix("refs/tags/") for name in clone.refs("refs/tags") if RELEASE_TAG.match(name.removeprefix("refs/tags/"))]
        if not tags or not clone.has("HEAD~1"):
            return
        tag = self.random.choice(tags)
        clone.git("tag", "-f", *self.random.choice([["-a", "-m", "moved"], []]), tag, "HEAD~1", code=None)
        if self.random.random() < 0.2:
            clone.git("push", "-q", "--no-verify", "-f", "origin", f"refs/tags/{tag}", code=None)
            self.remote_moved.add(RELEASE_TAG.match(tag).groups())
            self.remote_content.pop(RELEASE_TAG.match(tag).groups(), None)
            self.learn_remote()

    def new_clone(self, name):
        options = self.random.choice([[], ["--no-tags"], ["--depth", "1"], ["--depth", "3", "--no-tags"]])
        # Work that is nowhere else is not thrown away by people: it is pushed, or it is lost with its clone.
        self.clones[name] = self.clone(name, options)
        if self.random.random() < 0.5:
            self.clones[name].git("config", "remote.origin.tagOpt", "--tags")
        self.learn(self.clones[name])

    def hooks(self, clone):
        self.snapback(clone, "hooks", self.random.choice(["install", "uninstall"]), "--yes")

    def verify(self, clone):
        ran = clone.snapback("verify-snapshot", "--all", "--json", code=None)
        what = f"{clone.name}: verify-snapshot --all"
        self.counts[f"verify-snapshot {'ok' if ran.code == 0 else ran.code}"] += 1
        answer = ran.json()
        verifications = (answer.get("data") or {}).get("verifications", [])
        self.check(verifications or ran.code != 0 or not self.manifests_here(clone), f"{what}: nothing was verified, exit 0")
        bad, other = 0, 0
        for one in verifications:
            truth = self.truth(clone, one["task"], one["version"])
            statuses = {check["status"] for check in one["checks"]}
            failing = [check for check in one["checks"] if check["status"] == "fail"]
            bad += bool(failing)
            # The branch holds another release of the number than the tag: a conflict, nothing is damaged.
            other += bool(failing) and all(check["id"] == "integrity.number" for check in failing)
            self.check(not (failing and truth == WHOLE), f"{what}: {one['task']} {one['version']} is whole, but: {failing[:1]}")
            of_copy = {check["id"] for check in failing} <= {"integrity.copy", "integrity.number"}
            self.check(truth != OTHER_COPY or of_copy, f"{what}: {one['task']} {one['version']} is whole, but not its copy, and: {failing}")
            self.check(not (truth in (DAMAGED, OTHER_COPY) and statuses <= {"pass", "skipped"}), f"{what}: {one['task']} {one['version']} is damaged, but passes")
        codes = [7] if bad == other else [4]
        self.check(not bad or ran.code in codes, f"{what}: {bad} do not hold, {other} of them for their number alone, exit {ran.code}")

    def manifests_here(self, clone):
        return (clone.path / "snapshots").is_dir() and any((clone.path / "snapshots").iterdir())

    def look(self, clone):
        task = self.random.choice(TASKS)
        ran, said, what = self.snapback(clone, "verify-rollback", "-t", task)
        found = re.search(rf"^{task} (\d+\.\d+\.\d+) is verified", said, re.M)
        if ran.code == 0 and found:
            self.judge_at(clone, task, found[1], what)
        self.snapback(clone, self.random.choice(["status", "list", "history", "health", "doctor"]))

    def step(self):
        self.steps += 1
        name = self.random.choice(["ann", "bob"])
        clone = self.clones[name]
        acts = [
            (20, lambda: self.edit(clone)),
            (20, lambda: self.release(clone)),
            (9, lambda: self.rollback(clone)),
            (7, lambda: self.back(clone)),
            (12, lambda: self.pull(clone)),
            (12, lambda: self.push(clone)),
            (5, lambda: self.fetch(clone)),
            (3, lambda: self.squash(clone)),
            (2, lambda: self.lose_tag(clone)),
            (2, lambda: self.move_tag(clone)),
            (2, lambda: self.new_clone(name)),
            (2, lambda: self.hooks(clone)),
            (6, lambda: self.verify(clone)),
            (4, lambda: self.look(clone)),
        ]
        weights, choices = zip(*acts)
        self.random.choices(choices, weights)[0]()
        self.settle(self.clones[name])


def what_differs(before, now):
    """What of two fingerprints differs."""
    for was, there in zip(before, now):
        if was != there:
            return lab.first_difference(there, was) if isinstance(was, dict) else "the index differs"
    return "nothing differs"


def main():
    options = lab.walk_options("two clones, a remote, and a judge", 1000, "steps of the walk").parse_args()
    place = options.keep or tempfile.mkdtemp(prefix="snapback-clones-")
    started = time.monotonic()
    walk = Walk(place, options.seed)
    while walk.steps < options.operations and len(walk.violations) < 20:
        walk.step()
    lab.end_walk(walk, f"clones: {walk.steps} steps", started, place, options)


if __name__ == "__main__":
    main()
