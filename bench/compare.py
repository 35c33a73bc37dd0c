#!/usr/bin/env python3
"""snapback's store and its peers, side by side in one run. The programs: compare.toml.

For each data set every program stores the first version, the same again, each next version; then
all is verified, the last version restored into an empty folder and over the one before it, and
half of the versions forgotten and collected. The programs take turns within each row.

  - wall by the clock, CPU = user + system of all processes (wait4), peak memory = the largest
    single process (as /usr/bin/time tells), stored = bytes and blocks of the repository's folder
  - page cache warm; `sync` before each command; the `sync -f` after it is timed on its own
  - every restored folder is compared with its source by `diff -r`
  - fsync and the like are counted in a run of its own, under strace, which is not timed

usage: compare.py [--place DIR] [--data NAMES] [--tools NAMES] [--factor F] [--runs N] [--syncs]
       compare.py --report FILE…        the tables again, from saved figures
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path

import compare_data
import compare_report
import lab

SYNCS = "fsync,fdatasync,sync_file_range,syncfs,sync,msync"


@dataclass
class Tool:
    """A program of compare.toml; the fields are described there."""

    name: str
    version: str
    note: str
    level: str = "-"
    probe: str = ""
    init: str = ""
    put: str = ""
    verify: str = ""
    fast: str = ""
    restore: str = ""
    gc: str = ""
    env: dict = field(default_factory=dict)
    stored: str = "."
    inside: bool = False
    tree: bool = False
    floor: bool = False

    def found(self, place):
        """Makes its environment, and asks for its version. False when the program is missing."""
        repo = lab.Repo(place / "run" / self.name, home=place / "home" / self.name)
        folders = [str(folder) for folder in sorted((place / "tools").glob("*/bin"))]
        path = os.pathsep.join([*folders, os.environ["PATH"]])
        self.env |= repo.env | {"PATH": path, "REPO": str(repo.path), "DVC_SITE_CACHE_DIR": f"{repo.home}/dvc"}
        if self.name == compare_report.US:
            try:
                self.env["SNAPBACK"] = lab.program()
            except SystemExit:
                return False
        asked = subprocess.run(["sh", "-c", self.version], capture_output=True, text=True, env=self.env)
        if self.probe:
            self.env["PROBE"] = subprocess.run(["sh", "-c", self.probe], capture_output=True, text=True, env=self.env).stdout.strip()
            self.level = self.level.replace("$PROBE", self.env["PROBE"])
        self.version = asked.stdout.partition("\n")[0]
        return asked.returncode == 0


class Run:
    """One data set, one time, all programs. `save` gets every figure."""

    def __init__(self, data, versions, tools, place, traced, save):
        self.data, self.versions, self.tools, self.place, self.traced, self.save = data, versions, list(tools), place, traced, save
        self.count, self.work = len(versions), place / "work" if len(versions) > 1 else versions[0]
        self.names = defaultdict(list)

    def script(self, tool, text, trace=False, **values):
        """Runs a script of a tool; gives what it cost."""
        env = tool.env | {key.upper(): str(value) for key, value in values.items()}
        env |= {"WORK": str(self.work), "NAMES": " ".join(self.names[tool.name])}
        log, memory, calls = (self.place / name for name in ("log", "memory", "calls"))
        argv = ["/usr/bin/time", "-q", "-f", "%M", "-o", memory, "sh", "-ec", text]
        if trace:
            argv = ["strace", "-f", "-q", "--seccomp-bpf", "-e", f"trace={SYNCS}", "-e", "signal=none", "-o", calls, *argv]
        with open(log, "wb") as file:
            started = time.perf_counter()
            child = subprocess.Popen(argv, cwd=self.work if tool.inside else env["REPO"], env=env, stdout=file, stderr=file)
            _, status, usage = os.wait4(child.pid, 0)
            wall = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            raise lab.Failed(f"exit {child.returncode}: {log.read_text(errors='replace').strip()[-300:]}")
        if trace:
            return {"syncs": sum(any(f" {call}(" in line for call in SYNCS.split(",")) for line in open(calls))}
        return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "memory": int(memory.read_text()) * 1024}

    def measured(self, tool, text, **values):
        """A script after a `sync`, and how long a `sync -f` takes after it."""
        subprocess.run(["sync"], check=True)
        cost = self.script(tool, text, trace=self.traced, **values)
        if not self.traced:
            started = time.perf_counter()
            subprocess.run(["sync", "-f", self.place], check=True)
            cost["flush"] = time.perf_counter() - started
        return cost

    def row(self, row, kind, act, *args):
        """One row of all tools. One that cannot store a version is out for the rest of the data set."""
        for tool in [tool for tool in self.tools if getattr(tool, kind)]:
            try:
                cost = act(tool, *args)
            except lab.Failed as failed:
                cost = {"failed": str(failed)}
                if kind == "put":
                    self.tools.remove(tool)
            print(f"{self.data:8} {row:10} {tool.name:10}", {key: round(value, 3) if isinstance(value, float) else value for key, value in cost.items()}, flush=True)
            self.save({"data": self.data, "row": row, "tool": tool.name} | cost)

    def begin(self, tool):
        for folder in (Path(tool.env["REPO"]), Path(tool.env["HOME"])):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self.script(tool, tool.init)

    def put(self, tool, name, version):
        if name == "v1":
            self.begin(tool)
        if tool.tree:
            compare_data.bring(Path(tool.env["REPO"]) / "data", version)
        cost = self.measured(tool, tool.put, name=name)
        self.names[tool.name].append(name)
        return cost | stored(tool)

    def restore(self, tool, over):
        into = Path(tool.env["REPO"]) / "data" if tool.tree else self.place / "into"
        shutil.rmtree(into, ignore_errors=True)
        if over and tool.tree:
            self.script(tool, tool.restore, name=f"v{self.count - 1}")
        elif over:
            shutil.copytree(self.versions[-2], into)
        elif not tool.tree:
            into.mkdir()
        cost = self.measured(tool, tool.restore, name=f"v{self.count}", into=into)
        return cost | {"wrong": difference(self.versions[-1], into)}

    def collect(self, tool):
        kept = [f"v{nth}" for nth in range(self.count // 2 + 1, self.count + 1)]
        dropped = [name for name in self.names[tool.name] if name not in kept]
        return self.measured(tool, tool.gc, keep=len(kept), drop=" ".join(dropped)) | stored(tool)

    def bring(self, version):
        """Makes the folder that is stored hold a version. The only version is stored from where it lies."""
        if self.count > 1:
            compare_data.bring(self.work, version)

    def rows(self):
        self.bring(self.versions[0])
        self.row("first", "put", self.put, "v1", self.versions[0])
        self.row("unchanged", "put", self.put, "same", self.versions[0])
        for nth, version in enumerate(self.versions[1:], 2):
            self.bring(version)
            self.row("next", "put", self.put, f"v{nth}", version)
        self.row("verify", "verify", lambda tool: self.measured(tool, tool.verify))
        self.row("fast", "fast", lambda tool: self.measured(tool, tool.fast))
        self.row("restore", "restore", self.restore, False)
        if self.count > 1:
            self.row("over", "restore", self.restore, True)
            self.row("gc", "gc", self.collect)


def stored(tool):
    """Bytes and blocks of a repository. A file with several names counts once."""
    found = [os.lstat(os.path.join(folder, name)) for folder, _, files in os.walk(Path(tool.env["REPO"]) / tool.stored) for name in files]
    once = {info.st_ino: info for info in found}.values()
    return {"stored": sum(info.st_size for info in once), "blocks": sum(info.st_blocks for info in once) * 512}


def difference(source, restored):
    """Nothing, one of compare_report.MILD, or the first thing that is wrong."""
    asked, found = subprocess.run(["diff", "-rq", "--no-dereference", source, restored], capture_output=True, text=True), []
    if asked.returncode > 1:
        return asked.stderr.strip() or "diff failed"
    for line in asked.stdout.splitlines():
        folder, _, name = line.removeprefix("Only in ").partition(": ")
        lost = Path(folder) / name
        if line.startswith(f"Only in {restored}"):
            found.append("old files left")
        elif line.startswith("Only in ") and lost.is_dir() and all(path.is_dir() for path in lost.rglob("*")):
            found.append("empty folders lost")
        else:
            return line
    return max(found, default="")


def write(meta, figures, out):
    out.mkdir(parents=True, exist_ok=True)
    (out / "compare.json").write_text(json.dumps({"meta": meta, "figures": figures}, indent=1))
    (out / "compare.md").write_text("\n".join(compare_report.Report(meta, figures).lines()) + "\n")


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    return f"{os.cpu_count()} x {model}, Linux {os.uname().release}"


def tools_of(wanted, place):
    """The programs that are asked for and there."""
    with open(Path(__file__).with_suffix(".toml"), "rb") as file:
        for tool in (Tool(name=name, **fields) for name, fields in tomllib.load(file).items()):
            if wanted.tools and tool.name not in wanted.tools.split(","):
                continue
            if tool.found(place):
                yield tool
            else:
                print(f"missing: {tool.name}; its rows stay empty", file=sys.stderr)


def options():
    parser = argparse.ArgumentParser(description="snapback's store beside its peers")
    parser.add_argument("--place", type=Path, help="folder for data and repositories, outside git (default: a temporary one)")
    parser.add_argument("--data", default="wheels,tenk,mixed,weights,inserts,sqlite,small", help=f"of {','.join(compare_data.SETS)}")
    parser.add_argument("--tools", help="only these")
    parser.add_argument("--factor", type=float, default=1.0, help="size of the data sets (default 1)")
    parser.add_argument("--runs", type=int, help="timed runs (default: 3 of short data sets, 1 of long ones)")
    parser.add_argument("--syncs", action="store_true", help="one more run that counts fsync and the like")
    parser.add_argument("--out", type=Path, default=lab.OUT, help="folder of compare.md and compare.json")
    parser.add_argument("--report", nargs="+", type=Path, help="only write the tables again, from these compare.json")
    return parser.parse_args()


def main():
    wanted = options()
    if wanted.report:
        parts = [json.loads(file.read_text()) for file in wanted.report]
        return write(parts[0]["meta"], [figure for part in parts for figure in part["figures"]], wanted.out)
    place = (wanted.place or Path(tempfile.mkdtemp(prefix="snapback-compare-"))).resolve()
    tools, figures = list(tools_of(wanted, place)), []
    shown = {tool.name: {key: value for key, value in asdict(tool).items() if key in ("version", "level", "note", "floor")} for tool in tools}
    meta = {"command": " ".join(["bench/compare.sh", *sys.argv[1:]]), "when": time.strftime("%Y-%m-%d"), "machine": machine()}
    meta |= {"runs": wanted.runs or "1 (long) or 3 (short)", "tools": shown}

    def keep(figure):
        figures.append(figure)
        write(meta, figures, wanted.out)  # what was measured stays, whatever ends the run

    for data in wanted.data.split(","):
        versions = compare_data.build(data, place / "data", wanted.factor)
        runs = compare_data.SETS[data][2] if wanted.runs is None else wanted.runs
        for nth in range(runs + wanted.syncs):
            shutil.rmtree(place / "run", ignore_errors=True)
            (place / "run").mkdir()
            # Each run begins with another program, so that none is always first after a change.
            turn = tools[nth % len(tools) :] + tools[: nth % len(tools)]
            Run(data, versions, turn, place / "run", traced=nth == runs, save=keep).rows()
    shutil.rmtree(place / "run" if wanted.place else place)
    print((wanted.out / "compare.md").read_text())
    sys.exit(any(figure["tool"] == compare_report.US and (figure.get("failed") or figure.get("wrong")) for figure in figures) and 1)


if __name__ == "__main__":
    main()
