#!/usr/bin/env bash
# The matrix of hooks with the real managers: pre-commit (PyPI), lefthook and husky (npm) are
# installed by name into a folder, git-lfs is taken from the system (Debian's package, as root, when
# it is missing), and every row of the matrix is run with them, once for each git.
#
# usage: bench/managers.sh FOLDER [FOLDER-WITH-A-GIT]...
#        without a git: every different git on PATH
# writes bench/out/managers.md: git x manager x event, `ok` or `skipped`; exit 1 when a row fails
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ $# -ge 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2; }
mkdir -p "$1" "$top/bench/out"
place=$(cd "$1" && pwd)
shift

missing() { echo "$1 cannot be installed, so its row is skipped: $2" >&2; }
if [ ! -x "$place/venv/bin/pre-commit" ]; then
	{ python3 -m venv "$place/venv" && "$place/venv/bin/pip" install --quiet pre-commit; } || missing pre-commit "needs python3 with venv"
fi
if [ ! -e "$place/node_modules/.bin/lefthook" ] || [ ! -e "$place/node_modules/.bin/husky" ]; then
	# Their own scripts would install hooks into the repository that this is called from.
	(cd "$place" && npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$place" lefthook husky) || missing "lefthook, husky" "needs npm"
fi
if ! command -v git-lfs >/dev/null && [ "$(id -u)" = 0 ]; then
	apt-get install --yes --quiet git-lfs || missing git-lfs "no package"
fi
export PATH=$place/venv/bin:$place/node_modules/.bin:$PATH
for name in pre-commit lefthook husky git-lfs; do
	command -v "$name" >/dev/null || { echo "$name is not there, so its row is skipped" >&2; continue; }
	case $name in
	husky) echo "husky $(sed -n 's/.*"version": "\(.*\)".*/\1/p' "$place/node_modules/husky/package.json")" ;;
	lefthook) echo "lefthook $(lefthook version)" ;;
	*) "$name" --version ;;
	esac
done

gits=("$@")
if [ ${#gits[@]} -eq 0 ]; then
	seen=
	while read -r git; do
		version=$("$git" --version)
		case $seen in *"|$version|"*) continue ;; esac
		seen="$seen|$version|"
		gits+=("$(dirname "$git")")
	done < <(type -ap git)
fi

cd "$top"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
for git in "${gits[@]}"; do
	SNAPBACK_GIT_BIN=$git cargo test --test it -- hooks_matrix --nocapture 2>&1 | tee -a "$log" | grep -E '^test |^error' || true
	[ "${PIPESTATUS[0]}" -eq 0 ] || code=1
done
# The heading once, then the rows.
{ grep '^| git | manager' "$log" | head -1; grep '^|---' "$log" | head -1; grep -E '^\| (git version|any)' "$log" | sort -u; } | tee bench/out/managers.md
exit $code
