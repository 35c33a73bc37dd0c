"""The data sets of compare.py: made from seeds or downloaded once, kept below a folder.

A data set is a folder with one folder per version: 1, 2, … A file whose bytes did not change
from one version to the next keeps its modification time; one that changed has a later one.
"""

import filecmp
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import zipfile

MIB = 1 << 20
EPOCH = 1_700_000_000
WHEELS = {
    "numpy": ["2.2.0", "2.2.1", "2.2.2", "2.2.3"],
    "pandas": ["2.2.0", "2.2.1", "2.2.2", "2.2.3"],
    "scipy": ["1.14.1", "1.15.0", "1.15.1", "1.15.2"],
    "pyarrow": ["17.0.0", "18.0.0", "18.1.0", "19.0.0"],
}
PLATFORM = "--python-version 3.11 --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64"


def fill(path, size, make, mode="wb"):
    """Writes a file piece by piece; `make` gives so many bytes."""
    with open(path, mode) as file:
        for at in range(0, size, MIB):
            file.write(make(min(MIB, size - at)))


def events(source):
    """Gives lines of a log as JSON, at least so many bytes."""
    def make(size):
        lines, length = [], 0
        while length < size:
            event = {"time": EPOCH + source.randrange(10**7), "price": source.randrange(10**7) / 100, "venue": f"V{source.randrange(23):02}"}
            event |= {"order": f"{source.getrandbits(64):016x}", "what": source.choice(("open", "change", "deliver", "settle"))}
            lines.append(json.dumps(event).encode() + b"\n")
            length += len(lines[-1])
        return b"".join(lines)
    return make


def floats(source):
    """Gives bytes of float32 like a layer's weights: few exponents, free mantissas."""
    exponents = bytes(b"\x3c\x3b\x3c\x3d\x3b\x3c\x3a\x3c"[byte & 7] | byte & 0x80 for byte in range(256))

    def make(size):
        values = bytearray(source.randbytes(size))
        values[3::4] = values[3::4].translate(exponents)
        return values
    return make


def mixed(top, factor):
    source = random.Random(1)
    fill(top / "1/random.bin", int(640 * MIB * factor), source.randbytes)
    fill(top / "1/events.jsonl", int(384 * MIB * factor), events(source))
    copy_first(top)
    fill(top / "2/events.jsonl", int(4 * MIB * factor), events(source), "ab")


