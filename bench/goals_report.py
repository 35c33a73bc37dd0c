"""The tables of goals.py: every goal beside what was measured, and every figure behind it."""

import os
from dataclasses import dataclass

MIB = 1 << 20


@dataclass
class Goal:
    """A line of the first table. `met` is None where there is nothing to compare with."""

    what: str
    goal: str
    today: str
    met: bool | None


class Report:
    """Collects goals and figures; writes them again after each, so that what was measured stays."""

    def __init__(self, head, file):
        self.head, self.file, self.goals, self.figures = head, file, [], []

    def goal(self, what, goal, today, met=None):
        self.goals.append(Goal(what, goal, today, met))
        print(f"{what} | {goal} | {today} | {verdict(met)}", flush=True)
        self.write()

    def most(self, what, ours, limit, form, of="", note=""):
        """A goal that is a number, or a number `of` another: at most `limit`."""
        self.goal(what, f"<= {form(limit)}{of}", f"{form(ours)}{note}", ours <= limit)

    def figure(self, section, name, cost, runs=1):
        self.figures.append((section, name, cost, runs, os.getloadavg()[0]))
        print(f"    {section}: {name}: {cost}", flush=True)
        self.write()

    def skipped(self, what, why):
        self.goal(what, "", f"SKIPPED: {why}")

    def lines(self):
        yield from (self.head, "")
        yield "| what | goal | today | met? |\n|---|---|---|---|"
        yield from (f"| {goal.what} | {goal.goal} | {goal.today} | {verdict(goal.met)} |" for goal in self.goals)
        yield "\nThe figures behind it. Load: the machine's load average when it was measured.\n"
        yield "| | command | CPU s | wall s | peak MiB | read MiB | written MiB | other | runs | load |\n|---|---|---:|---:|---:|---:|---:|---|---:|---:|"
        for section, name, cost, runs, load in self.figures:
            sizes = " | ".join(f"{value / MIB:,.1f}" if value else "" for value in (cost.peak, cost.read, cost.written))
            other = ", ".join(f"{value:,.0f} {key}" for key, value in (("calls", cost.calls), ("syncs", cost.syncs), ("rounds", cost.rounds), ("bytes kept", cost.kept)) if value)
            yield f"| {section} | {name} | {'more than ' if cost.late else ''}{cost.cpu:.3f} | {cost.wall:.3f} | {sizes} | {other} | {runs} | {load:.1f} |"

    def write(self):
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text("\n".join(self.lines()) + "\n")


def verdict(met):
    return {None: "", True: "met", False: "**missed**"}[met]


def times(value):
    return f"{value:.2f}x"


def seconds(value):
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.1f} ms"


def mib(value):
    return f"{value / MIB:.0f} MiB"


def count(value):
    return f"{value:,.0f}"


def size(value):
    return f"{value / 1024:,.1f} KiB"
