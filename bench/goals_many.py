"""Rows of goals.py about many tasks, many operations, and Ctrl-C."""

import lab
import many
from goals_files import package
from goals_measure import FINE, exponent, in_turn, interrupted, run, size_of
from goals_report import seconds, size, times

VERSIONS = 5
# A command that takes longer is ended; what it took until then is shown.
LIMIT = 240
OPERATIONS = 5000


def many_tasks(bench, count):
    """A repository with so many tasks of five versions, and a task in the middle."""
    build = lambda path: many.build(path, count, VERSIONS)
    return bench.repository(f"tasks-{count}", build), f"T{count // 2 + 1:04}"


def looking(repo, task, version):
    """The commands that only look, and git's beside them: name -> a function that gives a Cost."""
    ours = {"status": ["status"], "list": ["list"], "health": ["health"], "history": ["history"], "list -t": ["list", "-t", task]}
    commands = {f"snapback {name}": ([lab.program(), *argv], None) for name, argv in ours.items()}
    commands |= {f"TAB after {words[-2]}": many.completion(["snapback", "rollback", *words]) for words in presses(task, version)}
    commands |= {"git status": (["git", "status", "--porcelain"], None), "git for-each-ref": (["git", "for-each-ref"], None)}
    return {name: lambda argv=argv, env=env: run(repo, argv, env, limit=LIMIT, patient=True)[0] for name, (argv, env) in commands.items()}


def presses(task, version):
    """The words of a rollback at whose end TAB is pressed."""
    return [["--task", task, "--to", version[:3]], ["--task", task[:3]]]


def offered(repo, task, version):
    """Fails unless TAB offers what it should."""
    for words, wanted in zip(presses(task, version), (version, task)):
        argv, env = many.completion(["snapback", "rollback", *words])
        if wanted not in run(repo, argv, env)[1]:
            raise lab.Failed(f"TAB does not offer {wanted} after {' '.join(words)}")


