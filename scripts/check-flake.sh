#!/bin/sh
# Evaluates every output of the flake, for every system, against the stand-in for nixpkgs in tests/nix: as far as one gets
# without nixpkgs. Builds nothing and fetches nothing. `nix flake check` on a machine with a network does both.
#
# usage: scripts/check-flake.sh [TREE]    prints as JSON what the applications run, how the program is installed, what the checks
#                                         are given, and the units that the module makes
set -eu
tree=${1:-$(dirname "$0")/..}

# A store of its own: that of the machine, where there is one, is left alone.
place=$(mktemp -d)
trap 'chmod -R u+w "$place"; rm -rf "$place"' EXIT
mkdir "$place/home" "$place/tree"
export HOME="$place/home" NIX_CONFIG="
experimental-features = nix-command flakes
store = $place/store
sandbox = false
substitute = false
"
cd "$tree"
mkdir "$place/tree/tests"
cp -R flake.nix flake.lock nix Cargo.toml Cargo.lock clippy.toml rustfmt.toml "$place/tree"
cp -R tests/nix "$place/tree/tests"
# Of what is only built, it counts that it is there.
for folder in src fixtures benches tests/it tests/proptest-regressions; do
    [ ! -d "$folder" ] || mkdir "$place/tree/$folder"
done
cd "$place/tree"

# Nix says what it evaluates in many lines; they matter when it fails.
nix() {
    command nix "$@" --offline 2>"$place/said" || { cat "$place/said" >&2; exit 1; }
}
against() {
    nix "$@" --no-write-lock-file --override-input nixpkgs "path:$place/tree/tests/nix/nixpkgs"
}

# The lock file answers the flake's inputs: nothing would be locked anew.
nix flake metadata --no-update-lock-file "path:$place/tree" >/dev/null
against flake check --no-build "path:$place/tree"
# All systems: a newer Nix checks only its own.
for output in packages checks devShells; do
    against eval --json "path:$place/tree#$output" \
        --apply 'builtins.mapAttrs (_: builtins.mapAttrs (_: made: made.drvPath))' >/dev/null
done
against eval --json "path:$place/tree#formatter" >/dev/null
against eval --json "path:$place/tree#apps" >"$place/apps"
against eval --json "path:$place/tree#packages" \
    --apply 'builtins.mapAttrs (_: own: { default = own.default.postInstall; slim = own.slim.postInstall; })' >"$place/installed"
against eval --json "path:$place/tree#checks.x86_64-linux" --apply 'checks: {
    files = builtins.mapAttrs (_: check: check.src.files) { inherit (checks) fmt clippy tests; };
    tests = map (input: input.name) checks.tests.nativeBuildInputs;
}' >"$place/checks"
against eval --json "path:$place/tree#checks.x86_64-linux.machines.nodes.operator.systemd" >"$place/units"
printf '{"apps":%s,"installed":%s,"checks":%s,"systemd":%s}\n' \
    "$(cat "$place/apps")" "$(cat "$place/installed")" "$(cat "$place/checks")" "$(cat "$place/units")"
