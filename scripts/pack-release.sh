#!/bin/sh
# Packs a built program with its manual, its completions, the pages for the night something is lost, units and manifests.
set -eu

[ $# = 4 ] || { echo "usage: scripts/pack-release.sh PROGRAM VERSION TARGET DIRECTORY" >&2; exit 2; }
program=$1 name=paycraft-dr-$2-$3 directory=$4
root=$(dirname "$0")/..

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
packed=$place/$name
mkdir -p "$packed/bin" "$packed/completions" "$packed/fixtures" "$directory"
cp "$program" "$packed/bin/paycraft-dr"
"$program" man "$packed/man/man1" >/dev/null
for shell in bash fish zsh; do
    "$program" completions "$shell" >"$packed/completions/paycraft-dr.$shell"
done
cp -R "$root/README.md" "$root/LICENSE" "$root/SECURITY.md" "$root/CHANGELOG.md" "$root/docs" "$root/deploy" "$packed"
# Where the pages say it is.
cp "$root/fixtures/paycraft-dr.toml" "$packed/fixtures"
# The same files give the same bytes, whoever packs them and when.
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --directory "$place" "$name" |
    gzip --no-name >"$directory/$name.tar.gz"
