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
TARGET = ["--python-version", "3.11", "--implementation", "cp", "--platform", "manylinux_2_28_x86_64"]
TARGET += ["--platform", "manylinux_2_17_x86_64", "--platform", "manylinux2014_x86_64"]


def random_file(path, size, seed):
    source = random.Random(seed)
    with open(path, "wb") as file:
        for at in range(0, size, MIB):
            file.write(source.randbytes(min(MIB, size - at)))


def events(source, first, count):
    """Lines of a log, as JSON."""
    for nth in range(first, first + count):
        words = f"{source.getrandbits(64):016x} {source.choice(('open', 'close', 'deliver', 'settle'))} {source.randrange(10**6)}"
        yield (json.dumps({"seq": nth, "time": EPOCH + nth // 7, "price": source.randrange(10**7) / 100, "venue": f"V{nth % 23:02}", "what": words}) + "\n").encode()


def log_file(path, size, seed, mode="wb"):
    source = random.Random(seed)
    with open(path, mode) as file:
        first, end = file.tell() // 128, file.tell() + size
        while file.tell() < end:
            file.write(b"".join(events(source, first, 1000)))
            first += 1000


def overwrite(path, size, runs, share, make):
    """Writes `runs` runs of new bytes, `share` of the file together, at random places."""
    source = random.Random(size)
    with open(path, "r+b") as file:
        for _ in range(runs):
            length = max(4096, int(size * share / runs)) & ~3
            file.seek(source.randrange(max(1, size - length)) & ~3)
            file.write(make(source, length))


def floats(source, length):
    """Bytes of float32 like a layer's weights: few exponents, free mantissas."""
    values, count = bytearray(length), length // 4
    exponents = bytes(((0x3C, 0x3B, 0x3C, 0x3D, 0x3B, 0x3C, 0x3A, 0x3C)[byte & 7] | (byte & 0x80)) for byte in range(256))
    for lane in range(3):
        values[lane::4] = source.randbytes(count)
    values[3::4] = source.randbytes(count).translate(exponents)
    return values


def mixed(top, factor):
    random_file(top / "1/random.bin", int(640 * MIB * factor), 1)
    log_file(top / "1/events.jsonl", int(384 * MIB * factor), 2)
    copy_version(top, 1, 2)
    log_file(top / "2/events.jsonl", int(4 * MIB * factor), 3, "ab")


def weights(top, factor):
    source, size = random.Random(4), int(512 * factor) * MIB
    with open(top / "1/model.f32", "wb") as file:
        for _ in range(size // MIB):
            file.write(floats(source, MIB))
    copy_version(top, 1, 2)
    overwrite(top / "2/model.f32", size, 10, 0.01, floats)


def sqlite(top, factor):
    source, pages = random.Random(5), int(2_000_000_000 * factor) // 4096
    rows = ((nth, source.randbytes(500).hex(), source.randbytes(300)) for nth in range(pages * 3))
    with sqlite3.connect(top / "1/orders.db") as base:
        base.executescript("PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, data BLOB)")
        base.executemany("INSERT INTO orders VALUES (?, substr(?, 1, 900), ?)", rows)
    base.close()
    copy_version(top, 1, 2)
    with sqlite3.connect(top / "2/orders.db") as base:
        changed = ((source.randbytes(300), source.randrange(pages * 3)) for _ in range(pages // 100))
        base.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF")
        base.executemany("UPDATE orders SET data = ? WHERE id = ?", changed)
    base.close()


def inserts(top, factor):
    size, source = int(1024 * MIB * factor), random.Random(6)
    random_file(top / "1/image.bin", size, 7)
    at = 0
    with open(top / "1/image.bin", "rb") as old, open(top / "2/image.bin", "wb") as new:
        for place in sorted(source.randrange(size) for _ in range(200)) + [size]:
            new.write(old.read(place - at) + source.randbytes(source.randrange(1, 4000) if place < size else 0))
            at = place


def many(count, changed):
    def build(top, factor):
        source = random.Random(8)
        for nth in range(int(count * factor)):
            file = top / f"1/{nth // 1000:03}/{nth:06}.{'bin' if nth % 2 else 'jsonl'}"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(source.randbytes(8192) if nth % 2 else b"".join(events(source, nth * 70, 70))[:8192])
        if changed:
            copy_version(top, 1, 2)
            for file in source.sample(sorted((top / "2").glob("*/*")), int(count * factor * changed)):
                file.write_bytes(source.randbytes(8192))
    return build


def wheels(top, factor):
    for package, versions in list(WHEELS.items())[: max(1, round(4 * factor))]:
        for nth, version in enumerate(versions, 1):
            folder = top.parent / "wheels" / f"{package}-{version}"
            if not list(folder.glob("*.whl")):
                argv = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", *TARGET, "-d", folder, f"{package}=={version}"]
                subprocess.run(argv, check=True)
            with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
                archive.extractall(top / str(nth))


def big(top, factor):
    random_file(top / "1/big.bin", int(5_000_000_000 * factor), 9)
    log_file(top / "1/big.bin", int(5_000_000_000 * factor), 10, "ab")


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


def copy_version(top, old, new):
    shutil.copytree(top / str(old), top / str(new), dirs_exist_ok=True)


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
