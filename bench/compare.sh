#!/usr/bin/env bash
# Installs the peers of snapback's store that are missing, then runs compare.py, which measures all
# side by side: see `bench/compare.py --help` for the data sets and options.
# Debian's packages need root; a peer that cannot be installed is left out, and its rows stay empty.
#
# usage: bench/compare.sh [--place DIR] [options of compare.py]
set -euo pipefail
bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
place=
for ((nth = 1; nth <= $#; nth++)); do
  if [ "${!nth}" = --place ]; then
    next=$((nth + 1)) place=${!next}
  fi
done
if [ -z "$place" ]; then
  place=$(mktemp -d "${TMPDIR:-/tmp}/snapback-compare-XXXXXX")
  trap 'rm -rf "$place"' EXIT
  set -- --place "$place" "$@"
fi
tools=$place/tools
mkdir -p "$tools"
has() { command -v "$1" >/dev/null || [ -n "$(find "$tools"/*/bin -name "$1" 2>/dev/null)" ]; }
try() { echo "+ $*" >&2; "$@" >&2 || echo "not installed: $*" >&2; }

missing=()
for pair in restic:restic git-lfs:git-lfs git-annex:git-annex strace:strace diff:diffutils; do
  has "${pair%:*}" || missing+=("${pair#*:}")
done
[ -x /usr/bin/time ] || missing+=(time)
# borg 1.4 and DVC come from PyPI, rustic from crates.io; borg is compiled against these libraries.
[ -x "$tools/borg/bin/borg" ] || missing+=(libacl1-dev libssl-dev liblz4-dev libzstd-dev libxxhash-dev pkg-config gcc python3-dev python3-venv)
if [ ${#missing[@]} -gt 0 ] && [ "$(id -u)" = 0 ]; then
  try apt-get install -y -qq --no-upgrade "${missing[@]}"
elif [ ${#missing[@]} -gt 0 ]; then
  echo "not root; please install: ${missing[*]}" >&2
fi
for wanted in "borg:borgbackup>=1.4,<2" dvc:dvc; do
  if [ ! -x "$tools/${wanted%%:*}/bin/${wanted%%:*}" ]; then
    try python3 -m venv "$tools/${wanted%%:*}"
    try "$tools/${wanted%%:*}/bin/pip" install -q "${wanted#*:}"
  fi
done
has rustic || try env CARGO_BUILD_JOBS=1 CARGO_TARGET_DIR="$place/rustic-build" \
  nice -n 15 cargo install -q rustic-rs --locked --no-default-features --root "$tools/rustic"
rm -rf "$place/rustic-build"
python3 "$bench/compare.py" "$@"
