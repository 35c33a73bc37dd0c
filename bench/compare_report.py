"""The tables of compare.py: every figure, the goals, and where snapback loses."""

import statistics
from collections import defaultdict

import compare_data

MIB = 1 << 20
ROWS = {"first": "first", "unchanged": "unchanged", "next": "next version", "verify": "deep verify", "fast": "fast verify"}
ROWS |= {"restore": "restore, empty", "over": "restore, over the last", "gc": "gc of half", "peak": "any row"}
US = "snapback"
# What a restore may leave and still be compared in time; snapback itself may not.
MILD = ("old files left", "empty folders lost")


def middle(key, values):
    """The median; what is stored counts after the last version; one wrong restore is enough."""
    if key in ("wrong", "failed"):
        return max(values)
    return values[-1] if key in ("stored", "blocks") else statistics.median(values)


def shown(key, value):
    return "" if value is None else f"{value / MIB:.0f} MiB" if key in ("memory", "stored") else f"{value:.3f} s"


def ratio(ours, theirs, rival):
    return f"{ours / theirs:.2f}x {rival}, " if rival and ours is not None else ""


def most(key, limit, rival):
    return f"{limit:g}x" if rival else shown(key, limit)


class Report:
    def __init__(self, meta, figures):
        self.meta, self.tools = meta, meta["tools"]
        self.peers = [name for name, tool in self.tools.items() if name != US and not tool["floor"]]
        every = defaultdict(list)
        self.data = {figure["data"]: None for figure in figures}
        for figure in figures:
            for key, value in figure.items():
                every[figure["data"], figure["row"], figure["tool"], key].append(value)
        self.figures = {where: middle(where[3], values) for where, values in every.items() if where[3] not in ("data", "row", "tool")}
        for data, row, tool, key in [where for where in self.figures if where[3] == "memory"]:
            peak = (data, "peak", tool, key)
            self.figures[peak] = max(self.figures.get(peak, 0), self.figures[data, row, tool, key])

    def of(self, data, row, tool, key):
        return self.figures.get((data, row, tool, key))

    def best(self, data, row, key, among):
        """The smallest figure of some programs and whose it is. A wrong restore does not count."""
        right = [tool for tool in among if self.of(data, row, tool, "wrong") in (None, "", *MILD)]
        return min(((value, tool) for tool in right if (value := self.of(data, row, tool, key)) is not None), default=(None, ""))

    def goals(self, data):
        """(row, figure, rivals or None, limit): at most `limit` times the best rival, or at most `limit`."""
        for row in ("first", "next", "verify"):
            yield from ((row, key, self.peers, 0.5) for key in ("wall", "cpu"))
        yield "unchanged", "wall", self.peers, 1.0
        if data == "tenk":
            yield "unchanged", "wall", None, 0.050
        for row in ("restore", "over"):
            yield from ((row, "wall", [rival], limit) for rival, limit in (("cp", 1.0), ("rustic", 0.3)))
        yield "next", "stored", [name for name in self.peers if self.tools[name]["level"] == "zstd 1"], 1.02
        yield "peak", "memory", None, 256 * MIB

    def judged(self):
        """Every goal that has a figure: (data, row, figure, ours, theirs, rival, limit, verdict)."""
        for data in self.data:
            for row, key, rivals, limit in self.goals(data):
                ours = self.of(data, row, US, key)
                theirs, rival = (1, "") if rivals is None else self.best(data, row, key, rivals)
                if theirs is None or (not rival and ours is None):
                    continue
                verdict = "not measured" if ours is None else "met" if ours <= limit * theirs else "missed"
                verdict = "failed" if self.of(data, row, US, "failed") else "wrong" if self.of(data, row, US, "wrong") else verdict
                yield data, row, key, ours, theirs, rival, limit, verdict

    def cell(self, data, row, tool):
        wall, wrong = self.of(data, row, tool, "wall"), self.of(data, row, tool, "wrong")
        if self.of(data, row, tool, "failed"):
            return "failed"
        mark = f" ({wrong})" if wrong in MILD else " **WRONG**" if wrong else ""
        return "" if wall is None else f"{wall:.2f} / {self.of(data, row, tool, 'cpu'):.2f} / {self.of(data, row, tool, 'memory') / MIB:.0f}{mark}"

    def listed(self, data, tool, key, rows, form):
        """One figure of several rows in a cell."""
        return ", ".join(f"{row} {form(value)}" for row in rows if (value := self.of(data, row, tool, key)) is not None)

    def table(self, data):
        rows = [row for row in ROWS if any((data, row, tool, key) in self.figures for tool in self.tools for key in ("wall", "syncs"))]
        yield f"\n### {data}: {compare_data.SETS[data][0]}\n"
        yield f"| | {' | '.join(ROWS[row] for row in rows)} | stored MiB (blocks) | flush s | syncs |\n|---|{'---:|' * len(rows)}---|---|---|"
        for tool in self.tools:
            sizes = [f"{row} {size / MIB:.0f} ({self.of(data, row, tool, 'blocks') / MIB:.0f})" for row in ROWS if (size := self.of(data, row, tool, "stored")) is not None]
            flush = self.listed(data, tool, "flush", ("first", "restore"), lambda value: f"{value:.2f}")
            syncs = self.listed(data, tool, "syncs", ROWS, lambda value: f"{value:.0f}")
            cells = [self.cell(data, row, tool) for row in rows]
            if any(cells) or syncs:
                yield f"| {tool} | {' | '.join(cells)} | {', '.join(sizes)} | {flush} | {syncs} |"

    def losses(self):
        """The paragraph that says where snapback loses."""
        judged = list(self.judged())
        if US not in self.tools:
            return "snapback was not measured."
        missed = [f"{data}, {ROWS[row]}: {key} {verdict if ours is None else shown(key, ours)} ({ratio(ours, theirs, rival)}goal {most(key, limit, rival)})"
                  for data, row, key, ours, theirs, rival, limit, verdict in judged if verdict != "met"]
        behind = []
        for data, row, tool, key in self.figures:
            if tool == US and (key in ("wall", "cpu", "stored") or row == "peak"):
                # cp and sha256sum keep nothing in memory and store no history: they are a floor of time only.
                theirs, rival = self.best(data, row, key, self.peers if key in ("memory", "stored") else self.tools.keys() - {US})
                ours = self.of(data, row, US, key)
                if theirs is not None and ours > theirs:
                    behind.append(f"{data}, {ROWS[row]}: {key} {shown(key, ours)}, {rival} {shown(key, theirs)}")
        return (f"{len(judged) - len(missed)} of {len(judged)} goals are met. Missed: {'; '.join(missed) or 'none'}.\n\n"
                f"Behind the best program, in time also behind `cp` and `sha256sum`, with a goal or without: {'; '.join(behind) or 'nowhere'}.")

    def lines(self):
        yield f"## The store beside its peers\n\n`{self.meta['command']}`, {self.meta['when']}, {self.meta['machine']}.\n"
        yield "Cells: wall s / CPU s of all processes / peak MiB of the largest process. Stored: bytes and blocks of the repository, after"
        yield "each kind of row. Flush: seconds of a `sync -f` after the command, what it left unwritten. Syncs: calls of fsync, fdatasync, msync,"
        yield "sync, syncfs and sync_file_range, in a run of their own; with none, the result is not durable when the command returns."
        yield f"Page cache warm, `sync` before each command, median of {self.meta['runs']} runs; the programs take turns in each row.\n"
        yield "| program | version | compression | notes |\n|---|---|---|---|"
        yield from (f"| {name} | {tool['version']} | {tool['level']} | {tool['note']} |" for name, tool in self.tools.items())
        for data in self.data:
            yield from self.table(data)
        yield "\n### Goals\n\n| data | row | figure | snapback | best peer | ratio | at most | |\n|---|---|---|---:|---:|---:|---:|---|"
        for data, row, key, ours, theirs, rival, limit, verdict in self.judged():
            peer, times = (f"{shown(key, theirs)} ({rival})", f"{ours / theirs:.2f}" if ours is not None else "") if rival else ("", "")
            yield f"| {data} | {ROWS[row]} | {key} | {shown(key, ours)} | {peer} | {times} | {most(key, limit, rival)} | {verdict} |"
        yield f"\n### Where we lose\n\n{self.losses()}"
