"""Rows of goals.py about small files: rounds of syncs, slow syncs, CPU, system calls, a release, memory."""

import lab
from goals_measure import in_turn, run, size_of, traced
from goals_report import count, mib, seconds, size, times

# So slow that syncs of one round overlap on a busy machine, too.
SLOW = 0.1
SYNCED = "-c core.fsync=all -c core.fsyncMethod=fsync"


class Subject:
    """A task of a repository that goes to and fro between two releases."""

    def __init__(self, repo, task, older, newer):
        self.repo, self.task, self.older, self.newer, self.at = repo, task, older, newer, newer
        self.released = 0

    def turn(self):
        self.at = self.older if self.at == self.newer else self.newer
        return self.at

    def checked(self, cost):
        """The same cost, once the work tree was compared with the release."""
        self.repo.git("diff", "--exit-code", "--stat", f"refs/tags/{self.task}-v{self.at}", "--", f"tasks/{self.task}")
        return cost

    def settle(self):
        """Commits what a restore of git left in the index."""
        if self.repo.git("diff", "--quiet", "--cached", code=None).code:
            self.repo.git("commit", "-q", "-m", "the last restore")

    def rollback(self):
        return [lab.program(), "rollback", "--task", self.task, "--to", self.turn(), "--yes"]

    def restore(self, commit=False, options=""):
        self.settle()
        script = f"git {options} restore --source=refs/tags/{self.task}-v{self.turn()} --staged --worktree -- tasks/{self.task}"
        return script + (f"\ngit {options} commit -q -m back" if commit else "")

    def change(self):
        """Adds a line to three files; gives the version that is released next."""
        self.released += 1
        paths = sorted((self.repo.path / "tasks" / self.task).rglob("*.py"))
        for nth in (1, 2, 3):
            with open(paths[len(paths) * nth // 4], "a") as file:
                file.write(f"# change {self.released}\n")
        return f"100.0.{self.released}"

    def release(self):
        return [lab.program(), "create-snapshot", "--task", self.task, "--version", self.change(), "-m", "change", "--yes"]

    def commit(self):
        version = self.change()
        return f"git add -A tasks/{self.task}\ngit commit -q -m change\ngit tag -a -m change {self.task}-v{version}"


def package(bench, name):
    """A copy of the repository of four packages; its task `rich` has 84 files."""
    return Subject(bench.copy("package", lambda path: lab.package_repository(path)[0], name), "rich", "13.3.3", "13.3.4")


def large(bench, name):
    build = lambda path: lab.many_files(path, bench.files, min(20, bench.files))
    return Subject(bench.copy("files", build, name), "large", "1.0.0", "1.0.1")


def rounds(bench):
    """Serial rounds of syncs of each operation, each sync much slower, so that those of one round overlap."""
    ours, undo = package(bench, "rounds"), [lab.program(), "undo", "--yes"]
    found = in_turn({
        "rollback": lambda: traced(ours.repo, ours.rollback(), SLOW),
        "undo": lambda: ours.turn() and ours.checked(traced(ours.repo, undo, SLOW)),
    }, bench.runs)
    found |= in_turn({"release": lambda: traced(ours.repo, ours.release(), SLOW)}, bench.runs)
    for name, cost in found.items():
        bench.report.figure("rounds of syncs, 84 files", f"snapback {name}", cost, bench.runs)
        bench.report.most(f"serial sync rounds: {name}, 84 files", cost.rounds, 3, count)


def latency(bench):
    """The wall time of a rollback where each sync takes longer, beside git with everything synced."""
    ours, theirs = package(bench, "late-snapback"), package(bench, "late-git")
    walls = {}
    for delay in (0, 0.010, 0.040):
        found = in_turn({
            "snapback rollback": lambda: ours.checked(traced(ours.repo, ours.rollback(), delay)),
            "git restore + commit, synced": lambda: theirs.checked(traced(theirs.repo, theirs.restore(True, SYNCED), delay)),
        }, bench.runs)
        for name, cost in found.items():
            bench.report.figure(f"+{1000 * delay:.0f} ms a sync, 84 files", name, cost, bench.runs)
        walls[delay] = [cost.wall for cost in found.values()]
    mine, git = walls[0.010]
    bench.report.most("rollback of 84 files with 10 ms more a sync, wall", mine / git, 1, times, " of `git restore` + commit, `core.fsync=all`", f" ({seconds(mine)} and {seconds(git)})")
    slopes = [(late - soon) / 0.030 for late, soon in zip(walls[0.040], walls[0.010])]
    bench.report.goal("the same, rounds by the slope from 10 to 40 ms", "", f"{slopes[0]:.1f} (git {slopes[1]:.1f})")


def cpu(bench):
    """The CPU seconds of a rollback beside those of git restore."""
    for make, files, limit in ((package, 84, 1.5), (large, bench.files, 1.3)):
        ours, theirs = make(bench, "cpu-snapback"), make(bench, "cpu-git")
        found = in_turn({
            "snapback rollback": lambda: ours.checked(run(ours.repo, ours.rollback())[0]),
            "git restore": lambda: theirs.checked(run(theirs.repo, theirs.restore())[0]),
        }, 3 * bench.runs)
        for name, cost in found.items():
            bench.report.figure(f"rollback, {files:,} files", name, cost, 3 * bench.runs)
        mine, git = (cost.cpu for cost in found.values())
        bench.report.most(f"rollback CPU, {files:,} files", mine / git, limit, times, " of `git restore`", f" ({seconds(mine)} and {seconds(git)})")


def calls(bench):
    """System calls a changed file, where each file of the task changes."""
    files = max(bench.files // 10, 10)
    build = lambda path: lab.many_files(path, files, files)
    each = {}
    for name in ("snapback", "git"):
        it = Subject(bench.copy("changed", build, f"calls-{name}"), "large", "1.0.0", "1.0.1")
        argv, counted = it.rollback if name == "snapback" else it.restore, 0
        # To and fro: what is loose in the older version is packed in the newer one.
        for _ in range(2):
            cost = it.checked(traced(it.repo, argv(), every=True))
            bench.report.figure(f"system calls, {files:,} of {files:,} files changed", f"{name}, to {it.at}", cost)
            counted += cost.calls
        each[name] = counted / files / 2
    bench.report.most("system calls a changed file", each["snapback"] / each["git"], 1.5, times, " of git's", f" ({each['snapback']:.1f} and {each['git']:.1f})")


def grown(repo, argv):
    """What a release costs, and the bytes that it adds to .git."""
    before = size_of(repo.path / ".git")
    cost, _ = run(repo, argv)
    cost.kept = size_of(repo.path / ".git") - before
    return cost


def release(bench):
    """A release of three changed lines: CPU, and bytes that it adds to .git."""
    ours, theirs = large(bench, "release-snapback"), large(bench, "release-git")
    found = in_turn({
        "snapback create-snapshot": lambda: grown(ours.repo, ours.release()),
        "git add + commit + tag": lambda: grown(theirs.repo, theirs.commit()),
    }, bench.runs)
    for name, cost in found.items():
        bench.report.figure(f"release, {bench.files:,} files, 3 lines", name, cost, bench.runs)
    ours.repo.git("diff", "--exit-code", "--stat", f"refs/tags/large-v100.0.{ours.released}", "--", "tasks/large")
    mine, git = found.values()
    bench.report.most(f"release of {bench.files:,} files, CPU", mine.cpu / git.cpu, 1.5, times, " of git", f" ({seconds(mine.cpu)} and {seconds(git.cpu)})")
    bench.report.most("bytes that it adds to .git", mine.kept / git.kept, 5, times, " of git", f" ({size(mine.kept)} and {size(git.kept)})")


def memory(bench):
    """The peak memory of commands that look at every file, beside the size of git's index."""
    ours = large(bench, "memory")
    index = (ours.repo.path / ".git" / "index").stat().st_size
    commands = {"rollback": ours.rollback, "release": ours.release}
    commands["diff"] = lambda: [lab.program(), "diff", "-t", "large", "1.0.0..1.0.1", "--stat"]
    commands |= {word: lambda word=word: [lab.program(), word] for word in ("status", "health")}
    commands["git status"] = lambda: ["git", "status", "--porcelain"]
    found = {name: run(ours.repo, argv(), peak=True)[0] for name, argv in commands.items()}
    for name, cost in found.items():
        bench.report.figure(f"memory, {bench.files:,} files", name, cost)
    found.pop("git status")
    name, cost = max(found.items(), key=lambda pair: pair[1].peak)
    limit = 2 * index + 30 * 1024 * 1024
    bench.report.goal(f"memory, {bench.files:,} files", f"<= 2 x git's index + 30 MiB = {mib(limit)}", f"{mib(cost.peak)} ({name})", cost.peak <= limit)
