#!/bin/sh
# Puts a task back to its last good version, proves that it stands there, and tells everybody.
#
#   examples/rollback.sh REMOTE TASK REASON [VERSION]
set -eu
remote=${1:?usage: rollback.sh REMOTE TASK REASON [VERSION]}
task=$2 reason=$3 version=${4:-last-good}

snapback verdicts fetch "$remote"
snapback rollback --task "$task" --to "$version" --message "$reason" --push="$remote" --yes --no-input
snapback verify-rollback --task "$task"