def weights(top, factor):
    source, size = random.Random(2), int(512 * factor) * MIB
    fill(top / "1/model.f32", size, floats(source))
    copy_first(top)
    with open(top / "2/model.f32", "r+b") as file:
        for _ in range(10):
            file.seek(source.randrange(size - size // 1000) & ~3)
            file.write(floats(source)(size // 1000 & ~3))


def sqlite(top, factor):
    source, pages = random.Random(3), int(2_000_000_000 * factor) // 4096
    rows = ((nth, source.randbytes(450).hex(), source.randbytes(300)) for nth in range(pages * 3))
    changed = ((source.randbytes(300), source.randrange(pages * 3)) for _ in range(pages // 100))
    create = "PRAGMA page_size=4096; CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, data BLOB)"
    for version, script, insert, values in (
        ("1", create, "INSERT INTO orders VALUES (?, ?, ?)", rows),
        ("2", "", "UPDATE orders SET data = ? WHERE id = ?", changed),
    ):
        with sqlite3.connect(top / version / "orders.db") as base:
            base.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {script}")
            base.executemany(insert, values)
        base.close()
        if version == "1":
            copy_first(top)


def inserts(top, factor):
    source, size, at = random.Random(4), int(1024 * MIB * factor), 0
    fill(top / "1/image.bin", size, source.randbytes)
    with open(top / "1/image.bin", "rb") as old, open(top / "2/image.bin", "wb") as new:
        for place in sorted(source.randrange(size) for _ in range(200)):
            new.write(old.read(place - at) + source.randbytes(source.randrange(1, 4000)))
            at = place
        shutil.copyfileobj(old, new)


def many(count, changed):
    """Files of 8 KiB, every second one a log; of them the share `changed` is new in the next version."""
    def build(top, factor):
        source = random.Random(5)
        for nth in range(int(count * factor)):
            file = top / f"1/{nth // 1000:03}/{nth:06}.{'bin' if nth % 2 else 'jsonl'}"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes((source.randbytes if nth % 2 else events(source))(8192)[:8192])
        if changed:
            copy_first(top)
            for file in source.sample(sorted((top / "2").glob("*/*")), int(count * factor * changed)):
                file.write_bytes(source.randbytes(8192))
    return build


def wheels(top, factor):
    for package, versions in list(WHEELS.items())[: max(1, round(4 * factor))]:
        for nth, version in enumerate(versions, 1):
            folder = top.parent / "wheels" / f"{package}-{version}"
            if not list(folder.glob("*.whl")):
                argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", *PLATFORM.split()]
                subprocess.run([*argv, "-d", folder, f"{package}=={version}"], check=True)
            with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
                archive.extractall(top / str(nth))


def big(top, factor):
    source = random.Random(6)
    fill(top / "1/big.bin", int(5_000_000_000 * factor), source.randbytes)
    fill(top / "1/big.bin", int(5_000_000_000 * factor), events(source), "ab")


# name: (what it is, how many versions, runs by default, what makes it)
SETS = {
    "wheels": ("4 consecutive versions of numpy, pandas, scipy and pyarrow, unpacked", 4, 3, wheels),
    "mixed": ("640 MiB random and 384 MiB of JSONL; then 4 MiB of lines appended", 2, 1, mixed),
    "weights": ("512 MiB of float32; then 1 % overwritten in 10 runs", 2, 1, weights),
    "sqlite": ("a SQLite database of 2 GB; then 1 % of its pages changed", 2, 1, sqlite),
    "inserts": ("1 GiB random; then 200 insertions", 2, 1, inserts),
    "small": ("200,000 files of 8 KiB, half of them compressible; then 1 % changed", 2, 1, many(200_000, 0.01)),
    "tenk": ("10,000 files of 8 KiB", 1, 3, many(10_000, 0)),
    "big": ("one file of 10 GB", 1, 1, big),
}


def copy_first(top):
    """The second version begins as a copy of the first."""
    shutil.copytree(top / "1", top / "2", dirs_exist_ok=True)


def settle_times(versions):
    """Unchanged files keep their time, changed and new ones get that of their version."""
    for nth, version in enumerate(versions):
        for folder, _, files in os.walk(version):
            for name in files:
                path = os.path.join(folder, name)
                older = os.path.join(versions[nth - 1], os.path.relpath(path, version)) if nth else ""
                same = older and os.path.exists(older) and filecmp.cmp(older, path, shallow=False)
                when = os.stat(older).st_mtime_ns if same else (EPOCH + nth * 86_400) * 10**9
                os.utime(path, ns=(when, when))


def build(name, place, factor):
    """The folders of a data set's versions; they are made when they are not there yet."""
    _, count, _, make = SETS[name]
    top = place / f"{name}-{factor:g}"
    versions = [top / str(nth) for nth in range(1, count + 1)]
    if not (top / "ready").exists():
        print(f"building {name}", flush=True)
        shutil.rmtree(top, ignore_errors=True)
        for version in versions:
            version.mkdir(parents=True)
        make(top, factor)
        settle_times(versions)
        (top / "ready").touch()
    return versions


def bring(folder, version):
    """Makes a working folder hold a version. Files that did not change are not touched."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {path.relative_to(version) for path in version.rglob("*")}
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.relative_to(folder) not in wanted:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for path in sorted(wanted):
        old, new = folder / path, version / path
        if new.is_dir():
            old.mkdir(exist_ok=True)
        elif not old.exists() or (old.stat().st_size, old.stat().st_mtime_ns) != (new.stat().st_size, new.stat().st_mtime_ns):
            old.unlink(missing_ok=True)
            shutil.copy2(new, old)
