#!/bin/sh
# Prints what CHANGELOG.md says of a version.
set -eu

[ $# = 1 ] || { echo "usage: scripts/release-notes.sh VERSION" >&2; exit 2; }
notes=$(awk -v version="$1" '/^## / { wanted = $2 == version; next } wanted' "$(dirname "$0")/../CHANGELOG.md")
[ -n "$notes" ] || { echo "release-notes: CHANGELOG.md says nothing of $1" >&2; exit 1; }
printf '%s\n' "$notes"
