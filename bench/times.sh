#!/usr/bin/env bash
# Times beside git, in one run, by hyperfine: create-snapshot against add + commit + tag, rollback
# against restore --source. Twice: a real package (rich, 84 files) and 50,000 files with 20 changed.
# git does not force its work to the disk; the rows "git, synced" ask it to (core.fsync=all).
#
# usage: bench/times.sh [RUNS]        writes bench/out/times.md and the raw figures beside it
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
runs=${1:-10}
command -v hyperfine >/dev/null || { echo "hyperfine is needed: apt-get install hyperfine, or cargo install hyperfine" >&2; exit 8; }
snapback=$(python3 -c 'import lab; print(lab.program())')
place=$(mktemp -d "${TMPDIR:-/tmp}/snapback-times-XXXXXX")
trap 'rm -rf "$place"' EXIT
mkdir -p out "$place/home"
export HOME=$place/home GIT_CONFIG_NOSYSTEM=1 LC_ALL=C.UTF-8 TZ=UTC
export GIT_AUTHOR_NAME="Li Wei" GIT_AUTHOR_EMAIL=li.wei@example.com
export GIT_COMMITTER_NAME="Li Wei" GIT_COMMITTER_EMAIL=li.wei@example.com

echo "preparing the repositories"
python3 - "$place" <<'PY'
import sys
import lab

place = sys.argv[1]
lab.package_repository(f"{place}/package")
lab.many_files(f"{place}/large")
PY

# change REPOSITORY TASK: changes 20 files and chooses the next version.
cat >"$place/change" <<'SH'
#!/usr/bin/env bash
set -euo pipefail
n=$(($(cat "$1.n" 2>/dev/null || echo 0) + 1))
echo "$n" >"$1.n"
echo "100.0.$n" >"$1.version"
find "$1/tasks/$2" -name '*.py' | sort | awk -v n="$n" '{all[NR] = $0} END {step = int(NR / 20); for (i = 1; i <= 20; i++) print all[i * step]}' |
  while IFS= read -r file; do echo "# change $n" >>"$file"; done
SH
# swap REPOSITORY A B: the next rollback goes to the other version of the two.
cat >"$place/swap" <<'SH'
#!/usr/bin/env bash
set -euo pipefail
if [ "$(cat "$1.to" 2>/dev/null)" = "$2" ]; then from=$2 to=$3; else from=$3 to=$2; fi
echo "$from" >"$1.from"
echo "$to" >"$1.to"
git -C "$1" diff --quiet --cached || git -C "$1" commit -q -m "the last restore"
SH
chmod +x "$place/change" "$place/swap"

sync_all="-c core.fsync=all -c core.fsyncMethod=fsync"
bench() { # NAME REPOSITORY TASK OLD NEW
  local name=$1 repository=$2 task=$3 old=$4 new=$5 kind
  for kind in snapback git synced; do
    cp -a "$place/$repository" "$place/$name-$kind"
  done
  local s=$place/$name-snapback g=$place/$name-git y=$place/$name-synced
  hyperfine --runs "$runs" --warmup 1 --export-json "out/times-$name-rollback.json" \
    --prepare "$place/swap $s $old $new" --command-name "snapback rollback" \
    "$snapback -C $s rollback --task $task --from \$(cat $s.from) --to \$(cat $s.to) --yes" \
    --prepare "$place/swap $g $old $new" --command-name "git restore --source" \
    "git -C $g restore --source=refs/tags/$task-v\$(cat $g.to) --staged --worktree -- tasks/$task" \
    --prepare "$place/swap $y $old $new" --command-name "git restore + commit, synced" \
    "git -C $y $sync_all restore --source=refs/tags/$task-v\$(cat $y.to) --staged --worktree -- tasks/$task && git -C $y $sync_all commit -q -m back"
  hyperfine --runs "$runs" --warmup 1 --export-json "out/times-$name-release.json" \
    --prepare "$place/change $s $task" --command-name "snapback create-snapshot" \
    "$snapback -C $s create-snapshot --task $task --version \$(cat $s.version) -m change --yes" \
    --prepare "$place/change $g $task" --command-name "git add + commit + tag" \
    "git -C $g add -A tasks/$task && git -C $g commit -q -m change && git -C $g tag -a -m change $task-v\$(cat $g.version)" \
    --prepare "$place/change $y $task" --command-name "git add + commit + tag, synced" \
    "git -C $y $sync_all add -A tasks/$task && git -C $y $sync_all commit -q -m change && git -C $y $sync_all tag -a -m change $task-v\$(cat $y.version)"
}
bench package package rich 13.3.3 13.3.4
bench large large large 1.0.0 1.0.1

python3 - <<'PY' | tee out/times.md
import json

print("| repository | command | median, ms | of git |\n|---|---|---:|---:|")
for name, title in [("package", "rich, 84 files"), ("large", "50,000 files, 20 changed")]:
    for kind in ("release", "rollback"):
        with open(f"out/times-{name}-{kind}.json") as file:
            results = json.load(file)["results"]
        base = results[1]["median"]
        for result in results:
            print(f"| {title} | {result['command']} | {1000 * result['median']:.0f} | {result['median'] / base:.2f} |")
PY
