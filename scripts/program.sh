#!/bin/sh
# Prints the path of the program: the published one where this tree is a release, and otherwise one that is built from it.
# `PAYCRAFT_PREBUILT=no` builds always.
set -eu
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
releases=${PAYCRAFT_RELEASES:-$(sed -n 's/^repository = "\(.*\)"$/\1/p' Cargo.toml)/releases/download}

say() {
    printf 'program: %s\n' "$1" >&2
}

# The static binaries that a release has.
target() {
    case "$(uname -s)-$(uname -m)" in
        Linux-x86_64) echo x86_64-unknown-linux-musl ;;
        Linux-aarch64) echo aarch64-unknown-linux-musl ;;
        *) return 1 ;;
    esac
}

is_release() {
    [ "${PAYCRAFT_PREBUILT:-}" != no ] && command -v git >/dev/null && command -v curl >/dev/null &&
        [ "$(git describe --tags --exact-match HEAD 2>/dev/null)" = "v$version" ] && git diff --quiet HEAD 2>/dev/null
}

download() {
    curl --fail --silent --show-error --location --connect-timeout 5 --max-time 300 --output "$2" "$1"
}

# Downloads the release's archive, checks it against the release's checksums, and unpacks it.
fetch() {
    name=paycraft-dr-v$version-$(target) || return 1
    prebuilt=target/prebuilt/$name/bin/paycraft-dr
    if [ ! -x "$prebuilt" ]; then
        say "this tree is release $version: downloading its program"
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        download "$releases/v$version/$name.tar.gz" "$work/$name.tar.gz" || return 1
        download "$releases/v$version/SHA256SUMS" "$work/SHA256SUMS" || return 1
        grep -F " $name.tar.gz" "$work/SHA256SUMS" >"$work/own" || return 1
        (cd "$work" && sha256sum --check --quiet own >&2) || return 1
        mkdir -p target/prebuilt "$work/unpacked"
        # Moved when it is whole: a program that is there is not downloaded again.
        tar -xzf "$work/$name.tar.gz" -C "$work/unpacked" || return 1
        mv "$work/unpacked/$name" target/prebuilt/ || return 1
    fi
    [ -x "$prebuilt" ] && echo "$PWD/$prebuilt"
}

if is_release; then
    fetch && exit 0
    say "it could not be had; building it instead"
fi

cargo=${CARGO:-cargo}
directory=$("$cargo" metadata --locked --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
if [ ! -x "$directory/release/paycraft-dr" ]; then
    say "building it for the first time: about 8 minutes on two cores, seconds from then on"
fi
"$cargo" build --release --locked >&2
echo "$directory/release/paycraft-dr"
