#!/usr/bin/env python3
"""Adoption of a real monorepo: every release tag that exists becomes a release of snapback.

usage: adopt.py MIRROR [--rollbacks N] [--seed N]

MIRROR is a local clone (bare or not) of a repository with many tags of the form name-vX.Y.Z,
for example of https://github.com/GitoxideLabs/gitoxide. Every name becomes a task with the
folder of that name, wherever it lies in the newest tag of that name. Then:

  - `adopt --all --dry-run` and `adopt --all` must finish and account for every such tag:
    adopted, or listed with the reason
  - `verify-snapshot --all` calls none of the adopted releases damaged, and none that was not
    adopted either: what has no manifest cannot be checked. Releases share commits here
  - random tasks are rolled back to random adopted versions; the folder must then be byte-equal
    to what git has at the tag, everything outside untouched, `git fsck` clean
"""

import argparse
import json
import random
import re
import sys
import tempfile
import time
from pathlib import Path

import lab

TAG = re.compile(r"^(?P<task>[A-Za-z0-9][A-Za-z0-9._-]*?)-v(?P<version>\d+\.\d+\.\d+\S*)$")


def timed(what, act):
    started = time.monotonic()
    result = act()
    print(f"{what}: {time.monotonic() - started:.2f} s", flush=True)
    return result


def prepare(mirror, place):
    """A work tree of the mirror, with a configuration that names its tasks. Also: tags by task."""
    home = Path(place).parent / "home"
    home.mkdir()
    clone = lab.Repo(Path(place).parent, home)
    clone.git("clone", "-q", "--no-hardlinks", "--no-checkout", mirror, place)
    repo = lab.Repo(place, home)
    repo.git("config", "gc.auto", "0")
    leave_out_missing(repo)
    tags = {}
    for tag in repo.git("for-each-ref", "--format=%(refname:strip=2)", "refs/tags").text().split():
        found = TAG.match(tag)
        if found:
            tags.setdefault(found["task"], []).append(tag)
    tasks = sorted(tags)
    folders = {task: folder_of(repo, task, tags[task]) for task in tasks}
    lines = [f"  {task}: {{path: {json.dumps(folders[task])}}}\n" for task in tasks]
    repo.write("snapback.yaml", ("version: 1\ntasks:\n  discover: []\n" + "".join(lines)).encode())
    repo.git("add", "snapback.yaml")
    repo.git("commit", "-q", "-m", "Name the tasks")
    return repo, folders, tags


def folder_of(repo, task, tags):
    """The folder of a task: its own name, or a name that ends with it, in its newest tag."""
    newest = repo.git("for-each-ref", "--sort=-creatordate", "--count=1", "--format=%(refname)", *(f"refs/tags/{tag}" for tag in tags)).text().strip()
    listed = repo.git("ls-tree", "-r", "-d", "--name-only", newest, code=None).text().split()
    exact = [path for path in listed if path.rsplit("/", 1)[-1] == task]
    longer = [path for path in listed if path.rsplit("/", 1)[-1].endswith(f"-{task}")]
    return min(exact or longer or [task], key=len)


def shared_commits(repo, tags):
    """How many of the tags lie on a commit that carries another one, too."""
    names = [f"refs/tags/{tag}" for of_task in tags.values() for tag in of_task]
    ids = repo.git("rev-parse", *(f"{name}^{{commit}}" for name in names)).text().split()
    return sum(ids.count(commit) > 1 for commit in ids)


def verify_all(repo, adopted):
    """What `verify-snapshot --all` says that it should not."""
    ran = timed("verify-snapshot --all", lambda: repo.snapback("verify-snapshot", "--all", "--json", code=None))
    wrong, seen = [], set()
    for one in ran.json()["data"]["verifications"]:
        tag = f"{one['task']}-v{one['version']}"
        failing = [check for check in one["checks"] if check["status"] == "fail"]
        if tag in adopted:
            seen.add(tag)
        if failing:
            wrong.append(f"{tag} is called damaged: {failing[0]['id']}: {'; '.join(failing[0]['evidence'])[:200]}")
    wrong += [f"{tag} was adopted, but not verified" for tag in sorted(adopted.keys() - seen)]
    print(f"verify-snapshot --all: {len(seen)} adopted releases verified, exit {ran.code}, {len(wrong)} wrong")
    return wrong