def tasks(bench):
    """Commands that look, with many tasks, and with a tenth of them."""
    found = []
    for count in (bench.tasks // 10, bench.tasks):
        repo, task = many_tasks(bench, count)
        offered(repo, task, "1.0.1")
        costs = in_turn(looking(repo, task, "1.0.1"), bench.runs)
        for name, cost in costs.items():
            bench.report.figure(f"{count:,} tasks, {count * VERSIONS:,} tags", name, cost, bench.runs)
        found.append(costs)
    few, all_ = ({name: cost.cpu for name, cost in costs.items()} for costs in found)
    at = f"{bench.tasks:,} tasks x {VERSIONS}"
    git = all_["git status"] + all_["git for-each-ref"]
    bench.report.most(f"status, {at}, CPU", all_["snapback status"] / git, 3, times, " of `git status` + `git for-each-ref`", f" ({seconds(all_['snapback status'])} and {seconds(git)})")
    for name in ("status", "list", "health", "history"):
        a, b = few[f"snapback {name}"], all_[f"snapback {name}"]
        power, more = exponent(a, b, 10), "more than " if found[1][f"snapback {name}"].late else ""
        bench.report.goal(f"{name}, from {bench.tasks // 10:,} to {at}, CPU", "linear (exponent <= 1.1)", f"{more}{power:.2f} ({seconds(a)} to {more}{seconds(b)})", power <= 1.1 and not more)
    for name in ("TAB after --to", "TAB after --task"):
        bench.report.most(f"{name}, {at}, CPU", all_[name], 0.030, seconds)


def left(repo):
    """What operations leave: bytes by place, and references."""
    git = repo.path / ".git"
    objects = size_of(git / "objects")
    return {"all": size_of(git), "objects": objects, "snapback": size_of(git / "snapback"), "references": repo.git("for-each-ref", "--format=x").text().count("x")}


def operations(bench):
    """Commands after many rollbacks, and what a rollback leaves behind."""
    it = package(bench, "operations")
    offered(it.repo, "rich", "13.3.4")
    marks = sorted({max(20, bench.operations * share // 100) for share in (0, 6, 30, 100)})
    done, found, leftover = 0, {}, {}
    for mark in marks:
        while done < mark:
            it.repo.run(*it.rollback())
            done += 1
        it.checked(None)
        leftover[done] = left(it.repo)
        commands = looking(it.repo, "rich", "13.3.4")
        commands["snapback rollback"] = lambda: run(it.repo, it.rollback())[0]
        costs = in_turn(commands, bench.runs)
        done += bench.runs + (bench.runs > 1)
        for name, cost in costs.items():
            bench.report.figure(f"{mark:,} operations", name, cost, bench.runs)
        found[mark] = {name: cost.cpu for name, cost in costs.items()}
    report_operations(bench, found, leftover)


def report_operations(bench, found, leftover):
    """The goals about operations. With fewer than 5,000 the cost of so many follows from the slope."""
    first, last = min(found), max(found)
    for name in found[last]:
        a, b = found[first][name], found[last][name]
        slope = (b - a) / (last - first)
        then = b + max(0, slope) * max(0, OPERATIONS - last)
        measured = f"{seconds(b)} at {last:,}" if last >= OPERATIONS else f"{seconds(then)}, from {seconds(b)} at {last:,}"
        limit, goal = (0.030, "<= 30.0 ms") if name.startswith("TAB") else (None, "")
        bench.report.goal(f"{name}, {OPERATIONS:,} operations, CPU", goal, f"{measured} ({1e6 * slope:.1f} us an operation)", then <= limit if limit else None)
    (first, before), (last, after) = min(leftover.items()), max(leftover.items())
    each = {key: (after[key] - before[key]) / (last - first) for key in after}
    beside = each["all"] - each["objects"]
    bench.report.goal("what a rollback of 84 files leaves in .git, without git's objects", "<= 4 KiB", f"{size(beside)} ({size(each['snapback'])} of it in .git/snapback), {each['references']:.1f} references", beside <= 4096)
    bench.report.goal("git's objects that it leaves", "only what it needs", size(each["objects"]))


def cancel(bench):
    """How long a command goes on after Ctrl-C."""
    repo, task = many_tasks(bench, bench.tasks)
    files = bench.copy("files", lambda path: lab.many_files(path, bench.files, min(20, bench.files)), "cancel")
    commands = {word: (repo, [lab.program(), word]) for word in ("list", "health", "status")}
    commands["diff"] = (files, [lab.program(), "diff", "-t", "large", "1.0.0..1.0.1"])
    commands["rollback"] = (files, [lab.program(), "rollback", "-t", "large", "--to", "1.0.0", "--yes"])
    slowest = {}
    for name, (where, argv) in commands.items():
        # Where the rollback is not wanted, its time is that of a plan.
        whole = run(where, [*argv, "--dry-run"] if name == "rollback" else argv, limit=20, patient=True)[0].wall
        slowest[name] = max(filter(None, (cancelled(where, argv, whole * share) for share in (0.2, 0.4, 0.6, 0.8))), default=0)
        if name == "rollback":
            whole_again(files)
    said = ", ".join(f"{name} {seconds(wall)}" for name, wall in slowest.items())
    bench.report.goal(f"Ctrl-C, until the command has ended, {bench.tasks:,} tasks, {bench.files:,} files", "<= 0.2 s", said, max(slowest.values()) <= 0.2)


def cancelled(repo, argv, after):
    """How long a command goes on after a SIGINT; nothing when it had ended before."""
    wall, code = interrupted(repo, argv, after) or (None, 130)
    if code not in (*FINE, 130):
        raise lab.Failed(f"{' '.join(argv)} ended with {code} after a SIGINT")
    return wall


def whole_again(repo):
    """After a rollback that was cancelled the work tree is one release or the other; it is brought back."""
    differences = [repo.git("diff", "--quiet", f"refs/tags/large-v{version}", "--", "tasks/large", code=None).code for version in ("1.0.0", "1.0.1")]
    if 0 not in differences:
        raise lab.Failed("a cancelled rollback left neither release")
    if differences[1]:
        repo.snapback("rollback", "-t", "large", "--to", "1.0.1", "--yes")
