#!/bin/sh
# snapback-hook 1 @event@ @digest@
# Written by `snapback hooks install`; `snapback hooks uninstall` takes it away and brings back what was here.
event=@event@
program=@program@
before=@before@

# What was here before runs first, with the same arguments and the same input. What it says counts.
is_there() { [ -f "$before" ] && [ -x "$before" ]; }

# A hook manager may have put this script where the hook from before runs it in turn: not in circles.
# A git command of that hook that comes by here is no circle.
is_circle() {
	case ":${SNAPBACK_CHAIN-}:" in *":$event:"*) ;; *) return 1 ;; esac
	parent=
	{ read -r parent <"/proc/$PPID/comm" || parent=$(ps -o comm= -p "$PPID"); } 2>/dev/null
	case $parent in *git*) return 1 ;; esac
}

is_circle && exit 0
reads_input=
input=
case $event in pre-push | post-rewrite)
	reads_input=yes
	input=$(cat; echo .)
	input=${input%.} ;;
esac
with_input() {
	if [ -n "$reads_input" ]; then printf %s "$input" 2>/dev/null | "$@"; else "$@"; fi
}

said=0
if is_there; then
	chain=${SNAPBACK_CHAIN-}
	SNAPBACK_CHAIN=$chain:$event
	export SNAPBACK_CHAIN
	with_input "$before" "$@" || said=$?
	if [ -n "$chain" ]; then SNAPBACK_CHAIN=$chain; else unset SNAPBACK_CHAIN; fi
	case $event in post-*) ;; *) [ "$said" -eq 0 ] || exit "$said" ;; esac
fi

[ "${SNAPBACK_HOOKS-1}" != 0 ] && [ -z "${SNAPBACK_HOOK_DEPTH-}" ] || exit "$said"
if [ ! -x "$program" ]; then
	program=$(command -v snapback) || {
		echo "snapback: the program is gone, so the hook $event does nothing (delete $0, or install snapback again)" >&2
		exit @missing@
	}
fi
with_input "$program" hook run@strict@ "$event" -- "$@"
# Only a refusal counts, which is 6: a snapback that fails must not stop git.
if [ $? -eq 6 ]; then exit 1; fi
exit "$said"