def leave_out_missing(repo):
    """Checks the newest commit out. Files whose bytes the mirror lacks are first taken out of it."""
    listed = repo.git("rev-list", "--objects", "--no-walk", "--missing=print", "HEAD").text().splitlines()
    missing = {line[1:] for line in listed if line.startswith("?")}
    repo.git("read-tree", "HEAD")
    gone = [path for path, (_, blob) in repo.blobs("HEAD", ".").items() if blob in missing]
    if gone:
        repo.git("update-index", "-z", "--force-remove", "--stdin", input="\0".join(gone).encode("utf-8", "surrogateescape"))
        repo.git("commit", "-q", "-m", "Leave out what the mirror lacks")
        print(f"the mirror lacks the bytes of {len(gone)} files of its newest commit; they are left out")
    repo.git("checkout-index", "-a", "-f")
    repo.git("update-index", "-q", "--refresh")


def complaints(repo):
    """What git fsck says, as a set: a mirror that lacks objects says so before and after."""
    ran = repo.git("fsck", "--no-progress", "--no-dangling", code=None)
    return set(ran.text().splitlines()) | set(ran.err.decode().splitlines())


def account(answer, tags, tasks):
    """Every tag of a task must be adopted or listed with a reason."""
    rows = {row["tag"]: row for row in lines_of(answer["data"])}
    adopted = {tag: row for tag, row in rows.items() if row.get("release") and not row.get("reason")}
    wrong = [tag for task in tasks for tag in tags[task] if tag not in rows]
    wrong += [tag for tag, row in rows.items() if tag not in adopted and not row.get("reason")]
    return adopted, wrong


def lines_of(data):
    """The lines of the adoption, wherever the answer keeps them."""
    if isinstance(data, list):
        return data
    return next(value for value in data.values() if isinstance(value, list) and value and "tag" in value[0])


def active_versions(repo):
    data = repo.snapback("status", "--json").json()["data"]
    rows = data if isinstance(data, list) else next(value for value in data.values() if isinstance(value, list))
    return {row["task"]: row["active"] for row in rows}


def compare(repo, tag, folder):
    """The folder of the task against git, byte for byte. The list of what differs."""
    blobs = repo.blobs(f"refs/tags/{tag}", folder)
    here = {path: entry for path, entry in repo.tree().items() if path.startswith(f"{folder}/")}
    wrong = [f"{tag}: {path} is only {'here' if path in here else 'in git'}" for path in sorted(blobs.keys() ^ here.keys())]
    contents = repo.contents([blob for _, blob in blobs.values()]) if blobs else {}
    for path in sorted(blobs.keys() & here.keys()):
        mode, blob = blobs[path]
        full = repo.path / path
        data = str(full.readlink()).encode() if full.is_symlink() else full.read_bytes()
        kind = {"100644": "0o644", "100755": "0o755", "120000": "link"}[mode]
        if data != contents[blob] or here[path][0] != kind:
            wrong.append(f"{tag}: {path} differs")
    return wrong


def lacks_lfs(repo, tag, folder):
    """True when the folder has a file of Git LFS at the tag whose bytes no clone was given."""
    contents = repo.contents([blob for _, blob in repo.blobs(f"refs/tags/{tag}", folder).values()])
    found = (re.match(rb"version https://git-lfs[^\n]*\noid sha256:([0-9a-f]{64})\n", data) for data in contents.values())
    names = [match[1].decode() for match in found if match]
    return any(not (repo.path / ".git/lfs/objects" / name[:2] / name[2:4] / name).exists() for name in names)


