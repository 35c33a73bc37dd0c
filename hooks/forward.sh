#!/bin/sh
# snapback-hook 1 @event@ @digest@
# Written by `snapback hooks install`: hands on to where git would have looked without it.
before=@before@
[ -f "$before" ] && [ -x "$before" ] || exit 0
exec "$before" "$@"
