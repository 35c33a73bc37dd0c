#!/bin/sh
# Releases the tasks that changed since their last release, as the messages of their commits ask for,
# and pushes what was made: branch, tags and verdicts, all or nothing.
#
#   examples/release.sh REMOTE TASK...
#
# A task that did not change is left alone. A task whose files are those of a held version is
# refused (6); the others are released all the same.
set -u
remote=${1:?usage: release.sh REMOTE TASK...}
shift

# What colleagues held must be known before anything is released.
snapback verdicts fetch "$remote" || exit

worst=0
for task; do
	snapback create-snapshot --task "$task" --bump auto --message "$task, by $(git log -1 --format=%an)" \
		--push="$remote" --yes --no-input || worst=$?
done
exit "$worst"