def roll(repo, folders, adopted, count, seed):
    """Random rollbacks; the list of what was wrong."""
    choose, wrong, spent, refused = random.Random(seed), [], 0.0, 0
    by_task = {}
    for row in adopted.values():
        task, version = row["release"]
        by_task.setdefault(task, []).append((version, row["tag"]))
    active = active_versions(repo)
    able = sorted(task for task, known in by_task.items() if active.get(task) and any(version != active[task] for version, _ in known))
    for _ in range(count):
        task = choose.choice(able)
        version, tag = choose.choice([known for known in sorted(by_task[task]) if known[0] != active[task]])
        folder = folders[task]
        before = {path: entry for path, entry in repo.tree().items() if not path.startswith(f"{folder}/")}
        started = time.monotonic()
        ran = repo.snapback("rollback", "--task", task, "--from", active[task], "--to", version, "--yes", code=None)
        spent += time.monotonic() - started
        if ran.code != 0:
            if ran.code == 8 and lacks_lfs(repo, tag, folder):
                refused += 1
                continue
            said = [line for line in ran.err.decode().splitlines() if not line.startswith("warning: ")]
            wrong.append(f"{task} {active[task]} -> {version}: exit {ran.code}: {' '.join(said)[:300]}")
            continue
        active[task] = version
        wrong += compare(repo, tag, folder)
        after = {path: entry for path, entry in repo.tree().items() if not path.startswith(f"{folder}/")}
        before.pop("task_registry.json", None), after.pop("task_registry.json", None)
        if before != after:
            wrong.append(f"{task} -> {version}: something outside changed")
    print(f"{count} rollbacks of {len(able)} tasks: {spent:.2f} s, {1000 * spent / max(count, 1):.0f} ms each; {refused} rightly refused: the mirror has no Git LFS")
    return wrong


def main():
    parser = argparse.ArgumentParser(description="adoption of a real monorepo")
    parser.add_argument("mirror")
    parser.add_argument("--rollbacks", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="snapback-adopt-") as place:
        repo, folders, tags = prepare(str(Path(options.mirror).resolve()), str(Path(place) / "repo"))
        print(f"{sum(map(len, tags.values()))} tags of the form name-vX.Y.Z, {len(folders)} tasks, {shared_commits(repo, tags)} tags share their commit")
        said = complaints(repo)
        before, head = repo.tree(), repo.git("rev-parse", "HEAD").text()
        dry = timed("adopt --all --dry-run", lambda: repo.snapback("adopt", "--all", "--dry-run", "--yes", "--json"))
        wrong = [] if (before, head) == (repo.tree(), repo.git("rev-parse", "HEAD").text()) else ["the dry run changed something"]
        real = timed("adopt --all", lambda: repo.snapback("adopt", "--all", "--yes", "--json"))
        adopted, missing = account(real.json(), tags, folders)
        promised, _ = account(dry.json(), tags, folders)
        wrong += [f"not accounted for: {tag}" for tag in missing]
        wrong += [] if adopted.keys() == promised.keys() else ["the dry run promised something else"]
        reasons = {}
        for row in lines_of(real.json()["data"]):
            if row.get("reason"):
                reasons[row["reason"]] = reasons.get(row["reason"], 0) + 1
        print(f"{len(adopted)} adopted, {sum(reasons.values())} not: {json.dumps(reasons)[:600]}")
        again = repo.snapback("adopt", "--all", "--yes", "--json").json()
        wrong += ["adopting twice changed something"] if again["changed"] else []
        wrong += verify_all(repo, adopted)
        wrong += roll(repo, folders, adopted, options.rollbacks, options.seed)
        wrong += [f"git fsck: {line}" for line in sorted(complaints(repo) - said)]
    print(f"adopt: {len(adopted)} releases, {options.rollbacks} rollbacks, {len(wrong)} violations")
    print("\n".join(wrong[:20]))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
